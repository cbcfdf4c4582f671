"""Series of numbers on a regular grid of time, from a file.

Letters: T steps, C variables, P columns known up to now alone, A columns known ahead.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recurra.config import FillName, ForecastDataConfig
from recurra.data.faults import SHOWN, listed
from recurra.data.gaps import fill_gaps
from recurra.data.series_columns import SeriesColumns, find_series_columns, require_trained_columns
from recurra.data.series_rows import SeriesRows, read_series_rows
from recurra.data.series_source import open_series
from recurra.data.table import Table
from recurra.data.time_grid import (
    TimeGrid,
    find_frequency,
    make_grid,
    refuse_other_steps,
    refuse_unknown_ahead,
    warn_of_gaps,
)
from recurra.data.time_stamps import Frequency, Start, show_time, times_after
from recurra.errors import DataError

__all__ = ["Series", "SeriesSet", "load_series", "read_series"]

_log = logging.getLogger("recurra")


@dataclass(frozen=True, eq=False)
class Series:
    """One series, from its first known target on.

    Attributes:
        id: what it is called.
        start: the time of step 0.
        target: what is forecast, [T, C], NaN where missing; the last step has a value.
        past: what is known up to now alone, [T, P], NaN where missing.
        ahead: what is known ahead, [T + extra, A]: the rows after the last target are those of the future. NaN in steps
            without a row alone, and in none of the future.
        static: what the series is, by the set's static columns; "" where missing.
        filled: where `target` holds a value that was put there, [T, C]; None for nowhere. It is no truth to score by,
            and a linear one tells of the value after it.
    """

    id: str
    start: Start
    target: NDArray[np.float64]
    past: NDArray[np.float64]
    ahead: NDArray[np.float64]
    static: tuple[str, ...] = ()
    filled: NDArray[np.bool_] | None = None


@dataclass(frozen=True, eq=False)
class SeriesSet:
    """Series of one frequency.

    Attributes:
        name: what messages call them.
        frequency: the time from one step to the next.
        id_column: the column that tells series apart; None where the file holds one.
        time_column: the column with the time.
        variables: the target columns, as the file has them: C of them where they are forecast together; separate, each
            is a series of its own.
        past_columns: P columns.
        future_columns: A columns.
        static_columns: what a series is.
        series: the series, in the order in which they begin in the file, and there by variable.
        wide: whether the file has a row for each time and a column for each variable, and no ids.
        fill: what was put into gaps of the targets; past-only columns got the value before where it is "linear".
    """

    name: str
    frequency: Frequency
    id_column: str | None
    time_column: str
    variables: tuple[str, ...]
    past_columns: tuple[str, ...]
    future_columns: tuple[str, ...]
    static_columns: tuple[str, ...]
    series: list[Series]
    wide: bool
    fill: FillName = "none"

    @property
    def columns(self) -> SeriesColumns:
        """Which column was which, so that another file can be read in the same way."""
        lists = (self.variables, self.past_columns, self.future_columns, self.static_columns)
        return SeriesColumns(self.id_column, self.time_column, *lists)


def load_series(
    config: ForecastDataConfig,
    columns: SeriesColumns | None = None,
    frequency: Frequency | None = None,
    source: str | None = None,
) -> SeriesSet:
    """Open and read series for training or, with `source`, for evaluation or prediction.

    Args:
        config: what was told about the data.
        columns: those of the training data, for another file [default: told, or found and logged].
        frequency: likewise.
        source: another file than `config.data`; of a hub data set the test split, if it has one.

    Raises:
        DataError: the source is missing, empty or malformed; or its columns, times or values are not in order.
        SettingsError: the frequency is none, or the delimiter would have no effect.
        MissingExtraError: a hub data set, and the `datasets` library is not installed.
    """
    return read_series(open_series(config, source), config, columns, frequency)


def read_series(
    table: Table,
    config: ForecastDataConfig,
    columns: SeriesColumns | None = None,
    frequency: Frequency | None = None,
) -> SeriesSet:
    """Read the series of a table; the arguments are those of :func:`load_series`.

    Steps without a row are put on the grid without values, and reported. Steps before the first and after the last
    known target are cut; what is known ahead of the latter is kept.

    Raises:
        DataError: its columns, times or values are not in order.
        SettingsError: the frequency is none.
    """
    trained = frequency is not None
    if frequency is None and config.frequency is not None:
        frequency = Frequency.parse(config.frequency)
    if columns is None:
        columns = find_series_columns(table, config)
    else:
        require_trained_columns(table, columns)
    rows = read_series_rows(table, columns)
    frequency = find_frequency(rows, frequency, trained)
    grid = make_grid(rows, frequency, trained)
    if trained and config.fill == "none":
        refuse_other_steps(rows, grid, frequency)
    refuse_unknown_ahead(rows, grid)
    warn_of_gaps(rows, grid, frequency, config.fill)
    series = _Cutting(rows, grid, frequency, config).all()
    _say(table.name, series, frequency)
    return SeriesSet(
        table.name,
        frequency,
        columns.id,
        columns.time,
        columns.targets,
        columns.past,
        columns.future,
        columns.static,
        series,
        columns.id is None,
        config.fill,
    )


class _Cutting:
    """Cuts the series out of the grid."""

    def __init__(self, rows: SeriesRows, grid: TimeGrid, frequency: Frequency, config: ForecastDataConfig) -> None:
        self._rows = rows
        self._grid = grid
        self._frequency = frequency
        self._fill: FillName = config.fill
        targets = rows.columns.targets
        self._groups = [list(range(len(targets)))]
        if config.variables == "separate":
            self._groups = [[number] for number in range(len(targets))]
        self._without: list[str] = []
        self._missing: Counter[str] = Counter()
        self._after = 0

    def all(self) -> list[Series]:
        """Return the series; warn of those without values, of missing values, and of rows after the last.

        Raises:
            DataError: none has a value.
        """
        found = [self._one(number, group) for number in range(len(self._rows.ids)) for group in self._groups]
        name = self._rows.table.name
        series = [one for one in found if one is not None]
        if not series:
            raise DataError(f"{name}: expected values to forecast, found none: all are missing in each series")
        if self._without:
            places = listed([f"'{one}'" for one in self._without])
            _log.warning("%s: series without any value are left out:\n%s", name, places)
        if self._missing:
            remedy = (
                "windows with a missing value are left out; training with --fill previous, linear or zero puts values "
                "there"
                if self._fill == "none"
                else f"values are put there (--fill {self._fill})"
            )
            counts = ", ".join(f"'{column}' {count:,}" for column, count in self._missing.most_common(SHOWN))
            more = f" and {len(self._missing) - SHOWN:,} more columns" if len(self._missing) > SHOWN else ""
            _log.warning("%s: values missing in rows that are there: %s%s; %s", name, counts, more, remedy)
        if self._after:
            _log.warning(
                "%s: rows after the last known value of their series are not used: %s", name, f"{self._after:,}"
            )
        return series

    def _one(self, number: int, group: list[int]) -> Series | None:
        columns, grid = self._rows.columns, self._grid
        steps = slice(grid.bounds[number], grid.bounds[number + 1])
        values, present = grid.numbers[steps], grid.present[steps]
        name = self._name(number, group)
        known = np.flatnonzero(~np.isnan(values[:, group]).all(axis=1))
        if not len(known):
            self._without.append(name)
            return None
        first, end = int(known[0]), int(known[-1]) + 1
        width = len(columns.targets)
        target, past = values[first:end, group], values[first:end, width : width + len(columns.past)]
        self._count([columns.targets[at] for at in group], target, present[first:end])
        self._count(columns.past, past, present[first:end])
        filled = fill_gaps(target, self._fill)
        put = np.isnan(target) & ~np.isnan(filled)
        start = grid.starts[number]
        return Series(
            name,
            times_after(start, self._frequency, np.array([first]))[0] if first else start,
            filled,
            fill_gaps(past, "previous" if self._fill == "linear" else self._fill),  # a line tells of what comes after
            self._ahead(values[first:, width + len(columns.past) :], end - first, present[end:]),
            self._rows.static[number],
            put if put.any() else None,
        )

    def _name(self, number: int, group: list[int]) -> str:
        identity, targets = self._rows.ids[number], self._rows.columns.targets
        if self._rows.columns.id is None:
            return targets[group[0]] if len(group) == 1 else identity
        return identity if len(group) == len(targets) else f"{identity}/{targets[group[0]]}"

    def _count(
        self, columns: tuple[str, ...] | list[str], values: NDArray[np.float64], present: NDArray[np.bool_]
    ) -> None:
        for column, missing in zip(columns, np.isnan(values[present]).sum(axis=0)):
            if missing:
                self._missing[column] += int(missing)

    def _ahead(self, ahead: NDArray[np.float64], known: int, present: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return what is known ahead, filled up to now, and of the future as far as it is known without a gap."""
        if not ahead.shape[1]:
            self._after += int(present.sum())
            return ahead[:known]
        missing = np.flatnonzero(np.isnan(ahead[known:]).any(axis=1))
        end = known + int(missing[0]) if len(missing) else len(ahead)
        return np.concatenate([fill_gaps(ahead[:known], self._fill), ahead[known:end]])


def _say(name: str, series: list[Series], frequency: Frequency) -> None:
    starts, lengths = np.array([one.start for one in series]), np.array([len(one.target) for one in series])
    ends = times_after(starts, frequency, lengths - 1)
    steps = f"{lengths.min():,}" + (f" to {lengths.max():,}" if lengths.max() > lengths.min() else "")
    _log.info(
        "%s: %s series of %s steps of %s, from %s to %s",
        *(name, f"{len(series):,}", steps, frequency, show_time(starts.min()), show_time(ends.max())),
    )
