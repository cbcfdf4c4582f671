"""Series of numbers as a network reads them: each channel brought to mean 0 and deviation 1 by the training series."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recurra.data.labelled_series import LabelledSeries
from recurra.errors import DataError

__all__ = ["EncodedSeries", "Standardisation", "encode_series"]

_log = logging.getLogger("recurra")


@dataclass(frozen=True)
class EncodedSeries:
    """Standardised series, kept in memory, and the numbers of their classes.

    Attributes:
        values: of each [T, I].
        labels: the class of each, or None.
        ids: what each is called.
    """

    values: list[NDArray[np.float32]]
    labels: NDArray[np.int64] | None
    ids: list[str]

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: int) -> NDArray[np.float32]:
        return self.values[index]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """The number of steps of each."""
        return np.array([len(values) for values in self.values], dtype=np.int64)


@dataclass(frozen=True)
class Standardisation:
    """The mean and the deviation of each channel, [I], over all steps of the training series.

    They are applied in double precision, as a channel may vary little about a large mean. A channel that never varies
    has deviation 1.
    """

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]

    @classmethod
    def fit(cls, series: LabelledSeries) -> Standardisation:
        """Learn them from the training series.

        Raises:
            DataError: numbers so large that their squares are none.
        """
        steps = np.concatenate(series.values)
        with np.errstate(over="ignore", invalid="ignore"):
            mean, deviation = steps.mean(0), steps.std(0)
        constant = steps.min(0) == steps.max(0)
        if constant.any():
            names = ", ".join(name for name, same in zip(series.channels, constant) if same)
            _log.warning("%s: the same number at all steps in channel %s, which so tells nothing", series.name, names)
        if not (np.isfinite(mean) & np.isfinite(deviation)).all():
            raise DataError(f"{series.name}: holds numbers up to {np.abs(steps).max():.1e}; scale them down")
        return cls(mean, np.where(constant, 1.0, deviation))

    def apply(self, values: NDArray[np.float64]) -> NDArray[np.float32]:
        """Standardise a series, [T, I]."""
        found: NDArray[np.float32] = ((values - self.mean) / self.deviation).astype(np.float32)
        return found

    def to_json(self) -> dict[str, list[float]]:
        """Both as a plain mapping."""
        return {"mean": self.mean.tolist(), "deviation": self.deviation.tolist()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Standardisation:
        """Make it again from what :meth:`to_json` gave."""
        return cls(*(np.array(content[name], dtype=np.float64) for name in ("mean", "deviation")))


def encode_series(series: LabelledSeries, standardisation: Standardisation, classes: Sequence[str]) -> EncodedSeries:
    """Standardise series, and number their classes where these are known; each must be one of those given.

    Raises:
        DataError: numbers too large for a network that learnt from those of training.
    """
    with np.errstate(over="ignore"):
        values = [standardisation.apply(of_one) for of_one in series.values]
    large = [id_ for id_, of_one in zip(series.ids, values) if not np.isfinite(of_one).all()]
    if large:
        raise DataError(
            f"{series.name}: expected numbers like those of training, found far larger ones in {len(large):,} series, "
            f"the first of them '{large[0]}'"
        )
    number = {name: index for index, name in enumerate(classes)}
    labels = None if series.labels is None else np.array([number[name] for name in series.labels], dtype=np.int64)
    return EncodedSeries(values, labels, series.ids)
