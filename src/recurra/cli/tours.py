"""recurra demo and recurra bench: what there is to see without data of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recurra.cli.app import app, console, reported
from recurra.errors import SettingsError, nearest

_DEMO_FOLDERS = {
    "classify": "recurra-demo",
    "language-model": "recurra-demo-language",
    "translate": "recurra-demo-translate",
}


@app.command("demo")
def _demo(
    task: Annotated[str, typer.Argument(help="classify, language-model or translate.", show_default=True)] = "classify",
    out: Annotated[
        Path | None,
        typer.Option(help=f"Folder for all that is made (default: {', '.join(_DEMO_FOLDERS.values())}, by task)."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.", min=0)] = 0,
) -> None:
    """Train on data that are on every machine, and write an HTML report.

    classify: RNN, GRU, LSTM and a feedforward model on the bundled reviews. language-model: a model of the standard
    library's documentation, which writes some of its own. translate: numbers and days in words into figures, with and
    without attention.
    """
    with reported():
        if task not in _DEMO_FOLDERS:
            *others, last = _DEMO_FOLDERS
            known = f"{', '.join(others)} or {last}"
            raise SettingsError(f"demo: expected {known}, found {task!r}{nearest(task, _DEMO_FOLDERS)}")
        from recurra import demo
        from recurra.progress import ProgressLine
        from recurra.tasks import TASKS

        folder = out or Path(_DEMO_FOLDERS[task])
        callbacks = [ProgressLine(console(stderr=True), TASKS[task])]
        try:
            if task == "classify":
                demo.print_summary(demo.run_demo(folder, seed, callbacks), console())
            elif task == "translate":
                demo.print_translate_summary(demo.run_translate_demo(folder, seed, callbacks), console())
            else:
                demo.print_language_summary(demo.run_language_demo(folder, seed, callbacks), console())
        except KeyboardInterrupt:
            typer.echo(f"stopped by Ctrl-C: no report was written; what was finished is in {folder}", err=True)
            raise typer.Exit(130) from None


@app.command("bench")
def _bench(
    quick: Annotated[bool, typer.Option("--quick", help="The least, in under 20 s: to see that it works.")] = False,
    full: Annotated[bool, typer.Option("--full", help="All sizes, more rounds: about a quarter of an hour.")] = False,
    threads: Annotated[int | None, typer.Option(help="Threads of torch (default: its own choice).", min=1)] = None,
    cells: Annotated[
        str, typer.Option(help="Some of lstm, gru, rnn, with commas; series are of the first.")
    ] = "lstm,gru,rnn",
    out: Annotated[
        Path | None, typer.Option(help="Folder for bench.md, bench.json and bench.png (default: print only).")
    ] = None,
) -> None:
    """Time recurra's layers beside torch.nn and the limits of this machine."""
    with reported():
        from recurra.bench.plan import chosen_cells, chosen_plan

        plan, names = chosen_plan(quick, full), chosen_cells(cells)
        from recurra.bench.files import prepare, save
        from recurra.bench.run import run_bench
        from recurra.bench.table import print_results

        if out is not None:
            prepare(out)
        results = run_bench(plan, names, threads)
        print_results(console(), results)
        if out is not None and results.training:
            typer.echo(f"written: {', '.join(map(str, save(results, out)))}")
        if not results.finished:
            raise KeyboardInterrupt
