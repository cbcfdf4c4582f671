"""The demo of translation on few lists: its files, its models, its page, and what it will not overwrite."""

from __future__ import annotations

import dataclasses
import io
import logging
import re
import shutil
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from recurra import demo
from recurra.checkpoint import read_model
from recurra.data.pairs import load_pairs
from recurra.demo import print_translate_summary, run_translate_demo
from recurra.demo.numbers import PairCounts, make_lists
from recurra.demo.report import render_translate
from recurra.demo.translate_findings import ATTENTION, FIXED, Answers, TranslateReport, comparison_sentences
from recurra.demo.translate_sections import _marked
from recurra.errors import OutputError
from recurra.train import Callback
from recurra.translation_baselines import COPY, NEAREST

COUNTS = PairCounts(train=120, valid=20, test=40)
SETTINGS = {"epochs": 2, "hidden_size": 12, "embedding_size": 12, "batch_size": 20}
SECTIONS = ["task", "bottleneck", "scores", "alignments", "answers", "curve", "made"]
EVIL = '</pre><script>alert("x")</script> & a $lead'


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> list[TranslateReport]:
    """A demo that was run twice into the same folder, the second time over the first."""
    out = tmp_path_factory.mktemp("demo") / "out"
    return [run_translate_demo(out, 1, counts=COUNTS, **SETTINGS) for _ in range(2)]


@pytest.fixture(scope="module")
def made(twice: list[TranslateReport]) -> TranslateReport:
    return twice[1]


@pytest.fixture
def folder(made: TranslateReport, tmp_path: Path) -> Path:
    """A copy of what the demo made."""
    return Path(shutil.copytree(made.out, tmp_path / "out"))


@pytest.fixture(scope="module")
def page(made: TranslateReport) -> str:
    return (made.out / "report.html").read_text(encoding="utf-8")


def with_right(made: TranslateReport, of_attention: np.ndarray, of_fixed: np.ndarray) -> TranslateReport:
    """The same findings with other answers, right where told."""
    answers = dict(made.answers)
    for name, right in ((ATTENTION, of_attention), (FIXED, of_fixed)):
        truth = answers[name].right
        answers[name] = Answers([text if good else "-" for text, good in zip(truth, right)], truth)
    return dataclasses.replace(made, answers=answers)


def test_the_lists_are_written_for_training_to_go_on(made):
    lists = make_lists(1, COUNTS)
    assert {path.name for path in made.out.iterdir()} == {
        *(ATTENTION, FIXED, "train.tsv", "valid.tsv", "test.tsv", "report.html")
    }
    for part, pairs in lists.items():
        read = load_pairs(str(made.out / f"{part}.tsv"))
        found = [[text for chunk in side.chunks(1000) for text in chunk.texts] for side in (read.sources, read.targets)]
        assert found == [[pair.words for pair in pairs], [pair.figures for pair in pairs]]
        assert made.sizes[part] == len(pairs)


def test_the_models_differ_in_the_attention_alone(made):
    saved = {name: read_model(made.out / name) for name in (ATTENTION, FIXED)}
    ours, theirs = (each.task.config for each in saved.values())
    assert (ours.model.attention, theirs.model.attention) == ("additive", "none")
    assert theirs.model_copy(update={"model": ours.model}) == ours
    assert theirs.model.model_copy(update={"attention": "additive"}) == ours.model
    for name, run in made.runs.items():
        assert run.metrics == saved[name].metrics
        assert len(run.losses) == 2 * saved_steps()
        assert len(run.history) == 2


