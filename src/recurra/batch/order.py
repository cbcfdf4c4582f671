"""Which examples stand in a batch together."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["length_sorted", "shuffled_batches"]

_POOL = 50  # batches sorted by length together: enough that one holds like lengths, few enough to stay shuffled


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


def length_sorted(lengths: NDArray[np.int64], batch_size: int, most: int | None = None) -> Iterator[NDArray[np.int64]]:
    """Divide examples into batches of like length, the shortest first.

    Args:
        lengths: of each example.
        batch_size: examples in a batch.
        most: positions of a batch, padding included, where it has several examples; None for any number.

    >>> [batch.tolist() for batch in length_sorted(np.array([2, 9, 1, 3]), 3, most=6)]
    [[2, 0], [3], [1]]
    """
    for batch in _cut(np.argsort(lengths, kind="stable"), batch_size):
        rest = batch
        while most is not None and len(rest) > 1 and len(rest) * lengths[rest[-1]] > most:
            fitting = np.flatnonzero(np.arange(1, len(rest) + 1) * lengths[rest] <= most)
            count = int(fitting[-1]) + 1 if len(fitting) else 1
            yield rest[:count]
            rest = rest[count:]
        yield rest


def _cut(order: NDArray[np.int64], batch_size: int) -> list[NDArray[np.int64]]:
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
