"""Which columns of a table are series of numbers, and which is the label, when not told."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from recurra.config import ClassifyDataConfig
from recurra.data.columns import LabelNeed, listed_columns, note_unfit, require_column, say_found
from recurra.data.labelled_series import SeriesOrigin
from recurra.data.names import LABEL_NAMES, TEXT_NAMES
from recurra.data.numbers import mostly_numbers
from recurra.data.splits import Training, split_column
from recurra.data.table import Table
from recurra.errors import DataError, SettingsError

__all__ = ["LabelledSeriesColumns", "find_labelled_columns", "holds_series"]

_log = logging.getLogger("recurra")
_ID_NAME, _TIME_NAME = "unique_id", "ds"
_NO_VALUES = ("id", "index", "unnamed: 0")  # numbers of rows, which are no values of a series
_LABEL_NAMES = tuple(name for name in LABEL_NAMES if name != "y")  # which is a value as often
_LONGEST_LABEL = 5  # words
_TRUTH = ("true", "false")


class LabelledSeriesColumns(NamedTuple):
    """The columns that are used; with an id each row is a step of a series, without one it is a series."""

    id: str | None
    time: str | None
    label: str | None
    values: tuple[str, ...]


def holds_series(training: Training, config: ClassifyDataConfig) -> bool:
    """Return whether a table that nothing was told about holds series of numbers and no texts; if so, say why.

    It does where it has the column that tells series apart, or at least two columns of numbers, and no other column
    can be a text, as each has few different values of few words, like a label.
    """
    table = training.table
    sample = table.sample()
    dividing = split_column(table, config)[0]
    free = [name for name in sample.columns if name not in (dividing, config.label_column)]
    lower = {name.strip().lower(): name for name in free}
    long = _ID_NAME in lower
    free = [name for name in free if not (long and name in (lower[_ID_NAME], lower.get(_TIME_NAME)))]
    free = [name for name in free if sample[name].drop_nulls().len()]
    numbers = [name for name in free if _can_be_values(sample[name])]
    others = [name for name in free if name not in numbers]
    if len(numbers) < (1 if long else 2) or any(_can_be_text(sample[name]) for name in others):
        return False
    why = "a column tells series apart" if long else f"{len(numbers):,} columns are numbers"
    _log.info("%s: holds series of numbers: %s, and no column can be a text (else say --inputs text)", table.name, why)
    return True


def _can_be_text(values: pl.Series) -> bool:
    held = values.drop_nulls()
    words = held.str.split(" ").list.len().mean()
    many = 2 * held.n_unique() > held.len()
    named = values.name.strip().lower() in TEXT_NAMES
    return named or many or (isinstance(words, int | float) and words > _LONGEST_LABEL)


def find_labelled_columns(
    table: Table,
    id_column: str | None = None,
    label_column: str | None = None,
    labels: LabelNeed = "required",
    exclude: Sequence[str] = (),
    trained: tuple[SeriesOrigin, tuple[str, ...]] | None = None,
) -> LabelledSeriesColumns:
    """Return which columns hold what; what was found is logged with its reason.

    Args:
        table: where to look; its first rows are read.
        id_column: the column that tells series apart, if told.
        label_column: the label column, if told.
        labels: whether a label is required, taken where one is found, or not wanted.
        exclude: columns known to be none of these.
        trained: how the training series were read, and their channels; None for the training table itself.

    Raises:
        DataError: a column that is needed is not there, or none, or more than one, can be meant.
        SettingsError: an id column was told, and the training series had none.
    """
    for option, told in (("--id-column", id_column), ("--label-column", label_column)):
        if told is not None:
            require_column(table, told, option)
    sample = table.sample()
    note_unfit(table, sample)
    id_ = _find_id(table, id_column, trained)
    time = next((c for c in sample.columns if c.strip().lower() == _TIME_NAME), None) if id_ is not None else None
    free = [c for c in sample.columns if c not in (id_, time, label_column, *exclude)]
    numbers = [c for c in free if _can_be_values(sample[c])]
    label = label_column
    if label is None:
        found = _find_label(table, sample, free, numbers, labels, trained)
        if found is None and labels == "required":
            raise DataError(
                f"{table.name}: found no column that can be the label; {listed_columns(table)}; "
                f"name it with --label-column"
            )
        if found is not None:
            label = say_found(table, "label", found) if labels != "no" else found[0]
    values = _values(table, [c for c in numbers if c != label], id_, trained)
    used = (id_, time, label, *values, *exclude)
    unused = [c for c in sample.columns if c not in used]
    if unused:
        _log.info("%s: columns %s are not used", table.name, unused)
    return LabelledSeriesColumns(id_, time, label if labels != "no" else None, values)


def _find_id(table: Table, told: str | None, trained: tuple[SeriesOrigin, tuple[str, ...]] | None) -> str | None:
    if trained is not None and trained[0].id_column is None:
        if told is not None:
            raise SettingsError(
                f"option 'id_column' ({told}) would have no effect: the series of training had no ids, each stood in "
                f"a row or line"
            )
        return None
    if told is not None:
        return told
    if trained is not None:
        id_column = trained[0].id_column
        assert id_column is not None
        require_column(table, id_column, "the id column of training (or name another with --id-column)")
        return id_column
    found = next((column for column in table.columns if column.strip().lower() == _ID_NAME), None)
    return None if found is None else say_found(table, "id", (found, "a well-known name; each row is a step"))


def _find_label(
    table: Table,
    sample: pl.DataFrame,
    free: list[str],
    numbers: list[str],
    labels: LabelNeed,
    trained: tuple[SeriesOrigin, tuple[str, ...]] | None,
) -> tuple[str, str] | None:
    if trained is not None and table.has_header is False and trained[0].id_column is None:
        return _unnamed_label(table, sample, free, labels, trained[0])
    if trained is not None and trained[0].label_column in free:
        return str(trained[0].label_column), "as in training"
    lower = {column.strip().lower(): column for column in reversed(free)}
    known = next((lower[name] for name in _LABEL_NAMES if name in lower), None)
    if known is not None:
        return known, "a well-known name"
    texts = [c for c in free if c not in numbers and sample[c].drop_nulls().len()]
    if len(texts) == 1:
        return texts[0], "the only one that is no number"
    if texts and labels == "required":
        raise DataError(
            f"{table.name}: the label may be any of {texts}; {listed_columns(table)}; name it with --label-column"
        )
    if "y" in lower and (trained is None or "y" not in trained[1]):
        return lower["y"], "a well-known name"
    return _label_at_an_end(table, sample, free) if table.has_header is False else None


def _unnamed_label(
    table: Table, sample: pl.DataFrame, free: list[str], labels: LabelNeed, origin: SeriesOrigin
) -> tuple[str, str] | None:
    """The label column of a table without names: where it was in training, if the table has as many columns as then."""
    if origin.width is None or origin.label_column not in free:
        found = _label_at_an_end(table, sample, free)
        if found is not None and labels == "no":
            raise DataError(
                f"{table.name}: {found[0]} may be a label or a value; give the columns names, or leave the label out"
            )
        return found
    if len(free) == origin.width:
        return None
    if len(free) != origin.width + 1:
        raise DataError(
            f"{table.name}: expected {origin.width + 1} columns, a label and {origin.width} values as in training, or "
            f"the values alone, found {len(free)}; end short series with empty cells, or give the columns names"
        )
    return origin.label_column, "as in training"


def _label_at_an_end(table: Table, sample: pl.DataFrame, free: list[str]) -> tuple[str, str] | None:
    """Without names the label is the first column, as in the UCR archive, or the last, if only one is like a label."""
    ends = [column for column in dict.fromkeys((free[0], free[-1])) if _like_a_label(sample[column])]
    if len(ends) > 1 and table.name.lower().removesuffix(".gz").endswith(".tsv"):
        ends = ends[:1]
    if len(ends) > 1:
        raise DataError(
            f"{table.name}: the label may be the first column or the last, as both hold few different whole numbers; "
            f"name it with --label-column {ends[0]} or {ends[1]}"
        )
    return (ends[0], "few different whole numbers, at an end of the row") if ends else None


def _like_a_label(values: pl.Series) -> bool:
    held = values.drop_nulls()
    found = held.cast(pl.Float64, strict=False)
    whole = bool((found == found.round()).all())
    return held.len() > 0 and whole and 2 * held.n_unique() <= held.len()


def _can_be_values(values: pl.Series) -> bool:
    """Whether a column holds more numbers than other text, or nothing; truth values are rather a label."""
    held = values.drop_nulls()
    truth = held.str.strip_chars().str.to_lowercase().is_in(_TRUTH)
    return not held.len() or mostly_numbers(held.filter(~truth))


def _values(
    table: Table, numbers: list[str], id_: str | None, trained: tuple[SeriesOrigin, tuple[str, ...]] | None
) -> tuple[str, ...]:
    if id_ is not None and trained is not None:
        missing = [channel for channel in trained[1] if channel not in table.columns]
        if missing:
            raise DataError(
                f"{table.name}: expected the columns {', '.join(trained[1])}, as in training, found no "
                f"{', '.join(missing)}; {listed_columns(table)}"
            )
        return trained[1]
    values = tuple(c for c in numbers if id_ is not None or c.strip().lower() not in _NO_VALUES)
    if not values:
        raise DataError(f"{table.name}: found no column of numbers beside the label; {listed_columns(table)}")
    if trained is None:
        shown = ", ".join(values) if len(values) <= 6 else f"{values[0]}, {values[1]} ... {values[-1]}"
        each = "step of a series, with the channels" if id_ is not None else "series, whose values in time are"
        _log.info("%s: each row is a %s %s", table.name, each, shown)
    return values
