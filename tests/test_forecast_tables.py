"""Scores of forecasts as text."""

from __future__ import annotations

import numpy as np

from recurra.forecast_scores import Outcomes, full_scores
from recurra.forecast_tables import forecast_remarks, forecast_tables

LEVELS = (0.025, *(k / 20 for k in range(1, 20)), 0.975)


def made_up(windows=100, horizon=2, variables=1, quantiles=True, baselines=True):
    """A model that errs by 1 at the first step and by 2 at all others, and a baseline that errs by 4, from zero up."""
    truth = np.zeros((windows, horizon, variables))
    mean = truth + np.minimum(np.arange(1, horizon + 1), 2)[:, np.newaxis]
    ones = np.ones((windows, variables))
    levels = mean[..., np.newaxis] + 3 * (np.array(LEVELS) - 0.5) if quantiles else None
    others = {"drift": truth + 4} if baselines else {}
    outcomes = Outcomes(truth, mean, levels, others, 2 * ones, 3 * ones)
    return full_scores([outcomes], LEVELS, np.zeros(windows, int), np.arange(windows))


def test_the_summary_is_beside_the_baselines():
    (table,) = forecast_tables(made_up(), "t.csv", full=False)
    assert table.title == "t.csv: 100 forecasts of 2 steps, 1 series"
    assert table.columns == ("", "MAE", "MASE", "sMAPE %", "MAE\n(scaled)", "MSE\n(scaled)", "CRPS")
    model, drift = table.rows
    assert model[:-1] == ("this model", "1.500", "0.5000", "200.0", "0.7500", "0.6250")
    assert drift == ("drift", "4.000", "1.333", "200.0", "2.000", "4.000", "4.000")


def test_the_details():
    _, errors, without_units, intervals, steps = forecast_tables(made_up(horizon=30, windows=700), "t.csv", full=True)
    assert errors.rows[1] == ("drift", *(f"{v} ({v} to {v})" for v in ("4.000", "4.000")))
    assert without_units.rows[1] == ("drift", *(f"{v} ({v} to {v})" for v in ("1.333", "4.000")))
    assert intervals.rows[0] == ("80 %", "3.3 (3.3 to 3.3)", "2.400 (2.400 to 2.400)")
    assert intervals.rows[1][2] == "2.850 (2.850 to 2.850)"
    assert steps.columns == ("step", "MAE", "CRPS", "80 %\nholds %", "95 %\nholds %", "MAE of the\ndrift")
    assert [row[0] for row in steps.rows] == ["1", "4", "6", "9", "12", "14", "17", "19", "22", "25", "27", "30"]
    assert steps.rows[0][1] == "1.000"
    assert steps.rows[0][3:] == ("100.0", "100.0", "4.000")
    assert steps.rows[1][3:] == ("0.0", "0.0", "4.000")


def test_point_forecasts_without_baselines_or_ranges():
    scores = made_up(windows=5, quantiles=False, baselines=False)
    summary, errors, without_units, steps = forecast_tables(scores, "t", full=True)
    assert summary.rows == [("this model", "1.500", "0.5000", "200.0", "0.7500", "0.6250", "1.500")]
    assert errors.rows == [("this model", "1.500", "1.581")]
    assert without_units.rows == [("this model", "0.5000", "0.6250")]
    assert steps.columns == ("step", "MAE", "CRPS")
    assert forecast_remarks(scores) == [
        "MAE of this model 1.500; scaled 0.7500",
        "no ranges: less than ten series, and none has ten blocks of 4 origins",
    ]


def test_remarks():
    assert forecast_remarks(made_up()) == [
        "MAE of this model 1.500 (1.500 to 1.500); scaled 0.7500 (0.7500 to 0.7500)",
        "over the drift: +62.5 (+62.5 to +62.5) % gained in scaled MAE",
        "80 % intervals hold 50.0 (50.0 to 50.0) %, 95 % intervals hold 50.0 (50.0 to 50.0) % of what came",
        "ranges are of 95 %, over 25 blocks of 4 origins: neighbouring forecasts err alike",
    ]
    assert forecast_remarks(made_up(windows=5))[1] == "over the drift: +62.5 % gained in scaled MAE"
    scores = {**made_up(), "gain": {"over": "drift", "value": None}, "without_mase": 1200}
    lines = forecast_remarks({**scores, "interval": {"over": "series", "groups": 1500, "steps": 4}})
    assert lines[1] == "over the drift: nothing to gain, it has no error"
    assert lines[3].startswith("without MASE: 1,200 series, as in training nothing differs from a season before")
    assert lines[4] == "ranges are of 95 %, over 1,500 series: none has ten blocks of 4 origins"
    assert "1,200 variables of series" in forecast_remarks({**scores, "variables": 2})[3]


def test_what_has_no_mase_has_a_dash():
    scores = made_up()
    del scores["model"]["mase"]
    assert forecast_tables(scores, "t", full=False)[0].rows[0][2] == "-"
    assert forecast_tables(scores, "t", full=True)[2].rows[0][1] == "-"
