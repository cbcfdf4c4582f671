"""Figures as inline SVG: drawn by matplotlib, coloured by the page's style sheet, the same bytes on every run."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

__all__ = ["STYLES", "Score", "Style", "calibration_figure", "curves_figure", "scores_figure"]


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
    "feedforward": Style("#a8407f", "#e6a0cc", "D"),
    "baseline": Style("#666b73", "#a6adb8", "v"),
}
_INK, _GRID = "#010203", "#040506"  # never seen: each is replaced by a name that the page's style sheet gives a colour
_PAGE_COLOURS = {
    _INK: "currentColor",
    _GRID: "var(--grid)",
    **{style.light: f"var(--{name})" for name, style in STYLES.items()},
}
_SETTINGS: dict[Any, Any] = {  # mypy knows only the names of one version of matplotlib
    "font.size": 12,
    "svg.fonttype": "none",
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _GRID,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": _GRID,
    "grid.linewidth": 0.8,
    "xtick.color": _GRID,
    "ytick.color": _GRID,
    "xtick.labelcolor": _INK,
    "ytick.labelcolor": _INK,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}

_LEGEND: dict[str, Any] = {"handlelength": 1.6, "columnspacing": 1.0, "handletextpad": 0.4, "borderaxespad": 0.2}


class Score(NamedTuple):
    """A named share with its interval, and the style it is drawn in."""

    name: str
    style: str
    value: float
    low: float
    high: float


def curves_figure(
    histories: Mapping[str, Sequence[Mapping[str, Any]]], names: Mapping[str, str], loss: bool, title: str
) -> str:
    """Draw a line a model over the epochs: the loss in training and validation, or the validation accuracy.

    Args:
        histories: the epoch records of each model, by style.
        names: what each model is called, by style.
        loss: the losses, or else the accuracy.
        title: read out in place of the figure.
    """
    with matplotlib.rc_context(_SETTINGS):
        figure, axes = _axes(5.4, 3.5)
        for style, records in histories.items():
            epochs = [record["epoch"] for record in records]
            drawn: dict[str, Any] = {"color": STYLES[style].light, "markersize": 5, "linewidth": 2}
            key = "valid_loss" if loss else "valid_score"
            marker = STYLES[style].marker
            axes.plot(epochs, [record[key] for record in records], marker=marker, label=names[style], **drawn)
            if loss:
                axes.plot(epochs, [record["loss"] for record in records], **{**drawn, "linewidth": 1.2}, ls=(0, (4, 3)))
        axes.set_xlabel("epoch")
        axes.set_ylabel("loss (cross entropy)" if loss else "validation accuracy")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        if not loss:
            axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
        if loss:
            axes.set_ylim(bottom=0)
        axes.legend(ncols=len(histories), loc="lower left", bbox_to_anchor=(-0.06, 1.0), **_LEGEND)
        return _svg(figure, title)


def scores_figure(scores: Sequence[Score], title: str) -> str:
    """Draw accuracies as points with their intervals, the first at the top."""
    with matplotlib.rc_context(_SETTINGS):
        figure, axes = _axes(5.4, 0.55 + 0.44 * len(scores))
        for row, score in enumerate(scores):
            style = STYLES[score.style]
            axes.plot([score.low, score.high], [row, row], color=style.light, linewidth=3, solid_capstyle="butt")
            axes.plot([score.value], [row], marker=style.marker, color=style.light, markersize=8)
        axes.set_yticks(range(len(scores)), [score.name for score in scores])
        axes.set_ylim(len(scores) - 0.5, -0.5)
        axes.set_xlim(0, 1)
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
        return _svg(figure, title)


def calibration_figure(
    labels: NDArray[np.int64], probabilities: NDArray[np.float32], style: str, title: str, bins: int = 10
) -> str:
    """Draw how often a model is right against how sure it says it is; a marker's area tells how many answers it holds.

    Args:
        labels: the true class of each example, [n].
        probabilities: of each class, [n, C].
        style: of the model.
        title: read out in place of the figure.
        bins: of equal width, from 0 to 1.
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == labels
    of_bin = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    filled = np.unique(of_bin)
    points = [(confidence[of_bin == b].mean(), right[of_bin == b].mean(), (of_bin == b).sum()) for b in filled]
    said, was, counts = (np.array(values) for values in zip(*points))
    with matplotlib.rc_context(_SETTINGS):
        figure, axes = _axes(5.4, 3.5)
        lowest = 1 / probabilities.shape[1]  # the surest of C classes is never below 1 / C
        axes.plot([lowest, 1], [lowest, 1], color=_INK, linewidth=1, linestyle=(0, (4, 3)))
        axes.plot(said, was, color=STYLES[style].light, linewidth=1.2)
        axes.scatter(said, was, s=30 + 500 * counts / counts.sum(), color=STYLES[style].light, zorder=3)
        for x, y, count in zip(said, was, counts):
            axes.annotate(
                f"{count:,}", (x, y), xytext=(0, -18), textcoords="offset points", ha="center", fontsize=10, zorder=4
            )
        axes.set_xlabel("how sure the model says it is")
        axes.set_ylabel("how often it is right")
        axes.set_xlim(lowest - 0.03, 1.04)
        axes.set_ylim(min(lowest, was.min()) - 0.12, 1.06)
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
        return _svg(figure, title)


def _axes(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure with one axes; sizes in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasSVG(figure)
    return figure, figure.add_subplot()


def _svg(figure: Figure, title: str) -> str:
    """Write a figure as an element that can stand in a page beside others: no fixed size, ids or colours of its own."""
    file = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": title}):  # ids made of it differ from those of the page's other figures
        figure.savefig(file, format="svg")
    drawing = file.getvalue()
    drawing = drawing[drawing.index("<svg") :]
    drawing = re.sub(r"<metadata>.*?</metadata>", "", drawing, flags=re.DOTALL)
    drawing = re.sub(r'<g id="[^"]*">', "<g>", drawing)
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
