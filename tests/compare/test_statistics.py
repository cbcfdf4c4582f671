"""Means over seeds with their intervals, beside those of scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from recurra.compare.statistics import Mean, paired_mean, seeds_mean


@pytest.mark.parametrize("values", [[0.1, 0.4], [0.81, 0.84, 0.79], [3.0, 1.0, 4.0, 1.0, 5.0]])
def test_the_interval_is_students(values: list[float]) -> None:
    found = seeds_mean(values)
    low, high = stats.t.interval(0.95, len(values) - 1, loc=found.value, scale=stats.sem(values))
    assert found == pytest.approx((sum(values) / len(values), low, high))


def test_a_difference_is_taken_seed_by_seed() -> None:
    ours, theirs = [0.9, 0.5, 0.7], [0.8, 0.41, 0.59]
    found = paired_mean(ours, theirs)
    test = stats.ttest_rel(ours, theirs)
    assert found.spread == pytest.approx(tuple(test.confidence_interval()))
    assert found.sign == 1  # the seeds differ by far more than the two
    assert paired_mean(theirs, ours).sign == -1
    assert seeds_mean(ours).spread[0] < seeds_mean(theirs).spread[1]


@pytest.mark.parametrize(("comparisons", "most"), [(6, 0.05), (1, None)])
def test_of_cells_that_are_alike_the_best_is_seldom_told_apart(comparisons: int, most: float | None) -> None:
    alarms, times = 0, 2000
    for scores in np.random.default_rng(0).normal(size=(times, 4, 3)):  # four cells, three seeds, no difference
        best = int(scores.mean(axis=1).argmax())
        alarms += any(paired_mean(scores[best], other, comparisons).sign > 0 for other in np.delete(scores, best, 0))
    if most is None:
        assert alarms / times > 0.15  # what intervals that each stand by themselves would do
    else:
        assert alarms / times < most


def test_one_seed_has_no_interval_and_alike_ones_have_no_width() -> None:
    assert seeds_mean([0.7]) == Mean(0.7)
    assert seeds_mean([0.7]).spread is None
    assert seeds_mean([0.7]).sign == 0
    assert seeds_mean([0.5, 0.5]) == Mean(0.5, 0.5, 0.5)
    assert paired_mean([0.5, 0.5], [0.5, 0.5]).sign == 0


def test_differences_that_only_rounding_tells_apart_have_no_sign() -> None:
    assert paired_mean([0.75, 0.5, 1.0], [0.5, 0.25, 0.75]) == Mean(0.25, 0.25, 0.25)
    for ours, theirs in (([0.8, 0.7, 0.9], [0.6, 0.5, 0.7]), ([0.1 + 0.2, 0.7], [0.3, 0.7 - 1e-16])):
        found = paired_mean(ours, theirs)
        assert np.std(np.subtract(ours, theirs)) > 0  # rounding alone
        assert (found.width, found.sign, paired_mean(theirs, ours).sign) == (None, 0, 0)
    assert paired_mean([0.8, 0.7001, 0.9], [0.6, 0.5, 0.7]).sign == 1


def test_an_interval_ends_at_what_a_score_can_be() -> None:
    assert Mean(0.5, -0.5, 1.5).within(0.0, 1.0) == Mean(0.5, 0.0, 1.0)
    assert Mean(0.5).within(0.0, 1.0) == Mean(0.5)
