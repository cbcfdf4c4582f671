"""What the benchmarks share: interleaved timing, a description of the machine, and tables."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import torch

__all__ = ["interleaved", "machine", "markdown_table", "mean_and_range", "medians", "report"]


def interleaved(
    runs: Mapping[str, Callable[[], object]], rounds: int, seconds: float = float("inf")
) -> dict[str, list[float]]:
    """Time several functions in turns, so that a change of the machine's pace meets all of them.

    Args:
        runs: what to time; the order is turned round at every round.
        rounds: times that each is run, at the most.
        seconds: begin no further round after so long, but always do two.
    """
    taken: dict[str, list[float]] = {name: [] for name in runs}
    started = time.perf_counter()
    for number in range(rounds):
        if number >= 2 and time.perf_counter() - started > seconds:
            break
        for name in list(runs)[:: -1 if number % 2 else 1]:
            begun = time.perf_counter()
            runs[name]()
            taken[name].append(time.perf_counter() - begun)
    return taken


def medians(taken: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """The median of each list."""
    return {name: statistics.median(times) for name, times in taken.items()}


def mean_and_range(values: Sequence[float], form: str = "{:.1f}") -> str:
    """Write the mean, and the smallest and largest value where there are several.

    >>> mean_and_range([80.0, 82.0])
    '81.0 (80.0-82.0)'
    """
    mean = form.format(statistics.fmean(values))
    return mean if len(values) == 1 else f"{mean} ({form.format(min(values))}-{form.format(max(values))})"


def machine() -> str:
    """One line: processor, threads, versions."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        model = names[0] if names else model
    return (
        f"{model} ({torch.backends.cpu.get_cpu_capability()}), {torch.get_num_threads()} threads, "
        f"torch {torch.__version__}, recurra {version('recurra')}, Python {platform.python_version()}, "
        f"{platform.system()}"
    )


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table; the first column is aligned to the left, the others to the right."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [header, rule, *rows])


def report(sections: Sequence[str], out: Path | None) -> None:
    """Print the sections of a report and, if asked, write them to a file."""
    text = "\n\n".join(sections) + "\n"
    print(text)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
