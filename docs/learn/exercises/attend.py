"""Exercise 9, attention: weights over a padded source, and the mean by them.

Read first: attention.md. Check yourself: python docs/learn/exercises/attend.py
"""

from __future__ import annotations

import torch
from checking import Wrong, run, same
from torch import Tensor

from recurra.nn.attention import Attention


def attend(query: Tensor, memory: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Attention by scalar products.

    Args:
        query: [B, M].
        memory: [B, S, M], with zeros in the padding.
        lengths: of the sources, [B], from 1 to S.

    Returns:
        The context [B, M], and the weights [B, S], which are zero in the padding.
    """
    return None  # write this


def check(attend=attend) -> None:
    """Compare with the attention of recurra's translator."""
    torch.manual_seed(0)
    lengths, query = torch.tensor([5, 2, 3]), torch.randn(3, 4)
    mask = torch.arange(5) < lengths.unsqueeze(1)
    memory = torch.randn(3, 5, 4) * mask.unsqueeze(2)
    layer = Attention("dot", query_size=4, memory_size=4)
    context, weights = layer(query.unsqueeze(1), layer.prepare(memory, lengths))
    answer = attend(query, memory, lengths)
    if answer is None:
        same("the context and the weights", None, 0)
    if not isinstance(answer, tuple) or len(answer) != 2:
        raise Wrong("expected a pair, the context and the weights")
    scores = (memory @ query.unsqueeze(2)).squeeze(2)
    masked = scores.masked_fill(~mask, -torch.inf)
    mistakes = {
        "the padding gets a share; give it a score of -inf before the softmax": scores.softmax(1),
        "the padding is set to zero after the softmax, so that the rest no longer sums to one": scores.softmax(1)
        * mask,
        "the softmax is over the batch; it should be over the source": masked.softmax(0),
        "these are the scores; the softmax is missing": scores,
        "a step of padding is let in; a step is true while its index is below the length": scores.masked_fill(
            torch.arange(5) > lengths.unsqueeze(1), -torch.inf
        ).softmax(1),
    }
    same("the weights", answer[1], weights.squeeze(1), mistakes)
    averaged = {"it is the plain mean; multiply each step by its weight": memory.mean(1)}
    same("the context", answer[0], context.squeeze(1), averaged)


if __name__ == "__main__":
    run(check)
