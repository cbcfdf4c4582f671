"""Windows of series in, all steps to come out at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from recurra.batch import WindowBatch
from recurra.config import ForecastModelConfig
from recurra.errors import SettingsError, ShapeError
from recurra.kernels.layout import Layout
from recurra.nn.encoder import make_recurrent
from recurra.nn.instance_norm import InstanceNorm
from recurra.nn.outputs import LEVELS, Affine, Output, make_output

__all__ = ["DirectForecaster", "Forecast", "Forecaster", "WindowSizes"]


class WindowSizes(NamedTuple):
    """How many numbers a window has.

    Attributes:
        variables: C, to be forecast.
        covariates: P + A, known of each step of the past.
        ahead: A of them, known ahead: the last ones.
        static: S, of the series.
    """

    variables: int
    covariates: int
    ahead: int
    static: int


class Forecast(NamedTuple):
    """What is said of the steps to come, in the units of the batch.

    Attributes:
        mean: [B, H, C].
        quantiles: [B, H, C, Q].
    """

    mean: Tensor
    quantiles: Tensor


class Forecaster(nn.Module):
    """What all forecasters share: sizes, output, and the scale of a window.

    Args:
        sizes: how many numbers a window has.
        config: sizes, cell, depth, dropout, output, and whether windows are normalised; with its horizon.

    Raises:
        SettingsError: a config without a horizon.
    """

    def __init__(self, sizes: WindowSizes, config: ForecastModelConfig) -> None:
        super().__init__()
        if config.horizon is None:
            raise SettingsError("horizon: a network needs to know it, got None; give a number of steps")
        self.sizes = sizes
        self.horizon = config.horizon
        self.output: Output = make_output(config.output)
        counts = config.output == "negative-binomial"
        self.instance_norm = InstanceNorm(sizes.variables, counts) if config.instance_norm else None

    def affine(self, batch: WindowBatch) -> Affine:
        """From what the network reads and says to the units of the batch: [B, 1, C].

        Raises:
            ShapeError: windows of other sizes than those of the network.
        """
        _check_batch(batch, self.sizes, self.horizon)
        if self.instance_norm is None:
            ones = batch.past.new_ones(len(batch.past), 1, self.sizes.variables)
            return Affine(torch.zeros_like(ones), ones)
        affine: Affine = self.instance_norm(batch.past, batch.lengths)
        return affine


class DirectForecaster(Forecaster):
    """Recurrent layers over segments of the window, and a linear layer to all steps to come.

    A segment of several steps is read at once, through a linear layer and a rectifier, so that the recurrence takes
    fewer steps (Lin, Lin, Wu, Zhao, Mo, Zhang, "SegRNN", arXiv:2308.11200). The newest step is always the last of the
    last segment; before the oldest, zeros fill the first one up. A segment of one step is read as it is. The head reads
    the last state and what the series is; a linear map of what is known of each step to come is added.

    By option a linear map of the normalised window is added too, shared by the variables, for what recurrences learn
    slowly: level, trend, season (Lai, Chang, Yang, Liu, "Modeling long- and short-term temporal patterns with deep
    neural networks", SIGIR 2018; Zeng, Chen, Zhang, Xu, "Are transformers effective for time series forecasting?",
    AAAI 2023). Steps before the first of a window count as zeros there.

    Untrained, it forecasts about the mean of the window.

    Args:
        sizes: how many numbers a window has.
        config: sizes, cell, depth, dropout, output, normalisation; with horizon, window, segment and linear.

    Raises:
        SettingsError: a config without one of these four.
    """

    def __init__(self, sizes: WindowSizes, config: ForecastModelConfig) -> None:
        super().__init__(sizes, config)
        if config.window is None or config.segment is None or config.linear is None:
            told = {name: getattr(config, name) for name in ("window", "segment", "linear")}
            raise SettingsError(f"a direct forecaster needs to know window, segment and linear, got {told}; give all")
        variables, size = sizes.variables, config.segment * (sizes.variables + sizes.covariates)
        self.window, self.segment = config.window, config.segment
        self.embed: nn.Module = nn.Identity()
        if self.segment > 1:
            self.embed = nn.Sequential(nn.Linear(size, config.hidden_size), nn.ReLU())
            size = config.hidden_size
        self.recurrent = make_recurrent(
            config.cell,
            size,
            config.hidden_size,
            num_layers=config.num_layers,
            chrono_steps=config.chrono_steps,
            dropout=config.dropout,
        )
        self.dropout = nn.Dropout(config.dropout)
        said = variables * self.output.size
        self.head = start_small(nn.Linear(config.hidden_size + sizes.static, self.horizon * said))
        self.ahead = start_small(nn.Linear(sizes.ahead, said, bias=False)) if sizes.ahead else None
        self.linear = nn.Linear(config.window, self.horizon) if config.linear else None
        if self.linear is not None:
            nn.init.zeros_(self.linear.bias)
            # without instance norm 0 would be the mean of the training part; a count's raw number is not its value
            mean_of_window = 0.0 if config.output == "negative-binomial" else 1 / config.window
            nn.init.constant_(self.linear.weight, mean_of_window)

    def forward(self, batch: WindowBatch) -> Tensor:
        """The mean loss of all values to come, in the units of the batch: a scalar.

        Raises:
            ShapeError: windows of other sizes than those of the network, or without targets.
        """
        raw, affine = self.raw(batch)
        return self.output.loss(raw, targets_of(batch), affine).mean()

    @torch.no_grad()
    def forecast(self, batch: WindowBatch, levels: Sequence[float] = LEVELS) -> Forecast:
        """Forecast, without gradient; the targets are not looked at.

        Raises:
            ShapeError: windows of other sizes than those of the network.
            SettingsError: a level that is not between 0 and 1.
        """
        raw, affine = self.raw(batch)
        return Forecast(self.output.mean(raw, affine), self.output.quantiles(raw, levels, affine))

    def raw(self, batch: WindowBatch) -> tuple[Tensor, Affine]:
        """The raw numbers [B, H, C, K] and the affine of them, [B, 1, C]."""
        affine = self.affine(batch)
        past = affine.invert(batch.past)
        data, layout = self._read(past, batch)
        _, state = self.recurrent.forward_packed(data, layout)
        last = self.dropout(layout.unsort(state[0][-1], 0))
        raw: Tensor = self.head(torch.cat([last, batch.static], 1) if self.sizes.static else last)
        raw = raw.unflatten(1, (self.horizon, self.sizes.variables, self.output.size))
        if self.ahead is not None:
            raw = raw + self.ahead(batch.ahead).unflatten(2, (self.sizes.variables, self.output.size))
        raw = raw.to(torch.promote_types(raw.dtype, torch.float32))  # under autocast it is bfloat16
        if self.linear is not None:
            newest = align(past, batch.lengths, torch.full_like(batch.lengths, self.window), self.window)
            location = raw[..., 0] + self.linear(newest.transpose(1, 2)).transpose(1, 2)
            raw = torch.cat([location.unsqueeze(-1), raw[..., 1:]], -1)
        return raw, affine

    def recurrent_inputs(self, batch: WindowBatch) -> tuple[Tensor, Tensor]:
        """What the recurrent layers read, [B, T', I] with zeros in the padding, and how many segments that is, [B]."""
        data, layout = self._read(self.affine(batch).invert(batch.past), batch)
        segments = self._segments(batch.lengths)
        return layout.unpack(data, len(layout.batch_sizes), batch_first=True), segments

    def _segments(self, lengths: Tensor) -> Tensor:
        if int(lengths.max()) > self.window:
            raise ShapeError(f"past: expected at most {self.window} steps (window), got {int(lengths.max())}")
        return (lengths + self.segment - 1) // self.segment

    def _read(self, past: Tensor, batch: WindowBatch) -> tuple[Tensor, Layout]:
        """What the recurrent layers read, [N, I], packed, of the normalised past [B, T, C]."""
        segments = self._segments(batch.lengths)
        steps = segments * self.segment
        values = torch.cat([past, batch.covariates], 2) if self.sizes.covariates else past
        values = align(values, batch.lengths, steps, int(steps.max()))
        layout = Layout.from_lengths(segments)
        data = layout.pack(values.unflatten(1, (-1, self.segment)).flatten(2), batch_first=True)
        return self.embed(data), layout


def align(values: Tensor, lengths: Tensor, ends: Tensor, size: int) -> Tensor:
    """Move sequences [B, T, F] of some lengths [B] so that they end before the steps `ends` [B] of [B, size, F].

    What is around them is zeros, whatever the padding was. Where an end is less than the length, the oldest are cut.
    """
    front = ends - lengths
    if bool((lengths == values.shape[1]).all()) and bool((front == size - values.shape[1]).all()):
        before = size - values.shape[1]
        return nn.functional.pad(values, (0, 0, before, 0)) if before else values
    steps = (torch.arange(size) - front.unsqueeze(1)).to(values.device)  # [B, size], of the sequence
    outside = (steps < 0) | (steps >= lengths.to(values.device).unsqueeze(1))
    index = steps.clamp(0, values.shape[1] - 1).unsqueeze(2).expand(-1, -1, values.shape[2])
    return values.gather(1, index).masked_fill(outside.unsqueeze(2), 0.0)


def start_small(layer: nn.Linear) -> nn.Linear:
    """Draw the weights of a head small and its biases 0: what it says at the start is next to nothing."""
    nn.init.normal_(layer.weight, std=0.03 / math.sqrt(layer.in_features))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def targets_of(batch: WindowBatch) -> Tensor:
    """The targets [B, H, C].

    Raises:
        ShapeError: there are none.
    """
    if batch.targets is None:
        raise ShapeError("targets: a loss needs what the variables became, got None")
    return batch.targets


def _check_batch(batch: WindowBatch, sizes: WindowSizes, horizon: int) -> None:
    windows, steps = batch.past.shape[:2]
    expected = {
        "past": (windows, steps, sizes.variables),
        "covariates": (windows, steps, sizes.covariates),
        "ahead": (windows, horizon, sizes.ahead),
        "static": (windows, sizes.static),
        "targets": (windows, horizon, sizes.variables),
        "lengths": (windows,),
    }
    for name, shape in expected.items():
        given = getattr(batch, name)
        if given is not None and given.shape != shape:
            raise ShapeError(f"{name}: expected {shape} for {sizes} and horizon {horizon}, got {tuple(given.shape)}")
