"""Examples -> batches. This is the only place that makes padding; the layers pack it away again at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recurra.vocabulary import PADDING

__all__ = ["Batch", "length_sorted", "make_batch", "padding_noise", "random_sequences", "shuffled_batches"]

_POOL = 50  # batches sorted by length together: enough that one holds like lengths, few enough to stay shuffled


class Batch(NamedTuple):
    """Sequences of ids and, for training, their labels.

    Attributes:
        values: [B, T], padded at the end.
        lengths: [B], on the CPU.
        labels: [B], or None.
    """

    values: Tensor
    lengths: Tensor
    labels: Tensor | None

    def to(self, device: torch.device) -> Batch:
        """Move the values and labels to a device."""
        return Batch(self.values.to(device), self.lengths, None if self.labels is None else self.labels.to(device))


def make_batch(
    sequences: Sequence[Sequence[int] | NDArray[np.int32]], labels: NDArray[np.int64] | None = None
) -> Batch:
    """Put sequences of ids side by side.

    >>> make_batch([[5, 6], [7]]).values.tolist()
    [[5, 6], [7, 0]]
    """
    lengths = np.array([len(ids) for ids in sequences], dtype=np.int64)
    values = np.full((len(sequences), lengths.max(initial=0)), PADDING, dtype=np.int64)
    for row, ids in zip(values, sequences):
        row[: len(ids)] = ids
    return Batch(
        torch.from_numpy(values), torch.from_numpy(lengths), None if labels is None else torch.from_numpy(labels)
    )


def shuffled_batches(lengths: NDArray[np.int64], batch_size: int, seed: int, epoch: int) -> list[NDArray[np.int64]]:
    """Divide examples into batches of like length, in an order drawn anew for each epoch.

    Args:
        lengths: of each example.
        batch_size: examples in a batch; the last ones of a pool may be fewer.
        seed: of the run; the same seed and epoch give the same batches.
        epoch: number of the pass.
    """
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(len(lengths))
    batches: list[NDArray[np.int64]] = []
    for start in range(0, len(order), _POOL * batch_size):
        pool = order[start : start + _POOL * batch_size]
        batches += _cut(pool[np.argsort(lengths[pool], kind="stable")], batch_size)
    return [batches[index] for index in rng.permutation(len(batches))]


def length_sorted(lengths: NDArray[np.int64], batch_size: int) -> Iterator[NDArray[np.int64]]:
    """Divide examples into batches of like length, the shortest first."""
    yield from _cut(np.argsort(lengths, kind="stable"), batch_size)


def random_sequences(vocabulary_size: int, count: int) -> list[list[int]]:
    """Draw sequences of up to 59 random symbols, the same ones each time, to try a model on."""
    rng = np.random.default_rng(0)
    return [rng.integers(0, vocabulary_size, rng.integers(0, 60)).tolist() for _ in range(count)]


def padding_noise(vocabulary_size: int, batch: int, steps: int) -> Tensor:
    """Draw random symbols [B, steps] to pad with, the same ones each time: a sound model never reads them."""
    return torch.randint(vocabulary_size, (batch, steps), generator=torch.Generator().manual_seed(0))


def _cut(order: NDArray[np.int64], batch_size: int) -> list[NDArray[np.int64]]:
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
