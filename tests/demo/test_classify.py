"""The demo on a few reviews: its models, its report, what it prints, and what it will not overwrite."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import logging
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from recurra import demo
from recurra.checkpoint import read_model
from recurra.data.bundled import reviews_path
from recurra.demo import classify, print_summary, run_demo
from recurra.demo.classify_findings import Example, Report, gain_sentence
from recurra.demo.report import render
from recurra.diagnose.saliency import token_influences
from recurra.errors import OutputError
from recurra.train import Callback

SETTINGS = {"epochs": 2, "hidden_size": 8, "embedding_size": 8, "learning_rate": 0.02}
EVIL = '<script>alert("x")</script> & a $lead film'
CELLS = ["feedforward", "rnn", "gru", "lstm"]
SECTIONS = ["task", "scores", "kinds", "curves", "errors", "examples", "made"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first bundled reviews of each part, and one that would do harm in a page."""
    with reviews_path().open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    wanted = {"train": 160, "valid": 40, "test": 70}
    kept = [row for part, count in wanted.items() for row in [row for row in rows if row["split"] == part][:count]]
    evil = {"text": EVIL, "label": "negative", "domain": "films", "kind": "<i>evil</i>", "split": "test"}
    path = tmp_path_factory.mktemp("reviews") / "reviews.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows([*kept, evil])
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Report:
    """A demo that was run twice into the same folder, the second time over the first."""
    out = tmp_path_factory.mktemp("demo") / "out"
    run_demo(out, 1, data=data, **{**SETTINGS, "epochs": 1})
    return run_demo(out, 1, data=data, **SETTINGS)


@pytest.fixture(scope="module")
def page(made: Report) -> str:
    return (made.out / "report.html").read_text(encoding="utf-8")


