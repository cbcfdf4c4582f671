"""A folder with one sub-folder per class; each file in it is one text."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import polars as pl

from recurra.data.lines import read_lines
from recurra.data.table import Table, batched
from recurra.errors import DataError

__all__ = ["FolderTable"]

_SPLITS = {"train", "training", "valid", "validation", "dev", "val", "test"}


class FolderTable(Table):
    """Files named `folder/label/anything`, in the order of label and name; hidden ones are left out.

    Raises:
        DataError: there are no sub-folders, one is empty, or one holds folders instead of files.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), ["text", "label"])
        self._path = path
        folders = [child for child in _visible(path) if child.is_dir()]
        if not folders:
            raise DataError(f"{path}: expected one sub-folder per class, found none; {_what_is_there(path)}")
        nested = [child.name for child in folders if any(inner.is_dir() for inner in _visible(child))]
        if nested:
            raise DataError(
                f"{path}: expected one text in each file of {nested}, found folders; {_remedy(path, nested)}"
            )
        empty = [child.name for child in folders if not _visible(child)]
        if empty:
            raise DataError(f"{path}: expected texts in each sub-folder, found none in {empty}; add some or remove it")
        self._labels = [child.name for child in folders]

    def _files(self) -> Iterator[tuple[Path, str]]:
        for label in self._labels:
            for path in _visible(self._path / label):
                yield path, label

    def chunks(self, columns: Sequence[str], size: int = 4096, *, text: Collection[str] = ()) -> Iterator[pl.DataFrame]:
        for batch in batched(self._files(), size):
            values: dict[str, list[str | None]] = {"label": [label for _, label in batch]}
            if "text" in columns:
                values["text"] = ["".join(read_lines(path, str(path))).rstrip("\r\n") or None for path, _ in batch]
            yield pl.DataFrame({name: values[name] for name in columns}, schema=dict.fromkeys(columns, pl.String))

    def row_names(self, rows: Sequence[int]) -> list[str]:
        wanted = set(rows)
        names = {row: str(path) for row, (path, _) in enumerate(self._files()) if row in wanted}
        return [names[row] for row in rows]


def _visible(path: Path) -> list[Path]:
    return sorted(child for child in path.iterdir() if not child.name.startswith("."))


def _what_is_there(path: Path) -> str:
    files = [child.name for child in _visible(path)]
    if not files:
        return "it is empty"
    return f"it holds {len(files)} files; name one, such as {path / files[0]}, or sort the texts into sub-folders"


def _remedy(path: Path, nested: list[str]) -> str:
    splits = {name.lower(): name for name in nested if name.lower() in _SPLITS}
    if "train" in splits:
        others = [f"--test {path / splits['test']}"] if "test" in splits else []
        return f"for folders of splits name each: {' '.join([str(path / splits['train']), *others])}"
    return "move the texts up, directly into the folder of their class"
