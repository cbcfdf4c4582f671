"""What is compared: cells, seeds, and what is made equal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from recurra.config import CONFIGS, RunConfig, make_run_config, section_model
from recurra.errors import SettingsError, nearest

__all__ = ["Equal", "Plan", "known_cells", "make_plan"]

Equal = Literal["parameters", "time"]
_FEEDFORWARD = "feedforward"
_OF_RECURRENT = ("bidirectional",)  # what would have no effect on a feedforward network


@dataclass(frozen=True)
class Plan:
    """What a comparison was told.

    Attributes:
        task: a key of `CONFIGS`.
        data: as for training.
        cells: the first is the reference.
        seeds: each cell is trained with each.
        equal: what all cells have in common.
        minutes: of training for each run, where time is equal; None for what the reference takes.
        settings: options of :func:`recurra.config.make_run_config`, for all.
        out: the folder.
    """

    task: str
    data: str
    cells: tuple[str, ...]
    seeds: tuple[int, ...]
    equal: Equal
    minutes: float | None
    settings: Mapping[str, Any]
    out: Path

    def config(self, cell: str, seed: int, **more: Any) -> RunConfig:
        """The configuration of a run; errors as :func:`recurra.config.make_run_config`.

        Args:
            cell: one of `cells`.
            seed: one of `seeds`.
            more: options in place of those of `settings`.
        """
        told = {**self.settings, **more, "seed": seed}
        left_out = {name: told.pop(name) for name in _OF_RECURRENT if cell == _FEEDFORWARD and name in told}
        config = make_run_config(self.task, data=self.data, cell=cell, **told)
        return config.model_copy(update={"model": config.model.model_copy(update=left_out)}) if left_out else config


def known_cells(task: str) -> tuple[str, ...]:
    """The cells that networks of a task can have.

    >>> known_cells("language-model")
    ('lstm', 'gru', 'rnn', 'rnn_relu')
    """
    return get_args(section_model(CONFIGS[task], "model").model_fields["cell"].annotation)


def make_plan(
    task: str,
    data: str,
    cells: str | Sequence[str] | None = None,
    seeds: int = 3,
    equal: str = "parameters",
    minutes: float | None = None,
    out: Path = Path("recurra-compare"),
    **settings: Any,
) -> Plan:
    """Check what is to be compared, before any work.

    Args:
        task: a key of `CONFIGS`.
        data: as for training.
        cells: names, or one text of them with commas; None for all that the task knows.
        seeds: how many; they follow each other from the setting `seed` on.
        equal: "parameters" or "time".
        minutes: of training for each run, where time is equal.
        out: the folder for all.
        settings: options of :func:`recurra.config.make_run_config`, for all cells.

    Raises:
        SettingsError: naming the option, what was expected and what was found.
    """
    if task not in CONFIGS:
        raise SettingsError(f"compare: expected one of {', '.join(CONFIGS)}, found {task!r}{nearest(task, CONFIGS)}")
    if equal not in get_args(Equal):
        raise SettingsError(
            f"option 'equal': expected parameters or time, found {equal!r}{nearest(equal, get_args(Equal))}"
        )
    if seeds < 1:
        raise SettingsError(f"option 'seeds': expected at least 1, found {seeds}; 3 give an interval")
    _require_effect(equal, minutes, settings)
    first = settings.get("seed", 0)
    named = _chosen_cells(task, cells)
    plan = Plan(task, data, named, tuple(range(first, first + seeds)), equal, minutes, settings, out)  # type: ignore[arg-type]
    for cell in named:
        for seed in (plan.seeds[0], plan.seeds[-1]):
            plan.config(cell, seed)
    return plan


def _chosen_cells(task: str, cells: str | Sequence[str] | None) -> tuple[str, ...]:
    known = known_cells(task)
    if cells is None:
        return known
    named = [name.strip() for name in cells.split(",")] if isinstance(cells, str) else list(cells)
    for number, name in enumerate(named):
        if name not in known:
            raise SettingsError(
                f"option 'cells': expected some of {', '.join(known)}, which are what the task {task} knows, found "
                f"{name!r}{nearest(name, known)}"
            )
        if name in named[:number]:
            raise SettingsError(f"option 'cells': {name} is named twice")
    if len(named) < 2:
        raise SettingsError(f"option 'cells': expected two or more to compare, of {', '.join(known)}, found {named[0]}")
    return tuple(named)


def _require_effect(equal: str, minutes: float | None, settings: Mapping[str, Any]) -> None:
    """Refuse options that would do nothing."""
    if minutes is not None and not 0 < minutes < math.inf:
        raise SettingsError(f"option 'minutes': expected a number above 0, found {minutes}")
    if minutes is not None and equal != "time":
        raise SettingsError(f"option 'minutes' ({minutes}) would have no effect: only --equal time has a limit of time")
    if minutes is not None and "epochs" in settings:
        raise SettingsError(
            f"option 'epochs' ({settings['epochs']}) would have no effect: --minutes says how many epochs there are"
        )
    if equal == "time" and settings.get("patience") is not None:
        raise SettingsError(
            f"option 'patience' ({settings['patience']}): with --equal time each run uses its time; leave it out"
        )
