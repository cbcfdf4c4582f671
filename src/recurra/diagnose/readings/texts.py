"""The text to explain, given by itself or as the first of a file; and the log-probability of its symbols."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from recurra.data import Texts
from recurra.errors import DataError
from recurra.inputs import is_file
from recurra.nn.softmax import AdaptiveSoftmax, FullSoftmax, rows_at_once

__all__ = ["Given", "first_text", "log_probabilities_once"]


class Given(NamedTuple):
    """A text, and what it is called: itself or, of a file, where it stands."""

    text: str
    source: str


def first_text(given: str, chunks: Iterable[Sequence[str]]) -> Given:
    """Take the first text of what was given.

    Args:
        given: a text, a file, or "-" for standard input.
        chunks: the texts that it is.

    Raises:
        DataError: there is none, or it holds half of a surrogate pair.
    """
    for texts in chunks:
        for text in texts:
            Texts.from_lists([text])
            if given == "-":
                return Given(text, "the first line of standard input")
            return Given(text, f"the first text of {given}" if is_file(given) else given)
    raise DataError(f"{given}: expected a text to explain, found none")


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
