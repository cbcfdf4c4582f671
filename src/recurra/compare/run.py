"""One comparison from its plan to its page."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Mapping, Sequence
from typing import Any

from recurra.checkpoint import is_model_directory
from recurra.compare.advice import advice
from recurra.compare.findings import MADE_BY, Comparison, Scored
from recurra.compare.measure import measure
from recurra.compare.page import MARK, render
from recurra.compare.plan import Plan, known_cells
from recurra.compare.sizes import Size, epoch_seconds, matched_size, parameter_count, with_network
from recurra.compare.training import NUMBERS, remove_tried, scored_part, train_all
from recurra.files import failures_named, to_json, write_text
from recurra.pages.surroundings import REPORT, machine, one_thread, require_ours
from recurra.tasks import TASKS, Task
from recurra.train import Callback

__all__ = ["numbers", "run_compare"]

_log = logging.getLogger("recurra")


def run_compare(plan: Plan, callbacks: Sequence[Callback] = ()) -> Comparison:
    """Train, score and measure what is compared; write `report.html`, `compare.json` and the best model of each cell.

    An earlier comparison in the folder is replaced.

    Args:
        plan: of :func:`recurra.compare.plan.make_plan`.
        callbacks: told of each step and epoch of each run.

    Raises:
        OutputError: the folder holds something that no comparison has made, or cannot be written.
        RecurraError: the data or the settings are at fault, as :func:`recurra.fit.fit`.
        KeyboardInterrupt: Ctrl-C; the runs that were finished stay, no report is written.
    """
    started = time.perf_counter()
    known = known_cells(plan.task)
    require_ours(plan.out, known, {REPORT: MARK, NUMBERS: MADE_BY})
    with one_thread():
        reference = TASKS[plan.task].from_data(plan.config(plan.cells[0], plan.seeds[0]))
        sizes = _sizes(plan, reference)
        pace = {cell: epoch_seconds(with_network(reference, cell, sizes[cell].hidden_size)) for cell in plan.cells}
        _say_how_long(plan, reference, pace)
        _make_room(plan, known)
        trained = train_all(plan, sizes, pace, callbacks)
        costs, sequences = measure(plan, trained)
    seconds = time.perf_counter() - started
    headline, part = reference.headline(), scored_part(reference)
    scored = Scored(part, headline, reference.unit, reference.intervals, reference.score, reference.shown)
    found = Comparison(
        plan=plan,
        scored=scored,
        config=reference.config,
        sizes=sizes,
        runs=trained.runs,
        kept=trained.kept,
        costs=costs,
        sequences=sequences,
        budget=trained.budget,
        facts={"seeds": ", ".join(map(str, plan.seeds)), "whole comparison": f"{seconds:,.1f} seconds", **machine()},
        seconds=seconds,
    )
    write_text(plan.out / NUMBERS, to_json(numbers(found), indent=2) + "\n")
    write_text(plan.out / REPORT, render(found))
    return found


def numbers(found: Comparison) -> dict[str, Any]:
    """What `compare.json` holds."""
    return found.to_json(advice(found))


def _sizes(plan: Plan, reference: Task) -> dict[str, Size]:
    """Of each cell's network: with as many parameters as the reference, or else of the same hidden size."""
    config: Any = reference.config
    size, parameters = config.model.hidden_size, parameter_count(reference)
    if plan.equal == "time":
        tasks = {cell: with_network(reference, cell, size) for cell in plan.cells}
        return {cell: Size(size, parameter_count(task)) for cell, task in tasks.items()}
    sizes = {cell: matched_size(reference, cell, parameters) for cell in plan.cells[1:]}
    return {plan.cells[0]: Size(size, parameters), **sizes}


def _say_how_long(plan: Plan, reference: Task, pace: Mapping[str, float]) -> None:
    epochs = reference.epochs()
    if plan.equal == "parameters":
        seconds = epochs * sum(pace.values())
    else:
        each = 60 * plan.minutes if plan.minutes is not None else epochs * pace[plan.cells[0]]
        seconds = each * len(plan.cells)
    runs = len(plan.cells) * len(plan.seeds)
    whole = len(plan.seeds) * seconds
    told = f"{whole / 60:,.1f} minutes" if whole >= 60 else f"{max(1, round(whole))} s"
    _log.info("%d runs, about %s of training, validation left out", runs, told)


def _make_room(plan: Plan, known: Sequence[str]) -> None:
    """Remove an earlier comparison, whose models and numbers would stand beside others."""
    with failures_named(plan.out):
        plan.out.mkdir(parents=True, exist_ok=True)
        for name in (REPORT, NUMBERS):
            (plan.out / name).unlink(missing_ok=True)
        for cell in known:
            remove_tried(plan.out / f"{cell}.tried")
            if is_model_directory(plan.out / cell):
                shutil.rmtree(plan.out / cell)
