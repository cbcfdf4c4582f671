"""Which symbols the texts that a decoder writes go on with: three ways, the same tensors in and out.

K hypotheses of each of B sentences are written side by side. Each way is told

- `logs` [B, K, V], the log-probabilities of the next symbol;
- `totals` [B, K], the log-probability of each hypothesis so far, minus infinity where a place holds none;
- `free` [B], how many places are left: a hypothesis that has ended keeps its place, and is no longer among the K;
- `sentences` [B], the number of each sentence, since those that are done are no longer among the B.

Padding is never chosen. Of equals the hypothesis of the lower place wins, and of one hypothesis the lower id.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from recurra.errors import RecurraError, SettingsError, ShapeError
from recurra.nn.sampling import Sampler
from recurra.vocabulary import PADDING

__all__ = ["Choice", "Choose", "Draws", "best_of_all", "likeliest"]


class Choice(NamedTuple):
    """What K hypotheses of B sentences go on with.

    Attributes:
        ids: [B, K], the next symbol of each; any where `totals` is minus infinity.
        totals: [B, K], the log-probability with it, minus infinity where a place holds no hypothesis.
        parents: [B, K], the place of the hypothesis that each goes on from; None where it is its own.
    """

    ids: Tensor
    totals: Tensor
    parents: Tensor | None


Choose = Callable[[Tensor, Tensor, Tensor, Tensor], Choice]


def likeliest(logs: Tensor, totals: Tensor, free: Tensor, sentences: Tensor) -> Choice:
    """Each hypothesis goes on with its own most probable symbol: with one a sentence, :func:`best_of_all` in short."""
    first = PADDING + 1  # padding is the lowest id
    values, ids = logs[..., first:].max(2)
    _require_possible(values[:, 0], sentences)
    return Choice(ids + first, totals + values, None)


def best_of_all(logs: Tensor, totals: Tensor, free: Tensor, sentences: Tensor) -> Choice:
    """The most probable of all K * V ways to go on, as many as there are places left, the best first."""
    hypotheses, symbols = logs.shape[1:]
    candidates = totals.unsqueeze(2) + logs
    candidates[..., PADDING] = -torch.inf
    values, numbers = _largest(candidates.flatten(1), hypotheses)
    _require_possible(values[:, 0], sentences)
    taken = torch.arange(hypotheses, device=free.device) >= free.unsqueeze(1)
    return Choice(numbers % symbols, values.masked_fill(taken, -torch.inf), numbers // symbols)


class Draws:
    """Each hypothesis goes on with a symbol that is drawn, by a generator for each sentence.

    What is drawn for a sentence depends on its seed, its log-probabilities and K alone, not on the batch it is in.

    Args:
        sampler: how a symbol is drawn.
        seeds: one for each sentence; None with temperature 0, which draws nothing.
        batch: the number of sentences.

    Raises:
        SettingsError: no seeds where something is drawn, or seeds where nothing is.
        ShapeError: another number of seeds than of sentences.
    """

    def __init__(self, sampler: Sampler, seeds: Sequence[int] | None, batch: int) -> None:
        if seeds is None and sampler.temperature > 0:
            raise SettingsError("seeds: what is drawn needs a seed for each sentence, got None")
        if seeds is not None and sampler.temperature == 0:
            raise SettingsError("seeds: they have no effect with temperature 0, which draws nothing; leave them out")
        if seeds is not None and len(seeds) != batch:
            raise ShapeError(f"seeds: expected one for each of {batch} sentences, got {len(seeds)}")
        self._sampler = sampler
        self._generators = [None] * batch if seeds is None else [torch.Generator().manual_seed(seed) for seed in seeds]
        self._recent: defaultdict[tuple[int, int], list[int]] = defaultdict(list)

    def __call__(self, logs: Tensor, totals: Tensor, free: Tensor, sentences: Tensor) -> Choice:
        """Draw one symbol for each hypothesis; hypotheses in a Python loop, since each sentence has its generator."""
        places = (totals > -torch.inf).nonzero()
        rows = places[:, 0]
        shown = logs[rows, places[:, 1]].index_fill_(1, rows.new_tensor([PADDING]), -torch.inf)
        _require_possible(shown.amax(1), sentences[rows])
        drawn = []
        for row, sentence, place in zip(shown.cpu(), sentences[rows].tolist(), places[:, 1].tolist()):
            recent = self._recent[sentence, place]
            recent.append(self._sampler.draw(row, recent, self._generators[sentence]))
            drawn.append(recent[-1])
        ids = torch.full_like(totals, PADDING, dtype=torch.int64)
        ids[rows, places[:, 1]] = rows.new_tensor(drawn)
        return Choice(ids, totals + logs.gather(2, ids.unsqueeze(2)).squeeze(2), None)


def _largest(candidates: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The `count` largest of each row of [B, N] and where they stand, of equals those that stand first.

    ``topk`` promises nothing of equals, which are rare: rows that have some are looked through once more.
    """
    values, numbers = candidates.topk(count + 1, 1)
    tied = ((values[:, 1:] == values[:, :-1]) & (values[:, 1:] > -torch.inf)).any(1)
    values, numbers = values[:, :count], numbers[:, :count]
    for row in tied.nonzero().flatten().tolist():
        reached = (candidates[row] >= values[row, -1]).nonzero().squeeze(1)
        order = candidates[row, reached].argsort(descending=True, stable=True)[:count]
        numbers[row] = reached[order]  # the values are those of topk
    return values, numbers


def _require_possible(best: Tensor, sentences: Tensor) -> None:
    """Check the log-probability [N] of the best way to go on, of the sentences [N]; NaN compares as false."""
    impossible = ~(best > -torch.inf)
    if impossible.any():
        raise RecurraError(
            f"sentence {int(sentences[impossible][0])} of the batch: the network gives no symbol a probability; its "
            f"log-probabilities are not numbers or all minus infinity. Are its weights those of a training that ended?"
        )
