"""The one form in which a task hands its scores to the terminal and to the model card; and any table as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

__all__ = ["ScoreTable", "markdown", "markdown_table"]

_MARKUP = re.compile(r"([\\`*_\[\]<>|~&$])")  # what Markdown, or a table or formula in it, would read as its own


class ScoreTable(NamedTuple):
    """A table as it is shown: each row has a text for each column, the first of which names the row."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]


def markdown(table: ScoreTable) -> str:
    r"""Write a table as Markdown, its title (where it has one) as a heading of the third level, without a last newline.

    The first column stands left and the others right; what a cell says is shown as it is, be it ``*`` or ``|``.

    >>> print(markdown(ScoreTable("by tag", ("", "F1 %"), [("PRP$", "99.0"), ("a|b", "7.5")])))
    ### by tag
    <BLANKLINE>
    |  | F1 % |
    |---|---:|
    | PRP\$ | 99.0 |
    | a\|b | 7.5 |
    """
    heading = f"### {_literal(table.title)}\n\n" if table.title else ""
    return heading + markdown_table(table.columns, table.rows)


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table as Markdown, as :func:`markdown`, without a title.

    >>> print(markdown_table(["a", "b"], [["x", "1"]]))
    | a | b |
    |---|---:|
    | x | 1 |
    """
    rule = "|---" + "|---:" * (len(header) - 1) + "|"
    return "\n".join([_line(header), rule, *map(_line, rows)])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_literal, cells))} |"


def _literal(text: str) -> str:
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))
