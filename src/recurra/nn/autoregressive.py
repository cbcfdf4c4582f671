"""Windows of series in, the steps to come out one after the other, each drawn after those before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from recurra.batch import WindowBatch
from recurra.config import ForecastModelConfig
from recurra.errors import SettingsError
from recurra.kernels.cells import State
from recurra.kernels.layout import Layout
from recurra.nn.distributions import check_levels
from recurra.nn.encoder import make_recurrent
from recurra.nn.forecasting import (
    DirectForecaster,
    Forecast,
    Forecaster,
    WindowSizes,
    start_small,
    targets_of,
)
from recurra.nn.outputs import LEVELS, Affine

__all__ = ["AutoregressiveForecaster", "make_forecaster"]


class AutoregressiveForecaster(Forecaster):
    """DeepAR: recurrent layers that read the value before and what is known of the step, and say what its value is.

    In training they read all steps of the window and the horizon in one call, each with the true value before, and
    learn the values of all. A forecast is made of paths: at each step a value is drawn, and read at the next (Salinas,
    Flunkert, Gasthaus, Januschowski, "DeepAR: Probabilistic forecasting with autoregressive recurrent networks",
    International Journal of Forecasting 36, 2020). Of several variables each is drawn by itself, given the state.

    A step reads, in this order: the C values before it, normalised; the P covariates that are known up to now alone, of
    the step before; the A that are known ahead, of the step itself; and the S numbers of the series. What is not there
    yet is 0: the values before the first step, and the P covariates after the first step to come.

    Dropout is variational: on what the last layer gives, alike at all steps of a window.

    Args:
        sizes: how many numbers a window has.
        config: sizes, cell, depth, dropout, output and normalisation; with its horizon.

    Raises:
        SettingsError: the output is ``"point"``, from which nothing can be drawn, or there is no horizon.
    """

    def __init__(self, sizes: WindowSizes, config: ForecastModelConfig) -> None:
        super().__init__(sizes, config)
        if config.output == "point":
            raise SettingsError("output: an autoregressive decoder draws values, which 'point' cannot; choose another")
        self.recurrent = make_recurrent(
            config.cell,
            sizes.variables + sizes.covariates + sizes.static,
            config.hidden_size,
            num_layers=config.num_layers,
            chrono_steps=config.chrono_steps,
            dropout=config.dropout,
            output_dropout=config.dropout,
        )
        self.head = start_small(nn.Linear(config.hidden_size, sizes.variables * self.output.size))

    def forward(self, batch: WindowBatch) -> Tensor:
        """The mean loss of all values of the window and the horizon, in the units of the batch: a scalar.

        Raises:
            ShapeError: windows of other sizes than those of the network, or without targets.
        """
        affine = self.affine(batch)
        lengths = batch.lengths + self.horizon
        layout = Layout.from_lengths(lengths)
        values = _append(batch.past, targets_of(batch), batch.lengths)
        outputs, _ = self.recurrent.forward_packed(self._read(values, batch, affine, layout), layout)
        of_rows = affine.map(lambda part: layout.spread(part.squeeze(1)))
        return self.output.loss(self._raw(outputs), layout.pack(values, batch_first=True), of_rows).mean()

    @torch.no_grad()
    def forecast(
        self, batch: WindowBatch, levels: Sequence[float] = LEVELS, draws: int = 200, seed: int = 0
    ) -> Forecast:
        """Draw paths, without gradient; mean and quantiles are those of the paths. The targets are not looked at.

        What is drawn for a window does not depend on its company: all windows of a batch get the same random numbers.

        Raises:
            ShapeError: windows of other sizes than those of the network.
            SettingsError: less than one draw, or a level that is not between 0 and 1.
        """
        paths = self.paths(batch, draws, seed)
        return Forecast(paths.mean(1), _quantiles_of(paths, levels))

    @torch.no_grad()
    def paths(self, batch: WindowBatch, draws: int, seed: int = 0) -> Tensor:
        """Draw paths of all windows, step by step: [B, draws, H, C]; errors as of :meth:`forecast`."""
        if draws < 1:
            raise SettingsError(f"draws: expected at least 1, got {draws}")
        generator = torch.Generator(batch.past.device).manual_seed(seed)
        return self._rolled(batch, draws, lambda raw, affine: self.output.sample(raw, affine, generator))

    def mean_path(self, batch: WindowBatch) -> Tensor:
        """The path on which each step is the mean of what is said of it after the means before, [B, H, C].

        Of the first step that is the mean of all paths; of later ones it need not be. It can be differentiated.
        """
        return self._rolled(batch, 1, self.output.mean).squeeze(1)

    def _rolled(self, batch: WindowBatch, draws: int, choose: Callable[[Tensor, Affine], Tensor]) -> Tensor:
        """Paths [B, draws, H, C] whose values [B, draws, C] are chosen step by step by what is said of them."""
        affine = self.affine(batch)
        outputs, state = self._warm_up(batch, affine)
        values: list[Tensor] = []
        outputs = outputs.repeat_interleave(draws, 0)
        state = tuple(part.repeat_interleave(draws, 1) for part in state)
        layout = Layout.full(1, len(outputs))
        for step in range(self.horizon):
            if step:
                data = self._read_step(affine.invert(values[-1]), batch, step)
                outputs, state = self.recurrent.forward_packed(data, layout, state)
            raw = self._raw(outputs).unflatten(0, (-1, draws))
            values.append(choose(raw, affine))
        return torch.stack(values, 2)

    def recurrent_inputs(self, batch: WindowBatch) -> tuple[Tensor, Tensor]:
        """What the recurrent layers read of past and horizon, [B, T + H, I], zeros in the padding; lengths [B]."""
        lengths = batch.lengths + self.horizon
        layout = Layout.from_lengths(lengths)
        values = _append(batch.past, targets_of(batch), batch.lengths)
        data = self._read(values, batch, self.affine(batch), layout)
        return layout.unpack(data, len(layout.batch_sizes), batch_first=True), lengths

    def _read(self, values: Tensor, batch: WindowBatch, affine: Affine, layout: Layout) -> Tensor:
        """What the steps of past and horizon read, packed, [N, I], of their values [B, T + H, C]."""
        known = batch.covariates.shape[2] - self.sizes.ahead
        before = [affine.invert(values)]
        if known:
            unknown = batch.covariates.new_zeros(len(values), self.horizon, known)
            before.append(_append(batch.covariates[..., :known], unknown, batch.lengths))
        parts = [nn.functional.pad(torch.cat(before, 2)[:, :-1], (0, 0, 1, 0))]
        if self.sizes.ahead:
            parts.append(_append(batch.covariates[..., known:], batch.ahead, batch.lengths))
        if self.sizes.static:
            parts.append(batch.static.unsqueeze(1).expand(-1, values.shape[1], -1))
        return layout.pack(torch.cat(parts, 2), batch_first=True)

    def _warm_up(self, batch: WindowBatch, affine: Affine) -> tuple[Tensor, State]:
        """Read the past and what is known of the first step to come: what the last layer says of it, and the state."""
        layout = Layout.from_lengths(batch.lengths + 1)
        after = batch.past.new_zeros(len(batch.past), self.horizon, self.sizes.variables)
        values = _append(batch.past, after, batch.lengths)
        outputs, state = self.recurrent.forward_packed(self._read(values, batch, affine, layout), layout)
        last = outputs.index_select(0, layout.last_rows().to(outputs.device))
        return layout.unsort(last, 0), tuple(layout.unsort(part, 1) for part in state)

    def _read_step(self, before: Tensor, batch: WindowBatch, step: int) -> Tensor:
        """What a step to come but the first reads, [B * draws, I], after normalised values [B, draws, C]."""
        draws = before.shape[1]
        known = before.new_zeros(len(before), self.sizes.covariates - self.sizes.ahead)
        told = torch.cat([known, batch.ahead[:, step], batch.static], 1)
        return torch.cat([before, told.unsqueeze(1).expand(-1, draws, -1)], 2).flatten(0, 1)

    def _raw(self, outputs: Tensor) -> Tensor:
        """Raw numbers [..., C, K] of outputs [..., H]."""
        raw: Tensor = self.head(outputs).unflatten(-1, (self.sizes.variables, self.output.size))
        return raw.to(torch.promote_types(raw.dtype, torch.float32))  # under autocast it is bfloat16


def make_forecaster(sizes: WindowSizes, config: ForecastModelConfig) -> DirectForecaster | AutoregressiveForecaster:
    """Make the forecaster of a config's `decoder`.

    Raises:
        SettingsError: what this forecaster needs to know is not said, or its output cannot be drawn from.
    """
    return (DirectForecaster if config.decoder == "direct" else AutoregressiveForecaster)(sizes, config)


def _append(past: Tensor, after: Tensor, lengths: Tensor) -> Tensor:
    """What comes after put right behind the pasts: [B, T, F] of lengths [B] and [B, H, F] as [B, T + H, F]."""
    joined = torch.cat([past, after], 1)
    longest = past.shape[1]
    if int(lengths.min()) == longest:
        return joined
    steps = torch.arange(joined.shape[1])
    behind = steps + (longest - lengths).unsqueeze(1) * (steps >= lengths.unsqueeze(1))  # padding is skipped
    index = behind.clamp(max=joined.shape[1] - 1).to(past.device)
    return joined.gather(1, index.unsqueeze(2).expand(-1, -1, past.shape[2]))


def _quantiles_of(paths: Tensor, levels: Sequence[float]) -> Tensor:
    """Empirical quantiles of draws [B, draws, H, C]: [B, H, C, Q], between draws by linear interpolation."""
    check_levels(levels)
    ordered = paths.movedim(1, -1).sort(-1).values
    places = torch.tensor(levels, dtype=torch.float64, device=paths.device) * (paths.shape[1] - 1)
    below = places.floor().long()
    above = (below + 1).clamp(max=paths.shape[1] - 1)
    return torch.lerp(ordered[..., below], ordered[..., above], (places - below).to(paths.dtype))
