"""What the demo of forecasting tries: all forecasts of the test, and the same with another future."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recurra.checkpoint import SavedModel
from recurra.data.series import SeriesSet
from recurra.data.series_parts import Bounds
from recurra.data.time_stamps import times_after
from recurra.data.windows import Windows
from recurra.demo.forecast_findings import MAIN, MONTH_MEAN, Foresight, Trials
from recurra.tasks.forecast import Forecast
from recurra.tasks.forecast_facts import learn_facts
from recurra.tasks.forecast_lines import Forecasts, SeriesForecast
from recurra.tasks.forecast_outcomes import outcomes
from recurra.tasks.forecast_windows import ForecastExamples

__all__ = ["all_trials", "forecast_of_window", "foresight"]

_ORIGINS = 12  # from which the future is changed
_NOISE = (25.0, 10.0)  # mean and deviation, in degrees, of what is put in place of it
_YEAR = 12


def all_trials(saved: Mapping[str, SavedModel], series: SeriesSet, bounds: Sequence[Bounds]) -> Trials:
    """Forecast the test from every origin by each model, by its baselines, and by the month's mean in training.

    Args:
        saved: forecasters of the same horizon and window.
        series: whole.
        bounds: of their parts.
    """
    tasks = {model: _task(each) for model, each in saved.items()}
    windows = _test_windows(tasks[MAIN], series, bounds)
    found = {model: task.forecasts(windows) for model, task in tasks.items()}
    main = tasks[MAIN]
    parts = [*outcomes(windows, found[MAIN], saved[MAIN].baseline, main.known, main.config)]
    means = {model: of_model.mean for model, of_model in found.items()}
    means |= {name: np.concatenate([part.baselines[name] for part in parts]) for name in parts[0].baselines}
    means[MONTH_MEAN] = _month_means(windows, bounds)
    return Trials(
        truth=np.concatenate([part.truth for part in parts]),
        means=means,
        quantiles={m: np.asarray(f.quantiles, np.float32) for m, f in found.items() if f.quantiles is not None},
        scale=np.concatenate([part.scale for part in parts]),
        seasonal_error=np.concatenate([part.seasonal_error for part in parts]),
        series=windows.series_index,
        origins=windows.origins,
    )


def _task(saved: SavedModel) -> Forecast:
    assert isinstance(saved.task, Forecast)
    return saved.task


def _test_windows(task: Forecast, series: SeriesSet, bounds: Sequence[Bounds]) -> Windows:
    return task.windows(ForecastExamples(series, [(each.valid, each.end) for each in bounds]))


def _month_means(windows: Windows, bounds: Sequence[Bounds]) -> NDArray[np.float64]:
    """What the training part has on average in the months that are forecast, [n, H, C]."""
    usual = np.stack(
        [
            [one.target[month : bound.train : _YEAR].mean(0) for month in range(_YEAR)]
            for one, bound in zip(windows.series_set.series, bounds, strict=True)
        ]
    )
    steps = windows.origins[:, np.newaxis] + np.arange(windows.horizon)
    found: NDArray[np.float64] = usual[windows.series_index[:, np.newaxis], steps % _YEAR]
    return found


def forecast_of_window(series: SeriesSet, trials: Trials, model: str, number: int) -> SeriesForecast:
    """One of a model's forecasts of the test, with the past before it and what came."""
    one, origin = series.series[int(trials.series[number])], int(trials.origins[number])
    times = np.asarray(times_after(one.start, series.frequency, np.arange(origin + trials.truth.shape[1])))
    return SeriesForecast(
        name=one.id,
        variables=("°C",),
        times=times[:origin],
        past=one.target[:origin],
        times_ahead=times[origin:],
        mean=trials.means[model][number],
        quantiles=trials.quantiles.get(model, {number: None})[number],
        truth=trials.truth[number],
    )


def foresight(saved: Mapping[str, SavedModel], series: SeriesSet, bounds: Sequence[Bounds]) -> Foresight:
    """Put noise in place of the future and forecast anew; raise the last value before it, to see that this is felt.

    Args:
        saved: forecasters.
        series: whole; all are as long.
        bounds: of their parts.
    """
    tasks = {model: _task(each) for model, each in saved.items()}
    main, numbers = tasks[MAIN], 0
    origins = np.linspace(bounds[0].valid, bounds[0].end - main.horizon, _ORIGINS).round().astype(int).tolist()
    future, past = dict.fromkeys(tasks, 0.0), dict.fromkeys(tasks, 0.0)
    for origin in origins:
        other, raised = _with_noise(series, origin), _with_raised(series, origin - 1)
        for model, task in tasks.items():
            usual = _numbers(task, series, origin)
            numbers += len(usual)
            future[model] = max(future[model], float(np.abs(_numbers(task, other, origin) - usual).max()))
            past[model] = max(past[model], float(np.abs(_numbers(task, raised, origin) - usual).max()))
    read, differ = _read_in_training(main, series, _with_noise(series, bounds[0].valid), bounds)
    return Foresight(len(origins), numbers, future, past, read, differ)


def _with_noise(series: SeriesSet, origin: int) -> SeriesSet:
    """Series whose values from a step on are noise."""
    chance = np.random.default_rng(origin)

    def changed(target: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.concatenate([target[:origin], chance.normal(*_NOISE, target[origin:].shape)])

    return dataclasses.replace(
        series, series=[dataclasses.replace(one, target=changed(one.target)) for one in series.series]
    )


def _with_raised(series: SeriesSet, step: int) -> SeriesSet:
    """Series with a degree more at one step."""
    raised = [one.target + (np.arange(len(one.target)) == step)[:, np.newaxis] for one in series.series]
    return dataclasses.replace(
        series, series=[dataclasses.replace(one, target=target) for one, target in zip(series.series, raised)]
    )


def _numbers(task: Forecast, series: SeriesSet, origin: int) -> NDArray[np.float64]:
    """All that a model forecasts of all series from an origin, means and quantiles."""
    examples = ForecastExamples(series, [(origin, origin + task.horizon)] * len(series.series))
    found: Forecasts = task.forecasts(task.windows(examples))
    return np.concatenate([part.ravel() for part in found if part is not None])


def _read_in_training(task: Forecast, series: SeriesSet, other: SeriesSet, bounds: Sequence[Bounds]) -> tuple[int, int]:
    """How many numbers training and the choice of the epoch read, and how many are others in the second series.

    What scales the numbers is learnt anew of each.
    """
    read = differ = 0
    for ours, theirs in zip(
        _training_numbers(task, series, bounds), _training_numbers(task, other, bounds), strict=True
    ):
        read += ours.numel()
        differ += int((ours != theirs).sum())
    return read, differ


def _training_numbers(task: Forecast, series: SeriesSet, bounds: Sequence[Bounds]) -> Iterator[Tensor]:
    fresh = Forecast(task.config, learn_facts(task.config, series, bounds))
    for ranges in ([(0, each.train) for each in bounds], [(each.train, each.valid) for each in bounds]):
        windows = fresh.windows(ForecastExamples(series, ranges))
        yield torch.from_numpy(np.concatenate([windows.shift, windows.scale]))
        yield from (part for part in windows.batch(np.arange(len(windows))) if part is not None)
