"""Scores on a terminal, each beside its baselines; and sentences and tables of any kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from recurra.tables import ScoreTable
from recurra.tasks.base import Task

__all__ = ["print_scores", "print_table", "print_titled", "say"]


def print_scores(console: Console, task: Task, scores: Mapping[str, Any], title: str, full: bool = True) -> None:
    """Print the scores of a task's `evaluate`; with `full` the details too."""
    summary, *details = task.tables(scores, title, full)
    print_table(console, summary)
    for remark in task.remarks(scores):
        console.print(escape(remark), soft_wrap=True)
    for table in details:
        print_table(console, table)


def print_table(console: Console, table: ScoreTable) -> None:
    """Print a table; one without rows is its title alone."""
    if not table.rows:
        console.print(escape(table.title), soft_wrap=True)
        return
    drawn = Table(title=escape(table.title), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    first, *others = table.columns
    drawn.add_column(escape(first), overflow="fold")  # rather in pieces than cut off
    for name in others:
        drawn.add_column(escape(name), justify="right", no_wrap=True)
    for row in table.rows:
        drawn.add_row(*map(escape, row))
    console.print(drawn)


def print_titled(console: Console, title: str, columns: Sequence[str], rows: list[tuple[str, ...]]) -> None:
    """Print a table below a title that may be wider than it."""
    say(console, title, "bold")
    print_table(console, ScoreTable("", tuple(columns), rows))


def say(console: Console, text: str, style: str | None = None) -> None:
    """Print a sentence as it is; the terminal wraps it."""
    console.print(escape(text), soft_wrap=True, style=style, highlight=False)
