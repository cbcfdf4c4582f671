"""Opening a table of series: its delimiter, its header, its split of a hub data set."""

from __future__ import annotations

import logging
from pathlib import Path

from recurra.config import ForecastDataConfig
from recurra.data.hub import HubTable, is_hub
from recurra.data.numbers import are_numbers, mostly_numbers
from recurra.data.table import Table, is_delimited, read_table
from recurra.data.text import hub_splits, open_one
from recurra.data.time_reading import are_dates, mostly_times
from recurra.errors import DataError, SettingsError

__all__ = ["open_series"]

_log = logging.getLogger("recurra")
_PEEK = 200


def open_series(config: ForecastDataConfig, other: str | None = None) -> Table:
    """Open a table of series, for training or another.

    Args:
        config: what was told about the data.
        other: another file than `config.data`; of a hub data set the test split, if it has one.

    Raises:
        DataError: the source is missing, empty, of unknown form, or malformed where it begins.
        SettingsError: the delimiter would have no effect.
        MissingExtraError: a hub data set, and the `datasets` library is not installed.
    """
    source = config.data if other is None else other
    if is_hub(source):
        if config.delimiter is not None and other is None:
            raise SettingsError(f"option 'delimiter' would have no effect: {source} is a data set of the hub")
        table = _open_hub(source) if other is None else open_one(source, None, None)
        return table.flattened() if isinstance(table, HubTable) else table
    if source and Path(source).is_dir():
        raise DataError(f"{source}: expected a file of series, found a folder")
    # A delimiter told of the training file is not meant for a file of another form.
    delimiter = config.delimiter if other is None or is_delimited(source, config.delimiter) else None
    header = _first_row_names_columns(source, delimiter) if is_delimited(source, delimiter) else None
    return read_table(source, delimiter=delimiter, header=header)


def _open_hub(source: str) -> HubTable:
    splits = hub_splits(source)
    if "train" not in splits:
        raise DataError(f"{source}: expected a split called train, found {', '.join(splits)}; nothing to train on")
    others = [split for split in splits if split != "train"]
    if others:
        _log.info("%s: time divides its split train; %s not used", source, " and ".join(others))
    return splits["train"]


def _first_row_names_columns(source: str, delimiter: str | None) -> bool | None:
    """Return whether the first row of a delimited file of series names its columns, and log why.

    A name may be a number here (the 321 columns of a well-known data set are called 0 to 319 and OT): the first row is
    a header where it stands above dates and is none or, in a table without dates, above numbers and is none.

    Args:
        source: the file.
        delimiter: as for :func:`recurra.data.table.read_table`.

    Returns:
        None where a single row, or rows of text, do not say.

    Raises:
        DataError: the file is missing, empty or malformed.
    """
    table = read_table(source, delimiter=delimiter, header=False)
    rows = table.sample(_PEEK)
    if rows.height < 2:
        return None
    below = rows[1:]
    dates = [column for column in rows.columns if mostly_times(below[column], whole=False)]
    columns = dates or [column for column in rows.columns if mostly_numbers(below[column])]
    are, kind = (are_dates, "dates") if dates else (are_numbers, "numbers")
    other = [rows[column][0] for column in columns if rows[column][0] and not are(rows[column][:1]).all()]
    if not columns:
        return None
    found = f"'{other[0]}' stands above {kind}" if other else f"it holds {kind}, as those below"
    _log.info("%s: its first row is %s: %s", source, "a header" if other else "data, not a header", found)
    return bool(other)
