"""The scores of a run that was just trained, never alone: beside them stand its baselines."""

from __future__ import annotations

from typing import Any

from recurra.tasks.base import Baseline, Task

__all__ = ["evaluate_run"]


def evaluate_run(task: Task, baseline: Baseline, best_epoch: int, epochs: int) -> dict[str, Any]:
    """The content of `metrics.json` for a run: its size, and its validation and test scores."""
    scores = {part: task.evaluate(examples, baseline) for part, examples in task.held_out().items()}
    parameters = sum(parameter.numel() for parameter in task.network.parameters())
    return {"best_epoch": best_epoch, "epochs": epochs, "parameters": parameters, **scores}
