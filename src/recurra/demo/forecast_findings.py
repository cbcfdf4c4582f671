"""What the demo of forecasting has found: all that its report and its summary tell."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recurra.config import ForecastConfig
from recurra.data.series import SeriesSet
from recurra.data.series_parts import Bounds
from recurra.forecast_baselines import LINEAR, SEASONAL_NAIVE
from recurra.forecast_scores import Outcomes, forecast_scores, full_scores
from recurra.nn.outputs import LEVELS
from recurra.tasks.forecast_lines import SeriesForecast

__all__ = [
    "AUTOREGRESSIVE",
    "MAIN",
    "MONTH_MEAN",
    "ForecastReport",
    "ForecastRun",
    "Foresight",
    "Picture",
    "Trials",
    "comparison_sentences",
    "interval_sentence",
    "least_error",
    "next_forecast_commands",
    "where_it_does_not_win",
]

MAIN, AUTOREGRESSIVE = "gru", "autoregressive"  # models, and their directories
MONTH_MEAN = "mean of the month"

Scores = Mapping[str, Any]


@dataclass(frozen=True)
class ForecastRun:
    """A trained model.

    Attributes:
        name: what it is called on the page.
        style: how it is drawn, a name in :data:`recurra.pages.drawing.STYLES`.
        config: its settings, as they were told.
        used: the same, with what was found by the data.
        metrics: its `metrics.json`.
        history: its epochs.
        losses: of each step of training.
        seconds: from reading the data to the finished model directory.
    """

    name: str
    style: str
    config: ForecastConfig
    used: ForecastConfig
    metrics: Mapping[str, Any]
    history: Sequence[Mapping[str, Any]]
    losses: Sequence[float]
    seconds: float


@dataclass(frozen=True, eq=False)
class Trials:
    """Forecasts of the test from every origin, in degrees, of n windows with H steps and C variables.

    Attributes:
        truth: what came, [n, H, C].
        means: what each model and each baseline forecast, by name, [n, H, C].
        quantiles: of the models alone, at the levels `LEVELS`, [n, H, C, Q].
        scale: the standard deviation of the training part of each window's series, [n, C].
        seasonal_error: that of the seasonal naive forecast in training, [n, C].
        series: the number of each window's series, [n].
        origins: the step of each window's first target, [n].
    """

    truth: NDArray[np.float64]
    means: Mapping[str, NDArray[np.float64]]
    quantiles: Mapping[str, NDArray[np.float32]]
    scale: NDArray[np.float64]
    seasonal_error: NDArray[np.float64]
    series: NDArray[np.int64]
    origins: NDArray[np.int64]

    @cached_property
    def scores(self) -> dict[str, Scores]:
        """Of each model and baseline, as of :func:`recurra.forecast_scores.forecast_scores`."""
        return {name: self._scored(name, np.ones(len(self.series), bool)) for name in self.means}

    def of_series(self, number: int) -> dict[str, Scores]:
        """The same on one series alone."""
        return {name: self._scored(name, self.series == number) for name in self.means}

    def gain(self, ours: str, theirs: str) -> Scores:
        """By which share one's mean absolute error on scaled values is below another's, with its 95 % interval."""
        both = {theirs: self.means[theirs]}
        outcomes = Outcomes(self.truth, self.means[ours], None, both, self.scale, self.seasonal_error)
        found: Scores = full_scores([outcomes], LEVELS, self.series, self.origins)["gain"]
        return found

    def best_by_step(self) -> list[str]:
        """Whose mean absolute error is the least at each step of the horizon."""
        errors = {name: scores["by_step"]["mae"] for name, scores in self.scores.items()}
        return [min(errors, key=lambda name: float(errors[name][step])) for step in range(self.truth.shape[1])]

    def errors(self, name: str) -> NDArray[np.float64]:
        """The mean absolute error of each window, [n]."""
        found: NDArray[np.float64] = np.abs(self.means[name] - self.truth).mean((1, 2))
        return found

    def _scored(self, name: str, among: NDArray[np.bool_]) -> Scores:
        quantiles = self.quantiles.get(name)
        return forecast_scores(
            self.truth[among],
            self.means[name][among],
            None if quantiles is None else quantiles[among],
            LEVELS,
            self.scale[among],
            self.seasonal_error[among],
            self.series[among],
            self.origins[among],
        )


class Foresight(NamedTuple):
    """What became of forecasts when the numbers after their origin were replaced by noise.

    Attributes:
        origins: from how many all series were forecast anew.
        forecasts: how many numbers the models forecast there, means and quantiles.
        future: by model, the largest change of a number after all from the origin on was replaced, in degrees.
        past: by model, the largest change after the last value before the origin was raised by a degree.
        read: how many numbers training and the choice of the epoch read.
        differ: how many of them are others where the test is replaced, what scales them included.
    """

    origins: int
    forecasts: int
    future: Mapping[str, float]
    past: Mapping[str, float]
    read: int
    differ: int


class Picture(NamedTuple):
    """A forecast to be drawn: of which model, why this one, and what was forecast and came."""

    model: str
    why: str
    forecast: SeriesForecast


@dataclass(frozen=True)
class ForecastReport:
    """All that the page is made of.

    Attributes:
        runs: the models by the names of their directories.
        series: all of them, whole.
        bounds: where the parts of each end.
        trials: all forecasts of the test.
        pictures: some of them.
        foresight: what a changed future changes.
        facts: of the run: seed, machine, versions, seconds; shown as they are.
        seconds: of the whole demo.
        out: where all is.
        source: the file with the series.
    """

    runs: Mapping[str, ForecastRun]
    series: SeriesSet
    bounds: Sequence[Bounds]
    trials: Trials
    pictures: Sequence[Picture]
    foresight: Foresight
    facts: Mapping[str, str]
    seconds: float
    out: Path
    source: Path

    @property
    def horizon(self) -> int:
        """Steps of a forecast."""
        return int(self.trials.truth.shape[1])

    def called(self, name: str) -> str:
        """A model's name on the page; a baseline's own."""
        run = self.runs.get(name)
        return name if run is None else run.name


def comparison_sentences(report: ForecastReport) -> list[str]:
    """Say how the main model compares with the baselines and the other models, as far as the intervals allow."""
    trials, name = report.trials, report.runs[MAIN].name
    ours, naive = (trials.scores[each]["mae"]["value"] for each in (MAIN, SEASONAL_NAIVE))
    others = [LINEAR, MONTH_MEAN, *(model for model in report.runs if model != MAIN)]
    return [
        f"Over {report.horizon} months the {name} errs by {ours:.2f} °C on average, the {SEASONAL_NAIVE} forecast by "
        f"{naive:.2f} °C: {_compared(report, SEASONAL_NAIVE)}.",
        *(f"The {name} beside {report.called(other)}: {_compared(report, other)}." for other in others),
    ]


def _compared(report: ForecastReport, other: str) -> str:
    gain = report.trials.gain(MAIN, other)
    value, low, high = (100 * gain.get(key, np.nan) for key in ("value", "low", "high"))
    more = f"{abs(value):.1f} % {'less' if value > 0 else 'more'} scaled error"
    if np.isnan(low):
        return f"{more}; the test is too short for an interval"
    if low <= 0 <= high:
        change = f"{-value:+.1f} % (95 % interval {-high:+.1f} to {-low:+.1f} %)"
        return f"the two cannot be told apart; scaled error {change}"
    ends = (low, high) if value > 0 else (-high, -low)
    return f"{more} (95 % interval {ends[0]:.1f} to {ends[1]:.1f} %)"


def interval_sentence(report: ForecastReport, model: str) -> str:
    """Say whether a model's intervals hold what they promise, as far as can be told."""
    found = report.trials.scores[model]
    said: dict[str, list[str]] = {}
    for level in ("80", "95"):
        score, promised = found[f"coverage_{level}"], int(level) / 100
        low, high = score.get("low", 0.0), score.get("high", 1.0)
        held = "less than they promise" if high < promised else "more than they promise" if low > promised else _AS_TOLD
        said.setdefault(held, []).append(f"{level} %")
    parts = (f"the {' and '.join(levels)} intervals hold {held}" for held, levels in said.items())
    return f"{report.runs[model].name}: {'; '.join(parts)}."


