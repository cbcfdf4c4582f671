"""Forecasters: alone and in company, blind to the future, by hand, and on recurrences whose continuation is known."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from recurra.batch import Window, WindowBatch, make_window_batch
from recurra.config import ForecastModelConfig
from recurra.errors import SettingsError, ShapeError
from recurra.nn.autoregressive import AutoregressiveForecaster, make_forecaster
from recurra.nn.forecasting import DirectForecaster, WindowSizes, align
from recurra.nn.outputs import LEVELS

OUTPUTS = ("point", "gaussian", "student-t", "negative-binomial", "quantiles")
SIZES = WindowSizes(variables=2, covariates=5, ahead=3, static=2)
BARE = WindowSizes(variables=1, covariates=0, ahead=0, static=0)
HORIZON, WINDOW = 3, 12
LENGTHS = [12, 1, 5, 12, 8]


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def config(decoder: str = "direct", **options: object) -> ForecastModelConfig:
    settings = {"horizon": HORIZON, "window": WINDOW, "hidden_size": 6, "dropout": 0.0, "decoder": decoder, **options}
    if decoder == "direct":
        settings = {"segment": 5, "linear": True, **settings}
    return ForecastModelConfig(**settings)


def make(decoder: str = "direct", sizes: WindowSizes = SIZES, **options: object):
    """Make one with opinions: no parameter is what it is at the start."""
    network = make_forecaster(sizes, config(decoder, **options))
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if not name.startswith("recurrent."):
                parameter += 0.3 * torch.randn_like(parameter)
    return network.eval()


def windows(counts: bool = False, sizes: WindowSizes = SIZES, lengths: list[int] = LENGTHS) -> list[Window]:
    rng = np.random.default_rng(4)
    made = []
    for length in lengths:
        steps = [length, HORIZON]
        shapes = [(steps[0], sizes.variables), (steps[0], sizes.covariates), (steps[1], sizes.ahead), (sizes.static,)]
        past, covariates, ahead, static = (rng.normal(size=shape).astype(np.float32) for shape in shapes)
        targets = rng.normal(size=(HORIZON, sizes.variables)).astype(np.float32)
        if counts:
            past, targets = (np.floor(np.abs(4 * part)) for part in (past, targets))
        made.append(Window(past, covariates, ahead, static, targets))
    return made


def padded_further(batch: WindowBatch, steps: int = 4) -> WindowBatch:
    """The same with noise in all padding, and more of it."""

    def noisy(values: Tensor) -> Tensor:
        wide = nn.functional.pad(values, (0, 0, 0, steps))
        beyond = torch.arange(wide.shape[1]) >= batch.lengths.unsqueeze(1)
        return torch.where(beyond.unsqueeze(2), 100 * torch.randn_like(wide).round(), wide)

    return batch._replace(past=noisy(batch.past), covariates=noisy(batch.covariates))


def shaped(decoder: str, output: str) -> bool:
    return decoder == "direct" or output != "point"


BOTH = [(decoder, output) for decoder in ("direct", "autoregressive") for output in OUTPUTS if shaped(decoder, output)]
KINDS = {
    "segments": {},
    "steps": {"segment": 1},
    "no-linear": {"linear": False},
    "no-norm": {"instance_norm": False},
    "deep-lstm": {"cell": "lstm", "num_layers": 2},
    "rnn": {"cell": "rnn"},
    "one-segment": {"segment": 40},
}


def company(network, counts: bool) -> None:
    together = windows(counts)
    batch = make_window_batch(together)
    forecast, loss = network.forecast(batch), network(batch)
    assert forecast.mean.shape == (5, HORIZON, 2)
    assert forecast.quantiles.shape == (5, HORIZON, 2, len(LEVELS))
    wide = padded_further(batch)
    torch.testing.assert_close(network(wide), loss, rtol=0, atol=1e-5)
    order = [3, 1, 4, 0, 2]
    shuffled = network.forecast(make_window_batch([together[row] for row in order]))
    for found, further, moved in zip(forecast, network.forecast(wide), shuffled):
        torch.testing.assert_close(further, found, rtol=0, atol=1e-5)
        torch.testing.assert_close(moved, found[order], rtol=0, atol=1e-5)
    losses = []
    for row, window in enumerate(together):
        alone = make_window_batch([window])
        for found, of_all in zip(network.forecast(alone), forecast):
            torch.testing.assert_close(found[0], of_all[row], rtol=0, atol=1e-5)
        losses.append(network(alone).item())
    steps = [length + HORIZON for length in LENGTHS]
    weights = steps if isinstance(network, AutoregressiveForecaster) else None
    assert loss.item() == pytest.approx(np.average(losses, weights=weights), abs=1e-5)


@pytest.mark.parametrize(("decoder", "output"), BOTH)
def test_company_and_padding_change_nothing(decoder, output):
    company(make(decoder, output=output), output == "negative-binomial")


@pytest.mark.parametrize("kind", KINDS)
def test_company_and_padding_change_nothing_of_any_kind(kind):
    company(make(**KINDS[kind]), counts=False)


@pytest.mark.parametrize("cell", ["lstm", "rnn"])
def test_company_and_padding_change_nothing_step_by_step(cell):
    company(make("autoregressive", cell=cell, num_layers=2, instance_norm=False), counts=False)


@pytest.mark.parametrize(("decoder", "output"), BOTH)
def test_the_future_does_not_reach_a_forecast(decoder, output):
    network, batch = make(decoder, output=output), make_window_batch(windows(output == "negative-binomial"))
    expected = network.forecast(batch)
    for targets in (None, batch.targets + 50, batch.targets * torch.nan):
        for found, before in zip(network.forecast(batch._replace(targets=targets)), expected):
            assert torch.equal(found, before)


@pytest.mark.parametrize("decoder", ["direct", "autoregressive"])
def test_all_that_is_known_reaches_the_forecast(decoder):
    """What is known ahead of step h changes it, in an autoregressive forecast not those before."""
    network, batch = make(decoder), make_window_batch(windows())
    expected = network.forecast(batch).mean
    for part in ("past", "covariates", "static"):
        changed = network.forecast(batch._replace(**{part: getattr(batch, part) + 0.5})).mean
        assert (changed != expected).flatten(1).any(1).all(), part
    for step in range(HORIZON):
        ahead = batch.ahead.clone()
        ahead[:, step] += 1
        changed = (network.forecast(batch._replace(ahead=ahead)).mean != expected).flatten(2).any(2)
        assert not changed[:, :step].any()
        assert changed[:, step].all()
        assert decoder == "autoregressive" or not changed[:, step + 1 :].any()


def test_the_newest_covariates_known_up_to_now_reach_the_first_step_to_come():
    """Those of the last step of the past, in both forecasters; those of a step before its own in none."""
    batch = make_window_batch(windows())
    for decoder in ("direct", "autoregressive"):
        network = make(decoder)
        covariates = batch.covariates.clone()
        covariates[torch.arange(5), batch.lengths - 1, 0] += 1
        changed = network.forecast(batch._replace(covariates=covariates)).mean != network.forecast(batch).mean
        assert changed[:, 0].any(1).all()


# the direct forecaster, by hand


@pytest.mark.parametrize("output", ["gaussian", "negative-binomial"])
def test_the_linear_map_alone_is_a_linear_model(output):
    counts = output == "negative-binomial"
    network, given = make(output=output), windows(counts)
    with torch.no_grad():
        network.head.weight.zero_()
        network.head.bias.zero_()
        network.ahead.weight.zero_()
    raw, affine = network.raw(make_window_batch(given))
    weight, bias = network.linear.weight, network.linear.bias
    for row, window in enumerate(given):
        z = (torch.from_numpy(window.past) - affine.shift[row]) / affine.scale[row]
        for variable in range(2):
            for step in range(HORIZON):
                expected = bias[step] + weight[step, WINDOW - len(z) :] @ z[:, variable]
                torch.testing.assert_close(raw[row, step, variable, 0], expected, rtol=1e-5, atol=1e-5)
    assert not raw[..., 1:].any()


@pytest.mark.parametrize("segment", [1, 4, 5])
def test_the_recurrence_reads_segments_that_end_with_the_newest_step(segment):
    """Against torch.nn, from segments cut by hand; the head and what is known ahead too."""
    network, given = make(segment=segment, linear=False, cell="lstm", num_layers=2), windows()
    batch = make_window_batch(given)
    raw, affine = network.raw(batch)
    layers = nn.LSTM(network.recurrent.input_size, 6, 2, batch_first=True)
    layers.load_state_dict(network.recurrent.state_dict())
    padded, counts = network.recurrent_inputs(batch)
    for row, window in enumerate(given):
        z = (torch.from_numpy(window.past) - affine.shift[row]) / affine.scale[row]
        steps = torch.cat([z, torch.from_numpy(window.covariates)], 1)
        starts = range(len(steps) % segment or segment, len(steps) + 1, segment)
        pieces = [steps[max(0, end - segment) : end] for end in starts]
        read = torch.stack([nn.functional.pad(piece, (0, 0, segment - len(piece), 0)).flatten() for piece in pieces])
        if segment > 1:
            read = torch.relu(network.embed[0](read))
        assert counts[row] == len(read)
        torch.testing.assert_close(padded[row, : len(read)], read, rtol=1e-5, atol=1e-5)
        assert not padded[row, len(read) :].any()
        _, (h_n, _) = layers(read.unsqueeze(0))
        expected = network.head(torch.cat([h_n[-1, 0], batch.static[row]])).view(HORIZON, 2, 3)
        expected = expected + network.ahead(batch.ahead[row]).view(HORIZON, 2, 3)
        torch.testing.assert_close(raw[row], expected, rtol=1e-4, atol=1e-4)


def test_align_by_hand():
    values = torch.tensor([[[1.0], [2.0], [9.0]], [[3.0], [4.0], [5.0]]])
    lengths = torch.tensor([2, 3])
    assert align(values, lengths, torch.tensor([4, 4]), 4).squeeze(2).tolist() == [[0, 0, 1, 2], [0, 3, 4, 5]]
    assert align(values, lengths, torch.tensor([2, 4]), 4).squeeze(2).tolist() == [[1, 2, 0, 0], [0, 3, 4, 5]]
    assert align(values, lengths, torch.tensor([2, 2]), 2).squeeze(2).tolist() == [[1, 2], [4, 5]]
    full = torch.tensor([3, 3])
    assert align(values, full, full, 3) is values
    assert align(values, full, full + 1, 4).squeeze(2).tolist() == [[0, 1, 2, 9], [0, 3, 4, 5]]


# the autoregressive forecaster, by hand


def read_by_hand(window: Window, z: Tensor) -> list[Tensor]:
    """What each step of past and horizon reads: value before, P of the step before, A of the step, static."""
    length = len(window.past)
    known, ahead = window.covariates[:, :2], np.concatenate([window.covariates[:, 2:], window.ahead])
    read = []
    for step in range(length + HORIZON):
        before = z[step - 1] if step else torch.zeros(2)
        lagged = torch.from_numpy(known[step - 1]) if 0 < step <= length else torch.zeros(2)
        read.append(torch.cat([before, lagged, torch.from_numpy(ahead[step]), torch.from_numpy(window.static)]))
    return read


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_training_in_one_call_is_step_by_step(cell):
    """Against torch.nn, from what each step reads by hand; the loss is that of all steps."""
    network, given = make("autoregressive", cell=cell, num_layers=2, output="gaussian"), windows()
    batch = make_window_batch(given)
    affine, (padded, lengths) = network.affine(batch), network.recurrent_inputs(batch)
    layers = getattr(nn, cell.upper())(network.recurrent.input_size, 6, 2)
    layers.load_state_dict(network.recurrent.state_dict())
    losses = []
    for row, window in enumerate(given):
        values = torch.from_numpy(np.concatenate([window.past, window.targets]))
        own = affine.map(lambda part, row=row: part[row])
        read, state = read_by_hand(window, own.invert(values)), None
        assert lengths[row] == len(read)
        torch.testing.assert_close(padded[row, : len(read)], torch.stack(read))
        for step, value in zip(read, values):
            output, state = layers(step.unsqueeze(0), state)
            losses.append(network.output.loss(network.head(output[0]).view(2, 2), value, own.map(lambda part: part[0])))
    torch.testing.assert_close(network(batch), torch.stack(losses).mean(), rtol=1e-5, atol=1e-5)


def raw_of_training(network: AutoregressiveForecaster, batch: WindowBatch) -> Tensor:
    """The raw numbers of each step of past and horizon, [B, T + H, C, K], zeros in the padding."""
    padded, lengths = network.recurrent_inputs(batch)
    packed = pack_padded_sequence(padded, lengths, batch_first=True, enforce_sorted=False)
    outputs, _ = network.recurrent(packed)
    unpacked, _ = nn.utils.rnn.pad_packed_sequence(outputs, batch_first=True)
    return network.head(unpacked).unflatten(-1, (2, -1))


def test_a_value_reaches_no_step_up_to_its_own_in_training():
    network, batch = make("autoregressive", instance_norm=False), make_window_batch(windows(lengths=[6, 6, 6]))
    before = raw_of_training(network, batch)
    for step in range(6 + HORIZON):
        past, targets = batch.past.clone(), batch.targets.clone()
        (past[:, step] if step < 6 else targets[:, step - 6]).add_(1.0)
        changed = raw_of_training(network, batch._replace(past=past, targets=targets)) != before
        changed = changed.flatten(2).any(2)
        assert not changed[:, : step + 1].any()
        assert changed[:, step + 1 :].all()


def test_targets_reach_no_step_before_them_in_training_through_the_normalisation():
    network, batch = make("autoregressive"), make_window_batch(windows(lengths=[6, 6]))
    changed = raw_of_training(network, batch._replace(targets=batch.targets + 9)) != raw_of_training(network, batch)
    assert not changed[:, :7].any()
    assert changed[:, 7:].flatten(2).any(2).all()


def test_a_path_is_the_training_pass_over_what_it_drew():
    """Read in one call, a path's own values give its last steps the raw numbers from which they were drawn."""
    network, batch = make("autoregressive", output="gaussian"), make_window_batch(windows())
    drawn: list[Tensor] = []
    sample = network.output.sample
    network.output.sample = lambda raw, affine, generator: drawn.append(raw) or sample(raw, affine, generator)
    paths = network.paths(batch, draws=4, seed=3)
    assert paths.shape == (5, 4, HORIZON, 2)
    for path in range(4):
        raw = raw_of_training(network, batch._replace(targets=paths[:, path]))
        for row, length in enumerate(LENGTHS):
            expected = torch.stack([of_step[row, path] for of_step in drawn])
            torch.testing.assert_close(raw[row, length : length + HORIZON], expected, rtol=0, atol=1e-5)


