"""Steps of time: how long one is, which step a time stamp is, which time stamp a step has, and what the calendar says.

Letters: n time stamps, K calendar features.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from recurra.errors import DataError, SettingsError

__all__ = [
    "Frequency",
    "Start",
    "Times",
    "calendar_features",
    "calendar_names",
    "positions",
    "show_time",
    "steps_from",
    "times_after",
]

Times: TypeAlias = NDArray[Any]  # datetime64[us], in UTC where zones were told, or int64
Start: TypeAlias = np.datetime64 | int

_SECOND = 1_000_000
_MINUTE, _HOUR, _DAY = 60 * _SECOND, 3600 * _SECOND, 86_400 * _SECOND
_YEAR = 31_556_952 * _SECOND  # of the Gregorian calendar, in the mean
_CYCLES = {
    "minute of hour": _HOUR,
    "hour of day": _DAY,
    "day of week": 7 * _DAY,
    "day of month": _YEAR // 12,
    "month of year": _YEAR,
}
_MICROSECONDS = {"w": 7 * _DAY, "d": _DAY, "h": _HOUR, "m": _MINUTE, "s": _SECOND, "ms": 1000, "us": 1}
_MONTHS = {"y": 12, "q": 3, "mo": 1}
_FORM = re.compile(r"(\d*)\s*([a-z]*)")


@dataclass(frozen=True)
class Frequency:
    """The time from one step to the next.

    Attributes:
        count: how many units, at least 1.
        unit: "step" of integer times; "us", microseconds; or "month", of the calendar: a quarter is 3, a year 12.
    """

    count: int
    unit: Literal["step", "us", "month"]

    @classmethod
    def parse(cls, text: str) -> Frequency:
        """Return the frequency that a text such as "15m" or "1mo" means; no number is 1, a bare number integer times.

        Raises:
            SettingsError: it means none.

        >>> Frequency.parse("1q"), str(Frequency.parse("60m")), Frequency.parse("10")
        (Frequency(count=3, unit='month'), '1h', Frequency(count=10, unit='step'))
        """
        found = _FORM.fullmatch(text.strip().lower())
        number, unit = found.groups() if found is not None else ("", "")
        count = int(number or 1)
        if found is not None and count > 0 and "M" not in text:  # which elsewhere is a month or a minute
            if unit in _MICROSECONDS:
                return cls(count * _MICROSECONDS[unit], "us")
            if unit in _MONTHS:
                return cls(count * _MONTHS[unit], "month")
            if number and not unit:
                return cls(count, "step")
        raise SettingsError(
            f"option 'frequency': expected a number and a unit, such as 30s, 15m (minutes), 1h, 1d, 1w, 1mo (months), "
            f"1q, 1y, or, where times are whole numbers, the number from one to the next, found {text!r}"
        )

    def __str__(self) -> str:
        """Return the shortest text that :meth:`parse` reads as this."""
        if self.unit == "step":
            return str(self.count)
        units = _MICROSECONDS if self.unit == "us" else _MONTHS
        name, size = next((name, size) for name, size in units.items() if self.count % size == 0)
        return f"{self.count // size}{name}"

    def season(self) -> int:
        """Return after how many steps a series is commonly alike again; 1 where nothing is common.

        A day for steps of a minute to half a day that divide it, a week for days, a year for weeks (52) and for months
        that divide it.
        """
        if self.unit == "month":
            return 12 // self.count if 12 % self.count == 0 else 1
        if self.unit == "us":
            if self.count in (_DAY, 7 * _DAY):
                return 7 if self.count == _DAY else 52
            if self.count >= _MINUTE and _DAY % self.count == 0:
                return _DAY // self.count
        return 1


def times_after(start: Start | Times, frequency: Frequency, steps: NDArray[np.int64]) -> Times:
    """Return the time stamps of some steps.

    Months are those of the calendar: from the last day of a month, the last day of each; from the 29th or 30th, that
    day or, in a shorter month, the last.

    Args:
        start: the time of step 0, or one for each step.
        frequency: the time between steps.
        steps: their numbers, [n]; 0 is `start` itself, negative ones are before it.

    Returns:
        [n], datetime64[us], or int64 where `start` is an integer.

    >>> times_after(np.datetime64("2024-01-31"), Frequency(1, "month"), np.array([1, 2])).astype("datetime64[D]")
    array(['2024-02-29', '2024-03-31'], dtype='datetime64[D]')
    """
    if frequency.unit == "step":
        return np.asarray(start, np.int64) + frequency.count * steps
    stamps: NDArray[np.datetime64] = np.asarray(start, "datetime64[us]")
    if frequency.unit == "us":
        moved: Times = stamps + (frequency.count * steps).astype("timedelta64[us]")
        return moved
    began = stamps.astype("datetime64[M]")
    month = began + (frequency.count * steps).astype("timedelta64[M]")
    into = (stamps - began.astype("datetime64[us]")).astype(np.int64)
    day, clock = into // _DAY, into % _DAY
    last = _days_of(month) - 1
    day = np.where(day == _days_of(began) - 1, last, np.minimum(day, last))
    found: Times = month.astype("datetime64[us]") + (day * _DAY + clock).astype("timedelta64[us]")
    return found


def steps_from(times: Times, start: Start | Times, frequency: Frequency) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the step in which each time stamp lies, and whether it is that step's own: no time stands between steps.

    Args:
        times: [n].
        start: the time of step 0, or one for each time stamp.
        frequency: the time between steps.

    Returns:
        Step numbers, [n], and truth values, [n].
    """
    if frequency.unit == "month":
        began = np.asarray(start, "datetime64[us]").astype("datetime64[M]")
        passed = (times.astype("datetime64[M]") - began).astype(np.int64)
    else:
        passed = (times - np.asarray(start, times.dtype)).astype(np.int64)
    steps = passed // frequency.count
    return steps, times_after(start, frequency, steps) == times


