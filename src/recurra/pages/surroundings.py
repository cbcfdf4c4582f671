"""What commands that write a report share: the folder that may be written, threads, losses, machine, closing."""

from __future__ import annotations

import contextlib
import os
import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

import torch
from rich.console import Console
from rich.markup import escape

from recurra.checkpoint import is_replaceable
from recurra.errors import OutputError
from recurra.files import failures_named
from recurra.train import Callback, StepRecord

__all__ = ["REPORT", "Losses", "machine", "one_thread", "print_closing", "require_ours"]

REPORT = "report.html"
_PARTS = ("recurra", "torch", "numpy", "scikit-learn", "tokenizers", "matplotlib")


class Losses(Callback):
    """Keeps the loss of each step.

    Attributes:
        values: in nats a symbol.
    """

    def __init__(self) -> None:
        self.values: list[float] = []

    def on_step(self, record: StepRecord) -> None:
        """Keep that of another step."""
        self.values.append(record.loss)


def require_ours(out: Path, models: Sequence[str], marks: Mapping[str, str]) -> None:
    """Refuse, before any work, a place that holds what the command has not made.

    Args:
        out: the command's folder; it may be missing.
        models: the names of the model directories in it.
        marks: the names of the text files in it, and what stands in each that the command has made.

    Raises:
        OutputError: naming what is there.
    """
    if not out.exists():
        return
    advice = "not made by this command; choose another --out"
    if not out.is_dir():
        raise OutputError(f"{out}: in use: it is a file, {advice}")
    names = {path.name for path in out.iterdir()}
    if names and not any(name.split(".")[0] in models or name in marks for name in names):
        raise OutputError(f"{out}: in use: it holds {min(names)}, {advice}")
    for model in models:
        place = out / model
        if place.exists() and not is_replaceable(place):
            raise OutputError(f"{place}: in use: {advice}")
    for name, mark in marks.items():
        file = out / name
        with failures_named(file):
            if file.exists() and mark not in file.read_text(encoding="utf-8", errors="replace"):
                raise OutputError(f"{file}: in use: {advice}")


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Models so small are no faster with more threads, and far slower where something else keeps the machine busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def machine() -> dict[str, str]:
    """What the numbers depend on beside the settings."""
    processor = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):  # Linux alone names the processor there
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
        processor = found[1] if found else processor
    return {
        "made on": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": f"{processor}, {os.cpu_count()} cores, 1 thread used",
        "system": platform.platform(terse=True),
        "Python": platform.python_version(),
        **{name: version(name) for name in _PARTS},
    }


def print_closing(console: Console, said: Sequence[str], out: Path, seconds: float, commands: Sequence[str]) -> None:
    """Print some sentences, where the report is, and what to try next."""
    for line in (
        *said,
        f"\nThe report, made in {seconds:.0f} seconds: {out / REPORT}",
        "\nTry next:",
        *(f"  {command}" for command in commands),
    ):
        console.print(escape(line), soft_wrap=True, highlight=False)
