"""What the training of a forecaster can be told."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from recurra.config.sections import DataConfig, NetworkConfig, NoEffect, RecurrentCell, RunConfig, TrainConfig

__all__ = ["FillName", "ForecastConfig", "ForecastDataConfig", "ForecastModelConfig", "OutputName", "ScalingName"]

FillName = Literal["none", "previous", "linear", "zero"]
OutputName = Literal["point", "gaussian", "student-t", "negative-binomial", "quantiles"]
ScalingName = Literal["standard", "mean", "none"]


class ForecastDataConfig(DataConfig):
    """Where the series come from and how time divides them."""

    data: str = Field(
        description="Series: rows of unique_id, ds, y, or a column for each variable; CSV, TSV, JSONL, Parquet or "
        "hf:owner/name[:config]."
    )
    id_column: str | None = Field(None, description="Column that tells series apart (default: unique_id, if there).")
    time_column: str | None = Field(None, description="Column with the time (default: ds, or found, and said).")
    target_columns: str | None = Field(
        None, description="Columns to forecast, with commas (default: y, or all numeric ones that are nothing else)."
    )
    past_columns: str | None = Field(None, description="Columns known up to now alone, with commas.")
    future_columns: str | None = Field(None, description="Columns known ahead, such as holidays, with commas.")
    static_columns: str | None = Field(None, description="Columns that say what a series is, with commas.")
    delimiter: str | None = Field(None, min_length=1, description="Field delimiter (default: by file name).")
    frequency: str | None = Field(
        None, description="Time from one row to the next: 15m, 1h, 1d, 1w, 1mo, 1q, 1y (default: found, and said)."
    )
    season: int | None = Field(
        None, ge=1, description="Steps after which a series is alike again (default: by frequency; hourly 24)."
    )
    fill: FillName = Field("none", description="What is put into gaps; 'none': windows with gaps are left out.")
    variables: Literal["together", "separate"] = Field(
        "separate", description="Whether several columns are forecast as one, or each as a series of its own."
    )
    valid_share: float = Field(0.1, gt=0, lt=1, description="Share of each series, before the test, for validation.")
    test_share: float = Field(0.1, ge=0, lt=1, description="Share at the end of each series for the test; 0 for none.")
    valid_steps: int | None = Field(None, ge=1, description="The same as a number of steps.")
    test_steps: int | None = Field(None, ge=0, description="The same as a number of steps.")


class ForecastModelConfig(NetworkConfig):
    """The network."""

    cell: RecurrentCell = Field("gru", description="Recurrent cell.")
    hidden_size: int = Field(128, ge=1, description="Size of the state.")
    num_layers: int = Field(1, ge=1, description="Stacked layers.")
    dropout: float = Field(0.2, ge=0, lt=1, description="Share of values dropped between layers and at the output.")
    horizon: int | None = Field(None, ge=1, description="Steps to forecast (default: a season).")
    window: int | None = Field(None, ge=2, description="Steps that are read before (default: by season and horizon).")
    decoder: Literal["direct", "autoregressive"] = Field(
        "direct", description="All steps at once, or each from the one before, drawn many times (DeepAR)."
    )
    output: OutputName = Field("student-t", description="What is learnt of each step to come.")
    scaling: ScalingName | None = Field(
        None, description="By training: to mean 0 and deviation 1, to mean 1, or none (default: by output)."
    )
    instance_norm: bool = Field(
        True, description="Whether each window is brought to mean 0 and deviation 1 too, and back (RevIN)."
    )
    segment: int | None = Field(
        None, ge=1, description="Steps that the recurrence reads at a time; direct alone (default: by season)."
    )
    linear: bool | None = Field(
        None, description="Whether a linear map of the window is added; direct alone (default: yes)."
    )
    calendar: bool | None = Field(
        None, description="Whether hour, weekday, day and month are known (default: where the times are dates)."
    )


class ForecastTrainConfig(TrainConfig):
    """How the network learns."""

    epochs: int | None = Field(
        None, ge=1, description="Passes over the training windows (default: enough for 2000 steps, 3 to 50)."
    )
    batch_size: int = Field(64, ge=1, description="Windows in a step.")
    windows: int = Field(20_000, ge=1, description="Most windows of an epoch, drawn anew for each.")
    learning_rate: float = Field(5e-4, gt=0, description="Peak step size (default: 0.0005, of SGD 10).")


def _autoregressive(run: ForecastConfig) -> bool:
    return run.model.decoder == "autoregressive"


def _counts(run: ForecastConfig) -> bool:
    return run.model.output == "negative-binomial"


class ForecastConfig(RunConfig):
    """All that a run of `recurra train forecast` was told."""

    sections: ClassVar[tuple[str, ...]] = ("data", "model", "train")
    summary: ClassVar[str] = "Train a forecaster: the steps to come of one or many series."
    no_effect: ClassVar[tuple[NoEffect, ...]] = (
        NoEffect("data", "valid_share", lambda run: run.data.valid_steps is not None, "--valid-steps says how many"),
        NoEffect("data", "test_share", lambda run: run.data.test_steps is not None, "--test-steps says how many"),
        NoEffect("model", "segment", _autoregressive, "an autoregressive decoder reads step by step"),
        NoEffect("model", "linear", _autoregressive, "an autoregressive decoder has no linear map"),
        NoEffect(
            "model",
            "decoder",
            lambda run: _autoregressive(run) and run.model.output == "point",
            "nothing can be drawn from --output point; choose another output",
        ),
        NoEffect(
            "model",
            "scaling",
            lambda run: _counts(run) and run.model.scaling != "none",
            "counts of --output negative-binomial are scaled within the network alone",
        ),
    )

    task: Literal["forecast"] = "forecast"
    data: ForecastDataConfig
    model: ForecastModelConfig = ForecastModelConfig()
    train: ForecastTrainConfig = ForecastTrainConfig()
