"""Run experiments into a folder: of each a page, its figure and its numbers; and a page that leads to them."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch

from recurra.files import failures_named, finite, to_json, write_text
from recurra.lab import EXPERIMENTS
from recurra.lab.experiment import Experiment
from recurra.lab.page import Finished, render, render_index
from recurra.pages.folder import data_mark, drawing_mark, marked_file
from recurra.pages.frame import mark
from recurra.pages.surroundings import machine, one_thread, require_ours

__all__ = ["INDEX", "as_json", "run_experiments"]

INDEX = "index.html"


def run_experiments(
    chosen: Iterable[Experiment],
    out: Path,
    seed: int = 0,
    quick: bool = False,
    tell: Callable[[str], None] = lambda _: None,
    done: Callable[[Finished], None] = lambda _: None,
) -> list[Finished]:
    """Run some experiments, one after the other; files of an earlier run of each are replaced.

    Each writes `NAME.html`, `NAME.svg` (its first figure) and `NAME.json` when it has ended; `index.html` leads to all
    pages that are in the folder then.

    Args:
        chosen: of :data:`recurra.lab.EXPERIMENTS`.
        out: folder for all; made if missing.
        seed: what is found follows from it, on the same machine.
        quick: the least of each, to see that it works.
        tell: told in a line what goes on.
        done: given each when its files are there.

    Raises:
        OutputError: `out` holds something that the lab has not made, or cannot be written; told before any work.
        KeyboardInterrupt: Ctrl-C; what was finished stays.
    """
    require_ours(out, (), _marks())
    with failures_named(out):
        out.mkdir(parents=True, exist_ok=True)
    finished = []
    for experiment in chosen:
        tell(f"{experiment.name}: {experiment.question}")
        finished.append(_run(experiment, out, seed, quick, tell))
        write_text(out / INDEX, render_index(_answered(out), finished))
        done(finished[-1])
    return finished


def _answered(out: Path) -> list[tuple[Experiment, str]]:
    """The experiments whose pages are in the folder, of this run or earlier ones, each with what it has found."""
    found = []
    for name, experiment in EXPERIMENTS.items():
        if (out / f"{name}.html").exists():
            lead = ""
            with contextlib.suppress(OSError, ValueError, KeyError):  # numbers that were moved or altered
                lead = str(json.loads((out / f"{name}.json").read_text(encoding="utf-8"))["lead"])
            found.append((experiment, lead))
    return found


def _run(experiment: Experiment, out: Path, seed: int, quick: bool, tell: Callable[[str], None]) -> Finished:
    started = time.perf_counter()
    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        outcome = experiment.run(seed, quick, tell)
    made = Finished(experiment, outcome, seed, quick, time.perf_counter() - started, machine(), out)
    place = out / experiment.name
    write_text(place.with_suffix(".svg"), marked_file(outcome.figures[0].drawing, experiment.generator))
    write_text(place.with_suffix(".json"), to_json(as_json(made), indent=1) + "\n")
    write_text(place.with_suffix(".html"), render(made))
    return made


def as_json(made: Finished) -> dict[str, Any]:
    """All that a run has found and how it was made; a number that is none (NaN, infinite) is null."""
    found = made.outcome
    return {
        "made_by": made.experiment.generator,
        "question": made.experiment.question,
        "lead": found.lead,
        "seed": made.seed,
        "quick": made.quick,
        "seconds": round(made.seconds, 2),
        "machine": made.machine,
        "table": {"headings": [*found.headings], "rows": [[*row] for row in found.rows]},
        "numbers": finite(found.numbers),
    }


def _marks() -> dict[str, str]:
    """What stands in each file that the lab has made, by its name."""
    marks = {INDEX: mark("recurra lab")}
    for name, experiment in EXPERIMENTS.items():
        marks[f"{name}.html"] = mark(experiment.generator)
        marks[f"{name}.svg"] = drawing_mark(experiment.generator)
        marks[f"{name}.json"] = data_mark(experiment.generator)
    return marks
