"""Scores of a forecaster, each with its interval.

Forecasts from neighbouring origins share most of what they forecast, and err alike. So a bootstrap over windows would
give intervals that are far too narrow. It is over blocks of origins that follow each other (Künsch, "The jackknife and
the bootstrap for general stationary observations", 1989; here blocks that do not overlap, as in Carlstein, 1986), each
twice as long as the horizon, and a block has the windows of all series, which may err alike at the same time. Where no
series has ten of them, as where each of many series is forecast once, it is over series. Where there are not ten
series either there is no interval. As few groups make percentiles too narrow, those that are taken lie further out, by
Student's t (the expanded percentile interval of Hesterberg, "What teachers should know about the bootstrap", 2015).
What neighbouring blocks still have in common is not allowed for: of walks at random that are forecast by their last
value 95 % intervals over 60 blocks hold the true error in 94 % of cases, over 11 blocks in 92 %.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtrit

from recurra.errors import DataError, ShapeError
from recurra.forecast_sums import (
    COLUMNS,
    HAVE_MASE,
    MEASURES,
    MODEL,
    OF_INTERVALS,
    Numbers,
    Outcomes,
    Sums,
    summed_parts,
)
from recurra.metrics import resampled_sums

__all__ = ["Outcomes", "forecast_scores", "full_scores", "seasonal_error"]

_ROUNDED = 16 * np.finfo(np.float64).eps  # of the largest value
_FEWEST = 10  # groups that an interval can be made from
_BY_STEP = ("mae", "mae_scaled", "mse_scaled", "crps", "coverage_80", "coverage_95")

Indices = NDArray[np.integer[Any]]


def seasonal_error(values: Numbers, season: int) -> NDArray[np.float64]:
    """The mean absolute error of the seasonal naive forecast within a training part, the unit of MASE, [C].

    mean |y[t] - y[t - season]| (Hyndman, Koehler, "Another look at measures of forecast accuracy", 2006).

    Args:
        values: [T, C], NaN where missing.
        season: steps after which the series is alike again; 1 is the naive forecast.

    Returns:
        NaN where it is zero but for rounding, or where no value and one a season before are both known: no MASE then.

    >>> seasonal_error(np.array([[1.0, 2.0], [3.0, 2.0], [2.0, 2.0]]), season=1)
    array([1.5, nan])
    """
    errors = np.abs(values[season:] - values[:-season]).astype(np.float64)
    known = ~np.isnan(errors)
    sums, means = np.where(known, errors, 0).sum(0), np.full(values.shape[1], np.nan)
    size = np.abs(np.where(np.isnan(values), 0, values)).max(0, initial=0)
    rounding = _ROUNDED * size * known.sum(0)  # of a series that repeats exactly, as far as numbers can
    np.divide(sums, known.sum(0), out=means, where=sums > rounding)
    return means


def forecast_scores(
    truth: Numbers,
    mean: Numbers,
    quantiles: Numbers | None,
    levels: Sequence[float],
    scale: Numbers,
    seasonal_error: Numbers,
    series: Indices,
    origins: Indices,
) -> dict[str, Any]:
    """Score forecasts of n windows, all of whose values weigh the same.

    Args:
        truth: what came, [n, H, C].
        mean: what was forecast, [n, H, C].
        quantiles: [n, H, C, Q], or None.
        levels: of the Q quantiles; 0.025, 0.05, 0.1, 0.15 ... 0.95, 0.975 must be among them.
        scale: the standard deviation of the training part of each window's series, [n, C].
        seasonal_error: as of :func:`seasonal_error`, of each window's series, [n, C].
        series: the number of each window's series, [n].
        origins: the number of the first step that a window forecasts, counted alike in all series, [n].

    Returns:
        Each a dict of value, low, high (95 % bootstrap interval from 2,000 resamples with a fixed seed; no low and high
        where there are too few groups to resample, see above), y being the truth and f the mean that was forecast:

        - mae, mean |y - f|; rmse, the root of the mean (y - f)^2;
        - smape, mean 2 |y - f| / (|y| + |f|), a share, 0 where both are 0 (Makridakis et al., M4, 2020);
        - mase, mean |y - f| / seasonal_error (Hyndman, Koehler, 2006) of the values that have one, else left out;
        - mae_scaled, mean |y - f| / scale; mse_scaled, mean ((y - f) / scale)^2, as papers on ETTh1 and others report;
        - crps, twice the mean pinball loss max(p (y - q), (p - 1) (y - q)) over the quantiles q of the 19 levels p from
          0.05 to 0.95: the continuous ranked probability score (Gneiting, Raftery, 2007) but for what so few levels
          miss (of a Gaussian forecast that is right it is 4.8 % larger). Without quantiles it is the mae;
        - coverage_80 and coverage_95, the share of truths within the 80 % and 95 % interval, and width_80 and width_95,
          the mean width of these; only with quantiles.

        And by_step, of mae, mae_scaled, mse_scaled, crps and the coverages a list of the value at each of the H steps.

    Raises:
        ShapeError: arrays that do not fit together, or a level that is missing.
        DataError: no window, a number that is not finite, or a scale that is not positive.
    """
    outcomes = Outcomes(truth, mean, quantiles, {}, scale, seasonal_error)
    return dict(full_scores([outcomes], levels, series, origins)["model"])


def full_scores(
    parts: Iterable[Outcomes], levels: Sequence[float], series: Indices, origins: Indices
) -> dict[str, Any]:
    """Score a forecaster beside its baselines, on windows that are given in parts of any size, each read once.

    Args:
        parts: of n windows in all, in the order of `series` and `origins`.
        levels: as for :func:`forecast_scores`.
        series: as for :func:`forecast_scores`.
        origins: as for :func:`forecast_scores`.

    Returns:
        "model" and "baselines" (a mapping of name to scores), each as of :func:`forecast_scores`. "gain", if there is a
        baseline: by which share the mae_scaled of the model (in which every series weighs the same, whatever its units)
        is less than that of the baseline which has the least, whose name is "over", with its interval; value None
        where the baseline has no error. "origins" (n), "series" (how many), "horizon", "variables"; "without_mase", how
        many variables of series have no MASE; "interval": "over" what ("origins", "series" or None), how many
        "groups", and "steps" of a block of origins.

    Raises:
        ShapeError: as :func:`forecast_scores`; or parts that differ, or have not n windows in all.
        DataError: as :func:`forecast_scores`.
    """
    if not len(series):
        raise DataError("expected windows to score, found none: is the test part shorter than the horizon?")
    summed = _summed(parts, levels, series, origins)
    drawn = _resampled(summed)
    scores = {name: _scores(summed, name, None if drawn is None else drawn[name]) for name in summed.form.names}
    model = scores.pop(MODEL)
    return {
        "model": model,
        "baselines": scores,
        **({"gain": _gain(model, scores, drawn, summed.groups.total)} if scores else {}),
        "origins": len(series),
        "series": len(np.unique(series)),
        "horizon": summed.form.horizon,
        "variables": summed.form.variables,
        "without_mase": len(summed.without_mase),
        "interval": {"over": summed.groups.over, "groups": summed.groups.total, "steps": summed.groups.steps},
    }


class _Groups(NamedTuple):
    """What is resampled: the group of each window, [n], how many there are, and the steps of a block of origins."""

    over: str | None
    of_window: NDArray[np.intp]
    total: int
    steps: int


class _Form(NamedTuple):
    """What all parts have in common."""

    horizon: int
    variables: int
    names: tuple[str, ...]
    has_quantiles: bool


class _Summed(NamedTuple):
    """The sums of the model and of each baseline by name: over each group, [G, K], and at each step, [H, K].

    And the number of each series and variable that has no MASE.
    """

    form: _Form
    groups: _Groups
    by_group: dict[str, Sums]
    by_step: dict[str, Sums]
    without_mase: set[tuple[int, int]]

    @classmethod
    def zeros(cls, form: _Form, groups: _Groups) -> _Summed:
        by_group, by_step = (
            {name: np.zeros((rows, COLUMNS)) for name in form.names} for rows in (groups.total, form.horizon)
        )
        return cls(form, groups, by_group, by_step, set())


def _groups(series: Indices, origins: Indices, horizon: int) -> _Groups:
    steps = 2 * horizon
    _, numbers = np.unique(series, return_inverse=True)
    _, blocks = np.unique((origins - origins.min()) // steps, return_inverse=True)
    different = np.unique(np.stack([numbers, blocks]), axis=1)
    if np.bincount(different[0]).max() >= _FEWEST:
        return _Groups("origins", blocks, int(blocks.max()) + 1, steps)
    total = int(numbers.max()) + 1
    return _Groups("series" if total >= _FEWEST else None, numbers, total, steps)


def _summed(parts: Iterable[Outcomes], levels: Sequence[float], series: Indices, origins: Indices) -> _Summed:
    if len(origins) != len(series):
        raise ShapeError(f"origins: expected {len(series)}, as many as series, got {len(origins)}")
    found: _Summed | None = None
    done = 0
    for part in parts:
        _, horizon, variables = part.truth.shape
        form = _Form(horizon, variables, (MODEL, *part.baselines), part.quantiles is not None)
        found = found or _Summed.zeros(form, _groups(series, origins, form.horizon))
        if form != found.form:
            raise ShapeError(f"parts: expected all alike, got one of {found.form} and one of {form}")
        numbers = series[done : done + len(part.truth)]
        if len(numbers) < len(part.truth):
            raise ShapeError(f"parts: expected {len(series)} windows in all, as many as series, got more")
        found.without_mase.update((int(numbers[n]), int(c)) for n, c in np.argwhere(np.isnan(part.seasonal_error)))
        for tables in summed_parts(part, levels):
            rows = slice(done, done + len(tables[MODEL]))
            done = rows.stop
            for name, table in tables.items():
                np.add.at(found.by_group[name], found.groups.of_window[rows], table.sum(1))
                found.by_step[name][:] += table.sum(0)
    if found is None or done < len(series):
        raise ShapeError(f"parts: expected {len(series)} windows in all, as many as series, got {done}")
    return found


def _resampled(summed: _Summed) -> dict[str, Sums] | None:
    """The sums over the groups that were drawn, the same ones for the model and all baselines, each [2000, K]."""
    if summed.groups.over is None:
        return None
    table = np.concatenate([*summed.by_group.values()], axis=1)
    drawn = resampled_sums(table, np.ones(len(table), np.int64))
    return dict(zip(summed.by_group, np.split(drawn, len(summed.by_group), axis=1)))


def _scores(summed: _Summed, name: str, drawn: Sums | None) -> dict[str, Any]:
    by_step, groups = summed.by_step[name], summed.groups.total
    total = by_step.sum(0)
    measures = {**MEASURES, **(OF_INTERVALS if summed.form.has_quantiles and name == MODEL else {})}
    if not total[HAVE_MASE]:
        del measures["mase"]
    return {
        **{
            score: {"value": float(measure(total)), **({} if drawn is None else _bounds(measure(drawn), groups))}
            for score, measure in measures.items()
        },
        "by_step": {score: measures[score](by_step).tolist() for score in _BY_STEP if score in measures},
    }


def _gain(
    model: Mapping[str, Any], baselines: Mapping[str, Any], drawn: dict[str, Sums] | None, groups: int
) -> dict[str, Any]:
    measure = MEASURES["mae_scaled"]
    best = min(baselines, key=lambda name: float(baselines[name]["mae_scaled"]["value"]))
    ours, theirs = model["mae_scaled"]["value"], baselines[best]["mae_scaled"]["value"]
    if not theirs:
        return {"over": best, "value": None}
    if drawn is None:
        return {"over": best, "value": 1 - ours / theirs}
    errors = measure(drawn[best])
    ratios = np.divide(measure(drawn[MODEL]), errors, out=np.full_like(errors, np.nan), where=errors > 0)
    return {"over": best, "value": 1 - ours / theirs, **_bounds(1 - ratios, groups)}


def _bounds(values: Sums, groups: int) -> dict[str, float]:
    """Of what is defined in a resample: where few series have a MASE, or errors, there may be none of these in it."""
    beyond = 100 * ndtr(math.sqrt(groups / (groups - 1)) * stdtrit(groups - 1, 0.025))  # 2.5 of very many groups
    low, high = np.percentile(values[~np.isnan(values)], [beyond, 100 - beyond])
    return {"low": float(low), "high": float(high)}
