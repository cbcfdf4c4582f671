"""Pictures of attention: from which symbols of its source each symbol of a translation was written."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.collections import PatchCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from recurra.files import failures_named, write_text
from recurra.pages.drawing import SETTINGS, STYLES, any_script, new_axes, on_white, to_svg
from recurra.pages.tokens import seen

__all__ = ["alignment_figure", "with_pictures"]

_CELL = 0.28  # inches
_WIDEST = 40.0  # inches
_LETTER, _LEAST_ROOM = 0.11, 1.5  # inches
_LABELLED = 140  # symbols of a side that can still be read beside each other
_SEEN = 0.004  # of a weight that can be told from none
_TITLE = "From which symbols of the source each symbol of the translation was written"


def alignment_figure(source: Sequence[str], target: Sequence[str], weights: ArrayLike, title: str) -> str:
    """Draw a translation's attention for a page.

    Args:
        source: its S symbols, from left to right.
        target: the T symbols of the translation, from top to bottom.
        weights: [T, S], the share of each target symbol's attention.
        title: read out in place of the figure.
    """
    with matplotlib.rc_context({**SETTINGS, "axes.grid": False}), any_script():
        return to_svg(_drawn(source, target, weights), title)


def with_pictures(lines: Iterator[str], folder: Path) -> Iterator[str]:
    """Hand lines of JSON on and draw the alignment that is told in each, as `1.svg`, `2.svg` and so on.

    Args:
        lines: one or several whole lines at a time, each an object with an "alignment".
        folder: made if missing; pictures of those names in it are replaced.

    Raises:
        OutputError: the folder or a picture cannot be written.
    """
    number = 0
    for text in lines:
        with failures_named(folder):
            folder.mkdir(parents=True, exist_ok=True)
        for line in text.removesuffix("\n").split("\n"):  # others that end a line may stand in a text
            number += 1
            _write_picture(json.loads(line)["alignment"], folder / f"{number}.svg")
        yield text


def _write_picture(alignment: dict[str, Any], path: Path) -> None:
    figure = alignment_figure(alignment["source"], alignment["target"], alignment["weights"], _TITLE)
    write_text(path, on_white(figure))


def _drawn(source: Sequence[str], target: Sequence[str], weights: ArrayLike) -> Figure:
    """One cell for each pair of symbols, the larger its weight the darker."""
    shares = np.asarray(weights, dtype=float).reshape(len(target), len(source))
    width, height = (min(_WIDEST, _CELL * max(1, len(side))) for side in (source, target))
    figure, axes = new_axes(width + _room(target), height + _room(source))
    cells, colours = [], []
    for (row, column), share in np.ndenumerate(shares):
        if share > _SEEN:
            cells.append(Rectangle((column - 0.48, row - 0.48), 0.96, 0.96))
            colours.append(to_rgba(STYLES["lstm"].light, round(min(1.0, float(share)), 2)))
    axes.add_collection(PatchCollection(cells, facecolors=colours, linewidths=0))
    axes.set_xlim(-0.5, max(1, len(source)) - 0.5)
    axes.set_ylim(max(1, len(target)) - 0.5, -0.5)
    axes.xaxis.tick_top()
    for axis, side, rotation in ((axes.xaxis, source, 90), (axes.yaxis, target, 0)):
        shown = [seen(symbol) for symbol in side] if len(side) <= _LABELLED else []
        axis.set_ticks(range(len(shown)), shown, rotation=rotation, fontsize=10, parse_math=False)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return figure


def _room(side: Sequence[str]) -> float:
    """Inches beside the cells for the symbols of a side."""
    return max(_LEAST_ROOM, 0.4 + _LETTER * max(map(len, side), default=0))
