"""The log-probability of symbols, to be differentiated many times."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from recurra.nn.softmax import AdaptiveSoftmax, FullSoftmax, rows_at_once

__all__ = ["log_probabilities_once"]


def log_probabilities_once(softmax: FullSoftmax | AdaptiveSoftmax, hidden: Tensor, targets: Tensor) -> Tensor:
    """The log-probability of each target, [N], given hidden [N, E]; to be differentiated many times.

    Each row depends on its own hidden numbers alone, so their gradients are computed once, here, however often parts of
    the rows are sent back; the weights get none.
    """
    found: Tensor = _Once.apply(hidden, targets, softmax)  # type: ignore[no-untyped-call]
    return found


class _Once(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, targets: Tensor, softmax: FullSoftmax | AdaptiveSoftmax) -> Tensor:
        rows = rows_at_once(softmax.vocabulary_size)
        logs, gradients = [], []
        for some, wanted in zip(hidden.detach().split(rows), targets.split(rows)):
            with torch.enable_grad():
                some.requires_grad_(ctx.needs_input_grad[0])
                found = softmax.log_probabilities(some).gather(1, wanted.unsqueeze(1)).squeeze(1)
                if ctx.needs_input_grad[0]:
                    gradients += torch.autograd.grad(found.sum(), some)
            logs.append(found.detach())
        if gradients:
            ctx.save_for_backward(torch.cat(gradients))
        return torch.cat(logs)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (gradients,) = ctx.saved_tensors
        return grads[0].unsqueeze(1) * gradients, None, None