_AS_TOLD = "what they promise, as far as can be told"


def where_it_does_not_win(report: ForecastReport) -> list[str]:
    """Say at which steps, in which series and at which moment the main model is not the best."""
    trials, stretches, step = report.trials, [], 1
    for who, steps in groupby(trials.best_by_step()):
        last = step + len(list(steps)) - 1
        months = f"month {step}" if last == step else f"months {step} to {last}"
        stretches.append(f"{months}, {report.called(who)}")
        step = last + 1
    best = ((one.id, least_error(trials.of_series(number))) for number, one in enumerate(report.series.series))
    regions = (f"{region}, {report.called(who)}" for region, who in best)
    errors = trials.errors(MAIN)
    worst = int(errors.argmax())
    where = report.series.series[int(trials.series[worst])].id
    return [
        f"The least error by months ahead: {'; '.join(stretches)}.",
        f"The least error by region, over all months: {'; '.join(regions)}.",
        f"The worst forecast of the {report.runs[MAIN].name}, of {where}, is off by {errors[worst]:.2f} °C on average; "
        f"half of all are off by less than {np.median(errors):.2f} °C. It is drawn above.",
    ]


def least_error(scores: Mapping[str, Scores]) -> str:
    """Whose mean absolute error is the least."""
    return min(scores, key=lambda name: float(scores[name]["mae"]["value"]))


def next_forecast_commands(report: ForecastReport) -> list[str]:
    """Commands to try with the demo's models and series."""
    main, drawn, pictures = (shlex.quote(str(report.out / name)) for name in (MAIN, AUTOREGRESSIVE, "pictures"))
    data, parts = shlex.quote(str(report.source)), report.runs[MAIN].config.data
    return [
        f"recurra predict {main} {data} --plots {pictures}",
        f"recurra predict {drawn} {data} --draws 500",
        f"recurra check {main}",
        f"recurra train forecast {data} --horizon {report.horizon} --valid-steps {parts.valid_steps} --test-steps "
        f"{parts.test_steps} --cell lstm --out runs/lstm",
    ]
