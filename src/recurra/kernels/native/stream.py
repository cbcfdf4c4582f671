"""One time step of a stack of recurrent layers in one native call, over weights packed once (stream.cpp)."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from recurra.errors import SettingsError, nearest
from recurra.kernels.cells import CELLS, State
from recurra.kernels.native import CELL_NUMBERS, loader
from recurra.kernels.native.checks import written
from recurra.kernels.weights import Weights

__all__ = ["PRECISIONS", "PackedStack", "Precision"]

Precision = Literal["float32", "bfloat16", "int8"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)


class PackedStack:
    """The weights of L layers that run one way, in the order in which a step reads them.

    It is a copy: later changes of the parameters do not reach it.

    Args:
        cell: a key of :data:`recurra.kernels.cells.CELLS` that :func:`recurra.kernels.native.refusal` lets pass.
        layers: the weights of each layer, float32 on the CPU.
        precision: how the weights are stored. ``"bfloat16"`` rounds them to 8 bits of mantissa; ``"int8"`` to integers
            in -127..127 with one scale for each row of W_ih and of W_hh, and rounds the input and the state to 16 bits
            with one scale for each row where they enter a product.

    Raises:
        SettingsError: an unknown precision.
    """

    def __init__(self, cell: str, layers: Sequence[Weights], precision: Precision) -> None:
        if precision not in PRECISIONS:
            raise SettingsError(f"precision: unknown '{precision}'{nearest(precision, PRECISIONS)} ({PRECISIONS})")
        library = loader.library()
        assert library is not None, "refused before"
        self.layers, self.has_c = len(layers), CELLS[cell].states == 2
        self.units, self.width = layers[0].weight_hh.shape[1], layers[0].weight_ih.shape[1]
        self._stack = loader.Stack(
            *(self.layers, self.width, self.units, CELL_NUMBERS[cell], PRECISIONS.index(precision)),
            team=loader.team(),
        )
        room = library.functions.recurra_stack_size(self._stack)
        self._panels = torch.empty(room, dtype=torch.int32, device="cpu")
        self._stack.panels = self._panels.data_ptr()
        for number, weights in enumerate(layers):
            dense = [None if part is None else written(part.detach()).contiguous() for part in weights[:4]]
            parameters = loader.Parameters(*(None if part is None else part.data_ptr() for part in dense))
            library.functions.recurra_pack_layer(self._stack, number, parameters)
        self._step = library.functions.recurra_step
        self._address = ctypes.addressof(self._stack)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State] | None:
        """Run one step, without gradients.

        Args:
            x: [B, I] or [I].
            state: tensors [L, B, H] or [L, H].

        Returns:
            The output [B, H] or [H] of the last layer, and the new state, all of them new tensors; None for what is not
            plain dense float32 of these shapes on the CPU, or wants gradients.
        """
        if len(state) != (2 if self.has_c else 1):
            return None
        x_at, h_at, c_at = _address(x), _address(state[0]), _address(state[-1])  # without c, h stands in for it
        if not x_at or not h_at or not c_at:
            return None
        *sizes, width = x.shape
        shape = (self.layers, *sizes, self.units)
        if width != self.width or len(sizes) > 1 or state[0].shape != shape or state[-1].shape != shape:
            return None
        output, next_h = x.new_empty(*sizes, self.units), torch.empty_like(state[0])
        call = self._address, sizes[0] if sizes else 1, loader.threads(), x_at, h_at
        if not self.has_c:
            self._step(*call, None, next_h.data_ptr(), None, output.data_ptr())
            return output, (next_h,)
        next_c = torch.empty_like(next_h)
        self._step(*call, c_at, next_h.data_ptr(), next_c.data_ptr(), output.data_ptr())
        return output, (next_h, next_c)


def _address(tensor: Tensor) -> int:
    """Where a plain dense float32 tensor on the CPU begins; 0 for any other, an empty one, and one to differentiate."""
    if (
        type(tensor) is not Tensor
        or tensor.dtype is not torch.float32
        or not (tensor.is_cpu and tensor.is_contiguous())
        or tensor.is_neg()
        or (tensor.requires_grad and torch.is_grad_enabled())
    ):
        return 0
    try:
        return tensor.data_ptr()
    except RuntimeError:  # one without memory of its own, as inside a transform of torch.func
        return 0
