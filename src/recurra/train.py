"""The one training loop: forward, loss, backward, clip, step."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, NamedTuple

import torch
from lightning_fabric import Fabric
from torch import Tensor

from recurra.config import TrainConfig
from recurra.errors import RecurraError, SettingsError
from recurra.kernels import native
from recurra.optimisation import (
    averaged_weights,
    learning_rate,
    make_optimizer,
    set_averaging_start,
    set_learning_rate,
)
from recurra.run_directory import RunDirectory
from recurra.tasks.base import Task

__all__ = ["Callback", "EpochRecord", "Progress", "StepRecord", "train"]

_log = logging.getLogger("recurra")


class StepRecord(NamedTuple):
    """What one step reports: its place in the run, the loss, the gradient norm before clipping, and the speed."""

    epoch: int
    step: int
    loss: float
    gradient_norm: float
    learning_rate: float
    tokens: int


class EpochRecord(NamedTuple):
    """What one epoch reports, and a line of `history.jsonl`; times in seconds, norms before clipping.

    `best` says that the epoch's weights replaced those kept so far: its score is no more than one standard error below
    the highest before it. Of epochs that the validation examples cannot tell apart the latest is kept, as a falling
    learning rate has made it the steadiest (the one-standard-error rule: Breiman et al., "Classification and
    regression trees", 1984, chapter 3).
    """

    epoch: int
    loss: float
    valid_loss: float
    valid_score: float
    best: bool
    gradient_norm: float
    clipped_share: float
    learning_rate: float
    tokens_per_second: float
    seconds: float


class Callback:
    """Told of each step and epoch; override what you need."""

    def on_start(self, epochs: int, steps: int) -> None:
        """Training begins; an epoch has so many steps."""

    def on_step(self, record: StepRecord) -> None:
        """A step is done."""

    def on_epoch(self, record: EpochRecord) -> bool | None:
        """An epoch is done; return True to stop after it."""
        return None

    def on_end(self) -> None:
        """Training ends, however it does."""


@dataclass
class Progress:
    """Where a run stands after its last whole epoch, and its best weights so far."""

    history: list[EpochRecord] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)
    interrupted: bool = False

    @property
    def best_epoch(self) -> int:
        """The number of the best epoch so far."""
        return max((record.epoch for record in self.history if record.best), default=0)


def train(task: Task, run: RunDirectory | None = None, callbacks: Sequence[Callback] = ()) -> Progress:
    """Train a task's network and leave the best epoch's weights in it.

    Each epoch is a function of the weights, the optimizer's state and the seed alone, so a run that is resumed ends as
    one that was never stopped. Ctrl-C ends the run after the last whole epoch.

    Args:
        task: made from data.
        run: where the best and the last state are kept, and read from when the run is resumed; None keeps nothing.
        callbacks: told of each step and epoch.

    Raises:
        SettingsError: this machine has no such device, or the run ends before `patience` could end it.
        RecurraError: the loss is no longer a number.
        KeyboardInterrupt: Ctrl-C before one more epoch was done.
    """
    settings = task.config.train
    fabric = _fabric(settings)
    _say_precision(task.config.model.cell, settings, fabric.device)
    network, optimizer = fabric.setup(task.network, make_optimizer(task.network, settings))
    progress = _resume(task, optimizer, run)
    done_before = len(progress.history)
    steps, epochs = task.steps(), task.epochs()
    if settings.patience is not None and settings.patience >= epochs - 1:
        raise SettingsError(f"option 'patience' ({settings.patience}) would have no effect: there are {epochs} epochs")
    rate = partial(learning_rate, settings, epochs, steps)
    for callback in callbacks:
        callback.on_start(epochs, steps)
    try:
        for epoch in range(len(progress.history) + 1, epochs + 1):
            if _stops_early(progress, settings):
                break
            set_averaging_start(optimizer, [record.valid_loss for record in progress.history], settings, steps)
            trained = _train_epoch(fabric, task, network, optimizer, epoch, rate, callbacks)
            _keep(task, progress, trained, optimizer, run)
            stops = [callback.on_epoch(progress.history[-1]) for callback in callbacks]  # each is told, whoever stops
            if any(stops):
                break
    except KeyboardInterrupt:
        if len(progress.history) == done_before:
            raise
        progress.interrupted = True
    finally:
        for callback in callbacks:
            callback.on_end()
    task.network.load_state_dict(progress.best)
    task.network.to("cpu").eval()
    return progress


def _fabric(settings: TrainConfig) -> Fabric:
    try:
        precision: Literal["bf16-mixed", "32-true"] = "bf16-mixed" if settings.precision == "bfloat16" else "32-true"
        return Fabric(accelerator=settings.device, devices=1, precision=precision)
    except RuntimeError:  # what it raises for an accelerator that is not there
        raise SettingsError(
            f"option 'device': expected a device of this machine, found '{settings.device}', which it has not; "
            "'auto' finds one"
        ) from None


def _say_precision(cell: str, settings: TrainConfig, device: torch.device) -> None:
    """Warn where the recurrence does not follow the option `precision`."""
    if settings.precision == "bfloat16" and device.type == "cpu" and cell != "feedforward":
        found = native.precision(cell, asked=True)
        if not found.bfloat16:
            why = found.note or f"float32 products: the native kernels are {native.loader.why_not()}"
            _log.warning("option 'precision' (bfloat16): the recurrence keeps %s", why)


def _train_epoch(
    fabric: Fabric,
    task: Task,
    network: Any,
    optimizer: Any,
    epoch: int,
    rate: Callable[[int, int], float],
    callbacks: Sequence[Callback],
) -> dict[str, float]:
    settings = task.config.train
    torch.manual_seed(settings.seed * 100_003 + epoch)
    network.train()
    started, tokens, losses, norms = time.perf_counter(), 0, [], []
    carried = None  # what a batch hands on to the next one, as a language model does its state
    for step, batch in enumerate(task.batches(epoch)):
        step_rate = rate(epoch, step)
        set_learning_rate(optimizer, step_rate)
        loss, carried = task.loss(network, batch.to(fabric.device), carried)
        optimizer.zero_grad()
        fabric.backward(loss)
        norm = fabric.clip_gradients(network, optimizer, max_norm=settings.clip_norm, error_if_nonfinite=False)
        optimizer.step()
        assert isinstance(norm, Tensor)
        losses.append(_finite(loss.item(), epoch, step))
        norms.append(_finite(norm.item(), epoch, step))
        tokens += int(batch.lengths.sum())
        record = StepRecord(epoch, step + 1, losses[-1], norms[-1], step_rate, tokens)
        for callback in callbacks:
            callback.on_step(record)
    seconds = time.perf_counter() - started
    return {
        "epoch": epoch,
        "loss": sum(losses) / len(losses),
        "gradient_norm": sum(norms) / len(norms),
        "clipped_share": sum(norm > settings.clip_norm for norm in norms) / len(norms),
        "learning_rate": optimizer.param_groups[0]["lr"],
        "tokens_per_second": tokens / seconds,
        "seconds": seconds,
    }


def _record(task: Task, progress: Progress, trained: Mapping[str, float]) -> EpochRecord:
    valid = task.validate()
    best = all(valid.score + valid.standard_error >= record.valid_score for record in progress.history)
    values = {**trained, "epoch": int(trained["epoch"]), "valid_loss": valid.loss, "valid_score": valid.score}
    return EpochRecord(**values, best=best)  # type: ignore[arg-type]


def _keep(
    task: Task, progress: Progress, trained: Mapping[str, float], optimizer: Any, run: RunDirectory | None
) -> None:
    with averaged_weights(optimizer):
        record = _record(task, progress, trained)
        if record.best:
            progress.best = {name: value.detach().clone() for name, value in task.network.state_dict().items()}
    progress.history.append(record)
    if run is not None:
        run.save_epoch(task, optimizer, progress.history, progress.best if record.best else None)


def _resume(task: Task, optimizer: Any, run: RunDirectory | None) -> Progress:
    saved = run.read_last() if run is not None else None
    if run is None or saved is None:
        return Progress()
    task.network.load_state_dict(saved.weights)
    saved.restore(optimizer)
    return Progress([EpochRecord(**record) for record in saved.history], run.read_best())


def _stops_early(progress: Progress, settings: TrainConfig) -> bool:
    scores = [record.valid_score for record in progress.history]
    if settings.patience is None or not scores:
        return False
    return len(scores) - 1 - scores.index(max(scores)) >= settings.patience


def _finite(value: float, epoch: int, step: int) -> float:
    if not math.isfinite(value):
        raise RecurraError(
            f"the loss or its gradient is no longer a number (epoch {epoch}, step {step + 1}): "
            f"train with a smaller --learning-rate"
        )
    return value
