"""What a layer computes, by hand: one sequence, one step and one gate at a time, with whatever was drawn for it.

The dimensions are those of :mod:`recurra.kernels.cells`; tensors are time-major.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

import recurra.nn.regularisation
import recurra.nn.run

States = list[Tensor]


class Drawn:
    """What one call of a layer drew, recorded where it goes to the kernels.

    Attributes:
        masks: [B, F] in the order of the batch, for the input of each layer and the output of the last one.
        runs: for each layer and direction the weights and the noise that the kernel was given.
    """

    def __init__(self) -> None:
        self.masks: list[Tensor] = []
        self.runs: list[list[tuple[Any, Any]]] = []


class ByHand:
    """The loop over one sequence after another."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch

    def record(self, layer: Any, *arguments: Any, **options: Any) -> tuple[Drawn, tuple[Tensor, ...]]:
        """Call a layer; return what it drew, and (output, h_n) or (output, h_n, c_n)."""
        drawn = Drawn()
        draw, run = recurra.nn.regularisation.draw_mask, recurra.nn.run.run_layer

        def recorded_draw(like: Tensor, rows: int, size: int, p: float) -> Tensor:
            drawn.masks.append(draw(like, rows, size, p))
            return drawn.masks[-1]

        def recorded_run(cell: str, data: Any, layout: Any, weights: Any, states: Any, noises: Any) -> Any:
            drawn.runs.append(list(zip(weights, noises)))
            return run(cell, data, layout, weights, states, noises)

        with self._patch.context() as patch:
            patch.setattr(recurra.nn.regularisation, "draw_mask", recorded_draw)
            patch.setattr(recurra.nn.run, "run_layer", recorded_run)
            output, final = layer(*arguments, **options)
        return drawn, (output, *(final if isinstance(final, tuple) else (final,)))

    def run(
        self, layer: Any, x: Tensor, lengths: Sequence[int], drawn: Drawn, detach_every: int | None = None
    ) -> tuple[Tensor, ...]:
        """Each sequence alone: output [T, B, D * H] and final states [L * D, B, H]."""
        outputs, finals = [], []
        for index, length in enumerate(lengths):
            output, states = self._sequence(layer, x[:length, index], index, lengths, drawn, detach_every)
            outputs.append(torch.cat([output, output.new_zeros(len(x) - length, output.shape[1])]))
            finals.append([torch.stack(parts) for parts in zip(*states)])
        return torch.stack(outputs, 1), *(torch.stack(parts, 1) for parts in zip(*finals))

    def _sequence(
        self, layer: Any, x: Tensor, index: int, lengths: Sequence[int], drawn: Drawn, detach_every: int | None
    ) -> tuple[Tensor, list[States]]:
        masks = [mask[index] for mask in drawn.masks]
        below, finals = x, []
        for depth in range(layer.num_layers):
            read = below * masks.pop(0) if layer.training and layer.input_dropout else below
            sides = []
            for direction in range(layer.num_directions):
                one = _Direction(layer, depth, direction, index, lengths, drawn, detach_every)
                output, final = one.run(read)
                sides.append(output)
                finals.append(final)
            output = torch.cat(sides, 1)
            if depth and layer.connections == "residual":
                output = output + below
            if depth and layer.connections == "highway":
                bias = getattr(layer, f"bias_gate_l{depth}") if layer.bias else 0.0
                gate = torch.sigmoid(below @ getattr(layer, f"weight_gate_l{depth}").T + bias)
                output = gate * output + (1 - gate) * below
            below = output
        return below * masks.pop(0) if layer.training and layer.output_dropout else below, finals


