"""One run of `recurra bench`."""

from __future__ import annotations

import logging
import time

import torch

from recurra.bench.limits import bandwidths, layer_shapes, product_rates
from recurra.bench.measure import layer_rows, series_rows
from recurra.bench.plan import Plan, Size
from recurra.bench.problem import Problem
from recurra.bench.results import RECURRA_BF16, Results
from recurra.bench.split import own_products, split_step, system_share
from recurra.bench.streaming import stream_rows
from recurra.bench.timing import Load, machine, machine_line, threads_set

__all__ = ["run_bench"]

_log = logging.getLogger("recurra")
_SYSTEM_STEPS = 5
_BUSY = 0.1  # cores of other processes from which a run is not to be trusted


def run_bench(plan: Plan, cells: list[str], threads: int | None = None) -> Results:
    """Measure what the plan says; Ctrl-C ends it early with what there is by then.

    Args:
        plan: the sizes, and how often.
        cells: of lstm, gru and rnn.
        threads: of torch, and of recurra with it; None leaves them as they are.

    Raises:
        CheckFailed: recurra's answers differ from torch's by more than is allowed.
    """
    with threads_set(threads):
        results = Results(plan, cells, machine(), machine_line())
        load, started = Load(), time.perf_counter()
        try:
            _measure(results)
            results.finished = True
        except KeyboardInterrupt:
            results.notes.append("Stopped by Ctrl-C: this is what had been measured by then.")
        results.seconds = time.perf_counter() - started
        results.load = load.until_now()
    others = results.load["cores_of_others"]
    if others is not None and others > _BUSY:
        results.notes.append(
            f"Other processes kept {others:.1f} of {results.machine['cores']} cores busy: "
            "the times are longer than they would be alone, and the ratios less certain."
        )
    return results


def _measure(results: Results) -> None:
    plan = results.plan
    for training, inference in layer_rows(results.cells, plan):
        results.training.append(training)
        results.inference.append(inference)
        largest = max(training.differences.values())
        _log.info(f"{training.cell} {training.size}: {training.rounds} rounds, largest difference {largest:.0e}")
    _limits(results)
    _log.info("one step at a time")
    for row in stream_rows(results.cells, plan):
        results.streaming.append(row)
    for name, sizes in plan.series.items():
        _log.info(f"cost against {name}")
        for row in series_rows(results.cells[0], sizes, plan):
            results.series.setdefault(name, []).append(row)
    longest = Problem(results.cells[0], plan.series["time"][-1])
    results.notes.append(
        f"Of the processor time of a training step at T = {longest.size.time} the system took "
        f"{100 * system_share(longest, _SYSTEM_STEPS):.0f} %: new pages of memory, above all."
    )
    problem = Problem(results.cells[0], plan.split)
    parts = split_step(problem, plan.rounds, plan.seconds)
    if parts:
        results.split[f"{problem.cell} {problem.size}"] = parts
    else:
        results.notes.append(f"No training step was taken apart: {problem.choices()[0].why}.")


def _limits(results: Results) -> None:
    """Products at the shapes of the wide layers, in each precision that they ran in, and large square ones."""
    _log.info("matrix products and memory")
    plan = results.plan
    shapes = [shape for row in results.wide() for shape in layer_shapes(row.cell, row.size, row.tokens)]
    rounds = min(plan.rounds, 7)
    dtypes = [torch.float32]
    if any(RECURRA_BF16 in row.times for row in results.training):
        dtypes.append(torch.bfloat16)
    for dtype in dtypes:
        name = str(dtype).removeprefix("torch.")
        results.products[name] = product_rates(shapes, dtype, plan.square, rounds)
    large = Size(plan.square, plan.square, 1, 1, plan.square, 1, full=True)  # its products are large and square
    for cell, size in [*((row.cell, row.size) for row in results.wide()), ("rnn", large)]:
        results.products["float32"] |= own_products(Problem(cell, size), 3)
    results.bandwidth = bandwidths(rounds)
