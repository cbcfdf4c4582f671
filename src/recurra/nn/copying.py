"""A pointer-generator: symbols come from the vocabulary or, known or not, from the source."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from recurra.nn.softmax import FullSoftmax, rows_at_once

__all__ = ["CopyGate", "copy_distribution", "log_probabilities_of", "mixed_of_targets"]


class CopyGate(nn.Module):
    r"""How probable it is that a symbol is generated and not copied.

    .. math:: p = \sigma(w \cdot [c; h; x] + b)

    of the context c, the decoder's output h and what it read, x. The symbol y then has

    .. math:: P(y) = p P_{vocabulary}(y) + (1 - p) \sum_{i: source_i = y} a_i

    with the weights a of attention (See, Liu, Manning, "Get to the point: summarization with pointer-generator
    networks", ACL 2017). An empty source has nothing to copy: p is 1. All is computed in logarithms, so that improbable
    symbols keep a gradient.

    Args:
        context_size: M.
        hidden_size: H.
        embedding_size: E.
    """

    def __init__(self, context_size: int, hidden_size: int, embedding_size: int) -> None:
        super().__init__()
        self.score = nn.Linear(context_size + hidden_size + embedding_size, 1)

    def forward(self, context: Tensor, hidden: Tensor, vectors: Tensor, copyable: Tensor) -> tuple[Tensor, Tensor]:
        """The logarithms of p and 1 - p.

        Args:
            context: [N, M].
            hidden: [N, H].
            vectors: [N, E].
            copyable: [N], whether the source has a symbol.

        Returns:
            Two tensors [N]; where nothing is copyable 0 and minus infinity.
        """
        score = self.score(torch.cat([context, hidden, vectors], 1)).squeeze(1)
        score = score.to(torch.promote_types(score.dtype, torch.float32))
        generated = functional.logsigmoid(score).masked_fill(~copyable, 0.0)
        return generated, functional.logsigmoid(-score).masked_fill(~copyable, -torch.inf)


def _mix(generated: Tensor, from_vocabulary: Tensor, copied: Tensor, weights: Tensor) -> Tensor:
    """log(p P + (1 - p) a) of log p, log P, log(1 - p) and a; where a is 0 the first product alone."""
    has_weight = weights > 0
    from_source = copied + torch.where(has_weight, weights, 1.0).log()
    return torch.logaddexp(generated + from_vocabulary, from_source.masked_fill(~has_weight, -torch.inf))


def mixed_of_targets(
    generated: Tensor, copied: Tensor, from_vocabulary: Tensor, targets: Tensor, weights: Tensor, size: int
) -> Tensor:
    """The log-probability of each target.

    Args:
        generated: log p, [N].
        copied: log(1 - p), [N].
        from_vocabulary: of the targets, [N]; what it is for those outside the vocabulary does not matter.
        targets: [N], V and above where it can only be copied.
        weights: of attention, summed over the places of the source that have the target, [N].
        size: V.
    """
    is_known = targets < size
    # a symbol that is only in the source has a weight there, if one too small for its type
    least = torch.finfo(weights.dtype).tiny
    weights = torch.where(is_known, weights, weights.clamp(min=least))
    return _mix(generated, from_vocabulary.masked_fill(~is_known, -torch.inf), copied, weights)


def copy_distribution(
    generated: Tensor, copied: Tensor, from_vocabulary: Tensor, weights: Tensor, copies: Tensor, extra: int
) -> Tensor:
    """The log-probability of each symbol of the vocabulary and each unknown one of the source.

    Args:
        generated: log p, [B, K].
        copied: log(1 - p), [B, K].
        from_vocabulary: [B, K, V].
        weights: of attention, [B, K, S].
        copies: the source as ids of the target vocabulary, [B, S]; where there is no weight any id below V + extra.
        extra: the largest number of unknowns of a source.

    Returns:
        [B, K, V + extra].
    """
    logs = functional.pad(from_vocabulary + generated.unsqueeze(2), (0, extra), value=-torch.inf)
    alike = copies.unsqueeze(2) == copies.unsqueeze(1)
    weights = weights @ alike.to(weights.dtype)  # each place has those of all places with its symbol
    index = copies.unsqueeze(1).expand_as(weights)
    at_copies = _mix(torch.zeros_like(copied).unsqueeze(2), logs.gather(2, index), copied.unsqueeze(2), weights)
    return logs.scatter(2, index, at_copies.clamp(max=0.0))  # the sum of two may be rounded to more than one


def log_probabilities_of(targets: Tensor, softmax: FullSoftmax, hidden: Tensor) -> Tensor:
    """[N], of targets [N] given hidden [N, E], differentiable, with no more than a chunk of the logits in memory."""

    def chunk(hidden: Tensor, targets: Tensor) -> Tensor:
        return softmax.log_probabilities(hidden).gather(1, targets.unsqueeze(1)).squeeze(1)

    rows = rows_at_once(softmax.vocabulary_size)
    pieces = list(zip(hidden.split(rows), targets.split(rows)))
    if len(pieces) == 1 or not torch.is_grad_enabled():
        return torch.cat([chunk(*piece) for piece in pieces])
    return torch.cat([checkpoint(chunk, *piece, use_reentrant=False) for piece in pieces])
