"""What connectionist temporal classification says of each frame, its best path, and where a given text stands in it.

A path has one symbol or a blank for each frame; its text is what is left when repeats are merged and blanks are taken
out (Graves et al., "Connectionist temporal classification", ICML 2006).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recurra.errors import DataError, ShapeError
from recurra.vocabulary import PADDING

__all__ = ["BLANK", "Aligned", "GreedyStream", "align", "best_path", "checked_frames", "frames_needed"]

BLANK = PADDING
_SUM_OFF_BY = 0.01  # of a frame's probabilities in nats: more than half precision gives, less than scores are off


class Aligned(NamedTuple):
    """A symbol, its first and its last frame, and its mean probability over them."""

    id: int
    first: int
    last: int
    probability: float


def checked_frames(log_probabilities: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Frames in double precision.

    Args:
        log_probabilities: natural, of the blank (0) and the symbols in each frame, [T, V].

    Raises:
        ShapeError: they are not [T, V].
        DataError: they are no log-probabilities.
    """
    frames = np.asarray(log_probabilities)
    if frames.ndim != 2 or frames.shape[1] < 2:
        raise ShapeError(f"log_probabilities: expected [T, V] of the blank and some symbols, got {frames.shape}")
    frames = frames.astype(np.float64)
    with np.errstate(invalid="ignore"):  # NaN is found below
        sums = np.logaddexp.reduce(frames, axis=1)
    wrong = np.flatnonzero(~(np.abs(sums) < _SUM_OFF_BY))  # NaN compares as false
    if len(wrong):
        raise DataError(
            f"log_probabilities, frame {wrong[0]}: expected natural logarithms of probabilities that sum to 1, got a "
            f"sum of exp({sums[wrong[0]]:.3g}); give the log-softmax of what a network says that ended its training"
        )
    return frames


def best_path(log_probabilities: NDArray[np.floating[Any]]) -> list[int]:
    """The text of the most probable path, which need not be the most probable text.

    Args:
        log_probabilities: natural, of the blank (0) and the symbols in each frame, [T, V].

    Raises:
        ShapeError: they are not [T, V].
        DataError: they are no log-probabilities.

    >>> best_path(np.log([[0.1, 0.8, 0.1], [0.1, 0.8, 0.1], [0.8, 0.1, 0.1], [0.1, 0.8, 0.1]]))
    [1, 1]
    """
    return GreedyStream().push(log_probabilities)


class GreedyStream:
    """:func:`best_path` as the frames come."""

    def __init__(self) -> None:
        self._ids: list[int] = []
        self._last = BLANK

    def push(self, log_probabilities: NDArray[np.floating[Any]]) -> list[int]:
        """Read frames [t, V]; the text so far, which later frames only add to. Errors as :func:`best_path`."""
        path = checked_frames(log_probabilities).argmax(1)
        if len(path):
            is_new = (path != BLANK) & (path != np.concatenate([[self._last], path[:-1]]))
            self._ids += path[is_new].tolist()
            self._last = int(path[-1])
        return list(self._ids)


def frames_needed(ids: Sequence[int]) -> int:
    """The fewest frames that a text [S] can have: one for each symbol, and a blank between equal ones.

    >>> frames_needed([1, 2, 2, 2])
    6
    """
    return len(ids) + sum(one == other for one, other in itertools.pairwise(ids))


def align(log_probabilities: NDArray[np.floating[Any]], ids: Sequence[int]) -> list[Aligned]:
    """The most probable path of a text: in which frames each of its symbols stands (Viterbi; exact).

    Args:
        log_probabilities: natural, of the blank (0) and the symbols in each frame, [T, V].
        ids: the text's symbols, [S].

    Raises:
        ShapeError: the log-probabilities are not [T, V], or an id is none of a symbol.
        DataError: they are no log-probabilities, the text does not fit into the frames, or has no probability there.

    >>> frames = np.log([[0.2, 0.7, 0.1], [0.2, 0.5, 0.3], [0.1, 0.1, 0.8]])
    >>> [(one.id, one.first, one.last, round(one.probability, 3)) for one in align(frames, [1, 2])]
    [(1, 0, 1, 0.6), (2, 2, 2, 0.8)]
    """
    frames = checked_frames(log_probabilities)
    wrong = [id_ for id_ in ids if not BLANK < id_ < frames.shape[1]]
    if wrong:
        raise ShapeError(f"ids: expected symbols from 1 to {frames.shape[1] - 1}, got {wrong[0]}")
    if not len(ids):
        return []
    needed = frames_needed(ids)
    if len(frames) < needed:
        raise DataError(
            f"a text of {len(ids)} symbols needs at least {needed} frames, with a blank between equal ones, found "
            f"{len(frames)}"
        )
    path = _viterbi(frames, np.asarray(ids))
    aligned = []
    for number, id_ in enumerate(ids):
        first, behind = np.searchsorted(path, [2 * number + 1, 2 * number + 2]).tolist()
        aligned.append(Aligned(int(id_), first, behind - 1, float(np.exp(frames[first:behind, id_]).mean())))
    return aligned


def _viterbi(frames: NDArray[np.float64], ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """The place in blank, symbol, blank ... blank [2 S + 1] of each frame [T] of the best path; of equals, the earlier.

    Raises:
        DataError: no path has a probability.
    """
    places = np.full(2 * len(ids) + 1, BLANK)
    places[1::2] = ids
    can_skip = np.zeros(len(places), bool)  # the blank between two different symbols
    can_skip[3::2] = ids[1:] != ids[:-1]
    ways = np.full((3, len(places)), -np.inf)  # it stays, comes from the place before, or from that before the blank
    best = np.concatenate([frames[0, places[:2]], np.full(len(places) - 2, -np.inf)])
    moves = np.zeros((len(frames), len(places)), np.int8)
    for time in range(1, len(frames)):
        ways[0], ways[1, 1:] = best, best[:-1]
        ways[2, 2:] = np.where(can_skip[2:], best[:-2], -np.inf)
        moves[time] = ways.argmax(0)
        best = ways.max(0) + frames[time, places]
    if best[-2:].max() == -np.inf:
        raise DataError("the text has no probability in these frames: a symbol of it is impossible where it must stand")
    path = np.empty(len(frames), np.int64)
    path[-1] = len(places) - 2 + best[-2:].argmax()
    for time in range(len(frames) - 1, 0, -1):
        path[time - 1] = path[time] - moves[time, path[time]]
    return path
