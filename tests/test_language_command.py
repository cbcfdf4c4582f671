"""Language models on the command line: train, evaluate, predict, check, generate, next, and every bad input."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

import recurra
from recurra.checkpoint import read_model
from recurra.config import make_run_config
from recurra.fit import fit
from recurra.train import Callback

Cli = Callable[..., Result]
Write = Callable[[str, "str | bytes"], Path]

WIDE = {"COLUMNS": "200"}


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def _write(name: str, content: str | bytes) -> Path:
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return tmp_path / name

    return _write


@pytest.fixture(scope="module")
def options(small_language_model: dict[str, Any]) -> list[str]:
    return [
        part for name, value in small_language_model.items() for part in (f"--{name.replace('_', '-')}", str(value))
    ]


def test_train_and_evaluate(running_text: Path, tmp_path: Path, cli: Cli, options: list[str]) -> None:
    place = tmp_path / "m"
    result = cli("train", "language-model", running_text, "--out", place, *options)
    assert result.exit_code == 0
    assert re.search(r"valid perplexity \d+\.\d\d", result.stderr)
    assert re.search(r"train: [\d,]+ symbols in 108 lines, 0.0 % unknown", result.stderr)
    for said in ("test examples: ", "this model", "unigram", "Kneser-Ney", "unknown symbols: none"):
        assert said in result.stdout
    again = json.loads(cli("evaluate", place, running_text, "--json").stdout)
    assert "dynamic" not in again
    dynamic = cli("evaluate", place, running_text, "--dynamic", 0.1, "--json")
    scores = json.loads(dynamic.stdout)
    assert scores["model"] == again["model"]
    assert scores["dynamic"]["nats"] != scores["model"]["nats"]
    assert "this model, dynamic" in cli("evaluate", place, running_text, "--dynamic", 0.1, env=WIDE).stdout
    card = (place / "README.md").read_text()
    assert "to predict the next symbol; symbols are words." in card
    assert "bootstrap" not in card


def test_predict_gives_the_surprise_of_each_line(tiny_language_model: Path, cli: Cli) -> None:
    result = cli("predict", tiny_language_model, input="the cat\n\nzzz\n")
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert found == read_model(tiny_language_model).task.surprise(["the cat", "", "zzz"])


@pytest.mark.parametrize("data", [None, "own"])
def test_check_passes(data: str | None, tiny_language_model: Path, write: Write, cli: Cli) -> None:
    given = [] if data is None else [write("own.txt", "the cat sees\n\nzzz\n")]
    result = cli("check", tiny_language_model, *given)
    assert result.exit_code == 0
    assert result.stdout.count("ok ") == 8


def test_generate(tiny_language_model: Path, cli: Cli) -> None:
    arguments = ["generate", tiny_language_model, "--length", 12, "--seed", 1]
    result = cli(*arguments, "--prompt", "the cat")
    assert result.stdout.startswith("the cat")
    assert result.stdout.endswith("\n")
    assert result.stdout == cli(*arguments, "--prompt", "the cat").stdout
    assert cli(*arguments).stdout  # from the beginning of a line
    several = cli(*arguments, "--prompt", "a dog\nthe cat").stdout
    assert several.startswith("a dog\nthe cat")
    expected = recurra.load(tiny_language_model).generate("the cat", 12, temperature=0.5, top_k=3, top_p=0.9, seed=1)
    more = ["--temperature", 0.5, "--top-k", 3, "--top-p", 0.9, "--prompt", "the cat"]
    assert cli(*arguments, *more).stdout == f"the cat{expected}\n"


def test_next(tiny_language_model: Path, cli: Cli) -> None:
    found = json.loads(cli("next", tiny_language_model, "the cat", "--json").stdout)
    assert found == recurra.load(tiny_language_model).next("the cat", 10)
    shown = cli("next", tiny_language_model, "the", "--count", 1000, env=WIDE).stdout
    assert "after 'the'" in shown
    assert r"\n" in shown  # the end of a line has a line of its own
    assert cli("next", tiny_language_model).stdout.split()[:6] == ["at", "the", "beginning", "of", "a", "line"]


@pytest.mark.parametrize(
    ("arguments", "said", "code"),
    [
        (["generate", "MODEL", "--prompt", "zzz yyy"], "prompt: none of its 2 symbols is known to the model", 3),
        (["next", "MODEL", "zzz"], "prompt: none of its 1 symbols is known to the model", 3),
        (["generate", "MODEL", "--prompt", "a \udcff"], "prompt: holds half of a surrogate pair", 3),
        (["next", "MODEL", "\udcff"], "prompt: holds half of a surrogate pair", 3),
        (["predict", "MODEL", "\udcff"], "holds half of a surrogate pair", 3),
        (["generate", "MODEL", "--temperature", "-1"], "temperature: expected a number of 0 (greedy) or more", 2),
        (["generate", "MODEL", "--temperature", "nan"], "temperature: expected a number of 0", 2),
        (["generate", "MODEL", "--top-k", "0"], "top_k: expected an integer of at least 1", 2),
        (["generate", "MODEL", "--top-p", "1.5"], "top_p: expected a number above 0 and at most 1", 2),
        (["generate", "MODEL", "--temperature", "0", "--seed", "1"], "option 'seed' (1) would have no effect", 2),
        (["generate", "MODEL", "--temperature", "0", "--top-k", "2"], "top_k: it has no effect with temperature 0", 2),
        (["generate", "MODEL", "--repetition-penalty", "0.5"], "repetition_penalty: expected a number of 1", 2),
        (["generate", "MODEL", "--length", "0"], "greater than or equal to 1", 2),
        (["generate", "MODEL", "--seed", "-1"], "greater than or equal to 0", 2),
        (["next", "MODEL", "--count", "0"], "greater than or equal to 1", 2),
        (["evaluate", "MODEL", "TEXT", "--dynamic", "0"], "option 'dynamic': expected a learning rate above 0", 2),
        (["evaluate", "MODEL", "TEXT", "--dynamic", "nan"], "option 'dynamic': expected a learning rate above 0", 2),
        (["evaluate", "MODEL", "TEXT", "--label-column", "a"], "option 'label_column' (a) would have no effect", 2),
        (["evaluate", "MODEL", "none.txt"], "none.txt: there is no such file", 3),
        (["generate", "CLASSIFIER"], "expected a language model, found a model of the task classify", 2),
        (["next", "CLASSIFIER"], "expected a language model, found a model of the task classify", 2),
        (["evaluate", "CLASSIFIER", "TEXT", "--dynamic", "0.1"], "option 'dynamic' (0.1) would have no effect", 2),
        (["generate", "nowhere"], "nowhere: there is no such model directory", 4),
    ],
)
def test_bad_questions(
    arguments: list[str],
    said: str,
    code: int,
    tiny_language_model: Path,
    tiny_model: Path,
    running_text: Path,
    cli: Cli,
) -> None:
    stands_for = {"MODEL": str(tiny_language_model), "CLASSIFIER": str(tiny_model), "TEXT": str(running_text)}
    result = cli(*(stands_for.get(argument, argument) for argument in arguments))
    assert said in re.sub(r"[\s│]+", " ", result.stderr)
    assert result.exit_code == code
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("name", "content", "more", "said"),
    [
        ("a.txt", "", [], "the file is empty (0 bytes)"),
        (
            "a.txt",
            "\n" * 50,
            [],
            "expected at least two different symbols that are seen 1 times (--min-count), found 0",
        ),
        ("a.txt", "one line", [], "expected at least 3 lines, to be divided into 3 parts, found 1"),
        ("a.txt", "a b\nc d\ne f\n", [], "expected at least 8 symbols for batches of 4 pieces, found 3"),
        ("a.txt", "a\n" * 50, [], "expected at least two different symbols"),
        ("a.txt", "a \xff".encode("latin1") * 9, [], "expected UTF-8"),
        ("a.jsonl", '{"text": "\\ud800"}\n' * 9, [], "holds half of a surrogate pair"),
        ("a.txt", "a b c\n" * 9, ["--text-column", "body"], "--text-column: there is no column 'body'"),
        ("a.csv", "n,m\n1,2\n3,4\n", [], "found no column of text"),
    ],
)
def test_bad_texts(
    name: str, content: str, more: list[str], said: str, write: Write, tmp_path: Path, cli: Cli, options: list[str]
) -> None:
    result = cli("train", "language-model", write(name, content), "--out", tmp_path / "m", *options, *more)
    assert said in result.stderr
    assert result.exit_code == 3
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--softmax", "adaptive"], "adaptive softmax: it saves time from about"),
        (["--tokens", "bpe", "--min-count", "2", "--vocabulary-size", "100"], "bpe needs at least 259"),
        (["--valid-share", "0.5", "--test-share", "0.5"], "expected a sum below 1, found 0.5 + 0.5"),
        (["--steps", "0"], "'steps': input should be greater than or equal to 1"),
    ],
)
def test_bad_settings(
    more: list[str], said: str, running_text: Path, tmp_path: Path, cli: Cli, options: list[str]
) -> None:
    result = cli("train", "language-model", running_text, "--out", tmp_path / "m", *options, *more)
    assert (result.exit_code, said in result.stderr) == (2, True), result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("tokens", ["words", "characters", "bpe"])
def test_control_characters_go_all_the_way(
    tokens: str, write: Write, tmp_path: Path, cli: Cli, options: list[str]
) -> None:
    path = write("a.txt", "a\x00b \x1b c\x07 d\x85\n" * 60)
    told = options if tokens != "bpe" else [*options, "--min-count", 2]
    assert cli("train", "language-model", path, "--out", tmp_path / "m", *told, "--tokens", tokens).exit_code == 0
    assert cli("evaluate", tmp_path / "m", path).exit_code == 0
    assert json.loads(cli("predict", tmp_path / "m", path).stdout.split("\n")[0])["text"].startswith("a\x00b")
    assert cli("generate", tmp_path / "m", "--prompt", "a\x00", "--length", 30).exit_code == 0
    shown = cli("next", tmp_path / "m", "a", "--count", 400).stdout
    assert "\x00" not in shown
    assert "\x1b " not in shown


def test_a_line_of_a_million_characters(tiny_language_model: Path, write: Write, cli: Cli) -> None:
    path = write("a.txt", "a\n" + "x" * 500_000 + " the cat" * 62_500 + "\nb\n")
    lines = cli("predict", tiny_language_model, path).stdout.splitlines()
    assert [len(json.loads(line)["tokens"]) for line in lines] == [2, 125_002, 2]
    assert cli("evaluate", tiny_language_model, path).exit_code == 0


def test_a_file_of_one_line_is_scored_without_an_interval(tiny_language_model: Path, write: Write, cli: Cli) -> None:
    shown = cli("evaluate", tiny_language_model, write("a.txt", "the cat sees it"))
    assert shown.exit_code == 0
    assert " to " not in shown.stdout
    assert "unknown symbols: none" in shown.stdout


def test_a_test_without_known_words(tiny_language_model: Path, write: Write, cli: Cli) -> None:
    shown = cli("evaluate", tiny_language_model, write("a.txt", "zzz yyy\n\n")).stdout
    assert "unknown symbols: 50.0 %, scored as one symbol; scores compare only where" in shown


def test_the_text_column_of_training_is_taken_later(write: Write, tmp_path: Path, cli: Cli, options: list[str]) -> None:
    rows = "text,body\n" + "x y z,the cat sees it\n" * 60
    place, path = tmp_path / "m", write("a.csv", rows)
    assert cli("train", "language-model", path, "--text-column", "body", "--out", place, *options).exit_code == 0
    assert json.loads(cli("evaluate", place, path, "--json").stdout)["unknown_share"] == 0
    assert json.loads(cli("predict", place, path).stdout.splitlines()[0])["text"] == "the cat sees it"


class _Stop(Callback):
    """Ends the run after some epochs, as Ctrl-C does."""

    def __init__(self, epochs: int) -> None:
        self.left = epochs

    def on_epoch(self, record: Any) -> None:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


@pytest.mark.parametrize("stop", [1, 3])
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"cell": "gru", "tied": False, "dropout": 0.3, "word_dropout": 0.1, "weight_dropout": 0.2},
        {"optimizer": "sgd", "learning_rate": 5.0},
        # it averages from the second or third epoch on, as this learning rate makes the loss go up and down
        {"optimizer": "nt-asgd", "learning_rate": 100.0, "nonmonotone": 1, "schedule": "constant"},
    ],
    ids=["adamw", "dropouts", "sgd", "nt-asgd"],
)
def test_a_resumed_run_is_that_which_was_never_stopped(
    more: dict[str, Any], stop: int, running_text: Path, tmp_path: Path, small_language_model: dict[str, Any]
) -> None:
    config = make_run_config("language-model", data=str(running_text), **{**small_language_model, "epochs": 5, **more})
    fit(config, tmp_path / "whole")
    assert fit(config, tmp_path / "m", callbacks=[_Stop(stop)]).interrupted
    fit(config, tmp_path / "m", resume=True)
    for name in ("model.safetensors", "last.safetensors", "baseline.safetensors", "tokenizer.json"):
        one, other = ((tmp_path / place / name).read_bytes() for place in ("m", "whole"))
        if name != "last.safetensors":  # which holds the times of the epochs, too
            assert one == other, name
    if "nt-asgd" in more.values():
        losses = [record["valid_loss"] for record in recurra.load(tmp_path / "whole").history_]
        assert any(loss > min(losses[: n - 1]) for n, loss in enumerate(losses[:-1]) if n > 1), losses


def test_the_reader_of_a_text_may_go(
    tiny_language_model: Path, command: list[str], environment: dict[str, str]
) -> None:
    arguments = [*command, "generate", str(tiny_language_model), "--length", "100000000"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        assert run.stdout.read(20)
        run.stdout.close()
        assert run.wait(60) == 141
        assert run.stderr.read() == b""


def test_ctrl_c_ends_a_text(tiny_language_model: Path, command: list[str], environment: dict[str, str]) -> None:
    arguments = [*command, "generate", str(tiny_language_model), "--length", "100000000"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as run:
        assert run.stdout is not None
        os.read(run.stdout.fileno(), 20)
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=60)
    assert run.returncode == 130
    assert err == b"stopped by Ctrl-C\n"
    assert out.endswith(b"\n")


def test_a_model_elsewhere_is_checked_on_random_symbols(tiny_language_model: Path, tmp_path: Path, cli: Cli) -> None:
    place = tmp_path / "m"
    shutil.copytree(tiny_language_model, place)
    saved = read_model(place)
    saved.task.config = make_run_config("language-model", data="gone.txt")
    assert len(saved.task.sequences(None)) == 64
