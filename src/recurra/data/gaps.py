"""Missing values of a series, filled if that is asked for.

Letters: T steps, K numbers of a step.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recurra.config import FillName

__all__ = ["fill_gaps"]


def fill_gaps(values: NDArray[np.float64], fill: FillName) -> NDArray[np.float64]:
    """Return values with missing ones filled, each column by itself.

    "linear" lies on the line from the value before to the one after, so that it tells of what comes after; where no
    value comes after, it is the one before. Where no value comes before, "previous" and "linear" leave it missing.

    Args:
        values: [T, K], NaN where missing; not changed.
        fill: "none", "previous", "linear" or "zero".

    Returns:
        [T, K].

    >>> fill_gaps(np.array([[np.nan], [1.0], [np.nan], [3.0], [np.nan]]), "linear").ravel()
    array([nan,  1.,  2.,  3.,  3.])
    """
    missing = np.isnan(values)
    if fill == "none" or not missing.any():
        return values
    if fill == "zero":
        return np.where(missing, 0.0, values)
    if fill == "linear":
        filled: NDArray[np.float64] = values.copy()
        steps = np.arange(len(values))
        for column in np.flatnonzero(missing.any(axis=0) & ~missing.all(axis=0)):
            known = ~missing[:, column]
            filled[:, column] = np.interp(steps, steps[known], values[known, column], left=np.nan)
        return filled
    before = np.maximum.accumulate(np.where(missing, -1, np.arange(len(values))[:, None]), axis=0)
    carried: NDArray[np.float64] = np.take_along_axis(values, np.maximum(before, 0), axis=0)
    carried[before < 0] = np.nan
    return carried
