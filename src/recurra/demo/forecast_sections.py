"""The sections of the report on forecasting: findings in, the pieces of HTML that its template asks for out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from recurra.data.time_stamps import show_time, times_after
from recurra.demo.forecast_figures import ByStep, by_step_figure, coverage_figure, losses_figure, series_figure
from recurra.demo.forecast_findings import (
    AUTOREGRESSIVE,
    MAIN,
    MONTH_MEAN,
    ForecastReport,
    comparison_sentences,
    interval_sentence,
    least_error,
    next_forecast_commands,
    where_it_does_not_win,
)
from recurra.diagnose.forecast_plot import draw_forecast
from recurra.forecast_baselines import DRIFT, LINEAR, NAIVE, SEASONAL_NAIVE
from recurra.pages.pieces import Parts, changes_sentence, dot, fact_rows, settings_rows, tiles

__all__ = ["FORECAST_SECTIONS"]

_CLOSELY = (MAIN, AUTOREGRESSIVE)  # models whose intervals are drawn
_OWN = ("cell", "decoder")  # settings in which the models differ
_KEYS = ("mae", "mase", "crps")

Scores = Mapping[str, Any]


def overview(report: ForecastReport) -> Parts:
    """The first sentences, the four large numbers, and which years each part has."""
    scores, name = report.trials.scores, escape(report.runs[MAIN].name)
    ours, naive = scores[MAIN], scores[SEASONAL_NAIVE]
    numbers = [
        (f"{ours['mae']['value']:.2f} °C", f"{name}: mean error over {report.horizon} months{_interval(ours['mae'])}"),
        (f"{naive['mae']['value']:.2f} °C", f"{SEASONAL_NAIVE}, on the same months{_interval(naive['mae'])}"),
        (
            f"{_share(ours['coverage_80'])} %",
            f"of what came lies in the 80 % intervals of the {name}{_interval(ours['coverage_80'], 100, 1)}",
        ),
        (f"{report.seconds:.0f} s", f"for all {len(report.runs)} models, their scores and this page"),
    ]
    one, bound = report.series.series[0], report.bounds[0]
    times = [
        show_time(time)[:7]
        for time in np.asarray(times_after(one.start, report.series.frequency, np.arange(bound.end)))
    ]
    parts = {"train": (0, bound.train), "valid": (bound.train, bound.valid), "test": (bound.valid, bound.end)}
    return {
        "lead": f"Recurrent networks learnt to forecast the temperature of the sea {report.horizon} months ahead, and "
        f"how far they may be off. {escape(comparison_sentences(report)[0])}",
        "tiles": tiles(numbers),
        "horizon": f"{report.horizon}",
        "window": f"{report.runs[MAIN].used.model.window}",
        "main": name,
        **{f"{part}_months": f"{times[first]} to {times[last - 1]}" for part, (first, last) in parts.items()},
        "windows": f"{len(report.trials.truth):,}",
        "series_figure": series_figure(report.series, report.bounds, "°C", "The series, on the ground of their parts"),
    }


def forecasts(report: ForecastReport) -> Parts:
    """Pictures of some forecasts."""
    shown = []
    for picture in report.pictures:
        run, first = report.runs[picture.model], show_time(picture.forecast.times_ahead[0])[:7]
        shown.append(
            f"<div><h3>{dot(run.style)}{escape(run.name)}, from {first}: {escape(picture.why)}</h3>"
            f"<figure>{draw_forecast(picture.forecast, run.style, 'month')}</figure></div>"
        )
    return {"pictures": "".join(shown)}


def steps(report: ForecastReport) -> Parts:
    """The error at each step, as a figure and as a table."""
    scores = report.trials.scores
    drawn = [name for name in scores if name not in report.runs or name in _CLOSELY]
    found = [_by_step(report, name) for name in drawn]
    rows = {name: [f"{value:.2f}" for value in scores[name]["by_step"]["mae"]] for name in scores}
    best = report.trials.best_by_step()
    cells = {
        name: "".join(f"<td>{'<b>' * (name == who)}{cell}{'</b>' * (name == who)}</td>" for cell, who in zip(row, best))
        for name, row in rows.items()
    }
    return {
        "by_step_figure": by_step_figure(found, "°C", "Mean absolute error by months ahead"),
        **{
            "naive": NAIVE,
            "seasonal_naive": SEASONAL_NAIVE,
            "drift": DRIFT,
            "linear": LINEAR,
            "month_mean": MONTH_MEAN,
        },
        "step_heads": "".join(f"<th>{step}</th>" for step in range(1, report.horizon + 1)),
        "step_rows": "".join(f"<tr><td>{_dotted(report, name)}</td>{row}</tr>" for name, row in cells.items()),
    }


def table(report: ForecastReport) -> Parts:
    """The scores of all models and baselines, over all series and on each."""
    scores, each = report.trials.scores, [report.trials.of_series(n) for n in range(len(report.series.series))]
    return {
        "score_rows": "".join(_score_row(report, name) for name in scores),
        "series_heads": "".join(f"<th>{escape(one.id)}</th>" for one in report.series.series),
        "series_rows": "".join(_series_row(report, name, each) for name in scores),
        "comparison": "".join(f"<li>{escape(sentence)}</li>" for sentence in comparison_sentences(report)),
    }


def _score_row(report: ForecastReport, name: str) -> str:
    found, run = report.trials.scores[name], report.runs.get(name)
    cells = [f"{found[key]['value']:.2f}<small>{_range(found[key])}</small>" if key in found else "" for key in _KEYS]
    held = [f"coverage_{level}" for level in ("80", "95")]
    cells += [
        f"{_share(found[key])}<small>{_range(found[key], 100, 1)}</small>" if key in found else "" for key in held
    ]
    cells += ["", ""] if run is None else [f"{run.metrics['parameters']:,}", f"{run.seconds:.1f}"]
    main = ' class="main"' if name == MAIN else ""
    row = "".join(f"<td>{cell or '&ndash;'}</td>" for cell in cells)
    return f"<tr{main}><td>{_dotted(report, name)}</td>{row}</tr>"


def _series_row(report: ForecastReport, name: str, each: Sequence[Mapping[str, Scores]]) -> str:
    cells = ""
    for found in each:
        best = name == least_error(found)
        score = found[name]["mae"]
        number = f"<b>{score['value']:.2f}</b>" if best else f"{score['value']:.2f}"
        cells += f"<td>{number}<small>{_range(score)}</small></td>"
    return f"<tr><td>{_dotted(report, name)}</td>{cells}</tr>"


def coverage(report: ForecastReport) -> Parts:
    """Which share of what came the intervals hold at each step."""
    models = [model for model in _CLOSELY if model in report.trials.quantiles]
    title = "Share of what came that the 80 % and 95 % intervals hold, by months ahead"
    verdicts = [interval_sentence(report, model) for model in report.trials.quantiles]
    widths = []
    for model in report.trials.quantiles:
        found = report.trials.scores[model]
        cells = "".join(
            f"<td>{_share(found[f'coverage_{level}'])}<small>{_range(found[f'coverage_{level}'], 100, 1)}</small></td>"
            f"<td>{found[f'width_{level}']['value']:.2f}</td>"
            for level in ("80", "95")
        )
        widths.append(f"<tr><td>{_dotted(report, model)}</td>{cells}</tr>")
    return {
        "coverage_figure": coverage_figure([_by_step(report, model) for model in models], title),
        "coverage_rows": "".join(widths),
        "coverage_verdict": "".join(f"<li>{escape(sentence)}</li>" for sentence in verdicts),
    }


def limits(report: ForecastReport) -> Parts:
    """Where the main model is not the best."""
    return {"limits": "".join(f"<li>{escape(sentence)}</li>" for sentence in where_it_does_not_win(report))}


def honest(report: ForecastReport) -> Parts:
    """What a changed future changes: nothing."""
    proof = report.foresight
    rows = "".join(
        f"<tr><td>{_dotted(report, model)}</td><td>{proof.future[model]:.3g}</td><td>{proof.past[model]:.2f}</td></tr>"
        for model in proof.future
    )
    holds = not proof.differ and not any(proof.future.values())
    return {
        "proof_verdict": "Not one number changed." if holds else "<b>Numbers changed: something reads the future.</b>",
        "proof_rows": rows,
        "proof_origins": f"{proof.origins}",
        "proof_forecasts": f"{proof.forecasts:,}",
        "proof_read": f"{proof.read:,}",
        "proof_differ": f"{proof.differ:,}",
    }


def curve(report: ForecastReport) -> Parts:
    """The losses over the epochs, of each kind of decoder by itself as they count other steps."""
    drawn, direct = (
        [run for run in report.runs.values() if (run.config.model.decoder == "direct") is kind]
        for kind in (False, True)
    )
    kept = ", ".join(f"{run.name} {run.metrics['best_epoch']}" for run in report.runs.values())
    return {
        "direct_curve": losses_figure(direct, "Losses of the direct models over the epochs"),
        "drawn_curve": losses_figure(drawn, "Losses of DeepAR over the epochs"),
        "kept": f"What is kept is the epoch with the least validation loss: {escape(kept)}.",
    }


def made(report: ForecastReport) -> Parts:
    """Settings, facts of the run, and what to try next."""
    run = report.runs[MAIN]
    return {
        "made_note": f"The {escape(run.name)}: {_small(escape(changes_sentence(run.config, _OWN)))} The others "
        "differ from it in the cell; DeepAR in the decoder, autoregressive, which has neither linear map nor "
        "segments. Each learnt on one thread. Their directories and the series, as CSV, lie beside this page.",
        "settings_rows": settings_rows(run.used, run.metrics["epochs"]),
        "run_rows": fact_rows(report.facts),
        "commands": escape("\n".join(next_forecast_commands(report))),
    }


FORECAST_SECTIONS: list[Callable[[ForecastReport], Parts]] = [
    overview,
    forecasts,
    steps,
    table,
    coverage,
    limits,
    honest,
    curve,
    made,
]


def _by_step(report: ForecastReport, name: str) -> ByStep:
    run = report.runs.get(name)
    return ByStep(report.called(name), "baseline" if run is None else run.style, report.trials.scores[name]["by_step"])


def _dotted(report: ForecastReport, name: str) -> str:
    """The name of a model or a baseline, with the mark of its colour."""
    run = report.runs.get(name)
    return dot("baseline" if run is None else run.style) + escape(report.called(name))


def _small(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]


def _share(share: Mapping[str, float]) -> str:
    return f"{100 * share['value']:.1f}"


def _range(score: Mapping[str, float], times: int = 1, digits: int = 2) -> str:
    """The 95 % interval; nothing where the test is too short for one."""
    return f"{times * score['low']:.{digits}f} to {times * score['high']:.{digits}f}" if "low" in score else ""


def _interval(score: Mapping[str, float], times: int = 1, digits: int = 2) -> str:
    found = _range(score, times, digits)
    return f"<br>95 % interval {found}" if found else ""
