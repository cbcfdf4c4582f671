"""Parallel text: two files, line n of one belonging to line n of the other."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

import polars as pl

from recurra.data.divide import same_source
from recurra.data.lines import read_lines
from recurra.data.table import Table, batched, require_file
from recurra.errors import DataError

__all__ = ["ParallelTable"]

_COLUMNS = ("source", "target")


class ParallelTable(Table):
    """Two text files of one text a line, in the columns "source" and "target"; an empty line is an empty text.

    The files may be called anything; one whose name ends in `.gz` is unpacked. Only a line feed ends a line, with or
    without a carriage return before it. A column asked for alone is read alone; both are read in step, and then must
    have equally many lines.

    Raises:
        DataError: a file is missing, empty or no file, or both are the same.
    """

    def __init__(self, source: Path, target: Path) -> None:
        for path in (source, target):
            if path.is_dir():
                raise DataError(f"{path}: expected a file with one side of parallel text, found a folder")
            require_file(path)
        if same_source(str(source), str(target)):
            raise DataError(f"{source}: given as both sides of parallel text; name the file with the other side")
        super().__init__(f"{source} and {target}", _COLUMNS)
        self._paths = dict(zip(_COLUMNS, (source, target)))

    def chunks(self, columns: Sequence[str], size: int = 4096, *, text: Collection[str] = ()) -> Iterator[pl.DataFrame]:
        seen = dict.fromkeys(columns, 0)
        for batches in zip_longest(*(batched(self._lines(column), size) for column in columns), fillvalue=[]):
            for column, batch in zip(columns, batches):
                seen[column] += len(batch)
            if len(set(seen.values())) == 1:
                yield pl.DataFrame(dict(zip(columns, batches)), schema=dict.fromkeys(columns, pl.String))
        if len(set(seen.values())) > 1:
            counts = " and ".join(f"{seen[column]:,} in {self._paths[column]}" for column in columns)
            raise DataError(
                f"{self.name}: expected equally many lines, as line n of one belongs to line n of the other, found "
                f"{counts}; look for lines that are missing, or were broken in two (blank ones count, at the end too)"
            )

    def row_names(self, rows: Sequence[int]) -> list[str]:
        return [f"{self.name}, line {row + 1:,}" for row in rows]

    def _lines(self, column: str) -> Iterator[str | None]:
        path = self._paths[column]
        for line in read_lines(path, str(path)):
            yield line.removesuffix("\n").removesuffix("\r") or None
