"""How far back a network really looks: its loss when its recurrent layers know a few steps only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from recurra.diagnose.diagnosis import Context
from recurra.diagnose.layers import NamedLayer
from recurra.kernels.lookback import looking_back
from recurra.tasks.base import Task

__all__ = ["Size", "looking_layers", "loss_by_context"]

_NEEDED = 0.01  # of the whole loss
_PRODUCTS = 6e10  # that all contexts of several batches may take, some seconds
_OF_ONE = 2.5e11  # that those of a single batch may take: of a large network, some ten seconds
_OF_A_GATE = 200  # products that take as long as one number of a gate, which goes through a sigmoid
_ASIDE = ("decoder", "characters")  # a decoder has the source before it at each step; words are not spelt over tokens


def looking_layers(layers: Sequence[NamedLayer]) -> list[NamedLayer]:
    """Those of a network's layers that read its input, from one end or both."""
    return [layer for layer in layers if not layer.name.startswith(_ASIDE)]


class Size(NamedTuple):
    """Of a batch for the layers that look back: steps of all its sequences together, and of the longest."""

    steps: int
    longest: int


@torch.no_grad()
def loss_by_context(task: Task, layers: Sequence[NamedLayer], batches: Sequence[Any], sizes: Sequence[Size]) -> Context:
    """Measure the loss where each layer knows 1, 2, 4, 8 steps and so on up to the longest sequence.

    A layer knows k steps of what is below it, which know k steps themselves: L stacked layers see L (k - 1) + 1 steps
    of the input, and that is what is told. Each batch is read by itself, from the initial state. That costs k times
    what the layers cost: few of the first batches are taken where all would take too long, and long contexts are left
    out where one batch would.

    Args:
        task: in evaluation mode.
        layers: those that may look back a few steps only, of :func:`looking_layers`.
        batches: of labelled examples.
        sizes: of the batches.
    """
    among = [layer.weight_hh for layer in layers]
    products = sum(weight.numel() + _OF_A_GATE * len(weight) for weight in among)  # of a step
    depth = 1 + max(layer.layer for layer in layers)
    taken, windows = _affordable(sizes, depth, _PRODUCTS / products, _OF_ONE / products)
    losses = [_mean_loss(task, batches[:taken], among, steps) for steps in windows]
    whole = _mean_loss(task, batches[:taken], [], 1)
    near = _NEEDED * max(abs(whole), losses[0] - whole)
    longest = max(size.longest for size in sizes[:taken])
    contexts = [min(_seen(steps, depth), max(1, longest)) for steps in windows]
    far = [steps for steps, loss in zip(contexts, losses) if loss > whole + near]
    needed = next((steps for steps in contexts if steps > max(far, default=0)), None)
    return Context(contexts, losses, whole, needed)


def _affordable(sizes: Sequence[Size], depth: int, budget: float, of_one: float) -> tuple[int, list[int]]:
    """How many batches to read, at least one, and how many steps a layer may know then, at least one.

    Args:
        sizes: of the batches.
        depth: how many layers are stacked.
        budget: most steps of windows in all, where there are several batches.
        of_one: where there is one.
    """
    taken, longest = 1, sizes[0].longest
    for number in range(2, len(sizes) + 1):
        if _cost(sizes[:number], _windows(max(size.longest for size in sizes[:number]), depth)) <= budget:
            taken, longest = number, max(size.longest for size in sizes[:number])
    windows = _windows(longest, depth)
    while len(windows) > 1 and _cost(sizes[:taken], windows) > max(budget, of_one):
        windows.pop()
    return taken, windows


def _cost(sizes: Sequence[Size], windows: Sequence[int]) -> int:
    return sum(size.steps * min(steps, size.longest) for size in sizes for steps in windows)


def _windows(longest: int, depth: int) -> list[int]:
    """Powers of two by which a stack sees less than the longest, and the longest: of 6 steps 1, 2, 4 and 6."""
    longest = max(1, longest)
    return [2**power for power in range(longest.bit_length()) if _seen(2**power, depth) < longest] + [longest]


def _seen(steps: int, depth: int) -> int:
    """How many steps of the input a stack sees of which each layer knows so many of the one below."""
    return depth * (steps - 1) + 1


def _mean_loss(task: Task, batches: Sequence[Any], among: Sequence[Tensor], steps: int) -> float:
    """Mean over batches, weighted by their sequences."""
    total = count = 0.0
    with looking_back(steps, among):
        for batch in batches:
            total += float(task.loss(task.network, batch, None).value) * len(batch.lengths)
            count += len(batch.lengths)
    return total / count
