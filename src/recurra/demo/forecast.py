"""The demo of forecasting: two models of a bundled series, and a page on what they know of the months to come."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from rich.console import Console

from recurra.checkpoint import read_history, read_model
from recurra.config import make_run_config
from recurra.data.bundled import sea_temperature_path
from recurra.data.series import SeriesSet
from recurra.data.time_stamps import times_after
from recurra.demo.surroundings import REPORT, Losses, machine, one_thread, print_closing, require_ours
from recurra.diagnose.forecast_findings import (
    AUTOREGRESSIVE,
    DIRECT,
    ForecastReport,
    ForecastRun,
    forecast_sentences,
    next_forecast_commands,
)
from recurra.diagnose.report import FORECAST_MARK, render_forecast
from recurra.files import failures_named, write_text
from recurra.fit import fit
from recurra.show import print_table
from recurra.tables import ScoreTable
from recurra.tasks.forecast import Forecast, ForecastExamples
from recurra.tasks.forecast_lines import Forecasts, SeriesForecast
from recurra.train import Callback

__all__ = ["print_forecast_summary", "run_forecast_demo"]

_log = logging.getLogger("recurra")

_DATA = "sea-temperature.csv"
_HEADING = "unique_id,ds,y"  # the columns; what tells that the file was written by the demo
_SETTINGS: dict[str, Any] = {"horizon": 12, "valid_steps": 120, "test_steps": 120, "hidden_size": 64}
_SHOWN = 4  # forecasts that are drawn


class _Kind(NamedTuple):
    """A model of the demo: what it is called, how it is drawn, and its own settings."""

    name: str
    style: str
    settings: dict[str, Any]


_MODELS = {
    DIRECT: _Kind("direct", "gru", {"decoder": "direct", "output": "student-t"}),
    AUTOREGRESSIVE: _Kind("autoregressive", "lstm", {"decoder": "autoregressive", "output": "gaussian", "epochs": 25}),
}


def run_forecast_demo(out: Path, seed: int = 0, callbacks: Sequence[Callback] = (), **settings: Any) -> ForecastReport:
    """Train both models on the bundled series; write them, the series and `report.html` into `out`.

    An earlier demo there is replaced.

    Args:
        out: folder for all; made if missing.
        seed: of everything random.
        callbacks: told of each step and epoch of each model.
        settings: options of :func:`recurra.config.make_run_config` in place of the demo's.

    Raises:
        OutputError: `out` holds something that the demo has not made, or cannot be written.
        KeyboardInterrupt: Ctrl-C; models that were finished stay, no report is written.
    """
    started = time.perf_counter()
    require_ours(out, list(_MODELS), {REPORT: FORECAST_MARK, _DATA: _HEADING})
    with failures_named(out):
        out.mkdir(parents=True, exist_ok=True)
        (out / REPORT).unlink(missing_ok=True)  # of earlier models
    write_text(out / _DATA, sea_temperature_path().read_text(encoding="utf-8"))
    with one_thread():
        runs = {}
        for number, (model, kind) in enumerate(_MODELS.items(), 1):
            _log.info("\n%s (model %d of %d)", kind.name, number, len(_MODELS))
            told = {"data": str(out / _DATA), "seed": seed, **_SETTINGS, **kind.settings, **settings}
            runs[model] = _trained(out / model, kind, told, callbacks)
        report = _report(out, runs, started)
        write_text(out / REPORT, render_forecast(report))
    return report


def print_forecast_summary(report: ForecastReport, console: Console) -> None:
    """Print the scores, how the models compare, where the report is, and what to try next."""
    rows: list[tuple[str, ...]] = []
    for name, found in report.errors().items():
        held = [f"{100 * found[key]['value']:.0f}" if key in found else "-" for key in ("coverage_80", "coverage_95")]
        rows.append((name, *(f"{found[key]['value']:.2f}" for key in ("mae", "mase", "crps")), *held))
    columns = ("", "MAE", "MASE", "CRPS", "80 %\nhold %", "95 %\nhold %")
    print_table(console, ScoreTable("the last ten years, a year ahead", columns, rows))
    print_closing(console, forecast_sentences(report), report.out, report.seconds, next_forecast_commands(report))


def _trained(place: Path, kind: _Kind, settings: dict[str, Any], callbacks: Sequence[Callback]) -> ForecastRun:
    """Train a model and look at its directory."""
    losses, before = Losses(), time.perf_counter()
    config = make_run_config("forecast", **settings)
    if fit(config, place, overwrite=True, callbacks=[*callbacks, losses]).interrupted:
        raise KeyboardInterrupt
    saved, seconds = read_model(place), time.perf_counter() - before
    task = cast(Forecast, saved.task)
    return ForecastRun(kind.name, kind.style, task.config, saved.metrics, read_history(place), losses.values, seconds)


def _report(out: Path, runs: dict[str, ForecastRun], started: float) -> ForecastReport:
    """Let the direct model, as it was saved, forecast from some origins of the test part."""
    task = cast(Forecast, read_model(out / DIRECT).task)
    series = task.load_labelled(str(out / _DATA)).series
    one, data = series.series[0], task.config.data
    assert data.valid_steps is not None
    assert data.test_steps is not None
    steps = len(one.target)
    ends = (steps - data.test_steps - data.valid_steps, steps - data.test_steps)
    origins = np.linspace(ends[1], steps - task.horizon, _SHOWN).round().astype(int).tolist()
    before = [_forecast_from(task, series, origin) for origin in origins]
    after = [_forecast_from(task, _without_future(series, origin), origin) for origin in origins]
    times = np.asarray(times_after(one.start, series.frequency, np.arange(steps)))
    seconds = time.perf_counter() - started
    seed = runs[DIRECT].config.train.seed
    return ForecastReport(
        runs=runs,
        times=times,
        values=one.target[:, 0],
        parts=ends,
        shown=[_shown(series, times, origin, found) for origin, found in zip(origins, before, strict=True)],
        changed=max(_largest_change(*pair) for pair in zip(before, after, strict=True)),
        data=out / _DATA,
        facts={"seed": str(seed), "whole demo": f"{seconds:.1f} seconds", **machine()},
        seconds=seconds,
        out=out,
    )


def _forecast_from(task: Forecast, series: SeriesSet, origin: int) -> Forecasts:
    """The forecast of the steps from an origin on."""
    examples = ForecastExamples(series, [(origin, origin + task.horizon)])
    return task.forecasts(task.windows(examples))


def _without_future(series: SeriesSet, origin: int) -> SeriesSet:
    """The same series with other values from an origin on."""
    one = series.series[0]
    changed = one.target.copy()
    changed[origin:] = -changed[origin:]
    return replace(series, series=[replace(one, target=changed)])


def _shown(series: SeriesSet, times: Any, origin: int, found: Forecasts) -> SeriesForecast:
    one = series.series[0]
    ahead = slice(origin, origin + found.mean.shape[1])
    assert found.quantiles is not None
    return SeriesForecast(
        f"from {np.datetime_as_string(times[origin], unit='M')} on",
        ("°C",),
        times[:origin],
        one.target[:origin],
        times[ahead],
        found.mean[0],
        found.quantiles[0],
        truth=one.target[ahead],
    )


def _largest_change(first: Forecasts, second: Forecasts) -> float:
    assert first.quantiles is not None
    assert second.quantiles is not None
    gaps = (np.abs(first.mean - second.mean).max(), np.abs(first.quantiles - second.quantiles).max())
    return float(max(gaps))
