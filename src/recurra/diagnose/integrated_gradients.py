"""What each step of an input adds to an answer: the integral of the gradient on the way from nothing to the input."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recurra.diagnose.reading import Reading

__all__ = ["Influences", "integrate", "integrate_closely"]

_STEPS_AT_ONCE = 16_384
_POINTS, _MOST_POINTS = 16, 2048
_FEWEST_POINTS = 4
_WORK = 1e11  # products with recurrent weights when gradients are sent back: some ten seconds on one core
_CLOSE = 0.01
_NARROWEST = 1e-6  # share of the way: float32 tells no points apart that are nearer to each other

_Numbers = NDArray[np.float64]


class Influences(NamedTuple):
    """The part of each piece in each answer.

    Attributes:
        values: [A, P].
        start: score of each answer where no piece says anything, [A].
        scores: of each answer, [A].
        gap: by how much the values miss the change from `start` to `scores`, [A].
        points: of the sum that stands for the integral.
    """

    values: _Numbers
    start: _Numbers
    scores: _Numbers
    gap: _Numbers
    points: int


def integrate(reading: Reading, points: int) -> Influences:
    r"""Integrated gradients (Sundararajan, Taly, Yan, "Axiomatic attribution for deep networks", ICML 2017).

    .. math:: \phi_t = (x_t - u_t) \cdot \int_0^1 \nabla_{x_t} s(u + a (x - u)) \, da

    of a score s, the input x and what says nothing, u. The integral is a midpoint sum. The influences of all pieces add
    up to s(x) - s(u), but for `gap`.

    Args:
        reading: of the input; its network is as :func:`recurra.diagnose.reading.undisturbed` makes it.
        points: of the sum; more make `gap` smaller.
    """
    slopes = _slopes(reading, (np.arange(points) + 0.5) / points)
    return _influences(reading, slopes.mean(0), _scores(reading, np.array([0.0, 1.0])), points)


def integrate_closely(reading: Reading) -> Influences:
    """The same with points where they are needed, until no gap is above 1 % of what the influences move.

    That is the sum of their sizes, as those for and those against an answer may all but cancel. The way is divided into
    16 equal parts at first. On each part, too, the influences must add up to the change of the score; where they do
    not, it is divided in three, of which the middle one keeps its point. So a score that jumps somewhere is followed
    there, and nowhere else. It ends when what is missed on the parts, each by its size, adds up to no more than the
    1 %. There are 2,048 points at most, and fewer where networks are large, inputs long and answers many, but 4 at
    least, so that all takes some ten seconds where 4 do: where not all parts can be divided, those that miss most are,
    and the gap tells what that costs.
    """
    affordable = min(_MOST_POINTS, int(_WORK / (reading.work() * max(1, len(reading.answers)))))
    points = max(_FEWEST_POINTS, min(_POINTS, affordable))
    edges = np.arange(points + 1) / points
    scores = _scores(reading, edges)
    ends, left, width, rise = scores[[0, -1]], edges[:-1], np.diff(edges), np.diff(scores, axis=0)
    slopes = _slopes(reading, left + width / 2)
    while True:
        parts = slopes * width[:, np.newaxis, np.newaxis]  # [n, A, T]
        found = _influences(reading, parts.sum(0), ends, len(width))
        allowed = _CLOSE * np.abs(found.values).sum(1)
        misses = np.abs(parts.sum(2) - rise)
        room = (affordable - len(width)) // 2  # each division adds two points
        if room < 1 or (misses.sum(0) <= allowed).all() or not np.isfinite(misses).all():
            return found
        chosen = _worst((misses > allowed * width[:, np.newaxis]).any(1) & (width > _NARROWEST), misses, room)
        if not chosen.any():
            return found
        third = width[chosen] / 3
        first, last = left[chosen], left[chosen] + 2 * third
        within = _scores(reading, np.concatenate([first + third, last])).reshape(2, len(third), -1)
        before, after = within[0] - _scores(reading, first), _scores(reading, last + third) - within[1]
        new = _slopes(reading, np.concatenate([first + third / 2, last + third / 2]))
        rise[chosen] = within[1] - within[0]
        left[chosen], width[chosen] = first + third, third
        left, width = np.concatenate([left, first, last]), np.concatenate([width, third, third])
        rise, slopes = np.concatenate([rise, before, after]), np.concatenate([slopes, new])


def _worst(of: NDArray[np.bool_], misses: _Numbers, most: int) -> NDArray[np.bool_]:
    """Of some parts [n] those, so many at most, on which an answer misses the largest share of all its misses, [n]."""
    shares = (misses / np.maximum(misses.sum(0), np.finfo(np.float64).tiny)).max(1)
    worst = np.zeros_like(of)
    worst[np.argsort(np.where(of, -shares, np.inf), kind="stable")[:most]] = True
    return of & worst


def _influences(reading: Reading, of_steps: _Numbers, ends: _Numbers, points: int) -> Influences:
    values = reading.to_pieces(of_steps)
    return Influences(values, ends[0], ends[1], values.sum(1) - (ends[1] - ends[0]), points)


def _on_the_way(reading: Reading, shares: _Numbers) -> tuple[Tensor, ...]:
    """The inputs at some shares of the way, [n, T, I], so many at a time as fit into memory."""
    at = torch.from_numpy(shares).to(reading.vectors).view(-1, 1, 1)
    size = max(1, _STEPS_AT_ONCE // max(1, len(reading.vectors)))
    return tuple(torch.lerp(reading.start, reading.vectors, some) for some in at.split(size))


@torch.no_grad()
def _scores(reading: Reading, shares: _Numbers) -> _Numbers:
    """The scores at some shares of the way, [n, A]."""
    found: _Numbers = torch.cat([reading.score(some) for some in _on_the_way(reading, shares)]).double().cpu().numpy()
    return found


def _slopes(reading: Reading, shares: _Numbers) -> _Numbers:
    """How fast each score rises at some shares of the way by the change of each step, [n, A, T]."""
    change = reading.vectors - reading.start
    found = np.zeros((len(shares), len(reading.answers), len(change)))
    first = 0
    for some in _on_the_way(reading, shares) if len(change) else ():
        with torch.enable_grad():
            of_answers = reading.score(some.requires_grad_()).sum(0)
            for number, score in enumerate(of_answers):
                goes_on = number + 1 < len(of_answers)
                (gradient,) = torch.autograd.grad(score, some, retain_graph=goes_on, materialize_grads=True)
                found[first : first + len(some), number] = (gradient.double() * change).sum(2).cpu().numpy()
        first += len(some)
    return found
