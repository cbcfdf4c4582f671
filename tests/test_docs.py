"""The documents' code: commands parse and run, Python runs and prints what the page says it prints.

On each page the blocks run from top to bottom: `bash` as commands in a folder with the files of `write_files`,
`python` in one namespace. A `text` block that comes next after a `python` block is what that prints; `...` in it
stands for anything. Code that goes wrong is headed `python title="wrong"`, and the `text` block after it shows its
output: what it prints and, if it raises, the last line of the traceback.
"""

from __future__ import annotations

import contextlib
import csv
import doctest
import importlib.metadata
import io
import json
import logging
import math
import re
import shlex
import subprocess
import sys
import textwrap
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import typer
from typer.testing import Result

from recurra.cli import app
from recurra.config import CONFIGS
from recurra.data.bundled import reviews_path, sentences_path
from recurra.tasks.forecast import Forecast
from recurra.tasks.tag import Tag
from recurra.tasks.transcribe import Transcribe
from recurra.tasks.translate import Translate

Cli = Callable[..., Result]

ROOT = Path(__file__).parent.parent
DOCS = sorted(ROOT.glob("docs/**/*.md"))
PAGES = [*(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "examples/README.md")), *DOCS]
# A block of code, or a row of a table that ends with a command.
STEP = re.compile(r"^( *)```(\w+)([^\n]*)\n(.*?)^\1```$|^\|[^|\n]*\| `(recurra [^\n]*)` \|$", re.MULTILINE | re.DOTALL)


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def steps(text: str) -> Iterator[tuple[str, str]]:
    """Yield language and content of each block, in order; a command in a table is a block, code to go wrong `wrong`."""
    for match in STEP.finditer(text):
        _, language, title, code, cell = match.groups()
        if cell is not None:
            yield "bash", cell.replace("\\|", "|")
        else:
            yield "wrong" if title.strip() == 'title="wrong"' else language, textwrap.dedent(code)


def steps_of(page: Path) -> list[tuple[str, str]]:
    return list(steps(page.read_text(encoding="utf-8")))


def shell_lines(page: Path) -> list[str]:
    return [
        line for language, code in steps_of(page) if language == "bash" for line in code.splitlines() if line.strip()
    ]


def split(line: str) -> tuple[str, list[str] | None]:
    """Divide a line into what comes before a pipe, and the arguments of `recurra` behind it (None if it is not run)."""
    before, _, own = line.rpartition("| ")
    lexer = shlex.shlex(own, posix=True, punctuation_chars="|>")
    lexer.whitespace_split = True
    parts = [part for part in lexer if not re.fullmatch(r"[A-Z_]+=\w+", part)]
    if not parts or parts[0] != "recurra":
        return line, None
    return before, parts[1 : parts.index(">")] if ">" in parts else parts[1:]


def parse(arguments: list[str]) -> None:
    """Let the command line parse arguments without running anything; a usage error is raised."""
    command, context, name = typer.main.get_command(app), None, "recurra"
    while True:
        # Without its callback a group only finds its command; `resilient_parsing` would let errors pass.
        context = command.make_context(name, list(arguments), parent=context)
        if not hasattr(command, "resolve_command"):
            return
        found, command, arguments = command.resolve_command(context, [*context._protected_args, *context.args])
        assert command is not None
        name = found or ""


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_commands_parse(page):
    commands = [split(line)[1] for line in shell_lines(page)]
    commands += [
        shlex.split(code)[1:] for code in re.findall(r"`(recurra [^`|\n]+)`", page.read_text(encoding="utf-8"))
    ]
    known = typer.main.get_command(app).commands
    for command in commands:
        if command is None or command[-1] in ("--help", "train"):
            continue
        if len(command) == 1:  # named, not given
            assert command[0] in known, f"no command {command[0]}"
        elif command[0] != "train" or command[1:] not in [[task] for task in CONFIGS]:
            parse(command)


def test_a_wrong_command_does_not_parse():
    for wrong in ("train classify a.csv --hiden-size 3", "train clasify a.csv", "evaluate runs/a", "demo --seed -1"):
        with pytest.raises(Exception, match=r"(?i)no such|missing|greater than"):
            parse(wrong.split())


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_make_targets_programs_and_extras_exist(page):
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    extras = importlib.metadata.metadata("recurra").get_all("Provides-Extra")
    text = page.read_text(encoding="utf-8")
    for line in [*shell_lines(page), *re.findall(r"`((?:make|python) [^`]+)`", text)]:
        program, *arguments = line.split()
        if program == "make":
            assert " ".join(arguments).replace("\n", " ") in targets, line
        if program == "python" and arguments[0].endswith(".py"):
            assert (ROOT / arguments[0]).is_file() or (page.parent / arguments[0]).is_file(), line
    for extra in re.findall(r"(?:recurra|\.)\[(\w+)\]'", text):
        assert extra in extras


