"""How texts are searched for, and the books that are kept of those that run and those that have ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from recurra.errors import SettingsError
from recurra.nn.choosing import Choice
from recurra.nn.ranges import check_integer, check_number
from recurra.nn.sampling import Sampler
from recurra.vocabulary import END

__all__ = ["MOST_RATIO", "Books", "Hypothesis", "Running", "Search"]

MOST_RATIO = 10_000  # symbols for each of the source: enough for any text, and few enough to be counted
_BEYOND = 10  # symbols that a text may have beyond its ratio, so that short sources have room


class Hypothesis(NamedTuple):
    """A text, and how good it is.

    Attributes:
        ids: its symbols, without END.
        score: what hypotheses of a sentence are compared by, higher is better; see :class:`Search`.
        log_probability: log p by the network, natural, END included where it was reached; not renormalised by the
            sampler, nor for padding that is never chosen.
        weights: [T, S], attention of each of the T symbols over the sentence's own S source symbols; None of a network
            without. That of END is left out.
        capped: whether it was cut at the most symbols allowed, and has no END.
    """

    ids: list[int]
    score: float
    log_probability: float
    weights: Tensor | None
    capped: bool


@dataclass(frozen=True)
class Search:
    r"""How texts are searched for.

    The score of a hypothesis y of n symbols, END included, for a source of S symbols is

    .. math:: \log p(y) / ((5 + n) / 6)^\alpha + \beta \sum_{i \le S} \log \min(\sum_{t \le n} a_{ti}, 1)

    with attention weights a (Wu et al., "Google's neural machine translation system", arXiv:1609.08144, eq. 14); a
    source symbol with no weight at all counts as one with the least positive weight. The score ranks what has ended;
    while texts are written, the beam keeps the most probable ones.

    A hypothesis that ends keeps its place of the beam, so that a beam of 1 is greedy and at most `beam` are ever
    finished. A sentence is done when all have ended, or before, when it has `n_best` and none that still runs could
    pass the last of them: log p only falls, so it can reach log p over the norm of the longest text at best. Stopping
    there changes nothing in the result.

    No text has more than ceil(max_ratio * S) + 10 symbols, END included; one that is longer is cut there, scored as it
    stands, and comes after all that reached their END: it says nothing of how the text would have ended.

    Args:
        beam: hypotheses of a sentence that are followed at a time, at least 1 (greedy).
        n_best: hypotheses of a sentence that are wanted, at most `beam`; with a sampler, independent draws.
        length_penalty: alpha, 0 (none: short texts are favoured) or more. A beam of 1 ranks nothing: only `score`
            tells of it then.
        coverage_penalty: beta, 0 (none) or more; it needs attention.
        max_ratio: symbols for each source symbol, above 0, at most 10,000.
        sampler: draws symbols, in place of the beam.

    Raises:
        SettingsError: an option that is out of range, or without effect beside another.
    """

    beam: int = 1
    n_best: int = 1
    length_penalty: float = 0.6
    coverage_penalty: float = 0.0
    max_ratio: float = 3.0
    sampler: Sampler | None = None

    def __post_init__(self) -> None:
        check_integer("beam", self.beam)
        check_integer("n_best", self.n_best)
        check_number("length_penalty", self.length_penalty, lambda alpha: alpha >= 0, "a number of 0 (none) or more")
        check_number("coverage_penalty", self.coverage_penalty, lambda beta: beta >= 0, "a number of 0 (none) or more")
        expected = f"a number above 0, at most {MOST_RATIO:,}"
        check_number("max_ratio", self.max_ratio, lambda ratio: 0 < ratio <= MOST_RATIO, expected)
        if self.sampler is None and self.n_best > self.beam:
            raise SettingsError(f"n_best: expected at most the beam, {self.beam}, got {self.n_best}; widen the beam")
        if self.sampler is not None and self.beam > 1:
            raise SettingsError(f"beam: {self.beam} has no effect with a sampler, which draws each text by itself")
        if self.sampler is not None and self.sampler.temperature == 0 and self.n_best > 1:
            raise SettingsError(f"n_best: with temperature 0 all {self.n_best} draws would be the same; use a beam")
        if self.coverage_penalty > 0 and self.beam == 1:
            raise SettingsError("coverage_penalty: it has no effect without a beam above 1: there is nothing to rank")

    @property
    def hypotheses(self) -> int:
        """K, how many of a sentence are written side by side."""
        return self.beam if self.sampler is None else self.n_best


class Running(NamedTuple):
    """The B sentences that are not done, and the K hypotheses of each that are being written.

    Attributes:
        sentences: [B], their numbers among all.
        lengths: [B], of their sources.
        limits: [B], the most symbols of their texts.
        totals: [B, K], log p of each hypothesis; minus infinity where a place holds none.
        covered: [B, K, S], the sum of its attention weights; None without a coverage penalty.
        free: [B], places that are not of ended hypotheses.
        worst: [B], the score that a hypothesis must pass to be among the best; minus infinity while any would be.
    """

    sentences: Tensor
    lengths: Tensor
    limits: Tensor
    totals: Tensor
    covered: Tensor | None
    free: Tensor
    worst: Tensor

    @classmethod
    def begin(cls, lengths: Tensor, options: Search) -> Running:
        """All sentences with one hypothesis each; of draws, which become different by themselves, with K."""
        totals = torch.zeros(len(lengths), options.hypotheses, device=lengths.device)
        if options.sampler is None:
            totals[:, 1:] = -torch.inf
        return cls(
            sentences=torch.arange(len(lengths), device=lengths.device),
            lengths=lengths,
            limits=(lengths.double() * options.max_ratio).ceil().long() + _BEYOND,
            totals=totals,
            covered=torch.zeros_like(totals).unsqueeze(2) if options.coverage_penalty else None,
            free=torch.full_like(lengths, options.hypotheses),
            worst=torch.full_like(lengths, -torch.inf, dtype=torch.float64),
        )

    def keep(self, rows: Tensor) -> Running:
        """Those of some rows [B'] alone."""
        return Running(*(part if part is None else part[rows] for part in self))  # type: ignore[arg-type]

    def go_on(self, choice: Choice, weights: Tensor | None) -> Running:
        """With the symbols that were chosen, and the attention weights [B, K, S] of that step."""
        covered = self.covered
        if covered is not None and weights is not None:
            covered = covered + weights
            if choice.parents is not None:
                covered = covered.gather(1, choice.parents.unsqueeze(2).expand_as(covered))
        return self._replace(totals=choice.totals, covered=covered)


class _Ended(NamedTuple):
    """A hypothesis that has ended, and the step (from 1) and place where its last symbol is found."""

    sentence: int
    step: int
    place: int
    score: float
    log_probability: float
    capped: bool


class _Step(NamedTuple):
    """What was chosen in a step, and in which of its rows each of all the sentences stands; 0 if it was done."""

    rows: Tensor
    choice: Choice
    weights: Tensor | None


class Books:
    """What was chosen in each step, and which hypotheses have ended.

    Args:
        running: all sentences at the beginning.
        options: how texts are searched for.
    """

    def __init__(self, running: Running, options: Search) -> None:
        self._lengths, self._options = running.lengths, options
        symbols = torch.arange(1, int(running.limits.max()) + 1, dtype=torch.float64, device=running.totals.device)
        self._norms = ((5 + symbols) / 6) ** options.length_penalty  # one table: bounds and scores round alike
        self._steps: list[_Step] = []
        self._ended: list[list[_Ended]] = [[] for _ in running.lengths]

    def note(self, running: Running, choice: Choice, weights: Tensor | None) -> Running:
        """Write down a step, take out the hypotheses that ended with it, and return those that still run."""
        rows = torch.zeros_like(self._lengths)
        rows[running.sentences] = torch.arange(len(running.sentences), device=rows.device)
        self._steps.append(_Step(rows, choice, weights))
        running = running.go_on(choice, weights)
        is_last = (choice.ids == END) | (running.limits <= len(self._steps)).unsqueeze(1)
        ending = is_last & (running.totals > -torch.inf)
        return self._end(running, ending, choice.ids) if ending.any() else running

    def promising(self, running: Running) -> Tensor:
        """The rows of the sentences of which a hypothesis that still runs could be among the best, rising."""
        highest = running.totals.amax(1).double() / self._norms[running.limits - 1]
        return (highest > running.worst).nonzero().squeeze(1)

    def best(self) -> list[list[Hypothesis]]:
        """The hypotheses of each sentence that are asked for; no more than have ended."""
        if self._options.sampler is None:
            wanted = self._options.n_best
            chosen = [sorted(found, key=lambda one: (one.capped, -one.score))[:wanted] for found in self._ended]
        else:
            chosen = [sorted(found, key=lambda one: one.place) for found in self._ended]
        read = iter(self._read([one for found in chosen for one in found]))
        return [[next(read) for _ in found] for found in chosen]

    def _end(self, running: Running, ending: Tensor, ids: Tensor) -> Running:
        rows, places = ending.nonzero(as_tuple=True)
        totals, scores = running.totals[rows, places].double(), self._scores(running, rows, places)
        sentences, capped = running.sentences[rows].tolist(), (ids[rows, places] != END).tolist()
        for sentence, *facts in zip(sentences, places.tolist(), scores.tolist(), totals.tolist(), capped):
            self._ended[sentence].append(_Ended(sentence, len(self._steps), *facts))
        worst = running.worst.clone()
        for row, sentence in dict(zip(rows.tolist(), sentences)).items():
            finished = sorted((one.score for one in self._ended[sentence]), reverse=True)  # cut ones end with all
            if len(finished) >= self._options.n_best:
                worst[row] = finished[self._options.n_best - 1]
        left = running.totals.masked_fill(ending, -torch.inf)
        return running._replace(totals=left, free=running.free - ending.sum(1), worst=worst)

    def _scores(self, running: Running, rows: Tensor, places: Tensor) -> Tensor:
        scores = running.totals[rows, places].double() / self._norms[len(self._steps) - 1]
        if running.covered is None:
            return scores
        covered = running.covered[rows, places]
        inside = torch.arange(covered.shape[1], device=rows.device) < running.lengths[rows].unsqueeze(1)
        least = torch.finfo(covered.dtype).tiny
        shortfall = covered.double().clamp(least, 1).log().where(inside, 0.0).sum(1)
        return scores + self._options.coverage_penalty * shortfall

    def _read(self, ended: list[_Ended]) -> list[Hypothesis]:
        """Their symbols and weights, from the last step back to the first, of all at a time."""
        sentences, last, places = self._lengths.new_tensor([(one.sentence, one.step, one.place) for one in ended]).T
        ids, weights = [], []
        for number, step in zip(range(len(self._steps), 0, -1), reversed(self._steps)):
            rows = step.rows[sentences]
            ids.append(step.choice.ids[rows, places])
            if step.choice.parents is not None:
                places = step.choice.parents[rows, places].where(last >= number, places)
            if step.weights is not None:
                weights.append(step.weights[rows, places])
        texts, attention = torch.stack(ids[::-1], 1).tolist(), torch.stack(weights[::-1], 1) if weights else None
        hypotheses = []
        for number, one in enumerate(ended):
            length = one.step if one.capped else one.step - 1
            looked = None if attention is None else attention[number, :length, : int(self._lengths[one.sentence])]
            text = texts[number][:length]
            hypotheses.append(Hypothesis(text, one.score, one.log_probability, looked, one.capped))
        return hypotheses
