"""Figures of an explanation: influences, attention, the answer as it forms, gates and states over time."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from recurra.diagnose.alignment import alignment_figure
from recurra.diagnose.explained import Explained, Forming, LayerStates
from recurra.diagnose.heat import heat_figure
from recurra.diagnose.lines import line_style
from recurra.diagnose.unit_figures import GATE_NAMES
from recurra.pages.drawing import INK, SETTINGS, STYLES, any_script, new_axes, new_panels, to_svg
from recurra.pages.tokens import seen

__all__ = ["bars_figure", "explained_figures", "forming_figure", "states_figure"]

_PARTS = {
    "h": "hidden state h",
    "c": "cell state c",
    **{gate: f"{name} {gate}" for gate, name in GATE_NAMES.items()},
}
UNITS = 16  # the most active ones, of each layer
_LABELLED, _ANSWERS = 140, 4


def explained_figures(found: Explained) -> dict[str, str]:
    """All figures that can be drawn, as SVG by the names of their files."""
    if not len(found.pieces):
        return {}
    drawn = {}
    if len(found.answers) == 1:
        drawn["explanation.svg"] = bars_figure(found)
    elif len(found.answers):
        for name, file, values in (
            ("integrated gradients", "explanation.svg", found.influences),
            ("by how much the score falls when it is left out", "left-out.svg", found.left_out),
        ):
            largest = float(np.nan_to_num(np.abs(values)).max(initial=0.0)) or 1.0
            title = f"Influence of each piece (column) on each answer (row): {name}"
            drawn[file] = heat_figure({"": (values, largest)}, found.names, found.pieces, title)
    if found.attention is not None and len(found.answers):
        title = "Where the model looked (column) for each answer (row)"
        drawn["attention.svg"] = alignment_figure(found.pieces, found.names, found.attention, title)
    if len(found.forming) > 1:
        drawn["forming.svg"] = forming_figure(found.forming, found.probable)
    for order, layer in enumerate(found.layers, 1):
        if len(layer.pieces):
            drawn[f"states-{order}.svg"] = states_figure(layer)
    return drawn


def bars_figure(found: Explained) -> str:
    """Draw the influence of each piece on the one answer as bars, and how much the score falls without the piece."""
    places = np.arange(len(found.pieces))
    shown = [seen(piece)[:24] for piece in found.pieces]
    labelled = len(shown) <= _LABELLED
    below = 0.1 * max(map(len, shown)) if labelled else 0.4
    with matplotlib.rc_context(SETTINGS), any_script():
        figure, panels = new_panels(max(5.4, 0.9 + (0.24 if labelled else 0.06) * len(shown)), 3.9 + below, 2)
        for axes, values, name in (
            (panels[0], found.influences[0], "integrated gradients"),
            (panels[1], found.left_out[0], "left out"),
        ):
            for side, style in ((values > 0, "lstm"), (values < 0, "gru")):
                axes.bar(places[side], values[side], color=STYLES[style].light, width=0.8)
            axes.axhline(0, color=INK, linewidth=1)
            axes.set_title(f"{name} ({found.unit})", loc="left", fontsize=11, color=INK, parse_math=False)
            axes.set_xlim(-0.6, len(shown) - 0.4)
            axes.grid(visible=False, axis="x")
        if labelled:
            panels[-1].set_xticks(places, shown, rotation=90, fontsize=10, parse_math=False)
        return to_svg(figure, "Influence of each piece on the answer, by integrated gradients and by leaving it out")


def forming_figure(forming: Sequence[Forming], probable: bool) -> str:
    """Draw how sure the model was, or what it forecast, after each number of pieces; the answers by their markers."""
    read, values = np.array([one.read for one in forming]), np.array([one.value for one in forming])
    answers = np.array([one.answer for one in forming])
    named = list(dict.fromkeys(answers.tolist()))
    with matplotlib.rc_context(SETTINGS), any_script():
        figure, axes = new_axes(5.4, 3.3)
        axes.plot(read, values, color=STYLES["baseline"].light, linewidth=1.2)
        if len(named) <= _ANSWERS:
            for order, answer in enumerate(named):
                style = line_style(order)
                chosen = answers == answer
                label = seen(answer)[:40].lstrip("_")  # matplotlib lists no name that begins with it
                axes.plot(read[chosen], values[chosen], style.marker, color=style.color, markersize=5, label=label)
            legend = figure.legend(loc="outside upper left", ncols=2, fontsize=11)
            for text in legend.get_texts():
                text.set_parse_math(False)
        else:
            axes.plot(read, values, "o", color=STYLES["lstm"].light, markersize=5)
        if probable:
            axes.set_ylim(0, 1.03)
        axes.set_xlabel("pieces read")
        axes.set_ylabel("probability of the answer" if probable else "forecast")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        return to_svg(figure, "The answer as it forms, by how many pieces have been read")


def states_figure(layer: LayerStates) -> str:
    """Draw h, c and the gates of a layer's most active units over time."""
    units = layer.order[:UNITS]
    panels = {_PARTS[name]: (rows := _rows(layer, name, units), _scale(name, rows)) for name in layer.values}
    title = f"Gates and states of the {len(units)} most active units of {layer.name} over time"
    return heat_figure(panels, [str(unit) for unit in units.tolist()], layer.pieces, title)


def _rows(layer: LayerStates, name: str, units: NDArray[np.int64]) -> NDArray[np.float64]:
    rows: NDArray[np.float64] = layer.values[name][:, units].T.astype(np.float64)
    return rows


def _scale(name: str, rows: NDArray[np.float64]) -> float:
    """The number of the strongest colour: 1 of gates, else the largest."""
    return 1.0 if name not in ("h", "c") else float(np.abs(rows).max(initial=0.0)) or 1.0
