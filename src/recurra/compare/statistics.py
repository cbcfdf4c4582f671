"""What a few runs tell of many: a mean over seeds, or over differences seed by seed, with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

__all__ = ["Mean", "paired_mean", "seeds_mean"]


class Mean(NamedTuple):
    """A mean, and between what it lies at 95 % by Student's t; low and high are None where there is one value alone."""

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def spread(self) -> tuple[float, float] | None:
        """Low and high, where there is an interval."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    @property
    def width(self) -> tuple[float, float] | None:
        """Low and high, where the values differ: of those that are all alike an interval says nothing."""
        return None if self.low == self.high else self.spread

    def within(self, least: float, most: float) -> Mean:
        """The same where the interval ends at the limits between which the true value must lie."""
        if self.low is None or self.high is None:
            return self
        return Mean(self.value, max(least, self.low), min(most, self.high))

    @property
    def sign(self) -> int:
        """1 or -1 where the whole interval lies above or below zero; 0 where it holds zero, or says nothing."""
        width = self.width
        if width is None or width[0] <= 0 <= width[1]:
            return 0
        return 1 if width[0] > 0 else -1


_ALIKE = 1e-9  # of the largest value: a deviation below this is one of rounding


def seeds_mean(values: Sequence[float], comparisons: int = 1, scale: float | None = None) -> Mean:
    """The mean of a value a seed.

    The seeds are taken as drawn at random, the values as about normal: mean +- t s / sqrt(n), where t is the 97.5 %
    quantile of Student's distribution with n - 1 degrees of freedom (Student, "The probable error of a mean",
    Biometrika 1908).

    Args:
        values: one for each seed.
        comparisons: how many such intervals are to hold together at 95 %: the quantile is that of 5 % shared out
            among them (Bonferroni; Dunn, "Multiple comparisons among means", JASA 56, 1961).
        scale: how large the numbers are that the values were computed from, by default the largest value. Values that
            deviate by less than about 1e-9 of it are taken as all alike: the interval then has no width.

    >>> seeds_mean([1.0, 2.0, 3.0]).low
    -0.484...
    >>> seeds_mean([1.0])
    Mean(value=1.0, low=None, high=None)
    """
    mean = float(np.mean(values))
    if len(values) < 2:
        return Mean(mean)
    quantile = float(stdtrit(len(values) - 1, 1 - 0.025 / comparisons))
    deviation = float(np.std(values, ddof=1))
    if deviation <= _ALIKE * (float(np.max(np.abs(values))) if scale is None else scale):
        deviation = 0.0
    half = quantile * deviation / math.sqrt(len(values))
    return Mean(mean, mean - half, mean + half)


def paired_mean(ours: Sequence[float], theirs: Sequence[float], comparisons: int = 1) -> Mean:
    """How much larger our values are than theirs with the same seeds, as :func:`seeds_mean` of the differences."""
    scale = max(map(abs, (*ours, *theirs)))
    return seeds_mean([one - other for one, other in zip(ours, theirs, strict=True)], comparisons, scale)
