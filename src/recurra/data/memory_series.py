"""Series of numbers that are arrays or lists in memory, as a scikit-learn estimator is given them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recurra.data.faults import Faults
from recurra.data.labelled_series import LabelledSeries
from recurra.data.labelled_series_splits import SeriesSplits
from recurra.data.memory import divided_rows, known_labels, validation_labels
from recurra.errors import DataError

__all__ = ["holds_numbers", "series_in_memory", "series_splits_in_memory"]

_NUMBERS = "fiub"  # the kinds of numpy's numbers


def holds_numbers(inputs: Any) -> bool:
    """Return whether inputs are series of numbers, or meant as such, and no texts.

    >>> holds_numbers([[0.5, 1.0], [2.0]]), holds_numbers(["a text"]), holds_numbers(np.zeros((3, 5, 2)))
    (True, False, True)
    """
    dimensions = getattr(inputs, "ndim", 1)
    if isinstance(inputs, str) or dimensions == 0:
        return False
    if dimensions > 1:
        return np.asarray(inputs).dtype.kind in _NUMBERS
    found = False
    for one in inputs:
        if isinstance(one, str | bytes) or not hasattr(one, "__len__"):
            return False
        found = True
        if len(one):
            try:
                return np.asarray(one).dtype.kind in _NUMBERS
            except ValueError:  # channels of unequal length
                return True
    return found


def series_splits_in_memory(
    series: Any, labels: ArrayLike, validation: tuple[Any, ArrayLike] | None, valid_share: float, seed: int
) -> tuple[NDArray[Any], SeriesSplits]:
    """Return the classes, sorted, [C], and the training and validation series.

    Args:
        series: n series, as of :func:`series_in_memory`, called X in messages.
        labels: n labels, called y in messages.
        validation: series and labels; a share of each class when None.
        valid_share: that share.
        seed: of the division.

    Raises:
        DataError: series and labels do not fit together, or a class is missing or too small.
    """
    kept = series_in_memory(series, "X")
    classes, names = known_labels(labels, len(kept), "series")
    known = LabelledSeries(kept.name, kept.values, names, kept.ids, kept.channels)
    if validation is None:
        train, valid = (known.taken(rows, "X") for rows in divided_rows(names, valid_share, seed))
        return classes, SeriesSplits(train, valid, None)
    found = series_in_memory(validation[0], "validation_data", kept.channels)
    of_held = validation_labels(validation[1], len(found), classes, "series")
    return classes, SeriesSplits(
        known, LabelledSeries(found.name, found.values, of_held, found.ids, kept.channels), None
    )


def series_in_memory(series: Any, name: str, channels: Sequence[str] | None = None) -> LabelledSeries:
    """Return series without their labels; at least one, unless the channels are known.

    Args:
        series: an array [n, T, I], or [n, T] of one channel; or n arrays or lists [T, I] or [T].
        name: what messages call them.
        channels: the names of the I channels, if these are known.

    Raises:
        DataError: something else, a number that is not finite, or a series of no step or of other channels than the
            first, or than those known; listed together.
    """
    if isinstance(series, str) or getattr(series, "ndim", 1) not in (1, 2, 3):
        shape = "one text" if isinstance(series, str) else f"the shape {np.shape(series)}"
        raise DataError(f"{name}: expected series of numbers, [n, T, I] or a list of [T, I] or [T], found {shape}")
    faults, found = Faults(name, "series"), []
    size = None if channels is None else len(channels)
    for row, one in enumerate(np.asarray(series) if hasattr(series, "columns") else series, 1):
        values, fault = _values(one, size)
        if values is None:
            faults.add(f"row {row:,}", fault)
            continue
        size = values.shape[1]
        found.append(values)
    faults.raise_if_any("each series is an array [T, I], or [T] of one channel, of finite numbers; I is that of all")
    if channels is not None:
        return LabelledSeries(name, found, None, [str(row) for row in range(1, len(found) + 1)], tuple(channels))
    if not found:
        raise DataError(f"{name}: expected at least one series, found none")
    return LabelledSeries.numbered(name, found, None)


def _values(one: Any, size: int | None) -> tuple[NDArray[np.float64] | None, str]:
    """A series as [T, I], or what is wrong with it."""
    try:
        array = np.asarray(one)
    except ValueError:
        return None, "expected channels of equal length, found lists of unequal ones"
    if array.size and array.dtype.kind not in _NUMBERS:
        return None, f"expected numbers, found {one!r}" if isinstance(one, str) else "expected numbers, found others"
    if array.ndim not in (1, 2):
        return None, f"expected [T, I] or [T], found the shape {array.shape}"
    if not array.size:
        return None, "expected at least one step, found none"
    values = array.astype(np.float64)[:, np.newaxis] if array.ndim == 1 else array.astype(np.float64)
    if size not in (None, values.shape[1]):
        return None, f"expected {size} channels, found {values.shape[1]}"
    if not np.isfinite(values).all():
        step, channel = (int(at[0]) for at in np.nonzero(~np.isfinite(values)))
        where = f"step {step + 1:,}" + (f", channel {channel + 1}" if values.shape[1] > 1 else "")
        return None, f"{where}: expected a finite number, found {values[step, channel]}"
    return values, ""
