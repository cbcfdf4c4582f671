"""What a network says of a value: against scipy's distributions, and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from recurra.errors import DataError, SettingsError
from recurra.nn.outputs import LEVELS, Affine, make_output

NAMES = ("point", "gaussian", "student-t", "negative-binomial", "quantiles")
DRAWABLE = NAMES[1:]
NO_AFFINE = Affine(torch.tensor(0.0, dtype=torch.float64), torch.tensor(1.0, dtype=torch.float64))


def softplus_of_moved(raw: Tensor) -> np.ndarray:
    """1 where raw is 0, never below 0.0001."""
    return 1e-4 + np.log1p(np.exp(raw.numpy() + math.log(math.expm1(1 - 1e-4))))


def reference(name: str, raw: Tensor, affine: Affine):
    """The distribution as scipy has it."""
    raw, shift, scale = raw.detach(), affine.shift.numpy(), affine.scale.numpy()
    place, width = shift + scale * raw[..., 0].numpy(), scale * softplus_of_moved(raw[..., 1])
    if name == "gaussian":
        return stats.norm(place, width)
    if name == "student-t":
        return stats.t(2 + 4 * softplus_of_moved(raw[..., 2]), place, width)
    mean, alpha = scale * softplus_of_moved(raw[..., 0]), softplus_of_moved(raw[..., 1]) / np.sqrt(scale)
    return stats.nbinom(1 / alpha, 1 / (1 + alpha * mean))


def some(name: str, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Affine]:
    """Raw numbers [6, 5, 4, K], values [6, 5, 4] and an affine of each of the six."""
    generator = torch.Generator().manual_seed(3)
    raw = 2 * torch.randn(6, 5, 4, make_output(name).size, generator=generator, dtype=dtype)
    y = 3 * torch.randn(6, 5, 4, generator=generator, dtype=dtype)
    shift = torch.randn(6, 1, 4, generator=generator, dtype=dtype)
    scale = 0.2 + 3 * torch.rand(6, 1, 4, generator=generator, dtype=dtype)
    if name == "negative-binomial":
        return raw, y.abs().mul(3).floor(), Affine(torch.zeros_like(shift), scale)
    return raw, y, Affine(shift, scale)


@pytest.mark.parametrize("name", ["gaussian", "student-t", "negative-binomial"])
def test_losses_means_and_quantiles_are_those_of_scipy(name):
    raw, y, affine = some(name)
    output, expected = make_output(name), reference(name, raw, affine)
    density = expected.logpmf if name == "negative-binomial" else expected.logpdf
    np.testing.assert_allclose(output.loss(raw, y, affine), -density(y.numpy()), rtol=1e-9)
    np.testing.assert_allclose(output.mean(raw, affine), expected.mean(), rtol=1e-9)
    levels = [0.001, *LEVELS, 0.999]
    found = output.quantiles(raw, levels, affine)
    assert found.shape == (6, 5, 4, len(levels))
    for level, values in zip(levels, found.unbind(-1)):
        np.testing.assert_allclose(values, expected.ppf(level), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", ["gaussian", "student-t", "negative-binomial"])
@pytest.mark.parametrize("size", [-30.0, 8.0], ids=["tiny", "large"])
def test_single_precision_is_right_at_the_ends(name, size):
    raw = torch.full((3, make_output(name).size), size)
    raw[:, 0] = 3.0
    y = torch.tensor([2.0, 3.0, 4.0])
    affine = Affine(torch.tensor(0.0), torch.tensor(1.0))
    expected = reference(name, raw.double(), NO_AFFINE)
    density = expected.logpmf if name == "negative-binomial" else expected.logpdf
    np.testing.assert_allclose(make_output(name).loss(raw, y, affine), -density(y.numpy()), rtol=2e-5)


@pytest.mark.parametrize("name", DRAWABLE)
def test_draws_have_the_distribution(name):
    raw, _, affine = some(name)
    output, draws = make_output(name), 20_000
    one = raw[:1, :1].expand(1, draws, 4, output.size)
    sampled = output.sample(one, affine.map(lambda part: part[:1]), torch.Generator().manual_seed(1))[0]
    assert sampled.shape == (draws, 4)
    levels = [0.05, 0.25, 0.5, 0.75, 0.95]
    thresholds = output.quantiles(raw[:1, :1], levels, affine.map(lambda part: part[:1]))[0, 0]  # [4, Q]
    below = (sampled.unsqueeze(-1) <= thresholds).double().mean(0)
    if name == "negative-binomial":
        expected = torch.from_numpy(reference(name, raw[:1, :1], affine.map(lambda p: p[:1])).cdf(thresholds.T.numpy()))
        expected = expected.reshape(len(levels), 4).T
    else:
        expected = torch.tensor(levels, dtype=torch.float64).expand(4, -1)
    torch.testing.assert_close(below, expected, rtol=0, atol=4 * 0.5 / math.sqrt(draws))


@pytest.mark.parametrize("name", DRAWABLE)
def test_draws_follow_the_seed_and_not_the_company(name):
    raw, _, affine = some(name, torch.float32)
    output = make_output(name)
    first, again, other = (output.sample(raw, affine, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    alone = output.sample(raw[4:5], affine.map(lambda part: part[4:5]), torch.Generator().manual_seed(1))
    torch.testing.assert_close(alone[0], first[4])


def test_point_is_its_value_everywhere():
    raw, y, affine = some("point")
    output = make_output("point")
    value = affine.shift + affine.scale * raw[..., 0]
    torch.testing.assert_close(output.loss(raw, y, affine), (y - value) ** 2)
    torch.testing.assert_close(output.mean(raw, affine), value)
    assert torch.equal(output.quantiles(raw, [0.1, 0.5], affine), value.unsqueeze(-1).expand(-1, -1, -1, 2))
    with pytest.raises(SettingsError, match="nothing can be drawn from 'point'"):
        output.sample(raw, affine, torch.Generator())


def test_pinball_loss_by_hand():
    raw, y, affine = some("quantiles")
    output = make_output("quantiles")
    knots = output.quantiles(raw, LEVELS, affine)
    expected = torch.zeros_like(y)
    for level, knot in zip(LEVELS, knots.unbind(-1)):
        expected += torch.where(y >= knot, level * (y - knot), (1 - level) * (knot - y)) / len(LEVELS)
    torch.testing.assert_close(output.loss(raw, y, affine), expected)


def test_learnt_quantiles_never_cross_and_lie_between_where_asked():
    raw, _, affine = some("quantiles")
    output = make_output("quantiles")
    knots = output.quantiles(raw, LEVELS, affine)
    assert (knots.diff(dim=-1) > 0).all()
    torch.testing.assert_close(knots[..., 10], affine.shift + affine.scale * raw[..., 0])  # the first is the median
    between = output.quantiles(raw, [0.01, 0.0375, 0.12, 0.99], affine)
    expected = [knots[..., 0], (knots[..., 0] + knots[..., 1]) / 2, 0.6 * knots[..., 2] + 0.4 * knots[..., 3]]
    torch.testing.assert_close(between, torch.stack([*expected, knots[..., 20]], -1))


def test_the_mean_of_learnt_quantiles_is_their_integral():
    raw, _, affine = some("quantiles")
    output = make_output("quantiles")
    grid = [(step + 0.5) / 20_000 for step in range(20_000)]
    by_steps = output.quantiles(raw[:1, :1], grid, affine.map(lambda part: part[:1])).mean(-1)
    torch.testing.assert_close(output.mean(raw, affine)[:1, :1], by_steps, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_zeros_say_about_zero_give_or_take_one(name):
    output = make_output(name)
    raw = torch.zeros(1, output.size, dtype=torch.float64)
    expected = 1.0 if name == "negative-binomial" else 0.0
    assert output.mean(raw, NO_AFFINE).item() == pytest.approx(expected, abs=1e-6)
    if name in ("gaussian", "quantiles"):
        np.testing.assert_allclose(output.quantiles(raw, LEVELS, NO_AFFINE)[0], stats.norm.ppf(LEVELS), atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_those_of_differences(name):
    raw, y, affine = some(name)
    raw, y, affine = raw[:2, :1], y[:2, :1], affine.map(lambda part: part[:2].requires_grad_())
    output = make_output(name)

    def loss(raw: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
        return output.loss(raw, y, Affine(shift, scale))

    assert torch.autograd.gradcheck(loss, (raw.requires_grad_(), *affine))


def test_an_affine_goes_back():
    _, y, affine = some("gaussian")
    torch.testing.assert_close(affine.apply(affine.invert(y)), y)


@pytest.mark.parametrize("value", [-1.0, 0.5, math.nan])
def test_what_is_no_count_is_refused(value):
    raw = torch.zeros(1, 2)
    with pytest.raises(DataError, match="forecasts counts, 0, 1, 2"):
        make_output("negative-binomial").loss(raw, torch.tensor([value]), Affine(torch.tensor(0.0), torch.tensor(1.0)))


@pytest.mark.parametrize("levels", [[], [0.0], [0.5, 1.0]])
@pytest.mark.parametrize("name", NAMES)
def test_levels_out_of_range_are_refused(name, levels):
    with pytest.raises(SettingsError, match=r"levels: expected numbers between 0 and 1, got \["):
        make_output(name).quantiles(torch.zeros(1, make_output(name).size), levels, NO_AFFINE)


def test_an_unknown_output_is_refused():
    with pytest.raises(SettingsError, match="did you mean 'gaussian'"):
        make_output("gausian")
