"""What is drawn at random while recurrent layers train."""

from __future__ import annotations

from torch import Tensor

from recurra.kernels.layout import Layout
from recurra.kernels.padded import Padded

__all__ = ["draw_mask", "draw_zoneout", "drop_by_sequence"]


def draw_mask(like: Tensor, rows: int, size: int, p: float) -> Tensor:
    """Draw [rows, size] numbers that are 0 with probability p, else 1 / (1 - p); dtype and device as in `like`."""
    return like.new_empty(rows, size).bernoulli_(1 - p).div_(1 - p)


def drop_by_sequence(data: Tensor, layout: Layout | Padded, p: float) -> Tensor:
    """Drop numbers of tokens [..., F], the same at every step of a sequence."""
    return data * layout.spread(draw_mask(data, layout.batch, data.shape[-1], p))


def draw_zoneout(like: Tensor, size: int, rate: float, training: bool) -> Tensor:
    """The share of each unit's state that stays, [..., size] for tokens [..., F]: 0 or 1, in evaluation the mean."""
    shape = (*like.shape[:-1], size)
    return like.new_empty(shape).bernoulli_(rate) if training else like.new_full((), rate).expand(shape)
