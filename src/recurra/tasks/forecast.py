"""Forecasting: the steps to come of series, from what came before them."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recurra.batch import WindowBatch, shuffled_batches
from recurra.config import ForecastConfig
from recurra.data.series import SeriesSet, load_series
from recurra.data.series_parts import divide
from recurra.data.windows import Windows
from recurra.errors import SettingsError
from recurra.forecast_baselines import LinearOnWindow, drawn_windows
from recurra.forecast_scores import full_scores
from recurra.forecast_tables import forecast_remarks, forecast_tables
from recurra.nn.autoregressive import make_forecaster
from recurra.nn.outputs import LEVELS
from recurra.tables import ScoreTable
from recurra.tasks.base import Loss, Start, Validation
from recurra.tasks.forecast_examined import ExaminedForecaster
from recurra.tasks.forecast_facts import ForecastFacts, learn_facts, resolved_config
from recurra.tasks.forecast_lines import Forecasts, SeriesForecast, forecast_lines, series_forecasts
from recurra.tasks.forecast_outcomes import linear_pairs, outcomes
from recurra.tasks.forecast_windows import ForecastExamples
from recurra.tasks.headline import ANY, Headline
from recurra.vocabulary import Vocabulary

__all__ = ["Forecast", "ForecastData"]

_VALIDATED = 4_000  # windows at most that choose the best epoch
_SCORED = 12_000_000  # values at most that are forecast for a score; 21 levels of each are a gigabyte
_AT_ONCE = 256
_FAR = 100  # deviations
_DRAWS = 200


@dataclass(frozen=True)
class ForecastData:
    """The series of a run, the windows that it learns from, and the parts that it is scored on."""

    train: Windows
    valid: Windows
    held_out: dict[str, ForecastExamples]


class Forecast(ExaminedForecaster):
    """Forecast series.

    Attributes:
        data: the windows, when made from data.
    """

    name = "forecast"
    title = "Forecaster"
    score = "loss"
    unit = "steps"
    intervals = "95 % bootstrap over blocks of origins"
    enough_steps = 2000
    reading = ("delimiter",)
    evaluating: ClassVar[tuple[str, ...]] = ("stride", "draws", "seed")
    answering: ClassVar[tuple[str, ...]] = ("draws", "seed", "plots")

    def __init__(self, config: ForecastConfig, known: ForecastFacts, data: ForecastData | None = None) -> None:
        self.config = config
        self.known = known
        self.data = data
        torch.manual_seed(config.train.seed)
        self.network = make_forecaster(known.sizes, config.model)

    @classmethod
    def from_data(cls, config: ForecastConfig, start: Start | None = None) -> Forecast:
        """Read the series that the configuration names; errors as :func:`recurra.data.series.load_series`."""
        return cls.from_series(config, load_series(config.data))

    @classmethod
    def from_series(cls, config: ForecastConfig, series: SeriesSet) -> Forecast:
        """Divide the series by time, learn their scaling from what is for training, and make a network."""
        told = config.model.calendar
        config = resolved_config(config, series)
        bounds = divide(series, config.data, cls._horizon(config))
        known = learn_facts(config, series, bounds)
        if told and not known.covariates.calendar:
            raise SettingsError(
                "option 'calendar' (True) would have no effect: nothing of it comes round twice in the training part"
            )
        task = cls(config, known)
        held_out = {"valid": ForecastExamples(series, [(each.train, each.valid) for each in bounds])}
        if any(each.end > each.valid for each in bounds):
            held_out["test"] = ForecastExamples(series, [(each.valid, each.end) for each in bounds])
        train = task.windows(ForecastExamples(series, [(0, each.train) for each in bounds]), measured=False)
        task.data = ForecastData(train, task.windows(held_out["valid"], most=_VALIDATED), held_out)
        return task

    @classmethod
    def restore(
        cls, config: ForecastConfig, vocabularies: Mapping[str, Vocabulary], facts: Mapping[str, Any]
    ) -> Forecast:
        """Make the task again from what a model directory holds."""
        return cls(config, ForecastFacts.from_json(facts))

    @property
    def vocabularies(self) -> dict[str, Vocabulary]:
        """None: series are no symbols."""
        return {}

    def facts(self) -> dict[str, Any]:
        """The columns, the frequency, and all that scales numbers."""
        return self.known.to_json()

    def steps(self) -> int:
        """How many batches an epoch has."""
        assert self.data is not None
        train = self.config.train
        return math.ceil(min(train.windows, len(self.data.train)) / train.batch_size)

    def batches(self, epoch: int) -> Iterator[WindowBatch]:
        """The training windows of an epoch, drawn anew for each where there are more than asked for."""
        assert self.data is not None
        settings, windows = self.config.train, self.data.train
        drawn = np.random.default_rng([settings.seed, epoch]).permutation(len(windows))[: settings.windows]
        for chosen in shuffled_batches(windows.lengths[drawn], settings.batch_size, settings.seed, epoch):
            yield windows.batch(drawn[chosen])

    def loss(self, network: nn.Module, batch: WindowBatch, carried: Any = None) -> Loss:
        """Mean loss of the output's kind over the steps and variables."""
        return Loss(network(batch))

    def validate(self) -> Validation:
        """Mean loss on validation windows, and its negative.

        Windows that are hard are so in every epoch, so that epochs differ by far less than windows do: no standard
        error makes a later epoch as good as the best.
        """
        assert self.data is not None
        windows, losses, sizes = self.data.valid, [], []
        with self._evaluating():
            for chosen in self._blocks(len(windows)):
                losses.append(float(self.network(windows.batch(chosen).to(self._device))))
                sizes.append(len(chosen))
        mean = float(np.average(losses, weights=sizes))
        return Validation(mean, -mean, 0.0)

    @staticmethod
    def shown(score: float) -> str:
        """A validation score as it is shown: the loss."""
        return f"{-score:.4f}"

    def forecasts(self, windows: Windows, draws: int | None = None, seed: int | None = None) -> Forecasts:
        """Forecast windows, in the units of the series.

        Args:
            windows: n, with or without targets.
            draws: paths that an autoregressive model draws of each; None for 200.
            seed: of what is drawn; None for 0.

        Raises:
            SettingsError: an option that is out of range, or without effect on a model that draws nothing.
        """
        if draws is not None and draws < 2:
            raise SettingsError(f"option 'draws' ({draws}): expected at least 2")
        options: dict[str, Any] = {}
        if self.config.model.decoder == "autoregressive":
            options = {"draws": draws or _DRAWS, "seed": seed or 0}
        else:
            for name, value in (("draws", draws), ("seed", seed)):
                if value is not None:
                    raise SettingsError(
                        f"option '{name}' ({value}) would have no effect: a direct forecaster draws nothing"
                    )
        shape = (len(windows), self.horizon, self.known.sizes.variables)
        # where series are far larger than they vary float32 would round away what is forecast
        fine = (np.abs(windows.shift) > _FAR * windows.scale).any()
        mean, quantiles = np.empty(shape), np.empty((*shape, len(LEVELS)), np.float64 if fine else np.float32)
        with self._evaluating():
            for chosen in self._blocks(len(windows)):
                found = self.network.forecast(windows.batch(chosen).to(self._device), LEVELS, **options)
                mean[chosen] = found.mean.cpu().numpy()
                quantiles[chosen] = found.quantiles.cpu().numpy()
        shift, scale = windows.shift[windows.series_index], windows.scale[windows.series_index]
        mean = shift[:, np.newaxis] + scale[:, np.newaxis] * mean
        if self.config.model.output == "point":
            return Forecasts(mean, None)
        quantiles *= scale[:, np.newaxis, :, np.newaxis]
        quantiles += shift[:, np.newaxis, :, np.newaxis]
        return Forecasts(mean, quantiles)

    def held_out(self) -> dict[str, ForecastExamples]:
        """The validation and, where there is one, the test part."""
        assert self.data is not None
        return self.data.held_out

    def fit_baseline(self) -> LinearOnWindow:
        """Fit the linear map on the training windows."""
        assert self.data is not None
        train, valid = self.data.train, self.data.valid
        drawn = drawn_windows(len(train), self.known.sizes.variables, self.config.train.seed)
        return LinearOnWindow.fit(linear_pairs(train, drawn), linear_pairs(valid, np.arange(len(valid))))

    def restore_baseline(self, tensors: Mapping[str, Tensor]) -> LinearOnWindow:
        """Make the linear map again."""
        return LinearOnWindow.from_tensors(tensors)

    def evaluate(self, examples: ForecastExamples, baseline: LinearOnWindow, **options: Any) -> dict[str, Any]:
        """Forecast from every origin in turn and score the forecasts, as :func:`recurra.forecast_scores.full_scores`.

        Args:
            examples: series, and what is to be forecast of them.
            baseline: fitted on the training windows.
            options: those of `evaluating`.
        """
        stride = options.pop("stride", None)
        if stride is not None and stride < 1:
            raise SettingsError(f"option 'stride' ({stride}): expected at least 1")
        most = 0 if stride else max(1, _SCORED // (self.horizon * self.known.sizes.variables))
        windows = self.windows(examples, stride or 1, most)
        parts = outcomes(windows, self.forecasts(windows, **options), baseline, self.known, self.config)
        scores = full_scores(parts, LEVELS, windows.series_index, windows.origins)
        return {**scores, "left_out": windows.left_out}

    def headline(self) -> Headline:
        """The mean absolute error in deviations of each series' training part."""
        return Headline("scaled MAE", ("mae_scaled",), higher=False, unit="", digits=4, limits=ANY)

    def tables(self, scores: Mapping[str, Any], title: str, full: bool) -> list[ScoreTable]:
        """The model beside its baselines and, with `full`, the scores by step of the horizon."""
        return forecast_tables(scores, title, full)

    def remarks(self, scores: Mapping[str, Any]) -> list[str]:
        """The gain over the best baseline, and how scores were counted."""
        return forecast_remarks(scores)

    def card(self) -> list[str]:
        """What the model was trained on."""
        known, model = self.known, self.config.model
        names = ", ".join(known.columns.targets)
        return [
            f"Trained by recurra on {known.steps:,} steps of {known.series:,} series of `{self.config.data.data}`, one "
            f"each {known.frequency}, to forecast {self.horizon} steps of {names} from the {model.window} before."
        ]

    def example_call(self) -> str:
        """Forecast what comes after a file's last row."""
        return 'model.predict("series.csv")'

    def predict(self, inputs: Sequence[str], **options: Any) -> Iterator[str]:
        """Yield a JSON object a step and series: what comes after the last row of each file's series.

        The option `plots` is what draws the forecasts, such as :func:`recurra.diagnose.forecast_plot.forecast_pictures`
        without its folder.
        """
        if not inputs or "-" in inputs:
            raise SettingsError("predict: a forecaster reads files: name one with the series up to now")
        reading = {name: value for name, value in options.items() if name in self.reading}
        drawing = {name: options[name] for name in ("draws", "seed") if name in options}
        drawn: list[SeriesForecast] = []
        for source in inputs:
            series = self.load(source, **reading)
            for found in series_forecasts(series, self.next(series, **drawing)):
                yield forecast_lines(found)
                if "plots" in options:
                    drawn.append(found)
        if drawn:
            options["plots"](drawn)

    def next(self, series: SeriesSet, **options: Any) -> Forecasts:
        """Forecast what comes after the end of each series; the options are those of :meth:`forecasts`."""
        return self.forecasts(self.last_windows(series), **options)

    @property
    def _device(self) -> torch.device:
        return next(self.network.parameters()).device

    @staticmethod
    def _blocks(windows: int) -> list[NDArray[np.int64]]:
        """Consecutive windows, so many as are forecast at a time."""
        return np.array_split(np.arange(windows), math.ceil(windows / _AT_ONCE))

    @contextlib.contextmanager
    def _evaluating(self) -> Iterator[None]:
        """Neither dropout nor gradients."""
        training = self.network.training
        self.network.eval()
        with torch.inference_mode():
            yield
        self.network.train(training)
