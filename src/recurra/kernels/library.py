"""Torch's own recurrent layers: cuDNN on a GPU, oneDNN where all lengths are equal on a CPU."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from recurra.kernels import reference
from recurra.kernels.cells import State
from recurra.kernels.layout import Layout
from recurra.kernels.noise import NO_NOISE, Noise
from recurra.kernels.weights import Weights

__all__ = ["layer", "refusal"]


def refusal(cell: str, data: Tensor, weights: Sequence[Weights], noises: Sequence[Noise]) -> str | None:
    """Why this kernel cannot run a layer, or None when it can."""
    if weights[0].gain_ih is not None:
        return "it has no layer norm"
    return "it has no noise inside the loop" if any(noises) else None


def layer(
    cell: str,
    data: Tensor,
    layout: Layout,
    weights: Sequence[Weights],
    states: Sequence[State],
    noises: Sequence[Noise] = (NO_NOISE, NO_NOISE),
) -> tuple[Tensor, list[State]]:
    """Run one layer in each of its directions; arguments and results as in :func:`recurra.kernels.reference.layer`."""
    if not layout.batch_sizes:
        return reference.layer(cell, data, layout, weights, states)
    running = layout.batch_sizes[0]  # torch knows no sequences of length zero: their state stays as it is
    stacked = tuple(torch.stack(parts)[:, :running].contiguous() for parts in zip(*states))
    flat = [parameter for weight in weights for parameter in weight if parameter is not None]
    has_bias = weights[0].bias_ih is not None
    options = (has_bias, 1, 0.0, False, len(weights) == 2)
    run = getattr(torch._VF, cell)
    state = stacked if len(stacked) > 1 else stacked[0]
    if layout.is_full:
        output, *final = run(data.unflatten(0, (len(layout.batch_sizes), running)), state, flat, *options, False)
        output = output.flatten(0, 1)
    else:
        output, *final = run(data, torch.tensor(layout.batch_sizes, device="cpu"), state, flat, *options)
    return output, [
        tuple(torch.cat([new[index], old[running:]]) for new, old in zip(final, states[index]))
        for index in range(len(weights))
    ]
