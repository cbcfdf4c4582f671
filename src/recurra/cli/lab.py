"""recurra lab: the classic experiments, each run by its name."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recurra.cli.app import app, console, reported
from recurra.lab import EXPERIMENTS, find_experiment

if TYPE_CHECKING:
    from recurra.lab.page import Finished

_log = logging.getLogger("recurra")


@app.command("lab")
def _lab(
    name: Annotated[
        str | None, typer.Argument(help="An experiment, or all (default: list them).", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.", min=0, max=2**31 - 1)] = 0,
    out: Annotated[Path, typer.Option(help="Folder for the pages, figures and numbers.")] = Path("recurra-lab"),
    quick: Annotated[bool, typer.Option("--quick", help="The least, in under 20 s: to see that it works.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print what was found as one JSON object a line, one for each experiment.")
    ] = False,
) -> None:
    """Run one of the classic experiments on recurrent networks: a page, a figure, and all numbers as JSON."""
    with reported():
        if name is None:
            from recurra.lab.terminal import print_experiments

            print_experiments(console())
            return
        chosen = list(EXPERIMENTS.values()) if name == "all" else [find_experiment(name)]
        from recurra.lab.run import INDEX, run_experiments

        try:
            run_experiments(chosen, out, seed, quick, _log.info, _print_json if as_json else _print_found)
        except KeyboardInterrupt:
            typer.echo(f"stopped by Ctrl-C: what was finished is in {out}", err=True)
            raise typer.Exit(130) from None
        if not as_json:
            page = INDEX if name == "all" else f"{name}.html"
            console().print(f"The page: {out / page}", soft_wrap=True, markup=False)


def _print_found(made: Finished) -> None:
    from recurra.lab.terminal import print_finished

    print_finished(console(), made)


def _print_json(made: Finished) -> None:
    from recurra.files import to_json
    from recurra.lab.run import as_json

    typer.echo(to_json(as_json(made)))
