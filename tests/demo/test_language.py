"""The demo of language modelling on a small library: its text, its model, its page, and what it will not overwrite."""

from __future__ import annotations

import dataclasses
import io
import logging
import math
import re
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from recurra import demo
from recurra.checkpoint import read_model
from recurra.data import Texts
from recurra.demo import print_language_summary, run_language_demo
from recurra.demo.documentation import gather_documentation
from recurra.demo.language_findings import LanguageReport, Sample, Surprise, comparison_sentence
from recurra.demo.report import render_language
from recurra.errors import DataError, OutputError
from recurra.train import Callback

SETTINGS = {"epochs": 2, "hidden_size": 12, "embedding_size": 12, "vocabulary_size": 280, "batch_size": 4, "steps": 20}
SECTIONS = ["task", "scores", "curve", "samples", "surprise", "next", "state", "made"]
EVIL = '</pre><script>alert("x")</script> & a $lead'


def write_module(folder: Path, name: str, source: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source, encoding="utf-8")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty modules of three docstrings each, with quotes, parentheses, indented lines and sessions in them."""
    folder = tmp_path_factory.mktemp("library")
    for number in range(40):
        noun, verb = ("file", "list", "name", "path")[number % 4], ("Return", "Open", "Close")[number % 3]
        write_module(
            folder,
            f"part{number}.py",
            f'"""{verb} the {noun} (number {number}) called "{noun}{number}".\n\nIf it is not there, say so.\n"""\n\n'
            f'class A{number}:\n    """The {noun} and its {number} parts.\n\n        >>> {noun}({number})\n        1\n'
            f'    """\n\n    def f(self):\n        """{verb} a `{noun}` (or None) of part {number}."""\n',
        )
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, library: Path) -> LanguageReport:
    """A demo that was run twice into the same folder, the second time over the first."""
    out = tmp_path_factory.mktemp("demo") / "out"
    run_language_demo(out, 1, library=library, **{**SETTINGS, "epochs": 1})
    return run_language_demo(out, 1, library=library, **SETTINGS)


@pytest.fixture(scope="module")
def page(made: LanguageReport) -> str:
    return (made.out / "report.html").read_text(encoding="utf-8")


def test_docstrings_are_gathered_in_the_order_of_a_module_and_once(tmp_path):
    write_module(
        tmp_path,
        "one.py",
        '"""Of the module.\n\n    Two  \n    lines.\n"""\n'
        "class A:\n    'Of the class.'\n    def f(self):\n        'Of a method.'\n"
        "        def g():\n            'Inner.'\n"
        "    def none(self): pass\n"
        "async def h():\n    'Of the last.'\ndef again():\n    'Of the class.'\n",
    )
    found = gather_documentation(tmp_path)
    assert found.text == "Of the module.\n\nTwo\nlines.\n\nOf the class.\n\nOf a method.\n\nInner.\n\nOf the last.\n\n"
    assert found[1:] == (1, 5)


@pytest.mark.parametrize(
    "name",
    ["site-packages/a.py", "dist-packages/a/b.py", "test/a.py", "json/tests/a.py", "idlelib/idle_test/a.py", "a.txt"],
)
def test_what_is_installed_or_tests_is_left_out(tmp_path, name):
    write_module(tmp_path, name, '"""Not wanted."""\n')
    write_module(tmp_path, "testing/test_a.py", '"""Wanted."""\n')
    assert gather_documentation(tmp_path) == ("Wanted.\n\n", 1, 1)


def test_sources_that_are_not_python_and_docstrings_that_are_not_ascii_are_passed_over(tmp_path):
    (tmp_path / "two.py").write_bytes(b"print 'Python 2'\n")
    (tmp_path / "zero.py").write_bytes(b'"""a"""\0')
    (tmp_path / "latin.py").write_bytes(b'"""\xe9"""')
    write_module(tmp_path, "umlaut.py", '"""Größe."""\n')
    write_module(tmp_path, "escape.py", '"""A bell \\a and half a pair \\ud800."""\n')
    write_module(tmp_path, "badly.py", '"""A bad \\d escape, which newer Pythons warn of."""\n')
    write_module(tmp_path, "empty.py", '"""   """\n')
    assert gather_documentation(tmp_path).text == "A bad \\d escape, which newer Pythons warn of.\n\n"


def test_the_order_of_modules_is_that_of_a_hash_of_their_names(tmp_path):
    # the first hexadecimal digits of SHA-256, by the command sha256sum: a.py f0, b.py 4a, c/d.py b9
    for name in ("a", "b", "c/d"):
        write_module(tmp_path, f"{name}.py", f'"""This is {name}."""\n')
    found = gather_documentation(tmp_path)
    assert found == gather_documentation(tmp_path)
    assert found.text == "This is b.\n\nThis is c/d.\n\nThis is a.\n\n"
    assert found.modules == 3


