"""The plain loop over :mod:`recurra.kernels.cells`: slow, obviously right, differentiable to any order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import layer_norm, linear

from recurra.kernels.cells import CELLS, State
from recurra.kernels.layout import Layout
from recurra.kernels.noise import NO_NOISE, Noise
from recurra.kernels.trace import begin_trace
from recurra.kernels.weights import Weights

__all__ = ["direction", "layer", "make_step", "read_input", "read_state"]


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
    step = make_step(cell, weights)
    from_input = read_input(data, weights).split(layout.batch_sizes)
    zoneout = None if noise.zoneout is None else [share.split(layout.batch_sizes) for share in noise.zoneout]
    outputs: list[Tensor] = [data] * len(from_input)
    trace = begin_trace(cell, weights, layout, backwards)
    for t in reversed(range(len(from_input))) if backwards else range(len(from_input)):
        running = layout.batch_sizes[t]
        before = tuple(s[:running] for s in state)
        fed = before[0] if noise.state is None else before[0] * noise.state[:running]
        from_state = read_state(fed, weights)
        shares = None if zoneout is None else [share[t] for share in zoneout]
        after = step(from_input[t], from_state, before, shares)
        said = after if trace is None else trace.note(t, from_input[t], from_state, before, after)
        outputs[t] = said[0]
        state = tuple(torch.cat([new, old[running:]]) for new, old in zip(after, state))
    final = state if trace is None else trace.final(state)
    return torch.cat(outputs) if outputs else state[0][:0], final


def read_input(data: Tensor, weights: Weights) -> Tensor:
    """What packed rows [N, I] contribute to the gates, [N, G * H]."""
    return _affine(data, weights.weight_ih, weights.bias_ih, weights.gain_ih)


def make_step(cell: str, weights: Weights) -> Callable[[Tensor, Tensor, State, Sequence[Tensor] | None], State]:
    """Make the step of a direction, with its projection and norms, as a function.

    Its arguments are what the input and the state contribute to the gates, the state and, of each of its tensors, the
    share [b, H] that zoneout keeps, or None.
    """
    step = CELLS[cell].step
    if weights.gain_c is not None:
        step = partial(step, squash=partial(_normed_tanh, gain=weights.gain_c, bias=weights.bias_c))

    def advance(from_input: Tensor, from_state: Tensor, before: State, shares: Sequence[Tensor] | None) -> State:
        after = step(from_input, from_state, before)
        if weights.weight_hr is not None:
            after = (linear(after[0], weights.weight_hr), *after[1:])
        if shares is not None:
            # no lerp: under autocast the two states may differ in dtype
            after = tuple(share * old + (1 - share) * new for new, old, share in zip(after, before, shares))
        return after

    return advance


def read_state(h: Tensor, weights: Weights) -> Tensor:
    """What states [b, H] contribute to the gates, [b, G * H]."""
    return _affine(h, weights.weight_hh, weights.bias_hh, weights.gain_hh)


def _affine(values: Tensor, weight: Tensor, bias: Tensor | None, gain: Tensor | None) -> Tensor:
    if gain is None:
        return linear(values, weight, bias)
    return layer_norm(linear(values, weight), gain.shape, gain, bias)


def _normed_tanh(c: Tensor, gain: Tensor, bias: Tensor | None) -> Tensor:
    return torch.tanh(layer_norm(c, gain.shape, gain, bias))
