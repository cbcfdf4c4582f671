"""Streaming: one time step at a time, at the latency of reading the weights once."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from recurra.errors import SettingsError, ShapeError
from recurra.kernels import native
from recurra.kernels.cells import CELLS, State
from recurra.kernels.native.step import PRECISIONS, PackedStack, Precision
from recurra.kernels.noise import NO_NOISE
from recurra.nn.run import RecurrentRun

__all__ = ["Precision", "step"]

_PARTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class _Packed(NamedTuple):
    """The packed weights of a layer, what they were made of, and why there are none.

    Attributes:
        made_of: address and version of each parameter, and whether the layer was in training.
        alive: the parameters; when one dies, its address may come to belong to another.
        stack: None where the native kernel cannot run the layer.
        refusal: why it cannot.
    """

    made_of: list[int]
    alive: list[weakref.ref[nn.Parameter]]
    stack: PackedStack | None
    refusal: str


# Beside the modules, not on them: a copied, pickled or saved module leaves its packed weights behind.
_packed: weakref.WeakKeyDictionary[RecurrentRun, dict[str, _Packed]] = weakref.WeakKeyDictionary()


def step(layer: RecurrentRun, x: Tensor, given: Tensor | State | None, precision: Precision) -> tuple[Tensor, State]:
    """Run one time step; as :meth:`recurra.nn.stack.Recurrent.step`, but the new state is always a tuple."""
    if not isinstance(x, Tensor) or x.dim() not in (1, 2):
        found = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
        raise ShapeError(f"x_t: expected a tensor [B, I] or [I], one time step, got {found}")
    state = given if given is None or isinstance(given, tuple) else _as_tuple(given)
    of_layer = _packed.get(layer)
    packed = of_layer.get(precision) if of_layer else None
    if packed is None or packed.made_of != _made_of(layer):
        packed = _pack_anew(layer, precision)
    stack, refusal = packed.stack, packed.refusal
    if stack is not None:
        if state is None:
            zeros = x.new_zeros(stack.layers, *x.shape[:-1], stack.units)
            state = (zeros, zeros) if stack.has_c else (zeros,)
        result = stack.step(x, state) if forward_ad._current_level < 0 else None
        if result is not None:
            return result
        refusal = "it has no gradients" if _is_tracked(x, state) else "it takes dense float32 tensors on the CPU"
    if precision != "float32":
        raise SettingsError(f"precision: '{precision}' needs the native kernel, but {refusal}; use 'float32'")
    return _ordinary(layer, x, state)


def _as_tuple(state: Tensor | Sequence[Tensor]) -> State:
    return (state,) if isinstance(state, Tensor) else tuple(state)


def _is_tracked(x: Tensor, state: State) -> bool:
    """Whether derivatives may be wanted, forward or backward."""
    tracked = [tensor for tensor in (x, *state) if isinstance(tensor, Tensor) and tensor.requires_grad]
    return forward_ad._current_level >= 0 or (torch.is_grad_enabled() and bool(tracked))


def _pack_anew(layer: RecurrentRun, precision: Precision) -> _Packed:
    made_of = _made_of(layer)
    stack, refusal = _pack(layer, precision)
    parameters = [parameter for parameter in layer._parameters.values() if parameter is not None]
    alive = [weakref.ref(parameter, lambda _: made_of.clear()) for parameter in parameters]
    packed = _Packed(made_of, alive, stack, refusal)
    _packed.setdefault(layer, {})[precision] = packed
    return packed


def _made_of(layer: RecurrentRun) -> list[int]:
    found: list[int] = [layer.training]
    add = found.append
    try:
        for parameter in layer._parameters.values():
            add(parameter.data_ptr())  # type: ignore[union-attr]
            add(parameter._version)  # type: ignore[union-attr]
    except (AttributeError, RuntimeError):  # None, or of a kind that the kernel refuses
        add(-1)
    return found


def _pack(layer: RecurrentRun, precision: Precision) -> tuple[PackedStack | None, str]:
    if precision not in PRECISIONS:
        raise SettingsError(f"precision: expected one of {', '.join(PRECISIONS)}, got {precision!r}")
    refusal = _refusal(layer)
    if refusal:
        return None, refusal
    with torch.no_grad():
        return PackedStack(layer.cell, [layer._weights(end) for end in _ends(layer)], precision), ""


def _refusal(layer: RecurrentRun) -> str | None:
    """Why the native kernel cannot run a layer's steps."""
    if layer.training and layer.dropout and layer.num_layers > 1:
        return "the layer drops out, in training"
    expected = {f"{part}_{end}" for end in _ends(layer) for part in _PARTS[: 4 if layer.bias else 2]}
    strange = expected ^ layer._parameters.keys()
    if strange:
        return f"it knows the parameters of torch.nn alone, not {', '.join(sorted(strange))}"
    for end in _ends(layer):
        weights = layer._weights(end)
        for part in weights[:4]:
            if part is not None and (part.dtype != torch.float32 or part.is_inference()):
                return f"its weights are float32 that tell of their changes, not {part.dtype}"
        refused = native.refusal(layer.cell, weights.weight_ih, [weights], [NO_NOISE])
        if refused:
            return refused
    return None


def _ends(layer: RecurrentRun) -> list[str]:
    return [f"l{number}" for number in range(layer.num_layers)]


def _ordinary(layer: RecurrentRun, x: Tensor, state: State | None) -> tuple[Tensor, State]:
    """The same through the layer's own forward, over a sequence of one step."""
    names = ("h", "c")[: CELLS[layer.cell].states]
    if state is not None and len(state) != len(names):
        raise ShapeError(f"state: expected {' and '.join(names)}, got {len(state)} tensors")
    time = 1 if layer.batch_first and x.dim() == 2 else 0
    output, final = layer._run(x.unsqueeze(time), state, None)
    assert isinstance(output, Tensor)
    return output.squeeze(time), final