def test_sources_that_are_not_there_are_named(tmp_path):
    with pytest.raises(DataError, match=r"no-library: expected .* found no such folder; install Python"):
        gather_documentation(tmp_path / "no-library")
    (tmp_path / "a.pyc").write_bytes(b"")
    with pytest.raises(DataError, match="expected sources with docstrings, found none in 0 files; install Python"):
        gather_documentation(tmp_path)


def test_the_standard_library_of_this_machine_is_enough():
    found = gather_documentation()
    assert found.docstrings > 4_000
    assert len(found.text) > 1_000_000
    assert found.text.isascii()


def test_the_page_is_whole_and_has_each_section(page, read_page):
    reader = read_page(page)
    assert [attributes["id"] for tag, attributes in reader.seen if tag == "section"] == SECTIONS
    assert sum(tag == "svg" for tag, _ in reader.seen) == 2
    ids = [attributes["id"] for _, attributes in reader.seen if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert "prefers-color-scheme: dark" in page
    assert 'name="viewport"' in page
    assert '<meta name="generator" content="recurra demo language-model">' in page
    places = files("recurra.pages") / "page.html", files("recurra.demo") / "language.html"
    templates = [place.read_text(encoding="utf-8") for place in places]
    asked = {name for template in templates for name in re.findall(r"\$\{?([a-z_]+)", template)}
    assert len(asked) > 20
    assert not asked & set(re.findall(r"\$\{?([a-z_]+)", page))  # made-up text may have a sign of its own


def test_the_page_loads_nothing(page, read_page):
    reader = read_page(page)
    assert not {tag for tag, _ in reader.seen} & {"script", "link", "img", "iframe", "object", "embed"}
    for _, attributes in reader.seen:
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href", "xlink:href"):
            assert attributes.get(name, "#").startswith("#")
    assert "@import" not in page
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", page))


def test_all_text_of_the_model_and_of_the_data_is_escaped(made, read_page):
    harmful = dataclasses.replace(
        made,
        samples=[Sample(EVIL, 0.7, EVIL)],
        passage=[*made.passage, Surprise(EVIL, 99.0, 1.0)],
        prompted=[made.prompted[0]._replace(prompt=EVIL, likely=[made.prompted[0].likely[0]._replace(text=EVIL)])],
        activity=made.activity._replace(tokens=[EVIL, *made.activity.tokens[1:]]),
        facts={EVIL: EVIL},
        out=Path(EVIL),
    )
    page = render_language(harmful)
    assert "<script" not in page
    assert read_page(page).text.count('<script>alert("x")</script>') >= 6


def test_the_scores_are_those_of_the_saved_model(made, page):
    saved = read_model(made.out / "model")
    assert {path.name for path in made.out.iterdir()} == {"model", "docstrings.txt", "report.html"}
    assert saved.task.config.train.seed == 1
    assert len(made.history) == 2
    scores = saved.metrics["test"]
    assert made.scores == scores
    assert f"{scores['model']['perplexity']['value']:,.2f}<small>" in page
    for name, found in scores["baselines"].items():
        assert name in page
        assert f"<td>{found['nats']:.3f}</td>" in page
    assert len(made.losses) == 2 * saved_steps(made)
    assert sum(made.sizes.values()) == len((made.out / "docstrings.txt").read_text())


def saved_steps(made: LanguageReport) -> int:
    symbols = len(read_model(made.out / "model").task.encode(Texts.from_lists(training_lines(made))).ids)
    pieces = (symbols - 1 - SETTINGS["steps"]) // SETTINGS["batch_size"]
    return math.ceil(pieces / SETTINGS["steps"])


def training_lines(made: LanguageReport) -> list[str]:
    lines, size = [], 0
    for line in (made.out / "docstrings.txt").read_text().split("\n"):
        if size >= made.sizes["train"]:
            break
        lines.append(line)
        size += len(line) + 1
    return lines


def test_the_passage_is_held_out_text_with_the_surprise_that_predict_gives(made):
    passage = "".join(each.token for each in made.passage)
    text = (made.out / "docstrings.txt").read_text()
    assert text.index(passage) >= len(text) - made.sizes["test"]
    assert passage.endswith("\n")
    (found,) = read_model(made.out / "model").task.surprise([passage[:-1]])
    assert [each["token"] for each in found["tokens"]] == [each.token for each in made.passage]
    expected = [-each["log_probability"] / math.log(2) for each in found["tokens"]]
    np.testing.assert_allclose([each.bits for each in made.passage], expected, rtol=1e-4, atol=1e-5)


def test_the_most_surprising_are_listed_first(made, page):
    rows = re.findall(r'class="place">.*?</td><td>([\d.]+)</td>', page)
    expected = sorted((each.bits for each in made.passage), reverse=True)[:8]
    assert rows == [f"{bits:.1f}" for bits in expected]


def test_samples_are_of_each_prompt_and_temperature_and_the_same_each_time(made, library, tmp_path):
    asked = [(sample.prompt, sample.temperature) for sample in made.samples]
    assert len(set(asked)) == len(asked) == 9
    assert len({sample.text for sample in made.samples}) == 9
    again = run_language_demo(tmp_path / "out", 1, library=library, **SETTINGS)
    assert again.samples == made.samples
    assert again.passage == made.passage


@pytest.mark.parametrize(
    ("low", "value", "high", "said"),
    [
        (0.1, 0.2, 0.3, "The GRU is 0.200 nats a symbol less surprised than counts of 5-grams"),
        (-0.3, -0.2, -0.1, "The GRU is 0.200 nats a symbol more surprised than counts of 5-grams"),
        (-0.1, 0.05, 0.2, "The GRU and counts of 5-grams cannot be told apart"),
    ],
)
def test_the_comparison_is_said_as_far_as_the_interval_allows(made, low, value, high, said):
    scores = {**made.scores, "gain": {"low": low, "value": value, "high": high}}
    sentence = comparison_sentence(dataclasses.replace(made, metrics={"test": scores}))
    assert sentence.startswith(said)
    assert ("(95 % interval 0.100 to 0.300)" in sentence) == (low * high > 0)


def test_the_summary_has_the_scores_a_text_and_commands_that_work(made, cli, tmp_path):
    console = Console(file=io.StringIO(), width=120)
    print_language_summary(made, console)
    printed = console.file.getvalue()
    for expected in ("this model", "unigram", "Kneser-Ney 5-gram", comparison_sentence(made), "temperature 0.7"):
        assert expected in printed
    assert str(made.out / "report.html") in printed
    commands = re.findall(r"^  recurra (.*)$", printed, re.MULTILINE)
    assert len(commands) == 5
    for command in commands[:3]:
        words = [part.strip('"') for part in re.findall(r'"[^"]*"|\S+', command)]
        assert cli(*words).exit_code == 0


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("thesis.txt", "x"),
        ("model/thesis.txt", "x"),
        ("docstrings.txt", "My own docstrings."),
        ("report.html", '<meta name="generator" content="recurra demo">'),
    ],
)
def test_what_the_demo_has_not_made_is_left_alone(tmp_path, library, name, content):
    place = tmp_path / "out" / name
    place.parent.mkdir(parents=True)
    place.write_text(content, encoding="utf-8")
    with pytest.raises(OutputError, match="not made by this command; choose another --out"):
        run_language_demo(tmp_path / "out", library=library, **SETTINGS)
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == [place]
    assert place.read_text(encoding="utf-8") == content


