"""recurra train forecast and what asks its models: each form of series, each option, all bad input by its message."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner, Result

import recurra
from recurra.check import check_model
from recurra.checkpoint import read_model
from recurra.cli import app
from recurra.tasks.forecast import Forecast

Cli = Callable[..., Result]
Table = dict[str, list[Any]]

SIZES = ["--hidden-size", "4", "--batch-size", "32", "--dropout", "0", "--horizon", "3", "--window", "12"]
QUICK = [*SIZES, "--epochs", "1"]


def value(step: int, number: int = 0) -> float:
    """A day's swing, a trend, and something like noise."""
    return round(20 + number + 5 * np.sin(step * np.pi / 12) + 0.01 * step + 0.7 * np.sin(37 * step * step), 4)


def hours(count: int, minutes: int = 60, first: str = "2020-01-01") -> list[str]:
    begin = datetime.fromisoformat(first)
    return [str(begin + timedelta(minutes=minutes * step)) for step in range(count)]


def table(count: int = 100, minutes: int = 60, first: str = "2020-01-01") -> Table:
    return {"ds": hours(count, minutes, first), "y": [value(step) for step in range(count)]}


def text(columns: Table, comma: str = ",") -> str:
    rows = [columns.keys(), *zip(*columns.values(), strict=True)]
    return "".join(comma.join("" if cell is None else str(cell) for cell in row) + "\n" for row in rows)


def changed(columns: Table, column: str, cells: dict[int, Any]) -> Table:
    return {**columns, column: [cells.get(row, cell) for row, cell in enumerate(columns[column])]}


def without(columns: Table, *rows: int) -> Table:
    return {name: [cell for row, cell in enumerate(cells) if row not in rows] for name, cells in columns.items()}


def write(path: Path, columns: Table) -> Path:
    """A table in the form that the name of the file says."""
    if path.suffix == ".parquet":
        pl.DataFrame(columns).write_parquet(path)
    elif path.suffix == ".jsonl":
        rows = [dict(zip(columns, row)) for row in zip(*columns.values(), strict=True)]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        path.write_text(text(columns, "\t" if path.suffix == ".tsv" else ","))
    return path


def made(folder: Path, data: Path, *options: Any) -> Path:
    arguments = ["train", "forecast", data, *QUICK, *options, "--out", folder / "model"]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    logging.getLogger("recurra").handlers = []
    return folder / "model"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A direct forecaster of an hourly series; tests only read it."""
    folder = tmp_path_factory.mktemp("direct")
    return made(folder, write(folder / "a.csv", table()))


@pytest.fixture(scope="module")
def drawer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An autoregressive forecaster of two series with a column known ahead; tests only read it."""
    folder = tmp_path_factory.mktemp("drawer")
    data = write(folder / "a.csv", beside(80))
    return made(folder, data, "--decoder", "autoregressive", "--future-columns", "holiday", "--static-columns", "kind")


def beside(count: int, more: int = 0) -> Table:
    """Two series with a column known ahead of `more` steps that are yet to come, and one of what they are."""
    steps = range(count + more)
    return {
        "unique_id": ["a"] * len(steps) + ["b"] * len(steps),
        "ds": hours(len(steps)) * 2,
        "y": [value(step, n) if step < count else None for n in (0, 4) for step in steps],
        "holiday": [step % 5 for step in steps] * 2,
        "kind": ["small"] * len(steps) + ["large"] * len(steps),
    }


def answers(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.removesuffix("\n").split("\n")]


def said(result: Result) -> str:
    """What stands in the frames of messages, on one line."""
    return re.sub(r"[\s│]+", " ", result.stderr)


