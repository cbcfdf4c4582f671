"""Texts and, where known, their labels, in the order of the file they come from."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recurra.data.columns import Columns, LabelNeed, find_columns
from recurra.data.faults import listed
from recurra.data.hub import HubTable, is_hub, read_hub
from recurra.data.names import SPLIT_NAMES
from recurra.data.plain import MemoryTable
from recurra.data.table import Table, read_table
from recurra.errors import DataError

__all__ = ["MissingLabels", "Part", "TextChunk", "Texts", "clean_label", "hub_splits", "load_texts", "open_one"]

_log = logging.getLogger("recurra")
_CHUNK = 4096


class TextChunk(NamedTuple):
    """Some texts in order and, if they are known, their labels."""

    texts: list[str]
    labels: list[str] | None


class Part(NamedTuple):
    """Which rows of a table are meant: those where `of_row`, one byte a row, is `number`; `counts` of their labels."""

    of_row: NDArray[np.uint8]
    number: int
    counts: dict[str, int]


class Texts:
    """Texts and, where known, labels, in file order; read anew, in chunks, each time they are asked for.

    An empty or missing text is "". A label has no white space around it, and is never missing.

    Attributes:
        name: what messages call them.
        labelled: whether the labels are known.
        columns: the columns they come from.
    """

    def __init__(self, table: Table, columns: Columns, *, name: str | None = None, part: Part | None = None) -> None:
        self.name = table.name if name is None else name
        self.labelled = columns.label is not None
        self.columns = columns
        self._table = table
        self._part = part
        self._counts: dict[str, int] | None = None if part is None else part.counts
        self._length: int | None = None if part is None else sum(part.counts.values())

    @classmethod
    def from_lists(
        cls, texts: Sequence[str | None], labels: Sequence[object] | None = None, name: str = "texts"
    ) -> Texts:
        """Make them from texts in memory; a label that is no string becomes one.

        Raises:
            DataError: texts and labels differ in number, a text is no string, or a label is missing.
        """
        if isinstance(texts, str):
            raise DataError(f"{name}: expected a list of texts, found one text; put it in a list")
        for row, text in enumerate(texts):
            if text is not None and not isinstance(text, str):
                raise DataError(f"{name}, row {row + 1:,}: expected a text, found {type(text).__name__} ({text!r})")
        values: dict[str, list[str | None]] = {"text": list(texts)}
        if labels is not None:
            if len(labels) != len(texts):
                raise DataError(f"{name}: expected a label for each of the {len(texts):,} texts, found {len(labels):,}")
            values["label"] = [None if label is None else str(label) for label in labels]
        made = cls(MemoryTable(name, values), Columns("text", None if labels is None else "label"))
        made.check()
        return made

    def chunks(self, size: int = _CHUNK) -> Iterator[TextChunk]:
        """Yield the texts, at most `size` at a time.

        Raises:
            DataError: rows that are malformed or have no label; or the file has changed since it was first read.
        """
        self.check()
        seen = 0
        for frame in self._table.chunks(self._wanted(), size, text=(self.columns.text,)):
            start, seen = seen, seen + frame.height
            self._refuse_change(seen > self._rows())
            kept = frame if self._part is None else frame.filter(self._mask(self._part, start, seen))
            if kept.height:
                labels = None
                if self.columns.label is not None:
                    labels = kept.select(clean_label(self.columns.label).fill_null("")).to_series().to_list()
                yield TextChunk(kept[self.columns.text].fill_null("").to_list(), labels)
        self._refuse_change(seen != self._rows())

    def check(self) -> None:
        """Read all once, if that has not been done, so that a fault is known before anything is made of the texts.

        Raises:
            DataError: rows that are malformed or have no label, listed together.
        """
        if self._length is not None:
            return
        label = self.columns.label
        counts: dict[str, int] = {}
        missing = MissingLabels(self._table, label or "")
        seen = 0
        for frame in self._table.chunks(self._wanted(), _CHUNK, text=(self.columns.text,)):
            if label is not None:
                labels = frame.select(clean_label(label)).to_series()
                missing.add(labels, seen)
                for value, count in labels.drop_nulls().value_counts().iter_rows():
                    counts[value] = counts.get(value, 0) + count
            seen += frame.height
        missing.raise_if_any()
        self._counts = dict(sorted(counts.items()))
        self._length = seen

    def part(self, name: str, part: Part) -> Texts:
        """Return some of the rows, under a name of their own."""
        return Texts(self._table, self.columns, name=name, part=part)

    def label_counts(self) -> dict[str, int]:
        """Return how often each label occurs, sorted by label; empty where labels are not known."""
        self.check()
        assert self._counts is not None
        return dict(self._counts)

    def __len__(self) -> int:
        self.check()
        assert self._length is not None
        return self._length

    def __repr__(self) -> str:
        return f"Texts({self.name!r}, labelled={self.labelled})"

    def _wanted(self) -> list[str]:
        return [self.columns.text] if self.columns.label is None else [self.columns.text, self.columns.label]

    def _rows(self) -> int:
        return len(self) if self._part is None else len(self._part.of_row)

    @staticmethod
    def _mask(part: Part, start: int, stop: int) -> pl.Series:
        return pl.Series(part.of_row[start:stop] == part.number)

    def _refuse_change(self, changed: bool) -> None:
        if changed:
            raise DataError(
                f"{self._table.name}: expected {self._rows():,} rows, as when it was first read, found "
                f"another number; it was changed meanwhile: run again when nothing writes to it"
            )


def clean_label(column: str) -> pl.Expr:
    """Return a label column without white space around its values; an empty one is null."""
    stripped = pl.col(column).str.strip_chars()
    return pl.when(stripped != "").then(stripped).alias(column)


class MissingLabels:
    """Collects the rows of a table that have no label, keeping the first ten and counting the rest."""

    def __init__(self, table: Table, column: str) -> None:
        self._table = table
        self._column = column
        self._first: list[int] = []
        self._total = 0

    def add(self, labels: pl.Series, start: int) -> None:
        """Note the rows of a chunk, which begins at row `start`, whose label is null."""
        rows = labels.is_null().arg_true()
        self._total += rows.len()
        self._first += (rows.head(10 - len(self._first)) + start).to_list()

    def raise_if_any(self) -> None:
        """Raise what was noted, if anything was.

        Raises:
            DataError: listing the rows.
        """
        if not self._total:
            return
        places = listed(self._table.row_names(self._first), self._total)
        plural = "row has" if self._total == 1 else "rows have"
        raise DataError(
            f"{self._table.name}: expected a label in column '{self._column}' of each row; "
            f"{self._total:,} {plural} none:\n{places}\nlabel them or take them out"
        )


def hub_splits(source: str) -> dict[str, HubTable]:
    """Return the splits of a hub data set that are called train, valid or test in one way or another.

    Raises:
        DataError: there are none.
    """
    found = read_hub(source)
    known = {SPLIT_NAMES[split.lower()]: table for split, table in found.items() if split.lower() in SPLIT_NAMES}
    others = [split for split in found if split.lower() not in SPLIT_NAMES]
    if not known:
        names = ", ".join(found) or "none with rows"
        raise DataError(f"{source}: expected splits called train, validation or test, found {names}")
    if others:
        _log.info("%s: its splits %s are not used", source, ", ".join(others))
    return known


def load_texts(
    source: str | Path,
    *,
    text_column: str | None = None,
    label_column: str | None = None,
    delimiter: str | None = None,
    header: bool | None = None,
    labels: LabelNeed = "required",
    preferred: tuple[str, str] = ("", ""),
) -> Texts:
    """Open texts for evaluation or prediction; the source is read through once, so that a fault is known first.

    Args:
        source: file, folder with one sub-folder per class, or hf:owner/name[:config] (its test split, if it has one).
        text_column: the column with the text [default: found, and logged].
        label_column: the column with the label [default: found, and logged]; not looked at when labels is "no".
        delimiter: as for :func:`recurra.data.table.read_table`.
        header: as for :func:`recurra.data.table.read_table`.
        labels: whether a label is required, taken where one is found, or not wanted.
        preferred: the text and label column of the training data, taken when not told and the source has them.

    Raises:
        DataError: the source is missing, malformed, without rows, or has not the columns needed.
        SettingsError: `delimiter` or `header` would have no effect.
        MissingExtraError: a hub data set, and the `datasets` library is not installed.
    """
    table = open_one(str(source), delimiter, header)
    known_text, known_label = (name if name in table.columns else None for name in preferred)
    columns = find_columns(
        table, text_column or known_text, None if labels == "no" else label_column or known_label, labels
    )
    texts = Texts(table, columns)
    texts.check()
    return texts


def open_one(source: str, delimiter: str | None, header: bool | None) -> Table:
    """Open a source as one table: of a hub data set the test split or, without one, the next best."""
    if not is_hub(source):
        return read_table(source, delimiter=delimiter, header=header)
    splits = hub_splits(source)
    split = next(split for split in ("test", "valid", "train") if split in splits)
    _log.info("%s: the split read is '%s'", source, split)
    return splits[split]
