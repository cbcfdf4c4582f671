"""Parquet files, read in streaming chunks by polars."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import polars as pl

from recurra.data.table import Table, string_columns
from recurra.errors import DataError

__all__ = ["ParquetTable"]


class ParquetTable(Table):
    """A `.parquet` file.

    Raises:
        DataError: the file is damaged or no Parquet file, or holds no rows.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            scan = pl.scan_parquet(path, glob=False)
            self._schema = dict(scan.collect_schema())
            height = int(scan.select(pl.len()).collect().item())
        except (pl.exceptions.PolarsError, OSError) as error:
            raise DataError(f"{path}: cannot be read as a Parquet file: {error}") from error
        super().__init__(str(path), list(self._schema))
        if not height:
            raise DataError(f"{path}: has columns ({', '.join(self.columns)}) but no rows")

    def chunks(self, columns: Sequence[str], size: int = 4096, *, text: Collection[str] = ()) -> Iterator[pl.DataFrame]:
        scan = pl.scan_parquet(self._path, glob=False).select(string_columns(self._schema, columns, text, self.name))
        try:
            for frame in scan.collect_batches(chunk_size=size, lazy=True):
                yield from frame.iter_slices(size)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise DataError(f"{self.name}: cannot be read as a Parquet file: {error}") from error

    def sample(self, size: int = 1000) -> pl.DataFrame:
        flat = [column for column, kind in self._schema.items() if not kind.is_nested() and kind != pl.Binary]
        scan = pl.scan_parquet(self._path, glob=False).head(size)
        return scan.select(string_columns(self._schema, flat, (), self.name)).collect()
