"""From a configuration to a finished model directory: read, train, score, write."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from recurra.card import model_card
from recurra.config import RunConfig
from recurra.evaluate import evaluate_run
from recurra.run_directory import RunDirectory
from recurra.start import read_start
from recurra.tasks import TASKS, Start, Task
from recurra.train import Callback, train

__all__ = ["Fitted", "fit"]

_log = logging.getLogger("recurra")


class Fitted(NamedTuple):
    """A trained task, its `metrics.json`, and whether Ctrl-C ended it early."""

    task: Task
    metrics: dict[str, Any]
    interrupted: bool


def _start(config: RunConfig) -> Start | None:
    """What the option `init_from` names, where it is given.

    Raises:
        SettingsError: it names no language model.
        ModelDirectoryError: it is no model directory, or a damaged one.
    """
    named = getattr(config.model, "init_from", None)
    return None if named is None else read_start(named)


def fit(
    config: RunConfig, out: Path, overwrite: bool = False, resume: bool = False, callbacks: Sequence[Callback] = ()
) -> Fitted:
    """Train a model and write its directory, whole or not at all.

    Args:
        config: what the run is told.
        out: the model directory to be.
        overwrite: whether a model that is there may be replaced.
        resume: whether to go on with an unfinished run.
        callbacks: told of each step and epoch.

    Raises:
        RecurraError: the data, the settings or the place are at fault; see :mod:`recurra.errors`.
        KeyboardInterrupt: Ctrl-C before an epoch was done.
    """
    run = RunDirectory(out, overwrite, resume)
    try:
        task = TASKS[config.task].from_data(config, _start(config))
        run.begin(task)
        progress = train(task, run, callbacks)
        baseline = task.fit_baseline()
        metrics = evaluate_run(task, baseline, progress.best_epoch, len(progress.history))
        card = model_card(task, metrics, progress.interrupted)
        run.finish(task, metrics, baseline, progress.history, card)
    except BaseException:
        run.abandon()
        raise
    return Fitted(task, metrics, progress.interrupted)
