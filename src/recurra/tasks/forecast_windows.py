"""What a forecaster reads: series, and the windows of them that it forecasts from."""

from __future__ import annotations

import math
from dataclasses import dataclass

from recurra.config import ForecastConfig
from recurra.data.counts import require_counts
from recurra.data.series import SeriesSet, load_series
from recurra.data.windows import Windows
from recurra.tasks.forecast_facts import ForecastFacts

__all__ = ["ForecastExamples", "ReadsSeries"]


@dataclass(frozen=True)
class ForecastExamples:
    """Series, and the range of each one's steps that are to be forecast."""

    series: SeriesSet
    ranges: list[tuple[int, int]]


class ReadsSeries:
    """Reads series as those of training were, and cuts windows from them.

    Attributes:
        config: what the run was told.
        known: what it learnt of the training series.
    """

    config: ForecastConfig
    known: ForecastFacts

    def load(self, source: str, delimiter: str | None = None) -> SeriesSet:
        """Read series as those of training were."""
        data = self.config.data if delimiter is None else self.config.data.model_copy(update={"delimiter": delimiter})
        return load_series(data, self.known.columns, self.known.frequency, source)

    def windows(self, examples: ForecastExamples, stride: int = 1, most: int = 0, measured: bool = True) -> Windows:
        """The windows whose targets lie within what is to be forecast.

        Args:
            examples: series, and a range of steps of each.
            stride: steps from one origin to the next.
            most: how many windows at most; the stride grows until there are no more. 0 for any number.
            measured: whether windows are left out whose targets were filled in.

        Raises:
            DataError: there is none, or none without a gap; or values that are no counts, where counts are forecast.
        """
        model, known = self.config.model, self.known
        assert model.window is not None
        if most:
            origins = sum(max(0, stop - start - self.horizon + 1) for start, stop in examples.ranges)
            stride = max(stride, math.ceil(origins / most))
        return Windows(
            self._checked(examples.series),
            known.scaling,
            known.covariates,
            model.window,
            self.horizon,
            examples.ranges,
            stride,
            measured=measured,
        )

    def last_windows(self, series: SeriesSet) -> Windows:
        """The last steps of each series, from which what comes after its end is forecast.

        Errors are those of :meth:`recurra.data.windows.Windows.next`, and values that are no counts, where these are
        forecast.
        """
        model, known = self.config.model, self.known
        assert model.window is not None
        return Windows.next(self._checked(series), known.scaling, known.covariates, model.window, self.horizon)

    def scored_examples(self, series: SeriesSet) -> ForecastExamples:
        """What is to be forecast of series that are scored: all behind a whole window, or behind half the series."""
        assert self.config.model.window is not None
        lengths = [len(each.target) for each in series.series]
        starts = [min(self.config.model.window, max(1, (n - self.horizon) // 2)) for n in lengths]
        return ForecastExamples(series, list(zip(starts, lengths, strict=True)))

    @property
    def horizon(self) -> int:
        """H, how many steps are forecast."""
        return self._horizon(self.config)

    @staticmethod
    def _horizon(config: ForecastConfig) -> int:
        assert config.model.horizon is not None
        return config.model.horizon

    def _checked(self, series: SeriesSet) -> SeriesSet:
        if self.config.model.output == "negative-binomial":
            require_counts(series)
        return series
