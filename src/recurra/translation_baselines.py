"""What a translator's scores are shown beside: the source as it is, and the answer to the most similar one known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from torch import Tensor

from recurra.errors import DataError, ShapeError
from recurra.string_tensors import from_strings, to_strings
from recurra.vocabulary import UNKNOWN

__all__ = ["COPY", "NEAREST", "NearestNeighbour", "baseline_answers"]

COPY = "copied source"
NEAREST = "nearest source"

_MOST_PAIRS = 200_000

Ids = NDArray[np.int32]
Starts = NDArray[np.int64]


class _Index(NamedTuple):
    """The training sources as F features.

    Attributes:
        keys: [F], of each feature, sorted: a symbol, or the number of a pair of them.
        weights: [F], how rare each is.
        vectors: [F, n], each column of length one or zero.
    """

    keys: NDArray[np.int64]
    weights: NDArray[np.float64]
    vectors: csr_matrix


@dataclass(frozen=True)
class NearestNeighbour:
    """The target of the training source that is most similar to a source.

    Similar by the cosine of their symbols and pairs of neighbouring symbols, each weighted by tf-idf (Salton, Buckley,
    "Term-weighting approaches in automatic text retrieval", 1988): log((1 + n) / (1 + m)) + 1 for what m of the n
    training sources have. Of sources as similar the first in training is
    taken; symbols that the vocabulary does not know, and those that training has not, are passed over. A source of
    which nothing is left has the most frequent training target, of equals the first.

    Attributes:
        ids: the symbols of the n training sources, one source after the other.
        starts: where each source begins in `ids`, and the end of the last, [n + 1].
        targets: their texts, [n].
    """

    ids: Ids
    starts: Starts
    targets: Sequence[str]

    @classmethod
    def fit(cls, ids: Ids, starts: Starts, targets: Iterable[str]) -> NearestNeighbour:
        """Keep the training pairs; of more than 200,000 so many, evenly spread over them.

        Args:
            ids: the symbols of the training sources, one source after the other.
            starts: where each source begins in `ids`, and the end of the last.
            targets: the text of each target, which are read once, in order.

        Raises:
            DataError: no pair.
            ShapeError: not as many targets as sources.
        """
        pairs = len(starts) - 1
        if pairs < 1:
            raise DataError("expected training pairs, found none")
        kept = np.arange(pairs) if pairs <= _MOST_PAIRS else np.arange(_MOST_PAIRS) * pairs // _MOST_PAIRS
        wanted = np.zeros(pairs, bool)
        wanted[kept] = True
        texts: list[str] = []
        found = 0
        for found, target in enumerate(targets, start=1):
            if found <= pairs and wanted[found - 1]:
                texts.append(target)
        if found != pairs:
            raise ShapeError(f"targets: expected {pairs}, as many as sources, found {found}")
        lengths = np.diff(starts)
        return cls(np.array(ids[np.repeat(wanted, lengths)], np.int32), _starts(lengths[kept]), texts)

    def answers(self, ids: Ids, starts: Starts) -> list[str]:
        """Answer m sources, whose symbols are given as those of training are."""
        index = self._index
        counts = _counts(ids, starts, index.keys)
        found = []
        for start, stop in pairwise(counts.indptr):
            # a product of one row at a time is several times as fast as one of sparse matrices that is hardly sparse
            features = counts.indices[start:stop]
            similar = index.vectors[features].T @ (counts.data[start:stop] * index.weights[features])
            best = int(similar.argmax())
            found.append(self.targets[best] if similar[best] > 0 else self._most_frequent)
        return found

    def tensors(self) -> dict[str, Tensor]:
        """All of it, as it lies in a model directory."""
        return {
            "ids": torch.from_numpy(self.ids),
            "starts": torch.from_numpy(self.starts),
            **from_strings("targets", self.targets),
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> NearestNeighbour:
        """Make it again from what :meth:`tensors` gave.

        Raises:
            KeyError, ValueError: the tensors are not those of a baseline of this kind.
        """
        ids, starts, targets = tensors["ids"].numpy(), tensors["starts"].numpy(), to_strings("targets", tensors)
        if len(starts) != len(targets) + 1 or starts[0] != 0 or starts[-1] != len(ids) or (np.diff(starts) < 0).any():
            raise ValueError(f"the starts do not divide {len(ids)} symbols into {len(targets)} sources")
        return cls(ids, starts, targets)

    @cached_property
    def _index(self) -> _Index:
        keys = np.unique(_features(self.ids, self.starts)[0])
        counts = _counts(self.ids, self.starts, keys)
        sources = np.bincount(counts.indices, minlength=len(keys))  # that have a feature
        weights = np.log((1 + len(self.targets)) / (1 + sources)) + 1
        counts.data *= weights[counts.indices]
        lengths = np.sqrt(counts.multiply(counts).sum(axis=1)).A1
        counts.data /= np.repeat(lengths, np.diff(counts.indptr))
        return _Index(keys, weights, counts.T.tocsr())

    @cached_property
    def _most_frequent(self) -> str:
        return Counter(self.targets).most_common(1)[0][0]


def baseline_answers(
    nearest: NearestNeighbour, sources: Sequence[str], ids: Ids, starts: Starts
) -> dict[str, list[str]]:
    """What each baseline answers to m sources, given as texts and as symbols, by its name."""
    return {COPY: [*sources], NEAREST: nearest.answers(ids, starts)}


def _starts(lengths: NDArray[np.int64]) -> Starts:
    return np.concatenate([np.zeros(1, np.int64), lengths]).cumsum()


def _features(ids: Ids, starts: Starts) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The number of each known symbol, and of each pair of them side by side, and the source that has it."""
    rows = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    symbols = ids.astype(np.int64)
    known = symbols != UNKNOWN
    pairs = known[1:] & known[:-1] & (rows[1:] == rows[:-1])
    # a pair has the numbers of both in its halves, the first plus one, so that none is that of a symbol
    numbers = ((symbols[:-1] + 1) << 32) + symbols[1:]
    return np.concatenate([symbols[known], numbers[pairs]]), np.concatenate([rows[known], rows[:-1][pairs]])


def _counts(ids: Ids, starts: Starts, keys: NDArray[np.int64]) -> csr_matrix:
    """How often each source has each feature, [n, F]; what is no feature is passed over."""
    numbers, rows = _features(ids, starts)
    columns = np.searchsorted(keys, numbers)
    there = columns < len(keys)
    there[there] = keys[columns[there]] == numbers[there]
    shape = (len(starts) - 1, len(keys))
    return csr_matrix((np.ones(int(there.sum())), (rows[there], columns[there])), shape=shape)
