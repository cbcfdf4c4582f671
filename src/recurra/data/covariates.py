"""What is known beside the variables themselves -> numbers a network reads."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recurra.data.faults import listed
from recurra.data.series import Series, SeriesSet
from recurra.data.series_parts import Bounds
from recurra.data.series_scaling import mean_and_deviation
from recurra.data.time_stamps import Frequency, calendar_features, calendar_names, times_after
from recurra.errors import DataError, SettingsError

__all__ = ["Covariates", "StaticColumn"]

_log = logging.getLogger("recurra")


class StaticColumn(NamedTuple):
    """How a column that says what a series is becomes numbers.

    Attributes:
        name: of the column.
        categories: of training, sorted, one number each; None where all values of training are numbers.
        mean: of these numbers.
        deviation: of these numbers, above 0.
    """

    name: str
    categories: tuple[str, ...] | None
    mean: float = 0.0
    deviation: float = 1.0

    @property
    def size(self) -> int:
        """How many numbers a value becomes."""
        return 1 if self.categories is None else len(self.categories)


@dataclass(frozen=True)
class Covariates:
    """How columns become numbers, found on the training steps of all series together.

    Attributes:
        past_mean: [P], of the columns known up to now alone.
        past_deviation: [P], above 0.
        ahead_mean: of the columns known ahead, without those of the calendar.
        ahead_deviation: of the same.
        static: how each static column becomes numbers.
        calendar: what of the calendar is known ahead, each as two numbers behind the columns known ahead.
    """

    past_mean: tuple[float, ...]
    past_deviation: tuple[float, ...]
    ahead_mean: tuple[float, ...]
    ahead_deviation: tuple[float, ...]
    static: tuple[StaticColumn, ...]
    calendar: tuple[str, ...]

    @classmethod
    def fit(cls, series_set: SeriesSet, bounds: Sequence[Bounds], calendar: bool | None = None) -> Covariates:
        """Find means, deviations and categories on the steps [0, train) of each series.

        A column that never varies in training has deviation 1, and is named in a warning.

        Args:
            series_set: the series.
            bounds: of each series; only `train` is used.
            calendar: whether hour, weekday, day and month are known ahead [default: where they differ]; what has not
                come round twice in the longest training part is left out.

        Raises:
            SettingsError: a calendar is asked for where nothing of it differs: years, or times that are whole numbers.
        """
        named = calendar_names(series_set.frequency)
        if calendar and not named:
            raise SettingsError(
                f"option 'calendar': expected dates that differ in hour, weekday, day or month from one row of "
                f"{series_set.name} to the next, found a frequency of {series_set.frequency}; leave the option out"
            )
        past = [series.past[: own.train] for series, own in zip(series_set.series, bounds, strict=True)]
        ahead = [series.ahead[: own.train] for series, own in zip(series_set.series, bounds, strict=True)]
        static = tuple(
            _fit_static(name, [series.static[number] for series in series_set.series])
            for number, name in enumerate(series_set.static_columns)
        )
        return cls(
            *_fit_numbers(series_set.name, series_set.past_columns, past),
            *_fit_numbers(series_set.name, series_set.future_columns, ahead),
            static,
            () if calendar is False else calendar_names(series_set.frequency, max(own.train for own in bounds)),
        )

    @property
    def past_size(self) -> int:
        """How many numbers are known of a step up to now alone, P."""
        return len(self.past_mean)

    @property
    def ahead_size(self) -> int:
        """How many numbers are known ahead of a step, those of the calendar at the end, A."""
        return len(self.ahead_mean) + 2 * len(self.calendar)  # sine and cosine

    @property
    def static_size(self) -> int:
        """How many numbers say what a series is, S."""
        return sum(column.size for column in self.static)

    def of_steps(self, series: Series, frequency: Frequency, steps: int) -> NDArray[np.float32]:
        """Return what is known of the first steps of a series, [steps, P + A], NaN where it is not.

        Past the end of the series, P columns are not known; A columns are as far as the series has them.
        """
        numbers = np.full((steps, self.past_size + self.ahead_size), np.nan, np.float32)
        for values, mean, deviation, start in (
            (series.past, self.past_mean, self.past_deviation, 0),
            (series.ahead, self.ahead_mean, self.ahead_deviation, self.past_size),
        ):
            held = values[:steps]
            with np.errstate(over="ignore"):
                numbers[: len(held), start : start + len(mean)] = (held - np.array(mean)) / np.array(deviation)
        if self.calendar:
            times = times_after(series.start, frequency, np.arange(steps))
            numbers[:, -2 * len(self.calendar) :] = calendar_features(times, self.calendar)
        return numbers

    def of_series(self, series_set: SeriesSet) -> NDArray[np.float32]:
        """Return what each series is, [series, S].

        A category that training had not is all zeros, and named in a warning; an empty value of a numeric column is
        the mean of training.

        Raises:
            DataError: text in a column that was numeric in training; all listed together.
        """
        numbers = np.zeros((len(series_set.series), self.static_size), np.float32)
        unknown: list[str] = []
        start = 0
        for number, column in enumerate(self.static):
            values = [series.static[number] for series in series_set.series]
            if column.categories is None:
                known = np.nan_to_num(_static_numbers(series_set, column.name, values), nan=column.mean)
                numbers[:, start] = (known - column.mean) / column.deviation
            else:
                numbers[:, start : start + column.size] = np.array(values)[:, None] == np.array(column.categories)
                unknown += [f"{column.name} '{value}'" for value in sorted(set(values) - set(column.categories))]
            start += column.size
        if unknown:
            _log.warning("%s: never seen in training, so nothing is known of:\n%s", series_set.name, listed(unknown))
        return numbers

    def to_json(self) -> dict[str, Any]:
        """Return what :meth:`from_json` reads, in types that JSON has."""
        return {**asdict(self), "static": [column._asdict() for column in self.static]}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Covariates:
        """Make what :meth:`to_json` has written."""
        static = [
            column | {"categories": column["categories"] and tuple(column["categories"])}
            for column in content["static"]
        ]
        told = {name: tuple(value) for name, value in content.items() if name != "static"}
        return cls(**told, static=tuple(StaticColumn(**column) for column in static))


def _fit_numbers(
    name: str, columns: Sequence[str], parts: Sequence[NDArray[np.float64]]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    mean, deviation, flat = mean_and_deviation(np.concatenate(parts))
    constant = [f"'{column}'" for column, is_flat in zip(columns, flat, strict=True) if is_flat]
    if constant:
        _log.warning("%s: columns that never vary in training teach nothing: %s", name, ", ".join(constant))
    return tuple(mean.tolist()), tuple(deviation.tolist())


def _fit_static(name: str, values: Sequence[str]) -> StaticColumn:
    numbers = np.array([_number(value) for value in values if value], np.float64)
    if not len(numbers) or np.isnan(numbers).any():
        return StaticColumn(name, tuple(sorted(set(values))))
    mean, deviation, _ = mean_and_deviation(numbers[:, np.newaxis])
    return StaticColumn(name, None, mean.item(), deviation.item())


def _number(value: str) -> float:
    """Return a text as a number, NaN where it is none.

    >>> _number("2.5"), _number("north"), _number("inf")
    (2.5, nan, nan)
    """
    try:
        number = float(value)
    except ValueError:
        return float("nan")
    return number if isfinite(number) else float("nan")


def _static_numbers(series_set: SeriesSet, name: str, values: Sequence[str]) -> NDArray[np.float64]:
    numbers = np.array([_number(value) for value in values])
    faulty = [
        f"'{series.id}': '{value}'"
        for series, value, number in zip(series_set.series, values, numbers, strict=True)
        if value and np.isnan(number)
    ]
    if faulty:
        raise DataError(
            f"{series_set.name}: expected numbers in column '{name}', as in training, found:\n{listed(faulty)}\n"
            "correct them, or leave them empty"
        )
    return numbers
