"""Training and inference of whole layers, and their cost against T, B and H."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from torch import Tensor

from recurra.bench.plan import Plan, Size
from recurra.bench.problem import Problem
from recurra.bench.results import PACKED, PADDED, RECURRA, RECURRA_BF16, Row
from recurra.timing import interleaved

__all__ = ["layer_rows", "series_rows"]


def layer_rows(cells: Iterable[str], plan: Plan) -> Iterator[tuple[Row, Row]]:
    """Yield the row of training and the row of inference of each cell and size of the plan."""
    for cell in cells:
        for size in plan.sizes:
            problem = Problem(cell, size)
            ways = [RECURRA, PACKED, PADDED]
            if problem.runs_in_bfloat16():
                ways.insert(1, RECURRA_BF16)
            yield _row(problem, ways, plan, backward=True), _row(problem, ways, plan, backward=False)


def series_rows(cell: str, sizes: Iterable[Size], plan: Plan) -> Iterator[Row]:
    """Yield a row of training for each size, without the ways that are expected to take too long."""
    before: Row | None = None
    for size in sizes:
        problem = Problem(cell, size)
        left_out = {} if before is None else _left_out(before, problem, plan.patience)
        ways = [way for way in (RECURRA, PACKED, PADDED) if way not in left_out]
        before = _row(problem, ways, plan, backward=True)
        before.left_out = left_out
        yield before


def _left_out(before: Row, problem: Problem, patience: float) -> dict[str, str]:
    """The ways that would take too long by the size before, or that were left out there, and why."""
    found = {}
    for way in (PACKED, PADDED):
        median = before.median(way)
        if median is None:
            found[way] = before.left_out[way]
            continue
        growth = problem.flops() / before.flops
        if way == PACKED:  # its backward adds N x G * H numbers T times
            growth = max(growth, _added(problem.size, problem.tokens) / _added(before.size, before.tokens))
        if median * growth > patience:
            found[way] = f"from {problem.size} on, where one run would take about {median * growth:.0f} s"
    return found


def _added(size: Size, tokens: int) -> int:
    return size.time * tokens * size.hidden


def _row(problem: Problem, ways: list[str], plan: Plan, backward: bool) -> Row:
    """Compare the answers, which also warms up, and then take the times."""
    # without the packed way's slow backward its outputs are still there to compare with
    compared = backward and PACKED in ways
    differences = {way: problem.difference(way, compared) for way in ways if way in (RECURRA, RECURRA_BF16)}
    run: Callable[[str], Tensor] = problem.train if backward else problem.infer
    if PADDED in ways:
        run(PADDED)
    return Row(
        problem.cell,
        problem.size,
        ", ".join(dict.fromkeys(choice.kernel for choice in problem.choices())),
        interleaved({way: partial(run, way) for way in ways}, plan.rounds, plan.seconds),
        problem.flops(backward),
        problem.tokens,
        differences,
    )
