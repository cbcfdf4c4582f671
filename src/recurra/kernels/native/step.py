"""One time step of a stack of recurrent layers in one native call, over weights packed once (step.cpp)."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from recurra.errors import SettingsError, nearest
from recurra.kernels.cells import CELLS, State
from recurra.kernels.native import CELL_NUMBERS, loader
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
        self.layers, self.states = len(layers), CELLS[cell].states
        self.units, self.width = layers[0].weight_hh.shape[1], layers[0].weight_ih.shape[1]
        self._stack = loader.Stack(
            *(self.layers, self.width, self.units, CELL_NUMBERS[cell], PRECISIONS.index(precision)),
            team=loader.team(),
        )
        self._panels = torch.empty(library.functions.recurra_stack_size(self._stack), dtype=torch.int32)
        self._stack.panels = self._panels.data_ptr()
        for number, weights in enumerate(layers):
            dense = [None if part is None else part.detach().resolve_neg().contiguous() for part in weights[:4]]
            parameters = loader.Parameters(*(None if part is None else part.data_ptr() for part in dense))
            library.functions.recurra_pack_layer(self._stack, number, parameters)
        self._step = library.functions.recurra_step
        self._address = ctypes.addressof(self._stack)

    def takes(self, x: Tensor, state: State) -> bool:
        """Whether :meth:`step` can read these: plain dense float32 tensors on the CPU, of the right shapes."""
        rows = x.shape[:-1]
        shape = (self.layers, *rows, self.units)
        return (
            len(rows) < 2
            and x.shape[-1] == self.width
            and len(state) == self.states
            and all(part.shape == shape for part in state)
            and all(map(_is_readable, (x, *state)))
        )

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Run one step, with no regard to gradients.

        Args:
            x: [B, I] or [I], such as :meth:`takes` lets pass.
            state: tensors [L, B, H] or [L, H].

        Returns:
            The output [B, H] or [H] of the last layer, and the new state; both are new tensors.
        """
        new = torch.empty
        sizes = x.shape[:-1]
        output = new(*sizes, self.units)
        next_h = new(self.layers, *sizes, self.units)
        batch, threads = sizes[0] if sizes else 1, loader.threads()
        pointers = x.data_ptr(), state[0].data_ptr()
        if self.states == 1:
            self._step(self._address, batch, threads, *pointers, None, next_h.data_ptr(), None, output.data_ptr())
            return output, (next_h,)
        next_c = new(self.layers, *sizes, self.units)
        self._step(
            *(self._address, batch, threads, *pointers, state[1].data_ptr()),
            *(next_h.data_ptr(), next_c.data_ptr(), output.data_ptr()),
        )
        return output, (next_h, next_c)


def _is_readable(tensor: Tensor) -> bool:
    return (
        type(tensor) is Tensor
        and tensor.is_cpu
        and tensor.dtype is torch.float32
        and tensor.layout is torch.strided
        and tensor.is_contiguous()
        and not tensor.is_neg()
    )
