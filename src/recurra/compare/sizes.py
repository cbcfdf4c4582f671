"""Networks of other cells with as many parameters, and how long an epoch takes them."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from recurra.tasks import Task
from recurra.train import Callback, EpochRecord, StepRecord, train

__all__ = ["FirstSteps", "Size", "epoch_seconds", "matched_size", "parameter_count", "with_network"]

_LARGEST = 2**20
_TRIED_STEPS, _TRIED_SECONDS = 12, 3.0


class Size(NamedTuple):
    """The hidden size of a network, and how many parameters all of it has."""

    hidden_size: int
    parameters: int


def parameter_count(task: Task) -> int:
    """How many numbers a task's network learns."""
    return sum(parameter.numel() for parameter in task.network.parameters())


def with_network(reference: Task, cell: str, hidden_size: int) -> Task:
    """The same task on the same data, with an untrained network of another cell and size."""
    config: Any = reference.config
    model = config.model.model_copy(update={"cell": cell, "hidden_size": hidden_size})
    facts = json.loads(json.dumps(reference.facts()))  # as a model directory holds them
    made: Any = type(reference).restore(config.model_copy(update={"model": model}), reference.vocabularies, facts)
    made.data = getattr(reference, "data")  # noqa: B009  every task has them, each in its own form
    assert isinstance(made, Task)
    return made


def matched_size(reference: Task, cell: str, parameters: int) -> Size:
    """The hidden size at which the network of a cell has as nearly so many parameters as can be."""

    @cache
    def count(size: int) -> int:
        return parameter_count(with_network(reference, cell, size))

    above = _first_at_least(count, parameters)
    nearest = min((size for size in (above - 1, above) if size), key=lambda size: abs(count(size) - parameters))
    return Size(nearest, count(nearest))


def _first_at_least(count: Callable[[int], int], wanted: int) -> int:
    """The smallest size that has so many parameters; more units never have fewer."""
    low, high = 0, 1
    while count(high) < wanted and high < _LARGEST:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(middle) < wanted else (low, middle)
    return high


class _Enough(Exception):
    """Ends a trial."""


class FirstSteps(Callback):
    """Ends training after its first steps, at the latest after the first epoch.

    Attributes:
        ends: when each step ended, in seconds; the first number is when training began.
    """

    def __init__(self, steps: int = _TRIED_STEPS, seconds: float = _TRIED_SECONDS) -> None:
        self.ends: list[float] = []
        self._steps = steps
        self._seconds = seconds

    def on_start(self, epochs: int, steps: int) -> None:
        """Note when it begins."""
        self.ends = [time.perf_counter()]

    def on_step(self, record: StepRecord) -> None:
        """Note when a step ended; with three or more it may be enough."""
        self.ends.append(time.perf_counter())
        done, taken = len(self.ends) - 1, self.ends[-1] - self.ends[0]
        if done >= self._steps or (done >= 3 and taken > self._seconds):
            raise _Enough

    def on_epoch(self, record: EpochRecord) -> bool:
        """An epoch is enough."""
        return True

    def run(self, task: Task) -> None:
        """Train a task's network for so long; it is of no use then."""
        with contextlib.suppress(_Enough):
            train(task, None, [self])


def epoch_seconds(task: Task) -> float:
    """About how long an epoch of training takes, by its first steps; the first step of all is left out as slow.

    The network is of no use then.
    """
    steps = FirstSteps()
    steps.run(task)
    first, last = (steps.ends[1], steps.ends[-1]) if len(steps.ends) > 2 else (steps.ends[0], steps.ends[-1])
    return task.steps() * (last - first) / max(1, len(steps.ends) - 2)
