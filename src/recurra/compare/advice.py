"""What to choose, and why: sentences that follow from the measurements by the rules below, and from nothing else."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from recurra.compare.findings import Comparison
from recurra.compare.statistics import Mean

__all__ = ["RULES", "Choice", "advice", "choose"]

_AS_FAST = 1.1  # speeds that differ by less than a tenth are told as alike
_FASTEST = "it answers fastest"
_SHORTEST = "it answers as fast as any of them, within a tenth, and its training is the shortest"
_BEST = "none of them answers or learns more than a tenth faster, and its mean is the best of those as fast"
_POINT = 0.01  # what a share may be lower, and still count as good
_SHARE = 0.02  # of any other score
_FEEDFORWARD = "feedforward"

RULES = (
    "The cell with the best mean score over the seeds leads, of several the one named first. Another is told apart "
    "from it where the 95 % interval of the mean difference, seed by seed (Student's t), leaves out zero. As the "
    "leader is picked out by its scores, any of all pairs of cells may be the one that is looked at: the intervals are "
    "so wide that all pairs together "
    "hold at 95 % (Bonferroni), so that of cells that are all alike one is told apart in at most one comparison of "
    "twenty. "
    "Where a difference is the same with every seed the seeds tell nothing of how it varies, and nothing follows.",
    "Not told apart is not as good: few seeds may not show a difference that is there. As good counts a cell whose "
    "whole interval says that it loses less than a margin against the leader: 1 point of a score in percent, 2 % of "
    "the leader's mean of any other. The margin is a convention and not measured: to lose less seldom outweighs speed.",
    "Of the leader and those as good the one is advised that answers fastest. Where others are within a tenth of that, "
    "the one among these whose training takes the fewest seconds; where others are within a tenth of that too, the one "
    "among these with the best mean score. Cells that are neither told apart nor as good are named as undecided.",
    "With one seed there is no interval: the cell that leads is advised, by this one run only.",
    "The same kind of interval says whether the advised cell is better than the best baseline; it holds for all cells "
    "together, as any of them might have been advised.",
    "Where the data are divided already all seeds are scored on the same test examples: the intervals over seeds leave "
    "out what other examples would change.",
    "Where each seed divides the data anew the training examples of the seeds overlap, their scores depend on each "
    "other, and a plain interval of Student's t is too narrow (Nadeau, Bengio, \"Inference for the generalization "
    'error", Machine Learning 52, 2003).',
    "The advised cell is chosen by the same scores that are shown, so that its own score is a little optimistic.",
)


class Choice(NamedTuple):
    """What the rules give.

    Attributes:
        leader: the cell of the best mean score, of several the one named first.
        tied: all cells of that mean, the leader the first.
        gains: of the leader over each other cell, above zero where the leader is better.
        alike: the cells that cannot be told apart from the leader, itself the first; with one seed itself alone.
        margin: how much a cell may lose against the leader and still count as good.
        good: the cells that by their whole interval lose less, the leader the first.
        advised: one of these.
        why: what decided among these, as a part of a sentence.
        baseline: the best one.
        over_baseline: the gain of the advised cell over it.
    """

    leader: str
    tied: Sequence[str]
    gains: dict[str, Mean]
    alike: Sequence[str]
    margin: float
    good: Sequence[str]
    advised: str
    why: str
    baseline: str
    over_baseline: Mean


def choose(found: Comparison) -> Choice:
    """Follow the rules."""
    better = 1 if found.scored.headline.higher else -1
    leader = max(found.plan.cells, key=lambda cell: better * found.score(cell).value)
    others = [cell for cell in found.plan.cells if cell != leader]
    best = found.score(leader).value
    tied = [leader, *(cell for cell in others if math.isclose(found.score(cell).value, best, rel_tol=1e-9))]
    pairs = math.comb(len(found.plan.cells), 2)
    gains = {cell: found.gain(found.values(leader), found.values(cell), pairs) for cell in others}
    alike = [leader, *(cell for cell in others if gains[cell].spread is not None and gains[cell].sign <= 0)]
    margin = _margin(found, leader)
    good = [leader, *(cell for cell in others if (width := gains[cell].width) is not None and width[1] < margin)]
    fastest = max(found.answer_speed(cell) for cell in good)
    quick = [cell for cell in good if _AS_FAST * found.answer_speed(cell) >= fastest]
    shortest = min(found.training_seconds(cell) for cell in quick)
    cheap = [cell for cell in quick if found.training_seconds(cell) <= _AS_FAST * shortest]
    advised = max(cheap, key=lambda cell: better * found.score(cell).value)
    baseline = max(found.baselines, key=lambda name: better * found.baselines[name].value)
    over = found.gain(found.values(advised), found.baseline_values(baseline), len(found.plan.cells))
    why = _FASTEST if len(quick) == 1 else _SHORTEST if len(cheap) == 1 else _BEST
    return Choice(leader, tied, gains, alike, margin, good, advised, why, baseline, over)


def _margin(found: Comparison, leader: str) -> float:
    """How much a cell may lose against the leader and still count as good, in units of the score."""
    headline = found.scored.headline
    return _POINT if headline.factor == 100 else _SHARE * abs(found.score(leader).value)


def advice(found: Comparison) -> list[str]:
    """Say what to choose and why, a sentence or two each."""
    chosen = choose(found)
    return [
        *_leading(found, chosen),
        *_costs(found, chosen),
        _beside_baseline(found, chosen),
        *_order(chosen),
        *_lags(found),
    ]


def _leading(found: Comparison, chosen: Choice) -> list[str]:
    headline, seeds = found.scored.headline, len(found.plan.seeds)
    shown = headline.shown(found.score(chosen.leader).value)
    *before, last = chosen.tied
    who = f"{', '.join(before)} and {last} have the same best" if before else f"{last} has the best"
    if seeds == 1:
        return [
            f"{who} {headline.name}, {shown}, by this one run only: with one seed there is no interval. --seeds 3 "
            "tells whether it would last."
        ]
    told = [cell for cell in chosen.gains if cell not in chosen.alike]
    first = f" Of these {chosen.leader} is named first, and the others are compared with it." if before else ""
    lines = [f"{who} mean {headline.name}, {shown} over {seeds} seeds.{first}"]
    if told:
        apart = "; ".join(f"{cell} {_by(found, chosen.gains[cell], signed=False)}" for cell in told)
        lines.append(f"It is better than {apart}.")
    for cell in chosen.alike[1:]:
        if chosen.gains[cell].width is None:
            lines.append(f"From {cell} it differs {_by(found, chosen.gains[cell])}.")
    between = [cell for cell in chosen.alike[1:] if chosen.gains[cell].width is not None]
    if between:
        alike = "; ".join(f"{cell} ({_gain(found, chosen.gains[cell])})" for cell in between)
        lines.append(f"It cannot be told apart from {alike}: the interval of the difference holds zero.")
    return lines


def _by(found: Comparison, gain: Mean, signed: bool = True) -> str:
    """A gain with its interval, as a part of a sentence."""
    headline = found.scored.headline
    points = " points" if headline.unit else ""
    value = f"by {headline.number(gain.value, signed)}{points}"
    if gain.spread is None:
        return value
    if gain.width is None:
        return f"{value} with every seed: the seeds do not differ in this, so that an interval says nothing"
    return f"{value} (95 % interval {_interval(found, gain, signed)})"


def _gain(found: Comparison, gain: Mean) -> str:
    """A gain with its interval, in brackets."""
    return f"{found.scored.headline.number(gain.value, signed=True)}, 95 % interval {_interval(found, gain, True)}"


def _interval(found: Comparison, gain: Mean, signed: bool) -> str:
    return " to ".join(found.scored.headline.number(bound, signed) for bound in gain.spread or ())


def _costs(found: Comparison, chosen: Choice) -> list[str]:
    """What to choose, and between what the seeds leave it undecided."""
    advised, seeds = chosen.advised, len(found.plan.seeds)
    speed = f"{found.answer_speed(advised):,.0f} sequences/s, {found.training_seconds(advised):,.1f} s of training"
    undecided = [cell for cell in chosen.alike if cell not in chosen.good]
    lines = []
    if len(chosen.good) > 1:
        beside = "; ".join(
            f"{cell} {found.answer_speed(cell):,.0f} and {found.training_seconds(cell):,.1f}"
            for cell in chosen.good
            if cell != advised
        )
        lines = [
            f"As good as {chosen.leader}, by all that the interval leaves open within {_told_margin(found, chosen)}: "
            f"{', '.join(chosen.good[1:])}. Of these, choose {advised}: {chosen.why}; {speed} ({beside})."
        ]
    elif not undecided:
        named = ", the first named of these" * (len(chosen.tied) > 1)
        lines = [f"Choose {advised}{named}{', by this one run only' * (seeds == 1)} ({speed})."]
    if undecided:
        best = "whose mean is best" if len(chosen.tied) == 1 else "the first named of those whose mean is best"
        until = f"choose {advised}, {best} ({speed})" if len(chosen.good) == 1 else f"choose {advised}"
        lines.append(
            f"Undecided between {chosen.leader} and {', '.join(undecided)}: more seeds (--seeds {max(6, 2 * seeds)}) "
            f"would narrow it; until then {until}."
        )
    return lines


def _told_margin(found: Comparison, chosen: Choice) -> str:
    number = found.scored.headline.number(chosen.margin)
    return f"{number} points" if found.scored.headline.factor == 100 else f"{number}, 2 % of its score"


def _beside_baseline(found: Comparison, chosen: Choice) -> str:
    gain, name = chosen.over_baseline, chosen.baseline
    if gain.width is None:
        return f"{chosen.advised} differs from the best baseline, the {name}, {_by(found, gain)}; above zero is better."
    if gain.sign > 0:
        return f"{chosen.advised} is better than the {name}, the best baseline, {_by(found, gain, signed=False)}."
    if gain.sign < 0:
        return (
            f"{chosen.advised} is worse than the {name}, a baseline: {_gain(found, gain)}. Use that, or train longer."
        )
    return (
        f"{chosen.advised} cannot be told apart from the {name}, the best baseline: {_gain(found, gain)}. So far there "
        "is no reason for a network."
    )


def _order(chosen: Choice) -> list[str]:
    """What a feedforward network that leads or may be as good says, where anything was learnt."""
    if _FEEDFORWARD not in chosen.alike or chosen.over_baseline.sign <= 0:
        return []
    is_what = "has the best mean" if chosen.leader == _FEEDFORWARD else "cannot be told apart from the best"
    return [f"feedforward, which does not read in order, {is_what}: that order helps on these data has not been shown."]


def _lags(found: Comparison) -> list[str]:
    lags = {cell: cost.lag for cell, cost in found.costs.items() if cost.lag is not None}
    if not lags:
        return []
    shown = ", ".join(
        f"{cell} after {lag.steps:,}" if lag.steps is not None else f"{cell} not within the {lag.measured:,} measured"
        for cell, lag in lags.items()
    )
    return [f"Steps back until the gradient of the loss is below a hundredth: {shown}."]
