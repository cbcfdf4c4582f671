"""Where the time of a training step goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer
from tutorial_classifier import Tutorial

from recurra.tasks.classify import Classify

__all__ = ["PARTS", "Side", "recurra_steps", "take_apart", "tutorial_steps"]

PARTS = [
    "batch",
    "embedding",
    "recurrence forward",
    "packing, pooling, output, loss",
    "backward",
    "clipping, optimizer",
]
CLIP_NORM = 1.0


class Side(NamedTuple):
    """What one side of the comparison trains with.

    Attributes:
        batches: makes an epoch's batches.
        loss: the loss of a batch.
        network: what is trained.
        optimizer: steps after clipping.
        inside: objects and the names of their methods whose time within the loss is taken by itself, by part.
    """

    batches: Callable[[int], Iterator[Any]]
    loss: Callable[[Any], Tensor]
    network: nn.Module
    optimizer: Optimizer
    inside: Mapping[str, tuple[object, str]]


def recurra_steps(task: Classify) -> Side:
    """Recurra's training step, as in :mod:`recurra.train`."""
    network, settings = task.network, task.config.train
    optimizer = AdamW(network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay, fused=True)
    inside = {
        "embedding": (network.encoder.embedding, "forward"),
        "recurrence forward": (network.encoder.recurrent, "forward_packed"),
    }
    return Side(task.batches, lambda batch: task.loss(network, batch).value, network, optimizer, inside)


def tutorial_steps(tutorial: Tutorial) -> Side:
    """The tutorial's training step."""
    model = tutorial.model
    inside = {"embedding": (model.embedding, "forward"), "recurrence forward": (model, "recur")}
    return Side(
        lambda epoch: tutorial.shuffled(), lambda batch: tutorial.loss(*batch), model, tutorial.optimizer, inside
    )


def take_apart(sides: Mapping[str, Side], epochs: int) -> dict[str, dict[str, float]]:
    """Train all sides in turns, step by step, and return the mean milliseconds of each part of a step."""
    spent = {name: dict.fromkeys(PARTS, 0.0) for name in sides}
    steps = 0
    for name, side in sides.items():
        side.network.train()
        for part, (owner, method) in side.inside.items():
            setattr(owner, method, _timed(getattr(owner, method), spent[name], part))
    for epoch in range(1, epochs + 1):
        batches = {name: side.batches(epoch) for name, side in sides.items()}
        while all(_step(sides[name], batches[name], spent[name]) for name in sides):
            steps += 1
    return {name: {part: 1000 * seconds / steps for part, seconds in of.items()} for name, of in spent.items()}


def _step(side: Side, batches: Iterator[Any], spent: dict[str, float]) -> bool:
    """Do one step; False when the epoch has no more."""
    marks = [time.perf_counter()]
    batch = next(batches, None)
    if batch is None:
        return False
    marks.append(time.perf_counter())
    before = sum(spent[part] for part in side.inside)
    loss = side.loss(batch)
    loss_inside = sum(spent[part] for part in side.inside) - before
    marks.append(time.perf_counter())
    side.optimizer.zero_grad()
    loss.backward()
    marks.append(time.perf_counter())
    torch.nn.utils.clip_grad_norm_(side.network.parameters(), CLIP_NORM)
    side.optimizer.step()
    marks.append(time.perf_counter())
    batch_time, loss_time, backward_time, step_time = (b - a for a, b in pairwise(marks))
    spent["batch"] += batch_time
    spent["packing, pooling, output, loss"] += loss_time - loss_inside
    spent["backward"] += backward_time
    spent["clipping, optimizer"] += step_time
    return True


def _timed(function: Callable[..., Any], spent: dict[str, float], part: str) -> Callable[..., Any]:
    def run(*arguments: Any, **options: Any) -> Any:
        started = time.perf_counter()
        result = function(*arguments, **options)
        spent[part] += time.perf_counter() - started
        return result

    return run
