"""A diagnosis and explanations made by hand, whose numbers are known."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from recurra.diagnose.diagnosis import Context, Diagnosis, LayerDiagnosis, Verdict
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
