"""The results of `recurra bench` as tables, in Markdown and on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from recurra.bench.results import PACKED, PADDED, RECURRA, RECURRA_BF16, Part, Results, Row
from recurra.bench.streaming import LAYER, ONNX, ONNX_INT8, PRECISIONS, READ, STEPPED, way_of
from recurra.tables import markdown_table

__all__ = ["markdown", "print_results"]

_PADDED = f"{PADDED} (inexact)"
_ROOMY, _WIDE = 100, 140  # columns of a terminal whose sizes stand on one line, and of what is no terminal
_PROBLEM = "I, H, layers, direction, B, T"
_SERIES = {"time": "T", "batch": "B", "hidden": "H"}


class _Section(NamedTuple):
    """A title, what a reader must know, and a table.

    Attributes:
        title: of the section.
        text: one line.
        header: of the table.
        rows: of the table.
        short: the columns that a terminal shows; None for all.
        most: rows that a terminal shows.
    """

    title: str
    text: str
    header: list[str]
    rows: list[list[str]]
    short: Sequence[int] | None = None
    most: int | None = None


def markdown(results: Results) -> str:
    """All tables as a page."""
    parts = ["# recurra bench", f"Made by `{results.command()}`.", *_preamble(results), "![The figure](bench.png)"]
    for section in _sections(results):
        parts += [f"## {section.title}", section.text, markdown_table(section.header, section.rows)]
    return "\n\n".join(part for part in parts if part) + "\n"


def print_results(console: Console, results: Results) -> None:
    """Print the tables, with the columns and rows that matter most."""
    if not console.is_terminal:  # a file or a pipe has no edge to fold at
        console.width = max(console.width, _WIDE)
    for section in _sections(results):
        shown = section.short or range(len(section.header))
        table = Table(title=escape(section.title), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
        table.add_column(escape(section.header[0]), overflow="fold", no_wrap=console.width >= _ROOMY)
        for column in shown[1:]:
            table.add_column(escape(section.header[column]), justify="right", overflow="fold")
        for row in section.rows[: section.most]:
            table.add_row(*(escape(row[column]) for column in shown))
        console.print(table)
        if section.text:
            console.print(escape(section.text), soft_wrap=True)
    for line in _preamble(results):
        console.print(escape(line), soft_wrap=True)


def _preamble(results: Results) -> Iterator[str]:
    load = results.load
    yield f"{results.machine_line}."
    told = [
        f"load average {_number(load.get('before'), '.2f')} before, {_number(load.get('after'), '.2f')} after",
        f"other processes took {_number(load.get('cores_of_others'), '.2f')} cores meanwhile",
    ]
    yield (
        f"{results.seconds:.0f} s in all; {'; '.join(told)}. All ways of a row run in turns, round by round; a time is "
        "the median, its spread half the distance between the quartiles; limits are those of the fastest round. All in "
        "float32 unless bfloat16 is said."
    )
    yield from results.notes


def _sections(results: Results) -> Iterator[_Section]:
    if results.training:
        yield _summary(results)
        yield _layers(results, "Training: forward and backward, packing and unpacking included", results.training)
        yield _layers(results, "Inference: forward alone", results.inference)
    if results.streaming:
        yield _streaming(results.streaming)
    for name, rows in results.series.items():
        yield _series(name, rows)
    if results.products:
        yield _products(results)
    for name, parts in results.split.items():
        yield _split(results, name, parts)


def _summary(results: Results) -> _Section:
    rows = []
    for name, value in results.summary().items():
        if not value:
            continue
        if "mean" in value:
            text = f"{value['mean']:.2f} ({value['least']:.2f} to {value['most']:.2f})"
        else:
            unit = "%" if name.startswith("share") else ""
            text = "; ".join(f"{way} {_scaled(number, unit)}" for way, number in value.items() if number is not None)
        rows.append([name, text])
    count = len(results.training)
    text = (
        f"Ratios of times: above 1 recurra is faster. Geometric mean (least to most) over {count} problems. "
        "The padded way's results depend on the padding: they are wrong, and only its speed is of interest."
    )
    return _Section("Summary", text, ["", ""], rows)


def _scaled(number: float, unit: str) -> str:
    return f"{100 * number:.0f} %" if unit else f"{number:.2f}"


def _layers(results: Results, title: str, rows: Sequence[Row]) -> _Section:
    half = any(RECURRA_BF16 in row.times for row in rows)
    ways = [RECURRA, *([RECURRA_BF16] if half else []), PACKED, PADDED]
    header = [_PROBLEM, "kernel", *(f"{_PADDED if way == PADDED else way} ms" for way in ways)]
    header += ["packed / recurra", "padded / recurra", "share of limit", "recurra GFLOP/s", "share of fastest"]
    header += ["difference", "rounds", "spread"]
    first = len(ways) + 2
    return _Section(
        title,
        "GFLOP/s are those of the matrix products over valid tokens: padding counts for nothing. The difference is the "
        "largest from the packed way, relative to the largest value of each tensor. The spread is that of the way that "
        "varied most.",
        header,
        [_layer_row(results, row, ways) for row in rows],
        (0, *range(2, first + 3)),
    )


def _layer_row(results: Results, row: Row, ways: Sequence[str]) -> list[str]:
    rate = row.rate()
    return [
        f"{row.cell}: {row.size}",
        row.kernel,
        *(_time(row, way, 1e3) for way in ways),
        _number(row.ratio(PACKED), ".2f"),
        _number(row.ratio(PADDED), ".2f"),
        _percent(rate, results.limit()),
        _number(rate and rate / 1e9, ".0f"),
        _percent(rate, results.peak()),
        _number(max(row.differences.values(), default=None), ".0e"),
        str(row.rounds),
        _spread(row),
    ]


def _streaming(rows: Sequence[Row]) -> _Section:
    ways = [*map(way_of, PRECISIONS), LAYER, STEPPED, ONNX, ONNX_INT8]
    ways += [way_of(precision, READ) for precision in PRECISIONS]
    ways = [way for way in ways if any(way in row.times for row in rows)]
    compared = [way for way in ways if any(way in row.differences for row in rows)]
    header = ["cell, L x H", *(f"{way} µs" for way in ways), "onnxruntime / recurra", "recurra / reading", "spread"]
    body = []
    for row in rows:
        ratios = [_number(row.ratio(ONNX), ".2f"), _number(row.ratio(RECURRA, READ), ".2f")]
        times = [_time(row, way, 1e6) for way in ways]
        body.append([f"{row.cell} {row.size.layers} x {row.size.hidden}", *times, *ratios, _spread(row)])
    errors = "; ".join(f"{way} {max(row.differences.get(way, 0.0) for row in rows):.0e}" for way in compared)
    long = [LAYER, ONNX_INT8, *(way_of(precision, READ) for precision in PRECISIONS if precision != "float32")]
    short = [number for number, name in enumerate(header) if name not in (*(f"{way} µs" for way in long), "spread")]
    return _Section(
        f"Streaming: one step at a time, B = {rows[0].size.batch}",
        "Reading: as many bytes as all matrices have in a precision, once, by the fastest of a sum, a dot product and "
        f"a matrix times a vector. Largest difference from float64, relative to the largest output: {errors}. "
        + _left_out(rows),
        header,
        body,
        short,
    )


def _series(name: str, rows: Sequence[Row]) -> _Section:
    letter = _SERIES[name]
    header = [letter, *(f"{way} µs / token" for way in (RECURRA, PACKED, _PADDED)), "recurra GFLOP/s"]
    body = []
    for row in rows:
        times = [_time(row, way, 1e6 / row.tokens) for way in (RECURRA, PACKED, PADDED)]
        body.append([str(row.size._asdict()[name]), *times, _number((row.rate() or 0) / 1e9, ".0f")])
    first = rows[0].size
    fixed = ", ".join(f"{letter} {first._asdict()[field]}" for field, letter in _SERIES.items() if field != name)
    return _Section(f"Training: cost against {letter} ({rows[0].cell}, {fixed})", _left_out(rows), header, body)


def _left_out(rows: Sequence[Row]) -> str:
    told = dict.fromkeys(f"Left out: {way} {why}." for row in rows for way, why in row.left_out.items())
    return " ".join(told)


def _products(results: Results) -> _Section:
    rows = [
        [name, precision, f"{rate / 1e9:.0f}"]
        for precision, rates in results.products.items()
        for name, rate in sorted(rates.items(), key=lambda item: -item[1])
    ]
    memory = ", ".join(f"{name} {rate / 1e9:.0f} GB/s" for name, rate in results.bandwidth.items())
    limits = "; ".join(
        f"{precision}: {(results.limit(precision) or 0) / 1e9:.0f} GFLOP/s" for precision in results.products
    )
    text = (
        f"The limit is the most that torch.mm reaches, at the very shapes of the layers' products or a large square "
        f"one: {limits}. Recurra's own products may be faster, so its share of the limit may be more than 100 %; their "
        f"most is {(results.peak() or 0) / 1e9:.0f} GFLOP/s. Memory: {memory}."
    )
    return _Section("Limits: matrix products", text, ["product", "precision", "GFLOP/s"], rows, most=6)


def _split(results: Results, name: str, parts: Sequence[Part]) -> _Section:
    peak, bandwidth = results.peak() or 0.0, results.memory() or 0.0
    body, whole = [], parts[-1].seconds
    for part in parts:
        share = part.share(peak, bandwidth)
        rates = [_number(work / part.seconds / 1e9 if work else None, ".0f") for work in (part.flops, part.bytes)]
        times = [f"{1e3 * part.seconds:.2f}", _percent(part.seconds, whole)]
        body.append([part.name, *times, *rates, _percent(share, 1.0)])
    text = (
        f"Beside a peak of {peak / 1e9:.0f} GFLOP/s, the most that any product reached in this run, and memory of "
        f"{bandwidth / 1e9:.0f} GB/s. The GB/s of a part count what it must read and write at least once; much of that "
        "lies in the caches. Of the roofline: the least time that the two limits allow, as a share of the time taken."
    )
    header = ["part", "ms", "share of the step", "GFLOP/s", "GB/s", "of the roofline"]
    return _Section(f"Where a training step's time goes: {name}", text, header, body)


def _spread(row: Row) -> str:
    found = [spread for way in row.times if (spread := row.spread(way)) is not None]
    return f"± {100 * max(found):.0f} %" if found else "-"


def _percent(value: float | None, of: float | None) -> str:
    return "-" if value is None or of is None else f"{100 * value / of:.0f} %"


def _time(row: Row, way: str, unit: float) -> str:
    median = row.median(way)
    return _number(None if median is None else median * unit, ".3g" if unit == 1e6 else ".4g")


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
