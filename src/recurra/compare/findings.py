"""What a comparison has found: the runs, what their networks cost, and what of it goes into a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from recurra.compare.memory import Memory
from recurra.compare.plan import Plan
from recurra.compare.sizes import Size
from recurra.compare.statistics import Mean, paired_mean, seeds_mean
from recurra.config import RunConfig
from recurra.tasks.headline import Headline

__all__ = ["MADE_BY", "Comparison", "Cost", "Lag", "Run", "Scored", "opening"]

MADE_BY = '"made_by": "recurra compare"'  # what tells that a JSON file was made by the command


@dataclass(frozen=True)
class Run:
    """One cell, trained with one seed.

    Attributes:
        score: that the comparison is about, on the scored examples; value, low, high over these.
        baselines: of the same data, the value of each.
        valid_score: on the validation examples, of the epoch that was kept; higher is better.
        history: the epoch records.
        best_epoch: the one that was kept.
        parameters: of the whole network, with this seed's vocabulary.
        cut: whether it was stopped before its last epoch, as its time was over.
    """

    cell: str
    seed: int
    score: Mapping[str, float]
    baselines: Mapping[str, float]
    valid_score: float
    history: Sequence[Mapping[str, Any]]
    best_epoch: int
    parameters: int
    cut: bool

    @property
    def seconds(self) -> float:
        """Seconds of training, validation left out."""
        return float(sum(record["seconds"] for record in self.history))


class Lag(NamedTuple):
    """How far a gradient reaches back.

    Attributes:
        steps: after which it is below a hundredth; None where it never is.
        measured: the most steps that there were to look back.
    """

    steps: int | None
    measured: int

    def __str__(self) -> str:
        return f"> {self.measured:,}" if self.steps is None else f"{self.steps:,}"


@dataclass(frozen=True)
class Cost:
    """What the kept model of a cell takes.

    Attributes:
        answer_seconds: to answer all the sequences that were tried, once for each round.
        model_bytes: of the file of weights.
        memory: of training; None where it was not measured.
        lag: None where the network has no recurrent layer.
    """

    answer_seconds: Sequence[float]
    model_bytes: int
    memory: Memory | None
    lag: Lag | None


class Scored(NamedTuple):
    """What was scored, and how it is told.

    Attributes:
        part: "test" or "valid".
        headline: the score.
        unit: what training counts.
        interval: of what kind the one over examples is.
        validated: what the validation score is called.
        shown: shows a validation score.
    """

    part: str
    headline: Headline
    unit: str
    interval: str
    validated: str
    shown: Callable[[float], str]


@dataclass(frozen=True)
class Comparison:
    """All that the table and the page are made of.

    Attributes:
        plan: what was told.
        scored: what was scored.
        config: of the reference, as its data resolved it.
        sizes: by cell, as planned with the first seed.
        runs: all, seed after seed.
        kept: by cell, the run of the best validation score, whose model is in the folder.
        costs: by cell.
        sequences: how many were answered to measure the speed.
        budget: seconds of training for each run; None where time was not made equal.
        facts: of the run, shown as they are.
        seconds: of all.
    """

    plan: Plan
    scored: Scored
    config: RunConfig
    sizes: Mapping[str, Size]
    runs: Sequence[Run]
    kept: Mapping[str, Run]
    costs: Mapping[str, Cost]
    sequences: int
    budget: float | None
    facts: Mapping[str, str]
    seconds: float

    @property
    def out(self) -> Path:
        """The folder."""
        return self.plan.out

    def of(self, cell: str) -> list[Run]:
        """The runs of a cell, in the order of the seeds."""
        return [run for run in self.runs if run.cell == cell]

    def values(self, cell: str) -> list[float]:
        """The score of a cell with each seed."""
        return [run.score["value"] for run in self.of(cell)]

    def score(self, cell: str) -> Mean:
        """The mean score of a cell over the seeds."""
        return seeds_mean(self.values(cell)).within(*self.scored.headline.limits)

    def baseline_values(self, name: str) -> list[float]:
        """The score of a baseline with each seed, which may draw other examples."""
        return [run.baselines[name] for run in self.of(self.plan.cells[0])]

    @property
    def baselines(self) -> dict[str, Mean]:
        """The mean score of each baseline over the seeds."""
        limits, names = self.scored.headline.limits, self.runs[0].baselines
        return {name: seeds_mean(self.baseline_values(name)).within(*limits) for name in names}

    def gain(self, ours: Sequence[float], theirs: Sequence[float], comparisons: int) -> Mean:
        """How much better ours are than theirs, seed by seed; above zero is better, whichever way the score counts.

        The interval is one of so many that hold together at 95 %, and ends at what a difference can be.
        """
        pair = (ours, theirs) if self.scored.headline.higher else (theirs, ours)
        low, high = self.scored.headline.limits
        return paired_mean(*pair, comparisons).within(low - high, high - low)

    def epochs(self, cell: str) -> str:
        """How many epochs the runs of a cell had, from the fewest to the most."""
        counts = sorted({len(run.history) for run in self.of(cell)})
        return str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"

    def training_speed(self, cell: str) -> float:
        """Units a second in training: the median over all epochs of all seeds."""
        return float(median(record["tokens_per_second"] for run in self.of(cell) for record in run.history))

    def training_seconds(self, cell: str) -> float:
        """Seconds of training of a run: the median over the seeds."""
        return float(median(run.seconds for run in self.of(cell)))

    def answer_speed(self, cell: str) -> float:
        """Sequences answered a second: the median over the rounds."""
        return self.sequences / float(median(self.costs[cell].answer_seconds))

    def to_json(self, advice: Sequence[str]) -> dict[str, Any]:
        """All numbers, for `compare.json`."""
        return {
            **opening(self.plan, self.runs, finished=True),
            "score": self._told_score(),
            "budget_seconds": self.budget,
            "cells": {cell: self._cell(cell) for cell in self.plan.cells},
            "baselines": {name: mean._asdict() for name, mean in self.baselines.items()},
            "advice": list(advice),
            "seconds": self.seconds,
            "facts": dict(self.facts),
        }

    def _told_score(self) -> dict[str, Any]:
        headline = self.scored.headline
        return {
            "name": headline.name,
            "higher_is_better": headline.higher,
            "part": self.scored.part,
            "interval_over_examples": self.scored.interval,
        }

    def _cell(self, cell: str) -> dict[str, Any]:
        cost = self.costs[cell]
        return {
            "hidden_size": self.sizes[cell].hidden_size,
            "parameters": self.sizes[cell].parameters,
            "score_over_seeds": self.score(cell)._asdict(),
            "kept_seed": self.kept[cell].seed,
            "kept_score_over_examples": dict(self.kept[cell].score),
            f"training_{self.scored.unit}_per_second": self.training_speed(cell),
            "training_seconds": self.training_seconds(cell),
            "sequences_per_second": self.answer_speed(cell),
            "model_bytes": cost.model_bytes,
            "training_memory": None if cost.memory is None else cost.memory._asdict(),
            "gradient_lag": None if cost.lag is None else cost.lag._asdict(),
        }


def opening(plan: Plan, runs: Sequence[Run], finished: bool) -> dict[str, Any]:
    """What `compare.json` says even where the comparison was stopped."""
    told = asdict(plan)
    return {
        "made_by": "recurra compare",
        "finished": finished,
        "plan": {**told, "settings": dict(plan.settings), "out": str(plan.out)},
        "runs": [{**asdict(run), "seconds": run.seconds} for run in runs],
    }