# each form


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.parquet"])
@pytest.mark.parametrize("form", ["long", "wide"])
def test_each_form_of_series_is_learnt_from_scored_and_forecast(form: str, name: str, cli: Cli, tmp_path: Path) -> None:
    whole = table(90)
    other = [value(step, 3) for step in range(90)]
    if form == "long":
        ids = ["x"] * 90 + ["z"] * 90
        columns: Table = {"unique_id": ids, "ds": whole["ds"] * 2, "y": whole["y"] + other}
    else:
        columns = {"date": whole["ds"], "x": whole["y"], "z": other}
    data = write(tmp_path / name, columns)
    trained = cli("train", "forecast", data, *QUICK, "--out", tmp_path / "m")
    assert trained.exit_code == 0, trained.output
    for part in ("this model", "last value", "seasonal naive", "drift", "linear", "gained in scaled MAE", "2 series"):
        assert part in trained.stdout
    for part in ("training: 144 steps of 2 series", "validation: 18", "test: 18", "a step is 1h"):
        assert part in trained.stderr
    found = answers(cli("predict", tmp_path / "m", data))
    times = hours(3, first=str(datetime.fromisoformat(whole["ds"][-1]) + timedelta(hours=1)))
    assert [(row["unique_id"], row["ds"]) for row in found] == [(name, time) for name in "xz" for time in times]
    for row in found:
        assert row["low_95"] < row["low_80"] < row["y"] < row["high_80"] < row["high_95"]
        assert 10 < row["y"] < 35
    scores = json.loads(cli("evaluate", tmp_path / "m", data, "--json").stdout)
    assert (scores["origins"], scores["series"]) == (2 * (90 - 12 - 3 + 1), 2)
    loaded = recurra.load(tmp_path / "m")
    assert [json.loads(line) for line in "".join(loaded.task_.predict([str(data)])).splitlines()] == found


def test_variables_together_are_told_apart(cli: Cli, tmp_path: Path) -> None:
    data = write(tmp_path / "a.csv", {**table(90), "z": [value(step, 3) for step in range(90)]})
    place = made(tmp_path, data, "--variables", "together", "--target-columns", "y,z")
    found = answers(cli("predict", place, data))
    assert [(row["unique_id"], row["variable"]) for row in found] == [("series", name) for name in "yz"] * 3


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([*range(5, 505, 5)], ["505", "510", "515"]),
        ([f"{2000 + n // 12}-{n % 12 + 1:02d}" for n in range(100)], ["2008-05-01", "2008-06-01", "2008-07-01"]),
        ([f"{2000 + n // 4}Q{n % 4 + 1}" for n in range(100)], ["2025-01-01", "2025-04-01", "2025-07-01"]),
        ([f"{1900 + n}-12-31" for n in range(100)], ["2000-12-31", "2001-12-31", "2002-12-31"]),
        ([str(np.datetime64("2020-01-01") + n) for n in range(100)], ["2020-04-10", "2020-04-11", "2020-04-12"]),
        (
            [f"{time.replace(' ', 'T')}+02:00" for time in hours(100)],
            ["2020-01-05 02:00:00", "2020-01-05 03:00:00", "2020-01-05 04:00:00"],
        ),
        (  # an hour that the clock skips in March is none, where the zone is told
            [
                f"{time}{zone}"
                for time, zone in zip(
                    hours(50) + hours(50, first="2020-01-03 03:00:00"), ["+01:00"] * 50 + ["+02:00"] * 50
                )
            ],
            ["2020-01-05 03:00:00", "2020-01-05 04:00:00", "2020-01-05 05:00:00"],
        ),
    ],
    ids=["numbers", "months", "quarters", "years", "days", "zone", "summer"],
)
def test_times_of_any_kind_go_on(times: list[Any], expected: list[str], cli: Cli, tmp_path: Path) -> None:
    data = write(tmp_path / "a.csv", {**table(), "ds": times})
    place = made(tmp_path, data)
    result = cli("predict", place, data)
    assert [row["ds"] for row in answers(result)] == expected
    assert ("times with a time zone are read as those of UTC" in result.stderr) == ("+" in str(times[0]))
    assert "without a row" not in result.stderr


def test_the_frequency_is_that_of_training_even_for_a_row_alone(model: Path, cli: Cli, tmp_path: Path) -> None:
    for rows in (1, 2, 3):
        found = answers(cli("predict", model, write(tmp_path / "a.csv", table(rows))))
        assert [row["ds"] for row in found] == hours(rows + 3)[-3:]


def test_columns_of_other_names(cli: Cli, tmp_path: Path) -> None:
    columns = {**beside(80), "note": ["x"] * 160}
    renamed = {"shop": "unique_id", "when": "ds", "sold": "y", "off": "holiday", "size": "kind", "note": "note"}
    data = write(tmp_path / "a.csv", {new: columns[old] for new, old in renamed.items()})
    names = ["--id-column", "shop", "--time-column", "when", "--target-columns", "sold", "--past-columns", "off"]
    place = made(tmp_path, data, *names, "--static-columns", "size", "--frequency", "1h", "--season", "24")
    assert len(answers(cli("predict", place, data))) == 6
    semicolons = tmp_path / "b.csv"
    semicolons.write_text(data.read_text().replace(",", ";"))
    assert answers(cli("predict", place, semicolons, "--delimiter", ";")) == answers(cli("predict", place, data))


