"""Training, validation and test pairs: given, or divided so that no text stands in two parts."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from recurra.config import TranslateDataConfig
from recurra.data.columns import require_column
from recurra.data.divide import PARTS, draw_groups, into_parts, refuse_full_shares, refuse_same_source
from recurra.data.hub import HubTable, is_hub
from recurra.data.memory import texts_in_memory
from recurra.data.pair_columns import PairColumns, find_pair_columns
from recurra.data.pairs import Hashes, PairRows, Pairs, open_pairs, read_pairs, same_everywhere, warn_of_one_text
from recurra.data.plain import MemoryTable
from recurra.data.splits import HeldOut, hub_training, open_other, reading_of_training, refuse_idle_shares
from recurra.data.table import Table
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
    return MemoryTable(name, {_X_AND_Y.source: [*kept], _X_AND_Y.target: [*given]})


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
        tables.update({part: table.flattened() for part, table in hub_training(config).items()})
    else:
        tables["train"] = open_pairs(config.data, config.target, *reading_of_training(config))
    for part in _HELD_OUT:
        source, target = getattr(config, part), getattr(config, f"{part}_target")
        if target is not None:
            tables[part] = open_pairs(source, target, None, None)
        elif source is not None:
            other = open_other(source, config, tables["train"])
            tables[part] = other.flattened() if isinstance(other, HubTable) else other
    return tables


def _read_training(table: Table, columns: PairColumns) -> PairRows:
    rows = read_pairs(table, columns)
    for column, text in same_everywhere(rows).items():
        raise DataError(
            f"{table.name}: column '{column}' holds the same text in each of the {len(rows):,} rows: {text[:60]!r}; "
            f"there is nothing to learn; name another column, or give other pairs"
        )
    return rows


def _parts(rows: PairRows, given: Mapping[str, PairRows], shares: Mapping[str, float], seed: int) -> PairSplits:
    of_row = divide_pairs(rows, shares, np.random.default_rng(seed)) if shares else np.zeros(len(rows), np.uint8)
    name = rows.table.name
    parts = {part: rows.pairs(of_row, PARTS[part], f"{name} ({part})") for part in ("train", *shares)}
    if not shares:
        parts["train"] = rows.pairs()
    for part, other in given.items():
        parts[part] = other.pairs()
        _note_given(other, rows.sources[of_row == PARTS["train"]])
    return PairSplits(parts["train"], parts["valid"], parts.get("test"))


def _note_given(given: PairRows, trained: Hashes) -> None:
    """Warn of what makes a score on given pairs say less than it seems to."""
    common = int(np.isin(given.sources, trained).sum())
    if common:
        _log.warning(
            "%s: %s of its %s pairs have a source text that stands in training too; a score on them is partly one of "
            "memory; take them out of one of the two",
            given.table.name,
            f"{common:,}",
            f"{len(given):,}",
        )
    warn_of_one_text(given)


def divide_pairs(rows: PairRows, shares: Mapping[str, float], generator: np.random.Generator) -> NDArray[np.uint8]:
    """Return the part of each row, as a value of `PARTS`: whole groups of rows that share a text are drawn.

    Args:
        rows: the pairs.
        shares: the share of the rows that each part but "train" gets, reached as nearly as the groups allow.
        generator: what draws them.

    Raises:
        DataError: fewer groups than parts.
    """
    need = 1 + len(shares)
    groups = _groups(rows, need)
    sizes = np.bincount(groups)
    if len(sizes) < need:
        raise DataError(
            f"{rows.table.name}: expected at least {need} different source texts, to be divided into "
            f"{into_parts(shares)}, found {len(sizes)}; add pairs, or give validation and test pairs of their own"
        )
    of_row: NDArray[np.uint8] = draw_groups(sizes, shares, generator)[groups]
    counts = np.bincount(of_row, minlength=len(PARTS))
    said = " and ".join(f"{counts[PARTS[part]]:,} for {part}" for part in shares)
    _log.info("%s: split off its rows, by seed: %s", rows.table.name, said)
    return of_row


def _groups(rows: PairRows, need: int) -> NDArray[np.int64]:
    """Return the group of each row: those connected by the texts that they share, or those with the same source."""
    sources: NDArray[np.int64] = np.unique(rows.sources, return_inverse=True)[1]
    targets: NDArray[np.int64] = np.unique(rows.targets, return_inverse=True)[1] + sources.max() + 1
    nodes = int(targets.max()) + 1
    edges = csr_matrix((np.ones(len(rows), np.int8), (sources, targets)), shape=(nodes, nodes))
    count, of_node = connected_components(edges, directed=False)
    groups: NDArray[np.int64] = of_node[sources]
    largest = int(np.bincount(groups).max())
    too_large = largest > _LARGEST * len(rows) and largest > np.bincount(sources).max()
    if too_large or count < need:
        _log.info(
            "%s: %s of its %s pairs hang together by texts that they share, so they are divided by source text alone: "
            "a target may stand in two parts",
            rows.table.name,
            f"{largest:,}",
            f"{len(rows):,}",
        )
        groups = sources
    # Numbered by their first rows: what is drawn depends on the seed and the texts, and not on how these are hashed.
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    ranks: NDArray[np.int64] = first.argsort().argsort()
    return ranks[inverse]
