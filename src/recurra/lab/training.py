"""The training loop of the experiments: small models, batches that are drawn as they are needed."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

__all__ = ["Course", "fit_small", "seeded", "unseen"]


class Course(NamedTuple):
    """How a training went, step by step.

    Attributes:
        losses: of each step, before its update.
        norms: the Euclidean norm of the gradient of all parameters at each step, before any clipping.
        diverged: the step, counted from 0, whose loss or gradient was no number (NaN or infinite), with which the
            training ended; None where it ended with the last step.
    """

    losses: list[float]
    norms: list[float]
    diverged: int | None

    def clipped(self, clip: float) -> float:
        """The share of steps at which the norm was above a threshold."""
        return sum(not norm <= clip for norm in self.norms) / len(self.norms)


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Have what is drawn inside, such as the parameters of a new model, follow from a seed, and nothing after it.

    >>> with seeded(3):
    ...     first = nn.Linear(2, 1).weight
    >>> with seeded(3):
    ...     torch.equal(first, nn.Linear(2, 1).weight)
    True
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def unseen(seed: int) -> torch.Generator:
    """What draws a test: from a seed that no training has, since those on the command line are below 2**31."""
    return torch.Generator().manual_seed(seed + 2**31)


def fit_small(
    model: nn.Module,
    batch_loss: Callable[[torch.Generator], Tensor],
    steps: int,
    learning_rate: float,
    clip: float | None = None,
    seed: int = 0,
    optimizer: Callable[..., Optimizer] = Adam,
) -> Course:
    """Train a model in place: loss, backward, clip, step.

    Args:
        model: whose parameters are trained.
        batch_loss: draws a batch with the generator and returns the model's loss on it, a scalar. What a batch is, and
            what state is carried from one to the next, is its own affair.
        steps: updates.
        learning_rate: of every step.
        clip: the norm that a gradient is scaled down to where it is larger (Pascanu, Mikolov, Bengio, ICML 2013); None
            leaves it.
        seed: of the generator, which alone decides the batches.
        optimizer: made with the parameters and the learning rate.
    """
    generator = torch.Generator().manual_seed(seed)
    chosen = optimizer(model.parameters(), lr=learning_rate)
    losses: list[float] = []
    norms: list[float] = []
    for step in range(steps):
        chosen.zero_grad()
        loss = batch_loss(generator)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), math.inf if clip is None else clip)
        losses.append(loss.item())
        norms.append(norm.item())
        if not (math.isfinite(losses[-1]) and math.isfinite(norms[-1])):
            return Course(losses, norms, step)
        chosen.step()
    return Course(losses, norms, None)