# asked


def test_the_future_of_columns_known_ahead_is_read(drawer: Path, cli: Cli, tmp_path: Path) -> None:
    data = write(tmp_path / "a.csv", beside(80, 3))
    found = answers(cli("predict", drawer, data))
    assert [row["ds"] for row in found] == hours(83)[80:] * 2
    last = beside(80, 3)
    last["holiday"][80:83] = [40, -40, 40]
    other = answers(cli("predict", drawer, write(tmp_path / "b.csv", last)))
    assert [row["y"] for row in found[:3]] != [row["y"] for row in other[:3]]
    assert found[3:] == other[3:]


def test_rows_after_the_last_value_are_forecast_from_there(model: Path, cli: Cli, tmp_path: Path) -> None:
    data = write(tmp_path / "a.csv", changed(table(), "y", {98: None, 99: None}))
    result = cli("predict", model, data)
    assert [row["ds"] for row in answers(result)] == hours(101)[98:]
    assert "rows after the last known value of their series are not used: 2" in said(result)


def test_several_files_and_pictures_of_all(model: Path, cli: Cli, tmp_path: Path) -> None:
    one, two = write(tmp_path / "a.csv", table()), write(tmp_path / "b.csv", table(50, first="2021-01-01"))
    result = cli("predict", model, one, two, "--plots", tmp_path / "pictures", "--output", tmp_path / "out.jsonl")
    assert (result.exit_code, result.stdout) == (0, ""), result.output
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == ["01-y.svg", "02-y.svg"]
    for path in (tmp_path / "pictures").iterdir():
        assert "80 % and 95 % intervals" in path.read_text()
    found = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert found == answers(cli("predict", model, one)) + answers(cli("predict", model, two))
    assert [row["ds"][:4] for row in found] == ["2020"] * 3 + ["2021"] * 3


def test_evaluation_tells_of_the_stride_and_of_what_is_drawn(drawer: Path, cli: Cli, tmp_path: Path) -> None:
    data = write(tmp_path / "a.csv", beside(60))

    def scores(*options: str) -> dict[str, Any]:
        found = json.loads(cli("evaluate", drawer, data, "--draws", "10", *options, "--json").stdout)
        assert isinstance(found, dict)
        return found

    plain, strided = scores(), scores("--stride", "7")
    assert (plain["origins"], strided["origins"]) == (2 * 46, 2 * 7)
    values = [scores(*told)["model"]["mae"]["value"] for told in ((), ("--seed", "0"), ("--seed", "1"))]
    assert values[0] == values[1] != values[2]
    drawn = [
        answers(cli("predict", drawer, write(tmp_path / "b.csv", beside(60, 3)), *told))
        for told in ((), ("--seed", "0", "--draws", "200"), ("--seed", "1"), ("--draws", "20"))
    ]
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]
    assert drawn[0] != drawn[3]
    shown = " ".join(cli("evaluate", drawer, data, "--draws", "10", "--stride", "7").stdout.split())
    for part in ("14 forecasts of 3 steps, 2 series", "with intervals", "this model by step", "CRPS", "holds %"):
        assert part in shown


def test_series_that_training_had_not_are_said(drawer: Path, cli: Cli, tmp_path: Path) -> None:
    columns = beside(60, 3)
    columns["unique_id"] = ["c" if name == "b" else name for name in columns["unique_id"]]
    columns["kind"] = ["huge" if name == "c" else "small" for name in columns["unique_id"]]
    result = cli("predict", drawer, write(tmp_path / "a.csv", columns))
    assert len(answers(result)) == 6
    assert "1 series that training had not are scaled by their own past: 'c'" in said(result)
    assert "never seen in training, so nothing is known of: kind 'huge'" in said(result)


@pytest.mark.parametrize("output", ["point", "gaussian", "student-t", "quantiles", "negative-binomial"])
@pytest.mark.parametrize("decoder", ["direct", "autoregressive"])
def test_check_passes(output: str, decoder: str, tmp_path: Path) -> None:
    if (output, decoder) == ("point", "autoregressive"):
        pytest.skip("nothing can be drawn from a point")
    columns = {"unique_id": ["a"] * 60 + ["b"] * 35, "ds": [*hours(60), *hours(35)]}
    columns["y"] = [round(10 * value(step)) for step in (*range(60), *range(35))]
    data = write(tmp_path / "a.csv", columns)
    saved = read_model(made(tmp_path, data, "--decoder", decoder, "--output", output))
    assert isinstance(saved.task, Forecast)
    for _ in ("its own data", "they are gone, and random ones are tried"):
        findings = [*islice(check_model(saved, saved.task.sequences(None)), 6)]
        names = ["padding", "batch", "order", "parity", "gradient", "stream"]
        assert [finding.name for finding in findings] == names
        assert all(finding.holds for finding in findings), findings
        data.unlink(missing_ok=True)


