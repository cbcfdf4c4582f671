"""What an explanation says in words and tables, the same on a terminal and on a page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from recurra.diagnose.explained import Explained, Forming, LayerStates
from recurra.pages.tokens import places, seen

__all__ = [
    "answer_lines",
    "changes",
    "completeness",
    "cut",
    "few_left_out",
    "number",
    "of_interest",
    "spark",
    "states_of_unit",
    "strongest",
    "surprises",
]

_LEVELS = "▁▂▃▄▅▆▇█"


def answer_lines(found: Explained) -> list[str]:
    """How each answer is said, on one line: a symbol that is a space or a line's end can be seen."""
    return [
        f"{seen(answer)}{told.removeprefix(answer)}" if told.startswith(answer) and len(answer) == 1 else told
        for answer, told in zip(found.answers, found.told)
    ]


def cut(found: Explained) -> str:
    """What is told of pieces at the end that were not read; nothing where there are none."""
    if not found.truncated:
        return ""
    if found.surprise:
        return f"The first {len(found.pieces):,} symbols are explained; {found.truncated:,} more follow."
    pieces = "1 piece at the end was" if found.truncated == 1 else f"{found.truncated:,} pieces at the end were"
    return f"{pieces} not given to the model: its longest input was reached."


def few_left_out(found: Explained) -> str:
    """What is told where not each piece was left out by itself; nothing where each was."""
    count = int(np.isfinite(found.left_out).all(axis=0).sum())
    if count == len(found.pieces):
        return ""
    return (
        f"The {count:,} pieces with the most influence were left out, one at a time; all {len(found.pieces):,} would "
        "take too long."
    )


def number(value: float, decimals: int = 3) -> str:
    """A signed number; with three digits where it is large; a dash where it was not measured.

    >>> [number(value) for value in (1.5, 123456.0, math.nan)]
    ['+1.500', '+1.23e+05', '-']
    """
    if math.isnan(value):
        return "-"
    return f"{value:+.{decimals}f}" if abs(value) < 10_000 else f"{value:+.3g}"


def completeness(found: Explained) -> str:
    """What the influences add up to, beside how far the answer moved from its start."""
    sums, moved, missed = found.influences.sum(axis=1), found.scores - found.start, np.abs(found.gap)
    if not len(found.answers):
        return "There is no answer to explain."
    if len(found.answers) == 1:
        decimals = places(moved)
        added, by, start, end = (number(values[0], decimals) for values in (sums, moved, found.start, found.scores))
        return (
            f"The influences add up to {added} {found.unit}; the answer moved by {by}, from {start} where nothing is "
            f"said to {end}; missed by {missed[0]:.2g}."
        )
    return (
        f"The influences on each of {len(found.answers)} answers add up to how far it moved from where nothing is said "
        f"({found.unit}); the sums miss it by at most {missed.max():.2g}."
    )


def strongest(values: NDArray[np.float64], most: int) -> list[int]:
    """The places of the numbers [T] that are the furthest from zero, the strongest first; zeros are left out."""
    found: list[int] = np.argsort(-np.abs(values), kind="stable")[:most].tolist()
    return [place for place in found if values[place] != 0]


def of_interest(found: Explained, most: int) -> list[int]:
    """Some answers, in order: those that moved furthest, or the symbols that surprised most."""
    weights = -found.scores if found.surprise else np.abs(found.scores - found.start)
    return sorted(np.argsort(-weights, kind="stable")[:most].tolist())


def surprises(found: Explained) -> NDArray[np.float64]:
    """Of each symbol that came, in bits, [A]."""
    bits: NDArray[np.float64] = -found.scores / np.log(2)
    return bits


def changes(forming: Sequence[Forming], most: int = 12) -> list[Forming]:
    """The first answer, those that differ from the one before, and the last: some of them where there are many."""
    kept = [*forming[:1], *(after for before, after in pairwise(forming) if after.answer != before.answer)]
    if forming and kept[-1] is not forming[-1]:
        kept.append(forming[-1])
    if len(kept) <= most:
        return kept
    return [kept[place] for place in np.linspace(0, len(kept) - 1, most).round().astype(int).tolist()]


def spark(values: NDArray[np.float64], low: float, high: float) -> str:
    """A line of bars, one for each number.

    >>> spark(np.array([0.0, 0.5, 1.0]), 0.0, 1.0)
    '▁▅█'
    """
    span = high - low or 1.0
    levels = np.clip((values - low) / span * len(_LEVELS), 0, len(_LEVELS) - 1).astype(int)
    return "".join(_LEVELS[level] for level in levels.tolist())


def states_of_unit(layer: LayerStates, unit: int, most: int) -> NDArray[np.float64]:
    """A unit's h over the steps, or over so many groups of steps, the mean of each."""
    values = layer.values["h"][:, unit].astype(np.float64)
    if len(values) <= most:
        return values
    return np.array([group.mean() for group in np.array_split(values, most)])
