"""recurra demo and recurra bench: what there is to see without data of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recurra.cli.app import app, console, reported


@app.command("demo")
def _demo(
    out: Annotated[Path, typer.Option(help="Folder for the models and the report.")] = Path("recurra-demo"),
    seed: Annotated[int, typer.Option(help="Seed of everything random.", min=0)] = 0,
) -> None:
    """Train RNN, GRU, LSTM and a feedforward model on the bundled reviews, and write an HTML report."""
    with reported():
        from recurra.demo import print_summary, run_demo
        from recurra.progress import ProgressLine
        from recurra.tasks import TASKS

        try:
            report = run_demo(out, seed, [ProgressLine(console(stderr=True), TASKS["classify"])])
        except KeyboardInterrupt:
            typer.echo(f"stopped by Ctrl-C: no report was written; models that were finished are in {out}", err=True)
            raise typer.Exit(130) from None
        print_summary(report, console())


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
