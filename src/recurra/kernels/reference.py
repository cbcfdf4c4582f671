"""The plain loop over :mod:`recurra.kernels.cells`: slow, obviously right, differentiable to any order."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import layer_norm, linear

from recurra.kernels.cells import CELLS, State
from recurra.kernels.layout import Layout
from recurra.kernels.noise import NO_NOISE, Noise
from recurra.kernels.trace import begin_trace
from recurra.kernels.weights import Weights

__all__ = ["direction", "layer"]


def layer(
    cell: str,
    data: Tensor,
    layout: Layout,
    weights: Sequence[Weights],
    states: Sequence[State],
    noises: Sequence[Noise] = (NO_NOISE, NO_NOISE),
) -> tuple[Tensor, list[State]]:
    """Run one layer in each of its directions.

    Args:
        cell: a key of :data:`recurra.kernels.cells.CELLS`.
        data: [N, I], packed.
        layout: how the rows are arranged.
        weights: one :class:`Weights` for each of the D directions; the second reads from the end.
        states: the initial state of each direction, tensors [B, H] in sorted order.
        noises: what disturbs each direction.

    Returns:
        The outputs [N, D * H] and the final state of each direction.
    """
    runs = [
        direction(cell, data, layout, weight, state, backwards, noise)
        for weight, state, backwards, noise in zip(weights, states, (False, True), noises)
    ]
    return torch.cat([output for output, _ in runs], dim=-1), [state for _, state in runs]


def direction(
    cell: str, data: Tensor, layout: Layout, weights: Weights, state: State, backwards: bool, noise: Noise = NO_NOISE
) -> tuple[Tensor, State]:
    """Run one direction of one layer; arguments as in :func:`layer`."""
    step = CELLS[cell].step
    if weights.gain_c is not None:
        step = partial(step, squash=partial(_normed_tanh, gain=weights.gain_c, bias=weights.bias_c))
    from_input = _affine(data, weights.weight_ih, weights.bias_ih, weights.gain_ih).split(layout.batch_sizes)
    zoneout = None if noise.zoneout is None else [share.split(layout.batch_sizes) for share in noise.zoneout]
    outputs: list[Tensor] = [data] * len(from_input)
    trace = begin_trace(cell, weights, layout, backwards)
    for t in reversed(range(len(from_input))) if backwards else range(len(from_input)):
        running = layout.batch_sizes[t]
        before = tuple(s[:running] for s in state)
        fed = before[0] if noise.state is None else before[0] * noise.state[:running]
        from_state = _affine(fed, weights.weight_hh, weights.bias_hh, weights.gain_hh)
        after = step(from_input[t], from_state, before)
        if weights.weight_hr is not None:
            after = (linear(after[0], weights.weight_hr), *after[1:])
        if zoneout is not None:
            # no lerp: under autocast the two states may differ in dtype
            after = tuple(share[t] * old + (1 - share[t]) * new for new, old, share in zip(after, before, zoneout))
        said = after if trace is None else trace.note(t, from_input[t], from_state, before, after)
        outputs[t] = said[0]
        state = tuple(torch.cat([new, old[running:]]) for new, old in zip(after, state))
    final = state if trace is None else trace.final(state)
    return torch.cat(outputs) if outputs else state[0][:0], final


def _affine(values: Tensor, weight: Tensor, bias: Tensor | None, gain: Tensor | None) -> Tensor:
    if gain is None:
        return linear(values, weight, bias)
    return layer_norm(linear(values, weight), gain.shape, gain, bias)


def _normed_tanh(c: Tensor, gain: Tensor, bias: Tensor | None) -> Tensor:
    return torch.tanh(layer_norm(c, gain.shape, gain, bias))
