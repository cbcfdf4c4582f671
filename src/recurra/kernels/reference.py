"""The plain loop over :mod:`recurra.kernels.cells`: slow, obviously right, differentiable to any order."""

from __future__ import annotations

import torch
from torch import Tensor

from recurra.kernels.cells import CELLS, State
from recurra.kernels.layout import Layout
from recurra.kernels.weights import Weights

__all__ = ["direction", "layer"]


def layer(
    cell: str, data: Tensor, layout: Layout, weights: list[Weights], states: list[State]
) -> tuple[Tensor, list[State]]:
    """Run one layer in each of its directions.

    Args:
        cell: a key of :data:`recurra.kernels.cells.CELLS`.
        data: [N, I], packed.
        layout: how the rows are arranged.
        weights: one :class:`Weights` for each of the D directions; the second reads from the end.
        states: the initial state of each direction, tensors [B, H] in sorted order.

    Returns:
        The outputs [N, D * H] and the final state of each direction.
    """
    runs = [
        direction(cell, data, layout, weight, state, backwards)
        for weight, state, backwards in zip(weights, states, (False, True))
    ]
    return torch.cat([output for output, _ in runs], dim=-1), [state for _, state in runs]


def direction(
    cell: str, data: Tensor, layout: Layout, weights: Weights, state: State, backwards: bool
) -> tuple[Tensor, State]:
    """Run one direction of one layer; arguments as in :func:`layer`."""
    step = CELLS[cell].step
    from_input = torch.nn.functional.linear(data, weights.weight_ih, weights.bias_ih).split(layout.batch_sizes)
    outputs: list[Tensor] = [data] * len(from_input)
    for t in reversed(range(len(from_input))) if backwards else range(len(from_input)):
        running = layout.batch_sizes[t]
        before = tuple(s[:running] for s in state)
        from_state = torch.nn.functional.linear(before[0], weights.weight_hh, weights.bias_hh)
        after = step(from_input[t], from_state, before)
        if weights.weight_hr is not None:
            after = (torch.nn.functional.linear(after[0], weights.weight_hr), *after[1:])
        outputs[t] = after[0]
        state = tuple(torch.cat([new, old[running:]]) for new, old in zip(after, state))
    return torch.cat(outputs) if outputs else state[0][:0], state
