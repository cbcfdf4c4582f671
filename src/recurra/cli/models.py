"""The commands that ask a trained model: evaluate, predict, check."""

from __future__ import annotations

import contextlib
import json
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from recurra.cli.app import app, console, reported
from recurra.cli.options import ANSWERING, EVALUATING, READING, ModelArgument, takes
from recurra.errors import CheckFailed


@app.command("evaluate")
@takes(READING, EVALUATING)
def _evaluate(
    model: ModelArgument,
    data: Annotated[str, typer.Argument(help="Labelled examples: a file, folder or hf:owner/name[:config].")],
    as_json: Annotated[bool, typer.Option("--json", help="Print all scores as one JSON object.")] = False,
    **options: Any,
) -> None:
    """Score a model on labelled examples, beside its baselines."""
    with reported():
        from recurra.checkpoint import read_model
        from recurra.show import print_scores

        saved = read_model(model)
        told = saved.task.chosen((*saved.task.reading, *saved.task.evaluating), **options)
        _read_language_model(told)
        reading = {name: value for name, value in told.items() if name in saved.task.reading}
        scoring = {name: value for name, value in told.items() if name not in reading}
        examples = saved.task.load_labelled(data, **reading)
        scores = saved.task.evaluate(examples, saved.baseline, **scoring)
        if as_json:
            typer.echo(json.dumps(scores, ensure_ascii=False))
        else:
            print_scores(console(), saved.task, scores, data)


@app.command("predict")
@takes(
    {name: option for name, option in READING.items() if name not in ("label_column", "target_column", "target")},
    ANSWERING,
)
def _predict(
    model: ModelArgument,
    inputs: Annotated[
        list[str] | None, typer.Argument(help="Files, or texts (default: standard input, one text a line).")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="File to write, whole or not at all (default: print).")] = None,
    **options: Any,
) -> None:
    """Answer texts, series or recordings: JSON lines or, by a tagger, the form of file that was read."""
    with reported():
        from recurra.checkpoint import read_model
        from recurra.files import atomic_writer

        task = read_model(model).task
        told = task.chosen((*task.reading, *task.answering), **options)
        _read_language_model(told)
        if "plots" in told:
            from recurra.diagnose.forecast_plot import forecast_pictures

            told["plots"] = partial(forecast_pictures, folder=told["plots"])
        with contextlib.ExitStack() as stack:
            answers = task.predict(inputs or [], **told)
            if "attention" in told:
                from recurra.diagnose.alignment import with_pictures

                answers = with_pictures(answers, told["attention"])
            sink = stack.enter_context(atomic_writer(output)) if output is not None else sys.stdout.buffer
            for lines in answers:
                sink.write(lines.encode())
                sink.flush()


@app.command("check")
@takes(READING)
def _check(
    model: ModelArgument,
    data: Annotated[str | None, typer.Argument(help="Examples to try (default: the model's own data).")] = None,
    **options: Any,
) -> None:
    """Check a model's invariants: padding, batch, order, parity with torch.nn, gradient, stream, future, reload."""
    with reported():
        from recurra.check import check_model
        from recurra.checkpoint import read_model

        saved = read_model(model)
        reading = saved.task.chosen(saved.task.reading, **options)
        broken = []
        for finding in check_model(saved, saved.task.sequences(data, **reading)):
            mark = "ok    " if finding.holds else "BROKEN"
            typer.echo(
                f"{mark}  {finding.name:8} {finding.difference:.1e}  (allowed {finding.allowed:.0e})  {finding.what}"
            )
            broken += [] if finding.holds else [finding.name]
        if broken:
            raise CheckFailed(f"{model}: does not hold: {', '.join(broken)}")


def _read_language_model(told: dict[str, Any]) -> None:
    """Put what reads the language model that has a say in place of its name."""
    if "language_model" in told:
        from recurra.fusion import make_scorer

        told["language_model"] = partial(make_scorer, told["language_model"])
