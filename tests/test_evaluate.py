"""Scores of a model directory beside scikit-learn's of the same predictions, and beside their baselines."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.metrics import accuracy_score, classification_report, confusion_matrix, f1_score, log_loss
from typer.testing import Result

import recurra
from recurra.baselines import BAG_OF_WORDS, MAJORITY
from recurra.checkpoint import read_model
from recurra.errors import DataError

Cli = Callable[..., Result]
Rows = list[tuple[str, str]]


@pytest.fixture
def rows(reviews: Callable[[int, int], Rows]) -> Rows:
    """Examples that the tiny model gets right and wrong, more of one class, one of them empty, one unknown."""
    made = reviews(50, 5)
    swapped = [(text, {"pos": "neg", "neg": "pos"}[label]) for text, label in made[:9]]
    return [*swapped, *made[9:], ("", "pos"), ("unheard words", "neg"), ("good", "pos")]


@pytest.fixture
def scores(rows: Rows, tiny_model: Path, make_csv: Callable[[str, Rows], Path], cli: Cli) -> dict[str, Any]:
    result = cli("evaluate", tiny_model, make_csv("test.csv", rows), "--json")
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 1
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_the_model_is_scored_as_by_scikit_learn(scores: dict[str, Any], rows: Rows, tiny_model: Path) -> None:
    texts, labels = zip(*rows, strict=True)
    model = recurra.load(tiny_model)
    predicted, probabilities = model.predict(texts), model.predict_proba(texts)
    ours = scores["model"]
    assert ours["examples"] == len(rows)
    assert ours["accuracy"]["value"] == pytest.approx(accuracy_score(labels, predicted))
    assert 0 < ours["accuracy"]["value"] < 1
    assert ours["macro_f1"]["value"] == pytest.approx(f1_score(labels, predicted, average="macro"))
    assert ours["log_loss"] == pytest.approx(log_loss(labels, probabilities), rel=1e-5)
    assert ours["confusion"] == confusion_matrix(labels, predicted).tolist()
    report = classification_report(labels, predicted, output_dict=True, zero_division=0)
    for row in ours["per_class"]:
        theirs = report[row["class"]]
        for name, other in (("precision",) * 2, ("recall",) * 2, ("f1", "f1-score"), ("support",) * 2):
            assert row[name] == pytest.approx(theirs[other]), (row["class"], name)
    for score in ("accuracy", "macro_f1"):
        assert ours[score]["low"] <= ours[score]["value"] <= ours[score]["high"]


def test_the_baselines_are_what_they_say(scores: dict[str, Any], rows: Rows, tiny_model: Path) -> None:
    texts, labels = zip(*rows, strict=True)
    assert list(scores["baselines"]) == [MAJORITY, BAG_OF_WORDS]
    majority = scores["baselines"][MAJORITY]  # training has as many of each class; the first one wins
    assert majority["accuracy"]["value"] == pytest.approx(labels.count("neg") / len(labels))
    assert majority["log_loss"] == pytest.approx(np.log(2))
    saved = read_model(tiny_model)
    symbols = saved.task.vocabulary.symbols()
    words = CountVectorizer(vocabulary=symbols[2:], token_pattern=r"[\w']+|[^\w\s]", binary=True).transform(texts)
    weights, bias = saved.baseline.weights, saved.baseline.bias
    known = words @ weights[:, 2:].T + bias
    unknown = np.array([any(word not in symbols for word in text.split()) for text in texts])
    predicted = np.array(["neg", "pos"])[(known + unknown[:, None] * weights[:, 1]).argmax(1)]
    ours = scores["baselines"][BAG_OF_WORDS]
    assert ours["accuracy"]["value"] == pytest.approx(accuracy_score(labels, predicted))
    gain = scores["model"]["accuracy"]["value"] - ours["accuracy"]["value"]
    assert scores["gain"]["value"] == pytest.approx(gain)


def test_what_the_model_could_not_read_is_counted(scores: dict[str, Any], rows: Rows) -> None:
    symbols = sum(len(text.split()) for text, _ in rows)
    assert scores["empty"] == 1
    assert scores["unknown_share"] == pytest.approx(2 / symbols)
    assert scores["truncated"] == 0


def test_what_is_shown(rows: Rows, tiny_model: Path, make_csv: Callable[[str, Rows], Path], cli: Cli) -> None:
    path = make_csv("test.csv", rows)
    shown = cli("evaluate", tiny_model, path, env={"COLUMNS": "120"}).stdout
    values = json.loads(cli("evaluate", tiny_model, path, "--json").stdout)["model"]
    assert "test.csv: 53 texts" in re.sub(r"\s+", " ", shown)
    for name in ("this model", MAJORITY, BAG_OF_WORDS, "over the bag of words: ", "empty texts: 1"):
        assert name in shown
    accuracy = values["accuracy"]
    expected = " to ".join(f"{100 * accuracy[key]:.1f}" for key in ("low", "high"))
    assert f"{100 * accuracy['value']:.1f} ({expected})" in shown
    for index, name in enumerate(("neg", "pos")):
        assert re.search(rf"{name} +{' +'.join(map(str, values['confusion'][index]))}\b", shown)


def test_the_scores_of_training_are_those_of_evaluate(tiny_model: Path, reviews_csv: Path) -> None:
    stored = json.loads((tiny_model / "metrics.json").read_text())
    assert stored["valid"]["model"]["examples"] == stored["test"]["model"]["examples"] == 6
    history = [json.loads(line) for line in (tiny_model / "history.jsonl").read_text().splitlines()]
    best = history[stored["best_epoch"] - 1]
    assert stored["valid"]["model"]["accuracy"]["value"] == pytest.approx(best["valid_score"])
    assert stored["valid"]["model"]["log_loss"] == pytest.approx(best["valid_loss"], rel=1e-5)


def test_other_columns(tiny_model: Path, rows: Rows, scores: dict[str, Any], tmp_path: Path, cli: Cli) -> None:
    path = tmp_path / "other.tsv"
    path.write_text("".join(f"{label}\t{text}\n" for text, label in [("quote", "verdict"), *rows]))
    told = ["--text-column", "quote", "--label-column", "verdict", "--json"]
    assert json.loads(cli("evaluate", tiny_model, path, *told).stdout) == scores
    renamed = path.rename(tmp_path / "other.csv")
    assert json.loads(cli("evaluate", tiny_model, renamed, *told, "--delimiter", "tab").stdout) == scores


def test_without_labels(tiny_model: Path, tmp_path: Path, cli: Cli) -> None:
    path = tmp_path / "texts.txt"
    path.write_text("good\nbad\n")
    result = cli("evaluate", tiny_model, path)
    assert (result.exit_code, result.stdout) == (3, "")
    assert f"error: {path}: " in result.stderr
    assert "label" in result.stderr


def test_unseen_classes_raise_in_the_library_too(tiny_model: Path, make_csv: Callable[[str, Rows], Path]) -> None:
    path = make_csv("test.csv", [("good", "pos"), ("so", "mixed")])
    with pytest.raises(DataError, match=r"never seen in training: 'mixed' \(1 text\)"):
        read_model(tiny_model).task.load_labelled(str(path))
