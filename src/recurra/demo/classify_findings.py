"""What a demo has found: all that its report and its summary tell."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recurra.config import RunConfig
from recurra.diagnose.saliency import Explanation
from recurra.metrics import paired_difference

__all__ = ["MAIN", "Example", "ModelRun", "Report", "gain_sentence", "next_commands"]

MAIN = "lstm"  # the model that the report looks at closely


@dataclass(frozen=True)
class ModelRun:
    """A trained model: what it is called, its settings, `metrics.json`, epochs, test scores and seconds.

    Attributes:
        probabilities: of each class for each test review, [n, C].
        seconds: from reading the data to the finished model directory.
    """

    name: str
    config: RunConfig
    metrics: Mapping[str, Any]
    history: Sequence[Mapping[str, Any]]
    scores: Mapping[str, Any]
    probabilities: NDArray[np.float32]
    seconds: float


@dataclass(frozen=True)
class Example:
    """A test review explained: its true class, its kind, and what the bag of words answered."""

    explanation: Explanation
    label: str
    kind: str
    bag_of_words: str


@dataclass(frozen=True)
class Report:
    """All that the page is made of.

    Attributes:
        runs: by cell, in the order of training; "lstm" is among them.
        classes: names of the C classes.
        labels: true class of each test review, [n].
        texts: of the test reviews.
        kinds: of each test review.
        bag_of_words: its probabilities, [n, C].
        right: pairs of test reviews of the same words in another order, both answered rightly.
        wrong: test reviews answered wrongly, the surest first.
        sizes: how many reviews each part has.
        facts: of the run: seed, machine, versions, seconds; shown as they are.
        seconds: of the whole demo.
        out: where the models are.
    """

    runs: Mapping[str, ModelRun]
    classes: Sequence[str]
    labels: NDArray[np.int64]
    texts: Sequence[str]
    kinds: Sequence[str]
    bag_of_words: NDArray[np.float32]
    right: Sequence[tuple[Example, Example]]
    wrong: Sequence[Example]
    sizes: Mapping[str, int]
    facts: Mapping[str, str]
    seconds: float
    out: Path

    def is_right(self, cell: str | None = None) -> NDArray[np.bool_]:
        """Whether a model, or without its name the bag of words, is right on each test review, [n]."""
        probabilities = self.bag_of_words if cell is None else self.runs[cell].probabilities
        right: NDArray[np.bool_] = probabilities.argmax(axis=1) == self.labels
        return right

    def lead(self, cell: str | None = None) -> dict[str, float]:
        """How much more often the LSTM is right than another model or, without its name, the bag of words."""
        return paired_difference(self.is_right(MAIN), self.is_right(cell))


def gain_sentence(gain: Mapping[str, float], ours: str, theirs: str) -> str:
    """Say how two models compare on the same texts, as far as the interval allows."""
    value, low, high = (100 * gain[key] for key in ("value", "low", "high"))
    interval = f"95 % interval {low:+.1f} to {high:+.1f}"
    if low <= 0 <= high:
        return f"{ours} and {theirs} cannot be told apart on these texts: {value:+.1f} points ({interval})."
    higher = "higher" if value > 0 else "lower"
    return f"{ours} has an accuracy {abs(value):.1f} points {higher} than {theirs} on the same texts ({interval})."


def next_commands(out: Path) -> list[str]:
    """Commands to try with the demo's models."""
    model = shlex.quote(str(out / MAIN))
    return [
        f'recurra predict {model} "I expected a boring film and got a thrilling one."',
        f"recurra check {model}",
        "recurra train classify my-own.csv --out runs/mine",
    ]
