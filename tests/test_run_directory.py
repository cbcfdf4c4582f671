"""The folder of a run at work: in use or not, begun, stopped, resumed."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from typer.testing import Result

import recurra
from recurra.config import make_run_config
from recurra.errors import DataError, ModelDirectoryError, OutputError, SettingsError
from recurra.fit import Fitted, fit
from recurra.optimisation import averaging_start
from recurra.run_directory import RunDirectory
from recurra.train import Callback, EpochRecord, StepRecord

Cli = Callable[..., Result]
Rows = list[tuple[str, str]]
Train = Callable[..., Fitted]


class StopAt(Callback):
    """Press Ctrl-C in a certain step of a certain epoch."""

    def __init__(self, epoch: int, step: int = 1) -> None:
        self._at = (epoch, step)

    def on_step(self, record: StepRecord) -> None:
        if (record.epoch, record.step) == self._at:
            raise KeyboardInterrupt


class FailAfter(Callback):
    """Fail after a certain epoch, as any fault of the machine might."""

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch

    def on_epoch(self, record: EpochRecord) -> None:
        if record.epoch == self._epoch:
            raise RuntimeError("a fault of the machine")


@pytest.fixture
def train(reviews_csv: Path, small: dict[str, Any]) -> Train:
    """Train with dropout for 5 epochs of several steps."""

    def run(out: Path, *callbacks: Callback, overwrite: bool = False, resume: bool = False, **options: Any) -> Fitted:
        settings = {"data": str(reviews_csv), **small, "epochs": 5, "batch_size": 8, "dropout": 0.3, **options}
        return fit(make_run_config("classify", **settings), out, overwrite, resume, callbacks)

    return run


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def weights(model: Path) -> str:
    return hashlib.sha256((model / "model.safetensors").read_bytes()).hexdigest()


def history(folder: Path) -> list[dict[str, Any]]:
    """The records without what a clock made of them."""
    records = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    return [{k: v for k, v in record.items() if k not in ("seconds", "tokens_per_second")} for record in records]


@pytest.fixture
def whole(train: Train, tmp_path: Path) -> Path:
    """The run that was never stopped."""
    train(tmp_path / "whole")
    return tmp_path / "whole"


def assert_same_run(resumed: Path, whole: Path) -> None:
    assert weights(resumed) == weights(whole)
    last = [(folder / "last.safetensors").read_bytes() for folder in (resumed, whole)]
    sizes = [8 + int.from_bytes(content[:8], "little") for content in last]
    assert last[0][sizes[0] :] == last[1][sizes[1] :]  # all but the header, which holds the history with its times
    assert history(resumed) == history(whole)
    metrics = [json.loads((folder / "metrics.json").read_text()) for folder in (resumed, whole)]
    assert metrics[0] == metrics[1]


@pytest.mark.parametrize("epoch", [1, 2, 4])
def test_a_failed_run_is_resumed_bit_for_bit(epoch: int, train: Train, whole: Path, tmp_path: Path) -> None:
    place = tmp_path / "m"
    with pytest.raises(RuntimeError, match="fault of the machine"):
        train(place, FailAfter(epoch))
    assert entries(tmp_path) == ["m.partial", "whole"]
    with pytest.raises(ModelDirectoryError, match=r"nothing was finished yet: .* --resume goes on with it"):
        recurra.load(place)
    train(place, resume=True)
    assert entries(tmp_path) == ["m", "whole"]
    assert_same_run(place, whole)


def test_resumed_twice_and_within_an_epoch(train: Train, whole: Path, tmp_path: Path) -> None:
    place = tmp_path / "m"
    with pytest.raises(RuntimeError):
        train(place, FailAfter(1))
    with pytest.raises(KeyboardInterrupt):  # no epoch more was done
        train(place, StopAt(2, step=3), resume=True)
    assert len(history(tmp_path / "m.partial")) == 1
    assert train(place, StopAt(4, step=2), resume=True).interrupted
    assert len(history(place)) == 3
    train(place, resume=True)
    assert_same_run(place, whole)


def test_early_stopping_is_resumed(train: Train, tmp_path: Path) -> None:
    options = {"patience": 1, "epochs": 12, "learning_rate": 0.1}
    train(tmp_path / "whole", **options)
    assert 2 <= len(history(tmp_path / "whole")) < 12
    with pytest.raises(RuntimeError):
        train(tmp_path / "m", FailAfter(1), **options)
    train(tmp_path / "m", resume=True, **options)
    assert_same_run(tmp_path / "m", tmp_path / "whole")


@pytest.mark.parametrize("epoch", [1, 3, 5])
def test_an_averaging_run_is_resumed_bit_for_bit(epoch: int, train: Train, tmp_path: Path) -> None:
    """Before the average begins, as it begins, and while it is at work."""
    options = {"optimizer": "nt-asgd", "nonmonotone": 1, "epochs": 7, "learning_rate": 3.0}
    train(tmp_path / "whole", **options)
    records = history(tmp_path / "whole")
    assert averaging_start([record["valid_loss"] for record in records], 1) == 3
    assert max(record["epoch"] for record in records if record["best"]) > 4
    with pytest.raises(RuntimeError):
        train(tmp_path / "m", FailAfter(epoch), **options)
    train(tmp_path / "m", resume=True, **options)
    assert_same_run(tmp_path / "m", tmp_path / "whole")


def test_a_run_of_sgd_is_resumed_bit_for_bit(train: Train, tmp_path: Path) -> None:
    options = {"optimizer": "sgd", "learning_rate": 1.0}
    train(tmp_path / "whole", **options)
    with pytest.raises(RuntimeError):
        train(tmp_path / "m", FailAfter(2), **options)
    train(tmp_path / "m", resume=True, **options)
    assert_same_run(tmp_path / "m", tmp_path / "whole")


def test_ctrl_c_keeps_the_best_so_far(train: Train, whole: Path, tmp_path: Path) -> None:
    place = tmp_path / "m"
    fitted = train(place, StopAt(4))
    assert fitted.interrupted
    assert (entries(tmp_path), fitted.metrics["epochs"]) == (["m", "whole"], 3)
    assert history(place) == history(whole)[:3]
    assert "stopped by hand" in (place / "README.md").read_text()
    assert recurra.load(place).predict(["good"]).shape == (1,)


def test_ctrl_c_before_the_first_epoch_leaves_nothing(train: Train, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "m", StopAt(1, step=2))
    assert entries(tmp_path) == []


def test_ctrl_c_on_the_command_line(
    reviews_csv: Path, tmp_path: Path, cli: Cli, small_options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["train", "classify", reviews_csv, *small_options, "--out", tmp_path / "m"]
    for epoch, ending in ((2, "stopped by Ctrl-C after epoch 1; --resume goes on\n"), (1, "stopped by Ctrl-C\n")):
        monkeypatch.setattr("recurra.progress.ProgressLine", lambda *_, epoch=epoch: StopAt(epoch))
        result = cli(*arguments, "--overwrite")
        assert (result.exit_code, result.stderr.endswith(ending)) == (130, True), result.stderr
        assert entries(tmp_path) == ["m"]  # of the first time: the second changed nothing
        assert len(history(tmp_path / "m")) == 1


@pytest.mark.parametrize("finished", [False, True])
def test_resuming_with_other_settings_is_refused(finished: bool, train: Train, tmp_path: Path) -> None:
    place = tmp_path / "m"
    if finished:
        train(place)
    else:
        with pytest.raises(RuntimeError):
            train(place, FailAfter(2))
    before = entries(tmp_path)
    with pytest.raises(SettingsError, match=r"was started with hidden_size=8 \(now 9\), dropout=0.3 \(now 0.2\)$"):
        train(place, resume=True, hidden_size=9, dropout=0.2)
    assert entries(tmp_path) == before
    train(place, resume=True)
    assert recurra.load(place).hidden_size == 8


@pytest.mark.parametrize("change", [("good", "dire"), ("pos", "fine"), (",neg\n", ",neg\nso so,neg\n")])
def test_resuming_with_other_data_is_refused(
    change: tuple[str, str], train: Train, reviews_csv: Path, tmp_path: Path
) -> None:
    data = tmp_path / "a.csv"
    shutil.copy(reviews_csv, data)
    with pytest.raises(RuntimeError):
        train(tmp_path / "m", FailAfter(1), data=str(data))
    original = data.read_text()
    data.write_text(original.replace(*change))
    with pytest.raises(DataError, match="cannot resume: the training data have changed since the run was started"):
        train(tmp_path / "m", resume=True, data=str(data))
    data.write_text(original)
    train(tmp_path / "m", resume=True, data=str(data))


def test_nothing_to_resume(train: Train, tmp_path: Path, model_copy: Path) -> None:
    with pytest.raises(OutputError, match="there is no unfinished run to resume; leave --resume out to start one"):
        train(tmp_path / "m", resume=True)
    (model_copy / "last.safetensors").unlink()
    with pytest.raises(OutputError, match="there is no unfinished run to resume"):
        train(model_copy, resume=True)
    (tmp_path / "m.partial").mkdir()
    with pytest.raises(OutputError, match="stopped before there was anything to resume; start anew with --overwrite"):
        train(tmp_path / "m", resume=True)
    train(tmp_path / "m", overwrite=True, epochs=1)
    assert entries(tmp_path) == ["m", "model"]


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "last.safetensors", "model.safetensors"])
def test_an_unfinished_run_that_is_damaged(name: str, train: Train, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        train(tmp_path / "m", FailAfter(2))
    path = tmp_path / "m.partial" / name
    path.write_bytes(b"\xff" + path.read_bytes()[:100])
    with pytest.raises(ModelDirectoryError, match=r"m\.partial is damaged \(.*\); start anew with --overwrite"):
        train(tmp_path / "m", resume=True)


def test_in_use_by_something_else(train: Train, tmp_path: Path, cli: Cli, reviews_csv: Path, model_copy: Path) -> None:
    def refusal(out: Path, *options: str) -> str:
        result = cli("train", "classify", reviews_csv, "--out", out, *options)
        assert (result.exit_code, result.stdout) == (5, "")
        return result.stderr

    before = weights(model_copy)
    assert refusal(model_copy).endswith("a model is there; choose another --out, or replace it with --overwrite\n")
    assert weights(model_copy) == before
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "notes.txt").write_text("mine")
    for options in ([], ["--overwrite"]):
        assert "mine: in use: it exists and is no model directory of recurra" in refusal(mine, *options)
        assert "notes.txt: in use: it exists and is no model directory of recurra" in refusal(
            mine / "notes.txt", *options
        )
    assert entries(mine) == ["notes.txt"]
    assert "cannot be written" in refusal(mine / "notes.txt" / "m")
    with pytest.raises(RuntimeError):
        train(tmp_path / "m", FailAfter(1))
    assert "an unfinished run is in" in refusal(tmp_path / "m")
    assert "go on with --resume, or start anew with --overwrite" in refusal(tmp_path / "m")
    assert entries(tmp_path) == ["m.partial", "mine", "model"]


def test_an_empty_folder_may_become_a_model(train: Train, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    train(tmp_path / "m", epochs=1)
    assert entries(tmp_path) == ["m"]
    assert recurra.load(tmp_path / "m").epochs == 1


def test_the_folder_that_one_stands_in_may_become_a_model(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "m").mkdir()
    monkeypatch.chdir(tmp_path / "m")
    train(Path("."), epochs=1)
    assert recurra.load(tmp_path / "m").epochs == 1


def test_overwrite_replaces_the_model_when_the_new_one_is_finished(train: Train, model_copy: Path) -> None:
    before = weights(model_copy)
    with pytest.raises(RuntimeError):
        train(model_copy, FailAfter(2), overwrite=True)
    assert weights(model_copy) == before
    train(model_copy, overwrite=True)
    assert weights(model_copy) != before
    assert entries(model_copy.parent) == ["model"]


def test_a_foreign_folder_in_the_way_of_the_run_is_left_alone(train: Train, tmp_path: Path) -> None:
    (tmp_path / "m.partial").mkdir()
    (tmp_path / "m.partial" / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"m\.partial: in use: it is no run of recurra's; choose another --out"):
        train(tmp_path / "m", overwrite=True)
    assert (tmp_path / "m.partial" / "notes.txt").read_text() == "mine"


def test_a_run_at_work_keeps_others_away(train: Train, tmp_path: Path, cli: Cli, reviews_csv: Path) -> None:
    place = tmp_path / "m"
    seen: list[str] = []

    class TryMeanwhile(Callback):
        def on_epoch(self, record: EpochRecord) -> None:
            for options in ([], ["--overwrite"], ["--resume"]):
                result = cli("train", "classify", reviews_csv, "--out", place, *options)
                assert result.exit_code == 5
                seen.append(result.stderr)

    train(place, TryMeanwhile(), epochs=1)
    assert (
        seen == [f"error: {place}: in use: another run is training into it; wait for it or choose another --out\n"] * 3
    )
    assert entries(tmp_path) == ["m"]


def test_another_process_keeps_others_away(train: Train, tmp_path: Path) -> None:
    hold = "import filelock, sys; a = filelock.FileLock(sys.argv[1]); a.acquire(); print('held', flush=True); input()"
    arguments = [sys.executable, "-c", hold, str(tmp_path / "m.lock")]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(OutputError, match="another run is training into it"):
            train(tmp_path / "m", epochs=1)
        other.kill()
    train(tmp_path / "m", epochs=1)  # the lock of a process that is dead holds nobody up
    assert entries(tmp_path) == ["m"]


def test_the_lock_is_given_back_after_a_refusal(tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        RunDirectory(tmp_path / "m", resume=True)
    with FileLock(tmp_path / "m.lock").acquire(timeout=0):
        pass
