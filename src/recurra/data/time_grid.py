"""Rows -> steps of a grid of time: the steps between rows are there too, without values.

Letters: n rows, N series, G steps of all series together, K numbers of a row.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recurra.config import FillName
from recurra.data.faults import SHOWN, listed
from recurra.data.frequencies import infer_frequency
from recurra.data.series_rows import SeriesRows
from recurra.data.time_stamps import Frequency, Times, show_time, steps_from, times_after
from recurra.errors import DataError

__all__ = ["TimeGrid", "find_frequency", "make_grid", "refuse_other_steps", "refuse_unknown_ahead", "warn_of_gaps"]

_log = logging.getLogger("recurra")
_FEW = 3  # steps; fewer say too little of how far rows are apart
_MOST_STEPS = 1_000_000  # beside a hundred for each row: more come of a faulty time or frequency, and would fill memory


class TimeGrid(NamedTuple):
    """Steps of all series, one series after the other.

    Attributes:
        numbers: [G, K], NaN where missing.
        present: whether there is a row for the step, [G].
        bounds: series i has the steps from bounds[i] to bounds[i + 1], [N + 1].
        starts: the time of each series' first step, [N].
        steps: each row's step, counted in its series, [n].
        known: each series' first step with a target, and the one after its last; 0 and 0 if it has none, [N, 2].
    """

    numbers: NDArray[np.float64]
    present: NDArray[np.bool_]
    bounds: NDArray[np.int64]
    starts: Times
    steps: NDArray[np.int64]
    known: NDArray[np.int64]


def find_frequency(rows: SeriesRows, told: Frequency | None, trained: bool = False) -> Frequency:
    """Return the frequency that was told, checked, or found.

    Args:
        rows: of all series.
        told: by an option or, with `trained`, by the training data.
        trained: whether a model was trained on steps of it.

    Raises:
        DataError: it is one of dates and the times are whole numbers, or the other way round; or none is found.
    """
    place = f"{rows.table.name}, column '{rows.columns.time}'"
    whole = rows.times.dtype == np.int64
    if told is None:
        times = np.split(rows.times, np.flatnonzero(np.diff(rows.series)) + 1)
        found = infer_frequency(times, place, [] if rows.columns.id is None else rows.ids)
        _log.info("%s: a step is %s, as most rows are apart (--frequency says another)", place, found)
        return found
    if whole != (told.unit == "step"):
        kinds = ("whole numbers", "dates")
        expected, found_kind = kinds if told.unit == "step" else kinds[::-1]
        raise DataError(
            f"{place}: expected {expected}, for steps of {told}, found {found_kind}; {_remedy(told, trained)}"
        )
    return told


def make_grid(rows: SeriesRows, frequency: Frequency, trained: bool = False) -> TimeGrid:
    """Put rows on a grid; the arguments are those of :func:`find_frequency`.

    Raises:
        DataError: times that stand between two steps, listed; or far more steps than rows.
    """
    first = np.flatnonzero(np.diff(rows.series, prepend=-1))
    ends = np.append(first[1:], len(rows.series)) - 1
    own_start = np.repeat(rows.times[first], ends - first + 1)
    steps, exact = steps_from(rows.times, own_start, frequency)
    if not exact.all():
        _refuse_between(rows, np.flatnonzero(~exact), own_start, frequency, trained)
    series = rows.series[first]  # all of them, in the order of their numbers
    bounds = np.zeros(len(series) + 1, np.int64)
    np.cumsum(steps[ends] + 1, out=bounds[1:])
    if bounds[-1] > 100 * len(steps) + _MOST_STEPS:
        longest = int(np.argmax(steps[ends]))
        raise DataError(
            f"{rows.table.name}: expected rows for most steps of {frequency}, found {len(steps):,} rows for "
            f"{bounds[-1]:,} steps; {rows.called(longest)}times from {show_time(rows.times[first[longest]])} to "
            f"{show_time(rows.times[ends[longest]])}; mend these times, or say a longer --frequency"
        )
    numbers = np.full((bounds[-1], rows.numbers.shape[1]), np.nan)
    present = np.zeros(bounds[-1], np.bool_)
    at = bounds[rows.series] + steps
    numbers[at] = rows.numbers
    present[at] = True
    return TimeGrid(numbers, present, bounds, rows.times[first], steps, _known(rows, steps))


def warn_of_gaps(rows: SeriesRows, grid: TimeGrid, frequency: Frequency, fill: FillName) -> None:
    """Warn of steps without a row, from a series' first target to its last: which series, how many, from when."""
    gap = np.diff(grid.steps, prepend=0) - 1
    gap[np.diff(rows.series, prepend=-1) != 0] = 0
    inside = (grid.steps > grid.known[rows.series, 0]) & (grid.steps < grid.known[rows.series, 1])
    at = np.flatnonzero((gap > 0) & inside)
    if not len(at):
        return
    total = np.bincount(rows.series[at], gap[at], len(rows.ids)).astype(np.int64)
    gaps = np.bincount(rows.series[at], minlength=len(rows.ids))
    which, where = np.unique(rows.series[at], return_index=True)
    lines = []
    for series, row in list(zip(which, at[where]))[:SHOWN]:
        begins = times_after(grid.starts[series], frequency, grid.steps[row : row + 1] - gap[row])[0]
        others = f", in {gaps[series]:,} gaps" if gaps[series] > 1 else ""
        length = grid.known[series, 1] - grid.known[series, 0]
        lines.append(
            f"{rows.called(series)}{total[series]:,} of {length:,} steps{others}, the first from {show_time(begins)}"
        )
    done = (
        "windows with a gap are left out; training with --fill previous, linear or zero puts values there"
        if fill == "none"
        else f"values are put there (--fill {fill})"
    )
    _log.warning(
        "%s: steps without a row in %s of %s series:\n%s\n%s",
        *(rows.table.name, f"{len(which):,}", f"{len(rows.ids):,}", listed(lines, len(which)), done),
    )


