"""A file with one text a line, and texts held in memory."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import polars as pl

from recurra.data.lines import read_lines
from recurra.data.table import Table, batched
from recurra.errors import DataError

__all__ = ["LinesTable", "MemoryTable"]


class LinesTable(Table):
    """A `.txt` file: one text a line, in one column called "text"; an empty line is an empty text."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), ["text"])
        self._path = path

    def chunks(self, columns: Sequence[str], size: int = 4096, *, text: Collection[str] = ()) -> Iterator[pl.DataFrame]:
        for batch in batched(read_lines(self._path, self.name), size):
            lines = [line.removesuffix("\n").removesuffix("\r") or None for line in batch]
            yield pl.DataFrame(dict.fromkeys(columns, lines), schema=dict.fromkeys(columns, pl.String))

    def row_names(self, rows: Sequence[int]) -> list[str]:
        return [f"{self.name}, line {row + 1:,}" for row in rows]


class MemoryTable(Table):
    """Columns held in memory."""

    def __init__(self, name: str, values: dict[str, list[str | None]]) -> None:
        super().__init__(name, list(values))
        try:
            self._frame = pl.DataFrame(values, schema=dict.fromkeys(values, pl.String))
        except UnicodeEncodeError as error:
            raise DataError(
                f"{name}: a text holds half of a surrogate pair ({error.reason}); read it again with the right "
                f"encoding, or drop such characters: text.encode('utf-8', 'ignore').decode()"
            ) from error

    def chunks(self, columns: Sequence[str], size: int = 4096, *, text: Collection[str] = ()) -> Iterator[pl.DataFrame]:
        yield from self._frame.select(columns).iter_slices(size)
