"""A forecaster as an estimator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from recurra.config import FillName, ForecastConfig, OutputName, RecurrentCell, ScalingName
from recurra.data.frames_in_memory import ARRAY_ID, InMemory, table_in_memory
from recurra.data.series import SeriesSet, load_series, read_series
from recurra.estimators.base import Estimator
from recurra.tasks.forecast import Forecast
from recurra.tasks.forecast_lines import forecast_rows, series_forecasts
from recurra.train import Callback, train

__all__ = ["Forecaster"]


class Forecaster(Estimator):
    """Forecast series with a recurrent network.

    X is a table (a path, a polars or pandas data frame, or a mapping of columns) with rows of `unique_id`, `ds`, `y`,
    or a time and a column for each variable; or an array [T] or [T, C]; or a list of such arrays. T steps, C variables.

    Args:
        horizon: steps to forecast, H; None for a season.
        window: steps that are read before; None for two horizons, but at least 4 and at most 14 seasons.
        season: steps after which a series is alike again; None for that of the frequency.
        frequency: of the rows, such as ``"1h"``; None to find it.
        fill: what is put into gaps: ``"none"``, ``"previous"``, ``"linear"`` or ``"zero"``.
        variables: whether several columns are forecast ``"together"``, or each as a series of its own, ``"separate"``.
        id_column: tells series apart; None for unique_id, if it is there.
        time_column: None for ds, or to find it.
        target_columns: with commas; None for y, or all numeric ones that are nothing else.
        past_columns: known up to now alone, with commas.
        future_columns: known ahead, with commas.
        static_columns: what a series is, with commas.
        cell: ``"lstm"``, ``"gru"``, ``"rnn"`` or ``"rnn_relu"``.
        hidden_size: size of the state.
        num_layers: stacked layers.
        chrono_steps: over how many steps the gates are to keep from the start; None for no such start.
        dropout: share of values dropped between layers and at the output.
        decoder: ``"direct"``, all steps at once, or ``"autoregressive"``, one after the other (DeepAR).
        output: ``"student-t"``, ``"gaussian"``, ``"negative-binomial"``, ``"quantiles"`` or ``"point"``.
        scaling: ``"standard"``, ``"mean"`` or ``"none"``; None for the one that suits the output.
        instance_norm: whether each window is brought to mean 0 and deviation 1 too, and back.
        segment: steps that the recurrence reads at a time; None for a season.
        linear: whether a linear map of the window is added; None for yes, where the decoder is direct.
        calendar: whether hour, weekday, day and month are known; None where the times are dates.
        epochs: passes over the training windows; None for enough to make 2,000 steps, 3 to 50.
        batch_size: windows in a step.
        windows: most windows of an epoch, drawn anew for each.
        optimizer: ``"adamw"``, ``"sgd"`` or ``"nt-asgd"``, which averages the weights of SGD.
        nonmonotone: epochs without gain of the validation loss after which ``"nt-asgd"`` begins to average.
        learning_rate: peak step size; SGD wants a far larger one, such as 10.
        weight_decay: decoupled weight decay of AdamW, or that of SGD.
        clip_norm: largest gradient norm.
        schedule: ``"constant"``, ``"linear"`` or ``"cosine"``.
        patience: stop after so many epochs without gain; None for never.
        valid_share: share at the end of each series that chooses the best epoch.
        seed: of everything random.
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
        precision: ``"float32"``, or ``"bfloat16"`` for what enters products in training; the rest stays float32.

    Attributes:
        history_: a record for each epoch.
        task_: the trained network, scales and settings.

    >>> wave = np.sin(np.arange(240) * np.pi / 6)
    >>> model = Forecaster(horizon=6, window=24, hidden_size=8, epochs=5, output="point", learning_rate=0.01)
    >>> found = model.fit(wave).predict(wave)
    >>> found.shape, bool(np.abs(found - np.sin(np.arange(240, 246) * np.pi / 6)).max() < 0.2)
    ((6,), True)
    """

    def __init__(
        self,
        *,
        horizon: int | None = None,
        window: int | None = None,
        season: int | None = None,
        frequency: str | None = None,
        fill: FillName = "none",
        variables: Literal["together", "separate"] = "separate",
        id_column: str | None = None,
        time_column: str | None = None,
        target_columns: str | None = None,
        past_columns: str | None = None,
        future_columns: str | None = None,
        static_columns: str | None = None,
        cell: RecurrentCell = "gru",
        hidden_size: int = 128,
        num_layers: int = 1,
        chrono_steps: int | None = None,
        dropout: float = 0.2,
        decoder: Literal["direct", "autoregressive"] = "direct",
        output: OutputName = "student-t",
        scaling: ScalingName | None = None,
        instance_norm: bool = True,
        segment: int | None = None,
        linear: bool | None = None,
        calendar: bool | None = None,
        epochs: int | None = None,
        batch_size: int = 64,
        windows: int = 20_000,
        optimizer: Literal["adamw", "sgd", "nt-asgd"] = "adamw",
        nonmonotone: int = 5,
        learning_rate: float = 5e-4,
        weight_decay: float = 0.01,
        clip_norm: float = 1.0,
        schedule: Literal["constant", "linear", "cosine"] = "cosine",
        patience: int | None = None,
        valid_share: float = 0.1,
        seed: int = 0,
        device: str = "auto",
        precision: Literal["float32", "bfloat16"] = "float32",
    ) -> None:
        self.horizon = horizon
        self.window = window
        self.season = season
        self.frequency = frequency
        self.fill = fill
        self.variables = variables
        self.id_column = id_column
        self.time_column = time_column
        self.target_columns = target_columns
        self.past_columns = past_columns
        self.future_columns = future_columns
        self.static_columns = static_columns
        self.cell = cell
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.chrono_steps = chrono_steps
        self.dropout = dropout
        self.decoder = decoder
        self.output = output
        self.scaling = scaling
        self.instance_norm = instance_norm
        self.segment = segment
        self.linear = linear
        self.calendar = calendar
        self.epochs = epochs
        self.batch_size = batch_size
        self.windows = windows
        self.optimizer = optimizer
        self.nonmonotone = nonmonotone
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.clip_norm = clip_norm
        self.schedule = schedule
        self.patience = patience
        self.valid_share = valid_share
        self.seed = seed
        self.device = device
        self.precision = precision

    def fit(self, X: Any, y: None = None, callbacks: Sequence[Callback] = ()) -> Forecaster:  # noqa: N803
        """Train on all of each series but the share at its end that chooses the best epoch.

        Args:
            X: series, see above.
            y: not used; scikit-learn passes it.
            callbacks: told of each step and epoch (:class:`recurra.train.Callback`).

        Raises:
            DataError: X is no series, has gaps everywhere, or is too short.
            SettingsError: an option is out of range or without effect.
        """
        config: ForecastConfig = self._run_config("forecast", None)
        config = config.model_copy(update={"data": config.data.model_copy(update={"test_share": 0.0})})
        given = table_in_memory(X)
        if given.table is None:
            config = config.model_copy(update={"data": config.data.model_copy(update={"data": str(X)})})
            series = load_series(config.data)
        else:
            series = read_series(given.table, config.data)
        task = Forecast.from_series(config, series)
        self._keep(task, train(task, callbacks=callbacks))
        return self

    def predict(self, X: Any, *, draws: int | None = None, seed: int | None = None) -> Any:  # noqa: N803
        """Forecast what comes after the end of each series.

        Args:
            X: series up to now, see above; with `future_columns` also rows of the steps to come.
            draws: paths that an autoregressive model draws of each; None for 200.
            seed: of what is drawn; None for 0.

        Returns:
            For a table a polars data frame of `unique_id`, `ds`, `y` and the 80 % and 95 % intervals; for an array the
            mean forecast, [H] or [H, C]; for a list of n arrays [n, H] or [n, H, C].

        Raises:
            DataError: X is no series, or lacks columns that training had.
            SettingsError: an option that is without effect on a model that draws nothing.
        """
        check_is_fitted(self, "task_")
        series, given = self._read(X)
        found = self.task_.next(series, draws=draws, seed=seed)
        if given.form in ("path", "table"):
            return pl.DataFrame([row for each in series_forecasts(series, found) for row in forecast_rows(each)])
        mean: NDArray[np.float64] = found.mean
        if mean.shape[2] == 1:  # each variable is a series of its own
            mean = mean.reshape(given.arrays, -1, mean.shape[1]).swapaxes(1, 2)
        mean = mean[..., 0] if mean.shape[2] == 1 else mean
        return mean[0] if given.form == "one" else mean

    def evaluate(self, X: Any, *, stride: int | None = None) -> dict[str, Any]:  # noqa: N803
        """Forecast series from every origin in turn, and score the forecasts beside the baselines.

        Args:
            X: series, see above.
            stride: steps from one origin to the next; None for 1.

        Returns:
            As :func:`recurra.forecast_scores.full_scores`.
        """
        check_is_fitted(self, "task_")
        examples = self.task_.scored_examples(self._read(X)[0])
        scores: dict[str, Any] = self.task_.evaluate(
            examples, self._baseline, **({} if stride is None else {"stride": stride})
        )
        return scores

    def score(self, X: Any, y: None = None) -> float:  # noqa: N803
        """Minus the mean absolute scaled error, or minus the MAE in deviations where no season tells a scale."""
        model = self.evaluate(X)["model"]
        return -float(model.get("mase", model["mae_scaled"])["value"])

    def _read(self, series: Any) -> tuple[SeriesSet, InMemory]:
        """Read series as those of training were."""
        given, known, data = table_in_memory(series), self.task_.known, self.task_.config.data
        if given.table is None:
            return load_series(data, known.columns, known.frequency, str(series)), given
        columns = known.columns
        if given.form != "table":
            columns = columns._replace(id=ARRAY_ID if given.form == "several" else None)
        return read_series(given.table, data, columns, known.frequency), given
