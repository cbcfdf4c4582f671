"""Rows of a table of series: read once, checked, and sorted by series and time.

Letters: n rows, N series, C targets, P past-only columns, A columns known ahead.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recurra.data.faults import SHOWN, listed
from recurra.data.numbers import numbers_in
from recurra.data.series_columns import SeriesColumns
from recurra.data.table import Table
from recurra.data.time_reading import parse_times
from recurra.data.time_stamps import Times, show_time
from recurra.errors import DataError

__all__ = ["SeriesRows", "read_series_rows"]

_log = logging.getLogger("recurra")
_CHUNK = 1024  # larger ones take twice as long: the lists of a .csv file leave the processor's cache
_ONLY = "series"  # the name of the one series of a table that tells none apart


@dataclass(frozen=True)
class SeriesRows:
    """Rows, sorted by series and time.

    Attributes:
        table: where they come from.
        columns: its columns.
        ids: what each series is called, [N], in the order in which they begin in the table.
        series: the number of each row's series, [n].
        times: each row's time, [n]; no series has a time twice.
        numbers: [n, C + P + A], NaN where missing, never infinite.
        static: what each series is, [N]; "" where missing.
        row: where each row stands in the table, from 0, [n].
    """

    table: Table
    columns: SeriesColumns
    ids: list[str]
    series: NDArray[np.int64]
    times: Times
    numbers: NDArray[np.float64]
    static: list[tuple[str, ...]]
    row: NDArray[np.int64]

    def called(self, series: int) -> str:
        """Return what messages call a series: nothing where there is one alone that has no name."""
        return "" if self.columns.id is None else f"series '{self.ids[series]}', "


def read_series_rows(table: Table, columns: SeriesColumns) -> SeriesRows:
    """Read a table of series.

    Raises:
        DataError: there are no rows; or values that are no times, no finite numbers, missing ids, times that a series
            has twice, or static values that change within a series: each kind listed together.
    """
    frames = list(table.chunks(list(dict.fromkeys(columns.all())), _CHUNK))
    if not sum(frame.height for frame in frames):
        raise DataError(f"{table.name}: expected rows, found none")
    frame = pl.concat(frames)
    times = parse_times(frame[columns.time], f"{table.name}, column '{columns.time}'", table.row_names)
    ids, series = _series_of(table, frame, columns.id)
    numbers = _numbers(table, frame, columns.numeric())
    _warn_of_order(table, series, times)
    order = np.lexsort((times, series))
    rows = SeriesRows(table, columns, ids, series[order], times[order], numbers[order], [], order)
    _refuse_repeated_times(rows)
    rows.static.extend(_static(table, frame, columns, ids, series))
    return rows


def _series_of(table: Table, frame: pl.DataFrame, column: str | None) -> tuple[list[str], NDArray[np.int64]]:
    """Return the series of a table, and the number of the one that each row belongs to."""
    if column is None:
        return [_ONLY], np.zeros(frame.height, np.int64)
    values = frame[column].str.strip_chars()
    missing = (values.is_null() | (values == "")).fill_null(True).arg_true()
    if missing.len():
        places = listed(table.row_names(missing.head(SHOWN).to_list()), missing.len())
        raise DataError(
            f"{table.name}: expected the name of a series in column '{column}' of each row, found none in "
            f"{missing.len():,}:\n{places}\nfill them in, or take these rows out"
        )
    ids = values.unique(maintain_order=True)
    return ids.to_list(), values.cast(pl.Enum(ids)).to_physical().to_numpy().astype(np.int64)


def _numbers(table: Table, frame: pl.DataFrame, columns: tuple[str, ...]) -> NDArray[np.float64]:
    numbers = np.empty((frame.height, len(columns)))
    faulty: list[tuple[int, str]] = []
    total = 0
    for at, column in enumerate(columns):
        found, text = numbers_in(frame[column])
        wrong = (text | found.is_infinite().fill_null(False)).arg_true()
        total += wrong.len()
        faulty += [(row, column) for row in wrong.head(SHOWN).to_list()]
        numbers[:, at] = found.fill_null(float("nan")).to_numpy()
    if total:
        first = sorted(faulty, key=lambda fault: fault[0])[:SHOWN]
        names = table.row_names([row for row, _ in first])
        lines = [f"{name}, column '{column}': {frame[column][row]!r}" for name, (row, column) in zip(names, first)]
        comma = any("," in frame[column][row] for row, column in first)
        raise DataError(
            f"{table.name}: expected finite numbers in {_listed_names(columns)}, found others in {total:,} "
            f"place{'' if total == 1 else 's'}:\n{listed(lines, total)}\nmend them, or leave them empty if they are "
            f"not known{'; a decimal mark is a point here' if comma else ''}"
        )
    return numbers


def _listed_names(columns: tuple[str, ...]) -> str:
    if len(columns) > SHOWN:
        return f"{len(columns):,} columns"
    return ("column " if len(columns) == 1 else "columns ") + ", ".join(f"'{column}'" for column in columns)


def _warn_of_order(table: Table, series: NDArray[np.int64], times: Times) -> None:
    by_series = np.argsort(series, kind="stable")
    series, times = series[by_series], times[by_series]
    back = (series[1:] == series[:-1]) & (times[1:] < times[:-1])
    if back.any():
        which = len(np.unique(series[1:][back]))
        _log.warning(
            "%s: rows are sorted by time; %s of %s rows, in %s series, stood after a later one",
            *(table.name, f"{int(back.sum()):,}", f"{len(times):,}", f"{which:,}"),
        )


def _refuse_repeated_times(rows: SeriesRows) -> None:
    again = np.flatnonzero((rows.series[1:] == rows.series[:-1]) & (rows.times[1:] == rows.times[:-1])) + 1
    if not len(again):
        return
    shown = again[:SHOWN]
    names = rows.table.row_names([int(row) for row in rows.row[[*shown, *(shown - 1)]]])
    lines = []
    for at, name, before in zip(shown, names, names[len(shown) :]):
        earlier = before.removeprefix(f"{rows.table.name}, ")
        lines.append(f"{name}: {rows.called(rows.series[at])}{show_time(rows.times[at])}, as in {earlier}")
    free = [f"'{column}'" for column in rows.table.columns if column not in rows.columns.all()]
    which = f"; not used so far: {', '.join(free[:SHOWN])}" if free and rows.columns.id is None else ""
    raise DataError(
        f"{rows.table.name}: expected each time once in a series, found {len(again):,} again:\n"
        f"{listed(lines, len(again))}\ntake one of them out; if they belong to different series, name the column that "
        f"tells these apart (--id-column{which}); an hour that a clock set back repeats needs its time zone"
    )


def _static(
    table: Table, frame: pl.DataFrame, columns: SeriesColumns, ids: list[str], series: NDArray[np.int64]
) -> list[tuple[str, ...]]:
    if not columns.static:
        return [()] * len(ids)
    stripped = frame.select(pl.col(columns.static).str.strip_chars().replace("", None))
    grouped = (
        stripped.with_columns(pl.Series("", series))
        .group_by("")
        .agg(pl.col(columns.static).drop_nulls().unique(maintain_order=True))
    )
    grouped = grouped.sort("")
    lines = []
    for column in columns.static:
        for number in (grouped[column].list.len() > 1).arg_true().to_list():
            lines.append(
                f"series '{ids[number]}', column '{column}': {', '.join(map(repr, grouped[column][number][:3]))}"
            )
    if lines:
        raise DataError(
            f"{table.name}: expected static columns to hold one value in a series, found several:\n{listed(lines)}\n"
            f"mend them, or give what changes by --past-columns or, where it is known ahead, --future-columns"
        )
    return list(grouped.select(pl.col(columns.static).list.first().fill_null("")).iter_rows())
