"""Where a decoder looks in what an encoder made: weights over the source, and the mean of the source by them."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, cast, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from recurra.errors import SettingsError, ShapeError, nearest
from recurra.nn.additive import additive_scores
from recurra.nn.lengths import Lengths, checked_lengths

__all__ = ["Attended", "Attention", "AttentionKind", "Memory", "coverage_loss"]

AttentionKind = Literal["additive", "dot", "general", "multihead"]


class Memory(NamedTuple):
    """What an encoder made of a batch of sources, ready to be attended to; zeros in the padding.

    Attributes:
        values: [B, S, M], what weights are applied to.
        keys: [B, S, A], what queries are compared with.
        mask: [B, S], true where a token is.
    """

    values: Tensor
    keys: Tensor
    mask: Tensor


class Attended(NamedTuple):
    """What T queries of each sentence found.

    Attributes:
        context: [B, T, M], the mean of the values by the weights; zeros for an empty source.
        weights: [B, T, S], which sum to one over a source, with zeros in its padding; zeros for an empty source.
    """

    context: Tensor
    weights: Tensor


class Attention(nn.Module):
    r"""Weights over the positions i of a source, for a query q: the softmax of scores, which the kinds compute so.

    ``"additive"``
        :math:`v \cdot \tanh(W q + b + U m_i)`, as wide as the query (Bahdanau, Cho, Bengio, "Neural machine translation
        by jointly learning to align and translate", ICLR 2015).
    ``"dot"``
        :math:`q \cdot m_i` (Luong, Pham, Manning, "Effective approaches to attention-based neural machine translation",
        EMNLP 2015).
    ``"general"``
        :math:`q \cdot W m_i / \sqrt{Q}` (likewise, but for the root: without it the weights of the first epoch were
        close to 0 and 1, and learning was slower, 1.97 against 1.79 nats after three epochs of 24,000 pairs).
    ``"multihead"``
        :math:`W_k q \cdot U_k m_i / \sqrt{d}` in K heads of d = M / K numbers, each with a softmax and values
        :math:`V_k m_i` of its own; the context is a projection of all heads', the weights are their mean (Vaswani et
        al., "Attention is all you need", NeurIPS 2017).

    With coverage a score also depends on :math:`c_i`, the sum of the weights that position i had before: additive by
    :math:`w c_i` within the tanh (See, Liu, Manning, "Get to the point: summarization with pointer-generator networks",
    ACL 2017), the others by :math:`w c_i` added to the score, one w a head. w starts at zero. Under autocast products
    take its type; the softmax is float32, or float64 where the tensors are.

    Args:
        kind: as above.
        query_size: Q.
        memory_size: M.
        heads: K, of multihead attention; other kinds have one.
        coverage: whether scores depend on coverage.

    Raises:
        SettingsError: a kind that there is not, or sizes that do not fit it.

    >>> attention = Attention("dot", query_size=2, memory_size=2)
    >>> memory = attention.prepare(torch.eye(2).repeat(1, 2, 1), lengths=[3])
    >>> attention(torch.tensor([[[1.0, 0.0]]]), memory).weights
    tensor([[[0.4223, 0.1554, 0.4223, 0.0000]]])
    """

    def __init__(
        self, kind: AttentionKind, query_size: int, memory_size: int, heads: int = 1, coverage: bool = False
    ) -> None:
        super().__init__()
        _check_settings(kind, query_size, memory_size, heads)
        self.kind, self.query_size, self.context_size = kind, query_size, memory_size
        self.heads = heads if kind == "multihead" else 1
        as_it_is = nn.Identity()
        self.to_query: nn.Module = as_it_is
        self.to_keys: nn.Module = as_it_is
        self.to_values: nn.Module = as_it_is
        self.to_context: nn.Module = as_it_is
        # no biases but one: a second would add nothing within the tanh, and others would make an empty source not zero
        if kind == "additive":
            self.to_query = nn.Linear(query_size, query_size)
            self.to_score = nn.Linear(query_size, 1, bias=False)
        if kind in ("additive", "general"):
            self.to_keys = nn.Linear(memory_size, query_size, bias=False)
        if kind == "multihead":
            self.to_query = nn.Linear(query_size, memory_size, bias=False)
            self.to_keys = nn.Linear(memory_size, memory_size, bias=False)
            self.to_values = nn.Linear(memory_size, memory_size, bias=False)
            self.to_context = nn.Linear(memory_size, memory_size, bias=False)
        size = query_size if kind == "additive" else self.heads
        self.coverage = nn.Parameter(torch.zeros(size)) if coverage else None

    def prepare(self, values: Tensor, lengths: Lengths) -> Memory:
        """Compute, once for each sentence, what does not depend on a query.

        Args:
            values: [B, S, M]; the padding may hold anything.
            lengths: [B], zero allowed.

        Raises:
            ShapeError: tensors of other shapes, or lengths that are not in 0..S.
        """
        if values.dim() != 3 or values.shape[2] != self.context_size:
            raise ShapeError(f"values: expected [B, S, {self.context_size}], got {list(values.shape)}")
        batch, source, _ = values.shape
        until = checked_lengths(lengths, batch, source).to(values.device)
        mask = torch.arange(source, device=values.device) < until.unsqueeze(1)
        values = values.masked_fill(~mask.unsqueeze(2), 0.0)
        return Memory(self.to_values(values), self.to_keys(values), mask)

    def forward(self, query: Tensor, memory: Memory, covered: Tensor | None = None) -> Attended:
        """Attend with T queries of each sentence, none of which knows of the others.

        Args:
            query: [B, T, Q].
            memory: from :meth:`prepare`.
            covered: [B, T, S], with coverage: the sum of the weights before each query; zeros when None.

        Raises:
            ShapeError: tensors that do not fit together.
            SettingsError: `covered` without coverage.
        """
        self._check(query, memory, covered)
        if self.coverage is not None and covered is None:
            covered = query.new_zeros(()).expand(*query.shape[:2], memory.mask.shape[1])
        scores = self._with_coverage(self._before_coverage(query, memory), memory, covered, query.shape[1])
        return self._attended(_normalised(scores, memory.mask), memory)

    def in_order(self, query: Tensor, memory: Memory) -> Attended:
        """Attend with T queries of each sentence, of which, with coverage, each knows where those before it looked.

        Args and errors are those of :meth:`forward`, which this is without coverage.
        """
        if self.coverage is None:
            return cast(Attended, self(query, memory))
        self._check(query, memory, None)
        covered = query.new_zeros(len(query), 1, memory.mask.shape[1], dtype=_type_of_weights(query))
        weights = []
        for before in self._before_coverage(query, memory).split(1, dim=-2):
            scores = self._with_coverage(before, memory, covered, query.shape[1])
            weights.append(_normalised(scores, memory.mask))
            covered = covered + weights[-1].mean(1)
        return self._attended(torch.cat(weights, dim=2), memory)

    def _before_coverage(self, query: Tensor, memory: Memory) -> Tensor:
        """What can be computed for all queries at once: scores [B, K, T, S], or for additive attention [B, T, A]."""
        query = self.to_query(query)
        if self.kind == "additive":
            return query
        if self.kind in ("general", "multihead"):
            query = query / math.sqrt(query.shape[2] // self.heads)
        scores = self._split(query) @ self._split(memory.keys).transpose(2, 3)
        return scores.to(_type_of_weights(scores))

    def _with_coverage(self, before: Tensor, memory: Memory, covered: Tensor | None, all_steps: int) -> Tensor:
        """The scores [B, K, T, S], from what :meth:`_before_coverage` gave."""
        if self.kind == "additive":
            weight = self.get_parameter("to_score.weight")
            scores = additive_scores(before, memory.keys, weight, self.coverage, covered, all_steps)
            return scores.unsqueeze(1).to(_type_of_weights(scores))
        if self.coverage is None or covered is None:
            return before
        return before + self.coverage.view(-1, 1, 1) * covered.unsqueeze(1)

    def _attended(self, weights: Tensor, memory: Memory) -> Attended:
        """From weights [B, K, T, S]."""
        found = weights.to(memory.values.dtype) @ self._split(memory.values)  # [B, K, T, M / K]
        return Attended(self.to_context(found.transpose(1, 2).flatten(2)), weights.mean(1))

    def _split(self, tensor: Tensor) -> Tensor:
        """By heads: [B, ., A] to [B, K, ., A / K]."""
        parts: Tensor = tensor.unflatten(2, (self.heads, -1))
        return parts.transpose(1, 2)

    def _check(self, query: Tensor, memory: Memory, covered: Tensor | None) -> None:
        batch, source = memory.mask.shape
        if query.dim() != 3 or len(query) != batch or query.shape[2] != self.query_size:
            raise ShapeError(f"query: expected [{batch}, T, {self.query_size}], got {list(query.shape)}")
        if covered is None:
            return
        if self.coverage is None:
            raise SettingsError("covered: this attention has no coverage; make it with coverage=True, or leave it out")
        if covered.shape != (batch, query.shape[1], source):
            raise ShapeError(f"covered: expected {[batch, query.shape[1], source]}, got {list(covered.shape)}")


def _check_settings(kind: str, query_size: int, memory_size: int, heads: int) -> None:
    kinds = get_args(AttentionKind)
    if kind not in kinds:
        raise SettingsError(f"kind: expected one of {', '.join(kinds)}, got {kind!r}{nearest(kind, kinds)}")
    for name, value in (("query_size", query_size), ("memory_size", memory_size), ("heads", heads)):
        if value < 1:
            raise SettingsError(f"{name}: expected at least 1, got {value}")
    if kind == "dot" and query_size != memory_size:
        raise SettingsError(
            f"kind: 'dot' compares a query of {query_size} numbers with a memory of {memory_size}, which must be as "
            "many; use 'general', or a hidden_size that makes them equal"
        )
    if kind == "multihead" and memory_size % heads:
        raise SettingsError(
            f"heads: expected a number that divides {memory_size}, the size of the memory, got {heads}; change heads, "
            "or hidden_size"
        )


def coverage_loss(weights: Tensor, lengths: Lengths) -> Tensor:
    r"""How much attention returns to where it was: :math:`\sum_i \min(a_{ti}, c_{ti})`, the mean over target steps t.

    Here :math:`c_t` is the sum of the weights a before step t (See, Liu, Manning, ACL 2017).

    Args:
        weights: [B, T, S], with zeros in the padding of the source.
        lengths: [B], of the targets.

    Returns:
        A scalar; zero without a step.

    Raises:
        ShapeError: lengths that are not in 0..T.
    """
    batch, steps, _ = weights.shape
    until = checked_lengths(lengths, batch, steps).to(weights.device)
    covered = functional.pad(weights, (0, 0, 1, 0)).cumsum(1)[:, :-1]
    is_step = torch.arange(steps, device=weights.device) < until.unsqueeze(1)
    returned = torch.minimum(weights, covered).sum(2)
    return returned.masked_fill(~is_step, 0.0).sum() / until.sum().clamp(min=1)


def _normalised(scores: Tensor, mask: Tensor) -> Tensor:
    """The softmax of scores [B, K, T, S] over the tokens of each source."""
    beyond = ~mask[:, None, None]
    lowest = torch.finfo(scores.dtype).min  # with -inf an empty source would be NaN, if only until the second mask
    return scores.masked_fill(beyond, lowest).softmax(3).masked_fill(beyond, 0.0)


def _type_of_weights(tensor: Tensor) -> torch.dtype:
    return torch.promote_types(tensor.dtype, torch.float32)
