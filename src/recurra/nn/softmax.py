"""From outputs of the layers to log-probabilities over a large vocabulary, in little memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from recurra.errors import SettingsError, ShapeError

__all__ = ["AdaptiveSoftmax", "FullSoftmax", "linear_cross_entropy", "rows_at_once"]

# How many logits are in memory at once: 32 MB of float32. With fewer the gradient of the weights, to which each chunk
# adds, is read and written too often; with more the passes of the softmax leave the cache.
_LOGITS = 2**23
_LEAST_ROWS = 64
_LEAST_VOCABULARY = 1_000


def linear_cross_entropy(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor,
    targets: Tensor,
    divisor: int | None = None,
    smoothing: float = 0.0,
) -> Tensor:
    """The mean cross entropy of a softmax over hidden W^T + b, with no more than a chunk of the logits in memory.

    The gradients are computed chunk by chunk together with the loss, so that nothing is computed twice. Under autocast
    products take its type; sums and the softmax are float32, or float64 where the tensors are. Differentiable once.

    Args:
        hidden: [N, E].
        weight: W, [V, E].
        bias: b, [V].
        targets: [N], ids.
        divisor: what the sum over the N tokens is divided by, N when None.
        smoothing: share of the target probability that is spread over all V symbols, 0..1 (Szegedy et al., "Rethinking
            the inception architecture for computer vision", CVPR 2016, section 7).

    Returns:
        A scalar, in nats.

    Raises:
        ShapeError: tensors that do not fit together.
    """
    _check_rows(hidden, targets, weight.shape[1])
    divisor = len(targets) if divisor is None else divisor
    if not torch.is_grad_enabled():
        sums = [_summed(logs, targets[rows], smoothing) for rows, _, _, logs in _chunks(hidden, weight, bias)]
        return torch.stack(sums).sum() / divisor
    loss: Tensor = _Loss.apply(hidden, weight, bias, targets, divisor, smoothing)  # type: ignore[no-untyped-call]
    return loss


def _summed(logs: Tensor, targets: Tensor, smoothing: float) -> Tensor:
    """The cross entropy of some rows, a scalar, of log-probabilities [n, V] and targets [n]."""
    loss = -logs.gather(1, targets.unsqueeze(1)).sum()
    return (1 - smoothing) * loss - smoothing / logs.shape[1] * logs.sum() if smoothing else loss


class _Loss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, divisor: int, smoothing: float
    ) -> Tensor:
        sums = _type_of_sums(weight)
        of_hidden, of_weight, of_bias = (torch.zeros_like(given, dtype=sums) for given in (hidden, weight, bias))
        loss = bias.new_zeros((), dtype=sums)
        for rows, x, w, logs in _chunks(hidden, weight, bias):
            wanted = targets[rows].unsqueeze(1)
            loss += _summed(logs, targets[rows], smoothing)
            gradient = logs.exp_()  # of the logits: the probabilities, less those wanted
            gradient.scatter_add_(1, wanted, gradient.new_full((1, 1), smoothing - 1.0).expand_as(wanted))
            if smoothing:
                gradient -= smoothing / logs.shape[1]
            of_bias += gradient.sum(0)
            gradient = gradient.to(w.dtype)
            of_hidden[rows] = gradient @ w
            if w.dtype == sums:
                of_weight.addmm_(gradient.T, x)
            else:
                of_weight += gradient.T @ x
        gradients = [
            found.div_(divisor).to(given.dtype)
            for found, given in ((of_hidden, hidden), (of_weight, weight), (of_bias, bias))
        ]
        ctx.save_for_backward(*gradients)
        return loss / divisor

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, scale: Tensor) -> tuple[Tensor | None, ...]:
        gradients = ctx.saved_tensors
        if scale != 1:
            gradients = [(gradient * scale).to(gradient.dtype) for gradient in gradients]
        return (*gradients, None, None, None)


def _chunks(hidden: Tensor, weight: Tensor, bias: Tensor) -> Iterator[tuple[slice, Tensor, Tensor, Tensor]]:
    """Yield for some rows at a time: which, their hidden numbers and the weights as products take them, and [n, V]."""
    device, products = weight.device.type, weight.dtype
    if torch.is_autocast_enabled(device) and products != torch.float64:  # which autocast leaves as it is
        products = torch.get_autocast_dtype(device)
    hidden, weight, bias = (given.detach().to(products) for given in (hidden, weight, bias))
    step = rows_at_once(len(weight))
    for start in range(0, len(hidden), step):
        rows = slice(start, start + step)
        logits = torch.addmm(bias, hidden[rows], weight.T)
        yield rows, hidden[rows], weight, torch.log_softmax(logits, 1, _type_of_sums(logits))


def rows_at_once(vocabulary_size: int) -> int:
    """How many rows of logits [n, V] are in memory together."""
    return max(_LOGITS // vocabulary_size, _LEAST_ROWS)


@torch.no_grad()
def _token_log_probabilities(hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
    """[N], of the targets, without gradient."""
    found = torch.zeros(len(targets), dtype=_type_of_sums(weight), device=weight.device)
    for rows, _, _, logs in _chunks(hidden, weight, bias):
        found[rows] = logs.gather(1, targets[rows].unsqueeze(1)).squeeze(1)
    return found


class _Softmax(nn.Module):
    """Weights [V, E], own or an embedding's, and a bias [V].

    `log_probabilities` and `token_log_probabilities` are the whole distribution, and what it gives the targets.
    """

    def __init__(self, vocabulary_size: int, hidden_size: int, tied_to: nn.Embedding | None) -> None:
        super().__init__()
        if tied_to is not None and tied_to.weight.shape != (vocabulary_size, hidden_size):
            raise SettingsError(
                f"tied_to: expected an embedding of {vocabulary_size} symbols (vocabulary_size) by {hidden_size} "
                f"numbers (hidden_size), got {tied_to.num_embeddings} by {tied_to.embedding_dim}; a projection between "
                "layers and softmax can make the sizes equal"
            )
        self.vocabulary_size, self.hidden_size = vocabulary_size, hidden_size
        if tied_to is None:
            bound = 1 / math.sqrt(hidden_size)
            self.own_weight = nn.Parameter(torch.empty(vocabulary_size, hidden_size).uniform_(-bound, bound))
        self._tied_to = (tied_to,)  # not a module of its own: its weights are saved once, as the embedding's
        self.bias = nn.Parameter(torch.zeros(vocabulary_size))

    @property
    def weight(self) -> Tensor:
        """W, [V, E]."""
        tied_to = self._tied_to[0]
        return self.own_weight if tied_to is None else tied_to.weight


class FullSoftmax(_Softmax):
    r"""A softmax over all symbols: :math:`p(v | h) \propto \exp(w_v \cdot h + b_v)`.

    Args:
        vocabulary_size: V.
        hidden_size: E.
        tied_to: an embedding whose weights [V, E] are used as the softmax's (Press, Wolf, "Using the output embedding
            to improve language models", EACL 2017; Inan et al., "Tying word vectors and word classifiers", ICLR 2017).

    Raises:
        SettingsError: an embedding of other sizes.
    """

    def __init__(self, vocabulary_size: int, hidden_size: int, tied_to: nn.Embedding | None = None) -> None:
        super().__init__(vocabulary_size, hidden_size, tied_to)

    def loss(self, hidden: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
        """The mean cross entropy in nats, a scalar, of hidden [N, E] with targets [N]; differentiable once."""
        return linear_cross_entropy(hidden, self.weight, self.bias, targets, smoothing=smoothing)

    def log_probabilities(self, hidden: Tensor) -> Tensor:
        """[N, V], of hidden [N, E]."""
        return _log_softmax(functional.linear(hidden, self.weight, self.bias))

    def token_log_probabilities(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """[N], of targets [N] given hidden [N, E], in little memory and without gradient."""
        _check_rows(hidden, targets, self.hidden_size)
        return _token_log_probabilities(hidden, self.weight, self.bias, targets)


class AdaptiveSoftmax(_Softmax):
    """A softmax over the frequent symbols and clusters of rarer ones, and one over each cluster's symbols.

    The probability of a symbol of a cluster is the cluster's times its own within the cluster, so that in training the
    rows of a cluster are only multiplied with where a target lies in it (Grave et al., "Efficient softmax approximation
    for GPUs", ICML 2017). Here clusters are as wide as the rest, which leaves tying exact. The ids must be sorted by
    frequency, the most frequent first: the result is a distribution in any order, but only then fast to train.

    Args:
        vocabulary_size: V.
        hidden_size: E.
        tied_to: an embedding whose weights [V, E] are used, as in :class:`FullSoftmax`.
        cutoffs: the first id of each cluster, ascending; V / 16 and 3 V / 10 when None.

    Raises:
        SettingsError: an embedding of other sizes, cutoffs that are not ascending within the vocabulary, or a
            vocabulary too small for clusters to save time.
    """

    def __init__(
        self,
        vocabulary_size: int,
        hidden_size: int,
        tied_to: nn.Embedding | None = None,
        cutoffs: Sequence[int] | None = None,
    ) -> None:
        super().__init__(vocabulary_size, hidden_size, tied_to)
        self.cutoffs = _checked_cutoffs(cutoffs, vocabulary_size)
        bound = 1 / math.sqrt(hidden_size)
        self.cluster_weight = nn.Parameter(torch.empty(len(self.cutoffs), hidden_size).uniform_(-bound, bound))
        self.cluster_bias = nn.Parameter(torch.zeros(len(self.cutoffs)))

    def loss(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """The mean cross entropy in nats, a scalar, of hidden [N, E] with targets [N]; differentiable once."""
        _check_rows(hidden, targets, self.hidden_size)
        parts = [
            linear_cross_entropy(hidden if rows is None else hidden[rows], weight, bias, wanted, len(targets))
            for rows, weight, bias, wanted in self._parts(targets)
        ]
        return torch.stack(parts).sum()

    def log_probabilities(self, hidden: Tensor) -> Tensor:
        """[N, V], of hidden [N, E]."""
        clusters = functional.linear(hidden, self.cluster_weight, self.cluster_bias)
        frequent, *rare = functional.linear(hidden, self.weight, self.bias).split(self._sizes(), 1)
        head = _log_softmax(torch.cat([frequent, clusters], 1))
        frequent, *clusters = head.split([self.cutoffs[0], *[1] * len(rare)], 1)
        return torch.cat([frequent, *(cluster + _log_softmax(part) for cluster, part in zip(clusters, rare))], 1)

    def token_log_probabilities(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """[N], of targets [N] given hidden [N, E], in little memory and without gradient."""
        _check_rows(hidden, targets, self.hidden_size)
        found = torch.zeros(len(targets), dtype=_type_of_sums(self.weight), device=hidden.device)
        for rows, weight, bias, wanted in self._parts(targets):
            own = slice(None) if rows is None else rows
            found[own] += _token_log_probabilities(hidden[own], weight, bias, wanted)
        return found

    def _sizes(self) -> list[int]:
        return [stop - start for start, stop in pairwise([0, *self.cutoffs, self.vocabulary_size])]

    def _parts(self, targets: Tensor) -> Iterator[tuple[Tensor | None, Tensor, Tensor, Tensor]]:
        """Yield the softmaxes that the targets need: rows (None for all), weights, bias, and targets within."""
        # split once: the gradients of slices would each be as large as all the weights
        weights, biases = self.weight.split(self._sizes()), self.bias.split(self._sizes())
        first = self.cutoffs[0]
        cluster = torch.bucketize(targets, torch.tensor(self.cutoffs, device=targets.device), right=True)  # 0: none
        in_head = torch.where(cluster == 0, targets, first - 1 + cluster)
        yield None, torch.cat([weights[0], self.cluster_weight]), torch.cat([biases[0], self.cluster_bias]), in_head
        for number, start in enumerate(self.cutoffs, start=1):
            rows = (cluster == number).nonzero().squeeze(1)
            if len(rows):
                yield rows, weights[number], biases[number], targets[rows] - start


def _log_softmax(logits: Tensor) -> Tensor:
    return torch.log_softmax(logits, 1, _type_of_sums(logits))


def _type_of_sums(tensor: Tensor) -> torch.dtype:
    """float32, or float64 where the tensor is."""
    return torch.promote_types(tensor.dtype, torch.float32)


def _check_rows(hidden: Tensor, targets: Tensor, hidden_size: int) -> None:
    if hidden.dim() != 2 or hidden.shape[1] != hidden_size:
        raise ShapeError(f"hidden: expected [N, {hidden_size}], got {list(hidden.shape)}")
    if targets.shape != hidden.shape[:1]:
        raise ShapeError(f"targets: expected [{len(hidden)}], one for each row of hidden, got {list(targets.shape)}")
    if not len(targets):
        raise ShapeError("targets: expected at least one token, got none; leave empty batches out")


def _checked_cutoffs(cutoffs: Sequence[int] | None, vocabulary_size: int) -> list[int]:
    if vocabulary_size < _LEAST_VOCABULARY:
        raise SettingsError(
            f"adaptive softmax: it saves time from about {_LEAST_VOCABULARY} symbols on, and this vocabulary has "
            f"{vocabulary_size}; use a full softmax"
        )
    if cutoffs is None:
        return [vocabulary_size // 16, vocabulary_size * 3 // 10]
    bounds = [0, *cutoffs, vocabulary_size]
    if len(bounds) == 2 or not all(start < stop for start, stop in pairwise(bounds)):
        raise SettingsError(
            f"cutoffs: expected ascending ids from 1 to {vocabulary_size - 1} (vocabulary_size - 1), the first of each "
            f"cluster, got {list(cutoffs)}"
        )
    return bounds[1:-1]
