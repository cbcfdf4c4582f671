"""The runs of a comparison, seed after seed; of each cell the best model is kept."""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from recurra.checkpoint import is_model_directory, read_history
from recurra.compare.findings import Run, opening
from recurra.compare.plan import Plan
from recurra.compare.sizes import Size
from recurra.errors import RecurraError
from recurra.files import failures_named, replace_folder, to_json, write_text
from recurra.fit import Fitted, fit
from recurra.tasks import Task
from recurra.train import Callback, EpochRecord

__all__ = ["NUMBERS", "Trained", "quiet", "train_all"]

_log = logging.getLogger("recurra")

NUMBERS = "compare.json"
_OVER = 1.1  # of the budget, to which a run's last epoch may take it: clocks are not exact
_LOOKED_AT = 64  # validation examples that the kept models are looked at with


@dataclass
class Trained:
    """What training has given so far.

    Attributes:
        runs: in the order in which they were done.
        kept: by cell, the run of the best validation score so far.
        batches: by cell, some validation examples of that run, as the loss takes them.
        budget: seconds of training for each run; None where time is not equal, or not known yet.
    """

    budget: float | None
    runs: list[Run] = field(default_factory=list)
    kept: dict[str, Run] = field(default_factory=dict)
    batches: dict[str, Sequence[Any]] = field(default_factory=dict)


class _Budget(Callback):
    """Begins no epoch that would end more than a tenth past a budget, in seconds of training."""

    def __init__(self, seconds: float) -> None:
        self._left = _OVER * seconds

    def on_epoch(self, record: EpochRecord) -> bool:
        """Stop where one more such epoch would be too much."""
        self._left -= record.seconds
        return record.seconds > self._left


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Let nobody be told again how the data were read, which every run reads anew."""
    level = _log.level
    _log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        _log.setLevel(level)


def train_all(
    plan: Plan, sizes: Mapping[str, Size], pace: Mapping[str, float], callbacks: Sequence[Callback]
) -> Trained:
    """Train each cell with each seed, and keep the best model of each cell in the folder under the cell's name.

    After every run `compare.json` tells all that are finished.

    Args:
        plan: what is compared.
        sizes: of the network of each cell.
        pace: seconds that an epoch of each takes, about.
        callbacks: told of each step and epoch of each run.

    Raises:
        RecurraError: as :func:`recurra.fit.fit`; where a loss is no longer a number, the run is named.
        KeyboardInterrupt: Ctrl-C; the runs that were finished stay.
    """
    trained = Trained(None if plan.minutes is None else 60 * plan.minutes)
    count = len(plan.seeds) * len(plan.cells)
    for seed in plan.seeds:
        for cell in plan.cells:
            _log.info("\n%s, seed %d (run %d of %d)", cell, seed, len(trained.runs) + 1, count)
            is_reference = plan.minutes is None and cell == plan.cells[0]
            budget = None if is_reference else trained.budget
            epochs = None if budget is None else max(1, int(budget / _pace(trained, cell, pace[cell])))
            _train_one(plan, cell, seed, sizes[cell].hidden_size, epochs, trained, callbacks)
            if plan.equal == "time" and trained.budget is None:
                trained.budget = trained.runs[0].seconds
    return trained


def _train_one(
    plan: Plan,
    cell: str,
    seed: int,
    hidden_size: int,
    epochs: int | None,
    trained: Trained,
    callbacks: Sequence[Callback],
) -> None:
    """Train a cell with a seed, note it, and keep the model if it is the best of its cell.

    With a number of epochs the run keeps to the budget; None leaves it as it is told.
    """
    within = {} if epochs is None else {"epochs": epochs}
    config = plan.config(cell, seed, hidden_size=hidden_size, **within)
    guard = [] if epochs is None or trained.budget is None else [_Budget(trained.budget)]
    place = plan.out / f"{cell}.tried"
    try:
        with quiet():
            fitted = _fit_named(f"{cell}, seed {seed}", config, place, [*callbacks, *guard])
        run = _run(cell, seed, fitted, read_history(place))
        trained.runs.append(run)
        if cell not in trained.kept or run.valid_score > trained.kept[cell].valid_score:
            trained.kept[cell] = run
            trained.batches[cell] = fitted.task.grouped(fitted.task.held_out()["valid"], _LOOKED_AT)
            replace_folder(place, plan.out / cell)
        told = to_json(opening(plan, trained.runs, finished=False), indent=2)
        write_text(plan.out / NUMBERS, told + "\n")
    finally:
        remove_tried(place)


def _pace(trained: Trained, cell: str, tried: float) -> float:
    """Seconds that an epoch of a cell takes: of the runs that are done or, where there are none, of the trial."""
    done = [record["seconds"] for run in trained.runs if run.cell == cell for record in run.history]
    return float(median(done)) if done else tried


def _fit_named(name: str, config: Any, place: Path, callbacks: Sequence[Callback]) -> Fitted:
    try:
        fitted = fit(config, place, overwrite=True, callbacks=callbacks)
    except RecurraError as error:
        if type(error) is not RecurraError:  # a matter of the settings, the data or the disk
            raise
        raise RecurraError(f"{name}: {error}, or leave the cell out of --cells") from error
    if fitted.interrupted:
        raise KeyboardInterrupt
    return fitted


def _run(cell: str, seed: int, fitted: Fitted, history: Sequence[Mapping[str, Any]]) -> Run:
    task, metrics = fitted.task, fitted.metrics
    headline, scores = task.headline(), metrics[scored_part(task)]
    return Run(
        cell=cell,
        seed=seed,
        score=headline.of(scores["model"]),
        baselines={name: headline.of(found)["value"] for name, found in scores["baselines"].items()},
        valid_score=history[metrics["best_epoch"] - 1]["valid_score"],
        history=history,
        best_epoch=metrics["best_epoch"],
        parameters=metrics["parameters"],
        cut=task.config.train.patience is None and len(history) < task.epochs(),
    )


def scored_part(task: Task) -> str:
    """What a task's models are scored on: the test examples or, where there are none, those for validation."""
    return "test" if "test" in task.held_out() else "valid"


def remove_tried(place: Path) -> None:
    """Remove a run that was not kept, and what is left of one that was not finished."""
    with failures_named(place):
        for path in (place, place.with_name(f"{place.name}.partial")):
            if is_model_directory(path):
                shutil.rmtree(path)
