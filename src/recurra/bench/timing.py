"""A description of the machine and of what else it did meanwhile, and how many threads it uses."""

from __future__ import annotations

import contextlib
import os
import platform
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

__all__ = ["Load", "machine", "machine_line", "threads_set"]

# what changes how fast recurra or torch is
_SWITCHES = ("RECURRA_KERNEL", "RECURRA_NATIVE", "THP_MEM_ALLOC_ENABLE")


@contextlib.contextmanager
def threads_set(threads: int | None) -> Iterator[None]:
    """Let torch use so many threads inside the context; None leaves it its own choice."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def machine() -> dict[str, Any]:
    """Processor, threads and versions."""
    return {
        "processor": _processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "recurra": version("recurra"),
        "python": platform.python_version(),
        "system": platform.system(),
        "environment": {name: os.environ[name] for name in _SWITCHES if os.environ.get(name)},
    }


def machine_line() -> str:
    """The same in one line."""
    found = machine()
    threads = "1 thread" if found["threads"] == 1 else f"{found['threads']} threads"
    return (
        f"{found['processor']} ({found['instructions']}), {threads} on {found['cores']} cores, "
        f"torch {found['torch']}, recurra {found['recurra']}, Python {found['python']}, {found['system']}"
    )


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


class Load:
    """What else ran on the machine between the making of this and :meth:`until_now`."""

    def __init__(self) -> None:
        self._before = _load_average()
        self._busy, self._own, self._clock = _busy_seconds(), _own_seconds(), time.perf_counter()

    def until_now(self) -> dict[str, float | None]:
        """Load averages of the last minute before and after, and the cores that other processes kept busy.

        Each is None on a system that does not tell it. The load after has this process in it, the cores have not.
        """
        elapsed = time.perf_counter() - self._clock
        busy, others = _busy_seconds(), None
        if busy is not None and self._busy is not None and elapsed > 0:
            others = max(0.0, (busy - self._busy) - (_own_seconds() - self._own)) / elapsed
        return {"before": self._before, "after": _load_average(), "cores_of_others": others}


def _load_average() -> float | None:
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def _own_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _busy_seconds() -> float | None:
    """Seconds that all cores together were not idle, as Linux counts them; stolen ones are taken by other machines."""
    path = Path("/proc/stat")
    if not path.exists():
        return None
    user, nice, system, _, _, irq, softirq, steal = map(int, path.read_text().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
