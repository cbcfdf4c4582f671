"""One recurrent layer over a padded batch as an operator of `torch.library`, for torch.compile and torch.export.

A tracer sees one operator with padded tensors in and out and the lengths as data; the packing happens inside, so that
one graph serves every batch. Outside a tracer nothing comes here: calling an operator takes longer than the smallest
layers do.

    recurra::layer             data, lengths, weights, states, noise -> output, final states, what the way back needs
    recurra::layer_backward    all of these and the gradients        -> gradients of data, weights, states
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from recurra.errors import SettingsError, ShapeError
from recurra.kernels import native, packed, recurrence, reference
from recurra.kernels.cells import CELLS, State
from recurra.kernels.choice import Choice, forced, note
from recurra.kernels.layout import Layout
from recurra.kernels.noise import Noise
from recurra.kernels.padded import Padded
from recurra.kernels.recurrence import Loops, Run
from recurra.kernels.weights import Weights

__all__ = ["layer"]

_SLOTS = 5  # the first fields of Weights, those that the fast kernels know
_KEPT = 5  # room for what a kernel keeps of each direction
# autocast stays on while it calls an operator, and would cast the products within
_in_its_own_types = partial(torch.autocast, "cpu", enabled=False)


def layer(
    cell: str,
    data: Tensor,
    layout: Padded,
    weights: Sequence[Weights],
    states: Sequence[State],
    noises: Sequence[Noise],
) -> tuple[Tensor, list[State]]:
    """Run one layer; as :func:`recurra.kernels.reference.layer`, but on padded tensors, sequences in their own order.

    Raises:
        ShapeError: when it runs: lengths out of 0..T.
        SettingsError: when it runs: no kernel that works inside an operator can run this layer.
    """
    noises = noises[: len(weights)]
    bfloat16, is_autocast, given = native.asks_for_bfloat16(data), torch.is_autocast_enabled("cpu"), data.dtype
    if is_autocast or given == torch.bfloat16:
        data, weights, states = recurrence.in_float32(data, weights, states)
    dtype = data.dtype if is_autocast else given  # as outside an operator: see recurra/kernels/recurrence.py
    results = torch.ops.recurra.layer(
        cell,
        bfloat16,
        data,
        layout.lengths,
        [slot for slot, tensor in enumerate(weights[0][:_SLOTS]) if tensor is not None],
        [tensor for weight in weights for tensor in weight[:_SLOTS] if tensor is not None],
        [tensor for state in states for tensor in state],
        [noise.state for noise in noises if noise.state is not None],
        [share for noise in noises for share in noise.zoneout or ()],
        torch.is_grad_enabled(),
    )
    parts = CELLS[cell].states
    output, *finals = (result.to(dtype) for result in results[: 1 + parts * len(weights)])
    return output, [tuple(finals[d * parts : (d + 1) * parts]) for d in range(len(weights))]


class _Call:
    """The arguments of one call, packed: what each direction runs with."""

    def __init__(
        self,
        cell: str,
        bfloat16: bool,
        data: Tensor,
        lengths: Tensor,
        slots: Sequence[int],
        weights: Sequence[Tensor],
        states: Sequence[Tensor],
        masks: Sequence[Tensor],
        zoneouts: Sequence[Tensor],
        keep: bool,
    ) -> None:
        if lengths.numel() and not 0 <= int(lengths.min()) <= int(lengths.max()) <= len(data):
            found = f"{int(lengths.min())} to {int(lengths.max())}"
            raise ShapeError(f"lengths: expected 0 to {len(data)}, got {found}")
        self.time, self.keep, self.bfloat16 = len(data), keep, bfloat16
        self.layout = layout = Layout.from_lengths(lengths)
        self.data = layout.pack(data, False)
        parts, count = CELLS[cell].states, len(slots)
        self.weights = [
            Weights(**{Weights._fields[slot]: weights[start + i] for i, slot in enumerate(slots)})
            for start in range(0, len(weights), count)
        ]
        masks = [layout.sort(mask, 0) for mask in masks]
        shares = [layout.pack(share, False) for share in zoneouts]
        self.runs = []
        for d, weight in enumerate(self.weights):
            own = slice(d * parts, (d + 1) * parts)
            noise = Noise(masks[d] if masks else None, tuple(shares[own]) or None)
            state = tuple(layout.sort(tensor, 0) for tensor in states[own])
            self.runs.append(Run(cell, layout, d == 1, keep, noise, weight, state))

    def kernel(self) -> tuple[Choice, Loops]:
        """What runs the call. No kernel can be forced here: the way back may run where that is over."""
        wanted, where = forced(), "inside torch.compile or torch.export"
        run, reasons = self.runs[0], [f"the {wanted} kernel was forced, which has no effect there"] if wanted else []
        rounded = native.precision(run.cell, self.bfloat16).bfloat16
        compiled = native.LOOPS_BFLOAT16 if rounded else native.LOOPS
        kernels = {"native": (native.refusal, compiled), "packed": (packed.refusal, packed.LOOPS)}
        for name, (refusal, loops) in kernels.items():
            refused = refusal(run.cell, self.data, self.weights, [run.noise])
            if refused is None:
                return Choice(name, "; ".join([where, *reasons])), loops
            reasons.append(f"{name}: {refused}")
        raise SettingsError(f"no kernel runs this layer {where}; {'; '.join(reasons)}")


@torch.library.custom_op("recurra::layer", mutates_args=())
def _layer(
    cell: str,
    bfloat16: bool,
    data: Tensor,
    lengths: Tensor,
    slots: Sequence[int],
    weights: Sequence[Tensor],
    states: Sequence[Tensor],
    masks: Sequence[Tensor],
    zoneouts: Sequence[Tensor],
    keep: bool,
) -> list[Tensor]:
    call = _Call(cell, bfloat16, data, lengths, slots, weights, states, masks, zoneouts, keep)
    if not call.layout.batch_sizes:
        return [
            data.new_zeros(*data.shape[:2], len(call.runs) * states[0].shape[1]),
            *(state.clone() for state in states),
            *(data.new_empty(0, 0) for _ in range(_KEPT * len(call.runs) * keep)),
        ]
    choice, loops = call.kernel()
    note(choice)
    outputs, finals, kept = [], [], []
    for run in call.runs:
        with _in_its_own_types():
            output, final, own = loops.forward(run, call.data)
        outputs.append(output)
        finals += [call.layout.unsort(state, 0).clone() for state in final]
        if keep:
            kept += [output, *own, *(data.new_empty(0, 0) for _ in range(_KEPT - 1 - len(own)))]
    return [call.layout.unpack(torch.cat(outputs, 1), call.time, False), *finals, *kept]


@_layer.register_fake
def _(
    cell: str,
    bfloat16: bool,
    data: Tensor,
    lengths: Tensor,
    slots: Sequence[int],
    weights: Sequence[Tensor],
    states: Sequence[Tensor],
    masks: Sequence[Tensor],
    zoneouts: Sequence[Tensor],
    keep: bool,
) -> list[Tensor]:
    new_size = torch.library.get_ctx().new_dynamic_size
    directions = len(weights) // len(slots)
    output = data.new_empty(*data.shape[:2], directions * states[0].shape[1])
    finals = [torch.empty_like(state, memory_format=torch.contiguous_format) for state in states]
    kept = [data.new_empty(new_size(), new_size()) for _ in range(_KEPT * directions * keep)]
    return [output, *finals, *kept]


@torch.library.custom_op("recurra::layer_backward", mutates_args=())
def _layer_backward(
    cell: str,
    bfloat16: bool,
    data: Tensor,
    lengths: Tensor,
    slots: Sequence[int],
    weights: Sequence[Tensor],
    states: Sequence[Tensor],
    masks: Sequence[Tensor],
    zoneouts: Sequence[Tensor],
    kept: Sequence[Tensor],
    grads: Sequence[Tensor],
) -> list[Tensor]:
    call = _Call(cell, bfloat16, data, lengths, slots, weights, states, masks, zoneouts, True)
    layout, parts, size = call.layout, CELLS[cell].states, states[0].shape[1]
    if not layout.batch_sizes:
        return [
            torch.zeros_like(data),
            *(torch.zeros_like(weight) for weight in weights),
            *(g.clone() for g in grads[1:]),
        ]
    grad, (_, loops) = layout.pack(grads[0], False), call.kernel()
    by_data: list[Tensor] = []
    by_weights: list[Tensor] = []
    by_states: list[Tensor] = []
    for d, run in enumerate(call.runs):
        output, *own = (tensor for tensor in kept[d * _KEPT : (d + 1) * _KEPT] if tensor.numel())
        final = tuple(layout.sort(g, 0) for g in grads[1 + d * parts : 1 + (d + 1) * parts])
        present = [weight is not None for weight in run.weights[:_SLOTS]]
        with _in_its_own_types():
            gone = loops.backward(run, output, own, grad[:, d * size : (d + 1) * size], final)
            found = recurrence.gradients(loops, run, call.data, gone, [True, *present])
        of_data, *of_weights = (tensor for tensor in found[: 1 + _SLOTS] if tensor is not None)
        by_data.append(of_data)
        # biases may share a gradient, and the results of an operator may not be one another
        by_weights += [tensor.clone() if tensor.dim() == 1 else tensor for tensor in of_weights]
        by_states += [layout.unsort(tensor, 0).clone() for tensor in gone.initial]
    return [layout.unpack(sum(by_data[1:], by_data[0]), call.time, False).clone(), *by_weights, *by_states]


@_layer_backward.register_fake
def _(
    cell: str,
    bfloat16: bool,
    data: Tensor,
    lengths: Tensor,
    slots: Sequence[int],
    weights: Sequence[Tensor],
    states: Sequence[Tensor],
    masks: Sequence[Tensor],
    zoneouts: Sequence[Tensor],
    kept: Sequence[Tensor],
    grads: Sequence[Tensor],
) -> list[Tensor]:
    return [torch.empty_like(t, memory_format=torch.contiguous_format) for t in (data, *weights, *states)]


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
    ctx.cell, ctx.bfloat16, data, lengths, ctx.slots, weights, states, masks, zoneouts, ctx.keep = inputs
    groups = (data, lengths), weights, states, masks, zoneouts, output[1 + len(states) :]
    ctx.sizes = [len(group) for group in groups]
    ctx.save_for_backward(*(tensor for group in groups for tensor in group))


def _backward(ctx: Any, grads: Sequence[Tensor]) -> tuple[Any, ...]:
    if not ctx.keep:
        raise SettingsError("recurra::layer was called with keep=False: it has no gradient")
    groups = [list(group) for group in _cut(ctx.saved_tensors, ctx.sizes)]
    (data, lengths), weights, states, masks, zoneouts, kept = groups
    grads = grads[: 1 + len(states)]
    if torch.is_grad_enabled():  # asked for with create_graph=True
        leaves = [data, *weights, *states]
        told = {"cell": ctx.cell, "bfloat16": ctx.bfloat16, "lengths": lengths, "slots": ctx.slots}
        make_call = partial(_Call, **told, masks=masks, zoneouts=zoneouts, keep=True)
        forward = partial(_plain_loop, make_call, (len(weights), len(states)))
        needed = [leaf.requires_grad for leaf in leaves]
        by_data, *rest = recurrence.differentiable_gradients(forward, leaves, needed, grads)
    else:
        by_data, *rest = torch.ops.recurra.layer_backward(
            ctx.cell, ctx.bfloat16, data, lengths, ctx.slots, weights, states, masks, zoneouts, kept, grads
        )
    by_weights, by_states = _cut(rest, (len(weights), len(states)))
    return None, None, by_data, None, None, by_weights, by_states, [None] * len(masks), [None] * len(zoneouts), None


def _plain_loop(make_call: Callable[..., _Call], counts: tuple[int, int], data: Tensor, *rest: Tensor) -> list[Tensor]:
    """Output and final states."""
    weights, states = _cut(rest, counts)
    with _in_its_own_types():
        call = make_call(data=data, weights=weights, states=states)
        runs = call.runs
        output, finals = reference.layer(
            runs[0].cell, call.data, call.layout, call.weights, [run.state for run in runs], [run.noise for run in runs]
        )
    unsorted = (call.layout.unsort(tensor, 0) for final in finals for tensor in final)
    return [call.layout.unpack(output, call.time, False), *unsorted]


def _cut(values: Sequence[Any], sizes: Sequence[int]) -> Iterator[Sequence[Any]]:
    start = 0
    for size in sizes:
        yield values[start : start + size]
        start += size


_layer.register_autograd(_backward, setup_context=_setup_context)
