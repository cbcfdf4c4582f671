"""Training, validation and test recordings: given, named by a column, or divided so that no group is in two parts."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recurra.config import TranscribeDataConfig
from recurra.data.divide import (
    PARTS,
    accept_split_column,
    draw_groups,
    into_parts,
    parts_named,
    refuse_full_shares,
    refuse_same_source,
)
from recurra.data.faults import listed
from recurra.data.recording_columns import RecordingColumns, is_recording
from recurra.data.recordings import Recording, Recordings, load_recordings
from recurra.data.splits import HeldOut, find_split_column, reading_of_training, refuse_idle_shares
from recurra.data.table import is_delimited
from recurra.errors import DataError, SettingsError

__all__ = ["RecordingSplits", "divide_recordings", "load_recording_splits", "reading_like_training"]

_log = logging.getLogger("recurra")
_HELD_OUT: tuple[HeldOut, ...] = ("valid", "test")
_TABLE_OPTIONS = ("path_column", "text_column", "group_column")


class RecordingSplits(NamedTuple):
    """The recordings of a run by what they are for."""

    train: Recordings
    valid: Recordings
    test: Recordings | None

    def parts(self) -> dict[str, Recordings]:
        """The recordings of each part that there is."""
        parts = {"train": self.train, "valid": self.valid}
        return parts if self.test is None else {**parts, "test": self.test}


def load_recording_splits(config: TranscribeDataConfig, seed: int) -> RecordingSplits:
    """List the recordings of a run: from files given, by a split column, or split off the training recordings.

    What is split off is drawn with the seed, recording by recording or, with a group column, whole groups, so that the
    shares are reached as nearly as the groups allow.

    Args:
        config: what was told about the data.
        seed: seed of the division.

    Raises:
        DataError: a source is missing, malformed or given twice, recordings are missing, parts overlap, or there is
            too little to be divided or to learn from.
        SettingsError: an option has no effect on these sources, or the shares leave nothing to train on.
    """
    refuse_full_shares(config.valid_share, config.test_share)
    refuse_same_source(config.data, config.valid, config.test)
    delimiter, header = reading_of_training(config)
    told = {option: getattr(config, option) for option in _TABLE_OPTIONS}
    whole = load_recordings(config.data, **told, delimiter=delimiter, header=header)
    of_row = _parts_told(whole, config)
    given = {
        part: load_recordings(source, **reading_like_training(source, config), preferred=whole.columns)
        for part, source in (("valid", config.valid), ("test", config.test))
        if source is not None
    }
    missing = [
        part
        for part in _HELD_OUT
        if part not in given and not (of_row == PARTS[part]).any() and getattr(config, f"{part}_share")
    ]
    refuse_idle_shares(config, missing)
    if missing:
        shares: dict[str, float] = {part: getattr(config, f"{part}_share") for part in missing}
        train = of_row == PARTS["train"]
        of_row[train] = divide_recordings(whole.part(train, whole.name), shares, np.random.default_rng(seed))
    own = {
        part: whole.part(of_row == number, f"{whole.name} ({part})") if of_row.any() else whole
        for part, number in PARTS.items()
        if part not in given and (of_row == number).any()
    }
    splits = RecordingSplits(own["train"], given.get("valid") or own["valid"], given.get("test") or own.get("test"))
    _refuse_overlap(splits.parts())
    _refuse_one_text(splits.train)
    return splits


def reading_like_training(
    source: str, config: TranscribeDataConfig, preferred: RecordingColumns | None = None
) -> dict[str, Any]:
    """Return how :func:`load_recordings` is to read another source: as the training data, where that has an effect."""
    if Path(source).is_dir() or is_recording(source):
        return {}
    told = {option: getattr(config, option) for option in _TABLE_OPTIONS}
    if is_delimited(source, config.delimiter):
        return {**told, "delimiter": config.delimiter, "header": config.header}
    return told


def divide_recordings(
    recordings: Recordings, shares: Mapping[str, float], generator: np.random.Generator
) -> NDArray[np.uint8]:
    """Return the part of each recording, as a value of `PARTS`: whole groups are drawn, or single recordings.

    Args:
        recordings: the recordings; if one has a group, all have.
        shares: the share of the recordings that each part but "train" gets.
        generator: what draws them.

    Raises:
        DataError: fewer groups than parts.
    """
    names = [item.group or str(item.path.with_suffix("")) for item in recordings.items]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    groups = np.array([numbers[name] for name in names], np.int64)
    grouped = bool(names) and recordings.items[0].group is not None
    need = 1 + len(shares)
    if len(numbers) < need:
        what = "groups" if grouped else "recordings"
        raise DataError(
            f"{recordings.name}: expected at least {need} {what}, to be divided into {into_parts(shares)}, found "
            f"{len(numbers)}; add some, or give validation and test recordings of their own"
        )
    of_row: NDArray[np.uint8] = draw_groups(np.bincount(groups), shares, generator)[groups]
    counts = np.bincount(of_row, minlength=len(PARTS))
    said = " and ".join(f"{counts[PARTS[part]]:,} for {part}" for part in shares)
    how = f"whole groups, of {len(numbers):,}" if grouped else "at random"
    _log.info("%s: split off its recordings, %s, by seed: %s", recordings.name, how, said)
    return of_row


def _parts_told(whole: Recordings, config: TranscribeDataConfig) -> NDArray[np.uint8]:
    """Return the part that a split column names for each recording; training for all where there is none."""
    train = np.zeros(len(whole), np.uint8)
    if whole.table is None or whole.columns is None:
        if config.split_column is not None:
            raise SettingsError(
                f"option 'split_column' ({config.split_column}) would have no effect: {config.data} is no manifest"
            )
        return train
    taken = (*whole.columns, config.group_column)
    given = config.valid is not None or config.test is not None
    column, sure = find_split_column(whole.table, config.split_column, taken, given)
    if column is None:
        return train
    others: dict[str, int] = {}
    parts = np.concatenate([parts_named(frame[column], others) for frame in whole.table.chunks([column])])
    if not accept_split_column(whole.table, column, others, sure):
        return train
    if not (parts == PARTS["train"]).any():
        raise DataError(f"{whole.name}: expected rows to train on, found none; mark some as train, or give more")
    return parts


def _refuse_overlap(parts: Mapping[str, Recordings]) -> None:
    """Require that no recording, and no group, stands in two parts."""
    for (one, first), (other, second) in combinations(parts.items(), 2):
        for what, members in (("recordings", _files), ("groups", _groups)):
            common = sorted(members(first.items) & members(second.items))
            if common:
                raise DataError(
                    f"{second.name}: {what} that stand in the {one} and in the {other} data; a score would partly be "
                    f"one of memory:\n{listed(common)}\ntake them out of one of the two"
                )


def _files(items: Sequence[Recording]) -> set[str]:
    return {str(item.path.resolve()) for item in items}


def _groups(items: Sequence[Recording]) -> set[str]:
    return {item.group for item in items if item.group is not None}


def _refuse_one_text(train: Recordings) -> None:
    if len(set(train.texts())) == 1:
        raise DataError(
            f"{train.name}: expected different transcripts, found the same one for each of the {len(train):,} "
            f"recordings: '{train.items[0].text[:60]}'; there is nothing to learn; name another --text-column"
        )
