"""What a person sees of a run: plain lines, a live line on a terminal, TensorBoard files."""

from __future__ import annotations

import importlib.util
import io
import json
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import Result

from recurra.config import make_run_config
from recurra.errors import MissingExtraError
from recurra.fit import fit
from recurra.progress import ProgressLine, TensorBoard
from recurra.tasks import TASKS
from recurra.train import Callback, EpochRecord, StepRecord

Cli = Callable[..., Result]
EPOCHS, STEPS = 3, 4


def step_record(epoch: int, step: int) -> StepRecord:
    return StepRecord(epoch, step, loss=1 / (epoch + step), gradient_norm=0.5, learning_rate=1e-3, tokens=10 * step)


def epoch_record(epoch: int) -> EpochRecord:
    return EpochRecord(
        epoch=epoch, loss=0.6931, valid_loss=0.5, valid_score=0.8125, best=epoch != 2, gradient_norm=0.75,
        clipped_share=0.25, learning_rate=1e-3, tokens_per_second=12345.6, seconds=1.0,
    )  # fmt: skip


def play(callback: Callback, epochs: Sequence[int] = (1, 2, 3)) -> None:
    callback.on_start(EPOCHS, STEPS)
    for epoch in epochs:
        for step in range(1, STEPS + 1):
            callback.on_step(step_record(epoch, step))
        callback.on_epoch(epoch_record(epoch))
    callback.on_end()


class Clock:
    """A clock that goes on with each step alone."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, callback: Callback, seconds: float) -> None:
        self.now = 100.0
        monkeypatch.setattr(time, "perf_counter", lambda: self.now)
        sound = callback.on_step

        def on_step(record: StepRecord) -> None:
            self.now += seconds
            sound(record)

        monkeypatch.setattr(callback, "on_step", on_step)


def test_plain_lines_off_a_terminal() -> None:
    file = io.StringIO()
    play(ProgressLine(Console(file=file, width=40), TASKS["classify"]))
    lines = file.getvalue().splitlines()
    assert len(lines) == EPOCHS
    assert "\x1b" not in file.getvalue()
    for number, line in enumerate(lines, 1):
        assert line.startswith(
            f"epoch {number}/3  loss 0.693  valid loss 0.500  valid accuracy 81.2 %  12,346 tokens/s  "
            f"gradient 0.75 (25 % clipped)  0:0"
        )
        assert line.endswith("  kept" if number != 2 else " left")


def test_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    line = ProgressLine(Console(file=file), TASKS["classify"])
    Clock(monkeypatch, line, seconds=500)
    play(line)
    left = re.findall(r"([\d:]+) left", file.getvalue())
    assert left == ["1:06:40", "33:20", "0:00"]  # 8 and 4 steps of 500 seconds


def test_time_left_of_a_resumed_run(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    line = ProgressLine(Console(file=file), TASKS["classify"])
    Clock(monkeypatch, line, seconds=500)
    play(line, epochs=[2, 3])
    assert re.findall(r"([\d:]+) left", file.getvalue()) == ["33:20", "0:00"]  # epoch 1 took no time of this run


def test_a_live_line_on_a_terminal() -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=200, legacy_windows=False)
    line = ProgressLine(console, TASKS["classify"])
    line.on_start(EPOCHS, STEPS)
    line.on_step(step_record(1, 1))
    line.on_step(step_record(1, 2))
    line._live.refresh()  # type: ignore[union-attr]  as its thread does 8 times a second
    shown = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", file.getvalue())
    assert re.search(r"epoch 1/3 █{12}░{12} loss 0\.492  [\d,]+ tokens/s  gradient 0\.50  \d+:\d\d left", shown)
    line.on_epoch(epoch_record(1))
    line.on_end()
    assert "epoch 1/3  loss 0.693" in file.getvalue()
    assert file.getvalue().rindex("\x1b[?25h") > file.getvalue().rindex("\x1b[?25l")  # the cursor is back


def test_the_live_line_ends_when_training_is_stopped(reviews_csv: Path, tmp_path: Path, small: dict[str, Any]) -> None:
    class Stop(Callback):
        def on_step(self, record: StepRecord) -> None:
            raise KeyboardInterrupt

    file = io.StringIO()
    line = ProgressLine(Console(file=file, force_terminal=True), TASKS["classify"])
    with pytest.raises(KeyboardInterrupt):
        fit(make_run_config("classify", data=str(reviews_csv), **small), tmp_path / "m", callbacks=[line, Stop()])
    assert line._live is not None
    assert not line._live.is_started


def test_tensorboard(reviews_csv: Path, tmp_path: Path, cli: Cli, small_options: list[str]) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    result = cli("train", "classify", reviews_csv, "--out", tmp_path / "m", "--tensorboard", *small_options)
    assert result.exit_code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m", "m-tensorboard"]
    events = EventAccumulator(str(tmp_path / "m-tensorboard"))
    events.Reload()
    steps = 2 * 2  # 48 texts, 32 in a batch, 2 epochs
    assert [event.step for event in events.Scalars("train/loss")] == list(range(1, steps + 1))
    assert {"train/gradient_norm", "train/learning_rate"} <= set(events.Tags()["scalars"])
    history = [json.loads(line) for line in (tmp_path / "m" / "history.jsonl").read_text().splitlines()]
    for name in ("valid_loss", "valid_score", "tokens_per_second"):
        found = [(event.step, event.value) for event in events.Scalars(f"epoch/{name}")]
        assert found == [(record["epoch"], pytest.approx(record[name])) for record in history]


def test_tensorboard_leaves_nothing_of_a_run_that_did_not_begin(tmp_path: Path, cli: Cli) -> None:
    pytest.importorskip("tensorboard")
    result = cli("train", "classify", tmp_path / "none.csv", "--out", tmp_path / "m", "--tensorboard")
    assert (result.exit_code, list(tmp_path.iterdir())) == (3, [])


def test_a_missing_tensorboard_says_what_to_install(
    reviews_csv: Path, tmp_path: Path, cli: Cli, small_options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "tensorboard" else find(name))
    with pytest.raises(MissingExtraError, match=re.escape("pip install 'recurra[tensorboard]'")):
        TensorBoard(tmp_path / "board")
    result = cli("train", "classify", reviews_csv, "--out", tmp_path / "m", "--tensorboard", *small_options)
    remedy = "install it with: pip install 'recurra[tensorboard]'"
    assert result.stderr == f"error: writing TensorBoard files needs an optional library; {remedy}\n"
    assert (result.exit_code, list(tmp_path.iterdir())) == (6, [])
