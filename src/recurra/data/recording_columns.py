"""Which columns of a manifest hold the recordings and their transcripts, and whether a first row names them."""

from __future__ import annotations

import logging
from pathlib import PurePath
from typing import Literal, NamedTuple

from recurra.data.audio import AUDIO_SUFFIXES
from recurra.data.columns import is_numeric, known_column, listed_columns, note_unfit, require_column, say_found
from recurra.data.features import FEATURE_SUFFIXES
from recurra.data.names import PATH_NAMES, SPLIT_NAMES, TRANSCRIPT_NAMES
from recurra.data.table import Table, read_table
from recurra.errors import DataError

__all__ = [
    "RECORDING_SUFFIXES",
    "RecordingColumns",
    "TextNeed",
    "find_recording_columns",
    "is_recording",
    "names_columns",
]

_log = logging.getLogger("recurra")
RECORDING_SUFFIXES = (*AUDIO_SUFFIXES, *FEATURE_SUFFIXES)
TextNeed = Literal["required", "optional"]


class RecordingColumns(NamedTuple):
    """The names of the columns that are used; `text` is None where there are no transcripts."""

    path: str
    text: str | None


def is_recording(path: str | PurePath) -> bool:
    """Return whether a file is named as audio or features are.

    >>> is_recording("one.WAV"), is_recording("one.txt")
    (True, False)
    """
    return PurePath(path).suffix.lower() in RECORDING_SUFFIXES


def names_columns(source: str, delimiter: str | None) -> bool | None:
    """Return False, and log it, where a cell in the first row of a manifest is a recording; None where none is.

    Args:
        source: a delimited file.
        delimiter: as for :func:`recurra.data.table.read_table`.

    Raises:
        DataError: the file is missing, empty or malformed.
    """
    table = read_table(source, delimiter=delimiter, header=False)
    first = next(table.sample(1).iter_rows())
    found = next((cell for cell in first if cell and is_recording(cell.strip())), None)
    if found is None:
        return None
    _log.info("%s: its first row is data, not a header: its cell '%s' is a recording", table.name, found)
    return False


def find_recording_columns(
    table: Table,
    path_column: str | None,
    text_column: str | None,
    text: TextNeed = "required",
    others: tuple[str, ...] = (),
) -> RecordingColumns:
    """Return which columns hold paths and transcripts; what was not told but found is logged with its reason.

    Args:
        table: where to look; its first rows are read.
        path_column: the column of paths, if told.
        text_column: the column of transcripts, if told.
        text: whether transcripts are required, or taken where there are some.
        others: columns known to be neither.

    Raises:
        DataError: a named column is not there or named twice, or none, or more than one, can be meant.
    """
    for option, name in (("--path-column", path_column), ("--text-column", text_column)):
        if name is not None:
            require_column(table, name, option)
    if path_column is not None and path_column == text_column:
        raise DataError(f"{table.name}: column '{path_column}' is given as path and as text; name two columns")
    if path_column is not None and text_column is not None:
        return RecordingColumns(path_column, text_column)
    free = [column for column in table.columns if column not in (path_column, text_column, *others)]
    path = path_column or say_found(table, "path", _find_path(table, free))
    if text_column is not None:
        return RecordingColumns(path, text_column)
    found = _find_text(table, [column for column in free if column != path], text)
    return RecordingColumns(path, None if found is None else say_found(table, "text", found))


def _find_path(table: Table, free: list[str]) -> tuple[str, str]:
    known = known_column(free, PATH_NAMES)
    if known is not None:
        return known
    sample = table.sample()
    held = {column: sample[column].drop_nulls().to_list() for column in free if column in sample.columns}
    paths = [column for column, values in held.items() if values and all(map(is_recording, values))]
    if len(paths) != 1:
        found = f"the path may be any of {paths}" if paths else "found no column of paths to recordings"
        raise DataError(f"{table.name}: {found}; {listed_columns(table)}; name it with --path-column")
    return paths[0], f"its values end as recordings do ({held[paths[0]][0]})"


def _find_text(table: Table, free: list[str], text: TextNeed) -> tuple[str, str] | None:
    known = known_column(free, TRANSCRIPT_NAMES)
    if known is not None:
        return known
    sample = table.sample()
    note_unfit(table, sample)
    candidates = [column for column in free if column in sample.columns and not _says_else(sample[column].to_list())]
    if len(candidates) > 1:
        candidates = [column for column in candidates if not is_numeric(sample[column])]
    if len(candidates) == 1:
        return candidates[0], "the only one left" if len(free) == 1 else "the only column of text left"
    if text == "optional":
        return None
    found = f"the text may be any of {candidates}" if candidates else "found no column of transcripts"
    raise DataError(f"{table.name}: {found}; {listed_columns(table)}; name it with --text-column")


def _says_else(values: list[str | None]) -> bool:
    """Return whether values are no transcripts: missing, names of splits, or recordings."""
    held = [value.strip() for value in values if value is not None]
    return all(value.lower() in SPLIT_NAMES for value in held) or all(map(is_recording, held))
