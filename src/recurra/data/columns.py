"""Which column is the text and which the label, when not told."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Literal, NamedTuple

import polars as pl

from recurra.data.names import LABEL_NAMES, TEXT_NAMES
from recurra.data.table import Table
from recurra.errors import DataError, nearest

__all__ = [
    "Columns",
    "LabelNeed",
    "find_columns",
    "is_numeric",
    "known_column",
    "listed_columns",
    "note_unfit",
    "require_column",
    "say_found",
]

LabelNeed = Literal["required", "optional", "no"]
_log = logging.getLogger("recurra")
_LONGEST_LABEL = 5.0  # mean words; a longer one is a text
_NEAR = 0.9  # a second column this near to the longest makes the choice ambiguous


class Columns(NamedTuple):
    """The names of the columns that are used."""

    text: str
    label: str | None


def find_columns(
    table: Table,
    text_column: str | None = None,
    label_column: str | None = None,
    labels: LabelNeed = "required",
    exclude: tuple[str, ...] = (),
) -> Columns:
    """Return which columns hold the text and the label; what was not told but found is logged with its reason.

    Args:
        table: where to look; its first rows are read.
        text_column: the text column, if told.
        label_column: the label column, if told; not looked at when no label is wanted.
        labels: whether a label is required, taken where one is found, or not wanted.
        exclude: columns known to be neither.

    Raises:
        DataError: a named column is not there, or none, or more than one, can be meant.
    """
    for option, name in (("--text-column", text_column), ("--label-column", label_column if labels != "no" else None)):
        if name is not None:
            require_column(table, name, option)
    if text_column is not None and text_column == label_column and labels != "no":
        raise DataError(f"{table.name}: column '{text_column}' is given as the text and as the label; name two columns")
    if text_column is not None and (label_column is not None or labels == "no"):
        return Columns(text_column, label_column if labels != "no" else None)
    sample = table.sample()
    note_unfit(table, sample)
    free = [c for c in sample.columns if c not in (*exclude, text_column, label_column if labels != "no" else None)]
    text = text_column or say_found(table, "text", _find_text(table, sample, free, labels))
    if labels == "no" or label_column is not None:
        return Columns(text, None if labels == "no" else label_column)
    rest = [column for column in free if column != text]
    found = _find_label(table, sample, rest, labels)
    return Columns(text, None if found is None else say_found(table, "label", found))


def require_column(table: Table, name: str, option: str) -> None:
    """Check that a table has a column.

    Raises:
        DataError: it has not; the nearest name and all names are given.
    """
    if name not in table.columns:
        hint = nearest(name, table.columns)
        raise DataError(f"{table.name}: {option}: there is no column '{name}'{hint}; {listed_columns(table)}")


def note_unfit(table: Table, sample: pl.DataFrame) -> None:
    """Log which columns are left out of a sample."""
    unfit = [column for column in table.columns if column not in sample.columns]
    if unfit:
        _log.info("%s: columns %s hold nested or binary values and are left out", table.name, unfit)


def say_found(table: Table, role: str, found: tuple[str, str]) -> str:
    """Log which column was found and why; return its name."""
    _log.info("%s: the %s is column '%s': %s", table.name, role, *found)
    return found[0]


def listed_columns(table: Table) -> str:
    """Return what an error says of a table's columns."""
    return f"its columns are {', '.join(repr(column) for column in table.columns)}"


def known_column(free: Sequence[str], names: Sequence[str]) -> tuple[str, str] | None:
    """Return the first column of a well-known name, the most telling name first, and that this is why."""
    lower = {column.strip().lower(): column for column in reversed(free)}
    return next(((lower[name], "a well-known name") for name in names if name in lower), None)


def _mean_words(values: pl.Series) -> float:
    mean = values.drop_nulls().str.split(" ").list.len().mean()
    return float(mean) if isinstance(mean, int | float) else 0.0


def _find_text(table: Table, sample: pl.DataFrame, free: list[str], labels: LabelNeed) -> tuple[str, str]:
    known = known_column(free, TEXT_NAMES)
    if known is not None:
        return known
    if len(free) == 1 and labels == "no":
        return free[0], "the only one"
    # A label is no text, be its name alone the sign of it.
    candidates = [column for column in free if column.strip().lower() not in LABEL_NAMES]
    lengths = sorted(((_mean_words(sample[column]), column) for column in candidates), reverse=True)
    lengths = [pair for pair in lengths if pair[0] > 0 and not is_numeric(sample[pair[1]])]
    if not lengths:
        raise DataError(f"{table.name}: found no column of text; {listed_columns(table)}; name it with --text-column")
    if len(lengths) > 1 and lengths[1][0] >= _NEAR * lengths[0][0]:
        rivals = f"'{lengths[0][1]}' ({lengths[0][0]:.1f} words) or '{lengths[1][1]}' ({lengths[1][0]:.1f} words)"
        raise DataError(f"{table.name}: the text may be {rivals}; {listed_columns(table)}; name it with --text-column")
    return lengths[0][1], f"the longest text, {lengths[0][0]:.1f} words on average"


def is_numeric(values: pl.Series) -> bool:
    """Return whether a column holds numbers alone."""
    held = values.drop_nulls()
    return held.len() > 0 and held.cast(pl.Float64, strict=False).null_count() == 0


def _find_label(table: Table, sample: pl.DataFrame, free: list[str], labels: LabelNeed) -> tuple[str, str] | None:
    known = known_column(free, LABEL_NAMES)
    if known is not None:
        return known
    counts = {column: _distinct_if_label(sample[column], alone=len(free) == 1) for column in free}
    candidates = [column for column, count in counts.items() if count > 1]
    candidates = candidates or [column for column, count in counts.items() if count == 1]
    if len(candidates) == 1:
        return candidates[0], f"{counts[candidates[0]]} different values in the first {sample.height:,} rows"
    if labels == "optional":
        return None
    found = f"the label may be any of {candidates}" if candidates else "found no column that can be the label"
    raise DataError(f"{table.name}: {found}; {listed_columns(table)}; name it with --label-column")


def _distinct_if_label(values: pl.Series, alone: bool) -> int:
    """Return how many different values a column has, or 0 if it is not like a label: too many, too long, or none."""
    held = values.drop_nulls()
    distinct = held.n_unique()
    few = distinct < held.len() if alone else 2 * distinct <= held.len()
    return distinct if few and _mean_words(held) <= _LONGEST_LABEL else 0
