"""Forecasts as JSON lines, and as what is drawn of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recurra.data.series import SeriesSet
from recurra.data.time_stamps import show_time, times_after
from recurra.nn.outputs import LEVELS

__all__ = ["INTERVALS", "Forecasts", "SeriesForecast", "forecast_lines", "forecast_rows", "series_forecasts"]

Numbers = NDArray[np.floating[Any]]
Times = NDArray[np.datetime64] | NDArray[np.int64]

INTERVALS = {"80": (0.1, 0.9), "95": (0.025, 0.975)}


class Forecasts(NamedTuple):
    """Forecasts of n windows in the units of the series: [n, H, C], and [n, H, C, Q] at the levels `LEVELS`.

    The quantiles are None of a model that says nothing but the value itself.
    """

    mean: NDArray[np.float64]
    quantiles: NDArray[np.float32] | NDArray[np.float64] | None


class SeriesForecast(NamedTuple):
    """What comes after a series, in its units.

    Attributes:
        name: of the series.
        variables: the names of its C variables, with their units where they are known.
        times: of the past, [T], dates or whole numbers.
        past: [T, C], NaN where missing.
        times_ahead: [H].
        mean: [H, C].
        quantiles: [H, C, Q], or None where nothing but the mean is known.
        levels: of the quantiles; 0.025, 0.1, 0.9 and 0.975 must be among them.
        truth: what came, [H, C], NaN where it is not known; or None.
    """

    name: str
    variables: Sequence[str]
    times: Times
    past: Numbers
    times_ahead: Times
    mean: Numbers
    quantiles: Numbers | None
    levels: Sequence[float] = LEVELS
    truth: Numbers | None = None


def series_forecasts(series: SeriesSet, forecasts: Forecasts) -> Iterator[SeriesForecast]:
    """What comes after each of some series.

    Args:
        series: in the order of the forecasts.
        forecasts: of what comes after the end of each.
    """
    horizon, variables = forecasts.mean.shape[1:]
    for number, one in enumerate(series.series):
        own = (one.id.rpartition("/")[2],)  # where each variable is a series of its own
        names = series.variables if variables == len(series.variables) else own
        steps = np.arange(len(one.target) + horizon)
        times = np.asarray(times_after(one.start, series.frequency, steps))
        quantiles = None if forecasts.quantiles is None else forecasts.quantiles[number]
        end = len(one.target)
        yield SeriesForecast(one.id, names, times[:end], one.target, times[end:], forecasts.mean[number], quantiles)


def forecast_rows(found: SeriesForecast) -> Iterator[dict[str, Any]]:
    """What comes after a series: a row a step and variable, with the 80 % and 95 % intervals."""
    bounds = {name: [LEVELS.index(level) for level in levels] for name, levels in INTERVALS.items()}
    digits = _digits(found.past)
    several = len(found.variables) > 1
    for step, time in enumerate(found.times_ahead):
        for column, variable in enumerate(found.variables):
            row: dict[str, Any] = {"unique_id": found.name, "ds": show_time(time)}
            if several:
                row["variable"] = variable
            row["y"] = _rounded(found.mean[step, column], digits[column])
            if found.quantiles is not None:
                for name, (low, high) in bounds.items():
                    row[f"low_{name}"] = _rounded(found.quantiles[step, column, low], digits[column])
                    row[f"high_{name}"] = _rounded(found.quantiles[step, column, high], digits[column])
            yield row


def forecast_lines(found: SeriesForecast) -> str:
    """The rows of :func:`forecast_rows` as JSON lines."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in forecast_rows(found))


def _digits(past: Numbers) -> list[int]:
    """Seven, which is what float32 holds, and as many more as all values of a variable [T, C] have in common."""
    size, span = np.nanmax(np.abs(past), axis=0), np.nanmax(past, axis=0) - np.nanmin(past, axis=0)
    ratio = size / np.where(span > 0, span, 1.0)  # a constant series has the scale 1
    return [7 + int(more) for more in np.clip(np.ceil(np.log10(np.maximum(ratio, 1.0))), 0, 10)]


def _rounded(value: float, digits: int) -> float:
    return float(f"{value:.{digits}g}")
