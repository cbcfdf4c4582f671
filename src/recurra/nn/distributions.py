"""Distributions of a number to come, and the raw numbers of a network that say which.

A network gives K raw numbers for each value, of any size and sign, which speak of z, the value on a scale of its own:
y = shift + scale * z (:class:`Affine`). Raw numbers that are all 0 say: about 0, give or take 1, and of a count about
1. The first of the K is always where the value lies, so that a linear model can be added to it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.polynomial import chebyshev
from numpy.typing import NDArray
from scipy.special import nbdtrik, stdtrit
from torch import Tensor
from torch.nn.functional import softplus

from recurra.errors import DataError, SettingsError

__all__ = ["Affine", "Gaussian", "NegativeBinomial", "Output", "Point", "StudentT", "check_levels", "normal_quantiles"]

_FLOOR = 1e-4  # of what is positive: the likelihood of a series that is forecast without error has no maximum
_DEGREE = 12  # of the polynomials in 1 / df: within 1e-9 of the quantiles of Student's t from 0.001 to 0.999


class Affine(NamedTuple):
    """From z, of which the raw numbers speak, to the value: y = shift + scale * z.

    Attributes:
        shift: broadcastable to y.
        scale: likewise; positive.
    """

    shift: Tensor
    scale: Tensor

    def apply(self, z: Tensor) -> Tensor:
        """The values y of z."""
        return self.shift + self.scale * z

    def invert(self, y: Tensor) -> Tensor:
        """The z of values y."""
        return (y - self.shift) / self.scale

    def map(self, change: Callable[[Tensor], Tensor]) -> Affine:
        """Both parts changed alike, as by a reshape."""
        return Affine(change(self.shift), change(self.scale))

    def of_levels(self) -> Affine:
        """That of quantiles [..., Q] of each y [...]."""
        return self.map(_last)


class Output(ABC):
    """What K raw numbers say of a value.

    Attributes:
        name: by which :func:`make_output` knows it.
        size: K.
    """

    name: str
    size: int

    @abstractmethod
    def loss(self, raw: Tensor, y: Tensor, affine: Affine) -> Tensor:
        """What is to be made small, for each value: raw numbers [..., K] and values y [...] in, [...] out."""

    @abstractmethod
    def mean(self, raw: Tensor, affine: Affine) -> Tensor:
        """The mean of y: [..., K] in, [...] out."""

    @abstractmethod
    def quantiles(self, raw: Tensor, levels: Sequence[float], affine: Affine) -> Tensor:
        """The values that y stays below with probabilities in 0..1: [..., K] and Q levels in, [..., Q] out.

        Raises:
            SettingsError: a level that is not between 0 and 1.
        """

    @abstractmethod
    def sample(self, raw: Tensor, affine: Affine, generator: torch.Generator) -> Tensor:
        """Draw a value for each of [B, ..., K]: [B, ...].

        All B get the same random numbers, so that what is drawn for one does not depend on its company.
        """


class Point(Output):
    """A value alone, learnt by its squared error: the mean, which stands for the quantiles too."""

    name = "point"
    size = 1

    def loss(self, raw: Tensor, y: Tensor, affine: Affine) -> Tensor:
        """Squared error: [..., 1] and [...] in, [...] out."""
        return (self.mean(raw, affine) - y).square()

    def mean(self, raw: Tensor, affine: Affine) -> Tensor:
        """The value."""
        return affine.apply(raw[..., 0])

    def quantiles(self, raw: Tensor, levels: Sequence[float], affine: Affine) -> Tensor:
        """The value, at every level."""
        check_levels(levels)
        return self.mean(raw, affine).unsqueeze(-1).expand(*raw.shape[:-1], len(levels))

    def sample(self, raw: Tensor, affine: Affine, generator: torch.Generator) -> Tensor:
        """Refuse.

        Raises:
            SettingsError: always.
        """
        raise SettingsError("output: nothing can be drawn from 'point', which has no distribution; choose another")


class Gaussian(Output):
    """A normal distribution, learnt by its likelihood: mean and deviation of z."""

    name = "gaussian"
    size = 2

    def loss(self, raw: Tensor, y: Tensor, affine: Affine) -> Tensor:
        """-log p(y) in nats."""
        deviation = affine.scale * _positive(raw[..., 1])
        error = (y - self.mean(raw, affine)) / deviation
        return 0.5 * error.square() + deviation.log() + 0.5 * math.log(2 * math.pi)

    def mean(self, raw: Tensor, affine: Affine) -> Tensor:
        """Its mean."""
        return affine.apply(raw[..., 0])

    def quantiles(self, raw: Tensor, levels: Sequence[float], affine: Affine) -> Tensor:
        """Its quantiles."""
        check_levels(levels)
        z = raw[..., :1] + _positive(raw[..., 1:]) * normal_quantiles(levels).to(raw)
        return affine.of_levels().apply(z)

    def sample(self, raw: Tensor, affine: Affine, generator: torch.Generator) -> Tensor:
        """Mean and deviation times a normal number."""
        noise = torch.randn(raw.shape[1:-1], generator=generator, device=generator.device).to(raw)
        return affine.apply(raw[..., 0] + _positive(raw[..., 1]) * noise)


class StudentT(Output):
    """Student's t, learnt by its likelihood: location and scale of z, and more than 2 degrees of freedom.

    Its tails are long, so that a value far off does not pull the rest. With more than 2 degrees of freedom it has a
    mean, which is the location, and a variance.
    """

    name = "student-t"
    size = 3

    def loss(self, raw: Tensor, y: Tensor, affine: Affine) -> Tensor:
        """-log p(y) in nats."""
        scale, freedom = affine.scale * _positive(raw[..., 1]), _freedom(raw[..., 2])
        error = (y - self.mean(raw, affine)) / scale
        precise = _precise(freedom)  # two large numbers that all but cancel
        constant = (torch.lgamma((precise + 1) / 2) - torch.lgamma(precise / 2)).to(raw.dtype)
        tails = 0.5 * (freedom + 1) * torch.log1p(error.square() / freedom)
        return tails + scale.log() + 0.5 * torch.log(math.pi * freedom) - constant

    def mean(self, raw: Tensor, affine: Affine) -> Tensor:
        """Its location."""
        return affine.apply(raw[..., 0])

    def quantiles(self, raw: Tensor, levels: Sequence[float], affine: Affine) -> Tensor:
        """Its quantiles, by polynomials in 1 / df that go through the exact ones."""
        check_levels(levels)
        z = raw[..., :1] + _positive(raw[..., 1:2]) * _t_quantiles(_freedom(raw[..., 2]), tuple(levels))
        return affine.of_levels().apply(z)

    def sample(self, raw: Tensor, affine: Affine, generator: torch.Generator) -> Tensor:
        """In polar form, exactly (Bailey, "Polar generation of random variates with the t-distribution", 1994)."""
        drawn = torch.rand((2, *raw.shape[1:-1]), generator=generator, device=generator.device).to(raw)
        radius, angle = 1 - drawn[0], 2 * math.pi * drawn[1]  # rand may give 0, but not 1
        freedom = _freedom(raw[..., 2])
        t = (freedom * torch.expm1(-2 * radius.log() / freedom)).sqrt() * angle.cos()
        return affine.apply(raw[..., 0] + _positive(raw[..., 1]) * t)


class NegativeBinomial(Output):
    r"""Counts, whose variance is above their mean, learnt by their likelihood.

    .. math:: \mu = s \, \mathrm{softplus}(r_1), \quad \alpha = \mathrm{softplus}(r_2) / \sqrt{s}, \quad
        \mathrm{Var}\, y = \mu + \alpha \mu^2

    with s the scale of the affine; its shift, of which counts know nothing, is to be 0 (Salinas, Flunkert, Gasthaus,
    Januschowski, "DeepAR: Probabilistic forecasting with autoregressive recurrent networks", International Journal of
    Forecasting 36, 2020). The raw numbers r are moved so that zeros give 1 for each softplus.
    """

    name = "negative-binomial"
    size = 2

    def loss(self, raw: Tensor, y: Tensor, affine: Affine) -> Tensor:
        """-log p(y) in nats.

        Raises:
            DataError: values that are no counts.
        """
        if bool(((y < 0) | (y != y.round())).any()):
            raise DataError(
                "targets: --output negative-binomial forecasts counts, 0, 1, 2 ..., but some are negative or no whole "
                "numbers; choose another output, and of counts leave out the scaling"
            )
        mean, count = (_precise(part) for part in self._mean_and_count(raw, affine))
        y = y.to(mean.dtype)
        # log C(y + r - 1, y) + r log(r / (r + mean)) + y log(mean / (r + mean)); r is large where counts vary little
        ways = torch.lgamma(y + count) - torch.lgamma(count) - torch.lgamma(y + 1)
        log_p = ways - count * torch.log1p(mean / count) + y * (mean.log() - (count + mean).log())
        return -log_p.to(raw.dtype)

    def mean(self, raw: Tensor, affine: Affine) -> Tensor:
        """Its mean."""
        return self._mean_and_count(raw, affine)[0]

    def quantiles(self, raw: Tensor, levels: Sequence[float], affine: Affine) -> Tensor:
        """The lowest counts that are not exceeded with these probabilities."""
        check_levels(levels)
        return self._inverse(raw, torch.tensor(levels), affine, _last)

    def sample(self, raw: Tensor, affine: Affine, generator: torch.Generator) -> Tensor:
        """By inversion: the quantile at a level that is drawn."""
        drawn = torch.rand(raw.shape[1:-1], generator=generator, device=generator.device, dtype=torch.float64)
        return self._inverse(raw, drawn, affine, lambda part: part)

    def _mean_and_count(self, raw: Tensor, affine: Affine) -> tuple[Tensor, Tensor]:
        """The mean, and r = 1 / alpha: the number of successes at which counting ends, of which y are the failures."""
        return affine.scale * _positive(raw[..., 0]), affine.scale.sqrt() / _positive(raw[..., 1])

    def _inverse(self, raw: Tensor, levels: Tensor, affine: Affine, shape: Callable[[Tensor], Tensor]) -> Tensor:
        mean, count = (shape(part.detach()).double().cpu().numpy() for part in self._mean_and_count(raw, affine))
        found = np.ceil(nbdtrik(levels.cpu().numpy(), count, count / (count + mean)))
        return torch.from_numpy(np.maximum(found, 0.0)).to(raw)


def _positive(raw: Tensor) -> Tensor:
    """A number above 0 of any number; 1 of 0."""
    return _FLOOR + softplus(raw + math.log(math.expm1(1 - _FLOOR)))


def _freedom(raw: Tensor) -> Tensor:
    """Degrees of freedom above 2; 6 at the start, which is near the normal distribution but robust."""
    return 2 + 4 * _positive(raw)


def _precise(part: Tensor) -> Tensor:
    """As float64, where the device has it."""
    return part if part.device.type == "mps" else part.double()


def _last(part: Tensor) -> Tensor:
    return part.unsqueeze(-1)


def check_levels(levels: Sequence[float]) -> None:
    """Check that levels of quantiles can be.

    Raises:
        SettingsError: none, or one that is not between 0 and 1.
    """
    if not len(levels) or not all(0 < level < 1 for level in levels):
        raise SettingsError(f"levels: expected numbers between 0 and 1, got {list(levels)}")


def normal_quantiles(levels: Sequence[float]) -> Tensor:
    """The quantiles of the standard normal distribution, float64."""
    quantiles: Tensor = torch.special.ndtri(torch.tensor(levels, dtype=torch.float64))
    return quantiles


def _t_quantiles(freedom: Tensor, levels: tuple[float, ...]) -> Tensor:
    """Quantiles of Student's t: degrees of freedom above 2, [...], in, [..., Q] out."""
    angle = torch.arccos((4 / freedom - 1).clamp(-1, 1)).unsqueeze(-1)
    polynomials = torch.cos(torch.arange(_DEGREE + 1, device=angle.device) * angle)  # Chebyshev's
    quantiles: Tensor = polynomials @ torch.from_numpy(_t_coefficients(levels)).to(freedom)
    return quantiles


@cache
def _t_coefficients(levels: tuple[float, ...]) -> NDArray[np.float64]:
    """Coefficients of the polynomials in 4 / df - 1, which is -1..1, of each level: [13, Q]."""
    nodes = chebyshev.chebpts1(_DEGREE + 1)
    exact = stdtrit(4 / (nodes[:, np.newaxis] + 1), np.array(levels))
    coefficients: NDArray[np.float64] = chebyshev.chebfit(nodes, exact, _DEGREE)  # through all the nodes
    return coefficients
