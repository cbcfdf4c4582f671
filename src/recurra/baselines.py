"""What a classifier is shown beside: the majority class, and a logistic regression that knows nothing of order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.special import softmax
from torch import Tensor

__all__ = [
    "BAG_OF_WORDS",
    "MAJORITY",
    "SUMMARIES",
    "BagOfWords",
    "NumberSequences",
    "Sequences",
    "SeriesSummaries",
    "majority_probabilities",
    "summaries",
]

MAJORITY = "majority class"
BAG_OF_WORDS = "bag of words"
SUMMARIES = "series summaries"

_MOST_EXAMPLES = 100_000
_CHUNK = 10_000
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


class NumberSequences(Protocol):
    """Sequences of numbers, and their labels."""

    @property
    def values(self) -> Sequence[NDArray[np.float32]]:
        """The numbers of each, [T, I]."""

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
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> BagOfWords:
        """Make it again from what :meth:`tensors` gave."""
        weights, bias = (np.asarray(tensors[name].numpy(), np.float32) for name in ("weights", "bias"))
        return cls(weights, bias, int(tensors["examples"]))

    def tensors(self) -> dict[str, Tensor]:
        """All of it, as it lies in a model directory."""
        return {
            "weights": torch.from_numpy(self.weights),
            "bias": torch.from_numpy(self.bias),
            "examples": torch.tensor(self.examples),
        }

    @classmethod
    def fit(cls, train: Sequences, valid: Sequences, vocabulary_size: int, classes: int, seed: int) -> BagOfWords:
        """Fit on the training data, with the strength of the penalty that is best on the validation data.

        Of more than 100,000 examples so many are drawn with the seed.
        """
        assert train.labels is not None
        assert valid.labels is not None
        chosen, of_valid = (_drawn(len(part.starts) - 1, seed) for part in (train, valid))
        features, labels = _presence(train, vocabulary_size, chosen), train.labels[chosen]
        held_out, answers = _presence(valid, vocabulary_size, of_valid), valid.labels[of_valid]
        weights, bias = _regress(features, labels, held_out, answers, classes)
        return cls(weights, bias, features.shape[0])

    def probabilities(self, sequences: Sequences) -> NDArray[np.float32]:
        """Predict each class's probability, [n, C]."""
        total = len(sequences.starts) - 1
        found = np.zeros((total, len(self.bias)), np.float32)
        for start in range(0, total, _CHUNK):
            rows = np.arange(start, min(start + _CHUNK, total))
            scores = _presence(sequences, self.weights.shape[1], rows) @ self.weights.T + self.bias
            found[rows] = softmax(scores, axis=1)
        return found


@dataclass(frozen=True)
class SeriesSummaries:
    """Logistic regression over what :func:`summaries` says of a series.

    Attributes:
        weights: [C, K].
        bias: [C].
        mean: [K], of the summaries of the training series, by which they are standardised.
        deviation: [K], the same; 1 where a summary never varies.
        examples: how many training examples it was fitted on.
    """

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]
    examples: int

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> SeriesSummaries:
        """Make it again from what :meth:`tensors` gave."""
        names = ("weights", "bias", "mean", "deviation")
        weights, bias, mean, deviation = (np.asarray(tensors[name].numpy(), np.float32) for name in names)
        return cls(weights, bias, mean, deviation, int(tensors["examples"]))

    def tensors(self) -> dict[str, Tensor]:
        """All of it, as it lies in a model directory."""
        arrays = {name: getattr(self, name) for name in ("weights", "bias", "mean", "deviation")}
        return {name: torch.from_numpy(array) for name, array in arrays.items()} | {
            "examples": torch.tensor(self.examples)
        }

    @classmethod
    def fit(cls, train: NumberSequences, valid: NumberSequences, classes: int, seed: int) -> SeriesSummaries:
        """Fit as :meth:`BagOfWords.fit` does."""
        assert train.labels is not None
        assert valid.labels is not None
        chosen, of_valid = (_drawn(len(part.values), seed) for part in (train, valid))
        features, held_out = (summaries([p.values[i] for i in n]) for p, n in ((train, chosen), (valid, of_valid)))
        mean, deviation = features.mean(0), features.std(0)
        deviation[np.ptp(features, axis=0) == 0] = 1
        known, unknown = ((part - mean) / deviation for part in (features, held_out))
        weights, bias = _regress(known, train.labels[chosen], unknown, valid.labels[of_valid], classes)
        return cls(weights, bias, mean, deviation, len(features))

    def probabilities(self, sequences: NumberSequences) -> NDArray[np.float32]:
        """Predict each class's probability, [n, C]."""
        scores = (summaries(sequences.values) - self.mean) / self.deviation @ self.weights.T + self.bias
        found: NDArray[np.float32] = softmax(scores, axis=1)
        return found


