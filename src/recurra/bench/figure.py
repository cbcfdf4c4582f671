"""The results of `recurra bench` as one figure: PNG, on white."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter
from PIL import Image

from recurra.bench.results import PACKED, PADDED, RECURRA, RECURRA_BF16, Results, Row
from recurra.bench.streaming import LAYER, ONNX, READ, STEPPED
from recurra.pages.drawing import STYLES

__all__ = ["figure"]

_BLUE, _ORANGE, _GREY = STYLES["lstm"].light, STYLES["gru"].light, STYLES["baseline"].light
_PURPLE, _GREEN, _GRID = STYLES["feedforward"].light, STYLES["rnn"].light, "#d9dce1"
_LINES: dict[str, dict[str, Any]] = {
    RECURRA: {"color": _BLUE, "marker": "o", "linewidth": 2.2},
    PACKED: {"color": _ORANGE, "marker": "s", "linewidth": 1.6},
    PADDED: {"color": _GREY, "marker": "v", "linewidth": 1.6, "linestyle": (0, (4, 2))},
}
_NAMES = {RECURRA: "recurra", PACKED: "nn packed", PADDED: "nn padded"}
_STREAMS = {
    RECURRA: ("recurra", _BLUE),
    f"{RECURRA} bfloat16": ("recurra, bfloat16", _PURPLE),
    f"{RECURRA} int8": ("recurra, int8", _GREEN),
    LAYER: ("nn layer", _ORANGE),
    STEPPED: ("nn cells", "#f0a070"),
    ONNX: ("onnxruntime", _GREY),
    READ: ("reading the weights", "#b9bec7"),
}
_AXES = {"time": "T, longest sequence", "batch": "B, sequences in the batch", "hidden": "H, hidden units"}
_BELOW: dict[str, Any] = {"loc": "upper left", "handletextpad": 0.4, "columnspacing": 1.0, "borderaxespad": 0.0}
_SETTINGS: dict[Any, Any] = {  # mypy knows only the names of one version of matplotlib
    "font.size": 11.5,
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#8a9099",
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": _GRID,
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 10.5,
    "lines.markersize": 5.5,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
}


def figure(results: Results) -> bytes:
    """Draw the ratios by size, streaming, the cost against T, B and H, and the share of the limit.

    A panel for which nothing was measured is left empty and says so.
    """
    with matplotlib.rc_context(_SETTINGS):
        drawing = Figure(figsize=(14, 9.2))
        FigureCanvasAgg(drawing)
        drawing.subplots_adjust(left=0.145, right=0.985, top=0.89, bottom=0.145, wspace=0.58, hspace=0.6)
        places = drawing.subplots(2, 3, gridspec_kw={"width_ratios": [1.2, 1, 1]})
        panels: list[tuple[Axes, bool, Callable[[Axes], None]]] = [
            (places[0, 0], bool(results.training), lambda axes: _ratios(axes, results.training)),
            (places[1, 0], bool(results.streaming), lambda axes: _streams(axes, results.streaming)),
            (places[0, 1], "time" in results.series, lambda axes: _costs(axes, "time", results.series["time"])),
            (places[0, 2], "batch" in results.series, lambda axes: _costs(axes, "batch", results.series["batch"])),
            (places[1, 1], "hidden" in results.series, lambda axes: _costs(axes, "hidden", results.series["hidden"])),
            (places[1, 2], bool(results.wide() and results.products), lambda axes: _shares(axes, results)),
        ]
        for axes, is_there, draw in panels:
            if is_there:
                draw(axes)
            else:
                axes.set_axis_off()
                axes.text(0.5, 0.5, "not measured", ha="center", va="center", color=_GREY)
        unfinished = "" if results.finished else " Stopped by Ctrl-C."
        drawing.text(
            0.012,
            0.972,
            f"recurra bench. nn: torch.nn; its padded way is inexact. {results.machine_line}.{unfinished}",
            fontsize=10.5,
            color="#50555c",
        )
        drawn = io.BytesIO()
        drawing.savefig(drawn, format="png", dpi=100)
    file = io.BytesIO()  # a palette: a third of the bytes, and no difference that an eye could see
    Image.open(drawn).convert("RGB").quantize(128, dither=Image.Dither.NONE).save(file, format="png", optimize=True)
    return file.getvalue()


def _ratios(axes: Axes, rows: Sequence[Row]) -> None:
    """How many times as long as recurra torch takes: a line a size, a mark a cell, filled against packed."""
    sizes = list(dict.fromkeys(row.size for row in rows))
    cells = list(dict.fromkeys(row.cell for row in rows))
    for row in rows:
        line = sizes.index(row.size) + 0.22 * (cells.index(row.cell) - (len(cells) - 1) / 2)
        style = STYLES[row.cell]
        for way, face in ((PADDED, "white"), (PACKED, style.light)):
            ratio = row.ratio(way)
            if ratio is not None:
                drawn: dict[str, Any] = {"color": style.light, "marker": style.marker, "markerfacecolor": face}
                axes.plot([ratio], [line], linestyle="none", markersize=7, clip_on=False, **drawn)
    axes.axvline(1, color="black", linewidth=1.2)
    axes.set_xscale("log")
    axes.set_yticks(range(len(sizes)), [str(size).replace(" (all full)", "") for size in sizes], fontsize=10)
    axes.set_ylim(len(sizes) - 0.5, -0.5)
    _plain(axes, "x")
    axes.set_title("Training: time of torch.nn / time of recurra")
    axes.text(
        -0.02, 1.02, "I, H, layers, direction, B, T", transform=axes.transAxes, ha="right", fontsize=9, color=_GREY
    )
    axes.set_xlabel("right of 1: recurra is faster")
    marks = [
        Line2D([], [], color=STYLES[cell].light, marker=STYLES[cell].marker, linestyle="none", label=cell)
        for cell in cells
    ]
    for label, face in (("packed", _GREY), ("padded (inexact)", "white")):
        marks.append(Line2D([], [], color=_GREY, marker="o", linestyle="none", markerfacecolor=face, label=label))
    axes.legend(handles=marks, ncols=5, bbox_to_anchor=(-0.46, -0.21), **_BELOW)


def _streams(axes: Axes, rows: Sequence[Row]) -> None:
    """Microseconds of one step by each way: a group a layer."""
    ways = [way for way in _STREAMS if any(row.times.get(way) for row in rows)]
    height = 0.84 / len(ways)
    for number, way in enumerate(ways):
        lines = [index + height * (number - (len(ways) - 1) / 2) for index in range(len(rows))]
        name, colour = _STREAMS[way]
        times = [1e6 * (row.median(way) or float("nan")) for row in rows]
        axes.barh(lines, times, height, color=colour, label=name)
    axes.set_xscale("log")
    axes.set_yticks(range(len(rows)), [f"{row.cell} {row.size.layers} x {row.size.hidden}" for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    _plain(axes, "x")
    axes.set_title("Streaming: one step, one sequence")
    axes.set_xlabel("µs a step")
    axes.legend(ncols=3, bbox_to_anchor=(-0.46, -0.2), handlelength=1.0, **_BELOW)


def _costs(axes: Axes, name: str, rows: Sequence[Row]) -> None:
    """Microseconds a token of training against one number, on logarithmic scales."""
    for way, style in _LINES.items():
        points = [(row.size._asdict()[name], 1e6 * median / row.tokens) for row in rows if (median := row.median(way))]
        if points:
            axes.plot(*zip(*points), label=_NAMES[way], **style)
    axes.set_xscale("log", base=10 if name == "time" else 2)
    axes.set_yscale("log")
    ticks = [row.size._asdict()[name] for row in rows]
    ticks = ticks[::2] if len(ticks) > 5 else ticks
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.minorticks_off()
    _plain(axes, "y")
    fixed = {
        "time": "B {0.batch}, H {0.hidden}",
        "batch": "T {0.time}, H {0.hidden}",
        "hidden": "B {0.batch}, T {0.time}",
    }
    axes.set_title(f"Training: cost by {_AXES[name][0]}\n{rows[0].cell}, {fixed[name].format(rows[0].size)}")
    axes.set_xlabel(_AXES[name])
    axes.set_ylabel("µs a token")
    axes.legend(ncols=3, bbox_to_anchor=(-0.2, -0.21), handlelength=1.2, **{**_BELOW, "columnspacing": 0.7})


def _shares(axes: Axes, results: Results) -> None:
    """GFLOP/s of training with H >= 256 beside the products of torch.mm and of recurra."""
    rows = results.wide()
    ways = [way for way in (RECURRA, RECURRA_BF16) if any(way in row.times for row in rows)]
    height = 0.7 / len(ways)
    for number, way in enumerate(ways):
        lines = [index + height * (number - (len(ways) - 1) / 2) for index in range(len(rows))]
        rates = [(row.rate(way) or float("nan")) / 1e9 for row in rows]
        name, colour = ("recurra", _BLUE) if way == RECURRA else ("bfloat16", _PURPLE)
        axes.barh(lines, rates, height, color=colour, label=name)
    limits = [
        (results.limit(), "torch.mm", _ORANGE, "-"),
        (results.limit("bfloat16"), "torch.mm bfloat16", _ORANGE, ":"),
        (results.peak(), "fastest product", "black", "--"),
    ]
    for rate, label, colour, line in limits:
        if rate is not None:
            axes.axvline(rate / 1e9, color=colour, linewidth=1.8, linestyle=line, label=label)
    names = [f"{row.cell} {row.size.layers} x {row.size.hidden}, T {row.size.time}" for row in rows]
    axes.set_yticks(range(len(rows)), names, fontsize=9)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(left=0)
    axes.grid(visible=False, axis="y")
    axes.set_title("Training at H >= 256\nbeside the fastest products")
    axes.set_xlabel("GFLOP/s over valid tokens")
    axes.legend(ncols=2, bbox_to_anchor=(-0.3, -0.2), handlelength=1.4, **_BELOW)


def _plain(axes: Axes, which: str) -> None:
    """Numbers on a logarithmic axis as people write them: 0.5, 1, 2, 5, 10."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    low, high = axis.get_view_interval()
    steps = [mantissa * 10.0**power for power in range(-3, 7) for mantissa in (1, 2, 5)]
    ticks = [step for step in steps if low <= step <= high]
    ticks = ticks if len(ticks) < 8 else [step for step in ticks if f"{step:e}".startswith("1")]
    axis.set_ticks(ticks)
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_formatter(NullFormatter())
    axes.tick_params(axis="x" if which == "x" else "y", which="minor", length=0)
