"""Trainings on characters with and without clipping the gradient, at several learning rates, from several seeds."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot
from torch.optim import SGD

from recurra.data.bundled import reviews_path
from recurra.lab.training import Course, fit_small, seeded, unseen
from recurra.nn import RNN

__all__ = [
    "BATCH",
    "CELLS",
    "CLIP",
    "HIDDEN",
    "STEPS",
    "TEST",
    "Characters",
    "Found",
    "Network",
    "Plan",
    "Run",
    "read_characters",
    "train",
]

CLIP = 0.5
HIDDEN, STEPS, BATCH, TEST = 64, 50, 32, 200
CELLS = {"relu": ("rectified", 1.0), "tanh": ("tanh", 1.5)}  # the size of the eigenvalues of W_hh at the start


class Plan(NamedTuple):
    """How much is tried: learning rates, so many seeds of each, so many updates each."""

    rates: Sequence[float]
    seeds: int
    updates: int


class Characters(NamedTuple):
    """The bundled reviews as one stream of characters for training and one for the test, and how many kinds occur."""

    train: Tensor
    test: Tensor
    kinds: int

    def draw(self, stream: Tensor, windows: int, generator: torch.Generator) -> Tensor:
        """Windows of a stream, [T + 1, B]."""
        starts = torch.randint(0, len(stream) - STEPS, (windows,), generator=generator)
        return stream[starts + torch.arange(STEPS + 1)[:, None]]

    @property
    def blind(self) -> float:
        """Nats a character of the test, by the frequencies of the characters in training alone."""
        counts = torch.bincount(self.train, minlength=self.kinds).double() + 1
        return -(counts / counts.sum()).log()[self.test].mean().item()


class Network(nn.Module):
    """A simple recurrent layer that predicts the next character, from W_hh = size times an orthogonal matrix."""

    def __init__(self, kinds: int, cell: str, size: float) -> None:
        super().__init__()
        self.kinds = kinds
        self.layer = RNN(kinds, HIDDEN, nonlinearity="relu" if cell == "relu" else "tanh")
        with torch.no_grad():
            self.layer.get_parameter("weight_hh_l0").mul_(size)
        self.head = nn.Linear(HIDDEN, kinds)

    def loss(self, windows: Tensor) -> Tensor:
        """Nats a character of windows [T + 1, B], each character but the first of each being predicted."""
        output, _ = self.layer(one_hot(windows[:-1], self.kinds).float())
        return cross_entropy(self.head(output).flatten(0, 1), windows[1:].flatten())


class Run(NamedTuple):
    """A training and what came of it; the loss on the test is infinite where it ended in what is no number."""

    cell: str
    rate: float
    clip: float | None
    seed: int
    course: Course
    error: float


class Found(NamedTuple):
    """All runs, and the loss of one who knows the frequencies of characters alone."""

    runs: list[Run]
    plan: Plan
    blind: float

    def of(self, clip: float | None, cell: str | None = None, rate: float | None = None) -> list[Run]:
        """Those of a way, or of a way, a cell and a rate."""
        of_way = [run for run in self.runs if run.clip == clip]
        return [run for run in of_way if cell in (None, run.cell) and rate in (None, run.rate)]

    def lost(self, clip: float | None) -> tuple[int, int]:
        """How many of a way ended in what is no number, and how many of the others knew less than the frequencies."""
        errors = [run.error for run in self.of(clip)]
        return sum(math.isinf(error) for error in errors), sum(self.blind < error < math.inf for error in errors)

    def largest_rate(self, clip: float | None, cell: str) -> float | None:
        """The largest learning rate of a way and a cell whose median loss is below the frequencies'; or None."""
        rates = [r for r in self.plan.rates if median(run.error for run in self.of(clip, cell, r)) < self.blind]
        return max(rates, default=None)

    def best(self, clip: float | None) -> tuple[float, str, float]:
        """The least median loss of a way, and the cell and the learning rate that gave it."""
        return min(
            (median(run.error for run in self.of(clip, cell, rate)), cell, rate)
            for cell in CELLS
            for rate in self.plan.rates
        )


def read_characters() -> Characters:
    """Read the texts of the reviews, those of the training and of the test, in small letters."""
    parts: dict[str, list[str]] = {"train": [], "test": []}
    with reviews_path().open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["split"] in parts:
                parts[row["split"]].append(row["text"].lower())
    texts = {name: "\n".join(found) for name, found in parts.items()}
    symbols = {symbol: number for number, symbol in enumerate(sorted(set("".join(texts.values()))))}
    train, test = (torch.tensor([symbols[symbol] for symbol in texts[name]]) for name in ("train", "test"))
    return Characters(train, test, len(symbols))


def train(characters: Characters, cell: str, rate: float, clip: float | None, seed: int, updates: int) -> Run:
    """Train a network from a seed, and score it on windows of the test."""
    with seeded(seed):
        network = Network(characters.kinds, cell, CELLS[cell][1])

    def batch_loss(generator: torch.Generator) -> Tensor:
        return network.loss(characters.draw(characters.train, BATCH, generator))

    course = fit_small(network, batch_loss, updates, rate, clip, seed, SGD)
    error = math.inf
    if course.diverged is None:
        with torch.no_grad():
            error = network.loss(characters.draw(characters.test, TEST, unseen(seed))).item()
    return Run(cell, rate, clip, seed, course, error if math.isfinite(error) else math.inf)
