"""Streaming: one time step at a time, at the latency of reading the weights once."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook

from recurra.errors import SettingsError, ShapeError
from recurra.kernels import native
from recurra.kernels.cells import CELLS, State
from recurra.kernels.native.stream import PRECISIONS, PackedStack, Precision
from recurra.kernels.noise import NO_NOISE
from recurra.nn.uncompiled import uncompiled

if TYPE_CHECKING:
    from recurra.nn.stack import Recurrent

__all__ = ["Precision", "step"]

_PARTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
_ALWAYS = ("zoneout", "connections")  # what the native kernel lacks, beside what shows in the parameters' names
_IN_TRAINING = ("dropout", "input_dropout", "recurrent_dropout", "output_dropout", "weight_dropout")
_options = attrgetter("training", *_ALWAYS)
_training_options = attrgetter(*_IN_TRAINING)


class _Packed(NamedTuple):
    """The packed weights of a layer, what they were made of, and why there are none.

    Attributes:
        made_of: steps of fused optimisers, the layer's options that matter here, address and version of each parameter.
        alive: the parameters; when one dies, its address may come to belong to another.
        stack: None where the native kernel cannot run the layer.
        refusal: why it cannot.
    """

    made_of: list[object]
    alive: list[weakref.ref[nn.Parameter]]
    stack: PackedStack | None
    refusal: str


# Beside the modules, not on them: a copied, pickled or saved module leaves its packed weights behind.
_packed: weakref.WeakKeyDictionary[Recurrent, dict[str, _Packed]] = weakref.WeakKeyDictionary()
_fused_steps = 0  # of any optimiser, since the first packing


def step(layer: Recurrent, x: Tensor, given: Tensor | State | None, precision: Precision) -> tuple[Tensor, State]:
    """Run one time step; as :meth:`recurra.nn.stack.Recurrent.step`, but the new state is always a tuple."""
    if not isinstance(x, Tensor) or x.dim() not in (1, 2):
        found = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
        raise ShapeError(f"x_t: expected a tensor [B, I] or [I], one time step, got {found}")
    state = given if given is None or isinstance(given, tuple) else _as_tuple(given)
    if torch.compiler.is_compiling():
        return _ordinary(layer, x, state) if precision == "float32" else _uncompiled_step(layer, x, state, precision)
    return _step(layer, x, state, precision)


def _step(layer: Recurrent, x: Tensor, state: State | None, precision: Precision) -> tuple[Tensor, State]:
    of_layer = _packed.get(layer)
    packed = of_layer.get(precision) if of_layer else None
    if packed is None or packed.made_of != _made_of(layer):
        packed = _pack_anew(layer, precision)
    stack, refusal = packed.stack, packed.refusal
    if stack is not None:
        if state is None:
            initial = layer._initial_state(x.shape[0] if x.dim() == 2 else 1, x)
            state = initial if x.dim() == 2 else tuple(part.squeeze(1) for part in initial)
        result = stack.step(x, state) if forward_ad._current_level < 0 else None
        if result is not None:
            return result
        no_gradients = "it has no gradients (torch.no_grad() asks for none)"
        refusal = no_gradients if _is_tracked(x, state) else "it takes dense float32 tensors on the CPU"
    if precision != "float32":
        raise SettingsError(f"precision: '{precision}' needs the native kernel, but {refusal}; use 'float32'")
    return _ordinary(layer, x, state)


_uncompiled_step = uncompiled(_step)


def _as_tuple(state: Tensor | Sequence[Tensor]) -> State:
    return (state,) if isinstance(state, Tensor) else tuple(state)


def _is_tracked(x: Tensor, state: State) -> bool:
    """Whether derivatives may be wanted, forward or backward."""
    tracked = [tensor for tensor in (x, *state) if isinstance(tensor, Tensor) and tensor.requires_grad]
    return forward_ad._current_level >= 0 or (torch.is_grad_enabled() and bool(tracked))


def _made_of(layer: Recurrent) -> list[object]:
    found: list[object] = [_fused_steps, _options(layer)]
    add = found.append
    if layer.training:
        add(_training_options(layer))
    try:
        for parameter in layer._parameters.values():
            add(parameter.data_ptr())  # type: ignore[union-attr]
            add(parameter._version)  # type: ignore[union-attr]
    except (AttributeError, RuntimeError):  # None, or of a kind that the kernel refuses
        add(None)
    return found


@cache
def _watch_fused_optimisers() -> None:
    """Count their steps: they change parameters in place and leave the versions as they were."""

    def count(optimizer: Optimizer, arguments: Any, options: Any) -> None:
        global _fused_steps
        _fused_steps += any(group.get("fused") for group in optimizer.param_groups)

    register_optimizer_step_post_hook(count)


def _pack_anew(layer: Recurrent, precision: Precision) -> _Packed:
    if precision not in PRECISIONS:
        raise SettingsError(f"precision: expected one of {', '.join(PRECISIONS)}, got {precision!r}")
    _watch_fused_optimisers()
    made_of = _made_of(layer)
    stack, refusal = None, _refusal(layer)
    if refusal is None:
        stack = PackedStack(layer.cell, [layer._weights(end) for end in _ends(layer)], precision)
    parameters = [parameter for parameter in layer._parameters.values() if parameter is not None]
    alive = [weakref.ref(parameter, lambda _: made_of.clear()) for parameter in parameters]
    packed = _Packed(made_of, alive, stack, refusal or "")
    _packed.setdefault(layer, {})[precision] = packed
    return packed


def _refusal(layer: Recurrent) -> str | None:
    """Why the native kernel cannot run a layer's steps, or None when it can."""
    for name in (*_ALWAYS, *(_IN_TRAINING if layer.training else ())):
        if getattr(layer, name):
            return f"the layer has {name}"
    expected = {f"{part}_{end}" for end in _ends(layer) for part in _PARTS[: 4 if layer.bias else 2]}
    strange = expected ^ (layer._parameters.keys() - {"h_0", "c_0"})  # a learned initial state is given to it
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


def _ends(layer: Recurrent) -> list[str]:
    return [f"l{number}" for number in range(layer.num_layers)]


def _ordinary(layer: Recurrent, x: Tensor, state: State | None) -> tuple[Tensor, State]:
    """The same through the layer's own forward, over a sequence of one step."""
    names = ("h", "c")[: CELLS[layer.cell].states]
    if state is not None and len(state) != len(names):
        raise ShapeError(f"state: expected {' and '.join(names)}, got {len(state)} tensors")
    time = 1 if layer.batch_first and x.dim() == 2 else 0
    output, final = layer._run(x.unsqueeze(time), state, None)
    assert isinstance(output, Tensor)
    return output.squeeze(time), final
