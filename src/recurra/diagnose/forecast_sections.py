"""The sections of the report on forecasting: findings in, the pieces of HTML that its template asks for out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from typing import Any

from recurra.diagnose.forecast_figures import by_step_figure, coverage_figure, learning_figure, parts_figure
from recurra.diagnose.forecast_findings import (
    AUTOREGRESSIVE,
    DIRECT,
    ForecastReport,
    forecast_sentences,
    next_forecast_commands,
)
from recurra.diagnose.forecast_plot import draw_forecast
from recurra.diagnose.pieces import Parts, changes_sentence, dot, fact_rows, settings_rows, tiles

__all__ = ["FORECAST_SECTIONS"]

_OWN = ("decoder", "output", "segment", "linear")  # settings in which the models differ
_COLUMNS = {"mae": "{:.2f}", "rmse": "{:.2f}", "mase": "{:.2f}", "crps": "{:.2f}"}


def overview(report: ForecastReport) -> Parts:
    """The first sentences and the four large numbers."""
    run = report.runs[DIRECT]
    model, baselines = run.scores["model"], run.scores["baselines"]
    season = baselines["seasonal naive"]["mae"]["value"]
    numbers = [
        (f"{model['mae']['value']:.2f} °C", f"mean error of the {escape(run.name)} model, a year ahead"),
        (f"{season:.2f} °C", "of the same month a year before"),
        (f"{100 * model['coverage_80']['value']:.0f} %", "of what came lay within its 80 % intervals"),
        (f"{report.seconds:.0f} s", "for both trainings, their scores and this page"),
    ]
    horizon = run.config.model.horizon
    return {
        "lead": f"Two networks learnt to forecast the temperature of the sea, {horizon} months ahead. One says all "
        f"months at once, the other draws one after the other. {escape(forecast_sentences(report)[0])}",
        "tiles": tiles(numbers),
        "steps": f"{len(report.values):,}",
        "training": f"{report.parts[0]:,}",
        "validation": f"{report.parts[1] - report.parts[0]:,}",
        "test": f"{len(report.values) - report.parts[1]:,}",
        "horizon": f"{horizon}",
        "window": f"{run.config.model.window}",
        "parts_figure": parts_figure(
            report.times,
            report.values,
            report.parts,
            "°C",
            "The series over time, with its training, validation and test part",
        ),
    }


def forecasts(report: ForecastReport) -> Parts:
    """Forecasts from some origins, with what came."""
    pictures = "".join(f'<figure class="large">{draw_forecast(each, "gru", "month")}</figure>' for each in report.shown)
    return {"forecasts": pictures, "origins": f"{len(report.shown)}"}


def scores(report: ForecastReport) -> Parts:
    """The models beside the baselines."""
    styles = {run.name: run.style for run in report.runs.values()}
    rows = [_score_row(name, found, styles.get(name, "baseline")) for name, found in report.errors().items()]
    return {
        "score_rows": "".join(rows),
        "comparison": "".join(f"<p>{escape(sentence)}</p>" for sentence in forecast_sentences(report)),
        "tested": f"{report.runs[DIRECT].scores['origins']:,}",
    }


def _score_row(name: str, found: Mapping[str, Any], style: str) -> str:
    cells = [form.format(found[key]["value"]) if key in found else "&ndash;" for key, form in _COLUMNS.items()]
    for share in ("coverage_80", "coverage_95"):
        cells.append(f"{100 * found[share]['value']:.0f}" if share in found else "&ndash;")
    main = ' class="main"' if style != "baseline" else ""
    return f"<tr{main}><td>{dot(style)}{escape(name)}</td>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def by_step(report: ForecastReport) -> Parts:
    """Errors and coverage by the step of the horizon."""
    runs = report.runs.values()
    models = {run.name: (run.style, run.scores["model"]["by_step"]["mae"]) for run in runs}
    baselines = {name: found["by_step"]["mae"] for name, found in report.runs[DIRECT].scores["baselines"].items()}
    held = {
        run.name: (
            run.style,
            {share: run.scores["model"]["by_step"][f"coverage_{100 * share:.0f}"] for share in (0.8, 0.95)},
        )
        for run in runs
    }
    return {
        "by_step_figure": by_step_figure(models, baselines, "mean error, °C", "Mean error by the months ahead"),
        "coverage_figure": coverage_figure(held, "Share of what came within the intervals, by the months ahead"),
    }


def leak(report: ForecastReport) -> Parts:
    """What a forecast knows of the future: nothing."""
    return {"changed": f"{report.changed:.1g}" if report.changed else "0"}


def curve(report: ForecastReport) -> Parts:
    """The losses over the steps of training."""
    pieces = []
    for run in report.runs.values():
        best = run.metrics["best_epoch"]
        title = f"Loss of the {run.name} model over the steps of training, in training and validation"
        pieces.append(
            f'<figure class="large">{learning_figure(run, title)}<figcaption>{dot(run.style)}{escape(run.name)}: '
            f"what is kept is epoch {best} of {len(run.history)}, the best in validation.</figcaption></figure>"
        )
    return {"curves": "".join(pieces)}


def made(report: ForecastReport) -> Parts:
    """Settings, facts of the run, and what to try next."""
    run, other = report.runs[DIRECT], report.runs[AUTOREGRESSIVE]
    differ = f"{run.config.model.output} at once, or {other.config.model.output} one after the other"
    return {
        "made_note": f"{escape(changes_sentence(run.config, _OWN))} The two models differ in how they say what comes: "
        f"{escape(differ)}. They learnt on one thread. Their directories and the series lie beside this page.",
        "settings_rows": settings_rows(run.config, run.metrics["epochs"], _OWN),
        "run_rows": fact_rows(report.facts),
        "commands": escape("\n".join(next_forecast_commands(report))),
    }


FORECAST_SECTIONS: list[Callable[[ForecastReport], Parts]] = [overview, forecasts, scores, by_step, leak, curve, made]
