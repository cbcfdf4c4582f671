"""The bundled reviews as ids, for the experiments that classify texts."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from recurra.batch import make_batch
from recurra.config import VocabularyConfig
from recurra.data.bundled import reviews_path
from recurra.vocabulary import Vocabulary

__all__ = ["PLAIN", "Reviews", "read_reviews"]

PLAIN = "plain"


class Reviews(NamedTuple):
    """Some of the reviews; of those that are not plain, each has a twin: the same words in another order.

    Attributes:
        values: ids [B, T], padded at the end.
        lengths: [B].
        labels: [B], 1 where the verdict is positive.
        kinds: [B], what turns the verdict, or :data:`PLAIN`.
    """

    values: Tensor
    lengths: Tensor
    labels: Tensor
    kinds: NDArray[np.str_]

    def take(self, rows: Tensor) -> Reviews:
        """Those of some rows, padded no further than the longest of them."""
        lengths = self.lengths[rows]
        return Reviews(self.values[rows, : int(lengths.max())], lengths, self.labels[rows], self.kinds[rows.numpy()])


def read_reviews() -> tuple[Reviews, Reviews, int]:
    """Read those to train on and those to test with, and the size of the vocabulary of the former."""
    table = pl.read_csv(reviews_path())
    parts = [table.filter(pl.col("split") == name) for name in ("train", "test")]
    words = Vocabulary.build([parts[0]["text"].to_list()], VocabularyConfig(min_count=2))
    train, test = (_as_ids(part, words) for part in parts)
    return train, test, len(words)


def _as_ids(part: pl.DataFrame, words: Vocabulary) -> Reviews:
    batch = make_batch(words.encode(part["text"].to_list()))
    labels = torch.from_numpy((part["label"] == "positive").to_numpy().astype(np.int64))
    return Reviews(batch.values, batch.lengths, labels, part["kind"].to_numpy().astype(np.str_))
