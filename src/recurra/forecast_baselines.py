"""What a forecaster's scores are shown beside: the last value, the last season, the drift, and a linear map."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recurra.errors import DataError, ShapeError

__all__ = [
    "BASELINES",
    "DRIFT",
    "LINEAR",
    "NAIVE",
    "SEASONAL_NAIVE",
    "LinearOnWindow",
    "aligned",
    "baseline_forecasts",
    "drawn_windows",
    "drift",
    "naive",
    "seasonal_naive",
]

NAIVE = "last value"
SEASONAL_NAIVE = "seasonal naive"
DRIFT = "drift"
LINEAR = "linear map"
BASELINES = (NAIVE, SEASONAL_NAIVE, DRIFT, LINEAR)

_MOST_ROWS = 200_000
_PENALTIES = 10.0 ** np.arange(-8, 2)  # as shares of the mean variance of a step of the window

Numbers = NDArray[np.floating[Any]]
Array = NDArray[np.float64]
Pairs = Iterable[tuple[Numbers, Numbers]]


def aligned(past: Numbers, lengths: NDArray[np.integer[Any]], window: int) -> Array:
    """Put the newest step of each past last.

    Args:
        past: [n, T, C], padded at the end.
        lengths: of each, [n].
        window: steps to keep.

    Returns:
        [n, window, C], NaN before the oldest step of a past that is shorter.

    >>> aligned(np.array([[[1.0], [2.0], [0.0]], [[1.0], [2.0], [3.0]]]), np.array([2, 3]), 2)[..., 0]
    array([[1., 2.],
           [2., 3.]])
    """
    steps = lengths[:, np.newaxis] - window + np.arange(window)
    found = np.take_along_axis(past, np.maximum(steps, 0)[..., np.newaxis], axis=1)
    return np.where(steps[..., np.newaxis] < 0, np.nan, found.astype(np.float64))


def naive(past: Numbers, horizon: int) -> Array:
    """Repeat the last value.

    Args:
        past: [n, T, C], NaN where a past is shorter; its last step is known.
        horizon: H.

    Returns:
        [n, H, C].

    Raises:
        ShapeError: a last step that is not known.
    """
    return np.repeat(_last(past), horizon, axis=1)


def seasonal_naive(past: Numbers, horizon: int, season: int) -> Array:
    """Repeat the last season: step h is what was a season before, y[T + h - season * ceil(h / season)].

    Hyndman, Athanasopoulos, "Forecasting: principles and practice", 3rd edition, 2021, section 5.2. Where the past does
    not reach a season back, or is not known there, the last value stands.

    Args:
        past: as for :func:`naive`.
        horizon: H.
        season: steps after which a series is alike again.

    Returns:
        [n, H, C].

    Raises:
        ShapeError: as :func:`naive`.

    >>> seasonal_naive(np.array([[[9.0], [1.0], [2.0], [3.0]]]), 4, season=3)[0, :, 0]
    array([1., 2., 3., 1.])
    """
    steps = past.shape[1] - season + np.arange(horizon) % season
    before = np.where(steps[:, np.newaxis] < 0, np.nan, past[:, np.maximum(steps, 0)].astype(np.float64))
    found: Array = np.where(np.isnan(before), _last(past), before)
    return found


def drift(past: Numbers, horizon: int) -> Array:
    """Continue the straight line from the first to the last value of the past.

    Hyndman, Athanasopoulos, "Forecasting: principles and practice", 3rd edition, 2021, section 5.2, within the window.

    Args:
        past: as for :func:`naive`; one step alone is repeated.
        horizon: H.

    Returns:
        [n, H, C].

    Raises:
        ShapeError: as :func:`naive`.

    >>> drift(np.array([[[np.nan], [1.0], [5.0], [3.0]]]), 2)[0, :, 0]
    array([4., 5.])
    """
    last = _last(past)
    oldest = _oldest_step(past)
    first = np.take_along_axis(past, oldest, axis=1).astype(np.float64)
    slope = (last - first) / np.maximum(1, past.shape[1] - 1 - oldest)
    found: Array = last + slope * np.arange(1, horizon + 1)[:, np.newaxis]
    return found


def drawn_windows(windows: int, variables: int, seed: int) -> NDArray[np.int64]:
    """The numbers of the windows that :meth:`LinearOnWindow.fit` needs, in order: at most 200,000 rows in all.

    A row is a window of one variable. Of more windows so many are drawn with the seed.
    """
    most = max(1, _MOST_ROWS // variables)
    if windows <= most:
        return np.arange(windows)
    return np.sort(np.random.default_rng(seed).choice(windows, most, replace=False))


@dataclass(frozen=True)
class LinearOnWindow:
    """One linear map of the window, with bias, for all series and variables.

    This is what DLinear can be (Zeng et al., "Are transformers effective for time series forecasting?", AAAI 2023): its
    maps of trend and remainder are linear in the window, so together one. It is not trained but solved for: ridge
    regression (Hoerl, Kennard, 1970), whose penalty is the one of 10^-8, 10^-7 ... 10 times the mean variance of a
    step that has the least squared error on the validation windows.

    A past that is shorter than the window is continued to the older side by its oldest value.

    Attributes:
        weights: [T, H].
        bias: [H].
        penalty: as a share of the mean variance of a step.
        rows: how many it was fitted on.
    """

    weights: NDArray[np.float64]
    bias: NDArray[np.float64]
    penalty: float
    rows: int

    @classmethod
    def fit(cls, train: Pairs, valid: Pairs) -> LinearOnWindow:
        """Fit on windows that are given in parts of any size, each read once; only their second moments are kept.

        Args:
            train: pasts [n, T, C] in scaled units, NaN at the older side of those that are shorter, and what came,
                [n, H, C].
            valid: the same of validation.

        Raises:
            DataError: no window in one of them.
            ShapeError: pasts and targets do not fit together.
        """
        moments, held_out = (_Moments.of(pairs, what) for pairs, what in ((train, "training"), (valid, "validation")))
        mean_x, mean_y = moments.x / moments.rows, moments.y / moments.rows
        variances, axes = np.linalg.eigh(moments.xx / moments.rows - np.outer(mean_x, mean_x))
        covariances = axes.T @ (moments.xy / moments.rows - np.outer(mean_x, mean_y))
        # a window that never varies has no variance, and no weights at any penalty
        unit = max(float(variances.mean()), np.finfo(np.float64).tiny)
        fits = []
        for penalty in _PENALTIES:
            weights = axes @ (covariances / (np.maximum(variances, 0) + penalty * unit)[:, np.newaxis])
            fits.append(cls(weights, mean_y - mean_x @ weights, float(penalty), moments.rows))
        return min(fits, key=lambda fitted: held_out.squared_error(fitted.weights, fitted.bias))

    def forecast(self, past: Numbers) -> Array:
        """Forecast n windows, [n, H, C], from pasts as those of training, [n, T, C]; of longer ones the last T steps.

        Raises:
            ShapeError: a past of fewer steps, or whose last step is not known.
        """
        _last(past)  # refuses what no baseline can go on from
        steps = len(self.weights)
        if past.shape[1] < steps:
            raise ShapeError(f"past: expected {steps} steps, NaN where there are fewer, got {past.shape[1]}")
        return np.swapaxes(np.swapaxes(_filled(past[:, -steps:]), 1, 2) @ self.weights + self.bias, 1, 2)

    def tensors(self) -> dict[str, Tensor]:
        """All of it, as it lies in a model directory."""
        return {
            "weights": torch.from_numpy(self.weights),
            "bias": torch.from_numpy(self.bias),
            "penalty": torch.tensor(self.penalty, dtype=torch.float64),
            "rows": torch.tensor(self.rows),
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> LinearOnWindow:
        """Make it again from what :meth:`tensors` gave.

        Raises:
            KeyError, ValueError: the tensors are not those of a baseline of this kind.
        """
        weights, bias = tensors["weights"].numpy(), tensors["bias"].numpy()
        if weights.ndim != 2 or bias.shape != weights.shape[1:]:
            raise ValueError(f"expected weights [T, H] and a bias [H], found {weights.shape} and {bias.shape}")
        return cls(weights, bias, float(tensors["penalty"]), int(tensors["rows"]))


def baseline_forecasts(linear: LinearOnWindow, past: Numbers, season: int) -> dict[str, Array]:
    """What each baseline forecasts, [n, H, C], by its name.

    Where a season is one step, or longer than all pasts, there is no seasonal naive forecast.

    Args:
        linear: the fitted map, whose horizon is that of all.
        past: [n, T, C], as for :func:`naive`; of at least the linear map's window and, best, of a season.
        season: steps after which a series is alike again.

    Raises:
        ShapeError: as :func:`naive` and :meth:`LinearOnWindow.forecast`.
    """
    horizon = len(linear.bias)
    seasonal = {SEASONAL_NAIVE: seasonal_naive(past, horizon, season)} if 1 < season <= past.shape[1] else {}
    return {NAIVE: naive(past, horizon), **seasonal, DRIFT: drift(past, horizon), LINEAR: linear.forecast(past)}


@dataclass
class _Moments:
    """Sums over rows x [T] and y [H]: of each, of the products within x and of x with y, and of the squares of y."""

    rows: int = 0
    x: Array | float = 0.0
    y: Array | float = 0.0
    xx: Array | float = 0.0
    xy: Array | float = 0.0
    yy: float = 0.0

    @classmethod
    def of(cls, pairs: Pairs, what: str) -> _Moments:
        found = cls()
        for past, targets in pairs:
            if past.shape[::2] != targets.shape[::2]:
                raise ShapeError(f"expected as many windows and variables of {past.shape} as of {targets.shape}")
            both = _filled(past), targets.astype(np.float64)
            x, y = (np.swapaxes(part, 1, 2).reshape(-1, part.shape[1]) for part in both)
            if not (np.isfinite(x).all() and np.isfinite(y).all()):
                raise DataError(f"expected windows of {what} without missing values, found NaN or infinity")
            found.rows += len(x)
            found.x += x.sum(0)
            found.y += y.sum(0)
            found.xx += x.T @ x
            found.xy += x.T @ y
            found.yy += float(np.square(y).sum())
        if not found.rows:
            raise DataError(f"expected windows of {what} to fit a linear map on, found none")
        return found

    def squared_error(self, weights: Array, bias: Array) -> float:
        """The sum over rows of |y - x weights - bias|^2, from the sums alone."""
        through = weights.T @ self.x
        linear = (weights * (self.xx @ weights)).sum() - 2 * (weights * self.xy).sum()
        constant = self.rows * bias @ bias + 2 * bias @ (through - self.y)
        return float(self.yy + linear + constant)


def _filled(past: Numbers) -> Array:
    """[n, T, C], what is not known being the oldest value that is."""
    values = np.asarray(past, np.float64)
    return np.where(np.isnan(values), np.take_along_axis(values, _oldest_step(values), axis=1), values)


def _oldest_step(past: Numbers) -> NDArray[np.intp]:
    """The first step that is known, [n, 1, C]."""
    steps: NDArray[np.intp] = np.argmax(~np.isnan(past), axis=1, keepdims=True)
    return steps


def _last(past: Numbers) -> Array:
    last: Array = past[:, -1:].astype(np.float64)
    if np.isnan(last).any():
        window = int(np.flatnonzero(np.isnan(last).any((1, 2)))[0])
        raise ShapeError(f"past, window {window}: expected a last step that is known, found NaN")
    return last
