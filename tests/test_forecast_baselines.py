"""The baselines of forecasts: by hand, and the linear map as scikit-learn solves for it."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from recurra.errors import DataError, ShapeError
from recurra.forecast_baselines import (
    BASELINES,
    LinearOnWindow,
    aligned,
    baseline_forecasts,
    drawn_windows,
    drift,
    naive,
    seasonal_naive,
)

NAN = np.nan


def made_up(windows, steps=9, horizon=4, variables=2, seed=0, noise=0.5):
    """Pasts and targets that are a linear map of them, with noise."""
    weights = np.random.default_rng(7).normal(size=(steps, horizon))
    rng = np.random.default_rng(seed)
    past = rng.normal(size=(windows, steps, variables)) + 3
    targets = np.einsum("ntc,th->nhc", past, weights) + 2
    return past, targets + noise * rng.normal(size=targets.shape)


def rows_of(array):
    return np.concatenate([array[:, :, variable] for variable in range(array.shape[2])])


def test_the_newest_step_stands_last():
    past = np.arange(12.0).reshape(2, 3, 2)
    found = aligned(past.astype(np.float32), np.array([3, 1]), 2)
    np.testing.assert_array_equal(found, [[[2, 3], [4, 5]], [[NAN, NAN], [6, 7]]])
    assert aligned(past, np.array([3, 1]), 5).shape == (2, 5, 2)
    np.testing.assert_array_equal(aligned(past, np.array([3, 1]), 5)[0, 2:], past[0])


def test_each_method_by_hand():
    past = np.array([[[1.0, 10.0], [4.0, 20.0], [2.0, 40.0], [7.0, 70.0]]])
    np.testing.assert_array_equal(naive(past, 2), [[[7, 70], [7, 70]]])
    np.testing.assert_array_equal(seasonal_naive(past, 5, 3)[0, :, 0], [4, 2, 7, 4, 2])
    np.testing.assert_array_equal(seasonal_naive(past, 3, 1), naive(past, 3))
    np.testing.assert_allclose(drift(past, 2), [[[9, 90], [11, 110]]])


def test_pasts_that_are_shorter():
    past = np.array([[[NAN], [NAN], [3.0], [5.0]], [[NAN], [NAN], [NAN], [8.0]]])
    np.testing.assert_array_equal(seasonal_naive(past, 4, 3)[..., 0], [[5, 3, 5, 5], [8, 8, 8, 8]])
    np.testing.assert_array_equal(seasonal_naive(past, 2, 6)[..., 0], [[5, 5], [8, 8]])
    np.testing.assert_array_equal(drift(past, 2)[..., 0], [[7, 9], [8, 8]])
    linear = LinearOnWindow(np.array([[1.0], [10.0], [100.0], [1000.0]]), np.array([0.5]), 0.1, 1)
    np.testing.assert_allclose(linear.forecast(past)[..., 0], [[5333.5], [8888.5]])  # continued by the oldest value


@pytest.mark.parametrize("method", [naive, drift, lambda past, horizon: seasonal_naive(past, horizon, 2)])
def test_a_last_step_must_be_known(method):
    with pytest.raises(ShapeError, match="window 1: expected a last step that is known, found NaN"):
        method(np.array([[[1.0], [2.0]], [[1.0], [NAN]]]), 3)


@pytest.mark.parametrize("noise", [0.0, 0.5, 20.0])
def test_the_linear_map_is_ridge_regression_on_the_same_rows(noise):
    train, valid = made_up(60, noise=noise), made_up(30, seed=1, noise=noise)
    parts = [(train[0][i : i + 7], train[1][i : i + 7]) for i in range(0, 60, 7)]
    linear = LinearOnWindow.fit(parts, [valid])
    assert linear.rows == 120
    x, y, held_out, answers = (rows_of(array) for array in (*train, *valid))
    unit = len(x) * x.var(0).mean()
    fits = {p: Ridge(alpha=p * unit).fit(x, y) for p in 10.0 ** np.arange(-8, 2)}
    best = min(fits, key=lambda p: np.square(answers - fits[p].predict(held_out)).sum())
    assert linear.penalty == pytest.approx(best)
    np.testing.assert_allclose(linear.weights, fits[best].coef_.T, atol=1e-9)
    np.testing.assert_allclose(linear.bias, fits[best].intercept_, atol=1e-8)
    np.testing.assert_allclose(rows_of(linear.forecast(valid[0])), fits[best].predict(held_out), atol=1e-8)
    longer = np.concatenate([np.full((30, 3, 2), 99.0), valid[0]], axis=1)
    np.testing.assert_array_equal(linear.forecast(longer), linear.forecast(valid[0]))


def test_noise_has_a_larger_penalty():
    penalties = [
        LinearOnWindow.fit([made_up(10, noise=noise)], [made_up(200, seed=1, noise=noise)]).penalty
        for noise in (0.01, 20.0)
    ]
    assert penalties[0] < penalties[1]


def test_a_known_recurrence_is_forecast_exactly():
    series = np.sin(0.3 * np.arange(300))[:, np.newaxis]
    windows = np.stack([series[start : start + 20] for start in range(280)])
    linear = LinearOnWindow.fit([(windows[:200, :16], windows[:200, 16:])], [(windows[200:, :16], windows[200:, 16:])])
    np.testing.assert_allclose(linear.forecast(windows[200:, :16]), windows[200:, 16:], atol=1e-6)


def test_a_series_that_never_varies():
    past, targets = np.full((5, 3, 1), 2.0), np.full((5, 2, 1), 2.0)
    linear = LinearOnWindow.fit([(past, targets)], [(past, targets)])
    np.testing.assert_allclose(linear.forecast(past), targets)


def test_it_is_stored_to_the_last_bit():
    linear = LinearOnWindow.fit([made_up(20)], [made_up(20, seed=1)])
    again = LinearOnWindow.from_tensors(linear.tensors())
    np.testing.assert_array_equal(again.weights, linear.weights)
    np.testing.assert_array_equal(again.bias, linear.bias)
    assert (again.penalty, again.rows) == (linear.penalty, linear.rows)
    with pytest.raises(ValueError, match="expected weights"):
        LinearOnWindow.from_tensors({**linear.tensors(), "bias": linear.tensors()["weights"]})


def test_rows_are_at_most_200_000_drawn_by_the_seed():
    np.testing.assert_array_equal(drawn_windows(200_000, 1, 0), np.arange(200_000))
    drawn = drawn_windows(200_000, 7, 0)
    assert len(drawn) == len(np.unique(drawn)) == 200_000 // 7
    assert (np.diff(drawn) > 0).all()
    np.testing.assert_array_equal(drawn, drawn_windows(200_000, 7, 0))
    assert drawn.tolist() != drawn_windows(200_000, 7, 1).tolist()


def test_what_cannot_be_fitted_or_forecast():
    past, targets = made_up(5)
    with pytest.raises(DataError, match="windows of training to fit a linear map on, found none"):
        LinearOnWindow.fit([], [(past, targets)])
    with pytest.raises(DataError, match="windows of validation"):
        LinearOnWindow.fit([(past, targets)], [(past[:0], targets[:0])])
    with pytest.raises(ShapeError, match=r"as many windows and variables"):
        LinearOnWindow.fit([(past, targets[:, :, :1])], [])
    for array in (past.copy(), targets.copy()):
        array[1] = NAN
        broken = (array, targets) if array.shape == past.shape else (past, array)
        with pytest.raises(DataError, match="windows of training without missing values, found NaN"):
            LinearOnWindow.fit([broken], [(past, targets)])
    linear = LinearOnWindow.fit([(past, targets)], [(past, targets)])
    with pytest.raises(ShapeError, match="past: expected 9 steps, NaN where there are fewer, got 8"):
        linear.forecast(past[:, 1:])
    past[2, -1] = NAN
    with pytest.raises(ShapeError, match="window 2: expected a last step"):
        linear.forecast(past)


def test_all_of_them_by_name():
    past, targets = made_up(5)
    linear = LinearOnWindow.fit([(past, targets)], [(past, targets)])
    found = baseline_forecasts(linear, past, season=3)
    assert tuple(found) == BASELINES
    assert {array.shape for array in found.values()} == {(5, 4, 2)}
    np.testing.assert_array_equal(found["seasonal naive"], seasonal_naive(past, 4, 3))
    for season in (1, 10):  # no seasons, or none that the past reaches back
        assert "seasonal naive" not in baseline_forecasts(linear, past, season)
