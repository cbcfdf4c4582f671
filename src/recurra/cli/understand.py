"""The commands that look into a trained model: diagnose and explain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from recurra.cli.app import app, console, reported
from recurra.cli.options import READING, ModelArgument, takes

Out = Annotated[
    Path | None, typer.Option(help="Folder for a page, figures and JSON, whole or not at all (default: print).")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print all numbers as one JSON object.")]


@app.command("diagnose")
@takes(READING)
def _diagnose(
    model: ModelArgument,
    data: Annotated[str | None, typer.Argument(help="Labelled examples (default: the model's own data).")] = None,
    out: Out = None,
    as_json: AsJson = False,
    **options: Any,
) -> None:
    """Measure what a model remembers and forgets, how far back it learnt, and say what to do about it."""
    with reported():
        from recurra.checkpoint import read_model
        from recurra.diagnose.diagnosis import DIAGNOSE
        from recurra.diagnose.diagnosis import as_json as numbers
        from recurra.diagnose.diagnosis_figures import diagnosis_figures
        from recurra.diagnose.diagnosis_sections import diagnosis_page
        from recurra.diagnose.diagnosis_terminal import print_diagnosis
        from recurra.diagnose.measure import diagnose_model
        from recurra.files import to_json
        from recurra.pages.folder import require_report, write_report
        from recurra.pages.surroundings import machine, one_thread

        if out is not None:
            require_report(out, DIAGNOSE, "diagnosis.json")
        saved = read_model(model)
        reading = saved.task.chosen(saved.task.reading, **options)
        with one_thread():
            batches = saved.task.labelled_batches(data, **reading)
            found = diagnose_model(saved, batches, data or "the model's own validation data")
        text = to_json(numbers(found))
        if as_json:
            typer.echo(text)
        else:
            print_diagnosis(found, console())
        if out is not None:
            figures = diagnosis_figures(found)
            page = diagnosis_page(found, figures, machine())
            write_report(out, DIAGNOSE, page, ("diagnosis.json", text), figures)
            typer.echo(f"\nwritten: {out / 'report.html'}", err=as_json)


@app.command("explain")
@takes(READING)
def _explain(
    model: ModelArgument,
    given: Annotated[str, typer.Argument(metavar="INPUT", help="A text, or a file of texts, series or recordings.")],
    item: Annotated[int, typer.Option(min=1, help="Which text, series or recording of a file, from 1.")] = 1,
    out: Out = None,
    as_json: AsJson = False,
    **options: Any,
) -> None:
    """Show what in an input moved a model's answer, how the answer formed, and what the units did."""
    with reported():
        from recurra.checkpoint import read_model
        from recurra.diagnose.explain import explain
        from recurra.diagnose.explained import EXPLAIN
        from recurra.diagnose.explained import as_json as numbers
        from recurra.diagnose.explained_figures import explained_figures
        from recurra.diagnose.explained_sections import explained_page
        from recurra.diagnose.explained_terminal import print_explained
        from recurra.files import to_json
        from recurra.pages.folder import require_report, write_report
        from recurra.pages.surroundings import machine, one_thread

        if out is not None:
            require_report(out, EXPLAIN, "explanation.json")
        task = read_model(model).task
        reading = task.chosen(task.reading, **options)
        with one_thread():
            found = explain(task, given, item, **reading)
        text = to_json(numbers(found))
        if as_json:
            typer.echo(text)
        else:
            print_explained(found, console())
        if out is not None:
            figures = explained_figures(found)
            page = explained_page(found, figures, str(model), machine())
            write_report(out, EXPLAIN, page, ("explanation.json", text), figures)
            typer.echo(f"\nwritten: {out / 'report.html'}", err=as_json)
