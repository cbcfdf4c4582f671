"""Kill training at any moment: what was there stays whole, and a later run never mixes with the one that was killed.

Each run is a process of its own, forked by a process that has imported everything, so that many take a moment each.
"""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import recurra
from recurra.errors import ModelDirectoryError

SERVER = """
import json, os, signal, sys, time
import recurra.fit, recurra.progress, recurra.show
from recurra.cli import app

WRITES = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir"}

def train(arguments, place, kill_before):
    left = [kill_before]
    def watch(event, found):
        if event in WRITES and isinstance(found[0], (str, os.PathLike)):
            path = str(found[0])
            if path.startswith(place) or not os.path.isabs(path):  # a folder is removed by relative names
                left[0] -= 1
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(watch)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    app(arguments)

for line in sys.stdin:
    request = json.loads(line)
    end = time.monotonic() + request.pop("kill_after")
    child = os.fork()
    if not child:
        train(**request)
    while not (ended := os.waitpid(child, os.WNOHANG))[0]:
        if time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.001)
    print(os.waitstatus_to_exitcode(ended[1]), flush=True)
"""
NEVER = 600.0  # seconds
KILLED = -signal.SIGKILL
EPOCHS = {"one": 3, "two": 4}  # of the two runs, which differ in their seed too


class Runs:
    """Runs `recurra train` into one place, with either of two settings."""

    def __init__(self, data: Path, options: list[str], environment: dict[str, str]) -> None:
        arguments = [sys.executable, "-c", SERVER]
        pipe = subprocess.PIPE
        self.server = subprocess.Popen(
            arguments, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True, env=environment
        )
        self._data, self._options = data, options

    def run(self, place: Path, name: str, *options: str, kill_before: int = 0, kill_after: float = NEVER) -> int:
        """Run, and return the exit code.

        Args:
            place: the model directory to be.
            name: which of the two runs.
            options: further ones of the command line.
            kill_before: the step on the disk that is not reached any more, counted from 1; 0 for none.
            kill_after: seconds until it is killed.
        """
        told = ["--epochs", str(EPOCHS[name]), "--seed", str(list(EPOCHS).index(name)), "--batch-size", "8"]
        arguments = ["-q", "train", "classify", str(self._data), "--out", str(place), *self._options, *told, *options]
        request = {"arguments": arguments, "place": str(place), "kill_before": kill_before, "kill_after": kill_after}
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        self.server.stdin.write(json.dumps(request) + "\n")
        self.server.stdin.flush()
        return int(self.server.stdout.readline())


@pytest.fixture(scope="module")
def runs(reviews_csv: Path, small_options: list[str], environment: dict[str, str]) -> Iterator[Runs]:
    made = Runs(reviews_csv, small_options, environment)
    yield made
    made.server.stdin.close()  # type: ignore[union-attr]
    made.server.stdout.close()  # type: ignore[union-attr]
    made.server.wait()


def weights(model: Path) -> str:
    return hashlib.sha256((model / "model.safetensors").read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def known(runs: Runs, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each of the two runs as it ends when nobody stops it."""
    folder = tmp_path_factory.mktemp("known")
    for name in EPOCHS:
        assert runs.run(folder / name, name) == 0
    assert weights(folder / "one") != weights(folder / "two")
    return {name: folder / name for name in EPOCHS}


def which(place: Path, known: dict[str, Path]) -> str:
    """Return which of the two runs a model is, in all its parts, or "none" where it says that there is none."""
    if not place.exists() and not place.with_name("m.old").exists():
        with pytest.raises(ModelDirectoryError, match=r"nothing was finished yet|there is no such model directory"):
            recurra.load(place)
        return "none"
    model = recurra.load(place)
    assert model.predict(["a good film", ""]).shape == (2,)
    (name,) = (name for name in known if weights(known[name]) == weights(place))
    for file in ("config.json", "tokenizer.json", "baseline.safetensors", "metrics.json"):
        assert (place / file).read_bytes() == (known[name] / file).read_bytes(), file
    assert len(model.history_) == len((place / "history.jsonl").read_text().splitlines()) == EPOCHS[name]
    return name


def rerun(runs: Runs, place: Path, killed: str, known: dict[str, Path], resume: bool) -> None:
    """Run anew after a kill, either on with the same run or over it with the other; it must be that run wholly."""
    name, option = (killed, "--resume") if resume else (next(iter(set(EPOCHS) - {killed})), "--overwrite")
    assert runs.run(place, name, option) == 0
    assert which(place, known) == name
    assert [path.name for path in place.parent.iterdir()] == [place.name]


def test_killed_before_some_steps_on_the_disk(runs: Runs, known: dict[str, Path], tmp_path: Path) -> None:
    some(runs, known, tmp_path, every=27)


@pytest.mark.slow
def test_killed_before_every_step_on_the_disk(runs: Runs, known: dict[str, Path], tmp_path: Path) -> None:
    some(runs, known, tmp_path, every=1)


def some(runs: Runs, known: dict[str, Path], folder: Path, every: int) -> None:
    place = folder / "m"
    for over in (False, True):
        step = 1
        while True:
            shutil.rmtree(folder)
            folder.mkdir()
            if over:
                shutil.copytree(known["one"], place)
            ended = runs.run(place, "two", *(["--overwrite"] if over else []), kill_before=step)
            found = which(place, known)
            if ended == 0:
                assert (found, step > 40) == ("two", True)
                break
            assert ended == KILLED
            assert found in ({"one", "two"} if over else {"none", "two"})
            resumable = (folder / "m.partial" / "config.json").exists()
            rerun(runs, place, "two", known, resume=resumable and step % 2 == 0)
            step += every


@pytest.mark.parametrize("times", [4, pytest.param(50, marks=pytest.mark.slow)])
def test_killed_at_random_moments(times: int, runs: Runs, known: dict[str, Path], tmp_path: Path) -> None:
    rng = random.Random(times)
    place = tmp_path / "m"
    kills, before = 0, "none"
    longest = 10.0  # seconds; soon those of a run that was not killed
    while kills < times:
        if rng.random() < 0.3 and place.exists():
            shutil.rmtree(place)
            before = "none"
        name = rng.choice(list(EPOCHS))
        began = time.perf_counter()
        killed = runs.run(place, name, "--overwrite", kill_after=rng.uniform(0, longest)) == KILLED
        kills += killed
        longest = longest if killed else min(longest, time.perf_counter() - began)
        assert which(place, known) in (before, name)
        resumable = (tmp_path / "m.partial" / "config.json").exists()
        rerun(runs, place, name, known, resume=resumable and rng.random() < 0.5)
        before = which(place, known)


def test_interrupted_by_the_keyboard(
    reviews_csv: Path, small_options: list[str], command: list[str], environment: dict[str, str], tmp_path: Path
) -> None:
    """A signal to the real command, once it has said that an epoch is done."""
    place = tmp_path / "m"
    arguments = [*command, "train", "classify", str(reviews_csv), "--out", str(place), *small_options]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [*arguments, "--epochs", "100000"], stdout=pipe, stderr=pipe, text=True, env=environment
    ) as run:
        assert run.stderr is not None
        for line in run.stderr:
            if line.startswith("epoch 3/"):
                break
        run.send_signal(signal.SIGINT)
        limit = threading.Timer(120, run.kill)
        limit.start()
        out, err = run.communicate()
        limit.cancel()
    assert run.returncode == 130
    assert "Traceback" not in err
    assert err.endswith("--resume goes on\n")
    assert f"the model is in {place}" in out
    assert [path.name for path in tmp_path.iterdir()] == ["m"]
    assert len(recurra.load(place).history_) >= 3
