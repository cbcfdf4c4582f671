"""Text that is a time stamp, and text that is none."""

from __future__ import annotations

import logging
from datetime import date, datetime, timedelta, timezone

import numpy as np
import polars as pl
import pytest

from recurra.data.time_reading import are_dates, mostly_times, parse_times
from recurra.errors import DataError


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2016-07-01 13:00:00", "2016-07-01T13:00:00"),
        (" 2016-07-01T13:00:00 ", "2016-07-01T13:00:00"),
        ("2016-07-01 13:00:00.25", "2016-07-01T13:00:00.25"),
        ("2016-07-01T13:00", "2016-07-01T13:00"),
        ("2016-07-01", "2016-07-01"),
        ("2016-7-1 1:00", "2016-07-01T01:00"),
        ("2016/07/01 13:00", "2016-07-01T13:00"),
        ("2016-07", "2016-07-01"),
        ("2016Q3", "2016-07-01"),
        ("2016-q4", "2016-10-01"),
        ("2016-07-01T13:00:00Z", "2016-07-01T13:00:00"),
        ("2016-07-01 13:00:00.5 UTC", "2016-07-01T13:00:00.5"),
        ("2016-07-01 13:00+02:00", "2016-07-01T11:00"),
        ("2016-07-01T13:00:00.5-0530", "2016-07-01T18:30:00.5"),
        ("2016-07-01 00:30:00+01", "2016-06-30T23:30:00"),
        ("1850-01-01", "1850-01-01"),
    ],
)
def test_ways_to_write_a_time(text: str, time: str) -> None:
    assert parse_times(pl.Series([text]), "a.csv").tolist() == np.array([time], "datetime64[us]").tolist()
    assert are_dates(pl.Series([text])).all()


def test_ways_may_be_mixed() -> None:
    texts = ["2016-07-01", "2016-07-01 01:00", "2016-07-01 02:00:00", "2016-07-01T03:00:00.5"]
    found = parse_times(pl.Series(texts), "a.csv")
    assert found.dtype == np.dtype("datetime64[us]")
    assert [str(time) for time in found] == [
        *("2016-07-01T00:00:00.000000", "2016-07-01T01:00:00.000000"),
        *("2016-07-01T02:00:00.000000", "2016-07-01T03:00:00.500000"),
    ]


def test_typed_values() -> None:
    assert parse_times(pl.Series([date(2016, 7, 1)]), "x").tolist() == [datetime(2016, 7, 1)]
    assert parse_times(pl.Series([datetime(2016, 7, 1, 2)]), "x").tolist() == [datetime(2016, 7, 1, 2)]
    east = datetime(2016, 7, 1, 2, tzinfo=timezone(timedelta(hours=3)))
    assert parse_times(pl.Series([east]), "x").tolist() == [datetime(2016, 6, 30, 23)]
    assert parse_times(pl.Series([3, 1]), "x").tolist() == [3, 1]


def test_time_zones_become_utc_and_this_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "recurra")
    texts = ["2016-07-01T00:00:00+02:00", "2016-07-01T00:00:00Z", "2016-06-30T20:00:00-04:00"]
    found = parse_times(pl.Series(texts), "a.csv, column 'ds'")
    assert [str(time)[:16] for time in found] == ["2016-06-30T22:00", "2016-07-01T00:00", "2016-07-01T00:00"]
    assert caplog.messages == ["a.csv, column 'ds': times with a time zone are read as those of UTC"]


def test_whole_numbers(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "recurra")
    for texts in (["1", "-3", " 2 "], ["2016", "2017"], ["200011", "200012"], ["20161301", "20161302"]):
        found = parse_times(pl.Series(texts), "a.csv")
        assert found.dtype == np.int64
        assert found.tolist() == [int(text) for text in texts]
        assert mostly_times(pl.Series(texts), whole=True)
        assert not are_dates(pl.Series(texts)).any()
    assert caplog.messages == []
    assert parse_times(pl.Series(["20160731", "20160801"]), "a.csv")[1] == np.datetime64("2016-08-01")
    assert parse_times(pl.Series(["201612", "201701"]), "a.csv")[1] == np.datetime64("2017-01-01")
    assert caplog.messages[0] == "a.csv: whole numbers such as 20160731 are read as dates"


def test_no_times() -> None:
    texts = ["2016-07-01", "2016-02-30", "noon", None, " ", "31.12.2016", "01/02/2016", "16-07-01", "2016-07-01 24:00"]
    assert are_dates(pl.Series(texts)).to_list() == [True] + [False] * 8
    with pytest.raises(DataError) as raised:
        parse_times(pl.Series(texts), "a.csv, column 'ds'")
    assert str(raised.value) == (
        "a.csv, column 'ds': expected a time in each row, found none in 8 of 9:\n"
        "  row 2: found '2016-02-30'\n  row 3: found 'noon'\n  row 4: found nothing\n  row 5: found nothing\n"
        "  row 6: found '31.12.2016'\n  row 7: found '01/02/2016'\n  row 8: found '16-07-01'\n"
        "  row 9: found '2016-07-01 24:00'\n"
        "write them as 2016-07-01, 2016-07-01 12:30, 2016-07, 2016Q3 or whole numbers, or, if another column holds "
        "the time, name it with --time-column"
    )
    with pytest.raises(DataError, match=r"line 7: found 'b'\n.*line 9: found '3.5'"):
        parse_times(pl.Series(["1", "b", "3.5"]), "a.csv", lambda rows: [f"line {2 * row + 5}" for row in rows])


def test_zones_in_some_rows_alone() -> None:
    texts = ["2016-07-01 00:00", "2016-07-01 01:00Z", "2016-07-01 02:00"]
    with pytest.raises(
        DataError,
        match=r"a\.csv: expected a time zone in each row or in none, found one in 1 of 3:\n  row 2: found "
        r"'2016-07-01 01:00Z'\n  row 1: found '2016-07-01 00:00'\nwrite it in all of them, or in none",
    ):
        parse_times(pl.Series(texts), "a.csv")
