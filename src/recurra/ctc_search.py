"""The best texts by connectionist temporal classification, with a language model or without. It knows no network.

A text's probability is the sum over its paths (:mod:`recurra.ctc_paths`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from recurra.ctc_paths import BLANK, Aligned, GreedyStream, align, best_path, checked_frames
from recurra.errors import RecurraError, ShapeError
from recurra.nn.ranges import check_integer, check_number

__all__ = [
    "BLANK",
    "Aligned",
    "BeamStream",
    "Found",
    "GreedyStream",
    "Scorer",
    "align",
    "best_path",
    "prefix_beam_search",
]

_TREE = 10_000  # prefixes that are kept before those that lead nowhere are forgotten


class Found(NamedTuple):
    """A text that was found.

    Attributes:
        ids: its symbols.
        log_probability: natural log of the sum over its paths, of those that the beam held.
        score: what texts are ranked by, with the language model and the bonus; see :class:`BeamStream`.
    """

    ids: list[int]
    log_probability: float
    score: float


class Scorer(Protocol):
    """A language model for the symbols of a transcriber, asked for all prefixes of a beam at once.

    A state is what the scorer keeps of a prefix, whatever that is; it is never changed, and can be extended many times.
    All numbers are natural log-probabilities, float64.
    """

    def start(self) -> Any:
        """The state of the empty prefix."""

    def extend(self, states: Sequence[Any], ids: Sequence[int]) -> list[Any]:
        """The states of prefixes, at least one, with one more symbol each."""

    def scores(self, states: Sequence[Any]) -> NDArray[np.float64]:
        """What each symbol that could come next adds to the score of each prefix, [n, V]; that of blank is not read."""

    def end(self, states: Sequence[Any]) -> NDArray[np.float64]:
        """What the end of the text adds, [n]."""


def prefix_beam_search(
    log_probabilities: NDArray[np.floating[Any]],
    beam: int,
    scorer: Scorer | None = None,
    weight: float = 0.5,
    bonus: float = 0.0,
) -> list[Found]:
    """The best texts, at most `beam` of them, the best first; arguments and errors as :class:`BeamStream`.

    Args:
        log_probabilities: natural, of the blank (0) and the symbols in each frame, [T, V].
        beam: texts that are followed at a time.
        scorer: language model.
        weight: of the language model.
        bonus: for each symbol.

    >>> frames = np.log([[0.6, 0.4], [0.6, 0.4]])  # blank twice is the best path: 0.36
    >>> [(found.ids, f"{np.exp(found.log_probability):.2f}") for found in prefix_beam_search(frames, 4)]
    [([1], '0.64'), ([], '0.36')]
    """
    stream = BeamStream(beam, scorer, weight, bonus)
    stream.push(log_probabilities)
    return stream.found()


class _Prefixes:
    """The prefixes that a search has come across, as a tree; each has a number, above that of its parent."""

    def __init__(self) -> None:
        self.parents, self.symbols = [-1], [BLANK]
        self._children: dict[tuple[int, int], int] = {}

    def extend(self, prefix: int, symbol: int) -> int:
        """The number of a prefix with one more symbol: the one that it had, if it is known."""
        number = self._children.setdefault((prefix, symbol), len(self.parents))
        if number == len(self.parents):
            self.parents.append(prefix)
            self.symbols.append(symbol)
        return number

    def text(self, prefix: int) -> list[int]:
        symbols = []
        while prefix:
            symbols.append(self.symbols[prefix])
            prefix = self.parents[prefix]
        return symbols[::-1]

    def lean(self, prefixes: list[int]) -> tuple[_Prefixes, list[int]]:
        """A tree of these prefixes and what they begin with alone, and their numbers in it."""
        kept = {0}
        for prefix in prefixes:
            while prefix not in kept:
                kept.add(prefix)
                prefix = self.parents[prefix]
        tree, numbers = _Prefixes(), {0: 0}
        for prefix in sorted(kept - {0}):
            numbers[prefix] = tree.extend(numbers[self.parents[prefix]], self.symbols[prefix])
        return tree, [numbers[prefix] for prefix in prefixes]


class _Beam(NamedTuple):
    """The K prefixes that are followed, the best first.

    Attributes:
        prefixes: [K], their numbers.
        parents: [K], those of the prefixes without their last symbol.
        last: [K], the last symbol, BLANK of the empty prefix.
        blank: [K], log of the sum over its paths that end with a blank.
        symbol: [K], of those that end with its last symbol.
        prior: [K], what the language model and the bonus have given.
        nexts: what they give for each next symbol, [K, V]; [1, 1] without a language model.
        states: K of the language model; none without.
    """

    prefixes: NDArray[np.int64]
    parents: NDArray[np.int64]
    last: NDArray[np.int64]
    blank: NDArray[np.float64]
    symbol: NDArray[np.float64]
    prior: NDArray[np.float64]
    nexts: NDArray[np.float64]
    states: list[Any]


class BeamStream:
    r"""Prefix beam search as the frames come (Hannun et al., arXiv:1408.2873).

    After each frame the beam holds the texts y of the highest score

    .. math:: \log p(y \mid frames) + weight \log p_{LM}(y) + bonus \, |y|

    where p sums over those paths whose prefixes were in the beam all along: a beam that holds all prefixes gives the
    exact probability. The end of the text is scored by the language model in :meth:`found` alone. All symbols of all
    frames are weighed, and nothing but the beam is cut; of equals the text that ranked before wins, then the lower id.

    A beam of 1 is not the best path: it weighs a text that stays, by blank and repeat together, against each symbol
    that it could go on with, and can do better or worse.

    Args:
        beam: texts that are followed at a time, at least 1.
        scorer: language model (shallow fusion: Gulcehre et al., arXiv:1503.03535); None for none.
        weight: of the language model, above 0; without effect where there is none.
        bonus: for each symbol, any number; a language model makes long texts less probable.

    Raises:
        SettingsError: an option that is out of range.
    """

    def __init__(self, beam: int, scorer: Scorer | None = None, weight: float = 0.5, bonus: float = 0.0) -> None:
        check_integer("beam", beam)
        check_number("weight", weight, lambda number: number > 0, "a number above 0, or no language model")
        check_number("bonus", bonus, lambda number: True, "a finite number")
        self._width, self._scorer, self._weight, self._bonus = beam, scorer, weight, bonus
        self._tree, self._tree_limit = _Prefixes(), _TREE
        self._symbols: int | None = None
        states = [] if scorer is None else [scorer.start()]
        nexts = np.full((1, 1), bonus, np.float64) if scorer is None else self._nexts(scorer, states)
        start, none = np.zeros(1, np.int64), np.zeros(1)
        self._beam = _Beam(start, start - 1, start + BLANK, none, none - np.inf, none, nexts, states)

    def push(self, log_probabilities: NDArray[np.floating[Any]]) -> list[int]:
        """Read frames [t, V] and give the best text so far, which later frames can change.

        Raises:
            ShapeError: they are not [t, V], or V is not what it was, or not the language model's.
            DataError: they are no log-probabilities.
            RecurraError: with the language model no text has a probability, or its scores are not numbers.
        """
        frames = checked_frames(log_probabilities)
        expected = self._symbols if self._scorer is None else self._beam.nexts.shape[1]
        if expected not in (None, frames.shape[1]):
            whose = "before" if self._scorer is None else "the language model scores"
            raise ShapeError(f"log_probabilities: expected {expected} symbols, as {whose}, got {frames.shape[1]}")
        self._symbols = frames.shape[1]
        for frame in frames:
            self._beam = self._step(frame)
        return self._tree.text(int(self._beam.prefixes[0]))

    def found(self) -> list[Found]:
        """The best texts if the frames end here, the best first; more frames can still come."""
        beam = self._beam
        totals, scores = _both(beam), _both(beam) + beam.prior
        if self._scorer is not None:
            scores = scores + self._weight * self._scorer.end(beam.states)
        order = np.argsort(-scores, kind="stable").tolist()
        return [
            Found(self._tree.text(int(beam.prefixes[row])), float(totals[row]), float(scores[row])) for row in order
        ]

    def _step(self, frame: NDArray[np.float64]) -> _Beam:
        beam, total = self._beam, _both(self._beam)
        blank, symbol = total + frame[BLANK], beam.symbol + frame[beam.last]
        # A symbol goes on with a text; the one that it ends with only behind a blank, else it is a repeat.
        is_repeat = np.arange(len(frame)) == beam.last[:, None]
        grown = np.where(is_repeat, beam.blank[:, None], total[:, None]) + frame
        # Where the text with that symbol is in the beam already, these are more of its paths.
        row, of = np.nonzero(beam.parents[:, None] == beam.prefixes)
        symbol[row] = np.logaddexp(symbol[row], grown[of, beam.last[row]])
        grown[of, beam.last[row]] = -np.inf
        grown[:, BLANK] = -np.inf
        prior = np.broadcast_to(beam.prior[:, None] + beam.nexts, grown.shape)
        scores = np.concatenate([np.logaddexp(blank, symbol) + beam.prior, (grown + prior).ravel()])
        best = _largest(scores, self._width)
        kept, (rows, ids) = best < len(total), np.divmod(best - len(total), len(frame))
        rows = np.where(kept, best, rows)
        return self._renewed(kept, rows, ids)._replace(
            blank=np.where(kept, blank[rows], -np.inf),
            symbol=np.where(kept, symbol[rows], grown[rows, ids]),
            prior=np.where(kept, beam.prior[rows], prior[rows, ids]),
        )

    def _renewed(self, kept: NDArray[np.bool_], rows: NDArray[np.int64], ids: NDArray[np.int64]) -> _Beam:
        """The beam of some of its rows, those that are not `kept` as they are with one more symbol; sums to follow."""
        beam, added = self._beam, np.flatnonzero(~kept)
        prefixes, last = beam.prefixes[rows], np.where(kept, beam.last[rows], ids)
        prefixes[added] = [self._tree.extend(*pair) for pair in zip(prefixes[added].tolist(), ids[added].tolist())]
        if len(self._tree.parents) > self._tree_limit:
            self._tree, numbers = self._tree.lean(prefixes.tolist())
            prefixes, self._tree_limit = np.array(numbers), 2 * len(self._tree.parents) + _TREE
        parents = np.array([self._tree.parents[prefix] for prefix in prefixes.tolist()])
        nexts, states = beam.nexts, beam.states
        if self._scorer is not None:
            nexts, states = nexts[rows], [states[row] for row in rows.tolist()]
            if len(added):
                longer = self._scorer.extend([states[row] for row in added.tolist()], ids[added].tolist())
                nexts[added] = self._nexts(self._scorer, longer)
                for row, state in zip(added.tolist(), longer):
                    states[row] = state
        return beam._replace(prefixes=prefixes, parents=parents, last=last, nexts=nexts, states=states)

    def _nexts(self, scorer: Scorer, states: list[Any]) -> NDArray[np.float64]:
        nexts = self._weight * scorer.scores(states) + self._bonus
        nexts[:, BLANK] = 0  # a blank is no symbol of a text
        if np.isnan(nexts).any():
            raise RecurraError("the scores of the language model are not numbers; did its training end?")
        return nexts


def _both(beam: _Beam) -> NDArray[np.float64]:
    return np.asarray(np.logaddexp(beam.blank, beam.symbol))


def _largest(scores: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Where the largest of some scores [n] stand, at most `count`, the largest first, of equals those that stand first.

    Raises:
        RecurraError: all are minus infinity.
    """
    least = np.partition(scores, -count)[-count] if count < len(scores) else -np.inf
    among = np.flatnonzero((scores >= least) & (scores > -np.inf))
    if not len(among):
        raise RecurraError("no text has a probability: the language model rules out all that the frames could say")
    return among[np.argsort(-scores[among], kind="stable")[:count]]
