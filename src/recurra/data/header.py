"""Two guesses about a delimited file from its first rows: whether it has a header, and what its delimiter is."""

from __future__ import annotations

from collections.abc import Sequence

from recurra.data.names import KNOWN_NAMES

__all__ = ["DELIMITER_NAMES", "another_delimiter", "has_header"]

LONGEST_NAME = 60
MOST_WORDS = 6
DELIMITER_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}


def has_header(rows: Sequence[Sequence[str]]) -> tuple[bool, str]:
    """Return whether the first row names the columns, and why it is taken to.

    >>> has_header([["text", "label"], ["a fine film", "1"]])[0]
    True
    >>> has_header([["a fine film", "1"], ["a dull film", "0"]])
    (False, "its cell '1' is a number")
    """
    first = [cell.strip() for cell in rows[0]]
    if not any(first):
        return False, "its cells are empty"
    if all(cell.lower() in KNOWN_NAMES for cell in first):
        return True, "its cells are well-known names"
    if len(first) == 1:
        return False, "a single column has one only where it is a well-known name"
    for cell in first:
        if _is_number(cell):
            return False, f"its cell '{cell}' is a number"
        if len(cell) > LONGEST_NAME or len(cell.split()) > MOST_WORDS:
            return False, f"its cell '{cell[:30]}...' is long for a name"
    for position, cell in enumerate(first):
        if cell and any(position < len(row) and row[position].strip() == cell for row in rows[1:]):
            return False, f"its cell '{cell}' appears again below it"
    return True, "its cells are short, no numbers, and none appears again below"


def another_delimiter(lines: Sequence[str], current: str) -> str | None:
    """Return a delimiter other than the current one that splits all lines into equally many fields, if there is one.

    >>> another_delimiter(["text;label", "a fine film;1"], ",")
    ';'
    """
    lines = [line for line in lines if line.strip()]
    for delimiter in DELIMITER_NAMES:
        counts = {line.count(delimiter) for line in lines}
        if delimiter != current and len(lines) > 1 and len(counts) == 1 and counts != {0}:
            return delimiter
    return None


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return cell.lower() not in {"nan", "inf", "infinity"}
