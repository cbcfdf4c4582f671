"""What a network says of a number to come, by name: a value, a distribution, or learnt quantiles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus

from recurra.errors import SettingsError, nearest
from recurra.nn.distributions import (
    Affine,
    Gaussian,
    NegativeBinomial,
    Output,
    Point,
    StudentT,
    check_levels,
    normal_quantiles,
)

__all__ = ["LEVELS", "Affine", "Output", "Quantiles", "make_output"]

LEVELS = (0.025, *(round(0.05 * step, 2) for step in range(1, 20)), 0.975)


class Quantiles(Output):
    """The 21 quantiles at `LEVELS`, learnt by the pinball loss (Koenker, Bassett, Econometrica 46, 1978).

    The first raw number is the median; from there outward each says how far the next quantile is, which is never less
    than nothing: they do not cross. Raw numbers that are all 0 give those of a normal distribution. Between the levels
    the quantiles are joined by straight lines, beyond them they stay as the outermost are; mean and draws are those of
    this distribution.
    """

    name = "quantiles"
    size = len(LEVELS)

    def loss(self, raw: Tensor, y: Tensor, affine: Affine) -> Tensor:
        """Mean pinball loss of the 21: level * e above a quantile, (1 - level) * -e below, e = y - quantile."""
        error = y.unsqueeze(-1) - affine.of_levels().apply(self._knots(raw))
        levels = error.new_tensor(LEVELS)
        return torch.maximum(levels * error, (levels - 1) * error).mean(-1)

    def mean(self, raw: Tensor, affine: Affine) -> Tensor:
        """The integral of the quantiles over the levels."""
        edges = np.concatenate([[0.0], (np.array(LEVELS[1:]) + LEVELS[:-1]) / 2, [1.0]])
        return affine.apply(self._knots(raw) @ raw.new_tensor(np.diff(edges)))

    def quantiles(self, raw: Tensor, levels: Sequence[float], affine: Affine) -> Tensor:
        """Those at other levels by linear interpolation."""
        check_levels(levels)
        shares = np.stack([np.interp(levels, LEVELS, row) for row in np.eye(self.size)])
        return affine.of_levels().apply(self._knots(raw) @ raw.new_tensor(shares))

    def sample(self, raw: Tensor, affine: Affine, generator: torch.Generator) -> Tensor:
        """By inversion: the quantile at a level that is drawn."""
        drawn = torch.rand(raw.shape[1:-1], generator=generator, device=generator.device).to(raw)
        levels, knots = raw.new_tensor(LEVELS), self._knots(raw)
        above = torch.bucketize(drawn, levels).clamp(1, self.size - 1)
        share = ((drawn - levels[above - 1]) / (levels[above] - levels[above - 1])).clamp(0, 1)
        above = above.expand(raw.shape[:-1]).unsqueeze(-1)
        low, high = (knots.gather(-1, index).squeeze(-1) for index in (above - 1, above))
        return affine.apply(torch.lerp(low, high, share))

    def _knots(self, raw: Tensor) -> Tensor:
        """The quantiles of z at `LEVELS`, [..., 21]."""
        middle = self.size // 2
        gaps = normal_quantiles(LEVELS).diff()[middle:]  # the same downwards
        steps = softplus(raw[..., 1:].unflatten(-1, (2, middle)) + torch.log(torch.expm1(gaps)).to(raw)).cumsum(-1)
        median = raw[..., :1]
        return torch.cat([median - steps[..., 0, :].flip(-1), median, median + steps[..., 1, :]], -1)


_OUTPUTS: dict[str, type[Output]] = {
    made.name: made for made in (Point, Gaussian, StudentT, NegativeBinomial, Quantiles)
}


def make_output(name: str) -> Output:
    """Make the output of a name.

    Raises:
        SettingsError: a name that is unknown.

    >>> output = make_output("gaussian")
    >>> output.mean(torch.zeros(2, output.size), Affine(torch.tensor(5.0), torch.tensor(2.0)))
    tensor([5., 5.])
    """
    if name not in _OUTPUTS:
        raise SettingsError(f"output: expected one of {', '.join(_OUTPUTS)}, got {name!r}{nearest(name, _OUTPUTS)}")
    return _OUTPUTS[name]()
