"""What `recurra check`, `recurra diagnose` and `recurra explain` ask of a forecaster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recurra.batch import WindowBatch
from recurra.config import ForecastConfig
from recurra.data.series_parts import divide
from recurra.nn.autoregressive import AutoregressiveForecaster
from recurra.nn.forecasting import DirectForecaster
from recurra.nn.outputs import LEVELS
from recurra.tasks.base import Task
from recurra.tasks.examined import RecurrentCall, drawn_groups
from recurra.tasks.forecast_tried import TRIED, as_batch, padded_windows, random_windows
from recurra.tasks.forecast_windows import ForecastExamples, ReadsSeries
from recurra.tasks.tried import own_data

__all__ = ["ExaminedForecaster"]


class ExaminedForecaster(ReadsSeries, Task):
    """A forecaster as it is looked into: a sequence is a window, its parts as lists of numbers."""

    config: ForecastConfig
    network: DirectForecaster | AutoregressiveForecaster

    def sequences(self, source: str | None, **reading: Any) -> list[list[Any]]:
        """Windows as lists: of a source, of the training data's file, or else random ones."""
        found = source or own_data(self.config, "numbers")
        if found is None:
            assert self.config.model.window is not None
            counts = self.config.model.output == "negative-binomial"
            return random_windows(self.known.sizes, self.config.model.window, self.horizon, counts)
        windows = self.windows(self.load_labelled(found, **reading), most=TRIED)
        return [[part.tolist() for part in windows.window(number)[:4]] for number in range(len(windows))]

    def responses(self, sequences: Sequence[list[Any]], padding: int = 0) -> list[Tensor]:
        """The quantiles that the network forecasts for each window, as shares of its largest value, [H, C, Q]."""
        batch = padded_windows(as_batch(sequences, self.known.sizes, self.horizon), padding)
        # the fewer counts are drawn, the less likely is one that rounding turns into its neighbour
        options: dict[str, Any] = {"draws": 8} if self.config.model.decoder == "autoregressive" else {}
        with torch.inference_mode():
            quantiles = self.network.forecast(batch, LEVELS, **options).quantiles
        sizes = [max(1.0, float(np.abs(past).max())) for past, *_ in sequences]
        return [found / size for found, size in zip(quantiles, sizes, strict=True)]

    def recurrent_call(self, sequences: Sequence[list[Any]]) -> RecurrentCall:
        """The recurrent layers, and what they read of the windows."""
        batch = as_batch(sequences, self.known.sizes, self.horizon)
        with torch.no_grad():
            return RecurrentCall(self.network.recurrent, *self.network.recurrent_inputs(batch))

    def load_labelled(self, source: str, **reading: Any) -> ForecastExamples:
        """Read series that are forecast from every origin that has a whole window before it, or half the series."""
        return self.scored_examples(self.load(source, **reading))

    def own_examples(self, most: int) -> ForecastExamples:
        """The validation part of the run's series."""
        series = self.load(self.config.data.data)
        return ForecastExamples(
            series, [(each.train, each.valid) for each in divide(series, self.config.data, self.horizon)]
        )

    def grouped(self, examples: ForecastExamples, most: int) -> list[WindowBatch]:
        """Windows from origins evenly spaced, in batches."""
        windows = self.windows(examples, most=most)
        return [windows.batch(group) for group in drawn_groups(windows.lengths, most)]
