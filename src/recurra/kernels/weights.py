"""The parameters of one direction of one recurrent layer."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

__all__ = ["Weights"]


class Weights(NamedTuple):
    """Parameters in torch's layout, gates stacked along the first dimension.

    Attributes:
        weight_ih: [G * H, I].
        weight_hh: [G * H, H], or [G * H, P] with a projection to size P.
        bias_ih: [G * H] or None.
        bias_hh: [G * H] or None.
        weight_hr: [P, H], the projection of an LSTM's hidden state, or None.
    """

    weight_ih: Tensor
    weight_hh: Tensor
    bias_ih: Tensor | None
    bias_hh: Tensor | None
    weight_hr: Tensor | None = None
