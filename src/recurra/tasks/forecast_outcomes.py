"""What came and what was forecast of windows, by the model and by its baselines, in the units of the series."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from recurra.config import ForecastConfig
from recurra.data.windows import Windows
from recurra.forecast_baselines import LinearOnWindow, baseline_forecasts
from recurra.forecast_scores import Outcomes
from recurra.tasks.forecast_facts import ForecastFacts
from recurra.tasks.forecast_lines import Forecasts

__all__ = ["linear_pairs", "outcomes"]

_AT_ONCE = 1024

_Pair = tuple[NDArray[np.float64], NDArray[np.float64]]


def linear_pairs(windows: Windows, chosen: NDArray[np.int64]) -> Iterator[_Pair]:
    """Pasts [n, T, C], newest last, and what came after, [n, H, C], both scaled, some windows at a time.

    Args:
        windows: with targets.
        chosen: the numbers of those that are wanted.
    """
    for start in range(0, len(chosen), _AT_ONCE):
        part = chosen[start : start + _AT_ONCE]
        targets = windows.batch(part).targets
        assert targets is not None
        yield windows.aligned_pasts(part).astype(np.float64), targets.numpy().astype(np.float64)


def outcomes(
    windows: Windows, forecasts: Forecasts, linear: LinearOnWindow, known: ForecastFacts, config: ForecastConfig
) -> Iterator[Outcomes]:
    """What is scored, some windows at a time.

    Args:
        windows: n, with targets.
        forecasts: of all of them.
        linear: the fitted baseline.
        known: the scales of the series.
        config: with the season.
    """
    season = config.data.season
    assert season is not None
    series = windows.series_set.series
    standard = np.stack([known.standard.of(each).scale for each in series])
    errors = np.stack([known.seasonal_errors_of(each, season) for each in series])
    for start in range(0, len(windows), _AT_ONCE):
        part = np.arange(start, min(start + _AT_ONCE, len(windows)))
        index = windows.series_index[part]
        shift, scale = (each[index][:, np.newaxis] for each in (windows.shift, windows.scale))
        past = windows.aligned_pasts(part, max(windows.longest, season)).astype(np.float64)
        yield Outcomes(
            truth=np.stack([windows.truth(int(number)) for number in part]),
            mean=forecasts.mean[part],
            quantiles=None if forecasts.quantiles is None else forecasts.quantiles[part],
            baselines={name: shift + scale * found for name, found in baseline_forecasts(linear, past, season).items()},
            scale=standard[index],
            seasonal_error=errors[index],
        )
