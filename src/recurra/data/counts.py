"""Series whose values are counts: 0, 1, 2 and so on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from recurra.data.faults import SHOWN, listed
from recurra.data.series import Series, SeriesSet
from recurra.data.time_stamps import show_time, times_after
from recurra.errors import DataError

__all__ = ["require_counts"]


def require_counts(series_set: SeriesSet) -> None:
    """Refuse values to forecast that are negative or no whole numbers, as a distribution of counts does not know them.

    Raises:
        DataError: naming the first by series and time.
    """
    total = sum(int(_others(series).sum()) for series in series_set.series)
    if not total:
        return
    first = [place for series in series_set.series for place, _ in zip(_places(series, series_set), range(SHOWN))]
    remedy = "; --fill previous or zero puts counts into gaps" if series_set.fill == "linear" else ""
    raise DataError(
        f"{series_set.name}: expected counts, 0, 1, 2 ..., as --output negative-binomial forecasts, found {total:,} "
        f"other value{'' if total == 1 else 's'}:\n{listed(first[:SHOWN], total)}\n"
        f"choose another --output, or mend these values{remedy}"
    )


def _others(series: Series) -> NDArray[np.bool_]:
    """Where values are there and no counts, [T, C]."""
    known = np.where(np.isnan(series.target), 0.0, series.target)
    others: NDArray[np.bool_] = (known < 0) | (known != np.floor(known))
    return others


def _places(series: Series, series_set: SeriesSet) -> Iterator[str]:
    for step, variable in np.argwhere(_others(series)):
        time = show_time(times_after(series.start, series_set.frequency, np.array([step]))[0])
        filled = " (put into a gap)" if series.filled is not None and series.filled[step, variable] else ""
        yield f"'{series.id}', {time}: {series.target[step, variable]:.10g}{filled}"
