"""Series from files, beside a reading row by row with Python's own means."""

from __future__ import annotations

import csv
import json
import logging
import random
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from recurra.config import ForecastDataConfig
from recurra.data.plain import MemoryTable
from recurra.data.series import Series, SeriesSet, load_series, read_series
from recurra.data.series_columns import SeriesColumns
from recurra.data.time_stamps import Frequency, show_time
from recurra.errors import DataError, SettingsError

Write = Callable[[str, "str | bytes"], Path]
NAN = float("nan")


def load(path: Path, **options: Any) -> SeriesSet:
    return load_series(ForecastDataConfig(data=str(path), **options))


def numbers(values: np.ndarray) -> list[Any]:
    """Return a column's values, None where missing."""
    return [None if np.isnan(value) else value for value in values.ravel().tolist()]


def one(series: Series) -> tuple[str, str, list[Any]]:
    return series.id, show_time(series.start), numbers(series.target)


def test_long_form_beside_a_reading_by_hand(write: Write) -> None:
    draw = random.Random(0)
    rows = []
    for name in ("b", "a", "x,y"):
        begin = datetime(2016, 1, draw.randint(1, 9))
        for day in range(draw.randint(5, 30)):
            if day != 3:
                rows.append([name, begin + timedelta(days=day), draw.random(), draw.random(), name.upper()])
    draw.shuffle(rows)
    lines = "".join(f'"{name}",{time},{y!r},{p!r},"{kind}"\n' for name, time, y, p, kind in rows)
    path = write("a.csv", "unique_id,ds,y,price,kind\n" + lines)
    expected: dict[str, dict[datetime, tuple[float, float]]] = defaultdict(dict)
    with path.open() as file:
        for row in csv.DictReader(file):
            values = float(row["y"]), float(row["price"])
            expected[row["unique_id"]][datetime.fromisoformat(row["ds"])] = values
    found = load(path, past_columns="price", static_columns="kind")
    assert [series.id for series in found.series] == list(expected)
    for series in found.series:
        known = expected[series.id]
        first, last = min(known), max(known)
        assert show_time(series.start) == str(first.date())
        assert series.static == (series.id.upper(),)
        assert series.target.shape == series.past.shape == ((last - first).days + 1, 1)
        assert series.ahead.shape == (len(series.target), 0)
        for step in range(len(series.target)):
            pair = (series.target[step, 0], series.past[step, 0])
            at_hand = known.get(first + timedelta(days=step), (NAN, NAN))
            np.testing.assert_array_equal(pair, at_hand)
    assert (found.id_column, found.time_column, found.variables) == ("unique_id", "ds", ("y",))
    assert (found.past_columns, found.future_columns, found.static_columns) == (("price",), (), ("kind",))
    assert not found.wide
    assert found.frequency == Frequency.parse("1d")
    assert found.columns == SeriesColumns("unique_id", "ds", ("y",), ("price",), (), ("kind",))


WIDE = "date,HUFL,OT\n2016-07-01 00:00:00,5.827,30.5\n2016-07-01 01:00:00,,27.25\n2016-07-01 02:00:00,5,1e1\n"


def test_wide_form(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "recurra")
    path = write("a.csv", WIDE)
    found = load(path)
    assert [one(series) for series in found.series] == [
        ("HUFL", "2016-07-01", [5.827, None, 5.0]),
        ("OT", "2016-07-01", [30.5, 27.25, 10.0]),
    ]
    assert found.wide
    assert found.variables == ("HUFL", "OT")
    assert caplog.messages == [
        f"{path}: its first row is a header: 'date' stands above dates",
        f"{path}: the time is column 'date': a well-known name",
        f"{path}: 2 targets, all columns of numbers: 'HUFL', 'OT'",
        f"{path}, column 'date': a step is 1h, as most rows are apart (--frequency says another)",
        f"{path}: values missing in rows that are there: 'HUFL' 1; windows with a missing value are left out; "
        f"training with --fill previous, linear or zero puts values there",
        f"{path}: 2 series of 3 steps of 1h, from 2016-07-01 to 2016-07-01 02:00:00",
    ]
    together = load(path, variables="together")
    assert [series.id for series in together.series] == ["series"]
    np.testing.assert_array_equal(together.series[0].target, [[5.827, 30.5], [NAN, 27.25], [5, 10]])