class Stop(Callback):
    def on_epoch(self, record):
        raise KeyboardInterrupt


def test_ctrl_c_leaves_no_report_and_another_run_works(tmp_path, library):
    out = tmp_path / "out"
    run_language_demo(out, library=library, **{**SETTINGS, "epochs": 1})
    with pytest.raises(KeyboardInterrupt):
        run_language_demo(out, 0, [Stop()], library=library, **SETTINGS)
    assert not (out / "report.html").exists()
    run_language_demo(out, library=library, **{**SETTINGS, "epochs": 1})
    assert (out / "report.html").exists()


def test_the_command(cli, monkeypatch, tmp_path, made):
    asked = []

    def quick(out, seed, callbacks):
        asked.append((out, seed, len(callbacks)))
        return made

    monkeypatch.setattr(demo, "run_language_demo", quick)
    result = cli("demo", "language-model", "--out", tmp_path / "x", "--seed", 3)
    assert result.exit_code == 0
    assert "recurra generate" in result.output
    assert cli("demo", "language-model").exit_code == 0
    assert asked == [(tmp_path / "x", 3, 1), (Path("recurra-demo-language"), 0, 1)]

    def stopped(out, seed, callbacks):
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "run_language_demo", stopped)
    result = cli("demo", "language-model", "--out", tmp_path / "x")
    assert result.exit_code == 130
    assert "no report was written" in result.output


def test_an_unknown_demo(cli):
    result = cli("demo", "language-modle")
    assert result.exit_code == 2
    said = (
        "demo: expected classify, language-model, translate, forecast or transcribe, found 'language-modle', did you "
        "mean 'language-model'?"
    )
    assert said in result.output


@pytest.mark.slow
def test_on_the_standard_library_the_model_learns_more_than_counting_gives(tmp_path):
    logging.getLogger("recurra").setLevel(logging.WARNING)
    report = run_language_demo(tmp_path / "out")
    assert report.scores["gain"]["low"] > 0
    assert report.scores["model"]["bits_per_character"] < 1.8
    assert max(abs(each.found) for each in report.followers) > 0.8  # of how far the line has come
    assert max(abs(each.chance) for each in report.followers) < 0.2
