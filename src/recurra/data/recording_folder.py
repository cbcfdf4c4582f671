"""A folder of recordings, each with its transcript beside it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from recurra.data.faults import Faults, listed
from recurra.data.lines import read_lines
from recurra.data.recording_columns import RECORDING_SUFFIXES, TextNeed, is_recording
from recurra.errors import DataError

__all__ = ["read_folder", "transcript_beside"]

_log = logging.getLogger("recurra")
_LIBRISPEECH = ".trans.txt"


def read_folder(folder: Path, text: TextNeed) -> dict[Path, str | None]:
    """Return the transcript, or None, of each recording in a folder and its sub-folders; hidden ones are left out.

    Args:
        folder: the folder.
        text: whether each must have a transcript.

    Raises:
        DataError: there are no recordings, some have no transcript but must, or a `.trans.txt` names others.
    """
    files = list(_visible(folder))
    recordings = [file for file in files if is_recording(file)]
    if not recordings:
        raise DataError(
            f"{folder}: expected recordings ({' '.join(RECORDING_SUFFIXES)}) in the folder or below it, found none "
            f"among {len(files):,} files; name the folder that holds them, or a manifest"
        )
    named = _from_lists(folder, files, recordings)
    found: dict[Path, str | None] = {}
    for path in recordings:
        beside = transcript_beside(path)
        found[path] = named.get(path.with_suffix("")) if beside is None else beside
    without = [str(path.relative_to(folder)) for path, words in found.items() if words is None]
    if without and text == "required":
        raise DataError(
            f"{folder}: expected a transcript beside each recording, as name.txt beside name.wav; "
            f"{len(without):,} of {len(found):,} have none:\n{listed(without)}\nadd them, or take these recordings out"
        )
    if len(without) not in (0, len(found)):
        _log.warning(
            "%s: no transcript is used, as %s of %s recordings have none",
            folder,
            f"{len(without):,}",
            f"{len(found):,}",
        )
    return found


def transcript_beside(path: Path) -> str | None:
    """Return the text in `name.txt` beside a recording, if there is such a file.

    Raises:
        DataError: it cannot be read.
    """
    file = path.with_suffix(".txt")
    return "".join(read_lines(file, str(file))) if file.is_file() else None


def _visible(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path


def _from_lists(folder: Path, files: list[Path], recordings: list[Path]) -> dict[Path, str]:
    """Return the transcripts that lists give, by the path of the recording without its suffix."""
    known = {path.with_suffix("") for path in recordings}
    found: dict[Path, str] = {}
    faults = Faults(str(folder), "transcript")
    for file in files:
        if not file.name.endswith(_LIBRISPEECH):
            continue
        for number, line in enumerate(read_lines(file, str(file)), start=1):
            name, _, words = line.strip().partition(" ")
            if not name:
                continue
            where = f"{file.relative_to(folder)}, line {number:,}"
            if file.parent / name not in known:
                faults.add(where, f"there is no recording '{name}' beside it")
            elif file.parent / name in found:
                faults.add(where, f"'{name}' has a transcript already")
            found[file.parent / name] = words
    faults.raise_if_any("add the recordings, or take these lines out")
    return found