def test_the_page_is_whole_and_has_each_section(page, read_page):
    reader = read_page(page)
    assert [attributes["id"] for tag, attributes in reader.seen if tag == "section"] == SECTIONS
    assert sum(tag == "svg" for tag, _ in reader.seen) == 4
    ids = [attributes["id"] for _, attributes in reader.seen if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert "prefers-color-scheme: dark" in page
    assert 'name="viewport"' in page
    assert not re.findall(r"\$[a-z_]+", page.replace("$lead film", ""))  # nothing of the template is left


def test_the_page_loads_nothing(page, read_page):
    reader = read_page(page)
    assert not {tag for tag, _ in reader.seen} & {"script", "link", "img", "iframe", "object", "embed"}
    for _, attributes in reader.seen:
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href", "xlink:href"):
            assert attributes.get(name, "#").startswith("#")
    links = {link for link in re.findall(r"\w+://[^\s\"')]+", page) if "www.w3.org" not in link}
    assert links == set()  # the others name the language of a figure, and are not loaded
    assert "@import" not in page
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", page))


def test_texts_of_the_data_are_escaped(page, read_page):
    assert "<script" not in page
    assert "<i>" not in page
    assert "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt; &amp; a $lead film" in page
    assert EVIL in read_page(page).text


def test_the_models_are_there_and_the_scores_are_theirs(made, page):
    for cell in CELLS:
        saved = read_model(made.out / cell)
        run = made.runs[cell]
        assert saved.task.config.model.cell == cell
        assert saved.task.config.train.seed == 1
        assert len(run.history) == saved.metrics["epochs"] == 2
        assert run.scores == saved.metrics["test"]
        assert f"{100 * saved.metrics['test']['model']['accuracy']['value']:.1f}" in page
    assert {path.name for path in made.out.iterdir()} == {*CELLS, "report.html"}
    assert made.sizes == {"train": 160, "valid": 40, "test": 71}


def test_every_number_of_the_kinds_is_counted_here(made, page):
    among = np.array(made.kinds) == "negation"
    expected = [100 * np.mean(run.probabilities.argmax(1)[among] == made.labels[among]) for run in made.runs.values()]
    row = re.search(r"<tr><th>negation<small>.*?</tr>", page)
    assert row is not None
    found = [int(value) for value in re.findall(r">(\d+)</td>", row[0])]
    assert found[0] == among.sum()
    assert found[1:5] == [round(value) for value in reversed(expected)]


def test_what_differs_from_the_defaults_is_said(page):
    assert "hidden_size is 8, by default 128" in page
    assert "epochs is 2, by default as the data need" in page
    assert "tensorboard" not in page


def test_explained_pairs_and_errors_are_shown(made, read_page):
    saved = read_model(made.out / "lstm")
    found = token_influences(saved.task, "The soup was good, zyzzy.")
    pair = (Example(found, found.label, "kind-a", "negative"), Example(found, found.label, "kind-b", "positive"))
    text = read_page(render(dataclasses.replace(made, right=[pair], wrong=[]))).text
    assert "the surest pair." in text
    assert "There is no wrong answer" in text
    assert "“The soup was good, zyzzy.”" in text
    for influence, token in zip(found.influences, found.tokens):
        assert token.text + (f"{influence:+.2f}".replace("-", "−") if token.known else "?") in text
    text = read_page(render(dataclasses.replace(made, right=[]))).text
    assert "There is no pair of twins" in text
    assert f"Of its {(~made.is_right('lstm')).sum()} wrong answers" in text


def test_errors_are_the_surest_first(made):
    sure = [example.explanation.probabilities[example.explanation.label] for example in made.wrong]
    assert sure == sorted(sure, reverse=True)
    assert all(example.label != example.explanation.label for example in made.wrong)
    lstm = made.runs["lstm"].probabilities
    assert sure[0] == pytest.approx(lstm.max(1)[~made.is_right("lstm")].max(), abs=1e-5)


def test_twins_are_the_same_words_with_both_answers_right():
    texts = ["Good, not bad.", "bad, not good", "a b c", "c b a", "x y", "y x", "x x y"]
    test = classify._TestSet(texts, ["p", "n", "p", "n", "p", "n", "p"], ["k", "k", "k", "k", "m", "m", "m"])
    labels = np.array([1, 0, 1, 0, 1, 0, 1])
    of_p = np.array([0.8, 0.1, 0.9, 0.05, 0.7, 0.6, 0.9], dtype=np.float32)  # of the last pair one is wrong
    assert classify._surest_twins(test, labels, np.stack([1 - of_p, of_p], axis=1)) == [(2, 3)]


@pytest.mark.parametrize(
    ("low", "value", "high", "said"),
    [
        (
            0.2,
            0.25,
            0.3,
            "A has an accuracy 25.0 points higher than B on the same texts (95 % interval +20.0 to +30.0).",
        ),
        (-0.3, -0.25, -0.2, "A has an accuracy 25.0 points lower than B"),
        (-0.01, 0.02, 0.05, "A and B cannot be told apart on these texts: +2.0 points (95 % interval -1.0 to +5.0)."),
    ],
)
def test_the_gain_is_said_as_far_as_the_interval_allows(low, value, high, said):
    assert gain_sentence({"low": low, "value": value, "high": high}, "A", "B").startswith(said)


def test_the_summary_has_the_scores_the_gain_and_the_report(made):
    console = Console(file=io.StringIO(), width=100)
    print_summary(made, console)
    printed = console.file.getvalue()
    for name in ("LSTM", "GRU", "RNN", "feedforward", "majority class", "bag of words", "95 % interval"):
        assert name in printed
    accuracy = made.runs["lstm"].scores["model"]["accuracy"]
    assert f"{100 * accuracy['value']:.1f} ({100 * accuracy['low']:.1f} to {100 * accuracy['high']:.1f})" in printed
    assert str(made.out / "report.html") in printed
    assert f"recurra predict {made.out / 'lstm'}" in printed


@pytest.mark.parametrize(
    ("name", "content"),
    [("thesis.txt", "x"), ("lstm/thesis.txt", "x"), ("report.html", "<h1>Mine</h1>")],
)
def test_what_the_demo_has_not_made_is_left_alone(tmp_path, data, name, content):
    out = tmp_path / "out"
    place = out / name
    place.parent.mkdir(parents=True)
    place.write_text(content, encoding="utf-8")
    with pytest.raises(OutputError, match="not made by this command; choose another --out"):
        run_demo(out, data=data, **SETTINGS)
    assert [path for path in out.rglob("*") if path.is_file()] == [place]
    assert place.read_text(encoding="utf-8") == content


def test_a_file_in_the_place_of_the_folder(tmp_path, data):
    (tmp_path / "out").write_text("x", encoding="utf-8")
    with pytest.raises(OutputError, match="it is a file"):
        run_demo(tmp_path / "out", data=data, **SETTINGS)


class Stop(Callback):
    def on_epoch(self, record):
        raise KeyboardInterrupt


def test_ctrl_c_leaves_no_report_and_another_run_works(tmp_path, data):
    with pytest.raises(KeyboardInterrupt):
        run_demo(tmp_path / "out", 0, [Stop()], data=data, **SETTINGS)
    assert not (tmp_path / "out" / "report.html").exists()
    run_demo(tmp_path / "out", data=data, **{**SETTINGS, "epochs": 1})
    assert (tmp_path / "out" / "report.html").exists()


def test_the_number_of_threads_is_as_before(tmp_path, data):
    torch.set_num_threads(2)
    try:
        with pytest.raises(KeyboardInterrupt):
            run_demo(tmp_path / "out", 0, [Stop()], data=data, **SETTINGS)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


def test_the_command(cli, monkeypatch, tmp_path, made):
    asked = {}

    def quick(out, seed, callbacks):
        asked.update(out=out, seed=seed, callbacks=len(callbacks))
        return made

    monkeypatch.setattr(demo, "run_demo", quick)
    result = cli("demo", "--out", tmp_path / "x", "--seed", 3)
    assert result.exit_code == 0
    assert asked == {"out": tmp_path / "x", "seed": 3, "callbacks": 1}
    assert "recurra predict" in result.output

    def stopped(out, seed, callbacks):
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "run_demo", stopped)
    result = cli("demo", "--out", tmp_path / "x")
    assert result.exit_code == 130
    assert "no report was written" in result.output


@pytest.mark.slow
def test_on_the_bundled_reviews_order_gives_a_clear_margin(tmp_path):
    logging.getLogger("recurra").setLevel(logging.WARNING)
    report = run_demo(tmp_path / "out")
    gain = report.lead()
    assert gain["low"] > 0.1
    assert len(report.right) == 3
    assert max(abs(one.explanation.gap) for one in [*report.wrong, *report.right[0]]) < 0.02
    metrics = json.loads((tmp_path / "out" / "lstm" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["test"]["gain"] == report.runs["lstm"].scores["gain"] == gain
