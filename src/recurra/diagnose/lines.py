"""Lines of a figure, one for each layer or gate: a style each, and the legend above the axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from recurra.diagnose.diagnosis import LayerDiagnosis
from recurra.pages.drawing import STYLES

__all__ = ["DASHED", "WIDTH", "Curves", "add_legend", "draw_lines", "height", "line_style", "numbered", "numbers"]

Curves = Mapping[str, tuple[NDArray[np.int64], NDArray[np.float64]]]  # x and y of each line, by its name

WIDTH = 5.4  # inches
DASHED: dict[str, Any] = {"linewidth": 1, "linestyle": (0, (4, 3))}  # of what is there to compare with
_STYLES = ("lstm", "gru", "rnn", "feedforward")
_DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))
_LETTERS = 56  # that stand beside each other above the axes


class LineStyle(NamedTuple):
    """How a line is told from others: by colour and marker, and from the fifth on by dashes."""

    color: str
    marker: str
    linestyle: Any


def line_style(number: int) -> LineStyle:
    """The style of a line, by its number from 0."""
    style = STYLES[_STYLES[number % len(_STYLES)]]
    return LineStyle(style.light, style.marker, _DASHES[number // len(_STYLES) % len(_DASHES)])


def draw_lines(axes: Axes, curves: Curves, names: Sequence[str]) -> None:
    """Draw a line each, with some markers; its style is that of its place among the names."""
    for name, (x, y) in curves.items():
        every = max(1, len(x) // 12)
        axes.plot(
            x, y, **line_style(names.index(name))._asdict(), markersize=4, markevery=every, linewidth=1.8, label=name
        )


def add_legend(figure: Figure, axes: Axes) -> None:
    """Name the lines above the axes."""
    handles, names = axes.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper left", ncols=_columns(names), fontsize=11, handlelength=1.8)


def height(names: Sequence[str]) -> float:
    """Inches for some lines and their legend."""
    return 3.0 + 0.24 * -(-len(names) // _columns(names))


def numbered(found: Mapping[str, Any], layers: Sequence[LayerDiagnosis]) -> list[tuple[int, Any]]:
    """What was found by the layers' names, with the number of each, so that a layer looks the same in each figure."""
    return [(number, found[layer.name]) for number, layer in enumerate(layers) if layer.name in found]


def numbers(values: Tensor) -> NDArray[np.float64]:
    """A tensor's numbers for a figure."""
    array: NDArray[np.float64] = values.detach().double().cpu().numpy()
    return array


def _columns(names: Sequence[str]) -> int:
    return max(1, min(4, len(names), _LETTERS // (max(map(len, names), default=1) + 5)))
