"""Columns of tagged sentences that have names: those told, and those found among well-known ones."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence

from recurra.errors import DataError, nearest

__all__ = ["found_name", "known_or_error"]

_log = logging.getLogger("recurra")


def known_or_error(name: str, told: str | None, columns: Sequence[str], option: str) -> str | None:
    """Return the column that was told, if one was.

    Raises:
        DataError: it is not there; the nearest name and all names are given.
    """
    if told is not None and told not in columns:
        raise DataError(f"{name}: {option}: {_all(columns)}; there is no column '{told}'{nearest(told, columns)}")
    return told


def found_name(
    name: str,
    role: str,
    columns: Sequence[str],
    known: Sequence[str],
    option: str | None,
    taken: Collection[str | None] = (),
) -> str | None:
    """Return the column with a well-known name, and log which; the names are ordered from the most telling.

    Args:
        name: what messages call the file.
        role: what the column holds.
        columns: the columns that are there.
        known: the well-known names.
        option: what names it otherwise; None if it need not be there.
        taken: columns that hold something else.

    Raises:
        DataError: there is none, and there must be one.
    """
    lower = {column.strip().lower(): column for column in reversed(columns) if column not in taken}
    found = next((lower[candidate] for candidate in known if candidate in lower), None)
    if found is not None:
        _log.info("%s: the %s is column '%s': a well-known name", name, role, found)
    elif option is not None:
        raise DataError(f"{name}: found no column of the {role}; {_all(columns)}; name it with {option}")
    return found


def _all(columns: Sequence[str]) -> str:
    return f"its columns are {', '.join(repr(column) for column in columns)}"
