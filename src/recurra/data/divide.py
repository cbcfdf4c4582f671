"""Which row of a table is for training, validation or test: one byte a row."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recurra.data.columns import Columns
from recurra.data.faults import listed
from recurra.data.names import SPLIT_NAMES
from recurra.data.table import Table
from recurra.data.text import MissingLabels, clean_label
from recurra.errors import DataError, SettingsError

__all__ = [
    "PARTS",
    "Rows",
    "accept_split_column",
    "draw_groups",
    "into_parts",
    "parts_named",
    "read_rows",
    "refuse_full_shares",
    "refuse_same_source",
    "same_source",
    "split_off",
    "told_parts",
]

_log = logging.getLogger("recurra")
PARTS = {"train": 0, "valid": 1, "test": 2}
_OTHER = 255


@dataclass
class Rows:
    """The class and the part of each row.

    Attributes:
        name: what messages call the table.
        classes: the labels, sorted.
        codes: the class of each row, as an index into `classes`.
        parts: the part of each row, as a value of `PARTS`.
    """

    name: str
    classes: list[str]
    codes: NDArray[np.int32]
    parts: NDArray[np.uint8]

    def counts(self, part: str) -> dict[str, int]:
        """Return how many rows each class has in a part; classes without rows are left out."""
        counts = np.bincount(self.codes[self.parts == PARTS[part]], minlength=len(self.classes))
        return {label: int(count) for label, count in zip(self.classes, counts, strict=True) if count}


def read_rows(table: Table, columns: Columns, split_column: str | None, sure: bool) -> Rows:
    """Read all rows of the training table once: its labels and, if there is one, the column that divides it.

    Args:
        table: the table.
        columns: its text and label columns; the text is read too, so that its faults are found.
        split_column: the column that says train, valid or test.
        sure: whether that column was named; a guessed one with any other value is not used.

    Raises:
        DataError: rows that are malformed, have no label, or say something else than train, valid or test.
    """
    assert columns.label is not None
    wanted = [columns.text, columns.label] + ([] if split_column is None else [split_column])
    index: dict[str, int] = {}
    codes: list[NDArray[np.int32]] = []
    parts: list[NDArray[np.uint8]] = []
    missing = MissingLabels(table, columns.label)
    others: dict[str, int] = {}
    seen = 0
    for frame in table.chunks(list(dict.fromkeys(wanted)), text=(columns.text,)):
        labels = frame.select(clean_label(columns.label)).to_series()
        missing.add(labels, seen)
        seen += frame.height
        codes.append(np.array([index.setdefault(label, len(index)) for label in labels], dtype=np.int32))
        parts.append(
            np.zeros(frame.height, np.uint8) if split_column is None else parts_named(frame[split_column], others)
        )
    missing.raise_if_any()
    divided = accept_split_column(table, split_column, others, sure)
    classes = sorted(index)
    rank = np.empty(len(index), np.int32)
    rank[[index[label] for label in classes]] = np.arange(len(classes), dtype=np.int32)
    all_parts = np.concatenate(parts) if divided and parts else np.zeros(seen, np.uint8)
    return Rows(table.name, classes, rank[np.concatenate(codes)] if codes else np.zeros(0, np.int32), all_parts)


def told_parts(table: Table, column: str, values: pl.Series, sure: bool) -> NDArray[np.uint8] | None:
    """Return the parts that a column tells, as values of `PARTS`; None where a guessed one holds something else.

    Args:
        table: where it is from.
        column: its name.
        values: what it says of each example.
        sure: whether it was named.

    Raises:
        DataError: a named one says something else than train, valid or test.
    """
    others: dict[str, int] = {}
    parts = parts_named(values, others)
    return parts if accept_split_column(table, column, others, sure) else None


def parts_named(values: pl.Series, others: dict[str, int]) -> NDArray[np.uint8]:
    """Return the part that each value of a split column names; those that name none are counted in `others`."""
    parts = np.full(values.len(), _OTHER, np.uint8)
    for row, value in enumerate(values):
        name = SPLIT_NAMES.get((value or "").strip().lower())
        if name is None:
            others[value or "(empty)"] = others.get(value or "(empty)", 0) + 1
        else:
            parts[row] = PARTS[name]
    return parts


def accept_split_column(table: Table, column: str | None, others: Mapping[str, int], sure: bool) -> bool:
    """Return whether a column divides the rows, and log why.

    Args:
        table: the table.
        column: the column, if there is one.
        others: its values that name no part, and how many rows have them.
        sure: whether the column was named; a guessed one with any other value is not used.

    Raises:
        DataError: it was named, and has other values.
    """
    if column is None:
        return False
    if others and sure:
        found = listed([f"'{value}': {count:,} rows" for value, count in others.items()])
        raise DataError(
            f"{table.name}: expected train, valid (validation, dev, val) or test in column '{column}', "
            f"found also:\n{found}\ncorrect them, or name another --split-column"
        )
    if others:
        _log.info("%s: its column 'split' is not used: it holds '%s' too", table.name, next(iter(others)))
        return False
    if not sure:
        _log.info("%s: its column '%s' divides the examples, as all its values are split names", table.name, column)
    return True


def split_off(rows: Rows, shares: Mapping[str, float], generator: np.random.Generator) -> None:
    """Move a share of the training rows of each class, at least one, to each of some parts.

    Args:
        rows: the rows; their `parts` are changed.
        shares: the share of the training rows that each part gets.
        generator: what draws them.

    Raises:
        DataError: classes with fewer rows than parts, listed together.
    """
    need = 1 + len(shares)
    few = [f"'{label}': {count}" for label, count in rows.counts("train").items() if count < need]
    if few:
        raise DataError(
            f"{rows.name}: expected at least {need} examples of each class, to be divided into {into_parts(shares)}; "
            f"too few of:\n{listed(few)}\nadd examples, take these out, or give --valid and --test"
        )
    train = np.flatnonzero(rows.parts == PARTS["train"])
    by_class = train[np.argsort(rows.codes[train], kind="stable")]
    ends = np.cumsum(np.bincount(rows.codes[train], minlength=len(rows.classes)))
    for of_class in np.split(by_class, ends[:-1]):
        if not len(of_class):
            continue
        drawn = generator.permutation(of_class)
        start = 0
        for number, (part, share) in enumerate(shares.items(), start=1):
            most = len(drawn) - start - (need - number - 1) - 1
            count = min(max(1, round(len(drawn) * share)), most)
            rows.parts[drawn[start : start + count]] = PARTS[part]
            start += count


def draw_groups(
    sizes: NDArray[np.int64], shares: Mapping[str, float], generator: np.random.Generator
) -> NDArray[np.uint8]:
    """Return the part of each group of examples, as a value of `PARTS`; there are at least as many groups as parts.

    Args:
        sizes: the examples of each group, [groups].
        shares: the share of the examples that each part but "train" gets, reached as nearly as the groups allow.
        generator: what draws them.
    """
    of_group = np.zeros(len(sizes), np.uint8)
    order = generator.permutation(len(sizes))
    for number, (part, share) in enumerate(shares.items(), start=1):
        free = order[of_group[order] == PARTS["train"]]
        room = len(free) - (1 + len(shares) - number)  # groups that the parts to come, and training, do not need
        of_group[_drawn(free, sizes, max(1, round(share * int(sizes.sum()))), room)] = PARTS[part]
    return of_group


def _drawn(free: NDArray[np.int64], sizes: NDArray[np.int64], wanted: int, room: int) -> list[int]:
    """Return the first groups in the order drawn that together have a number of rows; at least the smallest one."""
    drawn: list[int] = []
    for group in free.tolist():
        if wanted == 0 or len(drawn) == room:
            break
        if sizes[group] <= wanted:
            drawn.append(group)
            wanted -= int(sizes[group])
    return drawn or [int(free[sizes[free].argmin()])]


def into_parts(shares: Iterable[str]) -> str:
    """Return what messages say of training and the parts that are split off it.

    >>> into_parts(["valid", "test"])
    'training and validation and test'
    """
    return " and ".join(["training", *({"valid": "validation"}.get(part, part) for part in shares)])


def same_source(one: str, other: str) -> bool:
    """Return whether two sources are the same file, folder or data set, under whatever path."""
    if one == other:
        return True
    first, second = Path(one), Path(other)
    return first.exists() and second.exists() and first.samefile(second)


def refuse_same_source(train: str, valid: str | None, test: str | None) -> None:
    """Require that no source is given for two uses.

    Raises:
        DataError: one is.
    """
    given = {"training": train, "validation": valid, "test": test}
    named = [(use, source) for use, source in given.items() if source is not None]
    for number, (use, source) in enumerate(named):
        for other_use, other in named[number + 1 :]:
            if same_source(source, other):
                option = "valid" if other_use == "validation" else other_use
                raise DataError(
                    f"{other}: given as {use} and as {other_use} data; a score on examples used for {use} would be "
                    f"dishonest; give another, or leave --{option} out"
                )


def refuse_full_shares(valid_share: float, test_share: float) -> None:
    """Require that something is left to train on.

    Raises:
        SettingsError: nothing is.
    """
    if valid_share + test_share >= 1:
        raise SettingsError(
            f"options 'valid_share' and 'test_share': expected a sum below 1, found {valid_share} + {test_share}"
        )
