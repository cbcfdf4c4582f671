"""What the plain loop did at each step, kept for those who look into a network: gates, states, and what it said."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from recurra.kernels.cells import CELLS, State
from recurra.kernels.layout import Layout
from recurra.kernels.weights import Weights

__all__ = ["Step", "Trace", "begin_trace", "is_traced", "traced"]


class Step(NamedTuple):
    """One step of the sequences that still run, b of them, in sorted order.

    Attributes:
        gates: by their names, [b, H] each; none of a simple cell.
        before: the state that the step began with, tensors [b, H].
        after: the state that the next step begins with, tensors [b, H].
        said: the same numbers as `after`, as they were handed out of the layer. A gradient that arrives here was caused
            at this step; one that arrives at `after` came through time.
    """

    gates: dict[str, Tensor]
    before: State
    after: State
    said: State


@dataclass
class Trace:
    """One direction of one layer at work.

    Attributes:
        cell: a key of :data:`recurra.kernels.cells.CELLS`.
        weights: the parameters themselves, by which the layer can be told.
        layout: how sequences are arranged.
        backwards: whether it read from the end.
        steps: by time, the first of a sequence first, in whichever direction it was read.
    """

    cell: str
    weights: Weights
    layout: Layout
    backwards: bool
    steps: dict[int, Step] = field(default_factory=dict)

    def note(self, t: int, from_input: Tensor, from_state: Tensor, before: State, after: State) -> State:
        """Keep a step, and return what it hands out."""
        gates = CELLS[self.cell].activations(from_input, from_state)
        said = tuple(part.clone() for part in after)
        self.steps[t] = Step(gates, before, after, said)
        return said

    def final(self, state: State) -> State:
        """The final state of what was handed out; `state` holds that of the sequences without a step."""
        if not self.steps:
            return state
        said = [torch.cat(parts) for parts in zip(*(self.steps[t].said for t in range(len(self.steps))))]  # packed
        last = torch.arange(self.layout.batch_sizes[0]) if self.backwards else self.layout.last_rows()
        return tuple(torch.cat([rows[last.to(rows.device)], part[len(last) :]]) for rows, part in zip(said, state))


_TRACES: ContextVar[list[Trace] | None] = ContextVar("recurra_traces", default=None)


@contextlib.contextmanager
def traced() -> Iterator[list[Trace]]:
    """Run every layer inside the context by the plain loop, and list what each direction of each did, in order.

    >>> from recurra.nn import LSTM
    >>> with traced() as traces:
    ...     _ = LSTM(2, 3)(torch.zeros(5, 1, 2))
    >>> [(trace.cell, len(trace.steps), sorted(trace.steps[0].gates)) for trace in traces]
    [('lstm', 5, ['f', 'g', 'i', 'o'])]
    """
    traces: list[Trace] = []
    token = _TRACES.set(traces)
    try:
        yield traces
    finally:
        _TRACES.reset(token)


def is_traced() -> bool:
    """Whether somebody looks on."""
    return _TRACES.get() is not None


def begin_trace(cell: str, weights: Weights, layout: Layout, backwards: bool) -> Trace | None:
    """A new entry in the list of whoever looks on, or None."""
    traces = _TRACES.get()
    if traces is None:
        return None
    trace = Trace(cell, weights, layout, backwards)
    traces.append(trace)
    return trace