def test_several_targets_of_several_series(write: Write) -> None:
    path = write("a.csv", "shop,day,x,z\nn,1,1,2\ns,1,3,4\nn,2,5,6\ns,2,7,8\n")
    options = {"id_column": "shop", "target_columns": "x, z"}
    separate = [one(series) for series in load(path, **options).series]
    assert separate == [
        ("n/x", "1", [1, 5]),
        *[("n/z", "1", [2, 6]), ("s/x", "1", [3, 7]), ("s/z", "1", [4, 8])],
    ]
    together = load(path, variables="together", **options)
    assert [one(series) for series in together.series] == [("n", "1", [1, 2, 5, 6]), ("s", "1", [3, 4, 7, 8])]
    assert [one(series) for series in load(path, id_column="shop", target_columns="z").series] == [
        ("n", "1", [2, 6]),
        ("s", "1", [4, 8]),
    ]


@pytest.mark.parametrize("name", ["a.parquet", "a.jsonl", "a.tsv", "a.csv.gz", "a.txt"])
def test_other_forms(write: Write, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    rows = [["2016-07-01", 1.5], ["2016-07-02", None], ["2016-07-03", 3.5]]
    options = {}
    if name == "a.parquet":
        frame = pl.DataFrame(rows, schema=["ds", "y"], orient="row").with_columns(pl.col("ds").str.to_date())
        frame.write_parquet(path)
    elif name == "a.jsonl":
        write(name, "".join(json.dumps(dict(zip(("ds", "y"), row))) + "\n" for row in rows))
    elif name == "a.csv.gz":
        import gzip

        write(name, gzip.compress(b"ds,y\n2016-07-01,1.5\n2016-07-02,nan\n2016-07-03,3.5\n"))
    else:
        mark = "\t" if name == "a.tsv" else "|"
        write(name, f"ds{mark}y\n2016-07-01{mark}1.5\n2016-07-02{mark}NaN\n2016-07-03{mark}3.5\n")
        options = {"delimiter": "|"} if name == "a.txt" else {}
    assert [one(series) for series in load(path, **options).series] == [("y", "2016-07-01", [1.5, None, 3.5])]


def test_typed_times_with_a_zone(tmp_path: Path) -> None:
    hours = pl.datetime_range(datetime(2016, 10, 29, 12), datetime(2016, 10, 31), "1h", eager=True)
    local = hours.dt.replace_time_zone("UTC").dt.convert_time_zone("Europe/Berlin")  # where a clock is set back
    pl.DataFrame({"ds": local, "y": range(len(hours))}).write_parquet(tmp_path / "a.parquet")
    found = load(tmp_path / "a.parquet")
    assert (show_time(found.series[0].start), len(found.series[0].target)) == ("2016-10-29 12:00:00", 37)
    assert str(found.frequency) == "1h"


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        ("date,0,1\n2016-07-01,1,2\n2016-07-02,3,4\n", ("date", ("0", "1"))),
        ("t,0,1\n1,1,2\n2,3,4\n", ("t", ("0", "1"))),
        ("2016-07-01,1,2\n2016-07-02,3,4\n", ("column_1", ("column_2", "column_3"))),
        ("note,when,n\nx,2016-07-01,1\ny,2016-07-02,3\n", ("when", ("n",))),
        ("hour,date,n\n1,2016-07-01,1\n1,2016-07-02,3\n", ("date", ("hour", "n"))),
        ("Date,time,y\n2016-07-01,noon,1\n2016-07-02,noon,3\n", ("Date", ("y",))),
        ("ds,y,n\n2016Q1,1,1\n2016Q2,3,3\n", ("ds", ("y",))),
    ],
)
def test_columns_are_found(write: Write, content: str, columns: tuple[str, tuple[str, ...]]) -> None:
    found = load(write("a.csv", content))
    assert (found.time_column, found.variables) == columns
    assert found.series[0].target.tolist() == [[1], [1 if columns[1][0] == "hour" else 3]]


def test_what_is_not_used_is_said(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "recurra")
    path = write("a.csv", "unique_id,ds,y,promo,city,temp\na,1,5,0,x,7\na,2,6,1,x,8\n")
    found = load(path, past_columns="temp")
    assert found.series[0].past.tolist() == [[7], [8]]
    assert (
        f"{path}: columns not used: 'promo', 'city'; --past-columns, --future-columns or --static-columns would use "
        f"them" in caplog.messages
    )
    assert f"{path}: the id is column 'unique_id': a well-known name" in caplog.messages


