"""Figures of layers and their units: weights, exponents, gates and half-lives; None where there is nothing to draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, PercentFormatter
from numpy.typing import NDArray
from torch import Tensor

from recurra.diagnose.diagnosis import LayerDiagnosis
from recurra.diagnose.lines import DASHED, WIDTH, add_legend, draw_lines, height, line_style, numbered, numbers
from recurra.kernels.cells import CELLS
from recurra.pages.drawing import INK, SETTINGS, new_axes, to_svg

__all__ = ["GATE_NAMES", "exponents_figure", "gates_figure", "half_life_figure", "singular_figure"]

GATE_NAMES = {
    "i": "input gate",
    "f": "forget gate",
    "o": "output gate",
    "g": "candidate",
    "r": "reset gate",
    "z": "update gate",
    "n": "candidate",
}


def singular_figure(layer: LayerDiagnosis) -> str | None:
    """Draw the singular values of each gate's W_hh, the largest first, and the moduli of its eigenvalues."""
    names = [GATE_NAMES[gate] for gate in CELLS[layer.cell].names] or ["W_hh"]
    curves = {name: numbers(row) for name, row in zip(names, layer.singular)}
    drawn = {
        name: (np.arange(1, len(row) + 1), row) for name, row in curves.items() if len(row) and np.isfinite(row).all()
    }
    if not drawn:
        return None
    with matplotlib.rc_context(SETTINGS):
        figure, axes = new_axes(WIDTH, height(list(drawn)))
        draw_lines(axes, drawn, names)
        if layer.moduli is not None and len(layer.moduli) == 1:  # of a gate, that an eigenvalue is iterated says little
            moduli = numbers(layer.moduli[0])
            axes.plot(np.arange(1, len(moduli) + 1), moduli, ".", color=INK, label="moduli of the eigenvalues")
        axes.axhline(1, color=INK, **DASHED)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("number, the largest first")
        axes.set_ylabel("singular value")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        add_legend(figure, axes)
        return to_svg(figure, f"Singular values of the recurrent weights of {layer.name}, gate by gate")


def exponents_figure(layers: Sequence[LayerDiagnosis]) -> str | None:
    """Draw the largest Lyapunov exponents of each layer as points beside zero."""
    found = {layer.name: _finite(layer.exponents) for layer in layers}
    found = {name: values for name, values in found.items() if len(values)}
    if not found:
        return None
    with matplotlib.rc_context(SETTINGS):
        figure, axes = new_axes(WIDTH, 0.9 + 0.4 * len(found))
        for row, (number, values) in enumerate(numbered(found, layers)):
            style = line_style(number)
            axes.plot(values, np.full(len(values), row), style.marker, color=style.color, alpha=0.75, markersize=7)
        axes.axvline(0, color=INK, **DASHED)
        axes.set_yticks(range(len(found)), list(found))
        axes.set_ylim(len(found) - 0.5, -0.5)
        axes.set_xlabel("nats a step")
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
        return to_svg(figure, "The largest Lyapunov exponents of each layer")


def gates_figure(layer: LayerDiagnosis) -> str | None:
    """Draw each unit's gates as points: how often each is nearly open and how often nearly closed.

    None too where all gates stay between at every step. After Karpathy, Johnson, Fei-Fei, "Visualizing and
    understanding recurrent networks", ICLR workshop 2016.
    """
    units = layer.units
    if not any(bool(share.any()) for share in (*units.closed.values(), *units.open.values())):
        return None
    with matplotlib.rc_context(SETTINGS):
        figure, axes = new_axes(WIDTH, 3.9)
        axes.plot([0, 1], [1, 0], color=INK, **DASHED)
        for number, gate in enumerate(units.closed):
            style: dict[str, Any] = {**line_style(number)._asdict(), "linestyle": "", "clip_on": False}
            places = numbers(units.open[gate]), numbers(units.closed[gate])
            axes.plot(*places, **style, alpha=0.6, markersize=6, label=GATE_NAMES[gate])
        for axis, name in (
            (axes.xaxis, "share of steps nearly open (above 0.9)"),
            (axes.yaxis, "nearly closed (below 0.1)"),
        ):
            axis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
            axis.set_label_text(name)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        add_legend(figure, axes)
        return to_svg(
            figure, f"How often each gate of {layer.name} is nearly open or nearly closed, a point for each unit"
        )


def half_life_figure(layers: Sequence[LayerDiagnosis], lengths: Sequence[int]) -> str | None:
    """Draw the half-life of what each unit holds, the longest first; one that never forgets stands at the top."""
    found = {
        layer.name: -np.sort(-numbers(layer.units.half_life)) for layer in layers if layer.units.half_life is not None
    }
    found = {name: values for name, values in found.items() if np.isfinite(values).any()}
    if not found:
        return None
    finite = np.concatenate([values[np.isfinite(values)] for values in found.values()])
    top = 3 * float(finite.max())
    with matplotlib.rc_context(SETTINGS):
        figure, axes = new_axes(WIDTH, height(list(found)))
        for number, values in numbered(found, layers):
            style, shares, held = line_style(number), (np.arange(len(values)) + 0.5) / len(values), np.isfinite(values)
            axes.plot(shares[held], values[held], **style._asdict(), markersize=4, label=layers[number].name)
            axes.plot(shares[~held], np.full((~held).sum(), top), "*", color=style.color, markersize=9)
        axes.set_yscale("log")
        median = float(np.median(lengths)) if len(lengths) else 0.0
        if median > 0:
            axes.axhline(median, color=INK, **DASHED, label="median length")
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
        axes.set_xlim(0, 1)
        for set_formatter in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
            set_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
        axes.set_xlabel("units, the longest half-life first")
        axes.set_ylabel("half-life (steps)")
        add_legend(figure, axes)
        return to_svg(figure, "Half-life of what each unit holds, unit by unit, the longest first")


def _finite(values: Tensor) -> NDArray[np.float64]:
    found = numbers(values)
    return found[np.isfinite(found)]
