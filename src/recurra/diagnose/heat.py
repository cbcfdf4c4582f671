"""Heat maps: a cell for each number, its colour and height by the sign, the larger the stronger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from recurra.pages.drawing import INK, SETTINGS, any_script, new_panels, to_svg
from recurra.pages.tokens import seen

__all__ = ["Heat", "heat_figure"]

Heat = Mapping[str, tuple[ArrayLike, float]]  # [R, T] and the number of the strongest colour, by the panel's name

_ABOVE, _BELOW = (38, 132, 206), (226, 126, 24)  # seen on white and on black; the strength is how opaque they are
_CELL, _NARROW, _ROW, _NARROWEST, _WIDEST = 0.2, 0.1, 0.16, 1.7, 14.2  # inches
_LABELLED, _NAMED_ROWS = 140, 60  # columns and rows that can still be read beside each other
_LETTER = 0.1  # inches
_LONGEST = 24  # letters of a name


def heat_figure(panels: Heat, rows: Sequence[str], columns: Sequence[str], title: str) -> str:
    """Draw tables of numbers over the same rows and columns.

    Positive numbers are full cells of one colour, negative ones flat cells of another. The cells are an image in the
    figure, so that a long input makes no large file; what is not opaque lets the page through, be it light or dark.

    Args:
        panels: beside each other as far as a page has room.
        rows: names of the R rows.
        columns: names of the T columns; more than 140 are numbered.
        title: read out in place of the figure.
    """
    labelled = len(columns) <= _LABELLED
    names, shown = ([_short(name) for name in side] for side in (rows, columns if labelled else []))
    left, below = (0.5 + _LETTER * max(map(len, side), default=0) for side in (names, shown))
    across, high = max(_NARROWEST, len(columns) * (_CELL if labelled else _NARROW)), max(0.3, _ROW * len(rows)) + 0.35
    lines, beside = _grid(len(panels), across, left)
    with matplotlib.rc_context({**SETTINGS, "axes.grid": False}), any_script():
        figure, grid = new_panels(left + beside * (across + 0.2), lines * high + below, lines, beside)
        for axes, (name, (values, largest)) in zip(grid, panels.items()):
            _draw(axes, np.asarray(values, dtype=float).reshape(len(rows), len(columns)), largest)
            axes.set_title(name, loc="left", fontsize=11, color=INK, parse_math=False)
        named = range(len(names)) if len(names) <= _NAMED_ROWS else []
        for place, axes in enumerate(grid):
            axes.set_visible(place < len(panels))
            axes.set_yticks(named, names if named else [], fontsize=9, parse_math=False)
            axes.tick_params(labelleft=place % beside == 0, labelbottom=place + beside >= len(panels))
            if labelled:
                axes.set_xticks(range(len(shown)), shown, rotation=90, fontsize=10, parse_math=False)
        return to_svg(figure, title)


def _grid(count: int, across: float, left: float) -> tuple[int, int]:
    """How many lines of how many panels each: as many beside each other as a wide page has room for."""
    most = max(1, int((_WIDEST - left) / (across + 0.2)))
    lines = -(-count // most)
    return lines, -(-count // lines)


def _draw(axes: Axes, values: NDArray[np.float64], largest: float) -> None:
    """Two points of an image for the height of each cell: of a negative number only the lower one is coloured."""
    rows, columns = values.shape
    shares = np.nan_to_num(np.clip(np.abs(values) / (largest or 1.0), 0, 1))
    image = np.zeros((2 * rows, columns, 4), np.uint8)
    image[..., :3] = np.where(values[..., np.newaxis] < 0, _BELOW, _ABOVE).repeat(2, axis=0)
    opaque = (255 * shares).round().astype(np.uint8)
    image[1::2, :, 3] = opaque
    image[::2, :, 3] = np.where(values < 0, 0, opaque)
    if rows and columns:
        extent = (-0.5, columns - 0.5, rows - 0.5, -0.5)
        axes.imshow(image, interpolation="none", aspect="auto", extent=extent, origin="upper")
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(True)


def _short(name: str) -> str:
    visible = seen(name)
    return visible if len(visible) <= _LONGEST else f"{visible[: _LONGEST - 1]}…"
