"""What a forecaster knows beside its weights: how its files are read, and how its numbers are scaled."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recurra.config import ForecastConfig
from recurra.data.covariates import Covariates
from recurra.data.series import Series, SeriesSet
from recurra.data.series_columns import SeriesColumns
from recurra.data.series_parts import Bounds
from recurra.data.series_scaling import Scaling
from recurra.data.time_stamps import Frequency, calendar_names
from recurra.errors import SettingsError
from recurra.forecast_scores import seasonal_error
from recurra.nn.forecasting import WindowSizes

__all__ = ["ForecastFacts", "learn_facts", "resolved_config"]

_log = logging.getLogger("recurra")
_NO_SEASON = 8  # steps to forecast where neither the horizon nor a season is known
_LONGEST_SEGMENT = 48


@dataclass(frozen=True)
class ForecastFacts:
    """What was learnt of the training series.

    Attributes:
        columns: which column is what.
        frequency: from one step to the next.
        scaling: of what the network reads and writes.
        standard: mean and deviation of each series' training part, for scores on scaled values.
        seasonal_errors: by series, the mean absolute error of the seasonal naive method in the training part, [C];
            None where there is none.
        covariates: how the other columns become numbers.
        sizes: of a window's parts.
        series: how many there are.
        steps: how many steps they have for training, together.
    """

    columns: SeriesColumns
    frequency: Frequency
    scaling: Scaling
    standard: Scaling
    seasonal_errors: dict[str, list[float | None]]
    covariates: Covariates
    sizes: WindowSizes
    series: int
    steps: int

    def to_json(self) -> dict[str, Any]:
        """As `config.json` holds it."""
        return {
            "columns": self.columns._asdict(),
            "frequency": str(self.frequency),
            "scaling": self.scaling.to_json(),
            "standard": self.standard.to_json(),
            "seasonal_errors": self.seasonal_errors,
            "covariates": self.covariates.to_json(),
            "sizes": self.sizes._asdict(),
            "series": self.series,
            "steps": self.steps,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> ForecastFacts:
        """Make it again."""
        columns: dict[str, Any] = {
            name: tuple(v) if isinstance(v, list) else v for name, v in values["columns"].items()
        }
        return cls(
            SeriesColumns(**columns),
            Frequency.parse(values["frequency"]),
            Scaling.from_json(values["scaling"]),
            Scaling.from_json(values["standard"]),
            values["seasonal_errors"],
            Covariates.from_json(values["covariates"]),
            WindowSizes(**values["sizes"]),
            values["series"],
            values["steps"],
        )

    def seasonal_errors_of(self, series: Series, season: int) -> NDArray[np.float64]:
        """The seasonal naive method's error on a series, [C]: in training or, if it was not there, in all of it."""
        known = self.seasonal_errors.get(series.id)
        return seasonal_error(series.target, season) if known is None else np.array(known, np.float64)


def resolved_config(config: ForecastConfig, series: SeriesSet) -> ForecastConfig:
    """A run's configuration with numbers in place of all that is to be found by the data.

    The window is two horizons, but at least 4 and at most 14 seasons; the recurrence reads a season at a time where it
    has at most 48 steps.

    Raises:
        SettingsError: an option that is without effect on such data.
    """
    season = config.data.season or series.frequency.season()
    model = config.model
    horizon = model.horizon or (season if season > 1 else _NO_SEASON)
    cycle = season if season > 1 else horizon
    window = model.window or max(2, min(max(4 * cycle, 2 * horizon), 14 * cycle))
    has_calendar = bool(calendar_names(series.frequency))
    if model.calendar and not has_calendar:
        raise SettingsError(
            "option 'calendar' (True) would have no effect: hour, weekday, day and month do not differ, or are not "
            f"known, at times that are {series.frequency} apart"
        )
    if config.data.variables == "together" and len(series.variables) == 1:
        raise SettingsError(
            f"option 'variables' (together) would have no effect: '{series.variables[0]}' alone is forecast"
        )
    direct = model.decoder == "direct"
    segment = season if 1 < season <= min(_LONGEST_SEGMENT, window) else 1
    found = {
        "horizon": horizon,
        "window": window,
        "calendar": has_calendar if model.calendar is None else model.calendar,
        "segment": (model.segment or segment) if direct else None,
        "linear": (model.linear is not False) if direct else None,
        "scaling": model.scaling or ("none" if model.output == "negative-binomial" else "standard"),
    }
    if model.segment is not None and model.segment > window:
        raise SettingsError(f"option 'segment' ({model.segment}): expected at most the window, {window} steps")
    told = {name: value for name, value in found.items() if getattr(model, name) is None and value is not None}
    if told:
        _log.info(
            "found by the data: %s", ", ".join(f"{name} {value}" for name, value in {**told, "season": season}.items())
        )
    return config.model_copy(
        update={
            "data": config.data.model_copy(update={"season": season}),
            "model": model.model_copy(update=found),
        }
    )


def learn_facts(config: ForecastConfig, series: SeriesSet, bounds: Sequence[Bounds]) -> ForecastFacts:
    """Learn all that is to be known of the training parts of some series.

    Args:
        config: with numbers for all.
        series: whole.
        bounds: of the parts of each series.
    """
    assert config.model.scaling is not None
    season = config.data.season
    assert season is not None
    covariates = Covariates.fit(series, bounds, calendar=bool(config.model.calendar))
    errors = {
        each.id: [None if np.isnan(e) else float(e) for e in seasonal_error(each.target[: bound.train], season)]
        for each, bound in zip(series.series, bounds, strict=True)
    }
    ahead = covariates.ahead_size
    variables = series.series[0].target.shape[1]
    sizes = WindowSizes(variables, covariates.past_size + ahead, ahead, covariates.static_size)
    standard = Scaling.fit(series, bounds, "standard")
    return ForecastFacts(
        series.columns,
        series.frequency,
        standard if config.model.scaling == "standard" else Scaling.fit(series, bounds, config.model.scaling),
        standard,
        errors,
        covariates,
        sizes,
        len(series.series),
        sum(bound.train for bound in bounds),
    )
