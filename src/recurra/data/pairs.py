"""Pairs of a source text and its target, in the order of the table they come from."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recurra.data.columns import Columns
from recurra.data.faults import SHOWN, listed
from recurra.data.hub import HubTable, is_hub
from recurra.data.pair_columns import PairColumns, find_pair_columns, find_source_column, first_row_is_header
from recurra.data.parallel import ParallelTable
from recurra.data.plain import LinesTable
from recurra.data.table import KNOWN_SUFFIXES, Table, is_delimited, require_file
from recurra.data.text import Part, Texts, open_one
from recurra.errors import DataError, SettingsError

__all__ = [
    "PairRows",
    "Pairs",
    "load_pairs",
    "load_sources",
    "open_pairs",
    "read_pairs",
    "same_everywhere",
    "warn_of_one_text",
]

_log = logging.getLogger("recurra")
Hashes = NDArray[np.uint64]


class Pairs(NamedTuple):
    """Two views of the same rows of a table: text n of the sources belongs to text n of the targets."""

    sources: Texts
    targets: Texts


@dataclass(frozen=True)
class PairRows:
    """A table that has been read through and found in order, and 8 bytes that stand for each text in it.

    Attributes:
        table: the table.
        columns: its source and its target.
        sources: a hash of each source, white space around it taken off, [rows].
        targets: the same of each target.
    """

    table: Table
    columns: PairColumns
    sources: Hashes
    targets: Hashes

    def __len__(self) -> int:
        return len(self.sources)

    def pairs(self, of_row: NDArray[np.uint8] | None = None, number: int = 0, name: str | None = None) -> Pairs:
        """Return the pairs of the rows where `of_row` is `number`, or of all rows."""
        of_row = np.zeros(len(self), np.uint8) if of_row is None else of_row
        part = Part(of_row, number, {"": int((of_row == number).sum())})
        return Pairs(*(Texts(self.table, Columns(column, None), name=name, part=part) for column in self.columns))


def load_pairs(
    source: str | Path,
    target: str | Path | None = None,
    *,
    source_column: str | None = None,
    target_column: str | None = None,
    delimiter: str | None = None,
    header: bool | None = None,
    preferred: tuple[str, str] = ("", ""),
) -> Pairs:
    """Open pairs for evaluation; all is read through once, so that a fault is known first.

    Args:
        source: file of pairs, hf:owner/name[:config] (its test split, if it has one) or, with `target`, of sources.
        target: file whose lines belong to those of `source`.
        source_column: the column to translate from [default: found, and logged].
        target_column: the column to translate into [default: found, and logged].
        delimiter: as for :func:`recurra.data.table.read_table`.
        header: whether the first row names the columns [default: found by its content, and logged].
        preferred: the columns of the training data, taken when not told and the source has them.

    Raises:
        DataError: the source is missing, malformed, without rows, has empty sides, or has not the columns needed.
        SettingsError: an option would have no effect.
        MissingExtraError: a hub data set, and the `datasets` library is not installed.
    """
    if target is not None:
        told = {"source_column": source_column, "target_column": target_column}
        for option, value in told.items():
            if value is not None:
                raise SettingsError(f"option '{option}' ({value}) would have no effect: {source} is parallel text")
    table = open_pairs(source, target, delimiter, header, preferred)
    known = _known(table, preferred, source_column, target_column)
    rows = read_pairs(table, find_pair_columns(table, *known))
    warn_of_one_text(rows)
    return rows.pairs()


def load_sources(
    source: str | Path,
    *,
    source_column: str | None = None,
    delimiter: str | None = None,
    header: bool | None = None,
    preferred: str = "",
) -> Texts:
    """Open texts to translate, which need no targets and may be empty; all is read through once.

    Args:
        source: a table or, by any other name as that of a side of parallel text, a file with one text a line.
        source_column: the column to translate from [default: found, and logged].
        delimiter: as for :func:`recurra.data.table.read_table`.
        header: whether the first row names the columns [default: found by its content, and logged].
        preferred: the source column of the training data, taken when not told and the source has it.

    Raises:
        DataError: the source is missing, malformed, without rows, or has not the column needed.
        SettingsError: an option would have no effect.
        MissingExtraError: a hub data set, and the `datasets` library is not installed.
    """
    table: Table
    if _is_side(str(source)) and delimiter is None and header is None:
        require_file(Path(source))
        table = LinesTable(Path(source))
    else:
        table = open_pairs(source, None, delimiter, header, (preferred, ""))
    known = source_column or (preferred if preferred in table.columns else None)
    texts = Texts(table, Columns(find_source_column(table, known), None))
    texts.check()
    return texts


def open_pairs(
    source: str | Path,
    target: str | Path | None,
    delimiter: str | None,
    header: bool | None,
    trained: tuple[str, str] = ("", ""),
) -> Table:
    """Open a table of pairs, or parallel text; a column of a hub data set that holds fields becomes several.

    Args:
        source: as for :func:`load_pairs`.
        target: as for :func:`load_pairs`.
        delimiter: as for :func:`load_pairs`.
        header: as for :func:`load_pairs`.
        trained: the columns of the training data.

    Raises:
        DataError: a source is missing, empty, of unknown form, or malformed where it begins.
        SettingsError: an option would have no effect.
        MissingExtraError: a hub data set, and the `datasets` library is not installed.
    """
    name = str(source)
    if target is not None:
        if is_hub(name):
            raise SettingsError(f"option 'target' ({target}) would have no effect: {name} holds both sides")
        for option, value in (("delimiter", delimiter), ("header", header)):
            if value is not None:
                raise SettingsError(f"option '{option}' ({value!r}) would have no effect: {name} is parallel text")
        return ParallelTable(Path(source), Path(target))
    if not is_hub(name) and name and Path(source).is_dir():
        raise DataError(f"{name}: expected a file of pairs, found a folder")
    if _is_side(name):
        raise DataError(
            f"{name}: expected a file of pairs, one of {' '.join(KNOWN_SUFFIXES)} (all but .parquet also .gz), or, in "
            f"parallel text, the file with the other side (--target)"
        )
    if header is None and not is_hub(name) and is_delimited(name, delimiter):
        header = first_row_is_header(name, delimiter, [column for column in trained if column])
    table = open_one(name, delimiter, header)
    return table.flattened() if isinstance(table, HubTable) else table


def _is_side(name: str) -> bool:
    """Whether a file is named as tables are not, but a side of parallel text may be."""
    suffix = Path(name.removesuffix(".gz")).suffix.lower()
    return not is_hub(name) and Path(name).is_file() and suffix not in KNOWN_SUFFIXES


def _known(
    table: Table, preferred: tuple[str, str], source: str | None, target: str | None
) -> tuple[str | None, str | None]:
    """Return the columns that are told and, where they are there and not taken, those of the training data."""
    if source is None and preferred[0] in table.columns and preferred[0] != target:
        source = preferred[0]
    if target is None and preferred[1] in table.columns and preferred[1] != source:
        target = preferred[1]
    return source, target


def read_pairs(table: Table, columns: PairColumns) -> PairRows:
    """Read a table of pairs once.

    Raises:
        DataError: rows that are malformed or have an empty side, listed together; or there are none.
    """
    empty = _EmptySides(table, columns)
    hashes: tuple[list[Hashes], list[Hashes]] = ([], [])
    seen = 0
    for frame in table.chunks(columns, text=columns):
        stripped = frame.select(pl.col(columns).str.strip_chars().fill_null(""))
        empty.add(stripped, seen)
        seen += frame.height
        for side, column in zip(hashes, columns):
            side.append(stripped[column].hash().to_numpy())
    if not seen:
        raise DataError(f"{table.name}: expected at least one pair, found none")
    empty.raise_if_any()
    return PairRows(table, columns, np.concatenate(hashes[0]), np.concatenate(hashes[1]))


class _EmptySides:
    """Collects the rows of a table with an empty side, keeping the first ten and counting the rest."""

    def __init__(self, table: Table, columns: PairColumns) -> None:
        self._table = table
        self._columns = columns
        self._first: dict[int, str] = {}
        self._total = 0

    def add(self, stripped: pl.DataFrame, start: int) -> None:
        """Note the rows of a chunk, which begins at row `start`, where nothing is left of a text."""
        sides = [stripped[column] == "" for column in self._columns]
        rows = (sides[0] | sides[1]).arg_true()
        self._total += rows.len()
        for row in rows.head(SHOWN - len(self._first)).to_list():
            names = [f"'{column}'" for column, side in zip(self._columns, sides) if side[row]]
            self._first[start + row] = " and ".join(names)

    def raise_if_any(self) -> None:
        """Raise what was noted, if anything was.

        Raises:
            DataError: listing the rows.
        """
        if not self._total:
            return
        names = self._table.row_names(list(self._first))
        places = listed([f"{name}: {what}" for name, what in zip(names, self._first.values())], self._total)
        plural = "row has" if self._total == 1 else "rows have"
        both = " of both files" if isinstance(self._table, ParallelTable) else ""
        raise DataError(
            f"{self._table.name}: expected a text on each side of each pair; {self._total:,} {plural} an empty side, "
            f"or one of white space alone:\n{places}\nfill them in, or take these rows out{both}"
        )


def warn_of_one_text(rows: PairRows) -> None:
    """Warn of a column that holds one text in all of several rows, which says little of a model."""
    for column, text in same_everywhere(rows).items():
        _log.warning("%s: column '%s' holds the same text in each row: %r", rows.table.name, column, text)


def same_everywhere(rows: PairRows) -> dict[str, str]:
    """Return the columns that hold one text in all of several rows, and that text."""
    sides = zip(rows.columns, (rows.sources, rows.targets))
    same = [column for column, hashes in sides if len(rows) > 1 and (hashes == hashes[0]).all()]
    if not same:
        return {}
    first = next(rows.table.chunks(same, 1))
    return {column: first[column][0].strip() for column in same}
