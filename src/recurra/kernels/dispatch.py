"""Which kernel runs a layer, and why; the environment variable RECURRA_KERNEL or :func:`use_kernel` force one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from recurra.errors import SettingsError, nearest
from recurra.kernels import library, lookback, native, operator, packed, reference
from recurra.kernels.cells import State
from recurra.kernels.choice import FORCED, NOTED, Choice, forced, note
from recurra.kernels.layout import Layout
from recurra.kernels.noise import NO_NOISE, Noise
from recurra.kernels.padded import Padded
from recurra.kernels.trace import is_traced
from recurra.kernels.weights import Weights

__all__ = ["KERNELS", "Choice", "choose", "explain", "run_layer", "use_kernel"]


class Kernel(NamedTuple):
    """A way to run one layer, and why it cannot run one; both as those of :mod:`recurra.kernels.reference`."""

    layer: Callable[
        [str, Tensor, Layout, Sequence[Weights], Sequence[State], Sequence[Noise]], tuple[Tensor, list[State]]
    ]
    refusal: Callable[[str, Tensor, Sequence[Weights], Sequence[Noise]], str | None]


_LONG_VECTORS = "all lengths equal and H >= 512: of torch's, oneDNN is the fastest"

KERNELS: dict[str, Kernel] = {
    "reference": Kernel(reference.layer, lambda cell, data, weights, noises: None),
    "packed": Kernel(packed.layer, packed.refusal),
    "library": Kernel(library.layer, library.refusal),
    "native": Kernel(native.layer, native.refusal),
}


@contextlib.contextmanager
def use_kernel(name: str) -> Iterator[None]:
    """Force a kernel for every layer that runs inside the context, but not in a graph of torch.compile or torch.export.

    Raises:
        SettingsError: there is no kernel of that name.

    >>> with use_kernel("reference"):
    ...     pass
    """
    token = FORCED.set(_known(name))
    try:
        yield
    finally:
        FORCED.reset(token)


def choose(
    cell: str,
    data: Tensor,
    layout: Layout,
    weights: Sequence[Weights],
    noises: Sequence[Noise] = (NO_NOISE, NO_NOISE),
) -> Choice:
    """Say which kernel runs a layer, and why; arguments as in :func:`recurra.kernels.reference.layer`."""
    if is_traced():
        return Choice("reference", "its steps are looked at")
    wanted = forced()
    if not wanted:
        return _choose_freely(cell, data, layout, weights, noises)
    refused = KERNELS[_known(wanted)].refusal(cell, data, weights, noises)
    if wanted in ("native", "packed") and torch._C._are_functorch_transforms_active():
        refused = "it does not run inside torch.func"
    if refused is None:
        return Choice(wanted, _with_note("forced", cell, data) if wanted == "native" else "forced")
    choice = _choose_freely(cell, data, layout, weights, noises)
    return Choice(choice.kernel, f"the {wanted} kernel was forced, but {refused}; {choice.why}")


def _choose_freely(
    cell: str, data: Tensor, layout: Layout, weights: Sequence[Weights], noises: Sequence[Noise]
) -> Choice:
    if torch._C._are_functorch_transforms_active():
        return Choice("reference", "inside a transform of torch.func, which cannot see into the other kernels")
    order: tuple[str, ...] = ("native", "packed", "library", "reference")
    first: str | None = None
    if data.device.type != "cpu":
        order, first = ("library", "reference"), f"data on {data.device.type}: torch's own kernels"
    elif first := _why_onednn(cell, data, layout, weights):
        order = ("library", "native", "packed", "reference")
    elif layout.is_full and cell == "lstm" and weights[0].weight_hh.shape[1] >= 512 and data.dtype == torch.float32:
        order, first = ("native", "library", "packed", "reference"), _LONG_VECTORS
    others: list[str] = []
    for name in order:
        refused = KERNELS[name].refusal(cell, data, weights, noises)
        if refused is None:
            why = first if name == "library" and first else _why(name, cell, data)
            return Choice(name, "; ".join([why, *others]))
        others.append(f"{name}: {refused}")
    raise AssertionError("the plain loop refuses nothing")


def _why(name: str, cell: str, data: Tensor) -> str:
    """Why a kernel is chosen where nothing particular speaks for it."""
    if name == "native":
        return _with_note(f"compiled for this processor ({native.variant()})", cell, data)
    return {
        "packed": "torch operations with backpropagation through time by hand",
        "library": "torch's own kernels",
        "reference": "the plain loop",
    }[name]


def _why_onednn(cell: str, data: Tensor, layout: Layout, weights: Sequence[Weights]) -> str | None:
    """Why torch's own LSTM comes first.

    It took 0.64 to 0.89 of the native one's time on two cores, for H of 64 to 650 and B of 16 to 32.
    """
    batch, hidden = layout.batch, weights[0].weight_hh.shape[1]
    if cell != "lstm" or not layout.is_full or batch < 8 or hidden > 768 or weights[0].weight_hr is not None:
        return None
    if data.dtype != torch.float32 or native.asks_for_bfloat16(data) or not torch.backends.mkldnn.is_available():
        return None
    if torch.is_grad_enabled() and (data.requires_grad or any(part.requires_grad for part in weights[0][:2])):
        return None
    return "inference with all lengths equal: oneDNN, which torch calls, is the fastest"


def _with_note(why: str, cell: str, data: Tensor) -> str:
    note = native.precision(cell, native.asks_for_bfloat16(data)).note
    return f"{why}, {note}" if note else why


def explain(
    layer: Callable[..., Any], x: Tensor | PackedSequence, lengths: Tensor | Sequence[int] | None = None
) -> list[Choice]:
    """Run a recurrent layer once and say which kernel ran each of its L layers, and why.

    Inference may be another kernel's business than training: under `torch.no_grad` it tells the one, else the other.

    Args:
        layer: a module of recurra, or anything that is called as one.
        x: what it is called with.
        lengths: [B], as for the layer; None when all sequences have T steps.

    >>> explain(torch.nn.Identity(), torch.zeros(2))  # nothing recurrent ran
    []
    """
    choices: list[Choice] = []
    token = NOTED.set(choices)
    try:
        with torch.random.fork_rng(devices=[]):  # dropout draws numbers
            layer(x) if lengths is None else layer(x, lengths=lengths)
    finally:
        NOTED.reset(token)
    return choices


def run_layer(
    cell: str,
    data: Tensor,
    layout: Layout | Padded,
    weights: Sequence[Weights],
    states: Sequence[State],
    noises: Sequence[Noise] = (NO_NOISE, NO_NOISE),
) -> tuple[Tensor, list[State]]:
    """Run one layer by the kernel of choice; arguments and results as in :func:`recurra.kernels.reference.layer`.

    With a layout of :class:`Padded` it becomes an operator, and the choice is made when that runs.
    """
    if isinstance(layout, Padded):
        return operator.layer(cell, data, layout, weights, states, noises)
    steps = lookback.steps_back(weights)
    if steps is not None:
        return lookback.layer(cell, data, layout, weights, states, noises, steps)
    choice = choose(cell, data, layout, weights, noises)
    note(choice)
    return KERNELS[choice.kernel].layer(cell, data, layout, weights, states, noises)


def _known(name: str) -> str:
    if name not in KERNELS:
        raise SettingsError(f"unknown kernel '{name}'{nearest(name, KERNELS)} (there are {', '.join(KERNELS)})")
    return name
