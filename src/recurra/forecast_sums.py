"""What a forecaster's scores are made of: sums over values, at each step of the horizon, and functions of these."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recurra.errors import DataError, ShapeError

__all__ = [
    "COLUMNS",
    "HAVE_MASE",
    "MEASURES",
    "MODEL",
    "OF_INTERVALS",
    "Numbers",
    "Outcomes",
    "Sums",
    "level_place",
    "summed_parts",
]

MODEL = ""  # stands among the names of baselines, none of which is empty

# What is summed over values, column by column.
(_VALUES, _ABSOLUTE, _SQUARE, _SYMMETRIC, _SEASONAL, HAVE_MASE, _ABSOLUTE_SCALED, _SQUARE_SCALED, _PINBALL) = range(9)
_INSIDE, _WIDTH = {"80": 9, "95": 11}, {"80": 10, "95": 12}
COLUMNS = 13

_AT_ONCE = 2**18  # values that are compared together, so that memory stays small
_CRPS = tuple(k / 20 for k in range(1, 20))
_DIVERGED = "; where training diverged a smaller --learning-rate helps"
_BOUNDS = {"80": (0.1, 0.9), "95": (0.025, 0.975)}

Numbers = NDArray[np.floating[Any]]
Sums = NDArray[np.float64]


class Outcomes(NamedTuple):
    """Some windows: what came, and what was forecast, in the units of the series.

    Attributes:
        truth: [n, H, C].
        mean: the model's point forecasts, [n, H, C].
        quantiles: the model's, [n, H, C, Q], or None of a model that knows no more than the mean.
        baselines: the point forecasts of each, [n, H, C], by its name.
        scale: the standard deviation of the training part of each window's series, [n, C].
        seasonal_error: as of :func:`recurra.forecast_scores.seasonal_error` of each window's series, [n, C].
    """

    truth: Numbers
    mean: Numbers
    quantiles: Numbers | None
    baselines: Mapping[str, Numbers]
    scale: Numbers
    seasonal_error: Numbers


def summed_parts(outcomes: Outcomes, levels: Sequence[float]) -> Iterator[dict[str, Sums]]:
    """Sum over the variables of some windows at a time, in order, at each step of the horizon.

    Args:
        outcomes: of n windows.
        levels: of the Q quantiles.

    Returns:
        The sums [n', H, K] of the model and of each baseline by its name, for n' windows at a time.

    Raises:
        ShapeError: arrays that do not fit together, or a level that is missing.
        DataError: a number that is not finite, or a scale that is not positive.
    """
    _check_shapes(outcomes, len(levels))
    _check_numbers(outcomes)
    for part in _pieces(outcomes):
        tables = {name: _of_points(part, array) for name, array in {MODEL: part.mean, **part.baselines}.items()}
        if part.quantiles is not None:
            _add_quantiles(tables[MODEL], part.truth, part.quantiles, levels)
        yield tables


def level_place(level: float, levels: Sequence[float]) -> int:
    """Where a level stands among others.

    Raises:
        ShapeError: it is not among them.
    """
    places = np.flatnonzero(np.isclose(levels, level, rtol=0, atol=1e-9))
    if not len(places):
        raise ShapeError(f"levels: expected {level:g} among them, got {[*levels]}")
    return int(places[0])


def _ratio(above: int, below: int = _VALUES) -> Callable[[Sums], Sums]:
    """One sum over another, [..., K] to [...]; NaN over nothing."""
    return lambda sums: np.divide(
        sums[..., above], sums[..., below], out=np.full(sums.shape[:-1], np.nan), where=sums[..., below] > 0
    )


MEASURES: dict[str, Callable[[Sums], Sums]] = {
    "mae": _ratio(_ABSOLUTE),
    "rmse": lambda sums: np.sqrt(_ratio(_SQUARE)(sums)),
    "smape": _ratio(_SYMMETRIC),
    "mase": _ratio(_SEASONAL, HAVE_MASE),
    "mae_scaled": _ratio(_ABSOLUTE_SCALED),
    "mse_scaled": _ratio(_SQUARE_SCALED),
    "crps": _ratio(_PINBALL),
}
OF_INTERVALS = {f"coverage_{name}": _ratio(column) for name, column in _INSIDE.items()} | {
    f"width_{name}": _ratio(column) for name, column in _WIDTH.items()
}


def _check_shapes(outcomes: Outcomes, levels: int) -> None:
    windows, horizon, variables = shape = outcomes.truth.shape
    expected: dict[str, tuple[int, ...]] = {"mean": shape, **dict.fromkeys(outcomes.baselines, shape)}
    expected["quantiles"] = (windows, horizon, variables, levels)
    expected["scale"] = expected["seasonal_error"] = (windows, variables)
    for name, array in {**outcomes._asdict(), **outcomes.baselines}.items():
        if name in expected and array is not None and array.shape != expected[name]:
            raise ShapeError(f"{name}: expected {expected[name]} beside a truth of {shape}, got {array.shape}")


def _check_numbers(outcomes: Outcomes) -> None:
    named = {**outcomes._asdict(), **outcomes.baselines}
    for name in ("truth", "scale", "mean", "quantiles", *outcomes.baselines):
        if named[name] is not None and not np.isfinite(named[name]).all():
            window = int(np.argwhere(~np.isfinite(named[name]))[0, 0])
            remedy = _DIVERGED if name in ("mean", "quantiles") else ""
            raise DataError(f"{name}, window {window}: expected finite numbers, found NaN or infinity{remedy}")
    if (outcomes.scale <= 0).any():
        raise DataError(f"scale: expected positive numbers, 1 for a constant series, found {outcomes.scale.min():g}")


def _pieces(outcomes: Outcomes) -> Iterator[Outcomes]:
    windows, horizon, variables = outcomes.truth.shape
    size = max(1, _AT_ONCE // (horizon * variables))
    for start in range(0, windows, size):
        rows = slice(start, start + size)
        yield Outcomes(
            outcomes.truth[rows].astype(np.float64),
            outcomes.mean[rows],
            None if outcomes.quantiles is None else outcomes.quantiles[rows],
            {name: array[rows] for name, array in outcomes.baselines.items()},
            outcomes.scale[rows],
            outcomes.seasonal_error[rows],
        )


def _of_points(part: Outcomes, mean: Numbers) -> Sums:
    error = np.abs(part.truth - mean)
    scaled = error / part.scale[:, np.newaxis]
    size = np.abs(part.truth) + np.abs(mean)
    seasonal = part.seasonal_error[:, np.newaxis]
    known = np.broadcast_to(~np.isnan(seasonal), error.shape)
    table = np.zeros((*error.shape[:2], COLUMNS))
    table[..., _VALUES] = error.shape[2]
    table[..., _ABSOLUTE] = table[..., _PINBALL] = error.sum(2)
    table[..., _SQUARE] = np.square(error).sum(2)
    table[..., _SYMMETRIC] = np.divide(2 * error, size, out=np.zeros_like(error), where=size > 0).sum(2)
    table[..., _SEASONAL] = np.divide(error, seasonal, out=np.zeros_like(error), where=known).sum(2)
    table[..., HAVE_MASE] = known.sum(2)
    table[..., _ABSOLUTE_SCALED] = scaled.sum(2)
    table[..., _SQUARE_SCALED] = np.square(scaled).sum(2)
    return table


def _add_quantiles(table: Sums, truth: Numbers, quantiles: Numbers, levels: Sequence[float]) -> None:
    pinball = np.zeros_like(truth)
    for level in _CRPS:
        error = truth - quantiles[..., level_place(level, levels)]
        pinball += np.maximum(level * error, (level - 1) * error)
    table[..., _PINBALL] = 2 / len(_CRPS) * pinball.sum(2)
    for name, bounds in _BOUNDS.items():
        low, high = (quantiles[..., level_place(level, levels)].astype(np.float64) for level in bounds)
        table[..., _INSIDE[name]] = ((low <= truth) & (truth <= high)).sum(2)
        table[..., _WIDTH[name]] = (high - low).sum(2)
