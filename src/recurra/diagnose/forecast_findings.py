"""What the demo of forecasting has found: all that its report and its summary tell."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recurra.config import ForecastConfig
from recurra.tasks.forecast_lines import SeriesForecast

__all__ = [
    "AUTOREGRESSIVE",
    "DIRECT",
    "ForecastReport",
    "ForecastRun",
    "forecast_sentences",
    "next_forecast_commands",
]

DIRECT, AUTOREGRESSIVE = "direct", "autoregressive"  # the models, and their directories


@dataclass(frozen=True)
class ForecastRun:
    """A trained model.

    Attributes:
        name: what it is called on the page.
        style: how it is drawn, a name in :data:`recurra.diagnose.drawing.STYLES`.
        config: its settings.
        metrics: its `metrics.json`.
        history: its epochs.
        losses: of each step of training.
        seconds: from reading the data to the finished model directory.
    """

    name: str
    style: str
    config: ForecastConfig
    metrics: Mapping[str, Any]
    history: Sequence[Mapping[str, Any]]
    losses: Sequence[float]
    seconds: float

    @property
    def scores(self) -> Mapping[str, Any]:
        """Of the test part, as of :func:`recurra.forecast_scores.full_scores`."""
        found: Mapping[str, Any] = self.metrics["test"]
        return found


@dataclass(frozen=True)
class ForecastReport:
    """All that the page is made of.

    Attributes:
        runs: `DIRECT` and `AUTOREGRESSIVE`.
        times: of the series, [T].
        values: of the series, [T].
        parts: where training and validation end, in steps.
        shown: forecasts of the direct model from some origins of the test part, with what came.
        changed: the largest change of a forecast, in degrees, when all values from its origin on are replaced.
        data: the file of the series.
        facts: of the run: seed, machine, versions, seconds; shown as they are.
        seconds: of the whole demo.
        out: where all is.
    """

    runs: Mapping[str, ForecastRun]
    times: NDArray[Any]
    values: NDArray[np.float64]
    parts: tuple[int, int]
    shown: Sequence[SeriesForecast]
    changed: float
    data: Path
    facts: Mapping[str, str]
    seconds: float
    out: Path

    def errors(self) -> dict[str, Mapping[str, Any]]:
        """The scores of the models and the baselines, by name; the baselines are the same for both models."""
        models = {run.name: run.scores["model"] for run in self.runs.values()}
        return {**models, **self.runs[DIRECT].scores["baselines"]}


def forecast_sentences(report: ForecastReport) -> list[str]:
    """Say how the models compare with the best baseline, and what their intervals hold."""
    return [*(_compared(run) for run in report.runs.values()), *(_held(run) for run in report.runs.values())]


def _compared(run: ForecastRun) -> str:
    gain, model = run.scores["gain"], run.scores["model"]
    said = f"The {run.name} model errs by {model['mae']['value']:.2f} degrees on average"
    share, over = 100 * gain["value"], gain["over"]
    if "low" in gain and gain["low"] <= 0 <= gain["high"]:
        return f"{said} and cannot be told apart from the best baseline, the {over} ({share:+.1f} %)."
    return f"{said}, {abs(share):.1f} % {'less' if share > 0 else 'more'} than the best baseline, the {over}."


def _held(run: ForecastRun) -> str:
    held = [100 * run.scores["model"][f"coverage_{name}"]["value"] for name in ("80", "95")]
    said = f"{held[0]:.0f} % of what came, its 95 % intervals {held[1]:.0f} %"
    return f"The 80 % intervals of the {run.name} model held {said}."


def next_forecast_commands(report: ForecastReport) -> list[str]:
    """Commands to try with the demo's models and series."""
    direct, drawn, pictures = (shlex.quote(str(report.out / name)) for name in (DIRECT, AUTOREGRESSIVE, "pictures"))
    data = shlex.quote(str(report.data))
    return [
        f"recurra predict {direct} {data} --plots {pictures}",
        f"recurra predict {drawn} {data} --draws 1000 --seed 1",
        f"recurra evaluate {direct} {data} --stride 12",
        f"recurra check {direct}",
        f"recurra train forecast {data} --horizon 24 --cell lstm --output quantiles --out runs/two-years",
    ]
