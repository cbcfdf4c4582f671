"""Training, validation and test examples from what the configuration names."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from recurra.config import ClassifyDataConfig, FilesConfig, TranscribeDataConfig, TranslateDataConfig
from recurra.data import divide
from recurra.data.columns import Columns, find_columns, require_column
from recurra.data.faults import listed
from recurra.data.hub import HubTable, is_hub
from recurra.data.names import SPLIT_NAMES
from recurra.data.table import Table, is_delimited, read_table
from recurra.data.text import Part, Texts, hub_splits, open_one
from recurra.errors import DataError, SettingsError

__all__ = [
    "HeldOut",
    "Splits",
    "TableDataConfig",
    "Training",
    "divide_training",
    "find_split_column",
    "hub_training",
    "labels_hidden",
    "load_splits",
    "open_other",
    "open_training",
    "reading_of_training",
    "refuse_idle_shares",
    "refuse_unseen",
    "split_column",
]

_log = logging.getLogger("recurra")
HeldOut = Literal["valid", "test"]
TableDataConfig = ClassifyDataConfig | TranslateDataConfig | TranscribeDataConfig
_HELD_OUT: tuple[HeldOut, ...] = ("valid", "test")


class Splits(NamedTuple):
    """The examples of a run by what they are for."""

    train: Texts
    valid: Texts
    test: Texts | None


class Training(NamedTuple):
    """The table with the training examples, and the splits of its hub data set, if it is of one."""

    table: Table
    hub: dict[str, HubTable]


def load_splits(config: ClassifyDataConfig, seed: int, training: Training | None = None) -> Splits:
    """Open the examples of a run: from files given, a split column, splits of the hub, or split off the training rows.

    Rows split off are drawn with the seed, from each class its share, at least one. All is read once, so that a fault
    is known before training begins.

    Args:
        config: what was told about the data.
        seed: seed of the division.
        training: of :func:`open_training`, if it is open already.

    Raises:
        DataError: a source is missing or malformed, its classes cannot be learnt from or divided, or parts overlap.
        SettingsError: an option has no effect on these sources, or the shares leave nothing to train on.
        MissingExtraError: a hub data set, and the `datasets` library is not installed.
    """
    divide.refuse_full_shares(config.valid_share, config.test_share)
    divide.refuse_same_source(config.data, config.valid, config.test)
    table, hub = open_training(config) if training is None else training
    dividing, sure = split_column(table, config)
    columns = find_columns(table, config.text_column, config.label_column, "required", (dividing or "",))
    assert columns.label is not None
    given = _open_given(config, table, hub, columns)
    rows = divide.read_rows(table, columns, dividing, sure)
    divide_training(rows, columns.label, config, given, seed)
    whole = not np.any(rows.parts)
    parts = {
        part: Texts(
            table,
            columns,
            name=table.name if part == "train" and whole else f"{table.name} ({part})",
            part=Part(rows.parts, divide.PARTS[part], rows.counts(part)),
        )
        for part in divide.PARTS
        if part not in given and rows.counts(part)
    }
    splits = Splits(parts["train"], given.get("valid") or parts["valid"], given.get("test") or parts.get("test"))
    others = {texts.name: texts.label_counts() for texts in (splits.valid, splits.test) if texts is not None}
    refuse_unseen(splits.train.name, splits.train.label_counts(), others)
    return splits


def divide_training(
    rows: divide.Rows,
    label: str | None,
    config: ClassifyDataConfig,
    given: Collection[str],
    seed: int,
    kind: str = "rows",
) -> None:
    """Split validation and test examples off the training ones, where there are none yet.

    Args:
        rows: the examples; their `parts` are changed.
        label: the name of the label column; None where the form of the file says which one it is.
        config: with the shares.
        given: the parts that have a source of their own.
        seed: of what is drawn.
        kind: what messages call the examples.

    Raises:
        DataError: no examples to train on, one class alone, or one that is too small to be divided.
        SettingsError: a share was told of a part that has examples of its own.
    """
    missing = [part for part in _HELD_OUT if part not in given and not rows.counts(part)]
    if config.test_share == 0 and "test" in missing:
        missing.remove("test")
    _check_training(rows, label, kind)
    refuse_idle_shares(config, missing)
    if missing:
        shares = {"valid": config.valid_share, "test": config.test_share}
        divide.split_off(rows, {part: shares[part] for part in missing}, np.random.default_rng(seed))
        drawn = " and ".join(f"{sum(rows.counts(part).values()):,} for {part}" for part in missing)
        _log.info("%s: split off its %s, by class and seed: %s", rows.name, kind, drawn)


def refuse_idle_shares(config: FilesConfig, missing: Sequence[HeldOut]) -> None:
    """Require that a share that was told is of a part that is split off.

    Raises:
        SettingsError: the part has examples of its own.
    """
    for part in _HELD_OUT:
        option = f"{part}_share"
        share = getattr(config, option)
        if option in config.model_fields_set and share and part not in missing:
            raise SettingsError(
                f"option '{option}' ({share}) would have no effect: the data have their own {part} examples"
            )


def open_training(config: ClassifyDataConfig) -> Training:
    """Open the training table; errors as :func:`recurra.data.table.read_table` and :func:`hub_training`."""
    if is_hub(config.data):
        hub = hub_training(config)
        return Training(hub["train"], dict(hub))
    delimiter, header = reading_of_training(config)
    return Training(read_table(config.data, delimiter=delimiter, header=header), {})


def hub_training(config: ClassifyDataConfig | TranslateDataConfig) -> dict[str, HubTable]:
    """Return the splits of a hub data set, one of them for training.

    Raises:
        DataError: there is none for training.
        SettingsError: there is a delimiter, which no source has.
    """
    if config.delimiter is not None and not _others_delimited(config):
        raise SettingsError(f"option 'delimiter' would have no effect: {config.data} is a data set of the hub")
    hub = hub_splits(config.data)
    if "train" not in hub:
        raise DataError(f"{config.data}: expected a split called train, found {', '.join(hub)}; nothing to train on")
    return hub


def reading_of_training(config: TableDataConfig) -> tuple[str | None, bool | None]:
    """Return the delimiter and the header that are meant for a training file.

    They may be meant for the other files alone, such as a .csv test beside .parquet training data.
    """
    meant = is_delimited(config.data, config.delimiter) or not _others_delimited(config)
    return (config.delimiter, config.header) if meant else (None, None)


def _others_delimited(config: TableDataConfig) -> bool:
    return any(is_delimited(other, config.delimiter) for other in (config.valid, config.test) if other is not None)


def split_column(table: Table, config: ClassifyDataConfig) -> tuple[str | None, bool]:
    """Return the column that divides labelled rows, as :func:`find_split_column`."""
    taken = (config.text_column, config.label_column, config.id_column)
    return find_split_column(table, config.split_column, taken, config.valid is not None or config.test is not None)


def find_split_column(
    table: Table, told: str | None, taken: Collection[str | None], given: bool
) -> tuple[str | None, bool]:
    """Return the column that divides the rows, if any, and whether it was named rather than guessed.

    Args:
        table: where to look; its first rows are read.
        told: the column, if told.
        taken: columns that hold something else.
        given: whether validation or test examples are given, so that a guess is of no use.

    Raises:
        DataError: the column told is not there.
    """
    if told is not None:
        require_column(table, told, "--split-column")
        return told, True
    found = next((column for column in table.columns if column.strip().lower() == "split"), None)
    if found is None or found in taken:
        return None, False
    values = table.sample()
    if found not in values.columns or not all((v or "").strip().lower() in SPLIT_NAMES for v in values[found]):
        return None, False
    if given:
        _log.warning("%s: its column '%s' is not used, as --valid or --test is given", table.name, found)
        return None, False
    return found, False


def _open_given(
    config: ClassifyDataConfig, table: Table, hub: dict[str, HubTable], columns: Columns
) -> dict[str, Texts]:
    given: dict[str, Texts] = {}
    for part, source in (("valid", config.valid), ("test", config.test)):
        if source is not None:
            other = open_other(source, config, table)
        elif part in hub and not labels_hidden(hub[part], columns.label):
            other = hub[part]
        else:
            continue
        require_column(other, columns.text, f"the text column of {table.name}")
        require_column(other, columns.label or "", f"the label column of {table.name}")
        given[part] = Texts(other, columns)
        given[part].check()
    return given


def open_other(source: str, config: ClassifyDataConfig | TranslateDataConfig, table: Table) -> Table:
    """Open a file for validation or test, read as the training table is."""
    delimited = is_delimited(source, config.delimiter)
    header = config.header if config.header is not None else table.has_header
    return open_one(source, config.delimiter if delimited else None, header if delimited else None)


def labels_hidden(table: HubTable, label: str | None) -> bool:
    """Return whether a hub split keeps its labels secret, as those of competitions do."""
    if label not in table.columns:
        return False
    hidden = all(frame[label].null_count() == frame.height for frame in table.chunks([label]))
    if hidden:
        _log.info("%s: not used, as none of its labels is known", table.name)
    return hidden


def _check_training(rows: divide.Rows, label: str | None, kind: str) -> None:
    counts = rows.counts("train")
    if not counts:
        raise DataError(f"{rows.name}: expected {kind} to train on, found none; mark some as train, or give more")
    if len(counts) == 1:
        only, count = next(iter(counts.items()))
        column, other = ("", "") if label is None else (f" in column '{label}'", ", or name another --label-column")
        raise DataError(
            f"{rows.name}: expected at least two classes{column} of the training {kind}, "
            f"found one: '{only}' ({count:,} {kind}); add {kind} of another class{other}"
        )


def refuse_unseen(name: str, known: Mapping[str, int], others: Mapping[str, Mapping[str, int]]) -> None:
    """Require that the other parts have no class that the training examples have not.

    Args:
        name: what messages call the training examples.
        known: how many of these each class has.
        others: the same of the other parts, by what messages call them.

    Raises:
        DataError: they have; all such classes are listed.
    """
    unseen = [
        f"'{label}': {count:,} in {other}"
        for other, counts in others.items()
        for label, count in counts.items()
        if label not in known
    ]
    if unseen:
        raise DataError(
            f"{name}: classes that are never seen in training (its classes: {_some(list(known))}):\n"
            f"{listed(unseen)}\nadd examples of them to the training data, correct the labels, or take them out"
        )


def _some(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:10])
    return shown if len(names) <= 10 else f"{shown} and {len(names) - 10} more"
