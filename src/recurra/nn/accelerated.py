"""The classes that :func:`recurra.accelerate` gives to layers: `torch.nn`'s RNN, LSTM and GRU with another forward."""

from __future__ import annotations

import sys
import types
import warnings
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from torch._compile import _disable_dynamo
from torch.nn.utils.rnn import PackedSequence

from recurra.kernels.cells import State
from recurra.nn.lengths import Lengths
from recurra.nn.run import RecurrentRun

__all__ = ["GRU", "LSTM", "RNN", "Accelerated", "accelerated_class", "left_to_torch", "torch_class"]

_DTYPES = (torch.float32, torch.float64, torch.bfloat16)
_run_outside_of_compile = _disable_dynamo(RecurrentRun._run)


class Accelerated(RecurrentRun):
    """What the three share beside their forward."""

    mode: str
    _torch_class: ClassVar[type[nn.RNNBase]]

    @property
    def cell(self) -> str:  # type: ignore[override]
        """The key of the layer's cell in :data:`recurra.kernels.cells.CELLS`."""
        return self.mode.lower()

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        """Name the torch class to copies and pickles, since one of ours may have been made on the fly."""
        return _blank, (self._torch_class,), self.__getstate__()  # type: ignore[no-untyped-call]

    def __prepare_scriptable__(self) -> nn.Module:
        """Hand `torch.jit.script` what it can compile."""
        warnings.warn(
            "torch.jit.script cannot compile recurra's forward and has restored torch's own in this layer; "
            "afterwards call recurra.accelerate again on the model that was given to it",
            stacklevel=2,
        )
        self.__class__ = self._torch_class  # type: ignore[assignment]
        return self

    def _run(
        self, input: Tensor | PackedSequence, state: tuple[Tensor, ...] | None, lengths: Lengths | None
    ) -> tuple[Tensor | PackedSequence, State]:
        # `torch.compile` runs torch's recurrent layers as they are, but would compile, in small pieces, what they call
        run = _run_outside_of_compile if "torch._dynamo" in sys.modules else RecurrentRun._run
        return run(self, input, state, lengths)


class RNN(Accelerated, nn.RNN):
    """`nn.RNN`, run by recurra."""

    _torch_class = nn.RNN

    def forward(  # type: ignore[override]
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

    def forward(  # type: ignore[override]
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

    def forward(  # type: ignore[override]
        self, input: Tensor | PackedSequence, hx: tuple[Tensor, Tensor] | None = None, lengths: Lengths | None = None
    ) -> tuple[Tensor | PackedSequence, tuple[Tensor, Tensor]]:
        """Run as `nn.LSTM` does, or, given ``lengths``, as `recurra.nn.LSTM` does."""
        if lengths is None and not _is_ours(self, input, hx):
            return super().forward(input, hx)
        output, (h_n, c_n) = self._run(input, hx, lengths)
        return output, (h_n, c_n)


_MADE: dict[type[nn.RNNBase], type[nn.RNNBase]] = {nn.RNN: RNN, nn.LSTM: LSTM, nn.GRU: GRU}


def accelerated_class(cls: type[nn.RNNBase]) -> type[nn.RNNBase]:
    """Return the class that a layer of this class gets.

    Ours stands right before torch's in the order of inheritance, so that a subclass whose forward calls
    ``super().forward`` reaches ours.

    Args:
        cls: nn.RNN, nn.LSTM, nn.GRU or a subclass of one.

    Raises:
        TypeError: it refuses to be extended.
    """
    if cls not in _MADE:
        ours = next(made for base, made in _MADE.items() if issubclass(cls, base))
        body = {"_torch_class": cls, "__module__": cls.__module__, "__doc__": cls.__doc__}
        _MADE[cls] = types.new_class(cls.__name__, (cls, ours), exec_body=lambda namespace: namespace.update(body))
    return _MADE[cls]


def torch_class(cls: type[nn.Module]) -> type[nn.RNNBase]:
    """Return the class that a layer of this class had before."""
    before: type[nn.RNNBase] = cls._torch_class  # type: ignore[attr-defined]
    return before


def left_to_torch(weight: Tensor) -> str | None:
    """Return why torch's forward runs an accelerated layer with such weights; None where recurra does."""
    if weight.device.type != "cpu":
        return f"on {weight.device.type} torch's forward runs it"
    if weight.dtype not in _DTYPES:
        return f"in {str(weight.dtype).removeprefix('torch.')} torch's forward runs it"
    return None


def _blank(cls: type[nn.RNNBase]) -> nn.RNNBase:
    made = accelerated_class(cls)
    return made.__new__(made)


def _is_ours(layer: nn.RNNBase, input: Any, state: Any) -> bool:
    """Whether recurra runs a call; for any other torch's forward knows what to do, or what to raise."""
    packed = isinstance(input, PackedSequence)
    data = input.data if packed else input
    if not _is_ordinary(data) or data.dim() not in ((2,) if packed else (2, 3)) or not data.numel():
        return False
    weight = cast(Tensor, layer.weight_ih_l0)
    if left_to_torch(weight) or data.shape[-1] != layer.input_size:
        return False
    if data.dtype != weight.dtype or torch.is_autocast_enabled("cpu"):
        return False
    if torch.jit.is_tracing() or torch.compiler.is_compiling():  # type: ignore[attr-defined,no-untyped-call]
        return False
    return state is None or _fits(layer, input, state)


def _fits(layer: nn.RNNBase, input: Tensor | PackedSequence, state: Any) -> bool:
    """Whether an initial state is what torch takes."""
    if not isinstance(state, tuple | list) or len(state) != (2 if layer.mode == "LSTM" else 1):
        return False
    if isinstance(input, PackedSequence):
        batch = [int(input.batch_sizes[0])]
    else:
        batch = [input.shape[0 if layer.batch_first else 1]] if input.dim() == 3 else []
    rows = layer.num_layers * (2 if layer.bidirectional else 1)
    return all(
        _is_ordinary(given) and given.dtype == input.data.dtype and given.shape == (rows, *batch, size)
        for given, size in zip(state, (layer.proj_size or layer.hidden_size, layer.hidden_size))
    )


def _is_ordinary(data: Any) -> bool:
    # an exact comparison: subclasses, as those of `torch.export`, follow rules of their own
    return type(data) in (Tensor, nn.Parameter) and data.device.type == "cpu" and data.layout is torch.strided