class _Direction:
    def __init__(
        self,
        layer: Any,
        depth: int,
        direction: int,
        index: int,
        lengths: Sequence[int],
        drawn: Drawn,
        detach_every: int | None,
    ) -> None:
        self.layer, self.backwards, self.detach_every = layer, direction == 1, detach_every
        self.end = f"l{depth}" + ("_reverse" if direction else "")
        self.row = depth * layer.num_directions + direction
        self.rank = sorted(range(len(lengths)), key=lambda b: -lengths[b]).index(index)  # the longest sequence first
        self.running = [sum(length > t for length in lengths) for t in range(max(lengths))]
        weights, self.noise = drawn.runs[depth][direction]
        self.weight_hh = self.get("weight_hh")
        if layer.training and layer.weight_dropout:
            kept = (weights.weight_hh.detach() != 0).to(self.weight_hh.dtype)
            self.weight_hh = self.weight_hh * kept / (1 - layer.weight_dropout)

    def get(self, name: str) -> Any:
        return getattr(self.layer, f"{name}_{self.end}", None)

    def run(self, x: Tensor) -> tuple[Tensor, States]:
        state = self.first_state(x)
        outputs: list[Any] = [None] * len(x)
        for done, t in enumerate(reversed(range(len(x))) if self.backwards else range(len(x))):
            if self.detach_every and done and done % self.detach_every == 0:
                state = [part.detach() for part in state]
            state = self.step(x[t], state, t)
            outputs[t] = state[0]
        width = self.layer.proj_size or self.layer.hidden_size
        return torch.stack(outputs) if outputs else x.new_zeros(0, width), state

    def first_state(self, x: Tensor) -> States:
        layer = self.layer
        names = ["h_0", "c_0"] if layer.cell == "lstm" else ["h_0"]
        if layer.learn_initial_state:
            return [getattr(layer, name)[self.row] for name in names]
        return [x.new_zeros(size) for size in [layer.proj_size or layer.hidden_size, layer.hidden_size][: len(names)]]

    def step(self, x: Tensor, state: States, t: int) -> States:
        h = state[0] if self.noise.state is None else state[0] * self.noise.state[self.rank]
        from_input = self.affine(self.get("weight_ih") @ x, "ih")
        from_state = self.affine(self.weight_hh @ h, "hh")
        new = self.cell(from_input, from_state, state)
        if self.noise.zoneout is None:
            return new
        row = sum(self.running[:t]) + self.rank
        stays = [share[row] for share in self.noise.zoneout]
        return [share * old + (1 - share) * now for share, old, now in zip(stays, state, new)]

    def affine(self, values: Tensor, name: str) -> Tensor:
        if self.layer.layer_norm:
            values = normed(values) * self.get(f"gain_{name}")
        return values if not self.layer.bias else values + self.get(f"bias_{name}")

    def cell(self, from_input: Tensor, from_state: Tensor, state: States) -> States:
        size = self.layer.hidden_size
        a, u = from_input.split(size), from_state.split(size)
        if self.layer.cell == "lstm":
            i, f, o = (torch.sigmoid(a[gate] + u[gate]) for gate in (0, 1, 3))
            c = f * state[1] + i * torch.tanh(a[2] + u[2])
            shown = c
            if self.layer.layer_norm:
                shown = normed(c) * self.get("gain_c") + (self.get("bias_c") if self.layer.bias else 0.0)
            h = o * torch.tanh(shown)
            return [self.get("weight_hr") @ h if self.layer.proj_size else h, c]
        if self.layer.cell == "gru":
            r, z = torch.sigmoid(a[0] + u[0]), torch.sigmoid(a[1] + u[1])
            return [(1 - z) * torch.tanh(a[2] + r * u[2]) + z * state[0]]
        return [torch.tanh(a[0] + u[0]) if self.layer.cell == "rnn_tanh" else (a[0] + u[0]).clamp(min=0)]


def normed(values: Tensor) -> Tensor:
    """Mean zero, variance one; the small number is that of torch's layer norm."""
    centred = values - values.mean()
    return centred / torch.sqrt((centred * centred).mean() + 1e-5)


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch) -> ByHand:
    return ByHand(monkeypatch)


@pytest.fixture
def gradients() -> Callable[[Sequence[Tensor], Sequence[Tensor]], tuple[Tensor, ...]]:
    """Gradients of a random weighting of all results, the same for the same shapes."""

    def compute(results: Sequence[Tensor], wanted: Sequence[Tensor]) -> tuple[Tensor, ...]:
        generator = torch.Generator().manual_seed(5)
        loss = sum((r * torch.randn(r.shape, generator=generator, dtype=r.dtype)).sum() for r in results)
        return torch.autograd.grad(loss, wanted, materialize_grads=True)

    return compute
