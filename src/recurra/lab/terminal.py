"""What the lab says on a terminal: which experiments there are, and what one has found."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from recurra.lab import EXPERIMENTS
from recurra.lab.page import Finished

__all__ = ["print_experiments", "print_finished"]

_WIDE = 120  # columns of what is no terminal and has no edge to fold at


def print_experiments(console: Console) -> None:
    """Print what there is to run."""
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("experiment", no_wrap=True)
    table.add_column("minutes", justify="right")
    table.add_column("question")
    for each in EXPERIMENTS.values():
        table.add_row(each.name, f"{each.minutes:g}", escape(each.question))
    console.print(table)
    console.print(f"Run one: recurra lab {next(iter(EXPERIMENTS))}; or all of them: recurra lab all", soft_wrap=True)


def print_finished(console: Console, made: Finished) -> None:
    """Print the answer, and the table of the page."""
    if not console.is_terminal:
        console.width = max(console.width, _WIDE)
    console.print(escape(made.outcome.lead), soft_wrap=True)
    table = Table(title=escape(made.experiment.heading), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    first, *others = made.outcome.headings
    table.add_column(escape(first), overflow="fold")
    for heading in others:
        table.add_column(escape(heading), justify="right", overflow="fold")
    for row in made.outcome.rows:
        table.add_row(*map(escape, row))
    console.print(table)
