"""The demo of forecasting: the Pacific a year ahead, beside baselines, and a page on how far that can be known."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from rich.console import Console

from recurra.checkpoint import SavedModel, read_history, read_model
from recurra.config import ForecastConfig, make_run_config
from recurra.data.bundled import sea_temperature_path
from recurra.data.series import SeriesSet
from recurra.data.series_parts import divide
from recurra.demo.forecast_findings import (
    AUTOREGRESSIVE,
    MAIN,
    ForecastReport,
    ForecastRun,
    Picture,
    Trials,
    comparison_sentences,
    interval_sentence,
    next_forecast_commands,
)
from recurra.demo.report import FORECAST_MARK, render_forecast
from recurra.demo.trials import all_trials, forecast_of_window, foresight
from recurra.files import failures_named, write_text
from recurra.fit import fit
from recurra.metrics import interval
from recurra.pages.surroundings import REPORT, Losses, machine, one_thread, print_closing, require_ours
from recurra.show import print_table
from recurra.tables import ScoreTable
from recurra.tasks.forecast import Forecast
from recurra.train import Callback

__all__ = ["print_forecast_summary", "run_forecast_demo"]

_log = logging.getLogger("recurra")

_SERIES = "series.csv"
_SETTINGS: dict[str, Any] = {  # 21 years of test: ten blocks of two years, from which an interval can be made, and more
    "horizon": 12,
    "valid_steps": 96,
    "test_steps": 252,
    "hidden_size": 64,
    "learning_rate": 3e-3,
    "epochs": 15,
}
_DRAWN = "Nino 3.4"  # by which El Niño is declared
_EVENLY = 4  # forecasts that are drawn whatever they are


class _Kind(NamedTuple):
    """A model of the demo: what it is called, how it is drawn, and its settings."""

    name: str
    style: str
    settings: Mapping[str, str]


_MODELS = {
    MAIN: _Kind("GRU", "gru", {"cell": "gru"}),
    "lstm": _Kind("LSTM", "lstm", {"cell": "lstm"}),
    "rnn": _Kind("RNN", "rnn", {"cell": "rnn"}),
    AUTOREGRESSIVE: _Kind("DeepAR", "feedforward", {"cell": "gru", "decoder": "autoregressive"}),
}


def run_forecast_demo(
    out: Path, seed: int = 0, callbacks: Sequence[Callback] = (), source: Path | None = None, **settings: Any
) -> ForecastReport:
    """Train forecasters of monthly temperatures; write models, series and `report.html` into `out`.

    An earlier demo there is replaced.

    Args:
        out: folder for all; made if missing.
        seed: of everything random.
        callbacks: told of each step and epoch of each model.
        source: monthly series, all as long, in place of the bundled ones.
        settings: options of :func:`recurra.config.make_run_config` in place of the demo's.

    Raises:
        OutputError: `out` holds something that the demo has not made, or cannot be written.
        KeyboardInterrupt: Ctrl-C; models that were finished stay, no report is written.
    """
    started = time.perf_counter()
    text = (sea_temperature_path() if source is None else source).read_text(encoding="utf-8")
    first_rows = "\n".join(text.split("\n", 2)[:2])
    require_ours(out, list(_MODELS), {REPORT: FORECAST_MARK, _SERIES: first_rows})
    with failures_named(out):
        out.mkdir(parents=True, exist_ok=True)
        (out / REPORT).unlink(missing_ok=True)  # of earlier models
    write_text(out / _SERIES, text)
    told = {**_SETTINGS, "data": str(out / _SERIES), "seed": seed, **settings}
    with one_thread():
        runs = {}
        for number, (model, kind) in enumerate(_MODELS.items(), 1):
            _log.info("\n%s (model %d of %d)", kind.name, number, len(_MODELS))
            config = make_run_config("forecast", **{**told, **kind.settings})
            runs[model] = _trained(out / model, kind, config, callbacks)
        report = _report(out, runs, started)
        write_text(out / REPORT, render_forecast(report))
    return report


def print_forecast_summary(report: ForecastReport, console: Console) -> None:
    """Print the scores, how the models compare, where the report is, and what to try next."""
    rows: list[tuple[str, ...]] = []
    for name, found in report.trials.scores.items():
        run = report.runs.get(name)
        held = interval(found["coverage_80"]) if "low" in found.get("coverage_80", {}) else "-"
        numbers = (f"{found[key]['value']:.3f}" for key in ("mae", "mase", "crps"))
        rows.append((report.called(name), *numbers, held, f"{run.seconds:.1f}" if run else "-"))
    columns = ("", "MAE °C", "MASE", "CRPS", "80 % interval holds %", "seconds")
    title = f"{len(report.trials.truth):,} forecasts of {report.horizon} months (ranges are of 95 %)"
    print_table(console, ScoreTable(title, columns, rows))
    said = [*comparison_sentences(report), *(interval_sentence(report, model) for model in report.trials.quantiles)]
    print_closing(console, said, report.out, report.seconds, next_forecast_commands(report))


def _trained(place: Path, kind: _Kind, config: ForecastConfig, callbacks: Sequence[Callback]) -> ForecastRun:
    """Train a model and look at its directory."""
    losses, before = Losses(), time.perf_counter()
    if fit(config, place, overwrite=True, callbacks=[*callbacks, losses]).interrupted:
        raise KeyboardInterrupt
    saved, seconds = read_model(place), time.perf_counter() - before
    used = cast(Forecast, saved.task).config
    return ForecastRun(kind.name, kind.style, config, used, saved.metrics, read_history(place), losses.values, seconds)


def _report(out: Path, runs: Mapping[str, ForecastRun], started: float) -> ForecastReport:
    """Let the models, as they were saved, and the baselines forecast the test."""
    saved: dict[str, SavedModel] = {model: read_model(out / model) for model in runs}
    main = cast(Forecast, saved[MAIN].task)
    series = main.load_labelled(str(out / _SERIES)).series
    bounds = divide(series, main.config.data, main.horizon)
    trials = all_trials(saved, series, bounds)
    pictures, proof = _pictures(series, trials), foresight(saved, series, bounds)
    seconds = time.perf_counter() - started
    return ForecastReport(
        runs=runs,
        series=series,
        bounds=bounds,
        trials=trials,
        pictures=pictures,
        foresight=proof,
        facts={"seed": str(main.config.train.seed), "whole demo": f"{seconds:.1f} seconds", **machine()},
        seconds=seconds,
        out=out,
        source=out / _SERIES,
    )


def _pictures(series: SeriesSet, trials: Trials) -> list[Picture]:
    """Forecasts at even distances and the worst of all, the latter by the autoregressive model too."""
    ids = [one.id for one in series.series]
    shown = np.flatnonzero(trials.series == (ids.index(_DRAWN) if _DRAWN in ids else 0))
    evenly = shown[np.linspace(0, len(shown) - 1, _EVENLY).round().astype(int)].tolist()
    worst = int(trials.errors(MAIN).argmax())
    chosen = [(MAIN, "evenly spaced", number) for number in evenly]
    chosen += [(MAIN, "its worst of all", worst), (AUTOREGRESSIVE, "the same months", worst)]
    return [Picture(model, why, forecast_of_window(series, trials, model, number)) for model, why, number in chosen]
