"""The state of a language model over a text: which units are active, and what some seem to follow."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from recurra.tasks.language_model import ModelLanguage
from recurra.vocabulary import END

__all__ = ["FEATURES", "MOVED", "Activity", "Follower", "features", "find_followers", "most_active", "read_outputs"]

MOVED = 1_000  # symbols by which a feature is moved along, to see what chance alone would find
_CHUNK = 1_024


class Activity(NamedTuple):
    """The values of some units [U, T] over the tokens of a text, and the numbers of the units."""

    tokens: Sequence[str]
    units: Sequence[int]
    values: NDArray[np.float32]


class Follower(NamedTuple):
    """The unit that follows a feature of the text most closely.

    Attributes:
        feature: what it follows.
        unit: its number; that with the strongest correlation over the first half of the held-out text.
        chosen: that correlation (Pearson's).
        found: the same unit's over the second half, which had no part in the choice.
        chance: found as `found`, for the feature moved along the text: what is found where there is nothing.
        activity: the unit's values over the passage.
    """

    feature: str
    unit: int
    chosen: float
    found: float
    chance: float
    activity: Activity


@torch.inference_mode()
def read_outputs(task: ModelLanguage, ids: NDArray[np.int32]) -> NDArray[np.float32]:
    """The last recurrent layer's outputs after each symbol of a text, [n, H], read in one piece after a line's end."""
    network, state, found = task.network.eval(), None, []
    _, state = network.read(torch.tensor([[END]]))
    for chunk in torch.from_numpy(np.asarray(ids, np.int64)[None]).split(_CHUNK, 1):
        outputs, state = network.read(chunk, state)
        found.append(outputs[:, 0])
    read: NDArray[np.float32] = torch.cat(found).numpy()
    return read


def most_active(outputs: NDArray[np.float32], count: int) -> list[int]:
    """The units whose values vary the most over a text, [n, H] in; first those that hold a value the longest.

    The longer a unit holds its value, the less it changes from one symbol to the next beside all its variation.
    """
    spread = outputs.std(axis=0)
    chosen = np.argsort(-spread, kind="stable")[:count]
    change = np.diff(outputs[:, chosen], axis=0).std(axis=0) / np.maximum(spread[chosen], 1e-12)
    units: list[int] = chosen[np.argsort(change, kind="stable")].tolist()
    return units


def _depth(line: str) -> list[float]:
    """Whether each character of a line stands within parentheses, brackets or braces."""
    found, depth = [], 0
    for character in line:
        depth = max(0, depth + (character in "([{") - (character in ")]}"))
        found.append(float(depth > 0))
    return found


def _quoted(line: str) -> list[float]:
    """Whether each character stands within quotes; an apostrophe within or behind a word opens none."""
    found = [0.0] * len(line)
    for quoted in re.finditer(r"(?<!\w)([\"'`]).+?\1", line):
        start, stop = quoted.span()
        found[start : stop - 1] = [1.0] * (stop - 1 - start)
    return found


FEATURES: dict[str, Callable[[str], list[float]]] = {
    "inside parentheses": _depth,
    "inside quotes": _quoted,
    "how far the line has come": lambda line: [float(column + 1) for column in range(len(line))],
    "how far the line is indented": lambda line: [float(len(line) - len(line.lstrip()))] * len(line),
    "a line of an interactive session": lambda line: [float(line.lstrip().startswith((">>>", "...")))] * len(line),
}


def features(lengths: Sequence[int], text: str) -> dict[str, NDArray[np.float64]]:
    """Each feature after each token of a text, [n]; after a line's end each is zero.

    Args:
        lengths: of the tokens, in characters; together they are the text.
        text: its lines, each with its line feed.
    """
    assert sum(lengths) == len(text)
    ends = np.cumsum(lengths) - 1
    found = {}
    for name, of_line in FEATURES.items():
        values = [value for line in text.splitlines(keepends=True) for value in (*of_line(line[:-1]), 0.0)]
        found[name] = np.array(values)[ends]
    return found


def find_followers(
    outputs: NDArray[np.float32], of_text: dict[str, NDArray[np.float64]], activity: Callable[[int], Activity]
) -> list[Follower]:
    """For each feature the unit that follows it most closely, chosen on one half of a text and measured on the other.

    Args:
        outputs: [n, H].
        of_text: the features, [n] each; one that does not vary in both halves is left out.
        activity: makes a unit's values over a passage.
    """
    middle = len(outputs) // 2
    found = []
    for name, values in of_text.items():
        if not (values[:middle].std() and values[middle:].std()):
            continue
        unit, chosen, measured = _choose(outputs, values, middle)
        _, _, chance = _choose(outputs, np.roll(values, MOVED), middle)
        found.append(Follower(name, unit, chosen, measured, chance, activity(unit)))
    return sorted(found, key=lambda each: -abs(each.found))


def _choose(outputs: NDArray[np.float32], values: NDArray[np.float64], middle: int) -> tuple[int, float, float]:
    """The unit with the strongest correlation over the first half, that correlation, and its own over the second."""
    over_first = _correlations(outputs[:middle], values[:middle])
    unit = int(np.abs(over_first).argmax())
    over_second = _correlations(outputs[middle:, unit : unit + 1], values[middle:])
    return unit, float(over_first[unit]), float(over_second[0])


def _correlations(outputs: NDArray[np.float32], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pearson's correlation of each unit [n, H] with a feature [n]; zero for a unit that does not vary."""
    centred = outputs.astype(np.float64) - outputs.mean(axis=0, dtype=np.float64)
    other = values - values.mean()
    norms = np.linalg.norm(centred, axis=0) * np.linalg.norm(other)
    products = centred.T @ other
    correlations: NDArray[np.float64] = np.divide(products, norms, out=np.zeros_like(products), where=norms > 0)
    return correlations