def write_files(folder: Path) -> None:
    """Write what the documents' commands read: the bundled reviews in small, and files as a reader may have them."""
    with reviews_path().open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    parts = {part: [row for row in rows if row["split"] == part] for part in ("train", "valid", "test")}
    train, valid, test = parts["train"][:48], parts["valid"][:12], parts["test"][:12]
    both = [row["text"] for row in train], [row["label"] for row in train]

    def write(name: str, names: dict[str, str], chosen: list[dict[str, str]], delimiter: str = ",") -> None:
        with (folder / name).open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter=delimiter)
            writer.writerows([list(names), *([row[column] for column in names.values()] for row in chosen)])

    everything = {name: name for name in rows[0]}
    write("reviews.csv", everything, [*train, *valid, *test])
    for name, chosen in (("train.csv", train), ("dev.csv", valid), ("test.csv", test)):
        write(name, {"text": "text", "label": "label"}, chosen)
    write("tickets.csv", {"subject": "text", "team": "domain", "kind": "kind"}, train)
    write("semicolons.csv", {"subject": "text", "team": "domain", "kind": "kind"}, train, ";")
    (folder / "no-header.tsv").write_text("".join(f"{label}\t{text}\n" for text, label in zip(*both)), encoding="utf-8")
    (folder / "lines.txt").write_text("a film to forget\nnot bad\n", encoding="utf-8")
    (folder / "corpus.txt").write_text("".join(f"{row['text']}\n" for row in train), encoding="utf-8")
    sentences = sentences_path("train").read_text(encoding="utf-8").split("\n\n")
    (folder / "sentences.conllu").write_text("\n\n".join(sentences[:60]) + "\n\n", encoding="utf-8")
    words = [[line.split("\t") for line in sentence.split("\n") if line[:1].isdigit()] for sentence in sentences]
    names = ["\n".join(f"{row[1]} {row[4]}" for row in rows if row[0].isdigit()) + "\n\n" for rows in words]
    for name, chosen_names in (("", names[:60]), ("-dev", names[60:70]), ("-test", names[70:80])):
        (folder / f"names{name}.conll").write_text("".join(chosen_names), encoding="utf-8")
    dated = [
        f"{day}. {month}. {year}\t{year}-{month:02}-{day:02}\n"
        for day in (5, 17)
        for month in (3, 8)
        for year in range(1960, 1975)
    ]
    (folder / "pairs.tsv").write_text("".join(dated), encoding="utf-8")
    spelt = sorted({word.strip("',.").lower() for row in train for word in row["text"].split()} - {""})
    sounds = [f"{word} {' '.join(word.upper())}" for word in spelt if word.isalpha()]
    sounds += [f"{sounds[0].replace(' ', '(2) ', 1)} # said so too"]
    (folder / "cmudict.dict").write_text("\n".join(sounds) + "\n", encoding="utf-8")
    articles = [{"article": " ".join([text] * 3), "summary": text} for text in both[0]]
    (folder / "articles.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in articles), encoding="utf-8")
    (folder / "vectors.txt").write_text("the 0.1 0.2 0.3\nand 0.3 0.2 0.1\n", encoding="utf-8")
    write_numbers(folder)
    for number, (text, label) in enumerate(zip(*both)):
        (folder / "letters" / label).mkdir(parents=True, exist_ok=True)
        (folder / "letters" / label / f"{number}.txt").write_text(text, encoding="utf-8")


def write_numbers(folder: Path) -> None:
    """Write the series and recordings that the documents' commands read."""
    months = [
        f"{1990 + month // 12}-{month % 12 + 1:02}-01,{math.sin(month * math.pi / 6):.3f}" for month in range(180)
    ]
    (folder / "series.csv").write_text("\n".join(["ds,y", *months]) + "\n", encoding="utf-8")
    lines = [f"{','.join(str(number * step % 7) for step in range(9))}:{number % 2}" for number in range(40)]
    head = ["@problemName g", "@timeStamps false", "@univariate true", "@classLabel true 0 1", "@data"]
    (folder / "gestures.ts").write_text("\n".join([*head, *lines]) + "\n", encoding="utf-8")
    rows = ["path,text"]
    for number in range(30):
        tone = np.sin(np.arange(2400) * (0.3 + number % 3 / 5))
        soundfile.write(folder / f"{number}.wav", tone, 8000)
        rows.append(f"{number}.wav,{'abc'[number % 3]}")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    soundfile.write(folder / "recording.wav", tone, 8000)


def shortened(command: list[str]) -> list[str]:
    """Give training two epochs: what a tutorial's models learn is shown, and not what its Python code prints."""
    return ["2" if before == "--epochs" and int(own) > 2 else own for before, own in zip(["", *command], command)]


def run_shell(line: str, cli: Cli, short: bool = False) -> None:
    """Run a `recurra` line in this process; hub data sets, the demo and bench, which take long, are only parsed."""
    before, command = split(line)
    if command is None or command[0] in ("demo", "bench") or any(part.startswith("hf:") for part in command):
        return
    given = subprocess.run(before, shell=True, capture_output=True, check=True).stdout if before else None
    result = cli(*(shortened(command) if short else command), input=given)
    assert result.exit_code == 0, f"{line}\n{result.output}"
    for file in re.findall(r" > (\S+)$", line):
        Path(file).write_text(result.stdout, encoding="utf-8")


def run_python(code: str, names: dict[str, object], source: str, *, wrong: bool = False) -> str:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        try:
            exec(compile(code, source, "exec"), names)
        except Exception as error:
            if not wrong:
                raise
            print(traceback.format_exception_only(error)[-1], end="")
    return printed.getvalue()


def run_steps(blocks: list[tuple[str, str]], source: str, cli: Cli) -> None:
    """Run the blocks of a page in order, in the current folder; what Python prints must be the text after it."""
    names: dict[str, object] = {}
    for (language, code), (following, expected) in zip(blocks, [*blocks[1:], ("", "")]):
        if language == "bash":
            for line in filter(str.strip, code.splitlines()):
                run_shell(line, cli, short=source.startswith("docs/tutorials/"))
        elif language in ("python", "wrong"):
            printed = run_python(code, names, source, wrong=language == "wrong")
            assert language == "python" or following == "text", f"what is wrong is not shown after\n{code}"
            if following == "text":
                as_said = doctest.OutputChecker().check_output(expected, printed, doctest.ELLIPSIS)
                assert as_said, f"the page says {expected.rstrip()}, the code prints {printed.rstrip()}, {code}"


RUN = [
    page
    for page in (ROOT / "README.md", *DOCS)
    if page.name != "model-directory.md" and {"bash", "python"} & {language for language, _ in steps_of(page)}
]


@pytest.fixture
def _as_before(monkeypatch):
    """What a page sets up ends with it, and an outer choice of kernels does not reach into it."""
    monkeypatch.delenv("RECURRA_KERNEL", raising=False)
    state, dtype = torch.get_rng_state(), torch.get_default_dtype()
    yield
    torch.set_rng_state(state)
    torch.set_default_dtype(dtype)


@pytest.mark.usefixtures("_as_before")
@pytest.mark.parametrize("page", RUN, ids=named)
def test_the_page_runs_from_top_to_bottom(page, cli, tmp_path, monkeypatch):
    write_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    for task in (Tag, Translate, Forecast, Transcribe):
        monkeypatch.setattr(task, "enough_steps", 6)  # three epochs: what is learnt without options does not matter
    logging.getLogger("recurra").setLevel(logging.WARNING)
    run_steps(steps_of(page), named(page), cli)


def page_of(*blocks: tuple[str, str]) -> list[tuple[str, str]]:
    """Write blocks as a page and read them back."""
    return list(steps("\n".join(f"Words.\n\n```{head}\n{code}\n```\n" for head, code in blocks)))


def test_one_namespace_and_exact_output(cli):
    run_steps(page_of(("python", "a = 1"), ("python", "print(a + 1)"), ("text", "2")), "a page", cli)
    run_steps(page_of(("python", "print('1.2345')"), ("text", "1.2...")), "a page", cli)
    with pytest.raises(AssertionError, match="the page says 3, the code prints 2"):
        run_steps(page_of(("python", "print(1 + 1)"), ("text", "3")), "a page", cli)
    with pytest.raises(ZeroDivisionError):
        run_steps(page_of(("python", "1 / 0"), ("text", "ZeroDivisionError: division by zero")), "a page", cli)


def test_wrong_code_shows_what_it_does(cli):
    head = 'python title="wrong"'
    run_steps(page_of((head, "print(1)\n1 / 0"), ("text", "1\nZeroDivisionError: division by zero")), "a page", cli)
    run_steps(page_of((head, "print(1)"), ("text", "1")), "a page", cli)
    with pytest.raises(AssertionError, match="not shown after"):
        run_steps(page_of((head, "print(1)")), "a page", cli)


def test_indented_blocks_are_found():
    assert list(steps("- a\n\n    ```python\n    if 1:\n        a\n    ```\n")) == [("python", "if 1:\n    a\n")]


def test_the_model_directory_page_reads_a_model_and_names_its_files(tiny_model, tmp_path, monkeypatch):
    page = ROOT / "docs" / "model-directory.md"
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "reviews").symlink_to(tiny_model)
    monkeypatch.chdir(tmp_path)
    (code,) = [code for language, code in steps_of(page) if language == "python"]
    printed = run_python(code, {}, named(page))
    assert printed.startswith("['neg', 'pos']\n")
    text = page.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+\.\w+)` \|", text, re.MULTILINE)
    assert sorted(rows) == sorted(file.name for file in tiny_model.iterdir())
    for tensor in ("encoder.embedding.weight", "encoder.recurrent.weight_ih_l0", "output.weight", "output.bias"):
        assert f"`{tensor}`" in text
        assert f"\n{tensor} [" in printed


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "docs" / "tutorial.md"], ids=named)
def test_the_copied_reviews_are_the_bundled_ones(page, tmp_path):
    (line,) = [line for line in shell_lines(page) if line.startswith("cp ") and line.endswith("reviews.csv")]
    own_python = line.replace("$(python ", f"$({shlex.quote(sys.executable)} ")
    assert own_python != line
    subprocess.run(own_python, shell=True, check=True, cwd=tmp_path)
    assert (tmp_path / "reviews.csv").read_bytes() == reviews_path().read_bytes()
