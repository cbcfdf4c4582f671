"""recurra compare TASK DATA: which cell is best on one's data, at equal parameters or equal time."""

from __future__ import annotations

import inspect
import logging
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from recurra.cli.app import app, console, reported
from recurra.cli.train import settings_command
from recurra.config import CONFIGS

compare_app = typer.Typer(
    help="Compare cells on a file, folder or hub data set: scores, speed, memory, and what to choose.",
    no_args_is_help=True,
)
app.add_typer(compare_app, name="compare")

_OUT = "recurra-compare"
_OPTIONS: dict[str, tuple[Any, Any]] = {
    "cells": (
        None,
        Annotated[str | None, typer.Option(help="Cells, with commas; the first is the reference (default: all).")],
    ),
    "seeds": (3, Annotated[int, typer.Option(help="How many seeds each is trained with; 2 give an interval.", min=1)]),
    "equal": (
        "parameters",
        Annotated[str, typer.Option(help="What all have in common: 'parameters', by the hidden size, or 'time'.")],
    ),
    "minutes": (
        None,
        Annotated[
            float | None,
            typer.Option(help="Of training for each run, with --equal time (default: what the reference takes)."),
        ],
    ),
    "out": (Path(_OUT), Annotated[Path, typer.Option(help="Folder for report.html, compare.json and the models.")]),
    "as_json": (False, Annotated[bool, typer.Option("--json", help="Print compare.json instead of tables.")]),
}


def _compare(task: str, data: str, out: Path, as_json: bool, settings: dict[str, Any], **told: Any) -> None:
    with reported():
        from recurra.compare import make_plan, numbers, print_comparison, run_compare
        from recurra.compare.training import NUMBERS
        from recurra.files import to_json
        from recurra.progress import ProgressLine
        from recurra.tasks import TASKS

        plan = make_plan(task, data, out=out, **told, **settings)
        told_all = logging.getLogger("recurra").level <= logging.INFO
        callbacks = [ProgressLine(console(stderr=True), TASKS[task])] if told_all else []
        try:
            found = run_compare(plan, callbacks)
        except KeyboardInterrupt:
            some = (out / NUMBERS).exists()
            kept = f"the runs that were finished are in {out}" if some else "no run was finished"
            typer.echo(f"stopped by Ctrl-C: no report was written; {kept}", err=True)
            raise typer.Exit(130) from None
        if as_json:
            typer.echo(to_json(numbers(found)))
        else:
            print_comparison(found, console())


_PARAMETERS = [
    inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
    for name, (default, annotation) in _OPTIONS.items()
]
for _name, _config in CONFIGS.items():
    _summary = f"Compare cells of the task {_name}: scores with intervals, parameters, speed, memory, gradient lag."
    compare_app.command(_name)(
        settings_command(_config, _PARAMETERS, partial(_compare, _name), _summary, left_out=("cell", "tensorboard"))
    )
