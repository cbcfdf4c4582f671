"""Exercise 8, padding: a mean, a maximum and a loss that do not see it.

Read first: padding.md. Check yourself: python docs/learn/exercises/masked.py
"""

from __future__ import annotations

import torch
from checking import run, same
from torch import Tensor
from torch.nn import functional


def mean(output: Tensor, lengths: Tensor) -> Tensor:
    """The mean over the true steps of each sequence.

    Args:
        output: [T, B, H]; what is in the padding means nothing, and is not zero.
        lengths: [B], from 1 to T.

    Returns:
        [B, H].
    """
    return None  # write this


def maximum(output: Tensor, lengths: Tensor) -> Tensor:
    """The maximum over the true steps of each sequence; arguments and result as of `mean`."""
    return None  # write this


def loss(logits: Tensor, targets: Tensor, lengths: Tensor) -> Tensor:
    """The cross-entropy of the true steps, its mean over all true steps of the batch.

    Args:
        logits: [T, B, V].
        targets: [T, B], in 0..V-1, in the padding too.
        lengths: [B], from 1 to T.

    Returns:
        A scalar.
    """
    return None  # write this


def check(mean=mean, maximum=maximum, loss=loss) -> None:
    """Compare with each sequence by itself."""
    torch.manual_seed(0)
    lengths = torch.tensor([2, 6, 3])
    output = torch.randn(6, 3, 4) - 1.0  # mostly negative: a maximum with zeros would show
    alone = [output[:length, b] for b, length in enumerate(lengths)]
    mask = (torch.arange(6).unsqueeze(1) < lengths).unsqueeze(2)
    zeroed = output * mask
    means = {
        "it is over the whole box; leave the padding out": output.mean(0),
        "the sum is of the true steps, but it is divided by T; divide by the length": zeroed.mean(0),
        "the padding is in the sum; set it to zero first": output.sum(0) / lengths.unsqueeze(1),
    }
    same("mean", mean(output, lengths), torch.stack([steps.mean(0) for steps in alone]), means)
    maxima = {
        "it is over the whole box; leave the padding out": output.max(0).values,
        "padding that is set to zero is larger than a true negative number; fill it with -inf": zeroed.max(0).values,
    }
    same("maximum", maximum(output, lengths), torch.stack([steps.max(0).values for steps in alone]), maxima)
    _check_loss(loss, lengths)


def _check_loss(loss, lengths: Tensor) -> None:
    logits, targets = torch.randn(6, 3, 5), torch.randint(5, (6, 3))
    each = functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view(6, 3)
    alone = [each[:length, b] for b, length in enumerate(lengths)]
    mistakes = {
        "it is over all positions; leave the padding out": each.mean(),
        "the sum is of the true steps, but it is divided by all positions": torch.cat(alone).sum() / each.numel(),
        "it is the mean of each sequence's mean; weigh every step alike": torch.stack([s.mean() for s in alone]).mean(),
        "it is the sum; divide by the number of true steps": torch.cat(alone).sum(),
    }
    same("loss", loss(logits, targets, lengths), torch.cat(alone).mean(), mistakes)


if __name__ == "__main__":
    run(check)
