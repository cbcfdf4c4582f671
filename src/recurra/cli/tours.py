"""recurra demo and recurra bench: what there is to see without data of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from recurra.cli.app import app, console, reported
from recurra.errors import SettingsError, nearest


class _Demo(NamedTuple):
    """Where a demo writes, and the functions of :mod:`recurra.demo` that run it and print what it found."""

    folder: str
    run: str
    summarise: str


_DEMOS = {
    "classify": _Demo("recurra-demo", "run_demo", "print_summary"),
    "language-model": _Demo("recurra-demo-language", "run_language_demo", "print_language_summary"),
    "translate": _Demo("recurra-demo-translate", "run_translate_demo", "print_translate_summary"),
    "forecast": _Demo("recurra-demo-forecast", "run_forecast_demo", "print_forecast_summary"),
    "transcribe": _Demo("recurra-demo-transcribe", "run_transcribe_demo", "print_transcribe_summary"),
}


def _known_demos() -> str:
    *others, last = _DEMOS
    return f"{', '.join(others)} or {last}"


@app.command("demo")
def _demo(
    task: Annotated[str, typer.Argument(help=f"{_known_demos()}.", show_default=True)] = "classify",
    out: Annotated[
        Path | None,
        typer.Option(help=f"Folder for all that is made (default: {_DEMOS['classify'].folder} or another, by task)."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.", min=0)] = 0,
) -> None:
    """Train on data that are on every machine, and write an HTML report.

    classify: RNN, GRU, LSTM and a feedforward model on the bundled reviews. language-model: a model of the standard
    library's documentation, which writes some of its own. translate: numbers and days in words into figures, with and
    without attention. forecast: the temperature of the Pacific a year ahead, with intervals. transcribe: telephone keys
    under noise, written down.
    """
    with reported():
        if task not in _DEMOS:
            raise SettingsError(f"demo: expected {_known_demos()}, found {task!r}{nearest(task, _DEMOS)}")
        from recurra import demo
        from recurra.progress import ProgressLine
        from recurra.tasks import TASKS

        chosen = _DEMOS[task]
        folder = out or Path(chosen.folder)
        try:
            report = getattr(demo, chosen.run)(folder, seed, [ProgressLine(console(stderr=True), TASKS[task])])
            getattr(demo, chosen.summarise)(report, console())
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