def test_forecasts_by_draws_follow_the_seed():
    network, batch = make("autoregressive"), make_window_batch(windows())
    first, again, other = (network.forecast(batch, draws=20, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first.mean, again.mean)
    assert torch.equal(first.quantiles, again.quantiles)
    assert not torch.equal(first.mean, other.mean)


def test_mean_and_quantiles_are_those_of_the_paths():
    network, batch = make("autoregressive"), make_window_batch(windows())
    paths = network.paths(batch, draws=37, seed=5)
    forecast = network.forecast(batch, [0.05, 0.5, 0.99], draws=37, seed=5)
    torch.testing.assert_close(forecast.mean, paths.mean(1))
    expected = torch.quantile(paths, torch.tensor([0.05, 0.5, 0.99]), dim=1).movedim(0, -1)
    torch.testing.assert_close(forecast.quantiles, expected)


# both


@pytest.mark.parametrize(("decoder", "output"), BOTH)
def test_the_gradient_reaches_all_parameters(decoder, output):
    network = make_forecaster(SIZES, config(decoder, output=output, num_layers=2))  # as it is at the start
    network(make_window_batch(windows(output == "negative-binomial"))).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


@pytest.mark.parametrize(("decoder", "output"), BOTH)
def test_untrained_it_forecasts_about_the_mean_of_the_window(decoder, output):
    counts = output == "negative-binomial"
    network, given = make_forecaster(SIZES, config(decoder, output=output)).eval(), windows(counts)
    given = [window._replace(past=window.past + 20) for window in given]
    forecast = network.forecast(make_window_batch(given))
    for window, mean in zip(given, forecast.mean):
        expected = torch.from_numpy(window.past.mean(0)) + counts
        torch.testing.assert_close(mean, expected.expand_as(mean), rtol=0.1 if counts else 0.02, atol=0)


@pytest.mark.parametrize("decoder", ["direct", "autoregressive"])
def test_dropout_is_for_training_alone(decoder):
    network, batch = make(decoder, dropout=0.5), make_window_batch(windows())
    assert torch.equal(network(batch), network(batch))
    network.train()
    assert network(batch) != network(batch)


@pytest.mark.parametrize("decoder", ["direct", "autoregressive"])
def test_mixed_precision_is_near(decoder):
    network, batch = make(decoder), make_window_batch(windows())
    with torch.autocast("cpu", torch.bfloat16):
        loss = network(batch)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, network(batch), rtol=0.05, atol=0.05)


