"""The step of time that series have in common, and series that have none."""

from __future__ import annotations

import numpy as np
import pytest

from recurra.data.frequencies import infer_frequency
from recurra.data.time_stamps import Frequency, Times, times_after
from recurra.errors import DataError


def stamps(*texts: str) -> Times:
    return np.array(texts, "datetime64[us]")


def steps(start: str, frequency: str, *numbers: int) -> Times:
    return times_after(np.datetime64(start), Frequency.parse(frequency), np.array(numbers))


@pytest.mark.parametrize("text", ["1us", "250ms", "30s", "15m", "1h", "7h", "1d", "1w", "1mo", "2mo", "1q", "1y"])
@pytest.mark.parametrize("start", ["2015-12-31", "2016-01-30", "2016-02-29", "2016-07-01T01:30"])
def test_a_regular_series(text: str, start: str) -> None:
    assert str(infer_frequency([steps(start, text, *range(30))], "a.csv")) == text
    assert str(infer_frequency([steps(start, text, 0, 1, 2, 4, 5, 9)], "a.csv")) == text  # with gaps


def test_whole_numbers() -> None:
    assert infer_frequency([np.array([1, 2, 4, 5])], "a.csv") == Frequency(1, "step")
    assert infer_frequency([np.array([0, 10, 20]), np.array([5, 15])], "a.csv") == Frequency(10, "step")


def test_series_at_other_places_of_their_grid() -> None:
    hourly = [steps("2016-07-01", "1h", 0, 1, 2), steps("2016-07-01T00:30", "1h", 0, 1, 2)]
    assert str(infer_frequency(hourly, "a.csv")) == "1h"
    monthly = [steps("2016-01-31", "1mo", 0, 1, 2), steps("2016-01-15", "1mo", 0, 1, 2)]
    assert str(infer_frequency(monthly, "a.csv")) == "1mo"


def test_four_weeks_are_no_month() -> None:
    assert str(infer_frequency([steps("2016-01-01", "4w", *range(9))], "a.csv")) == "4w"


def test_short_series_with_gaps_say_nothing_of_another_frequency() -> None:
    series = [steps("2016-01-01", "1d", *range(9)), steps("2016-01-01", "1d", 0, 4), steps("2016-01-01", "1d", 0)]
    assert str(infer_frequency(series, "a.csv")) == "1d"


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (
            [stamps("2016-07-01", "2016-07-01T01:00", "2016-07-01T02:00", "2016-07-01T02:20", "2016-07-01T03:20")],
            r"a\.csv: expected one step of time, found mixed frequencies: mostly 1h, but 1 of 4 steps are not that "
            r"long, nor several of it:\n  series 'x', from 2016-07-01 02:00:00 to 2016-07-01 02:20:00 \(20m\)\n"
            r"mend these times, .* \(--frequency\)",
        ),
        (
            [steps("2016-07-01", "1h", *range(9)), steps("2016-07-01", "1d", *range(4)), np.array([], "M8[us]")],
            r"mostly 1h, but in 1 of 3 series:\n  series 'y', mostly 1d\n",
        ),
        (
            [np.concatenate([steps("2014-01-01", "1mo", *range(20)), stamps("2015-09-02", "2015-10-01")])],
            r"mostly 1mo, but 2 of 21 steps .*\n  series 'x', from 2015-08-01 to 2015-09-02\n.* to 2015-10-01\n",
        ),
        ([np.array([1, 3, 5, 6])], r"mostly 2, but 1 of 3 steps .*\n  series 'x', from 5 to 6 \(1\)"),
        ([stamps("2016-07-01"), stamps("2016-07-02")], r"expected a series of two rows or more, .* with --frequency"),
        ([], "expected a series of two rows or more"),
    ],
)
def test_mixed_frequencies(times: list[Times], message: str) -> None:
    with pytest.raises(DataError, match=message):
        infer_frequency(times, "a.csv", ["x", "y", "z"])


def test_many_faults_are_counted() -> None:
    hours = steps("2016-07-01", "1h", *range(100))
    hours[1::6] += np.timedelta64(1, "m")
    with pytest.raises(DataError, match=r"but 34 of 99 steps .*\n(  from .*\n){10}  and 24 more\n"):
        infer_frequency([hours], "a.csv")