def positions(times: Times, start: Start | Times, frequency: Frequency, place: str = "times") -> NDArray[np.int64]:
    """Return the step number of each time stamp, [n], counted from `start`.

    Args:
        times: [n].
        start: the time of step 0, or one for each time stamp.
        frequency: the time between steps.
        place: what errors call the times.

    Raises:
        DataError: a time stamp stands between two steps.
    """
    steps, exact = steps_from(times, start, frequency)
    if not exact.all():
        off = np.flatnonzero(~exact)
        first, began = times[off[0]], np.broadcast_to(start, times.shape)[off[0]]
        raise DataError(
            f"{place}: expected whole steps of {frequency} from {show_time(began)}, found {len(off):,} between two "
            f"steps, the first {show_time(first)}; mend it, or say another --frequency"
        )
    return steps


def show_time(time: Start | np.int64) -> str:
    """Return a time stamp as messages and files show it, without a clock at midnight.

    >>> show_time(np.datetime64("2016-07-01T00:00:00.000000")), show_time(np.datetime64("2016-07-01T01:30:00.500000"))
    ('2016-07-01', '2016-07-01 01:30:00.500000')
    """
    if not isinstance(time, np.datetime64):
        return str(int(time))
    day, _, clock = str(time.astype("datetime64[us]")).partition("T")
    clock = clock.removesuffix(".000000")
    return day if clock == "00:00:00" else f"{day} {clock}"


def calendar_names(frequency: Frequency, steps: int | None = None) -> tuple[str, ...]:
    """Return what of the calendar differs from step to step; integer times have none.

    Args:
        frequency: the time between steps.
        steps: how many are known: what has not come round twice in them cannot be learnt, and is left out.

    >>> calendar_names(Frequency.parse("1d"))
    ('day of week', 'day of month', 'month of year')
    >>> calendar_names(Frequency.parse("1d"), steps=500)
    ('day of week', 'day of month')
    """
    count, unit = frequency.count, frequency.unit
    varies = {
        "minute of hour": unit == "us" and count % _HOUR != 0,
        "hour of day": unit == "us" and count % _DAY != 0,
        "day of week": unit == "us" and count % (7 * _DAY) != 0,
        "day of month": unit == "us",
        "month of year": unit == "us" or (unit == "month" and count % 12 != 0),
    }
    span = math.inf if steps is None else steps * count * (_YEAR // 12 if unit == "month" else 1)
    return tuple(name for name, does in varies.items() if does and span >= 2 * _CYCLES[name])


def calendar_features(times: Times, names: Sequence[str]) -> NDArray[np.float32]:
    """Return the sine, then the cosine, of the phase of some of what :func:`calendar_names` names.

    The phase of a month's day is by that month's own length; weeks begin on Monday.

    Args:
        times: [n].
        names: what of the calendar.

    Returns:
        [n, K], K twice the number of names.
    """
    if not names:
        return np.zeros((len(times), 0), np.float32)
    since = times.astype("datetime64[us]").astype(np.int64)
    month = times.astype("datetime64[M]")
    day = times.astype("datetime64[D]")
    phases = {
        "minute of hour": since // _MINUTE % 60 / 60,
        "hour of day": since // _HOUR % 24 / 24,
        "day of week": (day.astype(np.int64) + 3) % 7 / 7,  # 1970-01-01 was a Thursday
        "day of month": (day - month.astype("datetime64[D]")).astype(np.int64) / _days_of(month),
        "month of year": month.astype(np.int64) % 12 / 12,
    }
    angles = 2 * np.pi * np.stack([phases[name] for name in names], axis=1)
    both = np.stack([np.sin(angles), np.cos(angles)], axis=2)
    return both.reshape(len(times), -1).astype(np.float32)


def _days_of(month: NDArray[np.datetime64]) -> NDArray[np.int64]:
    days = (month + np.timedelta64(1, "M")).astype("datetime64[D]") - month.astype("datetime64[D]")
    found: NDArray[np.int64] = days.astype(np.int64)
    return found
