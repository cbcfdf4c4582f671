"""What a language model is shown beside: symbols by their frequency, and interpolated Kneser-Ney n-grams.

Both score a stream of ids, token by token, in natural logarithms: the mean of what they return, negated, is the cross
entropy in nats, and its exponential the perplexity.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recurra.errors import DataError, SettingsError

__all__ = ["KneserNey", "unigram_log_probabilities"]

Ids = NDArray[np.int32] | NDArray[np.int64]

_FALLBACK = (0.5, 1.0, 1.5)


def unigram_log_probabilities(train: Ids, ids: Ids, vocabulary_size: int) -> NDArray[np.float64]:
    """Score each token by the frequency c(w) / n of its symbol in a training stream of n tokens.

    Where some of the V symbols are not in the training stream it is (c(w) + 1) / (n + V), so that each has some
    probability.

    Args:
        train: the training stream.
        ids: [n], the stream to score.
        vocabulary_size: V.

    Returns:
        [n], natural logarithms.

    Raises:
        DataError: an empty training stream, or an id that is not in the vocabulary.

    >>> np.exp(unigram_log_probabilities(np.array([0, 1, 1, 1]), np.array([0, 1]), 2))
    array([0.25, 0.75])
    """
    counts = np.bincount(_checked_training(train, vocabulary_size), minlength=vocabulary_size)
    if (counts == 0).any():
        counts += 1
    logs: NDArray[np.float64] = np.log(counts / counts.sum())
    return logs[_checked(ids, vocabulary_size, "ids")]


@dataclass(frozen=True)
class _Order:
    """The n-grams of one length k that the training stream has, numbered in the order of their keys.

    An n-gram is found by the number of its first k - 1 symbols among the n-grams of the order below, and its last
    symbol. What is not there has the number -1, which in `shares` and `backoffs` is the last place, kept for it.

    Attributes:
        keys: [M], context * V + symbol, sorted.
        shares: [M + 1], the discounted counts divided by those of their contexts; then 0.
        backoffs: [contexts + 1], what a context leaves to the order below; 1 for one that nothing follows; then 1.
        discounts: taken from a count of 1, of 2, and of 3 or more.
    """

    keys: NDArray[np.int64]
    shares: NDArray[np.float64]
    backoffs: NDArray[np.float64]
    discounts: tuple[float, float, float]

    def find(self, contexts: NDArray[np.int64], ids: Ids, vocabulary_size: int) -> NDArray[np.int64]:
        """The number of each n-gram, given those of its contexts; -1 for what is not there."""
        if not len(self.keys):
            return np.full(len(ids), -1)
        wanted = contexts * vocabulary_size + ids  # negative after a context that is not there
        found = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        found[self.keys[found] != wanted] = -1
        return found


@dataclass(frozen=True)
class KneserNey:
    r"""Interpolated Kneser-Ney smoothing with three discounts an order, over a closed vocabulary of V symbols.

    For a symbol w after a context h of k - 1 symbols, h' being h without its first,

    .. math::

        p_k(w | h) = \frac{c_k(hw) - D_k(c_k(hw))}{c_k(h \cdot)} + \gamma_k(h)\, p_{k-1}(w | h'), \qquad
        \gamma_k(h) = \frac{\sum_{w: c_k(hw) > 0} D_k(c_k(hw))}{c_k(h \cdot)}, \qquad p_0(w) = 1 / V.

    In the highest order c counts how often hw occurs; in the lower ones, how many different symbols occur before it,
    the beginning of the stream being one more. :math:`c_k(h \cdot)` sums over w; a context that nothing follows, or
    that begins before the stream does, leaves everything to the order below: :math:`p_k = p_{k-1}`. With
    :math:`n_r` the number of n-grams whose c is r, and :math:`Y = n_1 / (n_1 + 2 n_2)`, D(0) is 0 and

    .. math:: D(1) = 1 - 2 Y n_2 / n_1, \qquad D(2) = 2 - 3 Y n_3 / n_2, \qquad D(3+) = 3 - 4 Y n_4 / n_3;

    an order where one of them cannot be estimated, or is not in 0 < D(r) <= r, takes 0.5, 1 and 1.5. (Kneser, Ney,
    "Improved backing-off for m-gram language modeling", ICASSP 1995; Chen, Goodman, "An empirical study of smoothing
    techniques for language modeling", Computer Speech and Language 13, 1999.)

    Attributes:
        vocabulary_size: V.
        orders: the n-grams of 1, 2, ... symbols.
    """

    vocabulary_size: int
    orders: tuple[_Order, ...]

    @classmethod
    def fit(cls, ids: Ids, vocabulary_size: int, order: int = 5) -> KneserNey:
        """Count the n-grams of a training stream.

        Args:
            ids: [n], the stream.
            vocabulary_size: V.
            order: how many symbols the longest n-grams have.

        Raises:
            DataError: an empty stream, or an id that is not in the vocabulary.
            SettingsError: an order below 1.
        """
        if order < 1:
            raise SettingsError(f"order: expected the length of the longest n-grams, at least 1, got {order}")
        ids = _checked_training(ids, vocabulary_size)
        nodes = np.zeros(len(ids) + 1, np.int64)  # the empty n-gram, which is everywhere
        keys: list[NDArray[np.int64]] = []
        counts: list[NDArray[np.int64]] = []
        for length in range(1, order + 1):
            shorter = nodes
            found, nodes, occurrences = np.unique(
                shorter[:-1] * vocabulary_size + ids[length - 1 :], return_inverse=True, return_counts=True
            )
            if length > 1:
                counts[-1] = _different_before(shorter, nodes, len(keys[-1]), len(found))
            keys.append(found)
            counts.append(occurrences)
        return cls(vocabulary_size, _smoothed(keys, counts, vocabulary_size))

    def log_probabilities(self, ids: Ids) -> NDArray[np.float64]:
        """Score each token given those before it in the stream, as many as the longest n-gram has room for.

        Args:
            ids: [n], a stream; its beginning is given nothing.

        Returns:
            [n], natural logarithms.

        Raises:
            DataError: an id that is not in the vocabulary.

        >>> model = KneserNey.fit(np.array([0, 1, 0, 1, 0, 1, 0]), vocabulary_size=3, order=2)
        >>> np.exp(model.log_probabilities(np.array([0, 1, 1]))).round(3)
        array([0.5  , 0.667, 0.167])
        """
        ids = _checked(ids, self.vocabulary_size, "ids")
        probabilities = np.full(len(ids), 1 / self.vocabulary_size)
        contexts = np.zeros(len(ids), np.int64)
        for order in self.orders:
            nodes = order.find(contexts, ids, self.vocabulary_size)
            probabilities = order.shares[nodes] + order.backoffs[contexts] * probabilities
            contexts = np.concatenate([[-1], nodes])[: len(ids)]  # nothing is before the first
        logs: NDArray[np.float64] = np.log(probabilities)
        return logs


def _different_before(
    shorter: NDArray[np.int64], longer: NDArray[np.int64], shorter_size: int, longer_size: int
) -> NDArray[np.int64]:
    """How many different symbols occur before each n-gram, the beginning of the stream being one.

    Args:
        shorter: the number of the n-gram at each place of the stream.
        longer: that of the n-gram that is longer by the symbol before, from the second place on.
        shorter_size: how many different n-grams there are.
        longer_size: how many of the longer.
    """
    endings = np.empty(longer_size, np.int64)
    endings[longer] = shorter[1:]  # each longer one ends in the same shorter one wherever it occurs
    counts = np.bincount(endings, minlength=shorter_size)
    counts[shorter[:1]] += 1
    return counts


def _smoothed(
    keys: list[NDArray[np.int64]], counts: list[NDArray[np.int64]], vocabulary_size: int
) -> tuple[_Order, ...]:
    """Discount the counts of each order, and share what was taken."""
    orders: list[_Order] = []
    contexts = 1
    for own_keys, own_counts in zip(keys, counts):
        discounts = _discounts(own_counts)
        taken = np.array([0.0, *discounts])[np.minimum(own_counts, 3)]
        of_context = own_keys // vocabulary_size
        totals = np.bincount(of_context, own_counts, contexts)
        followed = totals > 0
        backoffs = np.ones(contexts + 1)
        backoffs[:-1][followed] = np.bincount(of_context, taken, contexts)[followed] / totals[followed]
        shares = np.append((own_counts - taken) / totals[of_context], 0.0)
        orders.append(_Order(own_keys, shares, backoffs, discounts))
        contexts = len(own_keys)
    return tuple(orders)


def _discounts(counts: NDArray[np.int64]) -> tuple[float, float, float]:
    n1, n2, n3, n4 = (int((counts == r).sum()) for r in (1, 2, 3, 4))
    if not (n1 and n2 and n3):
        return _FALLBACK
    y = n1 / (n1 + 2 * n2)
    found = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
    return found if all(0 < discount <= r for discount, r in zip(found, (1, 2, 3))) else _FALLBACK


def _checked_training(ids: Ids, vocabulary_size: int) -> Ids:
    if not len(ids):
        raise DataError("training stream: expected at least one token, found none; give a longer text")
    return _checked(ids, vocabulary_size, "training stream")


def _checked(ids: Ids, vocabulary_size: int, name: str) -> Ids:
    if ids.ndim != 1 or ids.dtype.kind != "i":
        raise DataError(f"{name}: expected a stream of integers with one dimension, got {ids.dtype} {ids.shape}")
    outside = (ids < 0) | (ids >= vocabulary_size)
    if outside.any():
        place = int(np.argmax(outside))
        raise DataError(
            f"{name}, token {place}: expected an id from 0 to {vocabulary_size - 1} (vocabulary_size "
            f"{vocabulary_size}), found {ids[place]}; encode the text with this vocabulary"
        )
    return ids
