"""The classes that :func:`recurra.accelerate` gives to layers: `torch.nn`'s RNN, LSTM and GRU with another forward."""

from __future__ import annotations

import sys
import types
import warnings
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch._compile import _disable_dynamo
from torch.nn.utils.rnn import PackedSequence

from recurra.kernels import native
from recurra.kernels.cells import State
from recurra.kernels.choice import Choice, forced, note
from recurra.kernels.noise import NO_NOISE
from recurra.nn.lengths import Lengths, are_packed
from recurra.nn.run import RecurrentRun

__all__ = ["GRU", "LSTM", "RNN", "Accelerated", "accelerated_class", "left_to_torch", "torch_class"]

_DTYPES = (torch.float32, torch.float64, torch.bfloat16)
_SMALL = 2**24  # multiplications in a layer's matrix products, in one direction


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

    def _attempt(
        self, input: Tensor | PackedSequence, state: tuple[Tensor, ...] | None, lengths: Lengths | None
    ) -> tuple[Tensor | PackedSequence, State] | None:
        """Run a call; return None where torch's forward is to run it."""
        if lengths is None and torch.compiler.is_compiling() and torch._dynamo.config.allow_rnn:
            return None  # `torch.compile` was told to look into recurrent layers: let it find torch's
        # `torch.compile` lets torch's recurrent layers be, but would compile what they call, function by function
        run = _run_uncompiled if "torch._dynamo" in sys.modules else _run
        return run(self, input, state, lengths)


class RNN(Accelerated, nn.RNN):
    """`nn.RNN`, run by recurra."""

    _torch_class = nn.RNN

    def forward(  # type: ignore[override]
        self, input: Tensor | PackedSequence, hx: Tensor | None = None, lengths: Lengths | None = None
    ) -> tuple[Tensor | PackedSequence, Tensor]:
        """Run as `nn.RNN` does, or, given ``lengths``, as `recurra.nn.RNN` does."""
        done = self._attempt(input, None if hx is None else (hx,), lengths)
        if done is None:
            return super().forward(input, hx)
        output, (h_n,) = done
        return output, h_n


class GRU(Accelerated, nn.GRU):
    """`nn.GRU`, run by recurra."""

    _torch_class = nn.GRU

    def forward(  # type: ignore[override]
        self, input: Tensor | PackedSequence, hx: Tensor | None = None, lengths: Lengths | None = None
    ) -> tuple[Tensor | PackedSequence, Tensor]:
        """Run as `nn.GRU` does, or, given ``lengths``, as `recurra.nn.GRU` does."""
        done = self._attempt(input, None if hx is None else (hx,), lengths)
        if done is None:
            return super().forward(input, hx)
        output, (h_n,) = done
        return output, h_n


class LSTM(Accelerated, nn.LSTM):
    """`nn.LSTM`, run by recurra."""

    _torch_class = nn.LSTM

    def forward(  # type: ignore[override]
        self, input: Tensor | PackedSequence, hx: tuple[Tensor, Tensor] | None = None, lengths: Lengths | None = None
    ) -> tuple[Tensor | PackedSequence, tuple[Tensor, Tensor]]:
        """Run as `nn.LSTM` does, or, given ``lengths``, as `recurra.nn.LSTM` does."""
        done = self._attempt(input, hx, lengths)
        if done is None:
            return super().forward(input, hx)
        output, (h_n, c_n) = done
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


def _run(
    layer: Any, input: Tensor | PackedSequence, state: tuple[Tensor, ...] | None, lengths: Lengths | None
) -> tuple[Tensor | PackedSequence, State] | None:
    why = None if lengths is not None else _why_torch(layer, input, state)
    if why is None:
        done: tuple[Tensor | PackedSequence, State] = layer._run(input, state, lengths)
        return done
    for _ in range(layer.num_layers):
        note(Choice("torch", why))
    return None


_run_uncompiled = _disable_dynamo(_run)


def _why_torch(layer: Any, input: Any, state: Any) -> str | None:
    """Return why torch's forward is to run a call: it knows what to do, or what to raise."""
    if torch.jit.is_tracing():  # type: ignore[attr-defined,no-untyped-call]
        return "torch.jit.trace looks on"
    data, sizes = (input.data, input.batch_sizes) if isinstance(input, PackedSequence) else (input, None)
    if not _is_ordinary(data) or data.dim() not in ((2, 3) if sizes is None else (2,)) or not data.numel():
        return "an input that only torch's forward knows, or refuses"
    weight = layer.weight_ih_l0
    if left_to_torch(weight):
        return left_to_torch(weight)
    if sizes is not None and not are_packed(sizes, len(data)):
        return "a packed sequence that torch's forward refuses, or reads in its own way"
    if data.shape[-1] != layer.input_size or data.dtype != weight.dtype:
        return "an input that torch's forward refuses"
    if torch.is_autocast_enabled("cpu"):
        return "autocast, whose types are torch's to choose"
    if sizes is not None:
        steps, batch = len(sizes), [int(sizes[0])]
    elif data.dim() == 2:
        steps, batch = len(data), []
    else:
        steps, batch = (data.shape[1], [data.shape[0]]) if layer.batch_first else (data.shape[0], [data.shape[1]])
    if state is not None and not _fits(layer, data, batch, state):
        return "an initial state that torch's forward refuses"
    return None if forced() else _why_faster(layer, data, weight, steps, is_packed=sizes is not None)


def _fits(layer: Any, data: Tensor, batch: list[int], state: Any) -> bool:
    """Whether an initial state is what torch takes."""
    if not isinstance(state, tuple | list) or len(state) != (2 if layer.mode == "LSTM" else 1):
        return False
    rows = layer.num_layers * (2 if layer.bidirectional else 1)
    return all(
        _is_ordinary(given) and given.dtype == data.dtype and given.shape == (rows, *batch, size)
        for given, size in zip(state, (layer.proj_size or layer.hidden_size, layer.hidden_size))
    )


def _why_faster(layer: Any, data: Tensor, weight: Tensor, steps: int, is_packed: bool) -> str | None:
    """Return why torch's forward is the faster, by bounds read off what benchmarks/accelerate_calls.py measures."""
    trains = torch.is_grad_enabled() and (weight.requires_grad or data.requires_grad)
    products = data.numel() // layer.input_size * weight.shape[0] * (layer.input_size + layer.hidden_size)
    is_small = products < _SMALL
    plain = weight.dtype == torch.float32 and not layer.proj_size
    if not is_packed and layer.mode == "LSTM" and plain and torch.backends.mkldnn.is_available():
        return "all lengths are equal: oneDNN, which torch calls, is the fastest" if is_small or not trains else None
    if is_small and steps < (32 if layer.mode.startswith("RNN") else 16) // (4 if trains else 1):
        return f"{steps} steps: too few for a faster kernel to make up for its start"
    refused = native.refusal(layer.cell, data, [layer._weights("l0")], [NO_NOISE])
    if refused and (is_small or not trains or not is_packed or layer.proj_size):
        return f"torch's forward is faster than all but the native kernel; {refused}"
    return None


def _is_ordinary(data: Any) -> bool:
    # an exact comparison: subclasses, as those of `torch.export`, follow rules of their own
    return type(data) in (Tensor, nn.Parameter) and data.device.type == "cpu" and data.layout is torch.strided
