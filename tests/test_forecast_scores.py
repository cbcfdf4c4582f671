"""Scores of forecasts: by hand, as scikit-learn gives them, and in closed form of what is drawn."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import norm, t
from sklearn.metrics import mean_absolute_error, mean_pinball_loss, mean_squared_error

from recurra.errors import DataError, ShapeError
from recurra.forecast_scores import Outcomes, forecast_scores, full_scores, seasonal_error

LEVELS = (0.025, *(k / 20 for k in range(1, 20)), 0.975)


def drawn(windows, horizon=3, variables=2, seed=0, spread=1.0):
    """Truths from normal distributions, and forecasts that are these times a spread, all scales 2 and errors 0.5."""
    rng = np.random.default_rng(seed)
    mean = 5 + rng.normal(size=(windows, horizon, variables))
    truth = mean + rng.normal(size=mean.shape)
    quantiles = mean[..., np.newaxis] + spread * norm.ppf(LEVELS)
    ones = np.ones((windows, variables))
    return Outcomes(truth, mean, quantiles, {}, 2 * ones, 0.5 * ones)


def score(outcomes, series=None, origins=None):
    n = len(outcomes.truth)
    series, origins = np.zeros(n, int) if series is None else series, np.arange(n) if origins is None else origins
    return full_scores([outcomes], LEVELS, series, origins)


def test_formulas_are_those_of_scikit_learn_and_by_hand():
    outcomes = drawn(40)
    found = score(outcomes)["model"]
    y, f = outcomes.truth.ravel(), outcomes.mean.ravel()
    assert found["mae"]["value"] == pytest.approx(mean_absolute_error(y, f))
    assert found["rmse"]["value"] == pytest.approx(mean_squared_error(y, f) ** 0.5)
    assert found["mae_scaled"]["value"] == pytest.approx(mean_absolute_error(y / 2, f / 2))
    assert found["mse_scaled"]["value"] == pytest.approx(mean_squared_error(y / 2, f / 2))
    assert found["mase"]["value"] == pytest.approx(mean_absolute_error(y, f) / 0.5)
    assert found["smape"]["value"] == pytest.approx(np.mean(2 * abs(y - f) / (abs(y) + abs(f))))
    losses = [mean_pinball_loss(y, outcomes.quantiles[..., k].ravel(), alpha=LEVELS[k]) for k in range(1, 20)]
    assert found["crps"]["value"] == pytest.approx(2 * np.mean(losses))
    for name, low, high in (("80", 2, 18), ("95", 0, 20)):
        lower, upper = outcomes.quantiles[..., low].ravel(), outcomes.quantiles[..., high].ravel()
        assert found[f"coverage_{name}"]["value"] == pytest.approx(np.mean((lower <= y) & (y <= upper)))
        assert found[f"width_{name}"]["value"] == pytest.approx(np.mean(upper - lower))
    by_step = found["by_step"]
    for step in range(3):
        y, f = outcomes.truth[:, step].ravel(), outcomes.mean[:, step].ravel()
        assert by_step["mae"][step] == pytest.approx(mean_absolute_error(y, f))
        assert by_step["mse_scaled"][step] == pytest.approx(mean_squared_error(y / 2, f / 2))
    assert np.mean(by_step["crps"]) == pytest.approx(found["crps"]["value"])
    assert np.mean(by_step["coverage_80"]) == pytest.approx(found["coverage_80"]["value"])
    json.dumps(score(outcomes), allow_nan=False)


def test_the_crps_of_gaussian_quantiles_is_nearly_the_closed_form():
    outcomes = drawn(3000, horizon=4)
    z = (outcomes.truth - outcomes.mean).ravel()
    exact = np.mean(z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi))  # Gneiting, Raftery, 2007
    found = score(outcomes)["model"]["crps"]["value"]
    levels = np.arange(1, 20) / 20
    expected = 2 * norm.pdf(norm.ppf(levels)).mean() * np.sqrt(np.pi)  # of 19 levels, over that of all
    assert expected == pytest.approx(1.048, abs=5e-4)
    assert found / exact == pytest.approx(expected, abs=0.005)


def test_coverage_is_what_was_drawn():
    for spread, wide, wider in ((1.0, 0.8, 0.95), (0.5, 2 * norm.cdf(0.5 * 1.2816) - 1, 2 * norm.cdf(0.98) - 1)):
        model = score(drawn(4000, spread=spread))["model"]
        assert model["coverage_80"]["value"] == pytest.approx(wide, abs=0.01)
        assert model["coverage_95"]["value"] == pytest.approx(wider, abs=0.01)
        assert model["coverage_80"]["low"] < model["coverage_80"]["value"] < model["coverage_80"]["high"]
        assert model["width_95"]["value"] == pytest.approx(2 * 1.96 * spread, abs=1e-3)


def test_a_point_forecast_has_its_mae_as_crps_and_no_intervals():
    model = score(drawn(40)._replace(quantiles=None))["model"]
    assert model["crps"] == model["mae"]
    assert not [name for name in (*model, *model["by_step"]) if name.startswith(("coverage", "width"))]
    same = drawn(40)
    same = same._replace(quantiles=np.repeat(same.mean[..., np.newaxis], len(LEVELS), axis=3))
    assert score(same)["model"]["crps"]["value"] == pytest.approx(model["mae"]["value"])


def test_zeros_count_as_no_symmetric_error():
    truth, mean = np.array([[[0.0]], [[0.0]], [[2.0]]]), np.array([[[0.0]], [[1.0]], [[-2.0]]])
    ones = np.ones((3, 1))
    found = score(Outcomes(truth, mean, None, {}, ones, ones))["model"]
    assert found["smape"]["value"] == pytest.approx((0 + 2 + 2) / 3)


def test_seasonal_error():
    values = np.array([[1.0, 5.0, np.nan], [2.0, 5.0, 1.0], [4.0, 5.0, np.nan], [np.nan, 5.0, 2.0], [8.0, 5.0, np.nan]])
    np.testing.assert_allclose(seasonal_error(values, 1), [1.5, np.nan, np.nan])
    np.testing.assert_allclose(seasonal_error(values, 2), [3.5, np.nan, 1.0])
    assert np.isnan(seasonal_error(values, 5)).all()
    assert np.isnan(seasonal_error(values, 9)).all()


def test_series_without_a_seasonal_error_are_left_out_of_mase():
    outcomes = drawn(6, variables=2)
    outcomes.seasonal_error[2:4, 1] = np.nan
    found = score(outcomes, series=np.array([0, 0, 7, 7, 8, 8]))
    kept = np.ones((6, 3, 2), bool)
    kept[2:4, :, 1] = False
    assert found["without_mase"] == 1
    assert found["model"]["mase"]["value"] == pytest.approx(abs(outcomes.truth - outcomes.mean)[kept].mean() / 0.5)
    outcomes.seasonal_error[:] = np.nan
    found = score(outcomes)
    assert "mase" not in found["model"]
    assert found["without_mase"] == 2


def beside_baselines(windows, **options):
    """A model with a baseline that errs twice as much, and one three times."""
    outcomes = drawn(windows, **options)
    error = outcomes.mean - outcomes.truth
    return outcomes._replace(baselines={"worse": outcomes.truth + 3 * error, "bad": outcomes.truth + 2 * error})


def test_the_model_beside_baselines():
    found = score(beside_baselines(300))
    assert [*found["baselines"]] == ["worse", "bad"]
    mae = found["model"]["mae"]["value"]
    assert found["baselines"]["worse"]["mae"]["value"] == pytest.approx(3 * mae)
    assert found["baselines"]["bad"]["crps"]["value"] == pytest.approx(2 * mae)
    assert "coverage_80" not in found["baselines"]["bad"]
    # errors are drawn together: whatever is drawn the model errs half as much
    assert found["gain"] == pytest.approx({"over": "bad", "value": 0.5, "low": 0.5, "high": 0.5})
    assert (found["origins"], found["series"], found["horizon"], found["variables"]) == (300, 1, 3, 2)
    outcomes = drawn(5)
    perfect = score(outcomes._replace(baselines={"perfect": outcomes.truth}))
    assert perfect["gain"] == {"over": "perfect", "value": None}
    assert "gain" not in score(outcomes)


def test_parts_of_any_size_give_the_same(monkeypatch):
    whole = beside_baselines(90)
    series, origins = np.repeat([3, 9, 4], 30), np.tile(np.arange(30) * 6, 3)
    expected = full_scores([whole], LEVELS, series, origins)
    monkeypatch.setattr("recurra.forecast_sums._AT_ONCE", 24)
    parts = [
        Outcomes(*whole[:3], {}, *whole[4:])._replace(
            **{name: getattr(whole, name)[rows] for name in whole._fields if name != "baselines"},
            baselines={name: array[rows] for name, array in whole.baselines.items()},
        )
        for rows in (slice(0, 1), slice(1, 50), slice(50, 90))
    ]
    found = full_scores(iter(parts), LEVELS, series, origins)
    assert expected["interval"] == {"over": "origins", "groups": 30, "steps": 6}
    for name in ("mae", "mase", "crps", "coverage_80"):
        assert found["model"][name] == pytest.approx(expected["model"][name])
    assert found["gain"] == pytest.approx(expected["gain"])


def test_what_is_resampled():
    def over(series, origins):
        outcomes = drawn(len(series))
        found = score(outcomes, np.asarray(series), np.asarray(origins))
        assert ("low" in found["model"]["mae"]) == (found["interval"]["over"] is not None)
        return found["interval"]["over"], found["interval"]["groups"]

    assert over([0] * 60, range(100, 160)) == ("origins", 10)  # blocks of 6 steps, twice the horizon
    assert over([0] * 54, range(54)) == (None, 1)
    assert over([0] * 10, range(0, 60, 6)) == ("origins", 10)
    assert over([0] * 60 + [1] * 6, [*range(60), *range(54, 60)]) == ("origins", 10)
    assert over(range(10), [0] * 10) == ("series", 10)  # each of many once, whenever that is
    assert over(range(10), range(0, 1000, 100)) == ("series", 10)
    assert over(range(9), range(9)) == (None, 9)


def test_forecasts_that_overlap_have_wider_intervals_than_others():
    """Windows with the same errors are no more than one: the interval must not narrow by their number."""
    once = drawn(30, horizon=20, variables=1)
    often = once._replace(
        **{name: np.repeat(getattr(once, name), 40, axis=0) for name in once._fields if name != "baselines"}
    )
    few, many = score(once, origins=np.arange(30) * 40), score(often, origins=np.arange(1200))
    for name in ("mae", "mse_scaled"):
        assert many["model"][name] == pytest.approx(few["model"][name])


def test_the_interval_holds_the_true_error_nearly_always():
    """A random walk forecast by its last value: the true mean absolute error is known, and errors overlap."""
    horizon, held = 6, 0
    true = np.mean(np.sqrt(2 / np.pi * np.arange(1, horizon + 1)))
    for seed in range(60):
        walk = np.random.default_rng(seed).normal(size=400).cumsum()
        windows = np.lib.stride_tricks.sliding_window_view(walk, horizon + 1)[..., np.newaxis]
        ones = np.ones((len(windows), 1))
        last = np.repeat(windows[:, :1], horizon, axis=1)
        found = forecast_scores(
            windows[:, 1:], last, None, (), ones, ones, np.zeros(len(windows), int), np.arange(len(windows))
        )
        held += found["mae"]["low"] <= true <= found["mae"]["high"]
    assert 51 <= held <= 60


def test_intervals_of_few_groups_are_about_those_of_student():
    outcomes = drawn(12, variables=1)._replace(quantiles=None)
    errors = abs(outcomes.truth - outcomes.mean).mean((1, 2))
    half = t.ppf(0.975, 11) * errors.std(ddof=1) / np.sqrt(12)
    found = score(outcomes, series=np.arange(12), origins=np.zeros(12, int))["model"]["mae"]
    assert (found["high"] - found["low"]) / (2 * half) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mean": np.zeros((4, 3, 1))}, r"mean: expected \(4, 3, 2\) beside a truth of \(4, 3, 2\), got \(4, 3, 1\)"),
        ({"quantiles": np.zeros((4, 3, 2, 5))}, r"quantiles: expected \(4, 3, 2, 21\)"),
        ({"scale": np.ones((4, 1))}, r"scale: expected \(4, 2\)"),
        ({"seasonal_error": np.ones((3, 2))}, r"seasonal_error: expected \(4, 2\)"),
        ({"baselines": {"drift": np.zeros((4, 2, 2))}}, r"drift: expected \(4, 3, 2\)"),
    ],
)
def test_arrays_that_do_not_fit(change, message):
    with pytest.raises(ShapeError, match=message):
        score(drawn(4)._replace(**change))


def test_numbers_that_are_no_scores():
    for name in ("truth", "mean", "quantiles", "scale"):
        outcomes = drawn(4)
        getattr(outcomes, name)[2].flat[0] = np.inf
        with pytest.raises(DataError, match=f"{name}, window 2: expected finite numbers, found NaN or infinity"):
            score(outcomes)
    outcomes = drawn(4)
    outcomes.scale[1] = 0
    with pytest.raises(DataError, match="scale: expected positive numbers, 1 for a constant series, found 0"):
        score(outcomes)
    with pytest.raises(DataError, match="baseline, window 0"):
        score(drawn(4)._replace(baselines={"baseline": np.full((4, 3, 2), np.nan)}))


def test_windows_and_levels_that_do_not_fit():
    four, series = drawn(4), np.zeros(4, int)
    with pytest.raises(DataError, match="expected windows to score, found none"):
        full_scores([], LEVELS, series[:0], series[:0])
    with pytest.raises(ShapeError, match="origins: expected 4, as many as series, got 3"):
        full_scores([four], LEVELS, series, series[:3])
    with pytest.raises(ShapeError, match="parts: expected 3 windows in all, as many as series, got more"):
        full_scores([four], LEVELS, series[:3], series[:3])
    with pytest.raises(ShapeError, match="parts: expected 5 windows in all, as many as series, got 4"):
        full_scores([four], LEVELS, np.zeros(5, int), np.zeros(5, int))
    with pytest.raises(ShapeError, match="parts: expected all alike"):
        full_scores([four, four._replace(quantiles=None)], LEVELS, np.zeros(8, int), np.zeros(8, int))
    with pytest.raises(ShapeError, match=r"levels: expected 0\.3 among them"):
        full_scores([four._replace(quantiles=four.quantiles[..., :6])], LEVELS[:6], series, series)


def test_a_series_that_repeats_but_for_rounding_has_no_seasonal_error() -> None:
    wave = np.sin(np.arange(240) * np.pi / 6)[:, None] + np.array([5.0, 5e6])
    assert np.isnan(seasonal_error(wave, 12)).all()
    assert seasonal_error(wave + 1e-9 * (np.arange(240) % 7)[:, None], 12)[0] > 0
