"""What each step of an input adds to an answer: the integral of the gradient on the way from nothing to the input."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from recurra.diagnose.reading import Reading

__all__ = ["Influences", "integrate", "integrate_closely"]

_STEPS_AT_ONCE = 16_384
_POINTS, _MOST_POINTS = 64, 1024
_FEWEST_POINTS = 8
_WORK = 4_000_000  # steps that gradients are sent back through: some seconds on one core
_CLOSE = 0.01


class Influences(NamedTuple):
    """The part of each piece in each answer.

    Attributes:
        values: [A, P].
        start: score of each answer where no piece says anything, [A].
        scores: of each answer, [A].
        gap: by how much the values miss the change from `start` to `scores`, [A].
        points: of the sum that stands for the integral.
    """

    values: NDArray[np.float64]
    start: NDArray[np.float64]
    scores: NDArray[np.float64]
    gap: NDArray[np.float64]
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
    change = reading.vectors - reading.start
    with torch.no_grad():
        ends = reading.score(torch.stack([reading.start, reading.vectors])).double().cpu().numpy()
    found = np.zeros((len(reading.answers), len(change)))
    shares = (torch.arange(points, dtype=change.dtype, device=change.device) + 0.5) / points
    for some in shares.split(max(1, _STEPS_AT_ONCE // max(1, len(change)))) if len(change) else ():
        with torch.enable_grad():
            on_the_way = (reading.start + some.view(-1, 1, 1) * change).requires_grad_()
            of_answers = reading.score(on_the_way).sum(0)
            for number, score in enumerate(of_answers):
                goes_on = number + 1 < len(of_answers)
                (gradient,) = torch.autograd.grad(score, on_the_way, retain_graph=goes_on, materialize_grads=True)
                found[number] += (gradient.double().sum(0) * change).sum(1).cpu().numpy() / points
    values = reading.to_pieces(found)
    return Influences(values, ends[0], ends[1], values.sum(1) - (ends[1] - ends[0]), points)


def integrate_closely(reading: Reading) -> Influences:
    """The same with as many points as are needed: 64 at first, until no gap is above 1 % of what the influences move.

    That is the sum of their sizes, as those for and those against an answer may all but cancel. There are 1,024 points
    at most, and fewer where inputs are long and answers are many, 8 at least, so that all takes some seconds: the gap
    tells what that costs.
    """
    affordable = _WORK // max(1, len(reading.answers) * len(reading.vectors))
    points = max(_FEWEST_POINTS, min(_POINTS, affordable))
    while True:
        found = integrate(reading, points)
        is_close = bool((np.abs(found.gap) <= _CLOSE * np.abs(found.values).sum(1)).all())
        if is_close or 4 * points > min(_MOST_POINTS, affordable) or not np.isfinite(found.scores).all():
            return found
        points *= 4
