"""Training, validation and test series, each with its class, from what the configuration names."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import NamedTuple

import numpy as np

from recurra.config import ClassifyDataConfig
from recurra.data import divide
from recurra.data.columns import LabelNeed
from recurra.data.labelled_series import LabelledSeries, SeriesOrigin, channels_counted
from recurra.data.labelled_series_columns import find_labelled_columns
from recurra.data.labelled_series_tables import read_series_table
from recurra.data.splits import (
    Training,
    divide_training,
    labels_hidden,
    open_other,
    open_training,
    refuse_unseen,
    split_column,
)
from recurra.data.table import Table, is_delimited
from recurra.data.text import open_one
from recurra.data.ts_file import is_ts, read_ts
from recurra.errors import DataError, SettingsError

__all__ = ["SeriesSplits", "Trained", "load_labelled_series", "load_series_splits", "require_channels"]

_log = logging.getLogger("recurra")
_LABELLED = {"required": True, "optional": None, "no": False}


class SeriesSplits(NamedTuple):
    """The series of a run by what they are for."""

    train: LabelledSeries
    valid: LabelledSeries
    test: LabelledSeries | None


class Trained(NamedTuple):
    """How the training series were read, and their channels: what other series must have."""

    origin: SeriesOrigin
    channels: tuple[str, ...]


def load_labelled_series(
    source: str,
    trained: Trained | None = None,
    *,
    id_column: str | None = None,
    label_column: str | None = None,
    delimiter: str | None = None,
    header: bool | None = None,
    labels: LabelNeed = "required",
) -> LabelledSeries:
    """Read series of a `.ts` file or a table.

    Args:
        source: a file, or hf:owner/name[:config] (its test split, if it has one).
        trained: what they must have in common with the training series.
        id_column: the column that tells series apart, where each row is a step [default: found, and logged].
        label_column: the column with the label [default: as in training, or found and logged].
        delimiter: as for :func:`recurra.data.table.read_table`.
        header: as for :func:`recurra.data.table.read_table`.
        labels: whether a label is required, taken where there is one, or not wanted.

    Raises:
        DataError: the source is missing, malformed, or has not the columns or channels needed.
        SettingsError: an option would have no effect.
        MissingExtraError: a hub data set, and the `datasets` library is not installed.
    """
    if is_ts(source):
        _refuse_of_tables(source, id_column=id_column, label_column=label_column, delimiter=delimiter, header=header)
        series = read_ts(Path(source), _LABELLED[labels])
    else:
        table = open_one(source, delimiter, header)
        columns = find_labelled_columns(table, id_column, label_column, labels, (), trained)
        series = read_series_table(table, columns, (None, False))
    if trained is not None:
        require_channels(series, trained)
    return series


def load_series_splits(config: ClassifyDataConfig, seed: int, training: Training | None = None) -> SeriesSplits:
    """Read the series of a run, divided as :func:`recurra.data.splits.load_splits` divides texts.

    Args:
        config: what was told about the data.
        seed: of the division.
        training: of :func:`recurra.data.splits.open_training`, if it is open already.

    Raises:
        DataError: a source is missing or malformed, its classes cannot be learnt from or divided, or parts overlap.
        SettingsError: an option has no effect on these sources, or the shares leave nothing to train on.
        MissingExtraError: a hub data set, and the `datasets` library is not installed.
    """
    divide.refuse_full_shares(config.valid_share, config.test_share)
    divide.refuse_same_source(config.data, config.valid, config.test)
    table = None
    if is_ts(config.data):
        _refuse_of_files(config)
        series = read_ts(Path(config.data), True)
    else:
        training = training or open_training(config)
        table = training.table
        dividing = split_column(table, config)
        exclude = () if dividing[0] is None else (dividing[0],)
        columns = find_labelled_columns(table, config.id_column, config.label_column, "required", exclude)
        series = read_series_table(table, columns, dividing)
    assert series.labels is not None
    given = _open_given(config, series, table, training)
    classes, codes = np.unique(series.labels, return_inverse=True)
    parts = np.zeros(len(series), np.uint8) if series.parts is None else series.parts
    rows = divide.Rows(series.name, classes.tolist(), codes.astype(np.int32), parts)
    divide_training(rows, series.origin.label_column, config, given, seed, "series")
    taken = {
        part: series.taken(np.flatnonzero(rows.parts == number), f"{series.name} ({part})")
        for part, number in divide.PARTS.items()
        if part not in given and rows.counts(part)
    }
    found = {**taken, **given}
    others = {found[part].name: found[part].label_counts() for part in ("valid", "test") if part in found}
    refuse_unseen(found["train"].name, found["train"].label_counts(), others)
    return SeriesSplits(found["train"], found["valid"], found.get("test"))


def _open_given(
    config: ClassifyDataConfig, series: LabelledSeries, table: Table | None, training: Training | None
) -> dict[str, LabelledSeries]:
    """The validation and test series that have a source of their own."""
    given: dict[str, LabelledSeries] = {}
    trained = Trained(series.origin, series.channels)
    for part, source in (("valid", config.valid), ("test", config.test)):
        hub = training.hub.get(part) if training is not None else None
        if source is None and (hub is None or labels_hidden(hub, series.origin.label_column)):
            continue
        if source is not None and is_ts(source):
            read = read_ts(Path(source), True)
        else:
            other = hub if source is None else _open_other(source, config, table)
            assert other is not None
            columns = find_labelled_columns(other, config.id_column, config.label_column, "required", (), trained)
            read = read_series_table(other, columns, (None, False))
        require_channels(read, trained)
        given[part] = read
    return given


def _open_other(source: str, config: ClassifyDataConfig, table: Table | None) -> Table:
    if table is not None:
        return open_other(source, config, table)
    delimited = is_delimited(source, config.delimiter)
    return open_one(source, config.delimiter if delimited else None, config.header if delimited else None)


def require_channels(series: LabelledSeries, trained: Trained) -> None:
    """Require that series have the channels of training.

    Raises:
        DataError: they have others.
    """
    if series.channels != trained.channels:
        wanted, found = (", ".join(names) for names in (trained.channels, series.channels))
        raise DataError(
            f"{series.name}: expected series of {channels_counted(len(trained.channels))}, as in training ({wanted}), "
            f"found {len(series.channels)} ({found})"
        )


def _refuse_of_files(config: ClassifyDataConfig) -> None:
    """Refuse what says how a table is read, where the files are none."""
    others = [source for source in (config.valid, config.test) if source is not None]
    tables = [source for source in others if not is_ts(source)]
    told: dict[str, object] = {"split_column": config.split_column}
    if not tables:
        told |= {"id_column": config.id_column, "label_column": config.label_column}
    if not any(is_delimited(source, config.delimiter) for source in tables):
        told |= {"delimiter": config.delimiter, "header": config.header}
    _refuse_of_tables(config.data, **told)


def _refuse_of_tables(source: str, **options: object) -> None:
    for option, value in options.items():
        if value is not None:
            raise SettingsError(
                f"option '{option}' ({value}) would have no effect: {source} is a .ts file, whose lines are series "
                f"with the label behind"
            )
