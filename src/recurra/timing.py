"""Functions timed in turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

__all__ = ["interleaved"]


def interleaved(
    runs: Mapping[str, Callable[[], object]], rounds: int, seconds: float = float("inf"), repeats: int = 1
) -> dict[str, list[float]]:
    """Time several functions in turns, so that a change of the machine's pace meets all of them.

    Args:
        runs: what to time; the order is turned round at every round.
        rounds: times that each is run, at the most.
        seconds: begin no further round after so long, but always do two.
        repeats: runs without a pause that make one timing, for what is too short to be timed alone.

    Returns:
        The seconds of one run, one number a round.
    """
    taken: dict[str, list[float]] = {name: [] for name in runs}
    started = time.perf_counter()
    for number in range(rounds):
        if number >= 2 and time.perf_counter() - started > seconds:
            break
        for name in list(runs)[:: -1 if number % 2 else 1]:
            begun = time.perf_counter()
            for _ in range(repeats):
                runs[name]()
            taken[name].append((time.perf_counter() - begun) / repeats)
    return taken