def saved_steps() -> int:
    return -(-COUNTS.train // SETTINGS["batch_size"])


def test_the_answers_are_those_of_the_saved_models_and_of_their_scores(made):
    everything = np.ones(len(made.sources), bool)
    for name, run in made.runs.items():
        scores = run.metrics["test"]["model"]
        assert made.answers[name].is_right().mean() == scores["exact"]["value"]
        assert made.answers[name].item_error(everything)["value"] == pytest.approx(scores["token_error"]["value"])
    baselines = made.runs[FIXED].metrics["test"]["baselines"]
    assert list(made.answers) == [ATTENTION, FIXED, COPY, NEAREST]
    for name in (COPY, NEAREST):
        found = made.answers[name].item_error(everything)
        assert found["value"] == pytest.approx(baselines[name]["token_error"]["value"])
        assert found["low"] == pytest.approx(baselines[name]["token_error"]["low"], abs=0.03)  # that is a bootstrap
        assert found["high"] == pytest.approx(baselines[name]["token_error"]["high"], abs=0.03)
    assert made.symbols.tolist() == [len(re.findall(r"\w+|[-,]", source)) for source in made.sources]
    assert made.items.tolist() == [1 + source.count(",") for source in made.sources]


def test_lists_longer_than_those_of_training_are_told_apart(made):
    assert set(made.ranges()) == {"1 to 5", "6 to 10"}
    assert (made.as_trained ^ made.longer).all()
    assert set(made.items[made.as_trained]) == {1, 2, 3, 4, 5}
    read = load_pairs(str(made.out / "train.tsv"))
    lengths = [len(text.split()) for chunk in read.targets.chunks(1000) for text in chunk.texts]
    assert max(lengths) == made.longest == 5
    assert [made.items[number] for number, _ in made.looked_at] == [3, 5, 7]
    assert any(made.longer[number] for number in made.side_by_side)


def test_the_same_seed_gives_the_same_answers(twice):
    assert twice[0].answers == twice[1].answers


def test_the_page_is_whole_and_has_each_section(page, read_page):
    reader = read_page(page)
    assert [attributes["id"] for tag, attributes in reader.seen if tag == "section"] == SECTIONS
    assert sum(tag == "svg" for tag, _ in reader.seen) == 2 + 3
    ids = [attributes["id"] for _, attributes in reader.seen if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert '<meta name="generator" content="recurra demo translate">' in page
    places = files("recurra.pages") / "page.html", files("recurra.demo") / "translate.html"
    templates = [place.read_text(encoding="utf-8") for place in places]
    asked = {name for template in templates for name in re.findall(r"\$\{?([a-z_]+)", template)}
    assert len(asked) > 20
    assert "$" not in page


def test_the_page_loads_nothing(page, read_page):
    reader = read_page(page)
    assert not {tag for tag, _ in reader.seen} & {"script", "link", "img", "iframe", "object", "embed"}
    for _, attributes in reader.seen:
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href", "xlink:href"):
            assert attributes.get(name, "#").startswith("#")


def test_all_text_of_the_models_and_of_the_data_is_escaped(made, read_page):
    number, found = made.looked_at[0]
    sources = [EVIL if place in (number, made.side_by_side[0]) else text for place, text in enumerate(made.sources)]
    harmful = dataclasses.replace(
        made,
        sources=sources,
        answers={name: Answers([EVIL] * len(sources), [EVIL] * len(sources)) for name in made.answers},
        looked_at=[
            (
                number,
                found._replace(text="no", tokens=[EVIL], source_tokens=[EVIL], alignment=np.ones((1, 1), np.float32)),
            )
        ],
        facts={EVIL: EVIL},
        out=Path(EVIL),
    )
    page = render_translate(harmful)
    assert "<script" not in page
    assert read_page(page).text.count('<script>alert("x")</script>') >= 6


def test_the_page_has_the_scores(made, page):
    for name in made.answers:
        for among in made.ranges().values():
            exact, error = made.answers[name].exact(among), made.answers[name].item_error(among)
            for found in (exact, error):
                shares = [f"{100 * found[key]:.1f}" for key in ("value", "low", "high")]
                assert f"<td>{shares[0]}<small>{shares[1]} to {shares[2]}</small></td>" in page
    assert len(re.findall(r'<td class="heat"', page)) == 2 * 10
    for number, found in made.looked_at:
        assert found.text == made.answers[ATTENTION].texts[number]
        np.testing.assert_allclose(found.alignment.sum(1), 1, atol=1e-5)


@pytest.mark.parametrize(
    ("text", "right", "marked", "said"),
    [
        ("42 7 106", "42 7 106", [], "right"),
        ("42 9 106", "42 7 106", ["9"], "1 wrong or missing"),
        ("42 106", "42 7 106", ["&#9251;"], "1 wrong or missing"),
        ("42 7 8 106", "42 7 106", ["8"], "1 wrong or missing"),
        ("", "42 7", ["&#9251;", "&#9251;"], "2 wrong or missing"),
        ("7 42", "42", ["7"], "1 wrong or missing"),
    ],
)
def test_mistakes_are_marked(text, right, marked, said):
    shown = _marked(text, right)
    assert re.findall(r"<mark[^>]*>(.*?)</mark>", shown) == marked
    assert f">{said}</small>" in shown


def test_the_comparison_is_said_as_far_as_the_interval_allows(made):
    every, none = np.ones(len(made.sources), bool), np.zeros(len(made.sources), bool)
    within, beyond, lengths = comparison_sentences(with_right(made, made.as_trained, none))
    assert within.startswith("On lists as long as those of training (1 to 5 items) 100.0 % of the answers are right")
    assert "0.0 % without it; attention gains 100.0 points (95 % interval 100.0 to 100.0)." in within
    assert beyond.startswith("On longer lists (6 to 10 items) 0.0 % of the answers are right with attention, 0.0 %")
    assert beyond.endswith("; the two are right on the same lists.")
    assert lengths == (
        "With attention lists of 6 are the shortest of which fewer than half are right; without it lists of 1 are the "
        "shortest of which fewer than half are right."
    )
    assert "attention loses 100.0 points" in comparison_sentences(with_right(made, none, every))[0]
    one = none.copy()
    one[0] = True
    assert "the two cannot be told apart: +5.0 points" in comparison_sentences(with_right(made, one, none))[0]
    said = comparison_sentences(with_right(made, every, every))
    assert said[2].startswith("With attention at least half of the lists of each length are right; without it at least")


def test_the_summary_has_the_scores_and_commands_that_work(made, cli, tmp_path):
    console = Console(file=io.StringIO(), width=120)
    print_translate_summary(made, console)
    printed = console.file.getvalue()
    for expected in ("with attention", "fixed vector", COPY, NEAREST, "1 to 5 items", *comparison_sentences(made)):
        assert expected in printed
    assert str(made.out / "report.html") in printed
    commands = re.findall(r"^  recurra (.*)$", printed, re.MULTILINE)
    assert len(commands) == 5
    for command in commands[:3]:
        words = [part.strip('"') for part in re.findall(r'"[^"]*"|\S+', command)]
        assert cli(*words).exit_code == 0
    assert (made.out / "pictures" / "1.svg").exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("thesis.txt", "x"),
        ("attention/thesis.txt", "x"),
        ("train.tsv", "source\ttarget\n"),
        ("report.html", '<meta name="generator" content="recurra demo">'),
    ],
)
def test_what_the_demo_has_not_made_is_left_alone(tmp_path, name, content):
    place = tmp_path / "out" / name
    place.parent.mkdir(parents=True)
    place.write_text(content, encoding="utf-8")
    with pytest.raises(OutputError, match="not made by this command; choose another --out"):
        run_translate_demo(tmp_path / "out", counts=COUNTS, **SETTINGS)
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == [place]
    assert place.read_text(encoding="utf-8") == content


