"""Training, validation and test pairs: given, or divided so that no text stands in two parts."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from recurra.config import TranslateDataConfig
from recurra.data.columns import require_column
from recurra.data.divide import PARTS, refuse_full_shares, refuse_same_source
from recurra.data.hub import is_hub
from recurra.data.memory import texts_in_memory
from recurra.data.pair_columns import PairColumns, find_pair_columns
from recurra.data.pairs import Hashes, PairRows, Pairs, open_pairs, read_pairs, same_everywhere
from recurra.data.parallel import ParallelTable
from recurra.data.plain import MemoryTable
from recurra.data.splits import HeldOut, open_other, refuse_idle_shares
from recurra.data.table import Table, is_delimited
from recurra.data.text import hub_splits
from recurra.errors import DataError, SettingsError

__all__ = ["PairSplits", "divide_pairs", "load_pair_splits", "pairs_in_memory"]

_log = logging.getLogger("recurra")
_HELD_OUT: tuple[HeldOut, ...] = ("valid", "test")
_LARGEST = 0.1  # of the rows; if more hang together, they are divided by source text alone
_X_AND_Y = PairColumns("X", "y")


class PairSplits(NamedTuple):
    """The pairs of a run by what they are for."""

    train: Pairs
    valid: Pairs
    test: Pairs | None


def load_pair_splits(config: TranslateDataConfig, seed: int) -> PairSplits:
    """Open the pairs of a run: from files given, splits of the hub, or split off the training pairs.

    What is split off is drawn with the seed, all pairs that share a source or a target text together, so that no text
    stands in two parts; where more than a tenth of the pairs hang together in this way, as when targets are "yes" and
    "no", all pairs that share a source text. All is read once, so that a fault is known before training begins.

    Args:
        config: what was told about the data.
        seed: seed of the division.

    Raises:
        DataError: a source is missing, malformed, given twice, has empty sides, or cannot be learnt from or divided.
        SettingsError: an option has no effect on these sources, or one is missing, or the shares leave nothing to
            train on.
        MissingExtraError: a hub data set, and the `datasets` library is not installed.
    """
    refuse_full_shares(config.valid_share, config.test_share)
    refuse_same_source(config.data, config.valid, config.test)
    if config.target is not None:
        refuse_same_source(config.target, config.valid_target, config.test_target)
        _require_targets(config)
    tables = _open_tables(config)
    table = tables.pop("train")
    columns = find_pair_columns(table, config.source_column, config.target_column)
    for other in tables.values():
        require_column(other, columns.source, f"the source column of {table.name}")
        require_column(other, columns.target, f"the target column of {table.name}")
    rows = _read_training(table, columns)
    given = {part: read_pairs(other, columns) for part, other in tables.items()}
    missing = [part for part in _HELD_OUT if part not in given and getattr(config, f"{part}_share")]
    refuse_idle_shares(config, missing)
    return _parts(rows, given, {part: getattr(config, f"{part}_share") for part in missing}, seed)


def pairs_in_memory(
    sources: Sequence[str],
    targets: Sequence[str],
    validation: tuple[Sequence[str], Sequence[str]] | None,
    valid_share: float,
    seed: int,
) -> PairSplits:
    """Return training and validation pairs from lists.

    Args:
        sources: n texts, called X in messages.
        targets: their n targets, called y in messages.
        validation: sources and targets; a share of the pairs, divided as those of a file are, when None.
        valid_share: that share.
        seed: of the division.

    Raises:
        DataError: sources and targets do not fit together, a side is empty, or there are too few pairs.
    """
    rows = _read_training(_in_memory(sources, targets, ("X", "y"), "X and y"), _X_AND_Y)
    if validation is None:
        return _parts(rows, {}, {"valid": valid_share}, seed)
    names = ("validation_data[0]", "validation_data[1]")
    valid = read_pairs(_in_memory(*validation, names, "validation_data"), _X_AND_Y)
    return _parts(rows, {"valid": valid}, {}, seed)


def _in_memory(sources: Sequence[str], targets: Sequence[str], names: tuple[str, str], name: str) -> Table:
    kept, given = texts_in_memory(sources, names[0]), texts_in_memory(targets, names[1])
    if len(kept) != len(given):
        raise DataError(f"{names[1]}: expected a target for each of the {len(kept):,} sources, found {len(given):,}")
    return MemoryTable(name, dict(zip(_X_AND_Y, (kept, given))))


def _require_targets(config: TranslateDataConfig) -> None:
    for part in _HELD_OUT:
        source = getattr(config, part)
        if source is not None and not is_hub(source) and getattr(config, f"{part}_target") is None:
            raise SettingsError(
                f"option '{part}' ({source}): expected '{part}_target' too, as the training pairs are parallel text"
            )


def _open_tables(config: TranslateDataConfig) -> dict[str, Table]:
    """The parts that have files or a split of their own."""
    tables: dict[str, Table] = {}
    if is_hub(config.data) and config.target is None:
        _refuse_idle_delimiter(config)
        tables = {part: table.flattened() for part, table in hub_splits(config.data).items()}
        if "train" not in tables:
            raise DataError(f"{config.data}: expected a split called train, found {', '.join(tables)}")
    else:
        tables["train"] = open_pairs(config.data, config.target, config.delimiter, config.header)
    for part in _HELD_OUT:
        source, target = getattr(config, part), getattr(config, f"{part}_target")
        if target is not None:
            tables[part] = open_pairs(source, target, None, None)
        elif source is not None:
            tables[part] = _flat(open_other(source, config, tables["train"]))
    return tables
