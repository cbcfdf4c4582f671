"""A diagnosis and explanations made by hand, whose numbers are known."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from recurra.diagnose.diagnosis import Context, Diagnosis, LayerDiagnosis, Verdict
from recurra.diagnose.explained import Explained, Forming, LayerStates
from recurra.diagnose.flow import Flow
from recurra.diagnose.gates import Units
from recurra.kernels.cells import CELLS

EVIL = "</pre><script>alert('x')</script> & [bold]"


def layer(name: str = "encoder, layer 1", cell: str = "lstm", share: float = 0.6, units: int = 6) -> LayerDiagnosis:
    """A layer whose gradient falls to `share` at each step, for 30 steps."""
    gates = [gate for gate in CELLS[cell].names if gate not in "gn"]
    spread = torch.linspace(0, 0.5, units, dtype=torch.float64)
    habits = Units(
        {gate: spread * (number + 1) / 3 for number, gate in enumerate(gates)},
        {gate: (0.5 - spread) * (number + 1) / 3 for number, gate in enumerate(gates)},
        torch.tensor([math.inf, *range(1, units)]).double() if gates else None,
        torch.arange(units) < 2,
        torch.full((units,), 0.25, dtype=torch.float64),
        3 - 2 * 0.8 ** torch.arange(30, dtype=torch.float64),
    )
    singular = torch.linspace(1.5, 0.1, units).repeat(CELLS[cell].gates, 1)
    flow = Flow(2 * share ** torch.arange(30, dtype=torch.float64), torch.full((30,), 8.0))
    return LayerDiagnosis(name, cell, flow, singular, singular * 0.9, torch.tensor([-0.125, -0.5]), habits)


VANISHING = Verdict(
    "vanishing",
    "problem",
    "The gradient falls to a hundredth after 10 steps; your texts have 40.",
    "A hundredth of an update drowns in what differs between batches.",
    "A gated cell keeps what a simple one forgets.",
    "recurra train classify reviews.csv --cell lstm --out runs/lstm",
)


def diagnosis(**changed: Any) -> Diagnosis:
    """A diagnosis of two directions of an LSTM and of a GRU over them."""
    layers = [
        layer("encoder, layer 1"),
        layer("encoder, layer 1, backwards", share=0.8),
        layer("encoder, layer 2", "gru", 0.95),
    ]
    verdicts = [
        VANISHING,
        Verdict("dead", "note", "2 of 6 units hardly vary.", "A thousandth is lost beside tenths."),
        Verdict("context", "good", "It looks as far back as it must.", "1 % of the loss."),
    ]
    made = Diagnosis(
        Path("runs/reviews"),
        "classify",
        "tokens",
        "reviews.csv",
        [3, 11, 40],
        layers,
        Context([1, 2, 4, 8, 16], [0.9, 0.7, 0.45, 0.302, 0.3], 0.3, 8),
        [0.75, 0.5, 0.125],
        verdicts,
    )
    return replace(made, **changed)


def states(name: str, pieces: list[str], cell: str = "lstm", units: int = 20) -> LayerStates:
    """Units that swing the less the higher their number; gates between 0 and 1."""
    swing = np.sin(np.arange(len(pieces)))[:, np.newaxis] * np.linspace(1, 0.1, units)
    values = {"h": swing, "c": 2 * swing, **dict.fromkeys(CELLS[cell].names, 0.5 + swing / 2)}
    parts = {part: rows.astype(np.float32) for part, rows in values.items() if cell == "lstm" or part != "c"}
    return LayerStates(name, cell, pieces, parts, np.arange(units))


def explained(pieces: list[str], answers: list[str], **changed: Any) -> Explained:
    """Influences that grow along the pieces and change sign with each; the last answer's are twice as large."""
    signs = np.where(np.arange(len(pieces)) % 2, -1.0, 1.0)
    influences = np.outer(np.arange(1, len(answers) + 1), signs * (1 + np.arange(len(pieces))) / 4)
    start = np.full(len(answers), -0.25)
    made = Explained(
        task="classify",
        source=" ".join(pieces),
        pieces=pieces,
        known=[True] * len(pieces),
        is_text=True,
        truncated=0,
        answers=answers,
        names=answers,
        whole="",
        surprise=False,
        told=[f"{answer} (97.3 %)" for answer in answers],
        scores=start + influences.sum(1) - 0.001,
        unit="log-odds",
        start=start,
        influences=influences,
        gap=np.full(len(answers), 0.001),
        left_out=influences / 2,
        attention=None,
        forming=[],
        probable=True,
        layers=[states("encoder, layer 1", pieces)] if pieces else [],
    )
    return replace(made, **changed)


@pytest.fixture(scope="session")
def make_layer() -> Callable[..., LayerDiagnosis]:
    """Make a layer whose gradient falls to a share at each step."""
    return layer


@pytest.fixture(scope="session")
def make_diagnosis() -> Callable[..., Diagnosis]:
    """Make a diagnosis of three layers, with some attributes changed."""
    return diagnosis


@pytest.fixture(scope="session")
def make_explained() -> Callable[..., Explained]:
    """Make an explanation of some answers by some pieces, with some attributes changed."""
    return explained


@pytest.fixture(scope="session")
def forming() -> list[Forming]:
    """An answer that turns once."""
    return [Forming(1, "neg", 0.6), Forming(2, "neg", 0.55), Forming(3, "pos", 0.9), Forming(4, "pos", 0.97)]


@pytest.fixture(scope="session")
def evil() -> str:
    """What would do harm in a page or a terminal."""
    return EVIL
