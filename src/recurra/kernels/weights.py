"""The parameters of one direction of one recurrent layer."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

__all__ = ["Weights"]


class Weights(NamedTuple):
    """Parameters in torch's layout, gates stacked along the first dimension.

    A layer-normalised cell has gains as well. The biases are then those of the norms, added after them: Ba, Kiros,
    Hinton, "Layer normalization", arXiv:1607.06450, whose norms go over all G * H numbers.

    Attributes:
        weight_ih: [G * H, I].
        weight_hh: [G * H, H], or [G * H, P] with a projection to size P.
        bias_ih: [G * H] or None.
        bias_hh: [G * H] or None.
        weight_hr: [P, H], the projection of an LSTM's hidden state, or None.
        gain_ih: [G * H], the gain of the norm of W_ih x, or None.
        gain_hh: [G * H], the gain of the norm of W_hh h, or None.
        gain_c: [H], the gain of the norm of an LSTM's c on its way to h, or None.
        bias_c: [H], what is added after that norm, or None.
    """

    weight_ih: Tensor
    weight_hh: Tensor
    bias_ih: Tensor | None = None
    bias_hh: Tensor | None = None
    weight_hr: Tensor | None = None
    gain_ih: Tensor | None = None
    gain_hh: Tensor | None = None
    gain_c: Tensor | None = None
    bias_c: Tensor | None = None