def refuse_other_steps(rows: SeriesRows, grid: TimeGrid, frequency: Frequency) -> None:
    """Refuse rows that are mostly several steps of a model's frequency apart: with gaps alone between them.

    Raises:
        DataError: saying how far they are apart.
    """
    apart = np.diff(grid.steps)[np.diff(rows.series) == 0]
    sizes, counts = np.unique(apart, return_counts=True)
    if len(apart) < _FEW or sizes[counts.argmax()] == 1:
        return
    found = Frequency(int(sizes[counts.argmax()]) * frequency.count, frequency.unit)
    raise DataError(
        f"{rows.table.name}, column '{rows.columns.time}': expected steps of {frequency}, as in training, found rows "
        f"that are mostly {found} apart; {_remedy(frequency, trained=True)}"
    )


def refuse_unknown_ahead(rows: SeriesRows, grid: TimeGrid) -> None:
    """Refuse rows up to the last known target in which a column known ahead is missing.

    Raises:
        DataError: listing them.
    """
    begin = rows.numbers.shape[1] - len(rows.columns.future)
    known = grid.known[rows.series]
    inside = (grid.steps >= known[:, 0]) & (grid.steps < known[:, 1])
    at, column = np.nonzero(np.isnan(rows.numbers[:, begin:]) & inside[:, None])
    if not len(at):
        return
    first = np.argsort(rows.row[at], kind="stable")[:SHOWN]
    names = rows.table.row_names([int(row) for row in rows.row[at[first]]])
    lines = [f"{name}, column '{rows.columns.future[column[n]]}'" for name, n in zip(names, first)]
    raise DataError(
        f"{rows.table.name}: expected columns known ahead (--future-columns) in all rows up to the last known target, "
        f"found {len(at):,} values missing:\n{listed(lines, len(at))}\nfill them in, or, if they are known up to now "
        f"alone, give the column by --past-columns"
    )


def _known(rows: SeriesRows, steps: NDArray[np.int64]) -> NDArray[np.int64]:
    has = ~np.isnan(rows.numbers[:, : len(rows.columns.targets)]).all(axis=1)
    series, steps = rows.series[has], steps[has]
    known = np.zeros((len(rows.ids), 2), np.int64)
    if len(series):
        first = np.flatnonzero(np.diff(series, prepend=-1))
        known[series[first], 0] = steps[first]
        known[series[first], 1] = steps[np.append(first[1:], len(series)) - 1] + 1
    return known


def _refuse_between(
    rows: SeriesRows, between: NDArray[np.int64], own_start: Times, frequency: Frequency, trained: bool
) -> None:
    shown = between[:SHOWN]
    names = rows.table.row_names([int(row) for row in rows.row[shown]])
    lines = [
        f"{name}: {rows.called(rows.series[at])}{show_time(rows.times[at])}, counted from {show_time(own_start[at])}"
        for name, at in zip(names, shown)
    ]
    raise DataError(
        f"{rows.table.name}: expected whole steps of {frequency} from the first time of a series, found "
        f"{len(between):,} rows between two steps:\n{listed(lines, len(between))}\n"
        f"{_remedy(frequency, trained)}"
    )


def _remedy(frequency: Frequency, trained: bool) -> str:
    if trained:
        return f"mend these times, or train another model on such data: this one knows steps of {frequency}"
    return "mend these times, or say another --frequency"
