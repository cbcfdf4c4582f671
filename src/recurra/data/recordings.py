"""Recordings and their transcripts: a manifest that lists them, or a folder that holds them."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recurra.data.audio import AUDIO_SUFFIXES, probe_audio
from recurra.data.columns import require_column
from recurra.data.faults import SHOWN, Faults
from recurra.data.recording_columns import (
    RecordingColumns,
    TextNeed,
    find_recording_columns,
    is_recording,
    names_columns,
)
from recurra.data.recording_folder import read_folder, transcript_beside
from recurra.data.table import Table, is_delimited, read_table, require_file
from recurra.errors import DataError, SettingsError

__all__ = ["Recording", "Recordings", "load_recordings"]

_log = logging.getLogger("recurra")
_SAMPLE_RATE = "sample_rate"


class Recording(NamedTuple):
    """A file of audio or features.

    Attributes:
        path: the file.
        text: its transcript, white space as single spaces and none around it; "" where it is empty or not known.
        group: what no two parts may share, such as its speaker, if asked for.
        sample_rate: Hz, where a manifest says so.
    """

    path: Path
    text: str
    group: str | None = None
    sample_rate: int | None = None


@dataclass(frozen=True)
class Recordings:
    """Recordings in the order of where they are listed.

    Attributes:
        name: what messages call them.
        items: the recordings.
        labelled: whether their transcripts are known.
        columns: those of the manifest that are used; None for a folder or a file.
        table: the manifest, whose row n lists recording n; None for a folder, a file, or a part.
    """

    name: str
    items: list[Recording]
    labelled: bool = True
    columns: RecordingColumns | None = None
    table: Table | None = None

    def __len__(self) -> int:
        return len(self.items)

    def texts(self) -> list[str]:
        """Return the transcripts."""
        return [item.text for item in self.items]

    def part(self, mask: NDArray[np.bool_], name: str) -> Recordings:
        """Return the recordings where `mask` [n] is true, under a name of their own."""
        return replace(self, name=name, items=[self.items[row] for row in np.flatnonzero(mask)], table=None)


def load_recordings(
    source: str | Path,
    *,
    path_column: str | None = None,
    text_column: str | None = None,
    group_column: str | None = None,
    delimiter: str | None = None,
    header: bool | None = None,
    text: TextNeed = "required",
    preferred: RecordingColumns | None = None,
) -> Recordings:
    """List recordings and check that they are there; none is decoded.

    Args:
        source: a manifest, whose relative paths begin at its folder; a folder, searched with its sub-folders, where
            `name.txt` beside `name.wav` holds its transcript, or a line of a `.trans.txt` (LibriSpeech) does; or one
            recording.
        path_column: the column of paths [default: found, and logged].
        text_column: the column of transcripts [default: found, and logged].
        group_column: a column such as the speaker.
        delimiter: as for :func:`recurra.data.table.read_table`.
        header: whether the first row names the columns [default: found by its content, and logged].
        text: whether transcripts are required, or taken where all have one.
        preferred: the columns of the training data, taken when not told and the source has them.

    Raises:
        DataError: the source is missing, malformed, or without recordings, or has not the columns needed; or
            recordings are missing, listed twice, without transcript or group, or of another sample rate than the
            manifest says: all of them are reported at once.
        SettingsError: an option would have no effect.
    """
    path = Path(source)
    if not path.is_dir() and not is_recording(path):
        told = (path_column, text_column, group_column)
        return _from_manifest(path, told, (delimiter, header), text, preferred)
    options = {"path_column": path_column, "text_column": text_column, "group_column": group_column}
    for option, value in {**options, "delimiter": delimiter, "header": header}.items():
        if value is not None:
            form = "a folder of recordings" if path.is_dir() else "a recording"
            raise SettingsError(f"option '{option}' ({value!r}) would have no effect: {source} is {form}")
    if path.is_dir():
        listed = read_folder(path, text)
    else:
        require_file(path)
        listed = {path: transcript_beside(path)}
        if text == "required" and listed[path] is None:
            raise DataError(f"{path}: expected its transcript in {path.with_suffix('.txt')}, found no such file")
    labelled = None not in listed.values()
    items = [Recording(file, _one_line(words if labelled else None)) for file, words in listed.items()]
    return _noted(Recordings(str(source), items, labelled))


def _from_manifest(
    path: Path,
    told: tuple[str | None, str | None, str | None],
    reading: tuple[str | None, bool | None],
    text: TextNeed,
    preferred: RecordingColumns | None,
) -> Recordings:
    delimiter, header = reading
    if header is None and is_delimited(str(path), delimiter):
        header = names_columns(str(path), delimiter)
    table = read_table(path, delimiter=delimiter, header=header)
    path_column, text_column, group_column = told
    if group_column is not None:
        require_column(table, group_column, "--group-column")
    if preferred is not None:
        path_column = path_column or _if_there(preferred.path, table, text_column)
        text_column = text_column or _if_there(preferred.text, table, path_column)
    rate_column = next((column for column in table.columns if column.strip().lower() == _SAMPLE_RATE), None)
    others = tuple(column for column in (group_column, rate_column) if column is not None)
    columns = find_recording_columns(table, path_column, text_column, text, others)
    rows = _Rows(table, columns, group_column, rate_column, path.parent)
    recordings = Recordings(table.name, list(rows.read()), columns.text is not None, columns, table)
    if not recordings.items:
        raise DataError(f"{table.name}: expected at least one recording, found none")
    return _noted(recordings)


def _if_there(column: str | None, table: Table, taken: str | None) -> str | None:
    return column if column in table.columns and column != taken else None


def _noted(recordings: Recordings) -> Recordings:
    empty = sum(not item.text for item in recordings.items)
    if recordings.labelled and empty:
        _log.info("%s: %s of %s transcripts are empty", recordings.name, f"{empty:,}", f"{len(recordings):,}")
    return recordings


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())


class _Rows:
    """Reads the rows of a manifest and collects their faults."""

    def __init__(
        self, table: Table, columns: RecordingColumns, group: str | None, sample_rate: str | None, folder: Path
    ) -> None:
        self._table = table
        self._names = {"path": columns.path, "text": columns.text, "group": group, "rate": sample_rate}
        self._folder = folder
        self._seen: dict[Path, int] = {}
        self._faults: dict[int, str] = {}
        self._earlier: dict[int, int] = {}

    def read(self) -> Iterator[Recording]:
        """Yield the recordings.

        Raises:
            DataError: rows with faults, listed together once all have been read.
        """
        wanted = list(dict.fromkeys(column for column in self._names.values() if column is not None))
        held = tuple(column for column in (self._names["path"], self._names["text"]) if column is not None)
        row = 0
        for frame in self._table.chunks(wanted, text=held):
            for path, text, group, rate in zip(*(self._values(frame, name) for name in self._names)):
                try:
                    yield self._recording(row, path, text, group, rate)
                except DataError as fault:
                    self._faults[row] = str(fault)
                row += 1
        self._raise_if_any()

    def _values(self, frame: pl.DataFrame, name: str) -> Iterable[str | None]:
        column = self._names[name]
        return [None] * frame.height if column is None else frame[column].to_list()

    def _recording(
        self, row: int, path: str | None, text: str | None, group: str | None, rate: str | None
    ) -> Recording:
        if path is None or not path.strip():
            raise DataError("no path")
        file = self._folder / path.strip()
        if not file.is_file():
            raise DataError(f"there is no file {file}")
        first = self._seen.setdefault(file.resolve(), row)
        if first != row:
            self._earlier[row] = first
            raise DataError(f"{file} is listed already")
        if self._names["group"] is not None and not (group or "").strip():
            raise DataError(f"no value in column '{self._names['group']}'")
        return Recording(file, _one_line(text), None if group is None else group.strip(), _sample_rate(file, rate))

    def _raise_if_any(self) -> None:
        if not self._faults:
            return
        shown = list(self._faults)[:SHOWN]
        rows = [*shown, *(self._earlier[row] for row in shown if row in self._earlier)]
        names = dict(zip(rows, self._table.row_names(rows)))
        faults = Faults(self._table.name, "row")
        for row, fault in self._faults.items():
            also = f" ({names[self._earlier[row]]})" if row in names and row in self._earlier else ""
            faults.add(names.get(row, ""), fault + also)
        faults.raise_if_any(f"correct these rows or take them out; relative paths begin at {self._folder.resolve()}")


def _sample_rate(file: Path, value: str | None) -> int | None:
    """Return the sample rate that a manifest gives.

    Raises:
        DataError: it is no number of Hz, or another than that of the file.
    """
    if value is None:
        return None
    try:
        told = float(value)
    except ValueError:
        told = math.nan
    if not told > 0 or told != round(told):
        raise DataError(f"expected Hz in column '{_SAMPLE_RATE}', found '{value}'")
    if file.suffix.lower() in AUDIO_SUFFIXES:
        found = probe_audio(file).sample_rate
        if found != told:
            raise DataError(f"{_SAMPLE_RATE} is {told:,.0f} Hz, but {file} has {found:,} Hz")
    return int(told)
