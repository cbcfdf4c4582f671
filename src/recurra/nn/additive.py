"""The scores of additive attention, in little memory."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

__all__ = ["additive_scores"]

# How many of the B * T * S * A numbers within the tanh are in memory at once: 32 MB of float32.
_NUMBERS = 2**23


def additive_scores(
    query: Tensor, keys: Tensor, weight: Tensor, coverage: Tensor | None, covered: Tensor | None, all_steps: int
) -> Tensor:
    r""":math:`v \cdot \tanh(q_t + k_i + w c_{ti})`, for some steps and tokens at a time.

    While they are few, the numbers within are kept for the gradients, and are otherwise computed again on the way back;
    then the scores are differentiable once.

    Args:
        query: q, [B, T, A].
        keys: k, [B, S, A].
        weight: v, [1, A].
        coverage: w, [A], or None.
        covered: c, [B, T, S], or None.
        all_steps: how many steps, with those of other calls, are on the way to the same loss: at least T.

    Returns:
        [B, T, S].
    """
    (batch, time, size), source = query.shape, keys.shape[1]
    is_much = batch * all_steps * source * size > _NUMBERS
    run = _Recomputed.apply if is_much and torch.is_grad_enabled() else _part
    steps = _at_most(time, _NUMBERS, batch * source * size)
    tokens = _at_most(source, _NUMBERS, batch * steps * size)
    parts_of_keys = keys.split(tokens, dim=1)
    rows = []
    for step, some in zip(range(0, max(time, 1), steps), query.split(steps, dim=1)):
        row = []
        for token, those in zip(range(0, max(source, 1), tokens), parts_of_keys):
            seen = None if covered is None else covered[:, step : step + steps, token : token + tokens]
            row.append(run(some, those, weight, coverage, seen))
        rows.append(torch.cat(row, dim=2))
    return torch.cat(rows, dim=1)


def _part(query: Tensor, keys: Tensor, weight: Tensor, coverage: Tensor | None, covered: Tensor | None) -> Tensor:
    hidden = query.unsqueeze(2) + keys.unsqueeze(1)
    if coverage is not None and covered is not None:
        hidden = hidden + (covered.unsqueeze(3) * coverage).to(hidden.dtype)
    return functional.linear(hidden.tanh_(), weight).squeeze(3)


class _Recomputed(torch.autograd.Function):
    """The same without the numbers within, as torch.utils.checkpoint does, which would first import the compiler."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, keys: Tensor, weight: Tensor, coverage: Tensor | None, covered: Tensor | None
    ) -> Tensor:
        ctx.save_for_backward(query, keys, weight, coverage, covered)
        device = query.device.type
        ctx.cast = torch.autocast(device, torch.get_autocast_dtype(device), torch.is_autocast_enabled(device))
        return _part(query, keys, weight, coverage, covered)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        given: list[Any] = [
            None if tensor is None else tensor.detach().requires_grad_(needed)
            for tensor, needed in zip(ctx.saved_tensors, ctx.needs_input_grad)
        ]
        with torch.enable_grad(), ctx.cast:
            scores = _part(*given)
        wanted = [tensor for tensor in given if tensor is not None and tensor.requires_grad]
        found = iter(torch.autograd.grad(scores, wanted, gradient))
        return tuple(next(found) if needed else None for needed in ctx.needs_input_grad)


def _at_most(wanted: int, numbers: int, each: int) -> int:
    """How many of those wanted, and at least one, make no more than so many numbers."""
    return max(1, min(wanted, numbers // max(each, 1)))
