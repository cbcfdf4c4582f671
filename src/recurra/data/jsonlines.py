"""JSON lines: one object a line."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

from recurra.data.faults import Faults
from recurra.data.lines import read_lines
from recurra.data.table import Table, batched
from recurra.errors import DataError

__all__ = ["JsonLinesTable", "LineFault", "kind_of_value", "parse_object"]

_PEEK = 100
_REMEDY = "each line must be one JSON object with the same keys; correct these lines or take them out"


class LineFault(Exception):
    """What is wrong with one line."""


class JsonLinesTable(Table):
    """A `.jsonl` or `.ndjson` file; its columns are the keys of its first objects.

    Raises:
        DataError: no line holds anything, or the first lines are malformed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        name = str(path)
        super().__init__(name, [])
        faults = Faults(name)
        keys: dict[str, None] = {}
        lines = 0
        for number, line in islice(self._lines(), _PEEK):
            lines += 1
            try:
                keys.update(dict.fromkeys(parse_object(line)))
            except LineFault as fault:
                faults.add(f"line {number:,}", str(fault))
        faults.raise_if_any(f"{_REMEDY} (only the first {_PEEK} were looked at)")
        if not lines:
            raise DataError(f"{name}: holds no rows, only empty lines")
        if not keys:
            raise DataError(f"{name}: its objects have no keys; expected a text and a label in each")
        self.columns = tuple(keys)

    def _lines(self) -> Iterator[tuple[int, str]]:
        for number, line in enumerate(read_lines(self._path, self.name), start=1):
            if not line.isspace():
                yield number, line

    def chunks(self, columns: Sequence[str], size: int = 4096, *, text: Collection[str] = ()) -> Iterator[pl.DataFrame]:
        faults = Faults(self.name)
        schema = dict.fromkeys(columns, pl.String)
        for batch in batched(self._lines(), size):
            rows = []
            for number, line in batch:
                try:
                    rows.append(_values(parse_object(line), columns, text))
                except LineFault as fault:
                    faults.add(f"line {number:,}", str(fault))
            if not faults:
                yield pl.DataFrame(rows, schema=schema, orient="row")
        faults.raise_if_any(_REMEDY)

    def sample(self, size: int = 1000) -> pl.DataFrame:
        rows = [json.loads(line, parse_constant=_missing) for _, line in islice(self._lines(), min(size, _PEEK))]
        nested = {key for row in rows for key, value in row.items() if isinstance(value, dict | list)}
        flat = [column for column in self.columns if column not in nested]
        values = {column: [_as_string(row.get(column)) for row in rows] for column in flat}
        return pl.DataFrame(values, schema=dict.fromkeys(flat, pl.String))

    def row_names(self, rows: Sequence[int]) -> list[str]:
        wanted = set(rows)
        names = {row: f"{self.name}, line {line:,}" for row, (line, _) in enumerate(self._lines()) if row in wanted}
        return [names[row] for row in rows]


def parse_object(line: str) -> dict[str, Any]:
    """Return the object that a line holds; NaN and Infinity are None.

    Raises:
        LineFault: anything else, or text that is not Unicode.
    """
    try:
        value = json.loads(line, parse_constant=_missing)
    except json.JSONDecodeError as error:
        raise LineFault(f"expected JSON, found a fault at column {error.colno} ({error.msg})") from None
    except (ValueError, RecursionError) as error:
        raise LineFault(f"expected JSON that can be read, found: {error}") from None
    if not isinstance(value, dict):
        raise LineFault(f"expected an object, found {kind_of_value(value)}")
    if "\\ud" in line or "\\uD" in line:
        _refuse_half_pairs(value)
    return value


def _missing(constant: str) -> None:
    """NaN and Infinity, which some writers put for a missing value, are missing."""


def _refuse_half_pairs(row: dict[str, Any]) -> None:
    for key, value in row.items():
        try:
            json.dumps([key, value], ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise LineFault(f"'{key}' holds half of a surrogate pair (\\ud...), which is no character") from None


def _values(row: dict[str, Any], columns: Sequence[str], text: Collection[str]) -> list[str | None]:
    values = []
    for column in columns:
        if column not in row:
            raise LineFault(f"expected a key '{column}', found {', '.join(row) or 'none'}")
        value = row[column]
        if isinstance(value, dict | list):
            raise LineFault(f"expected text or a number in '{column}', found {kind_of_value(value)}")
        if column in text and value is not None and not isinstance(value, str):
            raise LineFault(f"expected text in '{column}', found {kind_of_value(value)} ({_as_string(value)})")
        values.append(_as_string(value))
    return values


def _as_string(value: Any) -> str | None:
    if value is None or value == "":
        return None
    return value if isinstance(value, str) else json.dumps(value)


def kind_of_value(value: Any) -> str:
    """Return what JSON calls a value, with its article."""
    kinds = {dict: "an object", list: "an array", str: "a string", bool: "a truth value", type(None): "null"}
    return kinds.get(type(value), "a number")
