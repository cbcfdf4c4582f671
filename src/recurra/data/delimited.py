"""Delimited files: `.csv` (fields may be quoted, RFC 4180) and `.tsv` (fields are as they stand).

Rows are read by the `csv` module and handed on as polars frames, rather than scanned by polars, which (2.1) fills
missing fields in silence, stops at a quote inside an unquoted field, cannot name a line, and buffers hundreds of MB.
"""

from __future__ import annotations

import csv
import logging
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from pathlib import Path

import polars as pl

from recurra.data.faults import Faults
from recurra.data.header import DELIMITER_NAMES, another_delimiter, has_header
from recurra.data.lines import read_lines
from recurra.data.table import Table, batched
from recurra.errors import DataError, SettingsError

__all__ = ["DelimitedTable", "Record", "quoted_records"]

_log = logging.getLogger("recurra")
_PEEK = 200
# The csv module's own limit, 128 KB, is less than a long document; none at all would let one unclosed quote in a huge
# file take all memory. The limit is the module's, for the whole process, and is only ever raised.
_LONGEST_FIELD = 64 * 2**20

Record = tuple[int, list[str]]


class DelimitedTable(Table):
    """A `.csv`, `.tsv`, `.tab` (or, with a delimiter given, `.txt`) file; empty lines are skipped.

    Args:
        path: the file.
        delimiter: what separates fields; None for the usual one of the file's suffix.
        header: whether the first row names the columns; None to find out.

    Raises:
        DataError: no rows, doubled column names, malformed quotes, or fields that another delimiter separates.
        SettingsError: a line end as delimiter or, for a `.csv` file, a double quote or several characters.
    """

    def __init__(self, path: Path, *, delimiter: str | None, header: bool | None) -> None:
        super().__init__(str(path), [])
        self._path = path
        self._quoted = path.name.lower().removesuffix(".gz").endswith(".csv")
        self._delimiter = delimiter or ("," if self._quoted else "\t")
        if "\n" in self._delimiter or "\r" in self._delimiter:
            raise SettingsError(f"option 'delimiter': expected no line end, found {self._delimiter!r}")
        if self._quoted and (len(self._delimiter) != 1 or self._delimiter == '"'):
            raise SettingsError(
                f"option 'delimiter': expected one character for a .csv file, found {self._delimiter!r}; "
                f"only .tsv and .txt files can have a longer one"
            )
        first = [row for _, row in islice(self._records(), _PEEK)]
        if not first:
            raise DataError(f"{self.name}: holds no rows, only empty lines")
        if delimiter is None and len(first[0]) == 1:
            self._refuse_another_delimiter()
        self.has_header = self._decide_header(first) if header is None else header
        if self.has_header and len(first) == 1:
            raise DataError(
                f"{self.name}: has a header ({', '.join(first[0])}) but no rows; "
                f"if its first row is data, say so with --no-header"
            )
        self.columns = self._name_columns(first[0])

    def chunks(self, columns: Sequence[str], size: int = 4096, *, text: Collection[str] = ()) -> Iterator[pl.DataFrame]:
        positions = {column: self.columns.index(column) for column in columns}
        schema = dict.fromkeys(columns, pl.String)
        width = len(self.columns)
        faults = Faults(self.name)
        for batch in batched(self._rows(), size):
            for line, row in batch:
                if len(row) != width:
                    faults.add(f"line {line:,}", f"expected {width} fields, found {len(row)}")
            if not faults:
                values = {column: [row[at] or None for _, row in batch] for column, at in positions.items()}
                yield pl.DataFrame(values, schema=schema)
        if faults:
            faults.raise_if_any(self._ragged_remedy())

    def row_names(self, rows: Sequence[int]) -> list[str]:
        wanted = set(rows)
        names = {row: f"{self.name}, line {line:,}" for row, (line, _) in enumerate(self._rows()) if row in wanted}
        return [names[row] for row in rows]

    def _rows(self) -> Iterator[Record]:
        """Yield the rows under the header, each with the line where it begins."""
        return islice(self._records(), 1 if self.has_header else 0, None)

    def _records(self) -> Iterator[Record]:
        lines = read_lines(self._path, self.name)
        return quoted_records(lines, self._delimiter, self.name) if self._quoted else self._plain_records(lines)

    def _plain_records(self, lines: Iterator[str]) -> Iterator[Record]:
        for number, line in enumerate(lines, start=1):
            row = line.rstrip("\r\n")
            if row:
                yield number, row.split(self._delimiter)

    def _decide_header(self, first: list[list[str]]) -> bool:
        found, why = has_header(first)
        _log.info("%s: its first row is %s: %s", self.name, "a header" if found else "data, not a header", why)
        return found

    def _name_columns(self, first: list[str]) -> tuple[str, ...]:
        if not self.has_header:
            return tuple(f"column_{number}" for number in range(1, len(first) + 1))
        names = [cell.strip() or f"column_{number}" for number, cell in enumerate(first, start=1)]
        doubled = [name for name, count in Counter(names).items() if count > 1]
        if doubled:
            raise DataError(
                f"{self.name}: expected different column names, found {doubled} more than once in {names}; "
                f"rename them, or, if the first row is data, say --no-header"
            )
        return tuple(names)

    def _refuse_another_delimiter(self) -> None:
        other = self._another_delimiter()
        if other is not None:
            raise DataError(
                f"{self.name}: expected fields separated by a {DELIMITER_NAMES[self._delimiter]}, found one column, "
                f"and a {DELIMITER_NAMES[other]} in each of the first lines; say {_option(other)} "
                f"(or {_option(self._delimiter)} if it is one column)"
            )

    def _another_delimiter(self) -> str | None:
        return another_delimiter(list(islice(read_lines(self._path, self.name), 20)), self._delimiter)

    def _ragged_remedy(self) -> str:
        other = self._another_delimiter()
        if other is not None:
            return f"each of the first lines has equally many of {other!r}; say {_option(other)} if that separates them"
        if self._quoted:
            return f'put fields that hold {self._delimiter!r} in double quotes ("...")'
        return f"fields are not quoted in such a file; if these are, name it .csv and say {_option(self._delimiter)}"


def quoted_records(lines: Iterator[str], delimiter: str, name: str) -> Iterator[Record]:
    """Yield the rows of a file whose fields may be quoted, each with the line where it begins; empty lines are skipped.

    Raises:
        DataError: malformed quotes.
    """
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_FIELD))
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    start = 1
    try:
        for row in reader:
            if row:
                yield start, row
            start = reader.line_num + 1
    except csv.Error as error:
        raise DataError(_explain(error, name, start, delimiter)) from error


def _option(delimiter: str) -> str:
    return "--delimiter tab" if delimiter == "\t" else f"--delimiter '{delimiter}'"


def _explain(error: csv.Error, name: str, line: int, delimiter: str) -> str:
    where, text = f"{name}, in the row that begins at line {line:,}", str(error)
    if "unexpected end of data" in text:
        return f'{where}: a double quote is opened and never closed; close it, or double it ("") if it is text'
    if "expected after" in text:
        return (
            f'{where}: expected {delimiter!r} after a closing double quote; double a quote ("") inside a quoted field'
        )
    if "field larger than" in text:
        return f"{where}: a field is longer than {_LONGEST_FIELD >> 20} MB; is a double quote opened and never closed?"
    if "new-line character" in text:
        return f"{where}: found a carriage return inside a field; put the field in double quotes or take it out"
    return f"{where}: malformed: {text}"
