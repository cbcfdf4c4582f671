"""Which steps of each series are for training, validation and test: by time, never at random."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from recurra.config import ForecastDataConfig
from recurra.data.divide import refuse_full_shares
from recurra.data.faults import listed
from recurra.data.series import Series, SeriesSet
from recurra.data.time_stamps import Start, show_time, times_after
from recurra.errors import DataError

__all__ = ["Bounds", "divide"]

_log = logging.getLogger("recurra")
_PARTS = ("training", "validation", "test")


class Bounds(NamedTuple):
    """Where the parts of a series end, in steps from its start.

    Attributes:
        train: steps [0, train) are for training.
        valid: steps [train, valid) are for validation.
        end: steps [valid, end), none where there is no test, are for the test.
    """

    train: int
    valid: int
    end: int

    def sizes(self) -> tuple[int, int, int]:
        """Return the steps of training, validation and test."""
        return self.train, self.valid - self.train, self.end - self.valid


def divide(series_set: SeriesSet, config: ForecastDataConfig, horizon: int) -> list[Bounds]:
    """Divide each series by time, the test at its end, validation before it; what is where is logged.

    Args:
        series_set: the series.
        config: shares of each series, rounded to whole steps, or numbers of steps.
        horizon: steps of a forecast, H.

    Raises:
        DataError: series with fewer than 1 + H steps to train on, or H to validate or test on; all listed together.
        SettingsError: shares that leave nothing to train on.
    """
    with_test = (config.test_share if config.test_steps is None else config.test_steps) > 0
    if config.valid_steps is None and config.test_steps is None:
        refuse_full_shares(config.valid_share, config.test_share)
    bounds = [_bounds(len(series.target), config) for series in series_set.series]
    _require_room(series_set, bounds, (1 + horizon, horizon, horizon if with_test else 0))
    _log_parts(series_set, bounds)
    return bounds


def _bounds(steps: int, config: ForecastDataConfig) -> Bounds:
    test = round(config.test_share * steps) if config.test_steps is None else config.test_steps
    valid = round(config.valid_share * steps) if config.valid_steps is None else config.valid_steps
    return Bounds(steps - test - valid, steps - test, steps)


def _require_room(series_set: SeriesSet, bounds: Sequence[Bounds], least: tuple[int, int, int]) -> None:
    short = [
        f"'{series.id}': {own.end:,} steps, {_sizes([max(0, size) for size in own.sizes()])}"
        for series, own in zip(series_set.series, bounds, strict=True)
        if any(size < needed for size, needed in zip(own.sizes(), least, strict=True))
    ]
    if short:
        horizon = least[1]
        raise DataError(
            f"{series_set.name}: to forecast {horizon:,} steps, expected of each series at least {_sizes(least)}; "
            f"found {len(short):,} of {len(bounds):,} series too short:\n{listed(short)}\n"
            "choose a smaller --horizon, other --valid-steps and --test-steps (0 for no test), or leave these out"
        )


def _sizes(sizes: Sequence[int]) -> str:
    return ", ".join(f"{size:,} for {part}" for part, size in zip(_PARTS, sizes, strict=True))


def _log_parts(series_set: SeriesSet, bounds: Sequence[Bounds]) -> None:
    """Log of each part how many steps it has in all and the first and last time of any series in it."""
    edges = [_edges(series, own, series_set) for series, own in zip(series_set.series, bounds, strict=True)]
    for part, name in enumerate(_PARTS):
        steps = sum(own.sizes()[part] for own in bounds)
        if steps:
            first, last = min(times[2 * part] for times in edges), max(times[2 * part + 1] for times in edges)
            count = f" of {len(edges):,} series" if len(edges) > 1 else ""
            _log.info(
                "%s: %s: %s steps%s, %s to %s",
                series_set.name,
                name,
                f"{steps:,}",
                count,
                show_time(first),
                show_time(last),
            )


def _edges(series: Series, own: Bounds, series_set: SeriesSet) -> list[Start]:
    """Return the first and last time of each part."""
    steps = [0, own.train - 1, own.train, own.valid - 1, own.valid, own.end - 1]
    return list(times_after(series.start, series_set.frequency, np.array(steps)))
