"""What is wrong with a file of series, and what is done about gaps."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recurra.config import ForecastDataConfig
from recurra.data.gaps import fill_gaps
from recurra.data.series import SeriesSet, load_series
from recurra.data.series_rows import _CHUNK
from recurra.errors import DataError, SettingsError

Write = Callable[[str, "str | bytes"], Path]
NAN = float("nan")


def load(path: Path, **options: Any) -> SeriesSet:
    return load_series(ForecastDataConfig(data=str(path), **options))


def test_rows_out_of_order_are_sorted_and_counted(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    path = write("a.csv", "unique_id,ds,y\na,3,3\nb,1,1\na,1,1\na,2,2\nb,2,2\n")
    assert [series.target.ravel().tolist() for series in load(path).series] == [[1, 2, 3], [1, 2]]
    message = f"{path}: rows are sorted by time; 1 of 5 rows, in 1 series, stood after a later one"
    assert message in [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    caplog.clear()
    load(write("b.csv", "unique_id,ds,y\na,1,3\nb,1,1\na,2,1\nb,2,2\n"))  # by time, and of each series in order
    assert "sorted" not in caplog.text


GAPPED = (
    "unique_id,ds,y\na,2016-07-01,1\na,2016-07-02,2\na,2016-07-05,5\nb,2016-07-01,1\nb,2016-07-02,2\na,2016-07-07,9\n"
)


def test_gaps_are_reported_and_filled_only_if_asked(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    path = write("a.csv", GAPPED)
    series = load(path).series
    np.testing.assert_array_equal(series[0].target.ravel(), [1, 2, NAN, NAN, 5, NAN, 9])
    assert (series[0].filled, series[1].filled) == (None, None)
    assert caplog.messages == [
        f"{path}: steps without a row in 1 of 2 series:\n  series 'a', 3 of 7 steps, in 2 gaps, the first from "
        f"2016-07-03\nwindows with a gap are left out; training with --fill previous, linear or zero puts values there"
    ]
    for fill, expected in (
        ("previous", [1, 2, 2, 2, 5, 5, 9]),
        ("linear", [1, 2, 3, 4, 5, 7, 9]),
        ("zero", [1, 2, 0, 0, 5, 0, 9]),
    ):
        caplog.clear()
        series = load(path, fill=fill).series
        assert series[0].target.ravel().tolist() == expected
        assert series[0].filled is not None
        assert series[0].filled.ravel().tolist() == [False, False, True, True, False, True, False]
        assert series[1].filled is None
        assert caplog.messages[0].endswith(f"\nvalues are put there (--fill {fill})")


def test_a_gap_of_columns_known_ahead(write: Write) -> None:
    path = write("a.csv", "ds,y,f\n1,1,1\n3,3,3\n4,,4\n")
    np.testing.assert_array_equal(load(path, future_columns="f", frequency="1").series[0].ahead.ravel(), [1, NAN, 3, 4])
    filled = load(path, future_columns="f", frequency="1", fill="linear").series[0]
    assert filled.ahead.ravel().tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("fill", ["previous", "linear", "zero"])
def test_filling_beside_a_loop(fill: Any) -> None:
    draw = np.random.default_rng(0)
    values = draw.normal(size=(40, 5))
    values[draw.random((40, 5)) < 0.5] = NAN
    values[:, 4] = NAN
    kept = values.copy()
    found = fill_gaps(values, fill)
    np.testing.assert_array_equal(values, kept)
    for step, column in np.ndindex(values.shape):
        known = [row for row in range(40) if not np.isnan(values[row, column])]
        before, after = [row for row in known if row <= step], [row for row in known if row >= step]
        if fill == "zero":
            expected = values[step, column] if step in known else 0.0
        elif not before:
            expected = NAN
        elif fill == "previous" or not after or before[-1] == step:
            expected = values[before[-1], column]
        else:
            low, high = before[-1], after[0]
            share = (step - low) / (high - low)
            expected = (1 - share) * values[low, column] + share * values[high, column]
        np.testing.assert_allclose(found[step, column], expected, rtol=1e-12)


def test_missing_values_are_counted_by_column(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    path = write("a.csv", "ds,x,z\n1,,1\n2,1,1\n3,NaN,n/a\n4,null,1\n5,2,\n")
    series = load(path).series
    np.testing.assert_array_equal(series[0].target.ravel(), [1, NAN, NAN, 2])
    np.testing.assert_array_equal(series[1].target.ravel(), [1, 1, NAN, 1])
    assert f"{path}: values missing in rows that are there: 'x' 2, 'z' 1; windows with a missing" in caplog.text
    assert f"{path}: rows after the last known value of their series are not used: 1" in caplog.text


def test_series_without_values(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    path = write("a.csv", "unique_id,ds,y\na,1,1\na,2,2\nb,1,\nb,2,nan\n")
    assert [series.id for series in load(path).series] == ["a"]
    assert f"{path}: series without any value are left out:\n  'b'" in caplog.text
    with pytest.raises(DataError, match="expected values to forecast, found none: all are missing in each series"):
        load(write("b.csv", "ds,y\n1,\n2,\n"), target_columns="y")


LOCAL = "2016-10-30 01:00,1\n2016-10-30 02:00,2\n2016-10-30 02:00,3\n2016-10-30 03:00,4\n"


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("", {}, r"a\.csv: the file is empty \(0 bytes\)"),
        ("ds,y\n", {}, r"has a header \(ds, y\) but no rows"),
        (
            "ds,y,city\n1,1,x\n2,2,x\n1,3,z\n",
            {},
            r"a\.csv: expected each time once in a series, found 1 again:\n  .*a\.csv, line 4: 1, as in line 2\n"
            r"take one of them out; .* \(--id-column; not used so far: 'city'\); an hour that a clock set back",
        ),
        (
            "unique_id,ds,y\na,1,1\na,2,2\nb,1,3\na,2,4\n",
            {},
            r"found 1 again:\n  .*line 5: series 'a', 2, as in line 3\n.* tells these apart \(--id-column\)",
        ),
        (f"ds,y\n{LOCAL}", {}, r"line 4: 2016-10-30 02:00:00, as in line 3\n.* needs its time zone"),
        (
            "ds,y\n2016-07-01 00:00,1\n2016-07-01 01:00,2\n2016-07-01 02:00,2\n2016-07-01 02:30,2\n",
            {},
            r"column 'ds': expected one step of time, found mixed frequencies: mostly 1h, but 1 of 3",
        ),
        (
            "ds,y\n2016-07-01 00:00,1\n2016-07-01 01:00,2\n2016-07-01 01:30,2\n",
            {"frequency": "1h"},
            r"expected whole steps of 1h from the first time of a series, found 1 rows between two steps:\n  .*line 4: "
            r"2016-07-01 01:30:00, counted from 2016-07-01\nmend these times, or say another --frequency",
        ),
        ("ds,y\n1,1\n2,2\n", {"frequency": "1d"}, "expected dates, for steps of 1d, found whole numbers; mend"),
        ("ds,y\n2016-07-01,1\n2016-07-02,2\n", {"frequency": "1"}, "expected whole numbers, for steps of 1, found"),
        (
            "ds,y\n2016-07-01,1\n2016-07-02,2\n2116-07-01,3\n",
            {"frequency": "1m"},
            r"expected rows for most steps of 1m, found 3 rows for 52,594,561 steps; times from 2016-07-01 to "
            r"2116-07-01; mend these times, or say a longer --frequency",
        ),
        (
            "ds,x,z\n1,1,inf\n2,abc,2\n3,3,\n4,4,-Infinity\n",
            {},
            r"a\.csv: expected finite numbers in columns 'x', 'z', found others in 3 places:\n  .*line 2, column 'z': "
            r"'inf'\n  .*line 3, column 'x': 'abc'\n  .*line 5, column 'z': '-Infinity'\nmend them, or leave",
        ),
        ('ds,y\n1,"3,5"\n2,1\n3,1\n', {}, r"in 1 place:\n  .*line 2, column 'y': '3,5'\n.*; a decimal mark is a point"),
        (
            "ds,y\n2016-07-01,1\nnoon,2\n2016-07-03,2\n",
            {},
            r"a\.csv, column 'ds': .* none in 1 of 3:\n.*line 3: found 'noon'",
        ),
        ("ds,y\n2016-07-01 00:00Z,1\n2016-07-01 01:00,2\n", {}, "expected a time zone in each row or in none"),
        (
            "unique_id,ds,y\na,1,1\n,2,2\n  ,3,3\n",
            {},
            r"the name of a series in column 'unique_id' of each row, found none in 2:\n  .*line 3\n  .*line 4\n",
        ),
        (
            "unique_id,ds,y,s\na,1,1,u\na,2,2,v\nb,1,1,w\n",
            {"static_columns": "s"},
            r"static columns to hold one value in a series, found several:\n  series 'a', column 's': 'u', 'v'\nmend",
        ),
        (
            "ds,y,f\n1,1,1\n2,2,\n3,3,\n4,,\n",
            {"future_columns": "f"},
            r"expected columns known ahead \(--future-columns\) in all rows up to the last known target, found 2 "
            r"values missing:\n  .*line 3, column 'f'\n  .*line 4, column 'f'\nfill them in, or, .* by --past",
        ),
        (
            "ds,yy\n1,1\n2,2\n",
            {"target_columns": "y_y"},
            "--target-columns: there is no column 'y_y', did you mean 'yy'",
        ),
        ("ds,y\n1,1\n2,2\n", {"id_column": "dss"}, "--id-column: there is no column 'dss', did you mean 'ds'"),
        (
            "ds,y\n1,1\n2,2\n",
            {"past_columns": "y,p"},
            "--past-columns: there is no column 'p'; its columns are 'ds', 'y'",
        ),
        (
            "ds,y\n1,1\n2,2\n",
            {"past_columns": "y", "target_columns": "y"},
            "column 'y' is given by --target-columns and by --past-columns; name it once",
        ),
        (
            "a,b\n1,1\n2,2\n",
            {},
            r"found no column with the time of a row; its columns are 'a', 'b'; name it with --time",
        ),
        (
            "a,b,c\n2016-07-01,2016-07-02,2\n2016-07-01,2016-07-02,2\n",
            {},
            r"the time may be any of \['a', 'b'\]; .* name it with --time-column",
        ),
        ("ds,c\n1,x\n2,z\n", {}, "found no column of numbers to forecast; its columns are 'ds', 'c'; name them with"),
        ("ds;y\n1;2\n2;3\n", {}, "expected fields separated by a comma, found one column, and a semicolon in each"),
        ("ds,y\n1,2\n2,3,4\n", {}, "expected 2 fields, found 3"),
    ],
)
def test_faults(write: Write, content: str, options: dict[str, str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        load(write("a.csv", content), **options)


def test_no_file_and_no_frequency(tmp_path: Path, write: Write) -> None:
    with pytest.raises(DataError, match=r"sries\.csv: there is no such file or folder, did you mean 'series\.csv'"):
        load(write("series.csv", "ds,y\n1,1\n").with_name("sries.csv"))
    with pytest.raises(DataError, match="expected a file of series, found a folder"):
        load(tmp_path)
    with pytest.raises(SettingsError, match="option 'frequency': expected a number and a unit"):
        load(write("a.csv", "ds,y\n1,1\n2,2\n"), frequency="hourly")


def test_a_fault_far_down_a_file(write: Write) -> None:
    rows = [f"{n},{n}\n" for n in range(3 * _CHUNK)]
    rows[2 * _CHUNK + 5] = f"{2 * _CHUNK + 5},x\n"
    with pytest.raises(DataError, match=f"in 1 place:\n  .*line {2 * _CHUNK + 7:,}, column 'y': 'x'"):
        load(write("a.csv", "ds,y\n" + "".join(rows)))
