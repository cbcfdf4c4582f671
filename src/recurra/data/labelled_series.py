"""Series of numbers and, where known, their labels: what classes of series are learnt from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["LabelledSeries", "SeriesOrigin", "channels_counted"]


@dataclass(frozen=True)
class SeriesOrigin:
    """How the series of training were read, so that others are read alike.

    Attributes:
        id_column: the column that told them apart, if each row was a step.
        label_column: the column with the label, of a table.
        width: how many columns held values, where each row was a series.
    """

    id_column: str | None = None
    label_column: str | None = None
    width: int | None = None


@dataclass(frozen=True)
class LabelledSeries:
    """Series in the order of their source, kept in memory.

    Attributes:
        name: what messages call them.
        values: of each [T, I], finite, with at least one step.
        labels: of each, without white space around it; None where they are not known.
        ids: what each is called: its id or, where it has none, its number from 1.
        channels: the names of the I channels; their numbers from 1, where they have none.
        origin: how they were read.
        parts: of each, as a value of `recurra.data.divide.PARTS`, where the source tells it.
    """

    name: str
    values: list[NDArray[np.float64]]
    labels: list[str] | None
    ids: list[str]
    channels: tuple[str, ...]
    origin: SeriesOrigin = SeriesOrigin()
    parts: NDArray[np.uint8] | None = None

    @classmethod
    def numbered(
        cls,
        name: str,
        values: list[NDArray[np.float64]],
        labels: list[str] | None,
        origin: SeriesOrigin = SeriesOrigin(),
        parts: NDArray[np.uint8] | None = None,
    ) -> LabelledSeries:
        """Make them of series and channels that have no names; at least one series."""
        channels = tuple(str(number) for number in range(1, values[0].shape[1] + 1))
        ids = [str(number) for number in range(1, len(values) + 1)]
        return cls(name, values, labels, ids, channels, origin, parts)

    def __len__(self) -> int:
        return len(self.values)

    def label_counts(self) -> dict[str, int]:
        """How often each label occurs, sorted by label; empty where labels are not known."""
        return dict(sorted(Counter(self.labels or ()).items()))

    def taken(self, rows: Sequence[int] | NDArray[Any], name: str) -> LabelledSeries:
        """Return some of the series, under a name of their own."""
        labels = None if self.labels is None else [self.labels[row] for row in rows]
        values, ids = [self.values[row] for row in rows], [self.ids[row] for row in rows]
        return replace(self, name=name, values=values, labels=labels, ids=ids, parts=None)


def channels_counted(count: int) -> str:
    """Return a number of channels as messages say it.

    >>> channels_counted(1), channels_counted(12)
    ('1 channel', '12 channels')
    """
    return f"{count:,} channel" + ("" if count == 1 else "s")
