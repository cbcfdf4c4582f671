"""What a score is shown beside: the majority class, and a logistic regression over the bag of words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

__all__ = ["BagOfWords", "Sequences", "majority_probabilities"]

_MOST_EXAMPLES = 100_000
_PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0)


class Sequences(Protocol):
    """Sequences of ids, one after the other, with where each begins, and their labels."""

    @property
    def ids(self) -> NDArray[np.int32]:
        """All ids."""

    @property
    def starts(self) -> NDArray[np.int64]:
        """Where each sequence begins, and the end of the last."""

    @property
    def labels(self) -> NDArray[np.int64] | None:
        """The class of each sequence."""


def majority_probabilities(counts: list[int], examples: int) -> NDArray[np.float32]:
    """The class frequencies of the training data as everybody's prediction, [n, C]."""
    shares = np.array(counts, dtype=np.float32) / sum(counts)
    return np.tile(shares, (examples, 1))


@dataclass(frozen=True)
class BagOfWords:
    """Logistic regression over which words a text has, in any order.

    Attributes:
        weights: [C, V].
        bias: [C].
        examples: how many training examples it was fitted on.
    """

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    examples: int

    @classmethod
    def fit(cls, train: Sequences, valid: Sequences, vocabulary_size: int, classes: int, seed: int) -> BagOfWords:
        """Fit on the training data, with the strength of the penalty that is best on the validation data.

        Of more than 100,000 training examples so many are drawn with the seed.
        """
        features, labels = _presence(train, vocabulary_size), train.labels
        assert labels is not None
        assert valid.labels is not None
        if features.shape[0] > _MOST_EXAMPLES:
            chosen = np.sort(np.random.default_rng(seed).choice(features.shape[0], _MOST_EXAMPLES, replace=False))
            features, labels = features[chosen], labels[chosen]
        held_out = _presence(valid, vocabulary_size)
        fits = [LogisticRegression(C=penalty, max_iter=1000).fit(features, labels) for penalty in _PENALTIES]
        best = max(fits, key=lambda fit: fit.score(held_out, valid.labels))
        weights, bias = np.zeros((classes, vocabulary_size), np.float32), np.full(classes, -np.inf, np.float32)
        if len(best.classes_) == 2:  # one row of weights stands for both classes
            weights[best.classes_[1]], bias[best.classes_] = best.coef_[0], [0.0, best.intercept_[0]]
        else:
            weights[best.classes_], bias[best.classes_] = best.coef_, best.intercept_
        return cls(weights, bias, features.shape[0])

    def probabilities(self, sequences: Sequences) -> NDArray[np.float32]:
        """Predict each class's probability, [n, C]."""
        scores = _presence(sequences, self.weights.shape[1]) @ self.weights.T + self.bias
        scores -= scores.max(axis=1, keepdims=True)
        exponents = np.exp(scores)
        probabilities: NDArray[np.float32] = (exponents / exponents.sum(axis=1, keepdims=True)).astype(np.float32)
        return probabilities


def _presence(sequences: Sequences, vocabulary_size: int) -> csr_matrix:
    """[n, V], one where a text has the word."""
    shape = (len(sequences.starts) - 1, vocabulary_size)
    counts = csr_matrix(
        (np.ones(len(sequences.ids), np.float32), sequences.ids, sequences.starts), shape=shape, copy=True
    )
    counts.sum_duplicates()
    counts.data[:] = 1
    return counts
