"""The memory that training takes, measured in a process of its own."""

from __future__ import annotations

import contextlib
import json
import logging
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import torch

from recurra.compare.sizes import FirstSteps
from recurra.config import RunConfig, parse_run_config
from recurra.tasks import TASKS

__all__ = ["Memory", "training_memory"]

_log = logging.getLogger("recurra")

_CHILD = "from recurra.compare.memory import report; report()"
_STEPS = 20
_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


class Memory(NamedTuple):
    """Resident memory of a process that trains, in bytes.

    Attributes:
        peak: the most during the first 20 steps of training: Python, torch, the data, weights, gradients, the
            optimizer's state, and what is kept for the backward pass.
        before: when the data were read and the network was made, before the first step; None where the system does not
            tell.
    """

    peak: int
    before: int | None


def training_memory(config: RunConfig) -> Memory | None:
    """Start a process that reads the data and trains for 20 steps; None, which is logged, where it fails.

    Torch gives memory back to the system late and allocators keep some: a fresh process is the only one whose numbers
    owe nothing to what ran before.
    """
    told = json.dumps({"config": config.model_dump(exclude_unset=True), "threads": torch.get_num_threads()})
    done = subprocess.run([sys.executable, "-c", _CHILD], input=told, capture_output=True, text=True, check=False)
    try:
        return Memory(**json.loads(done.stdout.splitlines()[-1]))
    except (IndexError, TypeError, ValueError):
        reason = (done.stderr.strip().splitlines() or [f"it ended with status {done.returncode}"])[-1]
        _log.warning("the memory of training was not measured: %s", reason)
        return None


def report() -> None:
    """What the process does: read what it is told from standard input, train, print what it took."""
    told = json.load(sys.stdin)
    torch.set_num_threads(told["threads"])
    logging.getLogger("recurra").setLevel(logging.ERROR)
    config = parse_run_config(told["config"], source="compare")
    task = TASKS[config.task].from_data(config)
    before = _status("VmRSS")
    with contextlib.suppress(OSError):  # Linux alone forgets a peak, here that of reading the data
        _CLEAR.write_text("5")
    FirstSteps(_STEPS, seconds=float("inf")).run(task)
    sys.stdout.write(json.dumps({"peak": _status("VmHWM") or _largest(), "before": before}))


def _status(name: str) -> int | None:
    """A number of the process's status, in bytes; None where the system has no such file."""
    with contextlib.suppress(OSError):
        found = re.search(rf"^{name}:\s*(\d+) kB", _STATUS.read_text(), re.MULTILINE)
        return None if found is None else 1024 * int(found[1])
    return None


def _largest() -> int:
    """The peak since the process began, where there is no status to read."""
    import resource  # not on Windows

    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if sys.platform == "darwin" else 1024 * largest
