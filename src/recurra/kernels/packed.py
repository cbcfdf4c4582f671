"""The recurrence in torch operations alone, with backpropagation through time written by hand.

Autograd over a loop of slices costs time quadratic in the length: the backward of each slice of the [N, G * H] gates
allocates and adds a whole [N, G * H] tensor (pytorch/pytorch#149194). Here the loops hold only what depends on the
previous step; everything else is one operation over all N valid tokens:

    forward    one product W_ih x for all tokens        then, at each step: one product W_hh h and the gates
    backward   the local derivatives of all gates       then, at each step: one product and their scaling
               at the end one product each for dW_ih, dW_hh and dx (recurra/kernels/recurrence.py)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from recurra.kernels import recurrence
from recurra.kernels.cells import State
from recurra.kernels.layout import Layout
from recurra.kernels.noise import NO_NOISE, Noise
from recurra.kernels.recurrence import Gone, Loops, Run
from recurra.kernels.weights import Weights

__all__ = ["LOOPS", "layer", "refusal"]

_Tensors = list[Tensor]
_sigmoid_backward, _tanh_backward = torch.ops.aten.sigmoid_backward, torch.ops.aten.tanh_backward  # grad, result
_threshold_backward = torch.ops.aten.threshold_backward  # grad, result, threshold


def layer(
    cell: str,
    data: Tensor,
    layout: Layout,
    weights: Sequence[Weights],
    states: Sequence[State],
    noises: Sequence[Noise] = (NO_NOISE, NO_NOISE),
) -> tuple[Tensor, list[State]]:
    """Run one layer in each of its directions; arguments and results as in :func:`recurra.kernels.reference.layer`."""
    return recurrence.layer(LOOPS, cell, data, layout, weights, states)


def refusal(cell: str, data: Tensor, weights: Sequence[Weights], noises: Sequence[Noise]) -> str | None:
    """Why this kernel cannot run a layer, or None when it can."""
    if weights[0].gain_ih is not None:
        return "it has no layer norm"
    if any(noises):
        return "it has no noise inside the loop"
    return None if weights[0].weight_hr is None else "it has no projection"


def _forward(run: Run, data: Tensor) -> tuple[Tensor, State, tuple[Tensor, ...]]:
    output, kept = _PACKED[run.cell].forward(data, run.weights, run.state, _Steps(run.layout, run.backwards))
    histories = (output, *kept[1 : len(run.state)])  # an LSTM keeps the cell states second
    final = tuple(_final(h, s, run.layout, run.backwards) for h, s in zip(histories, run.state))
    return output, final, kept


def _backward(run: Run, output: Tensor, kept: list[Tensor], grad: Tensor, final: tuple[Tensor, ...]) -> Gone:
    steps = _Steps(run.layout, run.backwards)
    carried = [gradient.clone() for gradient in final]
    slopes = _PACKED[run.cell].backward(run.weights.weight_hh, run.state, output, kept, grad, carried, steps)
    return Gone(*slopes, steps.before(output, run.state[0]), tuple(carried))


LOOPS = Loops(_forward, _backward)


class _Steps:
    """The steps of one direction in the order of time, with helpers to cut packed tensors into them."""

    def __init__(self, layout: Layout, backwards: bool) -> None:
        self.sizes = layout.batch_sizes
        times = range(len(self.sizes))
        self.forward: range = times[::-1] if backwards else times
        self.reverse: range = self.forward[::-1]

    def cut(self, *packed: Tensor) -> list[tuple[Tensor, ...]]:
        """Views of each packed tensor, one for each step."""
        return [tensor.split(self.sizes) for tensor in packed]

    def follow(self, history: tuple[Tensor, ...], initial: Tensor) -> Iterator[tuple[int, Tensor]]:
        """Yield each step with the state before it, [B', H], read from a history that the caller fills on the way."""
        before = initial[: self.sizes[self.forward[0]]]
        for t in self.forward:
            size = self.sizes[t]
            if size > len(before):  # backwards in time, sequences join where they end
                before = torch.cat([before, initial[len(before) : size]])
            yield t, before[:size]
            before = history[t]

    def before(self, history: Tensor, initial: Tensor) -> Tensor:
        """[N, H], the state before each token."""
        (pieces,) = self.cut(history)
        ordered = sorted(self.follow(pieces, initial), key=lambda step: step[0])
        return torch.cat([state for _, state in ordered])


def _final(history: Tensor, initial: Tensor, layout: Layout, backwards: bool) -> Tensor:
    running = layout.batch_sizes[0]
    last = history[:running] if backwards else history.index_select(0, layout.last_rows().to(history.device))
    return torch.cat([last, initial[running:]])


def _project(data: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return data @ weight.t() if bias is None else torch.addmm(bias, data, weight.t())


def _sum_bias(weights: Weights) -> Tensor | None:
    return None if weights.bias_ih is None or weights.bias_hh is None else weights.bias_ih + weights.bias_hh


def _rnn_forward(
    activate: Callable[[Tensor], Tensor], data: Tensor, weights: Weights, state: State, steps: _Steps
) -> tuple[Tensor, tuple[Tensor, ...]]:
    output = _project(data, weights.weight_ih, _sum_bias(weights))
    weight = weights.weight_hh.t()
    (outputs,) = steps.cut(output)
    for t, h in steps.follow(outputs, state[0]):
        activate(outputs[t].addmm_(h, weight))
    return output, ()


def _rnn_backward(
    activation_backward: Callable[[Tensor, Tensor, Tensor], Tensor],
    weight_hh: Tensor,
    state: State,
    output: Tensor,
    kept: _Tensors,
    grad: Tensor,
    carried: _Tensors,
    steps: _Steps,
) -> tuple[Tensor, Tensor]:
    slope = torch.empty_like(output)
    slopes, outputs, grads = steps.cut(slope, output, grad)
    (dh,) = carried
    for t in steps.reverse:
        running = dh[: steps.sizes[t]].add_(grads[t])
        torch.mm(activation_backward(running, outputs[t], slopes[t]), weight_hh, out=running)
    return slope, slope


def _through_tanh(grad: Tensor, h: Tensor, out: Tensor) -> Tensor:
    _tanh_backward(grad, h, grad_input=out)
    return out


def _through_relu(grad: Tensor, h: Tensor, out: Tensor) -> Tensor:
    _threshold_backward(grad, h, 0, grad_input=out)
    return out


def _lstm_forward(data: Tensor, weights: Weights, state: State, steps: _Steps) -> tuple[Tensor, tuple[Tensor, ...]]:
    size = weights.weight_hh.shape[1]
    gates = _project(data, weights.weight_ih, _sum_bias(weights))
    weight = weights.weight_hh.t()
    output, cell, squashed = (gates.new_empty(len(data), size) for _ in range(3))
    outputs, cells, tanhs, all_gates = steps.cut(output, cell, squashed, gates)
    input_forget, i, f, g, o = steps.cut(gates[:, : 2 * size], *gates.chunk(4, dim=1))
    for (t, h), (_, c) in zip(steps.follow(outputs, state[0]), steps.follow(cells, state[1])):
        all_gates[t].addmm_(h, weight)
        input_forget[t].sigmoid_()
        g[t].tanh_()
        o[t].sigmoid_()
        torch.mul(f[t], c, out=cells[t]).addcmul_(i[t], g[t])
        torch.mul(o[t], torch.tanh(cells[t], out=tanhs[t]), out=outputs[t])
    return output, (gates, cell, squashed)


def _lstm_backward(
    weight_hh: Tensor, state: State, output: Tensor, kept: _Tensors, grad: Tensor, carried: _Tensors, steps: _Steps
) -> tuple[Tensor, Tensor]:
    gates, cell, squashed = kept
    size = output.shape[1]
    i, f, g, o = gates.chunk(4, dim=1)
    slope = torch.empty_like(gates)  # local derivatives: of c by the gates i, f, g, and of h by the gate o
    slope_i, slope_f, slope_g, slope_o = slope.chunk(4, dim=1)
    _sigmoid_backward(g, i, grad_input=slope_i)
    _sigmoid_backward(steps.before(cell, state[1]), f, grad_input=slope_f)
    _tanh_backward(i, g, grad_input=slope_g)
    _sigmoid_backward(squashed, o, grad_input=slope_o)
    through = _tanh_backward(o, squashed)  # of h by c
    by_cell = slope[:, : 3 * size].unflatten(1, (3, size))
    slopes, cell_slopes, output_slopes, throughs, forget, grads = steps.cut(slope, by_cell, slope_o, through, f, grad)
    dh, dc = carried
    for t in steps.reverse:
        running_h, running_c = dh[: steps.sizes[t]].add_(grads[t]), dc[: steps.sizes[t]]
        running_c.addcmul_(running_h, throughs[t])
        cell_slopes[t].mul_(running_c.unsqueeze(1))
        output_slopes[t].mul_(running_h)
        running_c.mul_(forget[t])
        torch.mm(slopes[t], weight_hh, out=running_h)
    return slope, slope


def _gru_forward(data: Tensor, weights: Weights, state: State, steps: _Steps) -> tuple[Tensor, tuple[Tensor, ...]]:
    size = weights.weight_hh.shape[1]
    gates = _project(data, weights.weight_ih, weights.bias_ih)
    reset_weight, new_weight = weights.weight_hh[: 2 * size].t(), weights.weight_hh[2 * size :].t()
    output, candidate = (gates.new_empty(len(data), size) for _ in range(2))  # candidate: W_hn h + b_hn
    if weights.bias_hh is None:
        candidate.zero_()
    else:
        gates[:, : 2 * size] += weights.bias_hh[: 2 * size]
        candidate.copy_(weights.bias_hh[2 * size :].expand_as(candidate))
    reset_update, r, z, n = steps.cut(gates[:, : 2 * size], *gates.chunk(3, dim=1))
    outputs, candidates = steps.cut(output, candidate)
    for t, h in steps.follow(outputs, state[0]):
        reset_update[t].addmm_(h, reset_weight).sigmoid_()
        candidates[t].addmm_(h, new_weight)
        n[t].addcmul_(r[t], candidates[t]).tanh_()
        torch.lerp(n[t], h, z[t], out=outputs[t])
    return output, (gates, candidate)


def _gru_backward(
    weight_hh: Tensor, state: State, output: Tensor, kept: _Tensors, grad: Tensor, carried: _Tensors, steps: _Steps
) -> tuple[Tensor, Tensor]:
    gates, candidate = kept
    size = output.shape[1]
    r, z, n = gates.chunk(3, dim=1)
    by_new = _tanh_backward(1 - z, n)  # of h by the candidate's argument
    slope = torch.empty_like(gates)  # of h by what W_hh h gives to the gates r, z, n
    slope_r, slope_z, slope_n = slope.chunk(3, dim=1)
    _sigmoid_backward(candidate * by_new, r, grad_input=slope_r)
    _sigmoid_backward(steps.before(output, state[0]) - n, z, grad_input=slope_z)
    torch.mul(by_new, r, out=slope_n)
    slopes, gate_slopes, new_slopes, updates, grads = steps.cut(slope, slope.unflatten(1, (3, size)), by_new, z, grad)
    (dh,) = carried
    for t in steps.reverse:
        running = dh[: steps.sizes[t]].add_(grads[t])
        gate_slopes[t].mul_(running.unsqueeze(1))
        new_slopes[t].mul_(running)
        running.mul_(updates[t]).addmm_(slopes[t], weight_hh)
    return torch.cat([slope[:, : 2 * size], by_new], dim=1), slope


class _PackedCell(NamedTuple):
    """One row of the table: a cell's loop forward in time, and the loop back.

    forward: (data, weights, state, steps) -> (output [N, H], tensors kept for the way back)
    backward: (weight_hh, state, output, kept, grad of output, grads of the final state, which become those of the
        initial state, steps) -> (grad of W_ih x, grad of W_hh h), each [N, G * H]
    """

    forward: Callable[[Tensor, Weights, State, _Steps], tuple[Tensor, tuple[Tensor, ...]]]
    backward: Callable[[Tensor, State, Tensor, _Tensors, Tensor, _Tensors, _Steps], tuple[Tensor, Tensor]]


_PACKED: dict[str, _PackedCell] = {
    "rnn_tanh": _PackedCell(partial(_rnn_forward, torch.tanh_), partial(_rnn_backward, _through_tanh)),
    "rnn_relu": _PackedCell(partial(_rnn_forward, torch.relu_), partial(_rnn_backward, _through_relu)),
    "lstm": _PackedCell(_lstm_forward, _lstm_backward),
    "gru": _PackedCell(_gru_forward, _gru_backward),
}
