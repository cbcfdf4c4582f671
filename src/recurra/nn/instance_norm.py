"""Each window on a scale of its own, and back."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from recurra.nn.outputs import Affine

__all__ = ["InstanceNorm"]


class InstanceNorm(nn.Module):
    r"""Bring each variable of each window to mean 0 and deviation 1, and say how to go back.

    .. math:: z = e^g (x - m) / s + b, \qquad
        m = \frac{1}{n} \sum_t x_t, \quad s^2 = \frac{1 + \sum_t (x_t - m)^2}{1 + n}

    over the n valid steps of the window, with g and b learnt for each variable, zeros at the start (Kim et al.,
    "Reversible instance normalization for accurate time-series forecasting against distribution shift", ICLR 2022).
    Theirs adds a tiny constant to the variance; the 1 here is one step more, whose squared deviation is that of the
    training part, so that a window of one step, or one where nothing happens, does not say that nothing ever will.
    Counts are divided by 1 + m, with nothing learnt: they have to stay counts (Salinas et al., 2020).

    Args:
        variables: C.
        counts: whether values are counts.
    """

    def __init__(self, variables: int, counts: bool) -> None:
        super().__init__()
        self.counts = counts
        if not counts:
            self.log_gain = nn.Parameter(torch.zeros(variables))
            self.bias = nn.Parameter(torch.zeros(variables))

    def forward(self, past: Tensor, lengths: Tensor) -> Affine:
        """From windows [B, T, C], padded with anything, and lengths [B] of at least 1 to the way back, [B, 1, C]."""
        number = lengths.to(past.device).view(-1, 1, 1)
        beyond = None
        if int(lengths.min()) < past.shape[1]:
            beyond = torch.arange(past.shape[1], device=past.device).view(1, -1, 1) >= number
        mean = _masked(past, beyond).sum(1, keepdim=True) / number
        if self.counts:
            return Affine(torch.zeros_like(mean), 1 + mean)
        squares = _masked((past - mean).square(), beyond).sum(1, keepdim=True)
        scale = ((1 + squares) / (1 + number)).sqrt() * torch.exp(-self.log_gain)
        return Affine(mean - scale * self.bias, scale)


def _masked(values: Tensor, beyond: Tensor | None) -> Tensor:
    return values if beyond is None else values.masked_fill(beyond, 0.0)
