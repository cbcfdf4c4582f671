"""What the benchmarks share: medians, means and reports."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["mean_and_range", "medians", "report"]


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


def report(sections: Sequence[str], out: Path | None) -> None:
    """Print the sections of a report and, if asked, write them to a file."""
    text = "\n\n".join(sections) + "\n"
    print(text)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
