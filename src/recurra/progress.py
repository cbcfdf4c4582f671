"""What a person sees of a run: a live line on a terminal, plain lines elsewhere, TensorBoard files if asked."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from recurra.errors import MissingExtraError
from recurra.tasks import Task
from recurra.train import Callback, EpochRecord, StepRecord

__all__ = ["ProgressLine", "TensorBoard"]

_BAR = 24


class ProgressLine(Callback):
    """A line an epoch, and on a terminal a live line for the one that runs.

    Args:
        console: where to; plain lines alone when it is no terminal.
        task: names the validation score, and says how it is shown.
    """

    def __init__(self, console: Console, task: type[Task]) -> None:
        self._console = console
        self._task = task
        self._live = Live(console=console, refresh_per_second=8, transient=True) if console.is_terminal else None
        self._epochs = self._steps = self._done = 0
        self._started = self._epoch_started = 0.0
        self._first = 0
        self._loss = 0.0

    def on_start(self, epochs: int, steps: int) -> None:
        """Begin the live line."""
        self._epochs, self._steps = epochs, steps
        self._started = self._epoch_started = time.perf_counter()
        if self._live is not None:
            self._live.start()

    def on_step(self, record: StepRecord) -> None:
        """Move the live line on."""
        self._done = (record.epoch - 1) * self._steps + record.step
        self._first = self._first or self._done
        self._loss = record.loss if record.step == 1 else 0.95 * self._loss + 0.05 * record.loss
        if self._live is None:
            return
        filled = _BAR * record.step // self._steps
        speed = record.tokens / max(1e-9, time.perf_counter() - self._epoch_started)
        self._live.update(
            Text(
                f"epoch {record.epoch}/{self._epochs} {'█' * filled}{'░' * (_BAR - filled)} loss {self._loss:.3f}  "
                f"{speed:,.0f} {self._task.unit}/s  gradient {record.gradient_norm:.2f}  {_clock(self._left())} left",
                no_wrap=True,
                overflow="ellipsis",
            )
        )

    def on_epoch(self, record: EpochRecord) -> None:
        """Write the epoch's line."""
        mark = "  kept" if record.best else ""
        self._console.print(
            f"epoch {record.epoch}/{self._epochs}  loss {record.loss:.3f}  valid loss {record.valid_loss:.3f}  "
            f"valid {self._task.score} {self._task.shown(record.valid_score)}  "
            f"{record.tokens_per_second:,.0f} {self._task.unit}/s  "
            f"gradient {record.gradient_norm:.2f} ({100 * record.clipped_share:.0f} % clipped)  "
            f"{_clock(self._left())} left{mark}",
            highlight=False,
            soft_wrap=True,
        )
        self._epoch_started = time.perf_counter()

    def on_end(self) -> None:
        """Take the live line away."""
        if self._live is not None:
            self._live.stop()

    def _left(self) -> float:
        """Seconds left at the pace so far, validation included."""
        done = max(1, self._done - self._first + 1)
        return (time.perf_counter() - self._started) / done * (self._epochs * self._steps - self._done)


class TensorBoard(Callback):
    """Write TensorBoard files: the loss at each step, the scores at each epoch.

    Args:
        folder: where the files go.

    Raises:
        MissingExtraError: the `tensorboard` library is not installed.
    """

    def __init__(self, folder: Path) -> None:
        if importlib.util.find_spec("tensorboard") is None:
            raise MissingExtraError("writing TensorBoard files", "tensorboard")
        self._folder = folder
        self._writer: Any = None
        self._steps = 0

    def on_start(self, epochs: int, steps: int) -> None:
        """Make the folder and open its files, now that there is something to write."""
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(self._folder))
        self._steps = steps

    def on_step(self, record: StepRecord) -> None:
        """Write the step's loss, gradient norm and learning rate."""
        step = (record.epoch - 1) * self._steps + record.step
        for name in ("loss", "gradient_norm", "learning_rate"):
            self._writer.add_scalar(f"train/{name}", getattr(record, name), step)

    def on_epoch(self, record: EpochRecord) -> None:
        """Write the epoch's scores."""
        for name in ("valid_loss", "valid_score", "tokens_per_second"):
            self._writer.add_scalar(f"epoch/{name}", getattr(record, name), record.epoch)

    def on_end(self) -> None:
        """Close the files."""
        self._writer.close()


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
