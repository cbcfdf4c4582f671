"""The optimizers, their learning rate over a run, and the averaging of weights."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import nn
from torch.optim import ASGD, SGD, AdamW, Optimizer

from recurra.config import TrainConfig

__all__ = [
    "averaged_weights",
    "averaging_start",
    "learning_rate",
    "make_optimizer",
    "set_averaging_start",
    "set_learning_rate",
]


def make_optimizer(network: nn.Module, settings: TrainConfig) -> Optimizer:
    """Make the optimizer that a run was told to use.

    NT-ASGD is torch's ASGD with a learning rate that does not decay by itself, and with the start of its average, `t0`,
    at infinity until :func:`set_averaging_start` knows better.
    """
    parameters, rate, decay = network.parameters(), settings.learning_rate, settings.weight_decay
    if settings.optimizer == "adamw":
        return AdamW(parameters, rate, weight_decay=decay, fused=True)
    if settings.optimizer == "sgd":
        return SGD(parameters, rate, weight_decay=decay, fused=True)
    return ASGD(parameters, rate, lambd=0.0, alpha=0.0, t0=math.inf, weight_decay=decay)


def learning_rate(settings: TrainConfig, epochs: int, steps: int, epoch: int, step: int) -> float:
    """The learning rate of a step, counted from 0, of an epoch, counted from 1, of so many steps."""
    done = ((epoch - 1) * steps + step) / (epochs * steps)
    shares = {"constant": 1.0, "linear": 1 - done, "cosine": 0.5 * (1 + math.cos(math.pi * done))}
    return settings.learning_rate * shares[settings.schedule]


def set_learning_rate(optimizer: Any, rate: float) -> None:
    """Set the learning rate of the next step; torch's ASGD would take that of the step before, from its state."""
    for group in optimizer.param_groups:
        group["lr"] = rate
    for state in optimizer.state.values():
        if "eta" in state:
            state["eta"].fill_(rate)


def averaging_start(losses: Sequence[float], nonmonotone: int) -> int | None:
    """After how many epochs NT-ASGD begins to average the weights; None if it has not begun yet.

    It begins after the first epoch whose validation loss is above the least of those more than `nonmonotone` epochs
    before it (Merity, Keskar, Socher, "Regularizing and optimizing LSTM language models", ICLR 2018, algorithm 1).

    >>> averaging_start([5.0, 4.0, 4.5, 4.5, 4.2], nonmonotone=2)
    5
    """
    for number, loss in enumerate(losses):
        if number > nonmonotone and loss > min(losses[: number - nonmonotone]):
            return number + 1
    return None


def set_averaging_start(optimizer: Any, losses: Sequence[float], settings: TrainConfig, steps: int) -> None:
    """Tell NT-ASGD after which epoch it averages; it follows from the validation losses, also in a resumed run.

    The average is of the weights after each step since then; torch counts from one step before the first of them.
    """
    if settings.optimizer != "nt-asgd":
        return
    epoch = averaging_start(losses, settings.nonmonotone)
    for group in optimizer.param_groups:
        group["t0"] = math.inf if epoch is None else epoch * steps - 1


@contextlib.contextmanager
def averaged_weights(optimizer: Any) -> Iterator[None]:
    """Have the network hold the average of its weights, where there is one, and then its own weights again."""
    groups = [group for group in optimizer.param_groups if group.get("t0", math.inf) < math.inf]
    swapped = [
        (parameter, optimizer.state[parameter]["ax"])
        for group in groups
        for parameter in group["params"]
        if parameter in optimizer.state
    ]
    _swap(swapped)
    try:
        yield
    finally:
        _swap(swapped)


@torch.no_grad()
def _swap(pairs: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> None:
    for one, other in pairs:
        kept = one.clone()
        one.copy_(other)
        other.copy_(kept)
