"""`torch.nn`'s RNN, LSTM and GRU with recurra's forward: the classes that :func:`recurra.accelerate` gives to layers."""

from __future__ import annotations

import functools
import types
import warnings
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from recurra.nn.lengths import Lengths
from recurra.nn.stack import Recurrent

__all__ = ["GRU", "LSTM", "RNN", "Accelerated", "accelerated_class", "torch_class"]

_DTYPES = (torch.float32, torch.float64, torch.bfloat16)


class Accelerated:
    """What the three share beside their forward."""

    _torch_class: ClassVar[type[nn.RNNBase]]

    num_directions = Recurrent.num_directions
    output_size = Recurrent.output_size
    forward_packed = Recurrent.forward_packed
    _ends = Recurrent._ends
    _weights = Recurrent._weights
    _zero_state = Recurrent._zero_state
    _run = Recurrent._run
    _check_width = Recurrent._check_width
    _sorted_state = Recurrent._sorted_state

    @property
    def cell(self) -> str:
        """The key of the layer's cell in :data:`recurra.kernels.cells.CELLS`."""
        return self.mode.lower()

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        """Name the torch class to copies and pickles, since one of ours may have been made on the fly."""
        return _blank, (type(self)._torch_class,), self.__getstate__()

    def __prepare_scriptable__(self) -> nn.Module:
        """Hand `torch.jit.script` what it can compile."""
        warnings.warn(
            "torch.jit.script cannot compile recurra's forward and has restored torch's own; "
            "call recurra.accelerate again afterwards to have this layer back as it was",
            stacklevel=2,
        )
        self.__class__ = type(self)._torch_class
        return cast(nn.Module, self)


class RNN(Accelerated, nn.RNN):
    """`nn.RNN`, run by recurra."""

    _torch_class = nn.RNN

    def forward(
        self, input: Tensor | PackedSequence, hx: Tensor | None = None, lengths: Lengths | None = None
    ) -> tuple[Tensor | PackedSequence, Tensor]:
        """Run as `nn.RNN` does, or, given ``lengths``, as `recurra.nn.RNN` does."""
        state = None if hx is None else (hx,)
        if lengths is None and not _is_ours(self, input, state):
            return super().forward(input, hx)
        output, (h_n,) = self._run(input, state, lengths)
        return output, h_n


class GRU(Accelerated, nn.GRU):
    """`nn.GRU`, run by recurra."""

    _torch_class = nn.GRU

    def forward(
        self, input: Tensor | PackedSequence, hx: Tensor | None = None, lengths: Lengths | None = None
    ) -> tuple[Tensor | PackedSequence, Tensor]:
        """Run as `nn.GRU` does, or, given ``lengths``, as `recurra.nn.GRU` does."""
        state = None if hx is None else (hx,)
        if lengths is None and not _is_ours(self, input, state):
            return super().forward(input, hx)
        output, (h_n,) = self._run(input, state, lengths)
        return output, h_n


class LSTM(Accelerated, nn.LSTM):
    """`nn.LSTM`, run by recurra."""

    _torch_class = nn.LSTM

    def forward(
        self, input: Tensor | PackedSequence, hx: tuple[Tensor, Tensor] | None = None, lengths: Lengths | None = None
    ) -> tuple[Tensor | PackedSequence, tuple[Tensor, Tensor]]:
        """Run as `nn.LSTM` does, or, given ``lengths``, as `recurra.nn.LSTM` does."""
        if lengths is None and not _is_ours(self, input, hx):
            return super().forward(input, hx)
        output, (h_n, c_n) = self._run(input, hx, lengths)
        return output, (h_n, c_n)


@functools.cache
def accelerated_class(cls: type[nn.RNNBase]) -> type[nn.RNNBase]:
    """Return the class that a layer of this class gets.

    Ours stands right before torch's in the order of inheritance, so that a subclass whose forward calls
    ``super().forward`` reaches ours.

    Args:
        cls: nn.RNN, nn.LSTM, nn.GRU or a subclass of one.
    """
    for ours in (RNN, LSTM, GRU):
        if cls is ours._torch_class:
            return ours
        if issubclass(cls, ours._torch_class):
            body = {"_torch_class": cls, "__module__": cls.__module__, "__doc__": cls.__doc__}
            return types.new_class(cls.__name__, (cls, ours), exec_body=lambda namespace: namespace.update(body))
    raise TypeError(f"{cls.__name__} is no recurrent layer of torch.nn")


def torch_class(cls: type[nn.RNNBase]) -> type[nn.RNNBase]:
    """Return the class that a layer of this class had before."""
    return cls._torch_class


def _blank(cls: type[nn.RNNBase]) -> nn.RNNBase:
    made = accelerated_class(cls)
    return made.__new__(made)


def _is_ours(layer: nn.RNNBase, input: Any, state: Any) -> bool:
    """Whether recurra runs a call; for any other torch's forward knows what to do, or what to raise."""
    packed = isinstance(input, PackedSequence)
    data = input.data if packed else input
    if not _is_ordinary(data) or data.dim() not in ((2,) if packed else (2, 3)) or not data.numel():
        return False
    weight = layer.weight_ih_l0
    if weight.device.type != "cpu" or weight.dtype not in _DTYPES or data.shape[-1] != layer.input_size:
        return False
    if data.dtype != weight.dtype and not torch.is_autocast_enabled("cpu"):
        return False
    if torch.jit.is_tracing() or torch.compiler.is_compiling():
        return False
    return state is None or _fits(layer, input, state, packed)


def _fits(layer: nn.RNNBase, input: Any, state: Any, packed: bool) -> bool:
    """Whether an initial state is what torch takes."""
    sizes = [layer.proj_size or layer.hidden_size, layer.hidden_size][: len(state)]
    rows = layer.num_layers * (2 if layer.bidirectional else 1)
    data = input.data if packed else input
    if packed:
        batch = [int(input.batch_sizes[0])]
    else:
        batch = [data.shape[0 if layer.batch_first else 1]] if data.dim() == 3 else []
    return (
        isinstance(state, tuple | list)
        and len(state) == (2 if layer.mode == "LSTM" else 1)
        and all(_is_ordinary(given) and given.dtype == data.dtype for given in state)
        and all(given.shape == (rows, *batch, size) for given, size in zip(state, sizes))
    )


def _is_ordinary(data: Any) -> bool:
    # an exact comparison: subclasses, as those of `torch.export`, follow rules of their own
    return type(data) in (Tensor, nn.Parameter) and data.device.type == "cpu" and data.layout is torch.strided
