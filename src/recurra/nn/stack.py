"""What RNN, LSTM and GRU share: parameters, depth, direction, and the forms of input."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from recurra.errors import SettingsError, ShapeError
from recurra.kernels.cells import CELLS, State
from recurra.kernels.dispatch import run_layer
from recurra.kernels.layout import Layout
from recurra.kernels.weights import Weights
from recurra.nn.lengths import Lengths, checked_lengths, packed_layout
from recurra.nn.uncompiled import uncompiled

__all__ = ["Recurrent"]


class Recurrent(nn.Module):
    """What RNN, LSTM and GRU share: parameters, depth, direction, and the forms of input.

    Parameters are named and laid out as in `torch.nn` (``weight_ih_l0``, ``weight_hh_l0_reverse``, ...), so a
    ``state_dict`` of the torch layer loads as it is.
    """

    def __init__(
        self,
        cell: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        init: Literal["careful", "torch"] = "careful",
    ) -> None:
        super().__init__()
        _check_arguments(input_size, hidden_size, num_layers, dropout, proj_size, init)
        self.cell = cell
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self.init = init
        rows = CELLS[cell].gates * hidden_size
        for layer in range(num_layers):
            width = input_size if layer == 0 else self.num_directions * self.output_size
            for end in self._ends(layer):
                shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, width), "weight_hh": (rows, self.output_size)}
                if bias:
                    shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
                if proj_size:
                    shapes["weight_hr"] = (proj_size, hidden_size)
                for name, shape in shapes.items():
                    parameter = nn.Parameter(torch.empty(*shape, device=device, dtype=dtype))
                    self.register_parameter(f"{name}_{end}", parameter)
        self.reset_parameters()

    @property
    def num_directions(self) -> int:
        """D, 2 when bidirectional, else 1."""
        return 2 if self.bidirectional else 1

    @property
    def output_size(self) -> int:
        """Size of one direction's output at each step: the projection's where there is one, else H."""
        return self.proj_size or self.hidden_size

    def reset_parameters(self) -> None:
        """Draw new parameters.

        ``init="careful"``: Xavier uniform W_ih (Glorot, Bengio 2010) and orthogonal W_hh (Saxe et al. 2014), each over
        the stacked gates as one matrix; zero biases, but 1 for an LSTM's forget gate (Jozefowicz et al. 2015).
        ``init="torch"``: all uniform in +-1/sqrt(H), as `torch.nn`.
        """
        bound = 1 / math.sqrt(self.hidden_size)
        for name, parameter in self.named_parameters():
            if self.init == "torch":
                nn.init.uniform_(parameter, -bound, bound)
            elif name.startswith("weight_hh"):
                nn.init.orthogonal_(parameter)
            elif name.startswith("weight"):
                nn.init.xavier_uniform_(parameter)
            else:
                nn.init.zeros_(parameter)
                if self.cell == "lstm" and name.startswith("bias_ih"):
                    nn.init.ones_(parameter[self.hidden_size : 2 * self.hidden_size])

    def flatten_parameters(self) -> None:
        """Do nothing; code written for `torch.nn` may call it."""

    @uncompiled
    def forward_packed(
        self, data: Tensor, layout: Layout, state: Sequence[Tensor] | None = None
    ) -> tuple[Tensor, State]:
        """Run over packed rows.

        Args:
            data: [N, I].
            layout: how the rows are arranged.
            state: tensors [L * D, B, H] in sorted order; zeros when None.

        Returns:
            The outputs [N, D * H] of the last layer, and the final state, tensors [L * D, B, H] in sorted order.
        """
        if state is None:
            state = self._zero_state(layout.batch, data)
        directions = self.num_directions
        finals: list[State] = []
        for layer in range(self.num_layers):
            if layer and self.dropout:
                data = nn.functional.dropout(data, self.dropout, self.training)
            initial = [tuple(s[layer * directions + d] for s in state) for d in range(directions)]
            weights = [self._weights(end) for end in self._ends(layer)]
            data, final = run_layer(self.cell, data, layout, weights, initial)
            finals += final
        return data, tuple(torch.stack(parts) for parts in zip(*finals))

    def extra_repr(self) -> str:
        """The arguments that are not at their default, as `torch.nn` prints them."""
        defaults = {
            "proj_size": 0,
            "num_layers": 1,
            "bias": True,
            "batch_first": False,
            "dropout": 0.0,
            "bidirectional": False,
        }
        shown = [f"{name}={getattr(self, name)}" for name, value in defaults.items() if getattr(self, name) != value]
        return ", ".join([str(self.input_size), str(self.hidden_size), *shown])

    def _ends(self, layer: int) -> list[str]:
        return [f"l{layer}", f"l{layer}_reverse"][: self.num_directions]

    def _weights(self, end: str) -> Weights:
        return Weights(*(getattr(self, f"{name}_{end}", None) for name in Weights._fields))  # type: ignore[arg-type]

    def _zero_state(self, batch: int, like: Tensor) -> State:
        shape = (self.num_layers * self.num_directions, batch)
        sizes = [self.output_size, self.hidden_size][: CELLS[self.cell].states]
        return tuple(like.new_zeros(*shape, size) for size in sizes)

    @uncompiled
    def _run(
        self, input: Tensor | PackedSequence, state: tuple[Tensor, ...] | None, lengths: Lengths | None
    ) -> tuple[Tensor | PackedSequence, State]:
        if isinstance(input, PackedSequence):
            if lengths is not None:
                raise ShapeError("lengths: a PackedSequence has its own lengths; give one or the other")
            layout, data = packed_layout(input), input.data
            self._check_width(data)
            output, final = self.forward_packed(data, layout, self._sorted_state(state, layout, batched=True))
            return PackedSequence(output, *input[1:]), tuple(layout.unsort(s, 1) for s in final)
        if input.dim() not in (2, 3):
            raise ShapeError(f"input: expected 2 (unbatched) or 3 dimensions, got {input.dim()}: {tuple(input.shape)}")
        self._check_width(input)
        batched, batch_first = input.dim() == 3, self.batch_first and input.dim() == 3
        padded = input if batched else input.unsqueeze(1)
        time, batch = (padded.shape[1], padded.shape[0]) if batch_first else padded.shape[:2]
        checked = None if lengths is None else checked_lengths(lengths, batch, time)
        layout = Layout.full(time, batch) if checked is None else Layout.from_lengths(checked)
        data = layout.pack(padded, batch_first)
        output, final = self.forward_packed(data, layout, self._sorted_state(state, layout, batched))
        output, final = layout.unpack(output, time, batch_first), tuple(layout.unsort(s, 1) for s in final)
        return (output, final) if batched else (output.squeeze(1), tuple(s.squeeze(1) for s in final))

    def _check_width(self, data: Tensor) -> None:
        if data.shape[-1] != self.input_size:
            raise ShapeError(
                f"input: expected a last dimension of {self.input_size} (input_size), got {data.shape[-1]}"
            )
        parameter = cast(Tensor, self.weight_ih_l0)
        if data.dtype != parameter.dtype and not torch.is_autocast_enabled(data.device.type):
            raise ShapeError(f"input: expected {parameter.dtype} as the parameters are, got {data.dtype}")

    def _sorted_state(self, state: tuple[Tensor, ...] | None, layout: Layout, batched: bool) -> State | None:
        if state is None:
            return None
        parameter = cast(Tensor, self.weight_ih_l0)
        sizes = [self.output_size, self.hidden_size][: CELLS[self.cell].states]
        full = []
        for name, given, size in zip(("h_0", "c_0"), state, sizes):
            if not isinstance(given, Tensor):
                raise ShapeError(f"{name}: expected a tensor, got {type(given).__name__}")
            if given.dtype != parameter.dtype and not torch.is_autocast_enabled(given.device.type):
                raise ShapeError(f"{name}: expected {parameter.dtype} as the parameters are, got {given.dtype}")
            values = given.unsqueeze(1) if not batched and given.dim() == 2 else given
            shape = (self.num_layers * self.num_directions, layout.batch, size)
            if values.shape != shape:
                expected = shape if batched else f"{(shape[0], size)} for one unbatched sequence or {shape}"
                raise ShapeError(
                    f"{name}: expected {expected} (layers * directions, batch, size), got {tuple(given.shape)}"
                )
            full.append(layout.sort(values, 1))
        return tuple(full)


def _check_arguments(
    input_size: int, hidden_size: int, num_layers: int, dropout: float, proj_size: int, init: str
) -> None:
    for name, value, least in (
        ("input_size", input_size, 1),
        ("hidden_size", hidden_size, 1),
        ("num_layers", num_layers, 1),
        ("proj_size", proj_size, 0),
    ):
        if not isinstance(value, int) or value < least:
            raise SettingsError(f"{name}: expected an integer of at least {least}, got {value!r}")
    if isinstance(dropout, bool) or not 0 <= dropout <= 1:
        raise SettingsError(f"dropout: expected a number in 0..1, got {dropout!r}")
    if proj_size >= hidden_size:
        raise SettingsError(f"proj_size: expected less than hidden_size ({hidden_size}), got {proj_size}")
    if init not in ("careful", "torch"):
        raise SettingsError(f"init: expected 'careful' or 'torch', got {init!r}")
    if dropout and num_layers == 1:
        warnings.warn("dropout works between layers, and there is only one: it has no effect", stacklevel=4)
