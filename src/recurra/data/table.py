"""Files and folders -> rows, read in chunks and never held whole."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TypeVar

import polars as pl

from recurra.errors import DataError, SettingsError, nearest

__all__ = [
    "KNOWN_SUFFIXES",
    "Table",
    "batched",
    "is_delimited",
    "kind_of",
    "read_table",
    "require_file",
    "string_columns",
]

_DELIMITED = (".csv", ".tsv", ".tab")
_LINES = (".jsonl", ".ndjson", ".txt")
KNOWN_SUFFIXES = (*_DELIMITED, *_LINES, ".parquet")
_NAMED_DELIMITERS = {"\\t": "\t", "tab": "\t"}

Item = TypeVar("Item")


class Table(ABC):
    """Rows of a file, folder or data set.

    Attributes:
        name: what messages call it.
        columns: the names of its columns.
        has_header: whether the first row named the columns; None where the form of the file says it.
    """

    has_header: bool | None = None

    def __init__(self, name: str, columns: Sequence[str]) -> None:
        self.name = name
        self.columns = tuple(columns)

    @abstractmethod
    def chunks(self, columns: Sequence[str], size: int = 4096, *, text: Collection[str] = ()) -> Iterator[pl.DataFrame]:
        """Yield the rows of some columns, at most `size` at a time; all values are strings, null where missing.

        Args:
            columns: which columns, and in which order.
            size: most rows in a chunk.
            text: those of them that must hold text; a number or a truth value there is an error.

        Raises:
            DataError: rows that are malformed, listed together once the whole table has been read.
        """

    def sample(self, size: int = 1000) -> pl.DataFrame:
        """Return the first rows, for finding which column is which; columns of nested values are left out."""
        return next(self.chunks(self.columns, size), pl.DataFrame(schema=dict.fromkeys(self.columns, pl.String)))

    def row_names(self, rows: Sequence[int]) -> list[str]:
        """Return what messages call some rows, each given by its index from 0, in one reading of the file."""
        return [f"{self.name}, row {row + 1:,}" for row in rows]

    def row_name(self, row: int) -> str:
        """Return what messages call a row, given by its index from 0: with its physical line where that is known."""
        return self.row_names([row])[0]


def read_table(source: str | Path, *, delimiter: str | None = None, header: bool | None = None) -> Table:
    """Open a file, or a folder with one sub-folder per class, as a table; rows are read when asked for.

    Args:
        source: the file (.csv, .tsv, .tab, .jsonl, .ndjson, .txt, each also .gz; .parquet) or folder.
        delimiter: what separates fields [default: a comma in .csv, a tab in .tsv and .tab; a .txt file has one column
            unless it is given]. Fields may be quoted in .csv alone.
        header: whether the first row names the columns [default: found by its content, and logged].

    Raises:
        DataError: the source is missing, empty, of unknown form, or malformed where it begins.
        SettingsError: `delimiter` or `header` would have no effect on a source of this form.
    """
    from recurra.data import delimited, folder, jsonlines, parquet, plain

    path = Path(source)
    if not str(source):
        raise DataError("expected a file or folder, found an empty name")
    try:
        kind = kind_of(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    if delimiter is not None:
        delimiter = _NAMED_DELIMITERS.get(delimiter, delimiter)
    if kind in _DELIMITED or (kind == ".txt" and delimiter is not None):
        return delimited.DelimitedTable(path, delimiter=delimiter, header=header)
    for option, value in (("delimiter", delimiter), ("header", header)):
        if value is not None:
            form = "a folder" if kind == "folder" else f"a {kind} file"
            raise SettingsError(f"option '{option}' ({value!r}) would have no effect: {source} is {form}")
    if kind == "folder":
        return folder.FolderTable(path)
    if kind == ".txt":
        return plain.LinesTable(path)
    if kind == ".parquet":
        return parquet.ParquetTable(path)
    return jsonlines.JsonLinesTable(path)


def kind_of(path: Path) -> str:
    """Return "folder" or the suffix, without `.gz` and in lower case, that tells a source's form.

    Raises:
        DataError: there is no such file (the nearest name beside it is offered), it is empty, or its form is unknown.
    """
    if path.is_dir():
        return "folder"
    require_file(path)
    packed = path.suffix.lower() == ".gz"
    suffix = Path(path.name[:-3] if packed else path.name).suffix.lower()
    if suffix not in KNOWN_SUFFIXES or (packed and suffix == ".parquet"):
        found = f"{suffix}.gz" if packed else suffix or "a name without suffix"
        known = " ".join(KNOWN_SUFFIXES)
        raise DataError(f"{path}: expected one of {known} (all but .parquet also .gz) or a folder, found {found}")
    return suffix


def require_file(path: Path) -> None:
    """Check that a file can be read, and read again.

    Raises:
        DataError: there is no such file (the nearest name beside it is offered), it is empty, or it is no file.
    """
    if not path.exists():
        raise DataError(_missing(path))
    if not path.is_file():
        raise DataError(f"{path}: expected a file or folder, found a pipe or device, which cannot be read twice")
    if path.stat().st_size == 0:
        raise DataError(f"{path}: the file is empty (0 bytes)")


def is_delimited(source: str, delimiter: str | None) -> bool:
    """Return whether `delimiter` and `header` have an effect on a source, by its name alone."""
    name = source.lower().removesuffix(".gz")
    return name.endswith(_DELIMITED) or (name.endswith(".txt") and delimiter is not None)


def batched(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield items in lists of `size`; the last may be shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def string_columns(
    schema: Mapping[str, pl.DataType], columns: Sequence[str], text: Collection[str], name: str
) -> list[pl.Expr]:
    """Return what makes strings of typed columns; a NaN is a missing value.

    Raises:
        DataError: a column holds nested or binary values, or one that must hold text holds something else.
    """
    return [_string_column(column, schema[column], column in text, name) for column in columns]


def _string_column(column: str, kind: pl.DataType, must_be_text: bool, name: str) -> pl.Expr:
    if kind in (pl.String, pl.Categorical, pl.Enum, pl.Null):
        return pl.col(column).cast(pl.String)
    if must_be_text:
        raise DataError(f"{name}: expected text in column '{column}', found values of type {kind}; name another")
    if kind.is_float():
        return pl.col(column).fill_nan(None).cast(pl.String)
    if kind == pl.Boolean or kind.is_numeric() or kind in (pl.Date, pl.Datetime, pl.Time):
        return pl.col(column).cast(pl.String)
    raise DataError(f"{name}: expected text, numbers or truth values in column '{column}', found type {kind}")


def _missing(path: Path) -> str:
    parent = path.parent
    if not parent.is_dir():
        return f"{path}: there is no such file; its folder {parent} does not exist"
    return f"{path}: there is no such file or folder{nearest(path.name, sorted(p.name for p in parent.iterdir()))}"
