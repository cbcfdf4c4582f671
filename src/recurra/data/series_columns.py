"""Which column of a table of series is which, when not told."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from typing import NamedTuple

import polars as pl

from recurra.config import ForecastDataConfig
from recurra.data.columns import listed_columns, note_unfit, require_column, say_found
from recurra.data.names import TIME_NAMES
from recurra.data.numbers import mostly_numbers
from recurra.data.table import Table
from recurra.data.time_reading import mostly_times
from recurra.errors import DataError, nearest

__all__ = ["SeriesColumns", "find_series_columns", "require_trained_columns"]

_log = logging.getLogger("recurra")
_ID, _TARGET = "unique_id", "y"  # of the form that Nixtla's libraries and many data sets share
_LISTS = {
    "targets": "--target-columns",
    "past": "--past-columns",
    "future": "--future-columns",
    "static": "--static-columns",
}


class SeriesColumns(NamedTuple):
    """The names of the columns that are used.

    Attributes:
        id: tells series apart; None where a table holds one.
        time: the time of a row.
        targets: what is forecast, C variables.
        past: what is known up to now alone, P columns.
        future: what is known ahead, A columns.
        static: what a series is.
    """

    id: str | None
    time: str
    targets: tuple[str, ...]
    past: tuple[str, ...] = ()
    future: tuple[str, ...] = ()
    static: tuple[str, ...] = ()

    def numeric(self) -> tuple[str, ...]:
        """Return the columns of numbers: targets, past, future."""
        return (*self.targets, *self.past, *self.future)

    def all(self) -> tuple[str, ...]:
        """Return all of them, in the order of the attributes."""
        return (*([] if self.id is None else [self.id]), self.time, *self.numeric(), *self.static)


def find_series_columns(table: Table, config: ForecastDataConfig) -> SeriesColumns:
    """Return which column is which; what was not told but found is logged with its reason.

    Args:
        table: where to look; its first rows are read.
        config: what was told.

    Raises:
        DataError: a named column is not there or named twice, or none, or more than one, can be meant.
    """
    told = {kind: _split(getattr(config, f"{option[2:].replace('-', '_')}")) for kind, option in _LISTS.items()}
    _check_told(table, config, told)
    sample = table.sample()
    note_unfit(table, sample)
    taken = {config.id_column, config.time_column, *(name for names in told.values() for name in names)}
    free = [column for column in sample.columns if column not in taken]
    identity = config.id_column
    if identity is None and _ID in free:
        identity = say_found(table, "id", (_ID, "a well-known name"))
        free.remove(_ID)
    time = config.time_column or say_found(table, "time", _find_time(table, sample, free))
    free = [column for column in free if column != time]
    targets = told["targets"] or _find_targets(table, sample, free)
    unused = [column for column in table.columns if column in free and column not in targets]
    if unused:
        _log.info(
            "%s: columns not used: %s; --past-columns, --future-columns or --static-columns would use them",
            table.name,
            ", ".join(f"'{column}'" for column in unused),
        )
    return SeriesColumns(identity, time, targets, told["past"], told["future"], told["static"])


def require_trained_columns(table: Table, columns: SeriesColumns) -> None:
    """Check that a table has the columns that training data had.

    Raises:
        DataError: it has not; all that are missing are named, each with the nearest name.
    """
    missing = [column for column in columns.all() if column not in table.columns]
    if missing:
        named = " and ".join(f"'{column}'{nearest(column, table.columns)}" for column in missing)
        raise DataError(
            f"{table.name}: expected the columns of the training data, found no {named}; {listed_columns(table)}"
        )


def _split(names: str | None) -> tuple[str, ...]:
    return () if names is None else tuple(name.strip() for name in names.split(",") if name.strip())


def _check_told(table: Table, config: ForecastDataConfig, told: dict[str, tuple[str, ...]]) -> None:
    roles = [("--id-column", config.id_column), ("--time-column", config.time_column)]
    roles += [(option, name) for kind, option in _LISTS.items() for name in told[kind]]
    seen: dict[str, str] = {}
    for option, name in roles:
        if name is None:
            continue
        require_column(table, name, option)
        if name in seen:
            raise DataError(f"{table.name}: column '{name}' is given by {seen[name]} and by {option}; name it once")
        seen[name] = option


def _find_time(table: Table, sample: pl.DataFrame, free: Sequence[str]) -> tuple[str, str]:
    lower = {column.strip().lower(): column for column in reversed(free)}
    known = [lower[name] for name in TIME_NAMES if name in lower]
    for column in known:
        if mostly_times(sample[column], whole=True):
            return column, "a well-known name"
    dates = [column for column in free if mostly_times(sample[column], whole=False)]
    if len(dates) == 1:
        return dates[0], "the only one with dates"
    if known and not dates:
        return known[0], "a well-known name"
    found = f"the time may be any of {dates}" if dates else "found no column with the time of a row"
    alone = "; if another character separates its columns, say --delimiter" if len(table.columns) == 1 else ""
    raise DataError(
        f"{table.name}: {found}; {listed_columns(table)}; name it with --time-column (dates, or whole numbers such as "
        f"those of the rows){alone}"
    )


def _find_targets(table: Table, sample: pl.DataFrame, free: Sequence[str]) -> tuple[str, ...]:
    if _TARGET in free:
        return (say_found(table, "target", (_TARGET, "a well-known name")),)
    numeric = tuple(column for column in free if mostly_numbers(sample[column]))
    if not numeric:
        raise DataError(
            f"{table.name}: found no column of numbers to forecast; {listed_columns(table)}; name them with "
            f"--target-columns"
        )
    if len(numeric) == 1:
        say_found(table, "target", (numeric[0], "the only one with numbers"))
    else:
        _log.info("%s: %d targets, all columns of numbers: %s", table.name, len(numeric), _first_ones(numeric))
    return numeric


def _first_ones(names: Collection[str], most: int = 10) -> str:
    shown = ", ".join(f"'{name}'" for name in list(names)[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"
