"""What this machine can do at the most: matrix products, and reading and writing memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

import torch

from recurra.bench.plan import Size
from recurra.kernels.cells import CELLS
from recurra.timing import interleaved

__all__ = ["Shape", "bandwidths", "layer_shapes", "product_rates"]

_LARGE, _SMALL = 64 * 2**20, 2**20  # bytes of a tensor: beyond the caches of usual processors, and within them


class Shape(NamedTuple):
    """A product of [rows, length] and [length, columns]."""

    rows: int
    length: int
    columns: int

    def __str__(self) -> str:
        return f"[{self.rows}, {self.length}] x [{self.length}, {self.columns}]"


def layer_shapes(cell: str, size: Size, tokens: int) -> list[Shape]:
    """The products of a layer's training step: of W_ih with all tokens, of W_hh with a step, and of the gradients.

    Args:
        cell: a key of :data:`recurra.kernels.cells.CELLS`.
        size: of the problem.
        tokens: N.
    """
    rows, hidden = CELLS[cell].gates * size.hidden, size.hidden
    shapes = [Shape(size.batch, hidden, rows), Shape(rows, tokens, hidden)]
    for width in [size.input, size.directions * hidden][: size.layers]:
        shapes += [Shape(tokens, width, rows), Shape(tokens, rows, width), Shape(rows, tokens, width)]
    return list(dict.fromkeys(shapes))


def product_rates(shapes: Iterable[Shape], dtype: torch.dtype, square: int, rounds: int) -> dict[str, float]:
    """Operations a second of `torch.mm` at each shape and at a large square one, in the fastest round.

    What is to be a limit is taken at its best, lest a disturbed moment make all else look good.
    """
    rates = {}
    for shape in [*dict.fromkeys(shapes), Shape(square, square, square)]:
        a, b = torch.randn(shape.rows, shape.length).to(dtype), torch.randn(shape.length, shape.columns).to(dtype)
        out = torch.empty(shape.rows, shape.columns, dtype=dtype)
        flops = 2.0 * shape.rows * shape.length * shape.columns
        repeats = max(1, int(1e9 // flops))
        torch.mm(a, b, out=out)
        (times,) = interleaved({"": partial(torch.mm, a, b, out=out)}, rounds, repeats=repeats).values()
        rates[f"torch.mm {shape}"] = flops / min(times)
    return rates


def bandwidths(rounds: int) -> dict[str, float]:
    """Bytes a second of copying, what is read and what is written added, and of reading, in the fastest round."""
    found = {}
    for place, size in (("memory", _LARGE), ("cache", _SMALL)):
        source = torch.ones(size // 4)
        target = torch.empty_like(source)
        runs: dict[str, Callable[[], object]] = {
            "copy": partial(target.copy_, source),
            "read": partial(torch.sum, source),
        }
        for run in runs.values():
            run()
        for name, times in interleaved(runs, rounds, repeats=max(1, _LARGE // size)).items():
            moved = 2 * size if name == "copy" else size
            found[f"{name}, {place}"] = moved / min(times)
    return found
