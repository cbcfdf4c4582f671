"""recurra train forecast and what asks its models: each form of series, each option, all bad input by its message."""

from __future__ import annotations

import json
import logging
import math
import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from recurra.cli import app

Cli = Callable[..., Result]

SIZES = ["--hidden-size", "4", "--horizon", "3", "--window", "8", "--season", "6", "--windows", "64"]
QUICK = [*SIZES, "--epochs", "1"]


def wave(step: int, of: int = 0) -> float:
    return round(10 * (of + 1) + math.sin(step * math.pi / 3) + 0.3 * math.cos(step + of), 4)


def long_form(steps: int, ids: tuple[str, ...] = ("a",), first: int = 0) -> str:
    rows = [
        f"{name},{date(2020, 1, 1) + timedelta(days=first + n)},{wave(first + n, of)}"
        for of, name in enumerate(ids)
        for n in range(steps)
    ]
    return "unique_id,ds,y\n" + "".join(f"{row}\n" for row in rows)


def numbered(steps: int, **changed: Any) -> str:
    """Series of whole numbers as times; single values changed by the number of their row, such as r7="x"."""
    return "t,y\n" + "".join(f"{n},{changed.get(f'r{n}', wave(n))}\n" for n in range(steps))


def made(folder: Path, content: str, *options: Any, name: str = "series.csv") -> Path:
    (folder / name).write_text(content)
    arguments = ["train", "forecast", folder / name, *options, "--out", folder / "model"]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    logging.getLogger("recurra").handlers = []
    return folder / "model"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of two series of days; tests only read it."""
    return made(tmp_path_factory.mktemp("days"), long_form(60, ("a", "b")), *QUICK)


@pytest.fixture(scope="module")
def drawing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An autoregressive model of one series with whole numbers as times; tests only read it."""
    return made(tmp_path_factory.mktemp("drawing"), numbered(60), *QUICK, "--decoder", "autoregressive")


