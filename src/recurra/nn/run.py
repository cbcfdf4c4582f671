"""How stacked recurrent layers run: the forms of input, depth and direction."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from recurra.errors import SettingsError, ShapeError
from recurra.kernels.cells import CELLS, State
from recurra.kernels.dispatch import run_layer
from recurra.kernels.layout import Layout
from recurra.kernels.noise import NO_NOISE, Noise
from recurra.kernels.padded import Padded
from recurra.kernels.weights import Weights
from recurra.nn.lengths import Lengths, layout_of, packed_layout, traced_layout
from recurra.nn.uncompiled import has_native, uncompiled

__all__ = ["RecurrentRun"]


class RecurrentRun(nn.Module):
    """Runs a module that has the attributes and the parameters, by name, of torch's recurrent layers.

    What is beyond torch's layers comes in through the methods that :class:`recurra.nn.stack.Recurrent` overrides.
    """

    cell: str
    input_size: int
    hidden_size: int
    num_layers: int
    batch_first: bool
    dropout: float
    bidirectional: bool
    proj_size: int
    weight_ih_l0: Tensor

    @property
    def num_directions(self) -> int:
        """D, 2 when bidirectional, else 1."""
        return 2 if self.bidirectional else 1

    @property
    def output_size(self) -> int:
        """Size of one direction's output at each step: the projection's where there is one, else H."""
        return self.proj_size or self.hidden_size

    @uncompiled
    def forward_packed(
        self, data: Tensor, layout: Layout, state: Sequence[Tensor] | None = None
    ) -> tuple[Tensor, State]:
        """Run over packed rows. `torch.compile` breaks its graph here, as a layout is new at every call.

        Args:
            data: [N, I].
            layout: how the rows are arranged.
            state: tensors [L * D, B, H] in sorted order; the learned initial state, or zeros, when None.

        Returns:
            The outputs [N, D * H] of the last layer, and the final state, tensors [L * D, B, H] in sorted order.
        """
        return self._run_layers(data, layout, state)

    def _run_layers(
        self, data: Tensor, layout: Layout | Padded, state: Sequence[Tensor] | None
    ) -> tuple[Tensor, State]:
        if state is None:
            state = self._initial_state(layout.batch, data)
        directions = self.num_directions
        finals: list[State] = []
        for layer in range(self.num_layers):
            below = self._prepare(layer, data, layout)
            initial = [tuple(s[layer * directions + d] for s in state) for d in range(directions)]
            weights = [self._weights(end) for end in self._ends(layer)]
            noises = [self._noise(below, layout) for _ in weights]
            output, final = run_layer(self.cell, below, layout, weights, initial, noises)
            data = self._connect(layer, data, output)
            finals += final
        return self._finish(data, layout), tuple(torch.stack(parts) for parts in zip(*finals))

    def _prepare(self, layer: int, data: Tensor, layout: Layout | Padded) -> Tensor:
        """What a layer reads, of what comes from below: here with dropout between layers."""
        return nn.functional.dropout(data, self.dropout, self.training) if layer and self.dropout else data

    def _noise(self, data: Tensor, layout: Layout | Padded) -> Noise:
        """What disturbs one direction of one layer."""
        return NO_NOISE

    def _connect(self, layer: int, below: Tensor, output: Tensor) -> Tensor:
        """What a layer gives, of what came from below and what its recurrence made of it."""
        return output

    def _finish(self, data: Tensor, layout: Layout | Padded) -> Tensor:
        """What the layers give, of what the last one gave."""
        return data

    def _initial_state(self, batch: int, like: Tensor) -> State:
        shape = (self.num_layers * self.num_directions, batch)
        return tuple(like.new_zeros(*shape, size) for size in self._state_sizes())

    def _state_sizes(self) -> list[int]:
        return [self.output_size, self.hidden_size][: CELLS[self.cell].states]

    def _ends(self, layer: int) -> list[str]:
        return [f"l{layer}", f"l{layer}_reverse"][: self.num_directions]

    def _weights(self, end: str) -> Weights:
        return Weights(*(getattr(self, f"{name}_{end}", None) for name in Weights._fields))  # type: ignore[arg-type]

    def _run(
        self, input: Tensor | PackedSequence, state: tuple[Tensor, ...] | None, lengths: Lengths | None
    ) -> tuple[Tensor | PackedSequence, State]:
        if isinstance(input, PackedSequence):
            return self._run_sequence(input, state, lengths)
        if torch.compiler.is_compiling() and self._is_traceable(input):
            return self._run_tensor(input, state, lengths)
        return self._run_uncompiled(input, state, lengths)

    @uncompiled
    def _run_sequence(
        self, input: PackedSequence, state: tuple[Tensor, ...] | None, lengths: Lengths | None
    ) -> tuple[PackedSequence, State]:
        if lengths is not None:
            raise ShapeError("lengths: a PackedSequence has its own lengths; give one or the other")
        layout, data = packed_layout(input), input.data
        self._check_width(data)
        output, final = self._run_layers(data, layout, self._sorted_state(state, layout, batched=True))
        return PackedSequence(output, *input[1:]), tuple(layout.unsort(s, 1) for s in final)

    def _run_tensor(
        self, input: Tensor, state: tuple[Tensor, ...] | None, lengths: Lengths | None
    ) -> tuple[Tensor, State]:
        if input.dim() not in (2, 3):
            raise ShapeError(f"input: expected 2 (unbatched) or 3 dimensions, got {input.dim()}: {tuple(input.shape)}")
        self._check_width(input)
        batched, batch_first = input.dim() == 3, self.batch_first and input.dim() == 3
        padded = input if batched else input.unsqueeze(1)
        time, batch = (padded.shape[1], padded.shape[0]) if batch_first else padded.shape[:2]
        layout = (traced_layout if torch.compiler.is_compiling() else layout_of)(lengths, time, batch)
        data = layout.pack(padded, batch_first)
        output, final = self._run_layers(data, layout, self._sorted_state(state, layout, batched))
        output, final = layout.unpack(output, time, batch_first), tuple(layout.unsort(s, 1) for s in final)
        return (output, final) if batched else (output.squeeze(1), tuple(s.squeeze(1) for s in final))

    _run_uncompiled = uncompiled(_run_tensor)

    def _is_traceable(self, input: Tensor) -> bool:
        """Whether the operator can run these layers, so that a graph need not break."""
        if torch._C._are_functorch_transforms_active():
            raise SettingsError(
                "recurra's layers run inside torch.func, or inside torch.compile, but not in both at once"
            )
        weights = self._weights("l0")
        if input.device.type != "cpu" or weights.gain_ih is not None:
            return False
        is_cast = torch.is_autocast_enabled("cpu") and input.dtype == torch.float16
        for_native = input.dtype in (torch.float32, torch.bfloat16) or is_cast
        return (has_native() and for_native) or (weights.weight_hr is None and not self._is_noisy())

    def _is_noisy(self) -> bool:
        """Whether something disturbs the loop over time."""
        return False

    def _check_width(self, data: Tensor) -> None:
        if data.shape[-1] != self.input_size:
            raise ShapeError(
                f"input: expected a last dimension of {self.input_size} (input_size), got {data.shape[-1]}"
            )
        if data.dtype != self.weight_ih_l0.dtype and not torch.is_autocast_enabled(data.device.type):
            raise ShapeError(f"input: expected {self.weight_ih_l0.dtype} as the parameters are, got {data.dtype}")

    def _sorted_state(self, state: tuple[Tensor, ...] | None, layout: Layout | Padded, batched: bool) -> State | None:
        if state is None:
            return None
        full = []
        for name, given, size in zip(("h_0", "c_0"), state, self._state_sizes()):
            if not isinstance(given, Tensor):
                raise ShapeError(f"{name}: expected a tensor, got {type(given).__name__}")
            if given.dtype != self.weight_ih_l0.dtype and not torch.is_autocast_enabled(given.device.type):
                raise ShapeError(f"{name}: expected {self.weight_ih_l0.dtype} as the parameters are, got {given.dtype}")
            values = given.unsqueeze(1) if not batched and given.dim() == 2 else given
            shape = (self.num_layers * self.num_directions, layout.batch, size)
            if values.shape != shape:
                expected = shape if batched else f"{(shape[0], size)} for one unbatched sequence or {shape}"
                raise ShapeError(
                    f"{name}: expected {expected} (layers * directions, batch, size), got {tuple(given.shape)}"
                )
            full.append(layout.sort(values, 1))
        return tuple(full)
