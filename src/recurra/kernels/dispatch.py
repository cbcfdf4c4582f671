"""Which kernel runs a layer, and why; the environment variable RECURRA_KERNEL or :func:`use_kernel` force one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import NamedTuple

import torch
from torch import Tensor

from recurra.errors import SettingsError, nearest
from recurra.kernels import library, native, packed, reference
from recurra.kernels.cells import State
from recurra.kernels.layout import Layout
from recurra.kernels.weights import Weights

__all__ = ["KERNELS", "Choice", "choose", "run_layer", "use_kernel"]

LayerKernel = Callable[[str, Tensor, Layout, list[Weights], list[State]], tuple[Tensor, list[State]]]

KERNELS: dict[str, LayerKernel] = {
    "reference": reference.layer,
    "packed": packed.layer,
    "library": library.layer,
    "native": native.layer,
}

_forced: ContextVar[str | None] = ContextVar("recurra_kernel", default=None)


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
    projected = weights[0].weight_hr is not None
    forced = _forced.get() or os.environ.get("RECURRA_KERNEL")
    if forced and not (projected and _known(forced) == "packed"):
        return Choice(_known(forced), "forced")
    if torch._C._are_functorch_transforms_active():
        return Choice("reference", "inside a transform of torch.func, which cannot see into the other kernels")
    if data.device.type != "cpu":
        return Choice("library", f"data on {data.device.type}: torch's own kernels")
    if projected:
        return Choice("library", "a projection is not in the packed kernel")
    if layout.is_full and cell == "lstm" and weights[0].weight_hh.shape[1] >= 512 and data.dtype == torch.float32:
        return Choice("library", "all lengths equal and H >= 512: oneDNN is the fastest")
    return Choice("packed", "torch operations with backpropagation through time by hand")


def run_layer(
    cell: str, data: Tensor, layout: Layout, weights: list[Weights], states: list[State]
) -> tuple[Tensor, list[State]]:
    """Run one layer by the kernel of choice; arguments and results as in :func:`recurra.kernels.reference.layer`."""
    return KERNELS[choose(cell, data, layout, weights).kernel](cell, data, layout, weights, states)


def _known(name: str) -> str:
    if name not in KERNELS:
        raise SettingsError(f"unknown kernel '{name}'{nearest(name, KERNELS)} (there are {', '.join(KERNELS)})")
    return name
