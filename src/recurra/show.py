"""Scores on a terminal, each beside its baselines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from recurra.card import score_rows

__all__ = ["print_scores"]

_MOST_CLASSES = 30


def print_scores(console: Console, scores: Mapping[str, Any], title: str, full: bool = True) -> None:
    """Print the scores of :func:`recurra.evaluate.evaluate`; with `full` the classes and the confusion matrix too."""
    model = scores["model"]
    names = ("", "accuracy %", "macro F1 %", "calibration\nerror %")
    table = _table(f"{title}: {model['examples']:,} texts", *names)
    for row in score_rows(scores):
        table.add_row(*row)
    console.print(table)
    console.print(f"over the bag of words: {_points(scores['gain'])} points of accuracy", soft_wrap=True)
    console.print(f"unknown symbols: {100 * scores['unknown_share']:.1f} %; empty texts: {scores['empty']:,}")
    if full:
        console.print(_class_table(model["per_class"]))
        if len(model["confusion"]) <= _MOST_CLASSES:
            console.print(_confusion_table(model))
        else:
            console.print(f"confusion matrix of {len(model['confusion'])} classes: see --json")


def _table(title: str, first: str, *others: str) -> Table:
    table = Table(title=escape(title), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _points(gain: Mapping[str, float]) -> str:
    value, low, high = (100 * gain[key] for key in ("value", "low", "high"))
    return f"{value:+.1f} ({low:+.1f} to {high:+.1f})"


def _class_table(rows: list[dict[str, Any]]) -> Table:
    table = _table("by class", "", "precision %", "recall %", "F1 %", "texts")
    for row in rows:
        shares = [f"{100 * row[key]:.1f}" for key in ("precision", "recall", "f1")]
        table.add_row(escape(row["class"]), *shares, f"{row['support']:,}")
    return table


def _confusion_table(model: Mapping[str, Any]) -> Table:
    names = [row["class"] for row in model["per_class"]]
    table = _table("confusion: rows true, columns predicted", "", *map(escape, names))
    for index, (name, row) in enumerate(zip(names, model["confusion"])):
        table.add_row(
            escape(name), *(f"[bold]{n:,}[/]" if index == column else f"{n:,}" for column, n in enumerate(row))
        )
    return table
