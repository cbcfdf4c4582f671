"""What the demo of translation has found: all that its report and its summary tell."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein

from recurra.config import TranslateConfig
from recurra.metrics import paired_difference, share_and_error, share_interval
from recurra.tasks.translations import Translation

__all__ = [
    "ATTENTION",
    "FIXED",
    "Answers",
    "TranslateReport",
    "TranslateRun",
    "comparison_sentences",
    "next_translate_commands",
]

ATTENTION, FIXED = "attention", "fixed-vector"  # the models, and their directories


@dataclass(frozen=True)
class TranslateRun:
    """A trained model.

    Attributes:
        name: what it is called on the page.
        style: how it is drawn, a name in :data:`recurra.pages.drawing.STYLES`.
        config: its settings.
        metrics: its `metrics.json`.
        history: its epochs.
        losses: of each step of training in nats per symbol.
        seconds: from reading the data to the finished model directory.
    """

    name: str
    style: str
    config: TranslateConfig
    metrics: Mapping[str, Any]
    history: Sequence[Mapping[str, Any]]
    losses: Sequence[float]
    seconds: float


@dataclass(frozen=True)
class Answers:
    """What a model or a baseline wrote for each list of the test.

    Attributes:
        texts: the answers, [n].
        right: the true ones, [n].
    """

    texts: Sequence[str]
    right: Sequence[str]

    def is_right(self) -> NDArray[np.bool_]:
        """Whether all of an answer is right, white space aside, [n]."""
        return np.array([text.split() == right.split() for text, right in zip(self.texts, self.right, strict=True)])

    def exact(self, among: NDArray[np.bool_]) -> dict[str, float]:
        """The share of right answers among some lists, [n] of them true, with its 95 % interval."""
        return share_interval(int(self.is_right()[among].sum()), int(among.sum()))

    def item_error(self, among: NDArray[np.bool_]) -> dict[str, float]:
        """The edits, in items, from answers to the true ones over the items of these, with its 95 % interval."""
        value, error = share_and_error(self._edits[0][among], self._edits[1][among])
        return {"value": value, "low": max(0.0, value - 1.96 * error), "high": value + 1.96 * error}

    @cached_property
    def _edits(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Of each answer the edits, and the items of the true one, [n]."""
        pairs = [(text.split(), right.split()) for text, right in zip(self.texts, self.right, strict=True)]
        edits = [Levenshtein.distance(items, right) for items, right in pairs]
        return np.array(edits), np.array([len(right) for _, right in pairs])


@dataclass(frozen=True)
class TranslateReport:
    """All that the page is made of.

    Attributes:
        runs: `ATTENTION` and `FIXED`.
        sources: the lists of the test in words, [n].
        items: how many items each has, [n].
        symbols: how many source symbols each has, [n].
        answers: by the names of the models and of the baselines.
        looked_at: some test lists as numbers in `sources`, and their translations with attention.
        side_by_side: the numbers of the test lists whose answers are shown beside each other.
        longest: items of the longest lists of training.
        sizes: how many lists each part has.
        facts: of the run: seed, machine, versions, seconds; shown as they are.
        seconds: of the whole demo.
        out: where all is.
    """

    runs: Mapping[str, TranslateRun]
    sources: Sequence[str]
    items: NDArray[np.int64]
    symbols: NDArray[np.int64]
    answers: Mapping[str, Answers]
    looked_at: Sequence[tuple[int, Translation]]
    side_by_side: Sequence[int]
    longest: int
    sizes: Mapping[str, int]
    facts: Mapping[str, str]
    seconds: float
    out: Path

    @property
    def as_trained(self) -> NDArray[np.bool_]:
        """Which test lists are of lengths that training has, [n]."""
        found: NDArray[np.bool_] = self.items <= self.longest
        return found

    @property
    def longer(self) -> NDArray[np.bool_]:
        """Which test lists are longer than all of training, [n]."""
        return ~self.as_trained

    def ranges(self) -> dict[str, NDArray[np.bool_]]:
        """Those two, by the lengths that they have, as "1 to 6"."""
        most = int(self.items.max())
        return {f"1 to {self.longest}": self.as_trained, f"{self.longest + 1} to {most}": self.longer}

    def of_length(self, items: int) -> NDArray[np.bool_]:
        """Which test lists have so many items, [n]."""
        found: NDArray[np.bool_] = self.items == items
        return found


def comparison_sentences(report: TranslateReport) -> list[str]:
    """Say how the two models compare, as far as the intervals allow, and where each gets fewer than half right."""
    within, beyond = report.ranges().values()
    return [
        _compared(report, within, f"On lists as long as those of training (1 to {report.longest} items)"),
        _compared(report, beyond, f"On longer lists ({report.longest + 1} to {int(report.items.max())} items)"),
        f"{_holding(report, ATTENTION)}; {_holding(report, FIXED).lower()}.",
    ]


def _compared(report: TranslateReport, among: NDArray[np.bool_], where: str) -> str:
    ours, theirs = (report.answers[name].is_right()[among] for name in (ATTENTION, FIXED))
    shares = (
        f"{100 * ours.mean():.1f} % of the answers are right with attention, {100 * theirs.mean():.1f} % without it"
    )
    if (ours == theirs).all():
        return f"{where} {shares}; the two are right on the same lists."
    gain = paired_difference(ours, theirs)
    value, low, high = (100 * gain[key] for key in ("value", "low", "high"))
    if low <= 0 <= high:
        said = f"the two cannot be told apart: {value:+.1f} points (95 % interval {low:+.1f} to {high:+.1f})"
    elif value > 0:
        said = f"attention gains {value:.1f} points (95 % interval {low:.1f} to {high:.1f})"
    else:
        said = f"attention loses {-value:.1f} points (95 % interval {-high:.1f} to {-low:.1f})"
    return f"{where} {shares}; {said}."


def _holding(report: TranslateReport, name: str) -> str:
    """From which length on a model writes fewer than half of the lists without a mistake."""
    which = "With attention" if name == ATTENTION else "Without it"
    right = report.answers[name].is_right()
    lengths = np.unique(report.items).tolist()
    low = [length for length in lengths if right[report.of_length(length)].mean() < 0.5]
    if not low:
        return f"{which} at least half of the lists of each length are right"
    return f"{which} lists of {low[0]} are the shortest of which fewer than half are right"


def next_translate_commands(report: TranslateReport) -> list[str]:
    """Commands to try with the demo's models and lists."""
    out = report.out
    with_attention, without, pictures = (shlex.quote(str(out / name)) for name in (ATTENTION, FIXED, "pictures"))
    train, valid, test = (shlex.quote(str(out / f"{part}.tsv")) for part in ("train", "valid", "test"))
    return [
        f'recurra predict {with_attention} "four-and-twenty, the third of March" --attention {pictures}',
        f'recurra predict {without} "four-and-twenty, the third of March"',
        f"recurra evaluate {with_attention} {test}",
        f"recurra check {with_attention}",
        f"recurra train translate {train} --valid {valid} --test {test} --tokens words --target-tokens characters "
        "--attention multihead --out runs/multihead",
    ]