def recurrence(windows: int, length: int, horizon: int, generator: torch.Generator) -> WindowBatch:
    """Windows of y_t = 1.6 y_{t-1} - 0.9 y_{t-2}, each from a start of its own."""
    values = torch.randn(windows, 2, generator=generator).unbind(1)
    made = list(values)
    for _ in range(length + horizon):
        made.append(1.6 * made[-1] - 0.9 * made[-2])
    series = torch.stack(made[2:], 1).unsqueeze(2)
    nothing = series.new_zeros(windows, 0)
    return WindowBatch(
        series[:, :length],
        series.new_zeros(windows, length, 0),
        series.new_zeros(windows, horizon, 0),
        nothing,
        series[:, length:],
        torch.full((windows,), length),
    )


def learn(network: nn.Module, steps: int, rate: float, length: int, horizon: int) -> WindowBatch:
    """Train on the recurrence, and return windows that it has not seen."""
    generator = torch.Generator().manual_seed(1)
    optimizer = torch.optim.Adam(network.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        optimizer.zero_grad()
        network(recurrence(64, length, horizon, generator)).backward()
        optimizer.step()
        schedule.step()
    network.eval()
    return recurrence(64, length, horizon, generator)


def error_and_bounds(network: nn.Module, batch: WindowBatch, **options: int) -> tuple[float, float]:
    """The relative error of a forecast, and that of the truth a step too early or too late, the lesser."""
    forecast, truth = network.forecast(batch, **options).mean, batch.targets
    size = truth.square().mean()
    too_late = torch.cat([batch.past[:, -1:], truth[:, :-1]], 1)
    off = min((too_late - truth).square().mean(), (truth[:, 1:] - truth[:, :-1]).square().mean())
    return ((forecast - truth).square().mean() / size).item(), (off / size).item()


def test_a_known_recurrence_is_forecast_exactly_by_the_linear_map_that_knows_it():
    network = make(sizes=BARE, instance_norm=False)
    batch = recurrence(5, WINDOW, HORIZON, torch.Generator().manual_seed(0))
    step = torch.tensor([[0.0, 1.0], [-0.9, 1.6]])  # from (y_{t-2}, y_{t-1}) to (y_{t-1}, y_t)
    with torch.no_grad():
        for parameter in (network.head.weight, network.head.bias, network.linear.weight, network.linear.bias):
            parameter.zero_()
        for ahead in range(HORIZON):
            network.linear.weight[ahead, -2:] = torch.linalg.matrix_power(step, ahead + 1)[1]
    torch.testing.assert_close(network.forecast(batch).mean, batch.targets, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("linear", [True, False], ids=["linear", "recurrence-alone"])
def test_a_known_recurrence_is_learnt(linear):
    options = config(horizon=4, window=8, segment=2, linear=linear, hidden_size=32, output="point")
    network = DirectForecaster(BARE, options)
    error, off = error_and_bounds(network, learn(network, 150, 1e-2, 8, 4))
    assert off > 0.2
    assert error < (0.002 if linear else 0.01)


def test_a_known_recurrence_is_learnt_step_by_step():
    options = config("autoregressive", horizon=4, window=8, hidden_size=32, output="gaussian")
    network = AutoregressiveForecaster(BARE, options)
    error, off = error_and_bounds(network, learn(network, 150, 1e-2, 8, 4), draws=50)
    assert off > 0.2
    assert error < 0.01


# refusals


@pytest.mark.parametrize("name", ["past", "covariates", "ahead", "static", "targets", "lengths"])
@pytest.mark.parametrize("decoder", ["direct", "autoregressive"])
def test_windows_of_other_sizes_are_refused(decoder, name):
    batch = make_window_batch(windows())
    wrong = batch._replace(**{name: getattr(batch, name)[..., 1:]})
    with pytest.raises(ShapeError, match=f"{name}: expected .* for WindowSizes.* and horizon 3, got"):
        make(decoder)(wrong)


@pytest.mark.parametrize("decoder", ["direct", "autoregressive"])
def test_a_loss_needs_targets(decoder):
    with pytest.raises(ShapeError, match="targets: a loss needs"):
        make(decoder)(make_window_batch(windows())._replace(targets=None))


def test_a_past_longer_than_the_window_is_refused():
    with pytest.raises(ShapeError, match=r"past: expected at most 12 steps \(window\), got 13"):
        make()(make_window_batch(windows(lengths=[13, 2])))


def test_what_a_network_needs_to_know_is_asked_for():
    with pytest.raises(SettingsError, match="horizon: a network needs to know it"):
        make_forecaster(SIZES, config(horizon=None))
    for missing in ("window", "segment", "linear"):
        with pytest.raises(SettingsError, match="needs to know window, segment and linear"):
            make_forecaster(SIZES, config(**{missing: None}))
    with pytest.raises(SettingsError, match="'point' cannot; choose another"):
        make_forecaster(SIZES, config("autoregressive", output="point"))
    with pytest.raises(SettingsError, match="draws: expected at least 1, got 0"):
        make("autoregressive").forecast(make_window_batch(windows()), draws=0)
    with pytest.raises(SettingsError, match="levels: expected numbers between 0 and 1"):
        make("autoregressive").forecast(make_window_batch(windows()), [1.5], draws=2)


def test_the_decoder_says_which_forecaster():
    assert isinstance(make(), DirectForecaster)
    assert isinstance(make("autoregressive"), AutoregressiveForecaster)
    assert all(low < high for low, high in pairwise(LEVELS))
