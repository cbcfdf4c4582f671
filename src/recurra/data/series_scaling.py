"""Numbers of a series -> numbers a network reads, by what training alone has seen."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recurra.config import ScalingName
from recurra.data.faults import listed
from recurra.data.series import Series, SeriesSet
from recurra.data.series_parts import Bounds

__all__ = ["Scale", "Scaling", "mean_and_deviation"]

_log = logging.getLogger("recurra")


class Scale(NamedTuple):
    """How the variables of a series are scaled: z = (y - shift) / scale and y = shift + scale * z.

    Attributes:
        shift: [C].
        scale: [C], above 0.
    """

    shift: NDArray[np.float64]
    scale: NDArray[np.float64]


@dataclass(frozen=True)
class Scaling:
    """The scale of each series, found on its own training steps.

    Attributes:
        kind: "standard" (to mean 0 and deviation 1), "mean" (to a mean absolute value of 1) or "none".
        scales: by the id of a series; empty where the kind is "none".
    """

    kind: ScalingName
    scales: Mapping[str, Scale]

    @classmethod
    def fit(cls, series_set: SeriesSet, bounds: Sequence[Bounds], kind: ScalingName) -> Scaling:
        """Find the scales on the steps [0, train) of each series alone.

        Missing values do not count, nor what was put into a gap that training ends in: it may tell of what comes after.
        A variable of which training has one value alone, or none, cannot tell a scale:
        it has scale 1, and is named in a warning.

        Args:
            series_set: the series.
            bounds: of each series; only `train` is used.
            kind: how values are scaled.
        """
        if kind == "none":
            return cls(kind, {})
        scales, flat = {}, []
        for series, own in zip(series_set.series, bounds, strict=True):
            scales[series.id], unsure = _scale(_measured(series, own.train), kind)
            flat += [
                f"'{series.id}'" if len(unsure) == 1 else f"'{series.id}', variable '{variable}'"
                for variable, is_flat in zip(series_set.variables, unsure)
                if is_flat
            ]
        if flat:
            _log.warning("%s: constant over the whole of training, so not scaled:\n%s", series_set.name, listed(flat))
        return cls(kind, scales)

    def knows(self, series: Series) -> bool:
        """Return whether the scale of a series comes from training."""
        return self.kind == "none" or series.id in self.scales

    def of(self, series: Series, before: int | None = None) -> Scale:
        """Return the scale of a series: of training, or, where training had no such id, of its own steps.

        Args:
            series: the series.
            before: of a series that training had not, the steps [0, before) alone tell the scale, so that nothing
                later can enter a forecast [default: all steps].
        """
        if self.kind == "none":
            variables = series.target.shape[1]
            return Scale(np.zeros(variables), np.ones(variables))
        known = self.scales.get(series.id)
        return known if known is not None else _scale(_measured(series, before), self.kind)[0]

    def to_json(self) -> dict[str, Any]:
        """Return what :meth:`from_json` reads, in types that JSON has."""
        return {
            "kind": self.kind,
            "scales": {name: [own.shift.tolist(), own.scale.tolist()] for name, own in self.scales.items()},
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Scaling:
        """Make what :meth:`to_json` has written."""
        scales = {name: Scale(np.array(shift), np.array(scale)) for name, (shift, scale) in content["scales"].items()}
        return cls(content["kind"], scales)


def mean_and_deviation(
    values: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Return mean [C] and deviation [C] of each column of some values [n, C], and which columns never vary [C].

    NaN is missing and does not count. A column that never varies has its one value, or 0, as mean and deviation 1.
    The deviation is that of the values themselves: divided by n, as scikit-learn's StandardScaler does.
    """
    known = np.isfinite(values)
    counts = np.maximum(known.sum(axis=0), 1)
    low = values.min(axis=0, where=known, initial=np.inf)
    high = values.max(axis=0, where=known, initial=-np.inf)
    flat = low >= high
    # Sums of equal values round, and would make a constant column vary; squares of values near the ends of what
    # floating point can hold would be infinite or zero. A power of two divides without rounding.
    largest = np.where(flat, 1.0, np.maximum(np.abs(low), np.abs(high)))
    peak = np.ldexp(1.0, np.frexp(largest)[1] - 1)
    shares = np.where(known, values, 0.0) / peak
    mean = shares.sum(axis=0) / counts
    deviation = np.sqrt((np.where(known, shares - mean, 0.0) ** 2).sum(axis=0) / counts)
    only = np.where(np.isfinite(low), low, 0.0)
    return np.where(flat, only, peak * mean), np.where(flat, 1.0, peak * deviation), flat


def _measured(series: Series, before: int | None) -> NDArray[np.float64]:
    """Return the steps [0, before) of the variables, without filled values after the last one that was measured."""
    target = series.target[:before]
    if series.filled is None:
        return target
    at_end = np.logical_and.accumulate(series.filled[:before][::-1])[::-1]
    return np.where(at_end, np.nan, target)


def _scale(target: NDArray[np.float64], kind: ScalingName) -> tuple[Scale, NDArray[np.bool_]]:
    """Return a scale, and of which variables it is 1 for want of any better [C]."""
    if kind == "standard":
        mean, deviation, flat = mean_and_deviation(target)
        return Scale(mean, deviation), flat
    size, _, _ = mean_and_deviation(np.abs(target))
    zero = size == 0
    return Scale(np.zeros(len(size)), np.where(zero, 1.0, size)), zero