@pytest.mark.parametrize("decoder", ["model", "drawer"])
def test_check_as_a_command(decoder: str, cli: Cli, request: pytest.FixtureRequest) -> None:
    checked = cli("check", request.getfixturevalue(decoder))
    assert (checked.exit_code, checked.stdout.count("ok ")) == (0, 7), checked.output


LINE = "unique_id,ds,y\n"
HOURLY = table()
COUNTS = {**table(), "y": [*range(10)] * 10}
TWO = {
    "unique_id": ["a"] * 100 + ["b"] * 60,
    "ds": hours(100) + hours(60, 24 * 60),
    "y": HOURLY["y"] + HOURLY["y"][:60],
}
SUMMER = {"ds": [*hours(50), *hours(50, first="2020-01-03 01:00:00")], "y": HOURLY["y"]}
MIXED = {"ds": [*hours(60), *hours(40, 25, first="2020-01-03 11:25:00")], "y": HOURLY["y"]}
ZONES = {**HOURLY, "ds": [f"{time}Z" if row == 7 else time for row, time in enumerate(HOURLY["ds"])]}
NB = ["--output", "negative-binomial"]
AUTO = ["--decoder", "autoregressive"]

BAD: dict[str, tuple[Table | str, list[str], int, str]] = {
    "repeated times": (
        SUMMER,
        [],
        3,
        "expected each time once in a series, found 1 again: a.csv, line 52: 2020-01-03 01:00:00, as in line 51 take",
    ),
    "mixed frequencies": (
        MIXED,
        [],
        3,
        "expected one step of time, found mixed frequencies: mostly 1h, but 40 of 99 steps are not that long, nor sev",
    ),
    "mixed frequencies of series": (
        TWO,
        [],
        3,
        "found mixed frequencies: mostly 1h, but in 1 of 2 series: series 'b', mostly 1d mend these times, give series",
    ),
    "between steps": (
        HOURLY,
        ["--frequency", "2h"],
        3,
        "expected whole steps of 2h from the first time of a series, found 50 rows between two steps: a.csv, line 3: "
        "2020-01-01 01:00:00, counted from 2020-01-01",
    ),
    "finer than the rows": (
        HOURLY,
        ["--frequency", "30m"],
        3,
        "found none: each of 156 has a gap where it may not; put values there, or train with --fill previous, linear",
    ),
    "dates for numbers": (
        HOURLY,
        ["--frequency", "1"],
        3,
        "column 'ds': expected whole numbers, for steps of 1, found dates; mend these times, or say another --freq",
    ),
    "no frequency": (HOURLY, ["--frequency", "hourly"], 2, "option 'frequency': expected a number and a unit, such as"),
    "infinity": (
        changed(HOURLY, "y", {3: "inf", 5: "-Infinity"}),
        [],
        3,
        "expected finite numbers in column 'y', found others in 2 places: a.csv, line 5, column 'y': 'inf' a.csv, line "
        "7, column 'y': '-Infinity' mend them, or leave them empty",
    ),
    "text": (
        changed(HOURLY, "y", {3: "many"}),
        [],
        3,
        "found others in 1 place: a.csv, line 5, column 'y': 'many' mend them",
    ),
    "NaN everywhere": (
        changed(HOURLY, "y", dict.fromkeys(range(0, 100, 7), "NaN")),
        [],
        3,
        "has a gap where it may not; put values there, or train with --fill previous, linear or zero, or with a small",
    ),
    "NaN alone": (
        changed(HOURLY, "y", dict.fromkeys(range(100), "nan")),
        ["--target-columns", "y"],
        3,
        "a.csv: expected values to forecast, found none: all are missing in each series",
    ),
    "beyond float32": (
        changed(HOURLY, "y", {50: "1e300"}),
        [],
        3,
        "a.csv: expected values of at most 1e+30, found larger ones in: 'y' try another unit, or correct the values",
    ),
    "too short": (
        table(9),
        [],
        3,
        "a.csv: to forecast 3 steps, expected of each series at least 4 for training, 3 for validation, 3 for test; "
        "found 1 of 1 series too short: 'y': 9 steps, 7 for training, 1 for validation, 1 for test choose a smaller",
    ),
    "some too short": (
        {**TWO, "ds": hours(100) + hours(60), "unique_id": ["a"] * 100 + ["b"] * 55 + ["c"] * 5},
        [],
        3,
        "found 1 of 3 series too short: 'c': 5 steps",
    ),
    "horizon": (
        HOURLY,
        ["--horizon", "11"],
        3,
        "to forecast 11 steps, expected of each series at least 12 for training, 11 for validation, 11 for test; found",
    ),
    "horizon of a test in steps": (
        HOURLY,
        ["--test-steps", "2", "--valid-steps", "9"],
        3,
        "'y': 100 steps, 89 for training, 9 for validation, 2 for test choose a smaller --horizon, other --valid-steps",
    ),
    "shares": (
        HOURLY,
        ["--valid-share", "0.5", "--test-share", "0.6"],
        2,
        "options 'valid_share' and 'test_share': expected a sum below 1, found 0.5 + 0.6",
    ),
    "some zones": (
        ZONES,
        [],
        3,
        "column 'ds': expected a time zone in each row or in none, found one in 1 of 100: a.csv, line 9: found "
        "'2020-01-01 07:00:00Z' a.csv, line 2: found '2020-01-01 00:00:00' write it in all of them, or in none",
    ),
    "no time": (
        changed(HOURLY, "ds", {4: "noon", 6: None}),
        [],
        3,
        "expected a time in each row, found none in 2 of 100: a.csv, line 6: found 'noon' a.csv, line 8: found nothing",
    ),
    "no series": (
        {**TWO, "unique_id": ["a"] * 100 + [None] * 60},
        [],
        3,
        "in column 'unique_id' of each row, found no",
    ),
    "no counts": (
        changed(COUNTS, "y", {2: "-1", 4: "2.5"}),
        NB,
        3,
        "a.csv: expected counts, 0, 1, 2 ..., as --output negative-binomial forecasts, found 2 other values: 'y', "
        "2020-01-01 02:00:00: -1 'y', 2020-01-01 04:00:00: 2.5 choose another --output, or mend these values",
    ),
    "no counts on a line": (
        changed(COUNTS, "y", {2: None, 3: 4}),
        [*NB, "--fill", "linear"],
        3,
        "found 1 other value: 'y', 2020-01-01 02:00:00: 2.5 (put into a gap) choose another --output, or mend these "
        "values; --fill previous or zero puts counts into gaps",
    ),
    "a column known ahead with a gap": (
        {**HOURLY, "f": [None, *range(99)]},
        ["--future-columns", "f"],
        3,
        "expected columns known ahead (--future-columns) in all rows up to the last known target, found 1 values miss",
    ),
    "static that changes": (
        {**TWO, "ds": hours(100) + hours(60), "k": ["u"] * 99 + ["v"] * 61},
        ["--static-columns", "k"],
        3,
        "expected static columns to hold one value in a series, found several: series 'a', column 'k': 'u', 'v' mend",
    ),
    "no such column": (
        HOURLY,
        ["--past-columns", "z"],
        3,
        "a.csv: --past-columns: there is no column 'z'; its columns are 'ds', 'y'",
    ),
    "a column twice": (
        HOURLY,
        ["--target-columns", "y", "--past-columns", "y"],
        3,
        "column 'y' is given by --target-columns and by --past-columns; name it once",
    ),
    "no time column": ({"a": [*range(9)], "b": [*range(9)]}, [], 3, "found no column with the time of a row; its colu"),
    "no numbers": ({"ds": hours(9), "b": ["x"] * 9}, [], 3, "found no column of numbers to forecast; its columns are "),
    "delimiter": (HOURLY, ["--delimiter", ";"], 3, "if another character separates its columns, say --delimiter"),
    "ragged": ("ds,y\n1,2\n2,3,4\n", [], 3, "expected 2 fields, found 3"),
    "empty": ("", [], 3, "a.csv: the file is empty (0 bytes)"),
    "no rows": ("ds,y\n", [], 3, "has a header (ds, y) but no rows"),
    "not UTF-8": ("ds,y\n1,2\n2,\udce9\n", [], 3, "UTF-8"),
    # options
    "typo": (HOURLY, ["--horizn", "3"], 2, "No such option: --horizn (Possible options: --horizon)"),
    "of another task": (HOURLY, ["--crf"], 2, "No such option: --crf"),
    "cell": (HOURLY, ["--cell", "lstn"], 2, "'lstn' is not one of 'lstm', 'gru', 'rnn', 'rnn_relu'"),
    "output": (HOURLY, ["--output", "normal"], 2, "'normal' is not one of 'point', 'gaussian', 'student-t'"),
    "no horizon": (HOURLY, ["--horizon", "0"], 2, "'horizon': input should be greater than or equal to 1, found 0"),
    "no window": (HOURLY, ["--window", "1"], 2, "'window': input should be greater than or equal to 2, found 1"),
    "no season": (HOURLY, ["--season", "0"], 2, "'season': input should be greater than or equal to 1, found 0"),
    "segment": (HOURLY, ["--segment", "13"], 2, "option 'segment' (13): expected at most the window, 12 steps"),
    # options without effect
    "valid share": (
        HOURLY,
        ["--valid-share", "0.2", "--valid-steps", "12"],
        2,
        "option 'valid_share' (0.2) would have no effect: --valid-steps says how many",
    ),
    "test share": (
        HOURLY,
        ["--test-share", "0.2", "--test-steps", "12"],
        2,
        "option 'test_share' (0.2) would have no effect: --test-steps says how many",
    ),
    "segment of steps": (
        HOURLY,
        [*AUTO, "--segment", "2"],
        2,
        "option 'segment' (2) would have no effect: an autoregressive decoder reads step by step",
    ),
    "linear": (
        HOURLY,
        [*AUTO, "--no-linear"],
        2,
        "'linear' (False) would have no effect: an autoregressive decoder has",
    ),
    "drawn points": (
        HOURLY,
        [*AUTO, "--output", "point"],
        2,
        "option 'decoder' (autoregressive) would have no effect: nothing can be drawn from --output point; choose ano",
    ),
    "scaled counts": (
        COUNTS,
        [*NB, "--scaling", "standard"],
        2,
        "option 'scaling' (standard) would have no effect: counts of --output negative-binomial are scaled within the",
    ),
    "calendar of numbers": (
        {**HOURLY, "ds": [*range(100)]},
        ["--calendar"],
        2,
        "option 'calendar' (True) would have no effect: hour, weekday, day and month do not differ, or are not known, "
        "at times that are 1 apart",
    ),
    "calendar of years": (
        {**HOURLY, "ds": [f"{1900 + n}-01-01" for n in range(100)]},
        ["--calendar"],
        2,
        "do not differ, or are not known, at times that are 1y apart",
    ),
    "calendar of a day": (
        table(40),
        ["--calendar", "--valid-steps", "3", "--test-steps", "3"],
        2,
        "option 'calendar' (True) would have no effect: nothing of it comes round twice in the training part",
    ),
    "one together": (
        HOURLY,
        ["--variables", "together"],
        2,
        "option 'variables' (together) would have no effect: 'y' alone is forecast",
    ),
    "patience": (HOURLY, ["--patience", "3"], 2, "'patience' (3) would have no effect: the run ends before it could"),
    "nonmonotone": (
        HOURLY,
        ["--nonmonotone", "3"],
        2,
        "'nonmonotone' (3) would have no effect: only --optimizer nt-asgd",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_ends_with_a_message_and_leaves_nothing(
    case: str, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns, more, code, message = BAD[case]
    monkeypatch.chdir(tmp_path)
    content = columns if isinstance(columns, str) else text(columns)
    Path("a.csv").write_bytes(content.encode("utf-8", "surrogateescape"))
    result = cli("train", "forecast", "a.csv", *QUICK, *more, "--out", "model")
    assert result.exit_code == code, result.output
    assert message in said(result)
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_no_file_and_a_folder(cli: Cli, tmp_path: Path) -> None:
    write(tmp_path / "series.csv", HOURLY)
    for name, message in (
        ("sries.csv", "sries.csv: there is no such file or folder, did you mean 'series.csv'?"),
        (".", "expected a file of series, found a folder"),
    ):
        result = cli("train", "forecast", tmp_path / name, *QUICK, "--out", tmp_path / "m")
        assert (result.exit_code, message in said(result)) == (3, True), result.output


@pytest.mark.parametrize(
    ("columns", "more", "message"),
    [
        (
            {name: [cells[1], cells[0], *cells[2:]] for name, cells in HOURLY.items()},
            [],
            "rows are sorted by time; 1 of 100 rows, in 1 series, stood after a later one",
        ),
        ({**HOURLY, "y": [5] * 100}, [], "constant over the whole of training, so not scaled: 'y'"),
        (
            without(HOURLY, 30, 31, 50),
            [],
            "steps without a row in 1 of 1 series: 3 of 100 steps, in 2 gaps, the first from 2020-01-02 06:00:00 "
            "windows with a gap are left out; training with --fill previous, linear or zero puts values there",
        ),
        (without(HOURLY, 30, 31, 50), ["--fill", "linear"], "values are put there (--fill linear)"),
        (
            changed(HOURLY, "y", {40: "nan"}),
            [],
            "values missing in rows that are there: 'y' 1; windows with a missing value are left out; training with",
        ),
        ({**HOURLY, "p": [1] * 100}, ["--past-columns", "p"], "columns that never vary in training teach nothing: 'p'"),
    ],
    ids=["unsorted", "constant", "gaps", "filled", "NaN", "constant beside"],
)
def test_what_can_be_learnt_from_is_warned_about(
    columns: Table, more: list[str], message: str, cli: Cli, tmp_path: Path
) -> None:
    result = cli("train", "forecast", write(tmp_path / "a.csv", columns), *QUICK, *more, "--out", tmp_path / "m")
    assert result.exit_code == 0, result.output
    assert result.stderr.count("warning: ") == 1
    assert message in said(result)


SERIES: dict[str, Table] = {
    "DAILY": table(60, 24 * 60),
    "HALVES": table(60, 30),
    "NUMBERS": {**table(60), "ds": [*range(60)]},
    "OTHER": {"ds": hours(60), "sales": [*range(60)]},
    "GAP": without(table(60), 55),
    "HOLE": changed(table(60), "y", {50: None, 52: None}),
    "SHORT": table(3),
    "AHEAD": beside(60, 2),
    "BARE": {name: cells for name, cells in beside(60, 3).items() if name not in ("holiday", "kind")},
    "TWICE": {name: [*cells, cells[-1]] for name, cells in table(60).items()},
    "WHOLE": beside(60, 3),
}
ASKED: list[tuple[list[str], int, str]] = [
    (["predict", "MODEL"], 2, "predict: a forecaster reads files: name one with the series up to now"),
    (["predict", "MODEL", "-"], 2, "predict: a forecaster reads files: name one with the series up to now"),
    (["predict", "MODEL", "none.csv"], 3, "none.csv: there is no such file"),
    (
        ["predict", "MODEL", "OTHER"],
        3,
        "OTHER.csv: expected the columns of the training data, found no 'y'; its columns are 'ds', 'sales'",
    ),
    (["predict", "DRAWER", "BARE"], 3, "found no 'holiday' and 'kind'; its columns are 'unique_id', 'ds', 'y'"),
    (
        ["predict", "MODEL", "DAILY"],
        3,
        "DAILY.csv, column 'ds': expected steps of 1h, as in training, found rows that are mostly 1d apart; mend these "
        "times, or train another model on such data: this one knows steps of 1h",
    ),
    (["evaluate", "MODEL", "DAILY"], 3, "expected steps of 1h, as in training, found rows that are mostly 1d apart"),
    (
        ["predict", "MODEL", "HALVES"],
        3,
        "expected whole steps of 1h from the first time of a series, found 30 rows between two steps: HALVES.csv, line "
        "3: 2020-01-01 00:30:00, counted from 2020-01-01",
    ),
    (["evaluate", "MODEL", "HALVES"], 3, "or train another model on such data: this one knows steps of 1h"),
    (["predict", "MODEL", "NUMBERS"], 3, "expected dates, for steps of 1h, found whole numbers; mend these times, or"),
    (
        ["predict", "MODEL", "GAP"],
        3,
        "GAP.csv: cannot forecast the next 3 steps: 'y': 1 of its last 12 steps has a missing value, the first "
        "2020-01-03 07:00:00 put values into gaps, or train with --fill previous (or linear, zero)",
    ),
    (
        ["predict", "MODEL", "HOLE"],
        3,
        "'y': 2 of its last 12 steps have a missing value, the first 2020-01-03 02:00:00",
    ),
    (
        ["predict", "DRAWER", "AHEAD"],
        3,
        "AHEAD.csv: cannot forecast the next 3 steps: 'a': the columns known ahead are given for 2 of the steps to "
        "come 'b': the columns known ahead are given for 2 of the steps to come add rows of the steps to come that "
        "have all columns known ahead",
    ),
    (["predict", "MODEL", "TWICE"], 3, "expected each time once in a series, found 1 again: TWICE.csv, line 62: "),
    (
        ["evaluate", "MODEL", "SHORT"],
        3,
        "SHORT.csv: expected a window of at least one step and 3 steps to forecast, found none: the series are too "
        "short; give longer ones, or train with a smaller --horizon",
    ),
    (["check", "MODEL", "SHORT"], 3, "found none: the series are too short; give longer ones"),
    (["evaluate", "MODEL", "none.csv"], 3, "none.csv: there is no such file"),
    (
        ["predict", "MODEL", "SHORT", "--draws", "9"],
        2,
        "option 'draws' (9) would have no effect: a direct forecaster dr",
    ),
    (
        ["predict", "MODEL", "SHORT", "--seed", "0"],
        2,
        "option 'seed' (0) would have no effect: a direct forecaster draw",
    ),
    (
        ["evaluate", "MODEL", "GAP", "--seed", "1"],
        2,
        "option 'seed' (1) would have no effect: a direct forecaster draws",
    ),
    (["predict", "DRAWER", "WHOLE", "--draws", "1"], 2, "greater than or equal to 2"),
    (["predict", "DRAWER", "WHOLE", "--seed", "-1"], 2, "greater than or equal to 0"),
    (["evaluate", "MODEL", "GAP", "--stride", "0"], 2, "greater than or equal to 1"),
    (["predict", "MODEL", "GAP", "--stride", "2"], 2, "No such option: --stride"),
    (["predict", "MODEL", "GAP", "--plot", "x"], 2, "No such option: --plot (Possible options: --plots)"),
    (
        ["predict", "MODEL", "GAP", "--beam", "2"],
        2,
        "option 'beam' (2) would have no effect: the model is of the task forecast, whose options are delimiter, draws",
    ),
    (
        ["evaluate", "MODEL", "GAP", "--text-column", "y"],
        2,
        "'text_column' (y) would have no effect: the model is of the",
    ),
    (
        ["evaluate", "CLASSIFIER", "GAP", "--stride", "2"],
        2,
        "option 'stride' (2) would have no effect: the model is of",
    ),
    (["predict", "CLASSIFIER", "a", "--plots", "x"], 2, "option 'plots' (x) would have no effect: the model is of the"),
    (["generate", "MODEL"], 2, "expected a language model, found a model of the task forecast"),
]


@pytest.mark.parametrize(("arguments", "code", "message"), ASKED, ids=lambda part: None)
def test_asking_a_model_wrongly(
    arguments: list[str],
    code: int,
    message: str,
    model: Path,
    drawer: Path,
    tiny_model: Path,
    cli: Cli,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    stands_for: dict[str, Any] = {"MODEL": model, "DRAWER": drawer, "CLASSIFIER": tiny_model}
    for name in set(arguments) & SERIES.keys():
        stands_for[name] = write(Path(f"{name}.csv"), SERIES[name])
    files = {path.name for path in tmp_path.iterdir()}
    result = cli(*(stands_for.get(argument, argument) for argument in arguments))
    assert message in said(result), result.output
    assert (result.exit_code, result.stdout) == (code, "")
    assert {path.name for path in tmp_path.iterdir()} == files


def test_counts_are_asked_for_in_every_file(cli: Cli, tmp_path: Path) -> None:
    place = made(tmp_path, write(tmp_path / "a.csv", COUNTS), *NB)
    wrong = write(tmp_path / "b.csv", changed(COUNTS, "y", {99: "0.5"}))
    for command in ("predict", "evaluate", "check"):
        result = cli(command, place, wrong)
        assert result.exit_code == 3
        assert "found 1 other value: 'y', 2020-01-05 03:00:00: 0.5" in said(result)


def test_the_second_file_is_at_fault(model: Path, cli: Cli, tmp_path: Path) -> None:
    good, bad = write(tmp_path / "a.csv", HOURLY), write(tmp_path / "b.csv", SERIES["GAP"])
    told = ["--plots", tmp_path / "pictures", "--output", tmp_path / "out.jsonl"]
    result = cli("predict", model, good, bad, *told)
    assert (result.exit_code, "b.csv: cannot forecast the next 3 steps" in said(result)) == (3, True)
    assert {path.name for path in tmp_path.iterdir()} == {"a.csv", "b.csv"}
