"""Whether what enters the products of the native kernel is rounded to bfloat16."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from recurra.kernels.native import loader

__all__ = ["Products", "asks_for_bfloat16", "precision"]


class Products(NamedTuple):
    """Whether what enters a product is rounded to bfloat16, and what to say of it where that was asked for.

    Sums, gates, states and gradients are float32 in either case.
    """

    bfloat16: bool
    note: str = ""


def asks_for_bfloat16(data: Tensor) -> bool:
    """Whether products of bfloat16 are asked for, by autocast or by the data's own type."""
    asked = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else data.dtype
    return asked == torch.bfloat16


def precision(cell: str, asked: bool) -> Products:
    """The precision of a layer's products: bfloat16 where that was asked for, and serves."""
    library = loader.library()
    if not asked or library is None:
        return Products(False)
    if cell == "rnn_relu":  # nothing bounds its state, so that the errors of the steps multiply
        return Products(False, "float32 products: a relu network loses its accuracy in bfloat16")
    if not library.bfloat16:
        return Products(False, f"float32 products: {library.variant} has none of bfloat16")
    return Products(True, "bfloat16 products")