def test_the_future(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    rows = ["a,1,,x,1,k", "a,2,5,7,2,k", "a,3,,,3,", "a,4,6,8,4,k", "a,5,,,5,k", "a,6,,9,6,", "b,1,1,1,1,", "b,2,,1,,"]
    path = write("a.csv", "unique_id,ds,y,p,f,s\n" + "\n".join(rows).replace("x", "1") + "\n")
    options = {"past_columns": "p", "future_columns": "f", "static_columns": "s"}
    found = load(path, **options)
    first, second = found.series
    assert one(first) == ("a", "2", [5, None, 6])
    assert (numbers(first.past), numbers(first.ahead), first.static) == ([7, None, 8], [2, 3, 4, 5, 6], ("k",))
    assert (numbers(second.ahead), second.static) == ([1], ("",))
    assert "not used" not in caplog.text
    load(path, past_columns="p", static_columns="s")
    assert f"{path}: rows after the last known value of their series are not used: 3" in caplog.messages


def test_rows_of_the_future_end_where_they_are_unknown(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    path = write("a.csv", "ds,y,f\n1,5,1\n2,6,2\n3,,3\n4,,\n5,,5\n")
    assert numbers(load(path, future_columns="f").series[0].ahead) == [1, 2, 3]
    path = write("a.csv", "ds,y,f\n1,5,1\n2,6,2\n3,,3\n5,,5\n")
    assert numbers(load(path, future_columns="f").series[0].ahead) == [1, 2, 3]
    assert caplog.messages == []  # no gap of what is known


def test_another_file_is_read_as_that_of_training(write: Write) -> None:
    train = load(write("a.csv", "shop,day,sold,n\nx,2016-07-01,1,1\nx,2016-07-02,2,1\n"), id_column="shop")
    assert train.variables == ("sold", "n")
    config = ForecastDataConfig(data="gone.csv", id_column="shop")
    path = write("b.csv", "n,more,sold,day,shop\n5,1,4,2016-08-01,x\n6,1,,2016-08-03,x\n7,1,3,2016-08-01,y\n")
    found = load_series(config, train.columns, train.frequency, str(path))
    assert found.columns == train.columns
    assert [one(series) for series in found.series] == [
        ("x/sold", "2016-08-01", [4]),
        *[("x/n", "2016-08-01", [5, None, 6]), ("y/sold", "2016-08-01", [3]), ("y/n", "2016-08-01", [7])],
    ]
    with pytest.raises(
        DataError,
        match=r"c\.csv: expected the columns of the training data, found no 'sold', did you mean 'sold_'\? and 'n'; "
        r"its columns are 'shop', 'day', 'sold_'",
    ):
        load_series(config, train.columns, None, str(write("c.csv", "shop,day,sold_\nx,1,2\nx,2,2\n")))
    with pytest.raises(DataError, match="column 'day': expected dates, for steps of 1d, found whole numbers"):
        load_series(config, train.columns, train.frequency, str(write("d.csv", "shop,day,sold,n\nx,1,2,3\nx,2,2,3\n")))
    parquet = write("b.csv", "x").with_name("e.parquet")
    pl.DataFrame({"ds": ["2016-07-01", "2016-07-02"], "y": [1, 2]}).write_parquet(parquet)
    assert len(load_series(ForecastDataConfig(data="a.csv", delimiter=";"), source=str(parquet)).series[0].target) == 2


def test_a_table_in_memory() -> None:
    table = MemoryTable("rows", {"ds": ["2016-01-31", "2016-02-29", "2016-03-31"], "y": ["1", "2", "3"]})
    found = read_series(table, ForecastDataConfig(data="rows"))
    assert (found.name, str(found.frequency)) == ("rows", "1mo")
    assert [one(series) for series in found.series] == [("y", "2016-01-31", [1, 2, 3])]


def test_one_row(write: Write) -> None:
    path = write("a.csv", "ds,y\n2016-07-01,3\n")
    with pytest.raises(DataError, match=r"expected a series of two rows or more, .* say it with --frequency"):
        load(path)
    assert one(load(path, frequency="1d").series[0]) == ("y", "2016-07-01", [3])


def test_a_split_of_the_hub(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("datasets", reason="the extra 'hub' is not installed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    caplog.set_level(logging.INFO, "recurra")
    for split, start in (("train", 1), ("test", 3)):
        rows = [{"ds": f"2016-07-0{start + n}", "y": start + n, "more": {"x": 2}} for n in range(2)]
        write(f"owner/name/{split}.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    config = ForecastDataConfig(data="hf:owner/name", past_columns="more.x")
    train = load_series(config)
    assert one(train.series[0]) == ("y", "2016-07-01", [1, 2])
    assert train.series[0].past.tolist() == [[2], [2]]
    assert "hf:owner/name: time divides its split train; test not used" in caplog.messages
    other = load_series(config, train.columns, train.frequency, "hf:owner/name")
    assert one(other.series[0]) == ("y", "2016-07-03", [3, 4])
    with pytest.raises(SettingsError, match="option 'delimiter' would have no effect: hf:owner/name is a data set"):
        load_series(ForecastDataConfig(data="hf:owner/name", delimiter=";"))
