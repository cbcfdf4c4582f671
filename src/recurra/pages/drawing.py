"""How all figures are drawn: inline SVG by matplotlib, coloured by the page's style sheet, the same on every run."""

from __future__ import annotations

import contextlib
import html
import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

__all__ = [
    "GRID",
    "INK",
    "LEGEND",
    "SETTINGS",
    "STYLES",
    "Style",
    "any_script",
    "draw_losses",
    "new_axes",
    "new_panels",
    "on_white",
    "to_svg",
]


class Style(NamedTuple):
    """How a model is drawn: its colour on white and on black, and its marker, so that colour never stands alone."""

    light: str
    dark: str
    marker: str


# Colours that differ for the colour-blind (Okabe, Ito 2008), darker ones on white and lighter ones on black.
STYLES = {
    "lstm": Style("#0072b2", "#56b4e9", "o"),
    "gru": Style("#d55e00", "#ff9a52", "s"),
    "rnn": Style("#00805d", "#35cfa3", "^"),
    "rnn_relu": Style("#7a6a00", "#d8c64a", "P"),
    "feedforward": Style("#a8407f", "#e6a0cc", "D"),
    "baseline": Style("#666b73", "#a6adb8", "v"),
}
INK, GRID = "#010203", "#040506"  # never seen: each is replaced by a name that the page's style sheet gives a colour
_PAGE_COLOURS = {
    INK: "currentColor",
    GRID: "var(--grid)",
    **{style.light: f"var(--{name})" for name, style in STYLES.items()},
}
_FILE_COLOURS = {INK: "#1a1d21", GRID: "#c9ced5"}  # in a file, which no style sheet colours; others as on white
SETTINGS: dict[Any, Any] = {  # mypy knows only the names of one version of matplotlib
    "font.size": 12,
    "svg.fonttype": "none",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GRID,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}

_POINTS = 60  # of the training loss: each is the mean of the steps since the one before
LEGEND: dict[str, Any] = {"handlelength": 1.6, "columnspacing": 1.0, "handletextpad": 0.4, "borderaxespad": 0.2}


def new_axes(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure with one axes; sizes in inches."""
    figure, (axes,) = new_panels(width, height, 1)
    return figure, axes


def new_panels(width: float, height: float, rows: int, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure with axes one above the other over the same x, or row by row over the same x and y; sizes in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasSVG(figure)
    return figure, [*figure.subplots(rows, columns, sharex=True, sharey=columns > 1, squeeze=False).flat]


@contextlib.contextmanager
def any_script() -> Iterator[None]:
    """Let be drawn by the viewer's fonts what the measuring font has not, without a warning."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph|Matplotlib currently does not support")
        yield


def draw_losses(
    axes: Axes, losses: Sequence[float], history: Sequence[Mapping[str, Any]], style: str, name: str = ""
) -> None:
    """Draw a model's loss over the steps of training: in training dashed, in validation after each epoch with markers.

    Args:
        axes: where to.
        losses: of each step.
        history: the epoch records.
        style: of the model.
        name: of the model, in the legend before "training" and "validation".
    """
    pieces = np.array_split(np.asarray(losses), min(_POINTS, len(losses)))
    steps = np.cumsum([len(piece) for piece in pieces])
    epoch_ends = [round(record["epoch"] * len(losses) / len(history)) for record in history]
    names = [f"{name}, {what}" if name else what for what in ("training", "validation")]
    drawn: dict[str, Any] = {"color": STYLES[style].light}
    axes.plot(steps, [piece.mean() for piece in pieces], linewidth=1.2, ls=(0, (4, 3)), label=names[0], **drawn)
    valid = [record["valid_loss"] for record in history]
    axes.plot(epoch_ends, valid, marker=STYLES[style].marker, linewidth=2, label=names[1], **drawn)


def to_svg(figure: Figure, title: str) -> str:
    """Write a figure as an element that can stand in a page beside others: no fixed size, ids or colours of its own."""
    file = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": title}):  # ids made of it differ from those of the page's other figures
        figure.savefig(file, format="svg")
    drawing = file.getvalue()
    drawing = drawing[drawing.index("<svg") :]
    drawing = re.sub(r"<metadata>.*?</metadata>", "", drawing, flags=re.DOTALL)
    drawing = re.sub(r'<g id="[^"]*"(/?)>', r"<g\1>", drawing)
    drawing = re.sub(r"font: ([\d.]+px)[^;\"]*", r"font-size: \1", drawing)
    for drawn, named in _PAGE_COLOURS.items():
        drawing = drawing.replace(drawn, named)
    box = re.search(r'viewBox="[^"]*"', drawing)
    assert box is not None
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" {box[0]} role="img">'
        f"<title>{html.escape(title)}</title>"
    )
    return re.sub(r"^<svg[^>]*>", lambda _: opening, drawing, count=1).strip()


def on_white(drawing: str) -> str:
    """Make what :func:`to_svg` gave a file of its own, which any viewer shows: of fixed size and colours, on white."""
    for drawn, named in _PAGE_COLOURS.items():
        drawing = drawing.replace(named, _FILE_COLOURS.get(drawn, drawn))
    opening = re.match(r'<svg [^>]*viewBox="0 0 ([\d.]+) ([\d.]+)"[^>]*>\s*<title>[^<]*</title>', drawing)
    assert opening is not None
    sized = opening[0].replace("<svg ", f'<svg width="{opening[1]}pt" height="{opening[2]}pt" ', 1)
    head = '<?xml version="1.0" encoding="utf-8"?>\n'
    return f'{head}{sized}<rect width="100%" height="100%" fill="white"/>{drawing[opening.end() :]}\n'
