"""Data sets of the Hugging Face hub, or a local folder of that form, through the `datasets` library."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import polars as pl

from recurra.data.table import Table, string_columns
from recurra.errors import DataError, MissingExtraError

__all__ = ["PREFIX", "HubTable", "is_hub", "read_hub"]

PREFIX = "hf:"


def is_hub(source: str) -> bool:
    """Return whether a source names a data set of the hub."""
    return source.startswith(PREFIX)


def read_hub(source: str) -> dict[str, HubTable]:
    """Open `hf:owner/name[:config]`: the name of each split, and its rows, read when asked for.

    Raises:
        MissingExtraError: the `datasets` library is not installed.
        DataError: there is no such data set or configuration, the hub cannot be reached, or the data are malformed.
    """
    try:
        import datasets  # type: ignore[import-untyped, unused-ignore]
        from datasets.exceptions import DatasetsError  # type: ignore[import-untyped, unused-ignore]
    except ImportError as error:
        raise MissingExtraError("reading a Hugging Face data set", "hub") from error

    name, _, config = source.removeprefix(PREFIX).partition(":")
    if not name.strip("/"):
        raise DataError(f"{source}: expected hf:owner/name or hf:owner/name:config")
    try:
        found = datasets.load_dataset(name, config or None)
    except (DatasetsError, OSError, ValueError, RuntimeError) as error:
        raise DataError(f"{source}: {_explain(error, source)}") from error
    tables = {str(split): HubTable(f"{source}, split {split}", rows) for split, rows in found.items()}
    return {split: table for split, table in tables.items() if table.height}


def _explain(error: Exception, source: str) -> str:
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    if "onfig name is missing" in str(error) or "BuilderConfig" in str(error):
        known = " ".join(str(error).split())
        return f"expected the name of one of its configurations: {known}; say hf:owner/name:config"
    if "scripts are no longer supported" in str(error):
        return f"it is a loading script, which is not run ({text}); use a Parquet version of it, or download its files"
    if isinstance(error, ConnectionError) or "OfflineModeIsEnabled" in str(error):
        return (
            f"the hub cannot be reached ({text}); check the name and the connection, and that HF_HUB_OFFLINE is not "
            f"set, or download its files and name one"
        )
    if isinstance(error, FileNotFoundError):
        return f"not found ({text}); check owner and name; a private one needs `hf auth login`"
    return f"cannot be loaded ({text}); look at its page on huggingface.co, or download its files and name one"


class HubTable(Table):
    """One split of a data set; its Arrow file is mapped into memory, not read. A class number becomes its name."""

    def __init__(self, name: str, rows: Any) -> None:
        super().__init__(name, rows.column_names)
        self._rows = rows
        self.height = len(rows)
        self._classes: dict[str, list[str]] = {
            column: list(feature.names)
            for column, feature in rows.features.items()
            if type(feature).__name__ == "ClassLabel"
        }

    def chunks(self, columns: Sequence[str], size: int = 4096, *, text: Collection[str] = ()) -> Iterator[pl.DataFrame]:
        distinct = list(dict.fromkeys(columns))
        for frame in self._rows.select_columns(distinct).with_format("polars").iter(batch_size=size):
            expressions = string_columns(frame.schema, columns, text, self.name)
            yield frame.select(
                self._named(column) if column in self._classes else expression
                for column, expression in zip(columns, expressions, strict=True)
            )

    def sample(self, size: int = 1000) -> pl.DataFrame:
        schema: pl.Schema = self._rows.with_format("polars")[:1].schema
        flat = [column for column, kind in schema.items() if not kind.is_nested() and kind != pl.Binary]
        return next(self.chunks(flat, size))

    def flattened(self) -> HubTable:
        """Return the same rows with a column for each field of a nested one: "translation" -> "translation.en"."""
        return HubTable(self.name, self._rows.flatten())

    def _named(self, column: str) -> pl.Expr:
        # The hub's -1, for a label that is kept secret, has no name and so becomes null.
        names = dict(enumerate(self._classes[column]))
        return pl.col(column).replace_strict(names, default=None, return_dtype=pl.String)
