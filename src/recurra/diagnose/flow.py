"""How far a gradient reaches back: its norm by the steps between where a loss speaks and the state that hears it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from recurra.errors import DataError
from recurra.kernels.cells import State
from recurra.kernels.trace import Trace

__all__ = ["Flow", "gradient_by_lag", "joined_flows"]

_ANCHORS = 16  # steps at which a loss is followed back; each takes a backward pass


class Flow(NamedTuple):
    """The gradient of a loss with respect to the state so many steps before.

    Attributes:
        norms: by the lag, [K]: the Euclidean norm of the gradient with respect to the state, h and an LSTM's c, mean
            over sequences and steps. At lag 0 that is what the layer is told directly: by its h, and by an LSTM's c
            where that is handed on too. Long lags have fewer sequences and steps than short ones: each is taken beside
            lag 0 of the same ones, and told on the scale of the mean at lag 0 of all.
        counts: how many sequences and steps each is the mean of, [K].
    """

    norms: Tensor
    counts: Tensor

    @property
    def relative(self) -> Tensor:
        """The norms beside that at lag 0, [K]; zeros where no gradient arrives at all."""
        return self.norms / self.norms[0] if self.norms[0] else torch.zeros_like(self.norms)

    def reach(self, share: float = 0.01) -> int | None:
        """The first lag at which the gradient is below a share of that at lag 0; None where it never is."""
        below = (self.relative < share).nonzero()
        return int(below[0]) if len(below) else None


def gradient_by_lag(loss: Tensor, trace: Trace) -> Flow:
    """Follow a loss back through one direction of a layer, step by step.

    What the loss tells the layer at a step t, by what was handed out there, is sent back through time by itself; the
    norm of what arrives at the state k steps before is the gradient at lag k. A loss that speaks at many steps is
    followed from up to 16 of them, evenly spaced.

    Args:
        loss: a scalar that was computed from what the trace recorded.
        trace: the direction of a layer, recorded in :func:`recurra.kernels.trace.traced`.

    Raises:
        DataError: no sequence has a step, or the gradient is no number.
    """
    times = sorted(trace.steps, reverse=trace.backwards)  # as they were read
    if not times:
        raise DataError("diagnose: no sequence has a step; give longer ones")
    said = [trace.steps[t].said for t in times]
    flat = [part for state in said for part in state]
    told = _by_state(torch.autograd.grad(loss, flat, retain_graph=True, materialize_grads=True), len(said[0]))
    speaking = [place for place, signal in enumerate(told) if any(bool(part.any()) for part in signal)]
    norms, firsts, counts = torch.zeros(3, len(times), dtype=torch.float64)
    for place in _spread(speaking):
        _add(norms, firsts, counts, trace, times[: place + 1], told[place])
    if not bool(norms.isfinite().all()):
        raise DataError(
            "diagnose: a gradient is no number (NaN or infinite); train again with a smaller --learning-rate"
        )
    known = counts.nonzero().flatten()
    last = int(known[-1]) + 1 if len(known) else 1
    scale = firsts[0] / counts[0].clamp(min=1)
    relative = torch.where(firsts > 0, norms / firsts, torch.zeros_like(norms))
    return Flow(scale * relative[:last], counts[:last])


def joined_flows(flows: Sequence[Flow]) -> Flow:
    """Put the flows of one layer in several batches together.

    Losses are means over batches of different size, so that each batch's norms are taken beside its own at lag 0: what
    is joined are the relative ones, weighted by their counts, on the scale of the mean norm at lag 0. A batch in which
    no gradient arrives counts as zeros.
    """
    norms, counts = torch.zeros(2, max(len(flow.counts) for flow in flows), dtype=torch.float64)
    first = torch.stack([flow.norms[0] * flow.counts[0] for flow in flows]).sum()
    for flow in flows:
        norms[: len(flow.norms)] += flow.relative * flow.counts
        counts[: len(flow.counts)] += flow.counts
    return Flow(norms / counts.clamp(min=1) * _scale(first, norms[0]), counts)


def _scale(wanted: Tensor, found: Tensor) -> Tensor:
    return wanted / found if found else torch.zeros_like(found)


def _spread(places: Sequence[int]) -> list[int]:
    """Some of the places, evenly spaced; the last is among them."""
    if len(places) <= _ANCHORS:
        return list(places)
    return [places[round(number * (len(places) - 1) / (_ANCHORS - 1))] for number in range(_ANCHORS)]


def _by_state(parts: Sequence[Tensor], size: int) -> list[State]:
    """The parts of one state after the other as states of so many parts."""
    return [tuple(parts[at : at + size]) for at in range(0, len(parts), size)]


def _add(norms: Tensor, firsts: Tensor, counts: Tensor, trace: Trace, times: Sequence[int], signal: State) -> None:
    """Add, in place and by lag, what a signal at the last of some times sends back, and what it is there itself."""
    last = trace.steps[times[-1]]
    before = [part for t in times[:-1] for part in trace.steps[t].after]
    sent = torch.autograd.grad(last.after, before, signal, retain_graph=True, materialize_grads=True) if before else ()
    states = [signal, *reversed(_by_state(sent, len(signal)))]
    sizes = [torch.cat(state, dim=1).norm(dim=1).double() for state in states]  # of h and c together
    speaks = sizes[0] != 0  # a norm that is no number is seen too
    for lag, norm in enumerate(sizes):
        running = speaks[: len(norm)]
        firsts[lag] += sizes[0][: len(norm)][running].sum()
        norms[lag] += norm[: len(running)][running].sum()
        counts[lag] += running.sum()
