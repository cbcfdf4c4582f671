"""What the adding problem and the copy task share: the networks that try them, a trial at each gap, how it is shown."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter, ScalarFormatter
from torch import Tensor, nn

from recurra.lab.experiment import Figure
from recurra.lab.training import fit_small, seeded, unseen
from recurra.nn import GRU, LSTM, RNN
from recurra.pages.drawing import INK, LEGEND, SETTINGS, STYLES, new_axes, to_svg

__all__ = ["CONTENDERS", "Budget", "Contender", "Problem", "Reader", "Trial", "Trials", "longest_sentence", "try_all"]

_TEST, _BATCH, _CLIP = 1000, 32, 1.0
_SOLVED = 0.1  # of what is got by answering without looking: below it something was remembered beyond doubt
_CURVE = 40  # points of a curve of losses: each the mean of the steps since the one before


class Contender(NamedTuple):
    """A layer that tries: how it is called and drawn (its cell's colour, and a dash of its own), and how it is made.

    `make` takes I, H and the longest range in steps, of which the chrono initialisation is told.
    """

    name: str
    style: str
    dash: Any
    make: Callable[[int, int, int], RNN | GRU | LSTM]


CONTENDERS = (
    Contender("RNN", "rnn", "-", lambda inputs, hidden, _: RNN(inputs, hidden)),
    Contender("GRU", "gru", "-", lambda inputs, hidden, _: GRU(inputs, hidden)),
    Contender(
        "GRU chrono",
        "gru",
        (0, (4, 2)),
        lambda inputs, hidden, steps: GRU(inputs, hidden, init="chrono", chrono_steps=steps),
    ),
    Contender("LSTM", "lstm", "-", lambda inputs, hidden, _: LSTM(inputs, hidden)),
    Contender(
        "LSTM forget bias 0",
        "lstm",
        (0, (1, 1.5)),
        lambda inputs, hidden, _: LSTM(inputs, hidden, forget_bias=0.0),
    ),
    Contender(
        "LSTM chrono",
        "lstm",
        (0, (4, 2)),
        lambda inputs, hidden, steps: LSTM(inputs, hidden, init="chrono", chrono_steps=steps),
    ),
)


class Problem(NamedTuple):
    """A task that asks for what was said some steps ago.

    Attributes:
        inputs: I.
        outputs: numbers that each answer has.
        answers: at how many of the last steps an answer is given.
        batch: takes the gap, B and a generator; gives the input [T, B, I] and what is asked for.
        loss: of the answers [answers, B, outputs] and what is asked for, a scalar.
        steps: T, by the gap.
        blind: the expected loss of the best that does not look at the input.
    """

    inputs: int
    outputs: int
    answers: int
    batch: Callable[[int, int, torch.Generator], tuple[Tensor, Tensor]]
    loss: Callable[[Tensor, Tensor], Tensor]
    steps: Callable[[int], int]
    blind: float


class Budget(NamedTuple):
    """What each trial may spend: H, updates and the learning rate of Adam; and the gaps that are tried."""

    hidden: int
    updates: int
    learning_rate: float
    gaps: Sequence[int]


class Reader(nn.Module):
    """A recurrent layer, and a linear one that answers from its states at the last steps."""

    def __init__(self, layer: RNN | GRU | LSTM, outputs: int, answers: int) -> None:
        super().__init__()
        self.layer, self.answers = layer, answers
        self.head = nn.Linear(layer.hidden_size, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Answer [answers, B, outputs] to input [T, B, I]."""
        output, _ = self.layer(x)
        answered: Tensor = self.head(output[-self.answers :])
        return answered


class Trial(NamedTuple):
    """A contender at a gap: its loss on sequences that were not trained on, the losses of training, the time."""

    contender: Contender
    gap: int
    error: float
    losses: list[float]
    diverged: int | None
    seconds: float


class Trials(NamedTuple):
    """All trials of a problem."""

    problem: Problem
    budget: Budget
    trials: list[Trial]

    def of(self, contender: Contender) -> list[Trial]:
        """Those of a contender, by gap."""
        return [trial for trial in self.trials if trial.contender is contender]

    def reach(self, contender: Contender) -> int:
        """The longest gap at which the loss is below a tenth of that of answering blindly; 0 where there is none."""
        limit = _SOLVED * self.problem.blind
        return max((trial.gap for trial in self.of(contender) if trial.error < limit), default=0)

    def reached(self) -> dict[str, int]:
        """The reach of each contender, by its name."""
        return {contender.name: self.reach(contender) for contender in CONTENDERS}

    def missed(self) -> str:
        """A sentence on the gaps that were not learnt though a longer one was; nothing where there are none."""
        limit = _SOLVED * self.problem.blind
        parts = [
            f"{trial.contender.name} at {trial.gap}"
            for trial in self.trials
            if trial.gap < self.reach(trial.contender) and not trial.error < limit
        ]
        return f" Shorter ones that were not learnt in this run: {', '.join(parts)}." if parts else ""

    def headings(self) -> list[str]:
        """Of the table: the gaps."""
        return ["loss by gap", *(f"{gap}" for gap in self.budget.gaps)]

    def rows(self) -> list[list[str]]:
        """Of the table: a contender each, and the loss of answering blindly."""
        rows = [[contender.name, *(f"{trial.error:.4f}" for trial in self.of(contender))] for contender in CONTENDERS]
        return [*rows, ["without looking", *[f"{self.problem.blind:.4f}"] * len(self.budget.gaps)]]

    def numbers(self) -> dict[str, Any]:
        """All that was measured."""
        return {
            "hidden_size": self.budget.hidden,
            "updates": self.budget.updates,
            "learning_rate": self.budget.learning_rate,
            "batch_size": _BATCH,
            "clip": _CLIP,
            "test_sequences": _TEST,
            "loss_without_looking": self.problem.blind,
            "longest_gap_learnt": self.reached(),
            "trials": [
                {
                    "contender": trial.contender.name,
                    "gap": trial.gap,
                    "loss": trial.error,
                    "diverged_at": trial.diverged,
                    "training_losses": _thinned(trial.losses)[1],
                }
                for trial in self.trials
            ],
        }

    def by_gap(self, what: str, axis: str, title: str) -> Figure:
        """Draw the loss of each contender against the gap; `what` is measured, and `axis` tells what a gap is."""
        with matplotlib.rc_context(SETTINGS):
            figure, axes = new_axes(5.6, 4.6)
            for contender in CONTENDERS:
                style = STYLES[contender.style]
                errors = [trial.error for trial in self.of(contender)]
                drawn: dict[str, Any] = {"color": style.light, "marker": style.marker, "ls": contender.dash}
                axes.plot(self.budget.gaps, errors, markersize=6, linewidth=2, label=contender.name, **drawn)
            axes.set_xscale("log")
            axes.set_xticks(self.budget.gaps)
            axes.xaxis.set_major_formatter(ScalarFormatter())
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.set_xlabel(axis)
            self._finish(axes, what)
            drawing = to_svg(figure, title)
        caption = (
            f"{what[0].upper()}{what[1:]} on {_TEST:,} sequences that were not trained on, after "
            f"{self.budget.updates:,} updates. The dotted line is what is got by answering without looking."
        )
        return Figure("by-gap", drawing, caption)

    def curves(self, gap: int, what: str, title: str) -> Figure:
        """Draw the loss of each contender over its training at one gap."""
        with matplotlib.rc_context(SETTINGS):
            figure, axes = new_axes(5.6, 4.6)
            for contender in CONTENDERS:
                (trial,) = (trial for trial in self.of(contender) if trial.gap == gap)
                color = STYLES[contender.style].light
                axes.plot(*_thinned(trial.losses), color=color, ls=contender.dash, linewidth=2, label=contender.name)
            axes.set_xlabel("updates")
            self._finish(axes, what)
            drawing = to_svg(figure, title)
        return Figure("curves", drawing, f"How each learns at a gap of {gap}: the loss of the batches of training.")

    def _finish(self, axes: Axes, what: str) -> None:
        axes.axhline(self.problem.blind, color=INK, linewidth=1, linestyle=(0, (1, 3)))
        axes.set_yscale("log")
        axes.set_ylabel(what)
        axes.legend(ncols=2, loc="lower left", bbox_to_anchor=(-0.06, 1.0), **{**LEGEND, "handlelength": 2.4})


def try_all(name: str, problem: Problem, budget: Budget, seed: int, tell: Callable[[str], None]) -> Trials:
    """Train each contender at each gap from the same seed on the same batches.

    Args:
        name: of the experiment, in what is told.
        problem: the task.
        budget: of each trial.
        seed: of the parameters, the batches and the sequences of the test.
        tell: told of each trial when it has ended.
    """
    trials = []
    for gap in budget.gaps:
        for contender in CONTENDERS:
            trial = _try(contender, problem, budget, gap, seed)
            tell(f"{name}: gap {gap}, {contender.name}: loss {trial.error:.4f} ({trial.seconds:.1f} s)")
            trials.append(trial)
    return Trials(problem, budget, trials)


def _try(contender: Contender, problem: Problem, budget: Budget, gap: int, seed: int) -> Trial:
    started = time.perf_counter()
    with seeded(seed):
        layer = contender.make(problem.inputs, budget.hidden, problem.steps(gap))
        model = Reader(layer, problem.outputs, problem.answers)

    def batch_loss(generator: torch.Generator) -> Tensor:
        x, wanted = problem.batch(gap, _BATCH, generator)
        return problem.loss(model(x), wanted)

    course = fit_small(model, batch_loss, budget.updates, budget.learning_rate, _CLIP, seed)
    with torch.no_grad():
        x, wanted = problem.batch(gap, _TEST, unseen(seed))
        error = problem.loss(model(x), wanted).item()
    return Trial(contender, gap, error, course.losses, course.diverged, time.perf_counter() - started)


def _thinned(losses: Sequence[float]) -> tuple[list[float], list[float]]:
    """Means of pieces of the losses, and the update with which each ends."""
    pieces = np.array_split(np.asarray(losses), min(_CURVE, len(losses)))
    return np.cumsum([len(piece) for piece in pieces]).tolist(), [float(piece.mean()) for piece in pieces]


def longest_sentence(reached: Mapping[str, int], unit: str) -> str:
    """Say how far each has come, the farthest first.

    >>> longest_sentence({"RNN": 0, "GRU": 50, "LSTM": 50}, "steps")
    'GRU and LSTM at up to 50 steps; RNN at none'
    >>> longest_sentence({"RNN": 0, "GRU": 0}, "steps")
    'none'
    """
    if not any(reached.values()):
        return "none"
    parts = []
    for gap in sorted(set(reached.values()), reverse=True):
        *others, last = [name for name, found in reached.items() if found == gap]
        names = f"{', '.join(others)} and {last}" if others else last
        parts.append(f"{names} at up to {gap} {unit}" if gap else f"{names} at none")
    return "; ".join(parts)
