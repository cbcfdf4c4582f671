"""Where the time of a training step goes: a layer's step by the native kernel, taken apart.

The compiled functions are timed at each of their calls. Packing and unpacking are measured alone, forward and backward.
Python, with all else that a step costs whatever its size, is a step of a single token less the compiled functions' part
of it. What none of them explains is the rest.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import torch

from recurra.bench.problem import Problem
from recurra.bench.results import RECURRA, Part
from recurra.kernels import Layout
from recurra.kernels.cells import CELLS
from recurra.kernels.native import loader
from recurra.timing import interleaved

__all__ = ["own_products", "split_step", "system_share"]

INPUT, FORWARD, BACKWARD = "product W_ih x", "loop forward", "loop backward"
GRADIENTS, PACKING, PYTHON, REST = (
    "products of the gradients",
    "packing, unpacking",
    "Python and other fixed cost",
    "the rest",
)


class _Call(NamedTuple):
    """A call of a compiled function, and its seconds."""

    function: str
    seconds: float


def split_step(problem: Problem, rounds: int, seconds: float) -> list[Part]:
    """The parts of a training step of a problem, and the whole as the last; empty where no native kernel runs."""
    if any(choice.kernel != "native" for choice in problem.choices()):
        return []
    small = Problem(problem.cell, problem.size._replace(batch=1, time=1))
    taken: dict[str, list[dict[str, float]]] = {"whole": [], "small": []}
    packing = _packing(problem)
    for run in (lambda: problem.train(RECURRA), lambda: small.train(RECURRA), packing):
        run()
    alone = interleaved(
        {
            "whole": lambda: taken["whole"].append(_traced_step(problem)),
            "small": lambda: taken["small"].append(_traced_step(small)),
            PACKING: packing,
        },
        rounds,
        seconds,
    )[PACKING]
    spent = {name: _median(taken["whole"], name) for name in (INPUT, FORWARD, BACKWARD, GRADIENTS, "all")}
    spent[PACKING] = statistics.median(alone)
    spent[PYTHON] = _median(taken["small"], REST)
    whole = spent.pop("all")
    spent[REST] = whole - sum(spent.values())
    work = _work(problem)
    return [*(Part(name, taken, *work.get(name, ())) for name, taken in spent.items()), Part("all", whole)]


def own_products(problem: Problem, rounds: int) -> dict[str, float]:
    """Operations a second of recurra's own products in the fastest of some training steps; empty where none runs."""
    if any(choice.kernel != "native" for choice in problem.choices()):
        return {}
    problem.train(RECURRA)
    steps = [_traced_step(problem) for _ in range(rounds)]
    work = _work(problem)
    return {
        f"recurra, {name}, {problem.cell} {problem.size}": work[name][0] / min(step[name] for step in steps)
        for name in (INPUT, GRADIENTS)
    }


def system_share(problem: Problem, steps: int) -> float:
    """The share of a training step's processor time that the system takes: above all for new pages of memory."""
    problem.train(RECURRA)
    before = os.times()
    for _ in range(steps):
        problem.train(RECURRA)
    after = os.times()
    system, user = after.system - before.system, after.user - before.user
    return system / max(system + user, 1e-9)


def _median(steps: list[dict[str, float]], name: str) -> float:
    return statistics.median(step[name] for step in steps)


def _traced_step(problem: Problem) -> dict[str, float]:
    """Seconds of a step, of what its compiled functions took, and of all else."""
    started = time.perf_counter()
    with _traced() as calls:
        problem.train(RECURRA)
    spent = dict.fromkeys((INPUT, FORWARD, BACKWARD, GRADIENTS), 0.0)
    product = INPUT
    for call in calls:  # all products before the first loop back are those of W_ih
        if "backward" in call.function:
            product = GRADIENTS
        part = FORWARD if "forward" in call.function else BACKWARD if "backward" in call.function else product
        spent[part] += call.seconds
    whole = time.perf_counter() - started
    return {**spent, "all": whole, REST: whole - sum(spent.values())}


@contextlib.contextmanager
def _traced() -> Iterator[list[_Call]]:
    """Time the compiled functions inside the context."""
    library = loader.library()
    assert library is not None, "the native kernel has run"
    kinds = ("forward", "backward", "multiply")
    functions = {
        name: function
        for name, function in vars(library.functions).items()
        if name.startswith("recurra_") and any(kind in name for kind in kinds)
    }
    calls: list[_Call] = []

    def timed(name: str, function: Callable[..., Any], argument: object) -> Any:
        started = time.perf_counter()
        result = function(argument)
        calls.append(_Call(name, time.perf_counter() - started))
        return result

    try:
        for name, function in functions.items():
            setattr(library.functions, name, partial(timed, name, function))
        yield calls
    finally:
        for name, function in functions.items():
            setattr(library.functions, name, function)


def _packing(problem: Problem) -> Callable[[], None]:
    """Pack the batch and unpack the outputs, forward and backward."""
    size, width = problem.size, problem.grad.shape[2]
    rows = torch.randn(problem.tokens, width, requires_grad=True)
    grad = torch.randn(problem.tokens, size.input)
    batch = problem.x.detach().clone().requires_grad_()

    def run() -> None:
        layout = Layout.from_lengths(problem.lengths)
        layout.pack(batch, batch_first=False).backward(grad)
        layout.unpack(rows, size.time, batch_first=False).backward(problem.grad)
        batch.grad = rows.grad = None

    return run


def _work(problem: Problem) -> dict[str, tuple[float, float]]:
    """Operations, and the bytes that must at least be read and written, of the parts whose work is known."""
    size, tokens, number = problem.size, problem.tokens, 4
    hidden, gates = size.hidden, CELLS[problem.ours.cell].gates
    rows = gates * hidden
    kept = hidden if gates > 1 else 0  # beside the gates: the LSTM's c, the GRU's W_hh h of its last gate
    work = {name: [0.0, 0.0] for name in (INPUT, FORWARD, BACKWARD, GRADIENTS)}

    def add(part: str, flops: float, moved: float) -> None:
        work[part][0] += flops
        work[part][1] += number * moved

    for layer in range(size.layers):
        width = size.input if layer == 0 else size.directions * hidden
        for _ in range(size.directions):
            add(INPUT, 2.0 * tokens * width * rows, tokens * (width + rows) + width * rows)
            add(FORWARD, 2.0 * tokens * hidden * rows, tokens * (2 * rows + hidden + kept) + hidden * rows)
            add(BACKWARD, 2.0 * tokens * hidden * rows, tokens * (2 * rows + 3 * hidden + kept) + hidden * rows)
            for other in (width, width, hidden):
                add(GRADIENTS, 2.0 * tokens * other * rows, tokens * (rows + other) + other * rows)
    found = {part: (flops, moved) for part, (flops, moved) in work.items()}
    return {**found, PACKING: (0.0, 4.0 * number * tokens * (size.input + size.directions * hidden))}
