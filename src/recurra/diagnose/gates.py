"""How the units of recurrent layers behave: how long their gates keep what they hold, and which do nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from recurra.errors import DataError
from recurra.kernels.trace import Trace

__all__ = ["CLOSED", "DEAD", "KEEPING", "OPEN", "SATURATED", "Units", "unit_habits"]

CLOSED, OPEN = (
    0.1,
    0.9,
)  # the thresholds of Karpathy, Johnson, Fei-Fei, "Visualizing and understanding recurrent networks"
DEAD = 1e-3  # a deviation of h below it is lost in what other units add: they vary by some tenths
SATURATED = 0.95  # of |h|: there the derivative of tanh is below a tenth
KEEPING = {"lstm": "f", "gru": "z"}  # the gate with which a state is kept from one step to the next


class Units(NamedTuple):
    """The habits of the H units of one direction of one layer, over all steps of some sequences.

    Attributes:
        closed: for each gate between 0 and 1 the share of steps at which it is below :data:`CLOSED`, [H].
        open: likewise above :data:`OPEN`, [H].
        half_life: steps after which the gate that keeps the state has halved it, [H]: ln 2 over the mean of -ln of the
            gate; infinite where it never closes. None of a simple cell.
        dead: whether h hardly varies, [H].
        saturated: share of steps at which |h| is above :data:`SATURATED`, [H].
        norms: Euclidean norm of h by time, mean over the sequences that still run, [T].
    """

    closed: dict[str, Tensor]
    open: dict[str, Tensor]
    half_life: Tensor | None
    dead: Tensor
    saturated: Tensor
    norms: Tensor


@torch.no_grad()
def unit_habits(traces: Sequence[Trace]) -> Units:
    """Measure the units of a direction of a layer.

    Args:
        traces: of that direction, one for each batch.

    Raises:
        DataError: no sequence has a step, or a state is no number.
    """
    steps = [step for trace in traces for _, step in sorted(trace.steps.items())]
    if not sum(len(step.after[0]) for step in steps):
        raise DataError("diagnose: no sequence has a step; give longer ones")
    hidden = torch.cat([step.after[0] for step in steps])
    if not bool(hidden.isfinite().all()):
        raise DataError("diagnose: a state is no number (NaN or infinite); train again with a smaller --learning-rate")
    names = [name for name in steps[0].gates if name not in ("g", "n")]  # these are values to write, not gates
    gates = {name: torch.cat([step.gates[name] for step in steps]) for name in names}
    keeping = KEEPING.get(traces[0].cell)
    rates = None if keeping is None else gates[keeping].double().log().mean(0).abs()
    longest = max(len(trace.steps) for trace in traces)
    norms = [[trace.steps[t].after[0].norm(dim=1) for trace in traces if t in trace.steps] for t in range(longest)]
    return Units(
        {name: (gate < CLOSED).double().mean(0) for name, gate in gates.items()},
        {name: (gate > OPEN).double().mean(0) for name, gate in gates.items()},
        None if rates is None else math.log(2) / rates,
        hidden.std(0, correction=0) < DEAD,
        (hidden.abs() > SATURATED).double().mean(0),
        torch.stack([torch.cat(found).mean() for found in norms]),
    )
