"""What the hand-written kernels share: one direction of one layer as a differentiable function around two loops.

A kernel brings a loop forward in time and a loop back (:class:`Loops`). Here stands what both need beside them: the
products over all N valid tokens, at the end of the backward, that give the gradients of the data and the weights; and
the second derivative, taken through :mod:`recurra.kernels.reference`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from recurra.kernels import reference
from recurra.kernels.cells import State
from recurra.kernels.layout import Layout
from recurra.kernels.noise import NO_NOISE, Noise
from recurra.kernels.weights import Weights

__all__ = ["Gone", "Loops", "Run", "differentiable_gradients", "gradients", "in_float32", "layer"]


class Run(NamedTuple):
    """What one direction runs with, as both loops are told it.

    Attributes:
        cell: a key of :data:`recurra.kernels.cells.CELLS`.
        layout: how the rows are arranged.
        backwards: from each sequence's end to its beginning.
        keep: whether the way back may follow.
        noise: what disturbs it.
        weights: of this direction.
        state: the initial state, tensors [B, H].
    """

    cell: str
    layout: Layout
    backwards: bool
    keep: bool
    noise: Noise
    weights: Weights
    state: State


class Gone(NamedTuple):
    """What a loop back returns: gradients of W_ih x and of W_hh h, each [N, G * H], and the state before each token.

    Attributes:
        from_input: [N, G * H].
        from_state: [N, G * H]; the same tensor where the cell adds the two.
        h_before: [N, H], as W_hh met it.
        initial: gradients of the initial state.
        projection: the gradient of the projection's result, [N, P], and what was projected, [N, H]; None without one.
    """

    from_input: Tensor
    from_state: Tensor
    h_before: Tensor
    initial: tuple[Tensor, ...]
    projection: tuple[Tensor, Tensor] | None = None


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
    loops: Loops,
    cell: str,
    data: Tensor,
    layout: Layout,
    weights: Sequence[Weights],
    states: Sequence[State],
    noises: Sequence[Noise] = (NO_NOISE, NO_NOISE),
) -> tuple[Tensor, list[State]]:
    """Run one layer by these loops; other arguments and results as in :func:`recurra.kernels.reference.layer`."""
    if not layout.batch_sizes:
        return reference.layer(cell, data, layout, weights, states)
    if torch.is_autocast_enabled("cpu"):  # out here, where a second derivative sees the cast
        data, weights, states = in_float32(data, weights, states)
    keep = torch.is_grad_enabled()
    outputs, finals = [], []
    for weight, state, backwards, noise in zip(weights, states, (False, True), noises):
        output, *final = _Recurrence.apply(loops, cell, layout, backwards, keep, noise, data, *weight[:5], *state)  # type: ignore[no-untyped-call]
        outputs.append(output)
        finals.append(tuple(final))
    return torch.cat(outputs, dim=-1) if len(outputs) > 1 else outputs[0], finals


def in_float32(
    data: Tensor, weights: Sequence[Weights], states: Sequence[State]
) -> tuple[Tensor, list[Weights], list[State]]:
    """The arguments of a layer, those of less precision in float32; float64 stays."""

    def wide(tensor: Tensor) -> Tensor:
        return tensor if tensor.dtype == torch.float64 else tensor.float()

    full = [Weights._make(part if part is None else wide(part) for part in weight) for weight in weights]
    return wide(data), full, [tuple(wide(part) for part in state) for state in states]


class _Recurrence(torch.autograd.Function):
    """One direction of one layer: (data, weights, initial state) -> (output, final state)."""

    @staticmethod
    # under autocast this runs in float32, as `layer` has cast it: a state carried over many steps in bfloat16 drifts
    @torch.amp.custom_fwd(device_type="cpu", cast_inputs=torch.float32)  # type: ignore[untyped-decorator]
    def forward(
        ctx: Any,
        loops: Loops,
        cell: str,
        layout: Layout,
        backwards: bool,
        keep: bool,
        noise: Noise,
        data: Tensor,
        weight_ih: Tensor,
        weight_hh: Tensor,
        bias_ih: Tensor | None,
        bias_hh: Tensor | None,
        weight_hr: Tensor | None,
        *state: Tensor,
    ) -> tuple[Tensor, ...]:
        keep = keep and any(ctx.needs_input_grad)
        weights = Weights(weight_ih, weight_hh, bias_ih, bias_hh, weight_hr)
        make_run = partial(Run, cell, layout, backwards, keep, noise)
        output, final, kept = loops.forward(make_run(weights, state), data)
        if keep:
            ctx.loops, ctx.states, ctx.make_run = loops, len(state), make_run
            ctx.save_for_backward(data, *weights[:5], *state, output, *kept)
        return output, *final

    @staticmethod
    @torch.amp.custom_bwd(device_type="cpu")  # type: ignore[untyped-decorator]
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        saved = ctx.saved_tensors  # read once: a checkpoint hands its tensors out only once
        inputs, (output, *kept) = saved[: 6 + ctx.states], saved[6 + ctx.states :]
        needed = ctx.needs_input_grad[6:]
        # asked for with create_graph=True, or with is_grads_batched=True, which the loops cannot see through
        if torch.is_grad_enabled() or not all(map(torch._C._has_storage, grads)):
            forward = partial(_plain_loop, ctx.make_run)
            return *[None] * 6, *differentiable_gradients(forward, inputs, needed, grads)
        run = ctx.make_run(Weights(*inputs[1:6]), inputs[6:])
        gone = ctx.loops.backward(run, output, kept, grads[0], grads[1:])
        return *[None] * 6, *gradients(ctx.loops, run, inputs[0], gone, needed)


def _plain_loop(make_run: Callable[[Weights, State], Run], data: Tensor, *rest: Tensor) -> list[Tensor]:
    run = make_run(Weights(*rest[:5]), rest[5:])
    output, final = reference.direction(run.cell, data, run.layout, run.weights, run.state, run.backwards, run.noise)
    return [output, *final]


def gradients(loops: Loops, run: Run, data: Tensor, gone: Gone, needed: Sequence[bool]) -> list[Tensor | None]:
    """The gradients of (data, weight_ih, weight_hh, bias_ih, bias_hh, weight_hr, *state), by products over all tokens.

    Args:
        loops: whose products these are.
        run: what was run.
        data: [N, I].
        gone: what the loop back returned.
        needed: which of the first six to compute.
    """
    multiply = loops.multiply
    same = gone.from_state is gone.from_input
    by_bias = gone.from_input.sum(0) if needed[3] or (same and needed[4]) else None
    return [
        multiply(gone.from_input, run.weights.weight_ih) if needed[0] else None,
        multiply(gone.from_input.t(), data) if needed[1] else None,
        multiply(gone.from_state.t(), gone.h_before) if needed[2] else None,
        by_bias,
        (by_bias if same else gone.from_state.sum(0)) if needed[4] else None,
        multiply(gone.projection[0].t(), gone.projection[1]) if needed[5] and gone.projection else None,
        *gone.initial,
    ]


def differentiable_gradients(
    forward: Callable[..., Sequence[Tensor]],
    inputs: Sequence[Tensor | None],
    needed: Sequence[bool],
    grads: Sequence[Tensor],
) -> list[Tensor | None]:
    """Gradients by autograd over the plain loop, so that they can be differentiated again.

    Args:
        forward: the plain loop as a function of the inputs, one after the other.
        inputs: what goes in; None where there is no such tensor.
        needed: whose gradients to take; the others are None.
        grads: of what `forward` gives.
    """
    with torch.enable_grad():
        # aliases: where one input depends on another, as a carried state on the weights, only the paths inside count
        aliases = [tensor if tensor is None else tensor.view_as(tensor) for tensor in inputs]
        results = forward(*aliases)
    wanted = [tensor for tensor, is_needed in zip(aliases, needed) if is_needed]
    found = iter(torch.autograd.grad(results, wanted, grads, create_graph=True, allow_unused=True))  # type: ignore[arg-type]
    return [next(found) if is_needed else None for is_needed in needed]
