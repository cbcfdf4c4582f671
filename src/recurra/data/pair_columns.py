"""Which column is translated, and into which, when not told; and whether a first row names them."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from recurra.data.columns import is_numeric, listed_columns, note_unfit, require_column, say_found
from recurra.data.header import has_header
from recurra.data.names import KNOWN_NAMES, LANGUAGE_CODES, PAIR_NAMES
from recurra.data.parallel import ParallelTable
from recurra.data.table import Table, read_table
from recurra.errors import DataError

__all__ = ["PairColumns", "find_pair_columns", "find_source_column", "first_row_is_header"]

_log = logging.getLogger("recurra")
_PEEK = 200
_NAME = re.compile(r"[^\W\d_][\w /#-]*")
_SINGLE = 1.5  # mean words; columns of fewer hold single words, which look as names do


class PairColumns(NamedTuple):
    """The names of the columns that are used."""

    source: str
    target: str


def find_pair_columns(table: Table, source: str | None = None, target: str | None = None) -> PairColumns:
    """Return which columns hold the source and the target; what was not told but found is logged with its reason.

    Args:
        table: where to look; its first rows are read.
        source: the column to translate from, if told.
        target: the column to translate into, if told.

    Raises:
        DataError: a named column is not there or named twice, or none, or more than one, can be meant.
    """
    for option, name in (("--source-column", source), ("--target-column", target)):
        if name is not None:
            require_column(table, name, option)
    if source is not None and source == target:
        raise DataError(f"{table.name}: column '{source}' is given as the source and as the target; name two columns")
    if isinstance(table, ParallelTable):
        source, target = table.columns
    if source is not None and target is not None:
        return PairColumns(source, target)
    if len(table.columns) == 1:
        raise DataError(
            f"{table.name}: expected two columns, found one, '{table.columns[0]}'; say what separates them "
            f"(--delimiter tab), or, in parallel text, name the file with the other side (--target)"
        )
    found, why = _find(table, source or target)
    if source is None:
        source = say_found(table, "source", (found[0] if target is None else _other(found, target), why))
    if target is None:
        target = say_found(table, "target", (_other(found, source), why))
    return PairColumns(source, target)


def find_source_column(table: Table, source: str | None = None) -> str:
    """Return which column holds the source, in a table that need not have a target.

    Args:
        table: where to look; its first rows are read.
        source: the column, if told.

    Raises:
        DataError: it is not there, or none, or more than one, can be meant.
    """
    if source is not None:
        require_column(table, source, "--source-column")
        return source
    if len(table.columns) == 1:
        return table.columns[0]
    known = _known_pair(table.columns)
    alone = [] if known is not None else [c for c in table.columns if c.strip().lower() in dict(PAIR_NAMES)]
    if len(alone) == 1:
        return say_found(table, "source", (alone[0], "a well-known name"))
    found, why = _find(table, None, least=1)
    return say_found(table, "source", (found[0], why))


def _find(table: Table, told: str | None, least: int = 2) -> tuple[tuple[str, ...], str]:
    """Return the source and the target, or all texts if they are fewer, and why they are taken for that."""
    known = _known_pair(table.columns)
    if known is not None and (told is None or told in known):
        return known, "well-known names"
    if len(table.columns) == 2:
        return table.columns, "there are two columns, the source first"
    sample = table.sample()
    note_unfit(table, sample)
    texts = tuple(
        column
        for column in sample.columns
        if column == told or (sample[column].null_count() < sample.height and not is_numeric(sample[column]))
    )
    if not least <= len(texts) <= 2:
        remedy = "name them with --source-column and --target-column"
        raise DataError(
            f"{table.name}: expected two columns of text, found {len(texts)}; {listed_columns(table)}; {remedy}"
        )
    return texts, "the only columns of text, the source first" if len(texts) == 2 else "the only column of text"


def _other(pair: Sequence[str], told: str) -> str:
    return pair[1] if pair[0] == told else pair[0]


def _known_pair(columns: Iterable[str]) -> tuple[str, str] | None:
    """Return the two columns whose names say that they belong together; of languages, in the order of the table."""
    names = {column.strip().lower(): column for column in reversed(list(columns))}
    for source, target in PAIR_NAMES:
        if source in names and target in names:
            return names[source], names[target]
    languages = {name: column for name, column in reversed(names.items()) if _language(name) in LANGUAGE_CODES}
    if len(languages) > 2:
        languages.pop("id", None)  # Indonesian, but more often a number
    pair = tuple(languages.values())
    return (pair[0], pair[1]) if len(pair) == 2 else None


def _language(name: str) -> str:
    """Return the language of a name such as "en", "pt-br" or "translation.fr"."""
    return re.split(r"[-_]", name.rpartition(".")[2])[0]


def first_row_is_header(source: str, delimiter: str | None, trained: Collection[str] = ()) -> bool:
    """Return whether the first row of a delimited file of pairs names its columns, and log why.

    A first pair often looks like names ("Hello", "Bonjour"): short, and found nowhere below. So it is data unless more
    speaks for names.

    Args:
        source: the file.
        delimiter: as for :func:`recurra.data.table.read_table`.
        trained: the columns of the training data.

    Raises:
        DataError: the file is missing, empty or malformed.
    """
    table = read_table(source, delimiter=delimiter, header=False)
    rows = [[cell or "" for cell in row] for row in table.sample(_PEEK).iter_rows()]
    found, why = _names_columns(rows, trained)
    _log.info("%s: its first row is %s: %s", table.name, "a header" if found else "data, not a header", why)
    return found


def _names_columns(rows: Sequence[Sequence[str]], trained: Collection[str]) -> tuple[bool, str]:
    first = [cell.strip() for cell in rows[0]]
    known = next((cell for cell in first if cell in trained), None)
    if known is not None:
        return True, f"its cell '{known}' is the name of a column in training"
    if _known_pair(first) is not None or all(cell.lower() in KNOWN_NAMES for cell in first):
        return True, "its cells are well-known names"
    if len(rows) == 1:
        return False, "there is no other"
    found, why = has_header(rows)
    if not found:
        return found, why
    for position, cell in enumerate(first):
        if cell and not _NAME.fullmatch(cell):
            return False, f"its cell '{cell}' is not written as a name"
        below = {word.lower() for row in rows[1:] for word in row[position].split()}
        again = next((word for word in cell.lower().split() if word in below), None)
        if again is not None:
            return False, f"its word '{again}' appears again below it"
    words = [sum(len(row[position].split()) for row in rows[1:]) for position in range(len(first))]
    if max(words) < _SINGLE * len(rows[1:]):
        return False, "the columns hold single words, as it does"
    return True, "its cells are written as names, and none of their words appears again below"