def summaries(sequences: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """What can be said of series [T, I] without their course, [n, 7 I + 1].

    That is, of each channel, the mean, deviation, minimum, maximum, first and last number, and the slope of the line
    of least squares from step to step; and the number of steps.

    >>> summaries([np.array([[1.0], [2.0], [6.0]], np.float32)]).round(2).tolist()
    [[3.0, 2.1600000858306885, 1.0, 6.0, 1.0, 6.0, 2.5, 3.0]]
    """
    rows = np.zeros((len(sequences), 7 * sequences[0].shape[1] + 1 if len(sequences) else 1))
    for row, values in zip(rows, sequences):
        series = values.astype(np.float64)
        time = np.arange(len(series)) - (len(series) - 1) / 2
        slope = time @ series / max(float(time @ time), 0.5)  # 0.5 is the least of more than one step
        told = (series.mean(0), series.std(0), series.min(0), series.max(0), series[0], series[-1], slope)
        row[:] = [*np.concatenate(told), len(series)]
    return rows.astype(np.float32)


def _regress(
    features: Any, labels: NDArray[np.int64], held_out: Any, answers: NDArray[np.int64], classes: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weights [C, K] and bias [C] of the logistic regression whose penalty is best on what is held out.

    Args:
        features: [n, K].
        labels: [n].
        held_out: [m, K].
        answers: [m].
        classes: C.
    """
    from sklearn.linear_model import LogisticRegression  # a second's work, for which predictions need not wait

    fits = [LogisticRegression(C=penalty, max_iter=1000).fit(features, labels) for penalty in _PENALTIES]
    best = max(fits, key=lambda fit: fit.score(held_out, answers))
    weights, bias = np.zeros((classes, features.shape[1]), np.float32), np.full(classes, -np.inf, np.float32)
    if len(best.classes_) == 2:  # one row of weights stands for both classes
        weights[best.classes_[1]], bias[best.classes_] = best.coef_[0], [0.0, best.intercept_[0]]
    else:
        weights[best.classes_], bias[best.classes_] = best.coef_, best.intercept_
    return weights, bias


def _drawn(examples: int, seed: int) -> NDArray[np.int64]:
    """The numbers of the examples to use, in order."""
    if examples <= _MOST_EXAMPLES:
        return np.arange(examples)
    return np.sort(np.random.default_rng(seed).choice(examples, _MOST_EXAMPLES, replace=False))


def _presence(sequences: Sequences, vocabulary_size: int, rows: NDArray[np.int64]) -> csr_matrix:
    """[n, V], one where a text has the word, for some of the texts."""
    starts, stops = sequences.starts[rows], sequences.starts[rows + 1]
    ids = np.concatenate([np.zeros(0, np.int32), *(sequences.ids[i:j] for i, j in zip(starts, stops))])
    ends = np.concatenate([np.zeros(1, np.int64), (stops - starts).cumsum()])
    counts = csr_matrix((np.ones(len(ids), np.float32), ids, ends), shape=(len(rows), vocabulary_size))
    counts.sum_duplicates()
    counts.data[:] = 1
    return counts