@pytest.fixture(scope="module")
def with_columns(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with columns of each kind; tests only read it."""
    roles = ["--past-columns", "p", "--future-columns", "f", "--static-columns", "s"]
    return made(tmp_path_factory.mktemp("columns"), columned(50, 0), *QUICK, *roles)


def columned(steps: int, ahead: int, **changed: Any) -> str:
    rows = []
    for n in range(steps + ahead):
        values = {"t": n, "y": wave(n) if n < steps else "", "p": n % 5 if n < steps else "", "f": n % 2, "s": "north"}
        values |= changed.get(f"r{n}", {})
        rows.append(",".join(str(value) for value in values.values()))
    return "t,y,p,f,s\n" + "".join(f"{row}\n" for row in rows)


def answers(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def said(result: Result) -> str:
    """What stands in the frames of messages, on one line."""
    return re.sub(r"[\s│]+", " ", result.stderr)


GOOD = numbered(60)
DAYS = long_form(60)
HOURS = "ds,y\n" + "".join(f"{datetime(2024, 1, 1) + timedelta(hours=n)},{wave(n)}\n" for n in range(60))
BAD: dict[str, tuple[str, list[str], int, str]] = {
    "time twice": (
        GOOD + "7,1.5\n",
        [],
        3,
        "expected each time once in a series, found 1 again: a.csv, line 62: 7, as in line 9 take one of them out",
    ),
    "time twice in a series": (
        DAYS + "a,2020-01-03,1\n",
        [],
        3,
        "found 1 again: a.csv, line 62: series 'a', 2020-01-03, as in line 4 take one of them out",
    ),
    "series not told apart": (
        DAYS.replace("unique_id", "shop") + "".join(f"{row}\n" for row in long_form(60).splitlines()[1:]),
        [],
        3,
        "name the column that tells these apart (--id-column; not used so far: 'shop')",
    ),
    "mixed frequencies": (
        "ds,y\n" + "".join(f"{date(2020, 1, 1) + timedelta(days=n)},{n}\n" for n in range(40)) + "2020-02-10 12:00,1\n",
        [],
        3,
        "a.csv, column 'ds': expected one step of time, found mixed frequencies: mostly 1d, but 1 of 40 steps are not "
        "that long, nor several of it: from 2020-02-09 to 2020-02-10 12:00:00 (36h) mend these times, give series of",
    ),
    "no number": (
        numbered(60, r5="x", r7="y"),
        [],
        3,
        "expected finite numbers in column 'y', found others in 2 places: a.csv, line 7, column 'y': 'x' a.csv, line 9",
    ),
    "infinite": (numbered(60, r5="inf"), [], 3, "found others in 1 place: a.csv, line 7, column 'y': 'inf' mend them"),
    "decimal comma": (
        "t,y\n" + "".join(f'{n},"{n},5"\n' for n in range(60)),
        ["--target-columns", "y"],
        3,
        "a decimal mark is a point here",
    ),
    "nothing but missing": (
        numbered(60, **{f"r{n}": "nan" for n in range(60)}),
        ["--target-columns", "y"],
        3,
        "a.csv: expected values to forecast, found none: all are missing in each series",
    ),
    "too short": (
        numbered(6),
        [],
        3,
        "to forecast 3 steps, expected of each series at least 4 for training, 3 for validation, 3 for test; found 1 "
        "of 1 series too short: 'y': 6 steps, 4 for training, 1 for validation, 1 for test choose a smaller --horizon",
    ),
    "horizon beyond the test": (
        GOOD,
        ["--horizon", "7"],
        3,
        "to forecast 7 steps, expected of each series at least 8 for training, 7 for validation, 7 for test; found 1 "
        "of 1 series too short: 'y': 60 steps, 48 for training, 6 for validation, 6 for test",
    ),
    "one of two series too short": (
        DAYS + "b,2020-01-01,1\nb,2020-01-02,1\n",
        [],
        3,
        "found 1 of 2 series too short: 'b': 2 steps, 2 for training, 0 for validation, 0 for test",
    ),
    "time zones mixed": (
        HOURS.replace("2024-01-01 05:00:00", "2024-01-01 05:00:00+01:00"),
        [],
        3,
        "a.csv, line 7",
    ),
    "no time": (GOOD.replace("\n7,", "\nseven,"), [], 3, "a.csv, line 9"),
    "time missing": (DAYS.replace("2020-01-05", ""), [], 3, "a.csv, line 6"),
    "name missing": (
        DAYS.replace("a,2020-01-05", ",2020-01-05"),
        [],
        3,
        "expected the name of a series in column 'unique_id' of each row, found none in 1: a.csv, line 6 fill them in",
    ),
    "no column of times": (
        "x,y\n" + "".join(f"{wave(n)},{n}\n" for n in range(9)),
        [],
        3,
        "found no column with the time of a row; ",
    ),
    "no rows": ("t,y\n", [], 3, "a.csv"),
    "one row": ("t,y\n1,2\n", [], 3, "a.csv"),
    "empty": ("", [], 3, "a.csv: the file is empty (0 bytes)"),
    "no such target": (GOOD, ["--target-columns", "z"], 3, "--target-columns: there is no column 'z'"),
    "two roles": (
        GOOD,
        ["--target-columns", "y", "--past-columns", "y"],
        3,
        "column 'y' is given by --target-columns and by --past-columns; name it once",
    ),
    "static that changes": (
        "t,y,s\n" + "".join(f"{n},{n},{n % 2}\n" for n in range(60)),
        ["--static-columns", "s", "--target-columns", "y"],
        3,
        "expected static columns to hold one value in a series, found several",
    ),
    "unknown ahead": (
        columned(50, 0, r9={"f": ""}),
        ["--target-columns", "y", "--future-columns", "f"],
        3,
        "in all rows up to the last known target, found 1 values missing: a.csv, line 11, column 'f' fill them in",
    ),
    "negative counts": (GOOD.replace("\n7,", "\n7,-"), ["--output", "negative-binomial"], 3, "a.csv"),
    "frequency of dates": (
        GOOD,
        ["--frequency", "1h"],
        3,
        "a.csv, column 't': expected dates, for steps of 1h, found whole numbers",
    ),
    "frequency of numbers": (DAYS, ["--frequency", "1"], 3, "expected whole numbers, for steps of 1, found dates"),
    "no frequency": (GOOD, ["--frequency", "fortnight"], 2, "option 'frequency': expected a number and a unit"),
    "finer than told": (DAYS, ["--frequency", "1w"], 3, "expected whole steps of 1w from the first time of a series"),
    "full shares": (GOOD, ["--valid-share", "0.5", "--test-share", "0.5"], 2, "'valid_share'"),
    "valid share beside steps": (
        GOOD,
        ["--valid-share", "0.2", "--valid-steps", "9"],
        2,
        "option 'valid_share' (0.2) would have no effect: --valid-steps says how many",
    ),
    "test share beside steps": (
        GOOD,
        ["--test-share", "0.2", "--test-steps", "9"],
        2,
        "option 'test_share' (0.2) would have no effect: --test-steps says how many",
    ),
    "segment": (
        GOOD,
        ["--decoder", "autoregressive", "--segment", "2"],
        2,
        "option 'segment' (2) would have no effect: an autoregressive decoder reads step by step",
    ),
    "linear": (
        GOOD,
        ["--decoder", "autoregressive", "--linear"],
        2,
        "option 'linear' (True) would have no effect: an autoregressive decoder has no linear map",
    ),
    "drawn points": (
        GOOD,
        ["--decoder", "autoregressive", "--output", "point"],
        2,
        "option 'decoder' (autoregressive) would have no effect: nothing can be drawn from --output point",
    ),
    "scaled counts": (
        GOOD,
        ["--output", "negative-binomial", "--scaling", "standard"],
        2,
        "option 'scaling' (standard) would have no effect: counts of --output negative-binomial are scaled within",
    ),
    "calendar of numbers": (
        GOOD,
        ["--calendar"],
        2,
        "option 'calendar' (True) would have no effect: hour, weekday, day and month do not differ, or are not "
        "known, at times that are 1 apart",
    ),
    "segment beyond the window": (
        GOOD,
        ["--segment", "9"],
        2,
        "option 'segment' (9): expected at most the window, 8 steps",
    ),
    "typo": (GOOD, ["--horizn", "3"], 2, "No such option: --horizn (Possible options: --horizon"),
    "of another task": (GOOD, ["--crf"], 2, "No such option: --crf"),
    "no such output": (GOOD, ["--output", "gausian"], 2, "'gausian' is not one of 'point', 'gaussian', 'student-t'"),
    "horizon of nothing": (
        GOOD,
        ["--horizon", "0"],
        2,
        "'horizon': input should be greater than or equal to 1, found 0",
    ),
    "share": (GOOD, ["--test-share", "1"], 2, "'test_share': input should be less than 1"),
    "all windows with gaps": (
        numbered(60, **{f"r{n}": "" for n in range(0, 60, 2)}),
        [],
        3,
        "found none: each of ",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_ends_with_a_message_and_leaves_nothing(
    case: str, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, more, code, message = BAD[case]
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text(content)
    result = cli("train", "forecast", "a.csv", *QUICK, *more, "--out", "model")
    assert message in said(result), said(result)
    assert result.exit_code == code, result.output
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
