"""Scores of a forecaster as text: beside its baselines, and by the step of the horizon."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from recurra.metrics import gain_line, interval
from recurra.tables import ScoreTable

__all__ = ["forecast_remarks", "forecast_tables"]

_MOST_STEPS = 12  # of the horizon that have a row of their own

_WITH_INTERVALS = {  # two of them fit beside the names into 80 columns
    "with intervals": {"MAE": "mae", "RMSE": "rmse"},
    "with intervals, without units": {"MASE": "mase", "MSE (scaled)": "mse_scaled"},
}

Scores = Mapping[str, Any]


def forecast_tables(scores: Scores, title: str, full: bool) -> list[ScoreTable]:
    """Show the scores of a forecaster and its baselines; with `full` all intervals, and the scores by step too.

    Args:
        scores: as of :func:`recurra.forecast_scores.full_scores`.
        title: of what.
        full: whether with the details.
    """
    named = {"this model": scores["model"], **scores["baselines"]}
    what = f"{scores['origins']:,} forecasts of {_counted(scores['horizon'], 'step')}, {scores['series']:,} series"
    summary = {
        "MAE": lambda found: _number(found["mae"]),
        "MASE": lambda found: _number(found.get("mase")),
        "sMAPE %": lambda found: _percent(found["smape"]),
        "MAE\n(scaled)": lambda found: _number(found["mae_scaled"]),
        "MSE\n(scaled)": lambda found: _number(found["mse_scaled"]),
        "CRPS": lambda found: _number(found["crps"]),
    }
    tables = [_table(f"{title}: {what}", summary, named)]
    return [*tables, *_details(named), _by_step(scores)] if full else tables


def forecast_remarks(scores: Scores) -> list[str]:
    """Say what the model gains over the best baseline, what its intervals hold, and what the scores' intervals are.

    Args:
        scores: as of :func:`recurra.forecast_scores.full_scores`.
    """
    model, without = scores["model"], scores["without_mase"]
    lines = [f"MAE of this model {_with_interval(model['mae'])}; scaled {_with_interval(model['mae_scaled'])}"]
    lines += [_gain(scores["gain"])] if "gain" in scores else []
    if "coverage_80" in model:
        held = (f"{name} % intervals hold {_share(model[f'coverage_{name}'])} %" for name in ("80", "95"))
        lines.append(f"{', '.join(held)} of what came")
    if without:
        names = "series" if scores["variables"] == 1 else "variables of series"
        lines.append(
            f"without MASE: {without:,} {names}, as in training nothing differs from a season before, or none is known"
        )
    return [*lines, _resampled(scores)]


def _details(named: Mapping[str, Scores]) -> list[ScoreTable]:
    tables = []
    for title, errors in _WITH_INTERVALS.items():
        told = [(name, *(_with_interval(found.get(key)) for key in errors.values())) for name, found in named.items()]
        tables.append(ScoreTable(title, ("", *errors), told))
    model = named["this model"]
    if "coverage_80" not in model:
        return tables
    rows: list[tuple[str, ...]] = [
        (f"{name} %", _share(model[f"coverage_{name}"]), _with_interval(model[f"width_{name}"]))
        for name in ("80", "95")
    ]
    return [*tables, ScoreTable("intervals of this model", ("interval", "holds %", "mean width"), rows)]


def _by_step(scores: Scores) -> ScoreTable:
    """Of the model and of the best baseline, at steps that are evenly spread over the horizon."""
    model = scores["model"]["by_step"]
    columns = {"MAE": model["mae"], "CRPS": model["crps"]}
    shown = {name: [_plain(value) for value in values] for name, values in columns.items()}
    if "coverage_80" in model:
        shown["80 %\nholds %"] = [f"{100 * value:.1f}" for value in model["coverage_80"]]
        shown["95 %\nholds %"] = [f"{100 * value:.1f}" for value in model["coverage_95"]]
    if "gain" in scores:
        over = scores["gain"]["over"]
        shown[f"MAE of the\n{over}"] = [_plain(value) for value in scores["baselines"][over]["by_step"]["mae"]]
    horizon = scores["horizon"]
    steps = np.unique(np.linspace(1, horizon, min(_MOST_STEPS, horizon)).round().astype(int)).tolist()
    rows: list[tuple[str, ...]] = [(f"{step:,}", *(cells[step - 1] for cells in shown.values())) for step in steps]
    return ScoreTable("this model by step", ("step", *shown), rows)


def _table(title: str, columns: Mapping[str, Callable[[Scores], str]], named: Mapping[str, Scores]) -> ScoreTable:
    rows: list[tuple[str, ...]] = [(name, *(cell(found) for cell in columns.values())) for name, found in named.items()]
    return ScoreTable(title, ("", *columns), rows)


def _gain(gain: Scores) -> str:
    if gain["value"] is None:
        return f"over the {gain['over']}: nothing to gain, it has no error"
    if "low" in gain:
        return gain_line(gain, gain["over"], "% gained in scaled MAE")
    return f"over the {gain['over']}: {100 * gain['value']:+.1f} % gained in scaled MAE"


def _resampled(scores: Scores) -> str:
    over, groups, steps = (scores["interval"][name] for name in ("over", "groups", "steps"))
    if over == "origins":
        return f"ranges are of 95 %, over {groups:,} blocks of {steps:,} origins: neighbouring forecasts err alike"
    if over == "series":
        return f"ranges are of 95 %, over {groups:,} series: none has ten blocks of {steps:,} origins"
    return f"no ranges: less than ten series, and none has ten blocks of {steps:,} origins"


def _with_interval(score: Scores | None) -> str:
    if score is None or "low" not in score:
        return _number(score)
    return f"{_plain(score['value'])} ({_plain(score['low'])} to {_plain(score['high'])})"


def _number(score: Scores | None) -> str:
    return "-" if score is None else _plain(score["value"])


def _plain(value: float) -> str:
    """Four digits, or all those before the point.

    >>> [_plain(value) for value in (0.35124, 12.3, 9999.96, 123456.7, 0.0, 2.5e-7)]
    ['0.3512', '12.30', '10,000', '123,457', '0.000', '2.500e-07']
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:#.4g}".removesuffix(".")


def _share(score: Scores) -> str:
    return interval(score) if "low" in score else _percent(score)


def _percent(score: Scores) -> str:
    return f"{100 * score['value']:.1f}"


def _counted(number: int, name: str) -> str:
    return f"{number:,} {name}{'' if number == 1 else 's'}"
