"""What stands before every pointer: the tensors that the library may read at their addresses."""

from __future__ import annotations

import torch
from torch import Tensor

from recurra.errors import ShapeError

__all__ = ["checked", "strided", "widened", "written"]


def written(tensor: Tensor) -> Tensor:
    """The tensor as it is, but with what torch may put off, a minus or all zeros, written to its memory."""
    return tensor.clone() if tensor._is_zerotensor() else tensor.resolve_neg()


def strided(matrix: Tensor) -> Tensor:
    """The matrix as it is, dense along one of its dimensions; a copy where it is not."""
    matrix = written(matrix)
    return checked("matrix", matrix if 1 in matrix.stride() else matrix.contiguous(), tuple(matrix.shape))


def checked(name: str, tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    """What can be read at its address as float32 of this shape."""
    unwritten = tensor.is_neg() or tensor._is_zerotensor()
    if tensor.shape != shape or tensor.dtype != torch.float32 or tensor.device.type != "cpu" or unwritten:
        found = f"{tuple(tensor.shape)} of {tensor.dtype} on {tensor.device}"
        raise ShapeError(f"{name}: expected {shape} of torch.float32 on cpu, got {found}")
    return tensor


def widened(noise: Tensor) -> Tensor:
    """Noise that was drawn in half precision under autocast, in float32 as everything here."""
    return written(noise).float() if noise.dtype in (torch.bfloat16, torch.float16) else written(noise)
