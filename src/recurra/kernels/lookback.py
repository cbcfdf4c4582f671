"""Layers that may look back a few steps only: before each step they begin anew from the initial state so long before.

That is how far back a network really looks: if it answers as well with k steps as with all, it needs no more.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Sequence
from contextvars import ContextVar
from typing import NamedTuple

import torch
from torch import Tensor

from recurra.kernels.cells import State
from recurra.kernels.layout import Layout
from recurra.kernels.noise import Noise
from recurra.kernels.reference import make_step, read_input, read_state
from recurra.kernels.weights import Weights

__all__ = ["layer", "looking_back", "steps_back"]


class _Lookback(NamedTuple):
    steps: int
    among: Collection[int]


_LOOKBACK: ContextVar[_Lookback | None] = ContextVar("recurra_lookback", default=None)


@contextlib.contextmanager
def looking_back(steps: int, among: Sequence[Tensor]) -> Iterator[None]:
    """Let some layers know no more than so many steps, the present one included, inside the context.

    Args:
        steps: at least 1: a layer that sees the present step alone.
        among: the recurrent weights W_hh of the layers that are meant, the parameters themselves.
    """
    token = _LOOKBACK.set(_Lookback(steps, {id(weight) for weight in among}))
    try:
        yield
    finally:
        _LOOKBACK.reset(token)


def steps_back(weights: Sequence[Weights]) -> int | None:
    """How many steps a layer with these weights may know; None where it may know all."""
    found = _LOOKBACK.get()
    return found.steps if found is not None and id(weights[0].weight_hh) in found.among else None


def layer(
    cell: str,
    data: Tensor,
    layout: Layout,
    weights: Sequence[Weights],
    states: Sequence[State],
    noises: Sequence[Noise],
    steps: int,
) -> tuple[Tensor, list[State]]:
    """Run one layer so; other arguments and results as in :func:`recurra.kernels.reference.layer`.

    All N windows, one that ends at each token, run side by side: a layer costs `steps` times what it costs otherwise.

    Args:
        cell: a key of :data:`recurra.kernels.cells.CELLS`.
        data: [N, I], packed.
        layout: how the rows are arranged.
        weights: of each direction.
        states: the initial state of each direction.
        noises: what disturbs each direction.
        steps: of a window.
    """
    runs = [
        _direction(cell, data, layout, weight, state, backwards, noise, steps)
        for weight, state, backwards, noise in zip(weights, states, (False, True), noises)
    ]
    return torch.cat([output for output, _ in runs], dim=-1), [state for _, state in runs]


def _direction(
    cell: str,
    data: Tensor,
    layout: Layout,
    weights: Weights,
    initial: State,
    backwards: bool,
    noise: Noise,
    steps: int,
) -> tuple[Tensor, State]:
    step, from_input = make_step(cell, weights), read_input(data, weights)
    times, sequences = Layout(layout.batch_sizes, layout.batch, None, None).row_positions
    state = tuple(part[sequences] for part in initial)  # [N, H]: of each window
    for before in reversed(range(min(steps, len(layout.batch_sizes)))):
        read = times + before if backwards else times - before
        inside = read < layout.sorted_lengths()[sequences] if backwards else read >= 0
        windows = inside.nonzero().flatten()
        rows = layout.starts[read[windows]] + sequences[windows]
        old = tuple(part[windows] for part in state)
        fed = old[0] if noise.state is None else old[0] * noise.state[sequences[windows]]
        shares = None if noise.zoneout is None else [share[rows] for share in noise.zoneout]
        new = step(from_input[rows], read_state(fed, weights), old, shares)
        state = tuple(part.index_copy(0, windows, values) for part, values in zip(state, new))
    running = layout.batch_sizes[0] if layout.batch_sizes else 0
    last = torch.arange(running) if backwards else layout.last_rows()
    return state[0], tuple(torch.cat([part[last], first[running:]]) for part, first in zip(state, initial))
