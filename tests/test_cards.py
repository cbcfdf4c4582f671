"""The model card, and the scores on a terminal: what they say is what the files hold."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from recurra.baselines import BAG_OF_WORDS, MAJORITY
from recurra.card import model_card
from recurra.checkpoint import read_model
from recurra.config import ClassifyConfig
from recurra.metrics import classification_scores, paired_difference
from recurra.show import print_scores

Shown = Callable[..., str]


def made_up_scores(classes: list[str], right: int, wrong: int) -> dict[str, Any]:
    """Scores of so many right and wrong predictions, each with probability 0.75 for what is predicted."""
    labels = np.arange(right + wrong) % len(classes)
    predicted = np.where(np.arange(right + wrong) < right, labels, (labels + 1) % len(classes))
    rest = 0.25 / (len(classes) - 1)
    probabilities = np.full((len(labels), len(classes)), rest, np.float32)
    probabilities[np.arange(len(labels)), predicted] = 0.75
    scores = classification_scores(labels, probabilities, classes)
    return {
        "model": scores,
        "baselines": {MAJORITY: scores, BAG_OF_WORDS: scores},
        "gain": paired_difference(predicted == labels, labels == 0),
        "empty": 3,
        "truncated": 0,
        "unknown_share": 0.125,
    }


@pytest.fixture
def shown(tiny_model: Path) -> Shown:
    """What a terminal shows of scores."""
    task = read_model(tiny_model).task

    def show(scores: dict[str, Any], title: str = "texts.csv", width: int = 100, **options: Any) -> str:
        file = io.StringIO()
        print_scores(Console(file=file, width=width), task, scores, title, **options)
        return file.getvalue()

    return show


@pytest.fixture
def metrics(tiny_model: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((tiny_model / "metrics.json").read_text())
    return found


@pytest.fixture
def card(tiny_model: Path) -> str:
    return (tiny_model / "README.md").read_text()


def test_the_card_says_what_the_model_is(
    card: str, tiny_model: Path, metrics: dict[str, Any], reviews_csv: Path
) -> None:
    task = read_model(tiny_model).task
    parameters = sum(parameter.numel() for parameter in task.network.parameters())
    lines = card.splitlines()
    assert lines[0] == "# Text classifier: lstm"
    assert f"Trained by recurra on `{reviews_csv}`, column `text`, to predict `label`." in lines
    assert f"{parameters:,} parameters, {len(task.vocabulary):,} symbols; the best of 2 epochs was number " in card
    assert f"was number {metrics['best_epoch']}." in card
    assert "Classes, with their training examples: neg (24), pos (24)." in lines


def test_the_card_shows_scores_beside_baselines(card: str, metrics: dict[str, Any]) -> None:
    for part in ("test", "valid"):
        section = card.split(f"## Scores on the {part} examples: 6 texts")[1].split("##")[0]
        lines = [line for line in section.splitlines() if line.startswith("|")]
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
        assert rows[0] == ["", "accuracy %", "macro F1 %", "calibration error %"]
        assert [row[0] for row in rows[2:]] == ["this model", "majority class", "bag of words"]
        scores = metrics[part]
        for row, own in zip(rows[2:], [scores["model"], *scores["baselines"].values()], strict=True):
            for cell, name in zip(row[1:3], ("accuracy", "macro_f1"), strict=True):
                numbers = [float(number) for number in re.findall(r"[\d.]+", cell)]
                assert numbers == [pytest.approx(100 * own[name][key], abs=0.051) for key in ("value", "low", "high")]
            assert float(row[3]) == pytest.approx(100 * own["expected_calibration_error"], abs=0.051)
        value, low, high = (f"{100 * scores['gain'][key]:+.1f}" for key in ("value", "low", "high"))
        assert f"- over the bag of words: {value} ({low} to {high}) points of accuracy\n" in section
    assert card.index("on the test examples") < card.index("on the valid examples")
    assert "only\nthe test scores are an estimate for new data, and only for data like these" in card


def test_the_card_lists_the_settings(card: str, tiny_model: Path) -> None:
    settings = json.loads((tiny_model / "config.json").read_text())["settings"]
    for section in ClassifyConfig.sections:
        for name, value in settings[section].items():
            assert (f"| {name} | {value} |" in card) == (value is not None), name


def test_the_code_on_the_card_runs(card: str, tiny_model: Path) -> None:
    code = card.split("```python\n")[1].split("```")[0]
    exec(code.replace("this/folder", str(tiny_model)), {})


def test_a_stopped_run_says_so(tiny_model: Path, metrics: dict[str, Any], card: str) -> None:
    stopped = model_card(read_model(tiny_model).task, metrics, interrupted=True)
    assert ", stopped by hand.\n" in stopped
    assert stopped.replace(", stopped by hand", "") == card


def test_scores_on_a_terminal(shown: Shown) -> None:
    scores = made_up_scores(["neg", "pos"], right=6, wrong=2)
    text = shown(scores)
    assert "texts.csv: 8 texts" in text
    assert text.count("75.0 (37.5 to 100.0)") >= 3  # accuracy, of the model and of each baseline
    names = re.findall(r"^ +(\w.*?) +[\d.]+ \(.*\) +[\d.]+ \(.*\) +[\d.]+ *$", text, re.MULTILINE)
    assert names == ["this model", MAJORITY, BAG_OF_WORDS]
    assert re.search(r"calibration *\n.* error % *$", text, re.MULTILINE)
    for line in shown(scores, width=80).splitlines():  # a terminal has at least so much: no name is broken
        assert line.strip() not in ("class", "words")
    assert re.search(r"over the bag of words: \+25\.0 \(.*\) points of accuracy", text)
    assert "unknown symbols: 12.5 %; empty texts: 3" in text
    assert re.search(r"neg +75\.0 +75\.0 +75\.0 +4", text)
    assert re.search(r"neg +3 +1 *\n +pos +1 +3", text)


def test_short_scores_leave_the_tables_out(shown: Shown) -> None:
    text = shown(made_up_scores(["neg", "pos"], right=6, wrong=2), full=False)
    assert "by class" not in text
    assert "confusion" not in text


def test_names_with_brackets_are_shown_as_they_are(shown: Shown) -> None:
    text = shown(made_up_scores(["[red]", "[/b]"], right=6, wrong=2), title="[a].csv")
    assert "[a].csv: 8 texts" in text
    assert text.count("[red]") == 3
    assert text.count("[/b]") == 3


def test_a_confusion_of_many_classes_is_not_printed(shown: Shown) -> None:
    assert "confusion matrix of 31 classes: see --json" in shown(made_up_scores([f"c{n}" for n in range(31)], 40, 40))
    assert "rows true" in shown(made_up_scores([f"c{n}" for n in range(30)], 40, 40))
