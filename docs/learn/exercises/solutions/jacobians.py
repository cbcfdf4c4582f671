"""Exercise 3: the eigenvalue to the power of the lag; one factor for all gradients."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def reach(eigenvalue: float, share: float) -> int:
    """The first lag at which the gradient of a linear layer is below a share of that at lag 0."""
    lag, left = 0, 1.0
    while left >= share:
        lag, left = lag + 1, left * eigenvalue
    return lag


def clipped(gradients: Sequence[Tensor], bound: float) -> list[Tensor]:
    """Gradients, shortened by one common factor where their joint norm is above a bound."""
    norm = torch.stack([gradient.norm() for gradient in gradients]).norm().item()
    factor = min(1.0, bound / norm) if norm > 0 else 1.0
    return [gradient * factor for gradient in gradients]
