"""Steps of time and the calendar, beside Python's own dates."""

from __future__ import annotations

import calendar
import math
from datetime import datetime, timedelta

import numpy as np
import pytest

from recurra.data.time_stamps import (
    Frequency,
    Times,
    calendar_features,
    calendar_names,
    positions,
    show_time,
    steps_from,
    times_after,
)
from recurra.errors import DataError, SettingsError


@pytest.mark.parametrize(
    ("text", "count", "unit", "shown", "season"),
    [
        ("15m", 900_000_000, "us", "15m", 96),
        ("1m", 60_000_000, "us", "1m", 1440),
        ("30s", 30_000_000, "us", "30s", 1),
        ("1h", 3_600_000_000, "us", "1h", 24),
        ("H", 3_600_000_000, "us", "1h", 24),
        ("12h", 12 * 3_600_000_000, "us", "12h", 2),
        ("7h", 7 * 3_600_000_000, "us", "7h", 1),
        ("24h", 86_400_000_000, "us", "1d", 7),
        ("1d", 86_400_000_000, "us", "1d", 7),
        ("2d", 2 * 86_400_000_000, "us", "2d", 1),
        (" 1 w ", 7 * 86_400_000_000, "us", "1w", 52),
        ("1mo", 1, "month", "1mo", 12),
        ("3mo", 3, "month", "1q", 4),
        ("5mo", 5, "month", "5mo", 1),
        ("1q", 3, "month", "1q", 4),
        ("1y", 12, "month", "1y", 1),
        ("10", 10, "step", "10", 1),
        ("250ms", 250_000, "us", "250ms", 1),
    ],
)
def test_frequencies(text: str, count: int, unit: str, shown: str, season: int) -> None:
    frequency = Frequency.parse(text)
    assert (frequency.count, frequency.unit, str(frequency), frequency.season()) == (count, unit, shown, season)
    assert Frequency.parse(shown) == frequency


@pytest.mark.parametrize("text", ["", "0h", "1M", "MS", "hourly", "1.5h", "-1d", "h1", "1h30m"])
def test_no_frequency(text: str) -> None:
    with pytest.raises(SettingsError, match=rf"option 'frequency': .* 15m \(minutes\), .* 1y, or.* found '{text}'"):
        Frequency.parse(text)


def by_hand(start: datetime, months: int) -> datetime:
    """Return the time some months later, by Python's calendar."""
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    at_end = start.day == calendar.monthrange(start.year, start.month)[1]
    return start.replace(year=year, month=month + 1, day=last if at_end else min(start.day, last))


@pytest.mark.parametrize("day", [*range(25, 32), 1])
@pytest.mark.parametrize("month", [1, 3, 12])
def test_months_are_those_of_the_calendar(day: int, month: int) -> None:
    start = datetime(2015, month, day, 13, 45, 10, 5)
    numbers = np.arange(-30, 60)
    for frequency in ("1mo", "1q", "1y"):
        count = Frequency.parse(frequency).count
        found = times_after(np.datetime64(start), Frequency.parse(frequency), numbers)
        assert found.astype(object).tolist() == [by_hand(start, count * int(number)) for number in numbers]
        assert (positions(found, np.datetime64(start), Frequency.parse(frequency)) == numbers).all()


def test_steps_are_of_one_length() -> None:
    start, numbers = datetime(1969, 12, 31, 23, 30), np.arange(-5, 5)
    found = times_after(np.datetime64(start), Frequency.parse("90m"), numbers)
    assert found.astype(object).tolist() == [start + int(n) * timedelta(minutes=90) for n in numbers]
    assert (positions(found, np.datetime64(start), Frequency.parse("90m")) == numbers).all()
    whole = times_after(7, Frequency(10, "step"), numbers)
    assert whole.tolist() == [7 + 10 * int(n) for n in numbers]
    assert whole.dtype == np.int64
    assert (positions(whole, 7, Frequency(10, "step")) == numbers).all()


def test_each_time_may_have_a_start_of_its_own() -> None:
    starts = np.array(["2016-01-31", "2016-02-29", "2016-01-15"], "datetime64[us]")
    monthly = Frequency(1, "month")
    times = times_after(starts, monthly, np.array([1, 1, 1]))
    assert [show_time(time) for time in times] == ["2016-02-29", "2016-03-31", "2016-02-15"]
    assert positions(times, starts, monthly).tolist() == [1, 1, 1]


def test_between_two_steps() -> None:
    times = np.array(["2016-07-01T01:00", "2016-07-01T02:30", "2016-06-30T23:59"], "datetime64[us]")
    start, hourly = np.datetime64("2016-07-01"), Frequency.parse("1h")
    steps, exact = steps_from(times, start, hourly)
    assert (steps.tolist(), exact.tolist()) == ([1, 2, -1], [True, False, False])
    with pytest.raises(
        DataError,
        match=r"a\.csv: expected whole steps of 1h from 2016-07-01, found 2 between two steps, the first "
        r"2016-07-01 02:30:00; mend it, or say another --frequency",
    ):
        positions(times, start, hourly, "a.csv")
    february = np.array(["2015-02-28", "2015-03-28"], "datetime64[us]")
    with pytest.raises(DataError, match="whole steps of 1mo from 2015-02-28, found 1 between two steps"):
        positions(february, february[0], Frequency(1, "month"))


@pytest.mark.parametrize(
    ("frequency", "names"),
    [
        ("15m", ("minute of hour", "hour of day", "day of week", "day of month", "month of year")),
        ("2h", ("hour of day", "day of week", "day of month", "month of year")),
        ("1d", ("day of week", "day of month", "month of year")),
        ("2w", ("day of month", "month of year")),
        ("1mo", ("month of year",)),
        ("1y", ()),
        ("1", ()),
    ],
)
def test_the_calendar(frequency: str, names: tuple[str, ...]) -> None:
    step = Frequency.parse(frequency)
    start = 3 if step.unit == "step" else np.datetime64("1968-02-27T21:00")
    times: Times = times_after(start, step, np.arange(400))
    found = calendar_features(times, names)
    assert calendar_names(step) == names
    assert found.dtype == np.float32
    assert found.shape == (400, 2 * len(names))
    for time, row in zip(times.astype(object), found):
        phases = {} if isinstance(time, int) else phases_by_hand(time)
        expected = [part(2 * math.pi * phases[name]) for name in names for part in (math.sin, math.cos)]
        np.testing.assert_allclose(row, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("frequency", "steps", "last"),
    [
        ("1h", 24, None),
        ("1h", 48, "hour of day"),
        ("1h", 336, "day of week"),
        ("1d", 728, "day of month"),
        ("1d", 732, "month of year"),
        ("1mo", 23, None),
        ("1mo", 24, "month of year"),
    ],
)
def test_only_what_came_round_twice_is_of_the_calendar(frequency: str, steps: int, last: str | None) -> None:
    names = calendar_names(Frequency.parse(frequency), steps)
    assert (names[-1] if names else None) == last


def phases_by_hand(time: datetime) -> dict[str, float]:
    return {
        "minute of hour": time.minute / 60,
        "hour of day": time.hour / 24,
        "day of week": time.weekday() / 7,
        "day of month": (time.day - 1) / calendar.monthrange(time.year, time.month)[1],
        "month of year": (time.month - 1) / 12,
    }