class Stop(Callback):
    def on_epoch(self, record):
        raise KeyboardInterrupt


def test_ctrl_c_leaves_no_report_and_another_run_is_not_refused(folder):
    (folder / "pictures").mkdir(exist_ok=True)  # of the command that the demo tells to try
    assert (folder / "report.html").exists()
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run_translate_demo(folder, 0, [Stop()], COUNTS, **SETTINGS)
        assert not (folder / "report.html").exists()
    assert (folder / "pictures").exists()


def test_the_command(cli, monkeypatch, tmp_path, made):
    asked = []

    def quick(out, seed, callbacks):
        asked.append((out, seed, len(callbacks)))
        return made

    monkeypatch.setattr(demo, "run_translate_demo", quick)
    result = cli("demo", "translate", "--out", tmp_path / "x", "--seed", 3)
    assert result.exit_code == 0
    assert "recurra predict" in result.output
    assert cli("demo", "translate").exit_code == 0
    assert asked == [(tmp_path / "x", 3, 1), (Path("recurra-demo-translate"), 0, 1)]

    def stopped(out, seed, callbacks):
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "run_translate_demo", stopped)
    result = cli("demo", "translate", "--out", tmp_path / "x")
    assert result.exit_code == 130
    assert "no report was written" in result.output


@pytest.mark.slow
def test_attention_keeps_the_lists_that_a_fixed_vector_loses(tmp_path):
    logging.getLogger("recurra").setLevel(logging.WARNING)
    report = run_translate_demo(tmp_path / "out")
    ours, theirs = (report.answers[name] for name in (ATTENTION, FIXED))
    assert ours.exact(report.of_length(5))["low"] > 0.8
    assert theirs.exact(report.of_length(1))["low"] > 0.5
    assert theirs.exact(report.of_length(5))["high"] < 0.2
    assert ours.exact(report.of_length(6))["low"] > theirs.exact(report.of_length(6))["high"]
