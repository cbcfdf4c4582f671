"""Which kernel runs a layer, and why; the environment variable RECURRA_KERNEL or :func:`use_kernel` force one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from recurra.errors import SettingsError, nearest
from recurra.kernels import library, native, packed, reference
from recurra.kernels.cells import State
from recurra.kernels.layout import Layout
from recurra.kernels.weights import Weights

__all__ = ["KERNELS", "Choice", "choose", "explain", "run_layer", "use_kernel"]

LayerKernel = Callable[[str, Tensor, Layout, list[Weights], list[State]], tuple[Tensor, list[State]]]

KERNELS: dict[str, LayerKernel] = {
    "reference": reference.layer,
    "packed": packed.layer,
    "library": library.layer,
    "native": native.layer,
}

_REFUSALS: dict[str, Callable[[str, Tensor, list[Weights]], str | None]] = {
    "packed": packed.refusal,
    "native": native.refusal,
}

_forced: ContextVar[str | None] = ContextVar("recurra_kernel", default=None)
_noted: ContextVar[list[Choice] | None] = ContextVar("recurra_choices", default=None)


class Choice(NamedTuple):
    """The kernel that runs a layer, and the reason in plain words."""

    kernel: str
    why: str


@contextlib.contextmanager
def use_kernel(name: str) -> Iterator[None]:
    """Force a kernel for every layer that runs inside the context.

    Raises:
        SettingsError: there is no kernel of that name.

    >>> with use_kernel("reference"):
    ...     pass
    """
    token = _forced.set(_known(name))
    try:
        yield
    finally:
        _forced.reset(token)


def choose(cell: str, data: Tensor, layout: Layout, weights: list[Weights]) -> Choice:
    """Say which kernel runs a layer, and why; arguments as in :func:`recurra.kernels.reference.layer`."""
    forced = _forced.get() or os.environ.get("RECURRA_KERNEL")
    if not forced:
        return _choose_freely(cell, data, layout, weights)
    refused = _REFUSALS[forced](cell, data, weights) if _known(forced) in _REFUSALS else None
    if refused is None:
        return _with_precision(Choice(forced, "forced"), cell, data)
    choice = _choose_freely(cell, data, layout, weights)
    return Choice(choice.kernel, f"the {forced} kernel was forced, but {refused}; {choice.why}")


def _choose_freely(cell: str, data: Tensor, layout: Layout, weights: list[Weights]) -> Choice:
    if torch._C._are_functorch_transforms_active():
        return Choice("reference", "inside a transform of torch.func, which cannot see into the other kernels")
    if data.device.type != "cpu":
        return Choice("library", f"data on {data.device.type}: torch's own kernels")
    if weights[0].weight_hr is not None:
        return Choice("library", "a projection is in no other fast kernel")
    if layout.is_full and cell == "lstm" and weights[0].weight_hh.shape[1] >= 512 and data.dtype == torch.float32:
        return Choice("library", "all lengths equal and H >= 512: oneDNN is the fastest")
    refused = native.refusal(cell, data, weights)
    if refused is None:
        return _with_precision(Choice("native", f"compiled for this processor ({native.variant()})"), cell, data)
    return Choice("packed", f"torch operations with backpropagation through time by hand; native: {refused}")


def _with_precision(choice: Choice, cell: str, data: Tensor) -> Choice:
    note = native.precision(cell, data).note if choice.kernel == "native" else ""
    return choice._replace(why=f"{choice.why}, {note}") if note else choice


def explain(
    layer: Callable[..., Any], x: Tensor | PackedSequence, lengths: Tensor | Sequence[int] | None = None
) -> list[Choice]:
    """Run a recurrent layer once, without gradients, and say which kernel ran each of its L layers, and why.

    Args:
        layer: a module of recurra, or anything that is called as one.
        x: what it is called with.
        lengths: [B], as for the layer; None when all sequences have T steps.

    >>> explain(torch.nn.Identity(), torch.zeros(2))  # nothing recurrent ran
    []
    """
    choices: list[Choice] = []
    token = _noted.set(choices)
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):  # dropout draws numbers
            layer(x) if lengths is None else layer(x, lengths=lengths)
    finally:
        _noted.reset(token)
    return choices


def run_layer(
    cell: str, data: Tensor, layout: Layout, weights: list[Weights], states: list[State]
) -> tuple[Tensor, list[State]]:
    """Run one layer by the kernel of choice; arguments and results as in :func:`recurra.kernels.reference.layer`."""
    choice = choose(cell, data, layout, weights)
    noted = _noted.get()
    if noted is not None:
        noted.append(choice)
    return KERNELS[choice.kernel](cell, data, layout, weights, states)


def _known(name: str) -> str:
    if name not in KERNELS:
        raise SettingsError(f"unknown kernel '{name}'{nearest(name, KERNELS)} (there are {', '.join(KERNELS)})")
    return name
