"""Which step of time is common to series, found from their time stamps.

Letters: n time stamps of all series together, m steps from one to the next of the same series.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recurra.data.faults import SHOWN, listed
from recurra.data.time_stamps import Frequency, Times, show_time, steps_from
from recurra.errors import DataError

__all__ = ["infer_frequency"]

_SHORTEST_MONTH = 28 * 86_400 * 1_000_000
_FEW = 3  # steps; a series of fewer says too little for being of another frequency
_MOST = 0.9  # of the time stamps that stand on the same day of their months, for others to be faults among them
_REMEDY = (
    "mend these times, give series of other frequencies a file of their own, or say which step is meant (--frequency)"
)


class _Steps(NamedTuple):
    """What passes from one row to the next.

    Attributes:
        sizes: in units, [m].
        series: the number of the series, [m].
        row: the number of the time stamp at the end, [m].
        known: whether the size is one of its unit; false beside a time stamp on another day of its month, [m].
        unit: what sizes are counted in.
    """

    sizes: NDArray[np.int64]
    series: NDArray[np.int64]
    row: NDArray[np.int64]
    known: NDArray[np.bool_]
    unit: Literal["step", "us", "month"]


def infer_frequency(times: Sequence[Times], place: str, names: Sequence[str] = ()) -> Frequency:
    """Return the step of time that series have in common; longer steps, of several of it, are gaps.

    It is the step that most rows are apart, in all series together and in each series of three steps or more.

    Args:
        times: of each series, sorted and each once; all datetime64[us], or all int64.
        place: what errors call the data.
        names: what errors call the series; none where there is only one.

    Raises:
        DataError: no series has two rows, or there is no such step: frequencies are mixed.
    """
    stamps = np.concatenate(times) if times else np.zeros(0, np.int64)
    steps = _steps(stamps, [len(part) for part in times])
    if not len(steps.sizes):
        raise DataError(
            f"{place}: expected a series of two rows or more, whose times say how long a step is, found none; say it "
            f"with --frequency"
        )
    sizes, counts = np.unique(steps.sizes[steps.known], return_counts=True)
    usual = Frequency(int(sizes[counts.argmax()]), steps.unit)
    _refuse_odd_steps(stamps, steps, usual, place, names)
    _refuse_other_series(steps, usual, len(times), place, names)
    return usual


def _steps(stamps: Times, lengths: Sequence[int]) -> _Steps:
    series = np.repeat(np.arange(len(lengths)), lengths)
    row = np.flatnonzero(series[1:] == series[:-1]) + 1
    passed = (stamps[row] - stamps[row - 1]).astype(np.int64)
    known = np.ones(len(row), np.bool_)
    if stamps.dtype == np.int64:
        return _Steps(passed, series[row], row, known, "step")
    if len(row) and np.median(passed) >= _SHORTEST_MONTH:
        first = np.cumsum([0, *lengths])[:-1]
        month, own = steps_from(stamps, stamps[first[series]], Frequency(1, "month"))
        if own.mean() > _MOST:
            return _Steps(month[row] - month[row - 1], series[row], row, own[row] & own[row - 1], "month")
    return _Steps(passed, series[row], row, known, "us")


def _refuse_odd_steps(stamps: Times, steps: _Steps, usual: Frequency, place: str, names: Sequence[str]) -> None:
    odd = np.flatnonzero(~steps.known | (steps.sizes % usual.count != 0))
    if not len(odd):
        return
    lines = []
    for at in odd[:SHOWN]:
        row = steps.row[at]
        size = f" ({Frequency(int(steps.sizes[at]), steps.unit)})" if steps.known[at] else ""
        lines.append(
            f"{_series(names, steps.series[at])}from {show_time(stamps[row - 1])} to {show_time(stamps[row])}{size}"
        )
    raise DataError(
        f"{place}: expected one step of time, found mixed frequencies: mostly {usual}, but {len(odd):,} of "
        f"{len(steps.sizes):,} steps are not that long, nor several of it:\n{listed(lines, len(odd))}\n{_REMEDY}"
    )


def _refuse_other_series(steps: _Steps, usual: Frequency, series: int, place: str, names: Sequence[str]) -> None:
    """Refuse series whose rows are mostly several usual steps apart: taken as gaps, they would be nearly empty."""
    sizes, size_of = np.unique(steps.sizes, return_inverse=True)
    keys, counts = np.unique(steps.series * len(sizes) + size_of.reshape(-1), return_counts=True)
    of, size = keys // len(sizes), sizes[keys % len(sizes)]
    most = np.zeros(series, np.int64)
    np.maximum.at(most, of, counts)
    of_usual = np.zeros(series, np.int64)
    of_usual[of[size == usual.count]] = counts[size == usual.count]
    total = np.bincount(steps.series, minlength=series)
    others = np.flatnonzero((of_usual < most) & (total >= _FEW))
    if not len(others):
        return
    lines = []
    for number in others[:SHOWN]:
        own = size[(of == number) & (counts == most[number])][0]
        lines.append(f"{_series(names, number)}mostly {Frequency(int(own), steps.unit)}")
    raise DataError(
        f"{place}: expected one step of time, found mixed frequencies: mostly {usual}, but in {len(others):,} of "
        f"{series:,} series:\n{listed(lines, len(others))}\n{_REMEDY}"
    )


def _series(names: Sequence[str], number: int) -> str:
    return f"series '{names[number]}', " if names else ""
