"""Tables -> series of numbers with labels: a series in each row, or a step of a series."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recurra.data.divide import told_parts
from recurra.data.faults import SHOWN, Faults, listed
from recurra.data.labelled_series import LabelledSeries, SeriesOrigin
from recurra.data.labelled_series_columns import LabelledSeriesColumns
from recurra.data.numbers import numbers_in
from recurra.data.table import Table
from recurra.data.text import MissingLabels, clean_label
from recurra.data.time_reading import parse_times
from recurra.errors import DataError

__all__ = ["read_series_table"]


def read_series_table(
    table: Table, columns: LabelledSeriesColumns, dividing: tuple[str | None, bool]
) -> LabelledSeries:
    """Read all series of a table.

    Args:
        table: the table.
        columns: those that are used.
        dividing: the column that says train, valid or test, if there is one, and whether it was named.

    Raises:
        DataError: cells that are no finite numbers, missing ones within a series, series without a value, missing
            labels, or what differs among the steps of a series and must not; each listed together.
    """
    frame, numbers = _read(table, columns, dividing[0])
    if columns.label is not None:
        missing = MissingLabels(table, columns.label)
        missing.add(frame[columns.label], 0)
        missing.raise_if_any()
    if columns.id is None:
        return _of_rows(table, frame, numbers, columns, dividing)
    return _of_steps(table, frame, numbers, columns, dividing)


class _Cells:
    """Cells of a table that are at fault: the first ten, and how many there are."""

    def __init__(self, table: Table, columns: Sequence[str]) -> None:
        self._table = table
        self._columns = columns
        self._first: list[tuple[int, str, str]] = []
        self._total = 0

    def add(self, faulty: NDArray[np.bool_], start: int = 0, text: pl.DataFrame | None = None) -> None:
        """Note the cells that are marked [n, columns], of rows that begin at `start`; what they hold, if anything."""
        rows, at = np.nonzero(faulty)
        self._total += len(rows)
        for row, where in zip(rows[: SHOWN - len(self._first)].tolist(), at.tolist()):
            column = self._columns[where]
            self._first.append((start + row, column, "none" if text is None else repr(text[column][row])))

    def raise_if_any(self, expected: str, remedy: str) -> None:
        """Raise what was noted, if anything was.

        Raises:
            DataError: listing the cells and the remedy.
        """
        if not self._total:
            return
        rows = list(dict.fromkeys(row for row, _, _ in self._first))
        names = dict(zip(rows, self._table.row_names(rows)))
        faults = Faults(self._table.name, "cell")
        for row, column, found in self._first:
            where = names[row].removeprefix(f"{self._table.name}, ")
            faults.add(f"{where}, column '{column}'", f"expected {expected}, found {found}")
        faults.total = self._total
        faults.raise_if_any(remedy)


def _read(
    table: Table, columns: LabelledSeriesColumns, dividing: str | None
) -> tuple[pl.DataFrame, NDArray[np.float64]]:
    """The columns that are no values, and the values [n, columns]: NaN where one is empty, or says that it is NaN."""
    others = [name for name in (columns.id, columns.time, columns.label, dividing) if name is not None]
    faulty = _Cells(table, columns.values)
    frames, numbers, seen = [], [np.zeros((0, len(columns.values)))], 0
    for chunk in table.chunks(list(dict.fromkeys([*others, *columns.values]))):
        read = [numbers_in(chunk[name]) for name in columns.values]
        found = np.stack([values.fill_null(np.nan).to_numpy() for values, _ in read], axis=1)
        no_number = np.stack([fault.to_numpy() for _, fault in read], axis=1)
        faulty.add(no_number | np.isinf(found), seen, chunk)
        frames.append(chunk.select(list(dict.fromkeys(others))))
        numbers.append(found)
        seen += chunk.height
    faulty.raise_if_any("a finite number", "correct them, or take their rows or columns out")
    frame = pl.concat(frames)
    if columns.label is not None:
        frame = frame.with_columns(clean_label(columns.label))
    return frame, np.concatenate(numbers)


def _of_rows(
    table: Table,
    frame: pl.DataFrame,
    numbers: NDArray[np.float64],
    columns: LabelledSeriesColumns,
    dividing: tuple[str | None, bool],
) -> LabelledSeries:
    known = ~np.isnan(numbers)
    lengths = np.where(known.any(1), numbers.shape[1] - known[:, ::-1].argmax(1), 0)
    gaps = _Cells(table, columns.values)
    gaps.add(~known & (np.arange(numbers.shape[1]) < lengths[:, np.newaxis]))
    gaps.raise_if_any("a number, as the series goes on behind it", "fill them; only the end of a row may be empty")
    empty = np.flatnonzero(lengths == 0)
    if len(empty):
        places = listed(table.row_names(empty[:SHOWN].tolist()), len(empty))
        raise DataError(f"{table.name}: expected at least one number in each row, found none:\n{places}\ntake them out")
    values = [row[:length, np.newaxis] for row, length in zip(numbers, lengths)]
    labels = None if columns.label is None else frame[columns.label].to_list()
    parts = None if dividing[0] is None else told_parts(table, dividing[0], frame[dividing[0]], dividing[1])
    origin = SeriesOrigin(None, columns.label, len(columns.values))
    return LabelledSeries.numbered(table.name, values, labels, origin, parts)


def _of_steps(
    table: Table,
    frame: pl.DataFrame,
    numbers: NDArray[np.float64],
    columns: LabelledSeriesColumns,
    dividing: tuple[str | None, bool],
) -> LabelledSeries:
    assert columns.id is not None
    missing = _Cells(table, columns.values)
    missing.add(np.isnan(numbers))
    missing.raise_if_any("a number", "fill them, or take the steps out")
    missing = _Cells(table, [columns.id])
    missing.add(frame[columns.id].is_null().to_numpy()[:, np.newaxis])
    missing.raise_if_any("the id of a series", "say of which series these steps are")
    steps = _steps_of_series(table, frame, columns)
    constant = [name for name in (columns.label, dividing[0]) if name is not None]
    told = _of_series(table, frame, columns.id, constant)
    labels = None if columns.label is None else told[columns.label].to_list()
    parts = None if dividing[0] is None else told_parts(table, dividing[0], told[dividing[0]], dividing[1])
    values = [numbers[rows] for rows in steps.values()]
    origin = SeriesOrigin(columns.id, columns.label)
    return LabelledSeries(table.name, values, labels, list(steps), columns.values, origin, parts)


def _of_series(table: Table, frame: pl.DataFrame, id_column: str, columns: Iterable[str]) -> dict[str, pl.Series]:
    """What stands at all steps of each series, in some columns; series in the order in which they begin."""
    groups = frame.group_by(id_column, maintain_order=True)
    for column in columns:
        counts = groups.agg(pl.col(column).n_unique()).filter(pl.col(column) > 1)
        if counts.height:
            found = listed([f"'{name}': {count} different ones" for name, count in counts.iter_rows()])
            raise DataError(
                f"{table.name}: expected the same in column '{column}' at all steps of a series, which '{id_column}' "
                f"tells, found others in:\n{found}\ncorrect them, or name the columns that are meant"
            )
    firsts = groups.agg(pl.all().first())
    return {column: firsts[column] for column in columns}


def _steps_of_series(table: Table, frame: pl.DataFrame, columns: LabelledSeriesColumns) -> dict[str, NDArray[np.int64]]:
    """The rows of each series, in the order of its time; in that of the table, where there is none."""
    assert columns.id is not None
    numbered = frame.select(pl.col(columns.id), pl.int_range(pl.len()).alias("row" if columns.id != "row" else "step"))
    groups = numbered.group_by(columns.id, maintain_order=True).all()
    found = {name: np.array(rows, dtype=np.int64) for name, rows in groups.iter_rows()}
    if columns.time is None:
        return found
    times = parse_times(frame[columns.time], f"{table.name}, column '{columns.time}'", table.row_names)
    doubled: list[str] = []
    for name, rows in found.items():
        found[name] = rows[np.argsort(times[rows], kind="stable")]
        in_order = times[found[name]]
        doubled += [f"'{name}' at {in_order[at]}" for at in np.flatnonzero(in_order[1:] == in_order[:-1])]
    if doubled:
        raise DataError(
            f"{table.name}: expected each time of a series once in column '{columns.time}', found twice:\n"
            f"{listed(doubled)}\ntake the steps out that are too many"
        )
    return found
