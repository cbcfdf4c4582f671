"""What a run of `recurra bench` has measured, and the arithmetic of its tables."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from recurra.bench.plan import Plan, Size

__all__ = ["PACKED", "PADDED", "RECURRA", "RECURRA_BF16", "Part", "Results", "Row", "exponent", "geometric_mean"]

RECURRA, RECURRA_BF16, PACKED, PADDED = "recurra", "recurra bfloat16", "nn packed", "nn padded"


@dataclass
class Row:
    """One problem, run in several ways.

    Attributes:
        cell: lstm, gru or rnn (tanh).
        size: of the problem.
        kernel: what ran recurra's layers.
        times: of each way, the seconds of each round.
        flops: floating point operations of the matrix products over valid tokens.
        tokens: N, the valid tokens.
        differences: of ways that are compared, the largest difference from the packed way, relative to each tensor's
            largest value.
        left_out: ways that were not run, and why.
    """

    cell: str
    size: Size
    kernel: str
    times: dict[str, list[float]]
    flops: float
    tokens: int
    differences: dict[str, float] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def median(self, way: str) -> float | None:
        """Seconds of one run, or None where the way was not run.

        >>> Row("lstm", Size(1, 1, 1, 1, 1, 1), "native", {"recurra": [3.0, 1.0, 2.0]}, 1.0, 1).median("recurra")
        2.0
        """
        return statistics.median(self.times[way]) if self.times.get(way) else None

    def ratio(self, way: str, to: str = RECURRA) -> float | None:
        """How many times as long one way takes as another, by their medians; None where one was not run."""
        above, below = self.median(way), self.median(to)
        return None if above is None or below is None else above / below

    def rate(self, way: str = RECURRA) -> float | None:
        """Floating point operations a second over valid tokens."""
        median = self.median(way)
        return None if median is None else self.flops / median

    def spread(self, way: str) -> float | None:
        """Half the distance between the quartiles, as a share of the median; None with fewer than two rounds."""
        times = self.times.get(way, [])
        if len(times) < 2:
            return None
        low, middle, high = statistics.quantiles(times, n=4, method="inclusive")
        return (high - low) / 2 / middle

    @property
    def rounds(self) -> int:
        """How often the ways were run: the least of them."""
        return min((len(times) for times in self.times.values()), default=0)

    def as_json(self) -> dict[str, Any]:
        """Every number, the times of all rounds among them."""
        return {
            "cell": self.cell,
            **self.size._asdict(),
            "kernel": self.kernel,
            "tokens": self.tokens,
            "flops": self.flops,
            "seconds": self.times,
            "median_seconds": {way: self.median(way) for way in self.times},
            "spread": {way: self.spread(way) for way in self.times},
            "times_recurra": {way: self.ratio(way) for way in self.times},
            "differences": self.differences,
            "left_out": self.left_out,
        }


@dataclass(frozen=True)
class Part:
    """A part of a training step: its seconds, and the work of it where it can be counted.

    Attributes:
        name: what it is.
        seconds: of one step.
        flops: floating point operations of its matrix products.
        bytes: what it must at least read and write.
    """

    name: str
    seconds: float
    flops: float = 0.0
    bytes: float = 0.0

    def share(self, peak: float, bandwidth: float) -> float | None:
        """The least time that the limits allow for the part, as a share of its time; None where its work is unknown.

        >>> Part("product", seconds=2.0, flops=10.0, bytes=1.0).share(peak=10.0, bandwidth=1.0)
        0.5
        """
        if not self.flops and not self.bytes:
            return None
        return max(self.flops / peak, self.bytes / bandwidth) / self.seconds


@dataclass
class Results:
    """All that a run has measured so far.

    Attributes:
        plan: what was to be measured.
        cells: of lstm, gru and rnn, those that were asked for.
        machine: see :func:`recurra.bench.timing.machine`.
        machine_line: the same in words.
        training: rows, forward and backward.
        inference: rows, forward alone.
        streaming: rows, one step.
        series: rows of training by the number that varies.
        products: floating point operations a second of each matrix product, by precision and description.
        bandwidth: bytes a second, by description.
        split: the parts of a training step, and what they are parts of.
        notes: what else a reader must know.
        load: see :class:`recurra.bench.timing.Load`.
        seconds: of the whole run.
        finished: whether it came to its end.
    """

    plan: Plan
    cells: list[str]
    machine: dict[str, Any]
    machine_line: str
    training: list[Row] = field(default_factory=list)
    inference: list[Row] = field(default_factory=list)
    streaming: list[Row] = field(default_factory=list)
    series: dict[str, list[Row]] = field(default_factory=dict)
    products: dict[str, dict[str, float]] = field(default_factory=dict)
    bandwidth: dict[str, float] = field(default_factory=dict)
    split: dict[str, list[Part]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    load: dict[str, float | None] = field(default_factory=dict)
    seconds: float = 0.0
    finished: bool = False

    def command(self) -> str:
        """What makes the same run again."""
        plan = "" if self.plan.name == "default" else f" --{self.plan.name}"
        switches = "".join(f"{name}={value} " for name, value in self.machine["environment"].items())
        return f"{switches}recurra bench{plan} --threads {self.machine['threads']} --cells {','.join(self.cells)}"

    def limit(self, precision: str = "float32") -> float | None:
        """The matrix-product limit: the most that `torch.mm` reached, in operations a second."""
        return max((rate for name, rate in self._products(precision) if name.startswith("torch.mm")), default=None)

    def peak(self, precision: str = "float32") -> float | None:
        """The most that any product reached, recurra's own included."""
        return max((rate for _, rate in self._products(precision)), default=None)

    def memory(self) -> float | None:
        """Bytes a second of memory, beyond the caches."""
        return max((rate for name, rate in self.bandwidth.items() if name.endswith("memory")), default=None)

    def wide(self) -> list[Row]:
        """The rows of training of LSTM and GRU with H >= 256, whose share of the limit counts."""
        return [row for row in self.training if row.size.hidden >= 256 and row.cell in ("lstm", "gru")]

    def summary(self) -> dict[str, Any]:
        """Means of ratios and shares, and exponents, by name; None where nothing was measured for one."""
        return {
            **{
                f"{part}: {way} / recurra": _means(row.ratio(way) for row in rows)
                for part, rows in (("training", self.training), ("inference", self.inference))
                for way in (PACKED, PADDED)
            },
            "training: recurra / recurra bfloat16, H >= 256": _means(
                row.ratio(RECURRA, RECURRA_BF16) for row in self.training if row.size.hidden >= 256
            ),
            "share of the matrix-product limit, H >= 256": {
                RECURRA: self._share(RECURRA, self.limit()),
                RECURRA_BF16: self._share(RECURRA_BF16, self.limit("bfloat16")),
            },
            "share of the fastest product of all, H >= 256": {RECURRA: self._share(RECURRA, self.peak())},
            "time grows with T to the power of": {
                way: exponent(self.series.get("time", []), way) for way in (RECURRA, PACKED, PADDED)
            },
        }

    def as_json(self) -> dict[str, Any]:
        """Every number."""
        return {
            "command": self.command(),
            "finished": self.finished,
            "cells": self.cells,
            "machine": self.machine,
            "load": self.load,
            "total_seconds": self.seconds,
            "notes": self.notes,
            "summary": self.summary(),
            "limit": {precision: self.limit(precision) for precision in self.products},
            "peak": {precision: self.peak(precision) for precision in self.products},
            "products": self.products,
            "bandwidth": self.bandwidth,
            "training": [row.as_json() for row in self.training],
            "inference": [row.as_json() for row in self.inference],
            "streaming": [row.as_json() for row in self.streaming],
            "series": {name: [row.as_json() for row in rows] for name, rows in self.series.items()},
            "split": {name: [vars(part) for part in parts] for name, parts in self.split.items()},
        }

    def _share(self, way: str, limit: float | None) -> float | None:
        """The mean rate of a way over the wide rows, as a share of a limit."""
        rates = _known(row.rate(way) for row in self.wide())
        return statistics.fmean(rates) / limit if rates and limit else None

    def _products(self, precision: str) -> Iterable[tuple[str, float]]:
        return self.products.get(precision, {}).items()


def geometric_mean(values: Sequence[float]) -> float:
    """The mean of ratios.

    >>> geometric_mean([1.0, 4.0])
    2.0
    """
    return math.exp(statistics.fmean(map(math.log, values)))


def exponent(rows: Sequence[Row], way: str) -> float | None:
    """The power of T with which the time of a way grows: the slope of a line through the logarithms.

    None where fewer than two sizes were run; 1 is linear, 2 quadratic.
    """
    points = [(math.log(row.size.time), math.log(median)) for row in rows if (median := row.median(way)) is not None]
    if len({x for x, _ in points}) < 2:
        return None
    return statistics.linear_regression(*zip(*points)).slope


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _means(values: Iterable[float | None]) -> dict[str, float] | None:
    """Geometric mean, least and most."""
    known = _known(values)
    return {"mean": geometric_mean(known), "least": min(known), "most": max(known)} if known else None
