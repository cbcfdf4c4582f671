"""The scaled numbers of all series, one series after another, so that windows of many are cut out at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from recurra.data.covariates import Covariates
from recurra.data.faults import listed
from recurra.data.series import SeriesSet
from recurra.data.series_scaling import Scale
from recurra.errors import DataError

__all__ = ["Rows", "covariate_rows", "target_rows"]

_LARGEST = 1e30  # a forecast may lie a little further out, and its square is a number still


@dataclass(frozen=True)
class Rows:
    """Rows of F numbers of many series.

    Attributes:
        numbers: float32 [n, F], NaN where missing; series after series, then `room` rows of zeros.
        starts: int64 [series], the row of each series' step 0; series may share their rows.
    """

    numbers: NDArray[np.float32]
    starts: NDArray[np.int64]

    @classmethod
    def join(cls, blocks: Sequence[NDArray[np.float32]], which: NDArray[np.int64], room: int) -> Rows:
        """Put blocks of rows [steps, F] one after another.

        Args:
            blocks: the rows.
            which: of each series the number of its block.
            room: rows of zeros at the end: a piece of so many steps may begin at any row.
        """
        starts = np.cumsum([0, *(len(block) for block in blocks)])
        numbers = np.concatenate([*blocks, np.zeros((room, blocks[0].shape[1]), np.float32)])
        return cls(numbers, starts[which])

    def piece(self, series: int, first: int, last: int) -> NDArray[np.float32]:
        """Return the steps [first, last) of a series, [last - first, F]."""
        start = self.starts[series]
        return self.numbers[start + first : start + last]

    def pieces(self, series: NDArray[np.int64], first: NDArray[np.int64], steps: int) -> NDArray[np.float32]:
        """Return as many steps of several series, each from a step of its own, as a copy [B, steps, F]."""
        size = self.numbers.shape[1]
        # A piece is one run of memory, and copied as one: several times faster than row by row.
        runs = sliding_window_view(self.numbers.reshape(-1), steps * size)
        copied: NDArray[np.float32] = runs[(self.starts[series] + first) * size]
        return copied.reshape(len(series), steps, size)


def target_rows(series_set: SeriesSet, scales: Sequence[Scale], room: int) -> Rows:
    """Return the variables of each series, scaled, and behind all `room` rows of zeros.

    Raises:
        DataError: values above 1e30, or that scaled are beyond what float32 holds; all such series are listed together.
    """
    large = [bool((np.abs(series.target) > _LARGEST).any()) for series in series_set.series]
    _require_finite(series_set, large, f"values of at most {_LARGEST:.0e}", "another unit")
    most = f"scaled values of at most {np.finfo(np.float32).max:.1e}"
    with np.errstate(over="ignore"):
        blocks = [
            ((series.target - own.shift) / own.scale).astype(np.float32)
            for series, own in zip(series_set.series, scales, strict=True)
        ]
    _require_finite(series_set, [bool(np.isinf(block).any()) for block in blocks], most, "--scaling none")
    return Rows.join(blocks, np.arange(len(blocks)), room)


def covariate_rows(series_set: SeriesSet, covariates: Covariates, steps: Sequence[int], room: int) -> Rows:
    """Return what is known of the first steps of each series, P columns and then A, and behind all `room` zeros.

    Series that begin together and share their columns, such as the variables of one table, share their rows too.

    Args:
        series_set: the series.
        covariates: how columns become numbers.
        steps: of each series.
        room: rows of zeros at the end.

    Raises:
        DataError: values beyond what float32 holds; all such series are listed together.
    """
    blocks: list[NDArray[np.float32]] = []
    numbers: dict[tuple[object, ...], int] = {}
    which = []
    for series, count in zip(series_set.series, steps, strict=True):
        past, ahead = covariates.past_mean and id(series.past), covariates.ahead_mean and id(series.ahead)
        key = (series.start, count, past, ahead)
        if key not in numbers:
            numbers[key] = len(blocks)
            blocks.append(covariates.of_steps(series, series_set.frequency, count))
        which.append(numbers[key])
    beyond = [bool(np.isinf(block).any()) for block in blocks]
    most = f"scaled values of at most {np.finfo(np.float32).max:.1e}"
    _require_finite(series_set, [beyond[number] for number in which], most, "columns of another unit")
    return Rows.join(blocks, np.array(which), room)


def _require_finite(series_set: SeriesSet, beyond: Sequence[bool], most: str, remedy: str) -> None:
    found = [f"'{series.id}'" for series, is_beyond in zip(series_set.series, beyond, strict=True) if is_beyond]
    if found:
        raise DataError(
            f"{series_set.name}: expected {most}, found larger ones in:\n{listed(found)}\ntry {remedy}, or correct the "
            f"values"
        )
