"""What the hand-written kernels share: one direction of one layer as a differentiable function around two loops.

A kernel brings a loop forward in time and a loop back (:class:`Loops`). Here stands what both need beside them: the
products over all N valid tokens, at the end of the backward, that give the gradients of the data and the weights; and
the second derivative, taken through :mod:`recurra.kernels.reference`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from recurra.kernels import reference
from recurra.kernels.cells import State
from recurra.kernels.layout import Layout
from recurra.kernels.weights import Weights

__all__ = ["Gone", "Loops", "Run", "layer"]


class Run(NamedTuple):
    """What one direction runs with, as both loops are told it.

    Attributes:
        cell: a key of :data:`recurra.kernels.cells.CELLS`.
        layout: how the rows are arranged.
        backwards: from each sequence's end to its beginning.
        keep: whether the way back may follow.
        weights: of this direction.
        state: the initial state, tensors [B, H].
    """

    cell: str
    layout: Layout
    backwards: bool
    keep: bool
    weights: Weights
    state: State


class Gone(NamedTuple):
    """What a loop back returns: gradients of W_ih x and of W_hh h, each [N, G * H], and the state before each token.

    Attributes:
        from_input: [N, G * H].
        from_state: [N, G * H]; the same tensor where the cell adds the two.
        h_before: [N, H].
        initial: gradients of the initial state.
    """

    from_input: Tensor
    from_state: Tensor
    h_before: Tensor
    initial: tuple[Tensor, ...]


@dataclass(frozen=True)  # no tuple: autocast would take it apart and fail to put it together
class Loops:
    """A kernel: its loop forward in time, and its loop back.

    forward: (run, data) -> (output [N, H], final state, tensors kept for the way back)
    backward: (run, output, kept, gradient of the output, gradients of the final state) -> :class:`Gone`
    multiply: the product of two matrices, either of which may be transposed
    """

    forward: Callable[[Run, Tensor], tuple[Tensor, State, tuple[Tensor, ...]]]
    backward: Callable[[Run, Tensor, list[Tensor], Tensor, tuple[Tensor, ...]], Gone]
    multiply: Callable[[Tensor, Tensor], Tensor] = torch.mm


def layer(
    loops: Loops, cell: str, data: Tensor, layout: Layout, weights: list[Weights], states: list[State]
) -> tuple[Tensor, list[State]]:
    """Run one layer by these loops; other arguments and results as in :func:`recurra.kernels.reference.layer`."""
    if not layout.batch_sizes:
        return reference.layer(cell, data, layout, weights, states)
    keep = torch.is_grad_enabled()
    outputs, finals = [], []
    for weight, state, backwards in zip(weights, states, (False, True)):
        output, *final = _Recurrence.apply(loops, cell, layout, backwards, keep, data, *weight[:4], *state)  # type: ignore[no-untyped-call]
        outputs.append(output)
        finals.append(tuple(final))
    return torch.cat(outputs, dim=-1) if len(outputs) > 1 else outputs[0], finals


class _Recurrence(torch.autograd.Function):
    """One direction of one layer: (data, weights, initial state) -> (output, final state)."""

    @staticmethod
    # under autocast this runs in float32: a state carried over many steps in bfloat16 drifts
    @torch.amp.custom_fwd(device_type="cpu", cast_inputs=torch.float32)  # type: ignore[untyped-decorator]
    def forward(
        ctx: Any,
        loops: Loops,
        cell: str,
        layout: Layout,
        backwards: bool,
        keep: bool,
        data: Tensor,
        weight_ih: Tensor,
        weight_hh: Tensor,
        bias_ih: Tensor | None,
        bias_hh: Tensor | None,
        *state: Tensor,
    ) -> tuple[Tensor, ...]:
        keep = keep and any(ctx.needs_input_grad)
        run = Run(cell, layout, backwards, keep, Weights(weight_ih, weight_hh, bias_ih, bias_hh), state)
        output, final, kept = loops.forward(run, data)
        if keep:
            ctx.loops, ctx.states, ctx.settings = loops, len(state), (cell, layout, backwards, keep)
            ctx.save_for_backward(data, weight_ih, weight_hh, bias_ih, bias_hh, *state, output, *kept)
        return output, *final

    @staticmethod
    @torch.amp.custom_bwd(device_type="cpu")  # type: ignore[untyped-decorator]
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        saved = ctx.saved_tensors  # read once: a checkpoint hands its tensors out only once
        inputs, (output, *kept) = saved[: 5 + ctx.states], saved[5 + ctx.states :]
        needed = ctx.needs_input_grad[5:]
        if torch.is_grad_enabled():  # asked for with create_graph=True
            return *[None] * 5, *_differentiable_backward(ctx.settings, inputs, needed, grads)
        data, weight_ih, weight_hh, bias_ih, bias_hh, *state = inputs
        cell, layout, backwards, keep = ctx.settings
        run = Run(cell, layout, backwards, keep, Weights(weight_ih, weight_hh, bias_ih, bias_hh), tuple(state))
        gone = ctx.loops.backward(run, output, kept, grads[0], grads[1:])
        multiply = ctx.loops.multiply
        by_bias = gone.from_input.sum(0) if needed[3] else None
        return (
            *[None] * 5,
            multiply(gone.from_input, weight_ih) if needed[0] else None,
            multiply(gone.from_input.t(), data) if needed[1] else None,
            multiply(gone.from_state.t(), gone.h_before) if needed[2] else None,
            by_bias,
            (by_bias if gone.from_state is gone.from_input else gone.from_state.sum(0)) if needed[4] else None,
            *gone.initial,
        )


def _differentiable_backward(
    settings: tuple[Any, ...], inputs: tuple[Tensor, ...], needed: tuple[bool, ...], grads: tuple[Tensor, ...]
) -> list[Tensor | None]:
    """The same gradients by autograd over the plain loop, so that they can be differentiated again."""
    # aliases: where one input depends on another, as a carried state on the weights, only the paths inside count here
    inputs = tuple(tensor if tensor is None else tensor.view_as(tensor) for tensor in inputs)
    cell, layout, backwards, _ = settings
    output, final = reference.direction(cell, inputs[0], layout, Weights(*inputs[1:5]), tuple(inputs[5:]), backwards)
    wanted = [tensor for tensor, is_needed in zip(inputs, needed) if is_needed]
    found = iter(torch.autograd.grad((output, *final), wanted, grads, create_graph=True, allow_unused=True))
    return [next(found) if is_needed else None for is_needed in needed]
