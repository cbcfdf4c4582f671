"""Figures of a diagnosis: each is None where there is nothing to draw, so that no plot is empty."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter, PercentFormatter

from recurra.diagnose.diagnosis import Context, Diagnosis, LayerDiagnosis
from recurra.diagnose.lines import DASHED, WIDTH, add_legend, draw_lines, height, numbers
from recurra.diagnose.unit_figures import exponents_figure, gates_figure, half_life_figure, singular_figure
from recurra.pages.drawing import INK, SETTINGS, STYLES, new_axes, to_svg

__all__ = ["FAINT", "clipped_figure", "context_figure", "diagnosis_figures", "gradient_figure", "norms_figure"]

FAINT = 0.01  # of the gradient at lag 0: what is below it hardly takes part in an update
_LEAST = 1e-12  # of a gradient that can be told from none in a figure


def diagnosis_figures(found: Diagnosis) -> dict[str, str]:
    """All figures that can be drawn, as SVG by the names of their files."""
    layers = found.layers
    drawn: dict[str, str | None] = {
        "gradient.svg": gradient_figure(layers, found.lengths),
        "context.svg": None if found.context is None else context_figure(found.context),
        "exponents.svg": exponents_figure(layers),
        "half-life.svg": half_life_figure(layers, found.lengths),
        "norms.svg": norms_figure(layers),
        "clipped.svg": clipped_figure(found.clipped),
    }
    for number, layer in enumerate(layers, 1):
        drawn[f"weights-{number}.svg"] = singular_figure(layer)
        drawn[f"gates-{number}.svg"] = gates_figure(layer)
    return {name: figure for name, figure in drawn.items() if figure is not None}


def gradient_figure(layers: Sequence[LayerDiagnosis], lengths: Sequence[int]) -> str | None:
    """Draw the gradient by lag beside that at lag 0, the share that is called faint, and the median length."""
    curves = {}
    for layer in layers:
        values = numbers(layer.flow.relative)
        if (values > _LEAST).sum() > 1:
            curves[layer.name] = (np.flatnonzero(values > _LEAST), values[values > _LEAST])
    if not curves:
        return None
    with matplotlib.rc_context(SETTINGS):
        figure, axes = new_axes(WIDTH, height(list(curves)))
        draw_lines(axes, curves, [layer.name for layer in layers])
        axes.set_yscale("log")
        axes.axhline(FAINT, color=INK, **DASHED, label="a hundredth")
        _draw_median(axes, lengths)
        axes.set_xlabel("steps back from where the loss speaks")
        axes.set_ylabel("gradient, at lag 0 = 1")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        add_legend(figure, axes)
        return to_svg(figure, "Size of the gradient of the loss by how many steps back it is followed, for each layer")


def context_figure(context: Context) -> str | None:
    """Draw the loss by how many steps of the input the network sees."""
    if not context.steps:
        return None
    with matplotlib.rc_context(SETTINGS):
        figure, axes = new_axes(WIDTH, 3.2)
        style = STYLES["lstm"]
        axes.plot(context.steps, context.losses, color=style.light, marker=style.marker, linewidth=2, markersize=5)
        axes.axhline(context.whole, color=INK, **DASHED, label="from the beginning")
        if context.needed is not None:
            at = list(context.steps).index(context.needed)
            axes.plot(
                [context.needed],
                [context.losses[at]],
                "o",
                color=style.light,
                markersize=13,
                fillstyle="none",
                label="enough",
            )
        axes.set_xscale("log", base=2)
        ticks = _thinned(list(context.steps), 8)
        axes.xaxis.set_major_locator(FixedLocator(ticks))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("steps of the input that the network sees, the present one included")
        axes.set_ylabel("mean loss")
        _widen(axes, 0.05 * abs(context.whole))  # so that chance is not drawn large
        add_legend(figure, axes)
        return to_svg(figure, "Mean loss by how many steps of the input the network sees")


def norms_figure(layers: Sequence[LayerDiagnosis]) -> str | None:
    """Draw the norm of h over the steps of a sequence."""
    curves = {layer.name: (np.arange(1, len(layer.units.norms) + 1), numbers(layer.units.norms)) for layer in layers}
    curves = {name: curve for name, curve in curves.items() if len(curve[0]) > 1 and np.isfinite(curve[1]).all()}
    if not curves:
        return None
    with matplotlib.rc_context(SETTINGS):
        figure, axes = new_axes(WIDTH, height(list(curves)))
        draw_lines(axes, curves, [layer.name for layer in layers])
        axes.set_ylim(bottom=0)
        axes.set_xlabel("step of the sequence")
        axes.set_ylabel("norm of h")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        add_legend(figure, axes)
        return to_svg(figure, "Norm of the hidden state over the steps of a sequence, mean over the sequences")


def clipped_figure(clipped: Sequence[float]) -> str | None:
    """Draw the share of steps of each epoch whose gradient was clipped."""
    if not clipped:
        return None
    with matplotlib.rc_context(SETTINGS):
        figure, axes = new_axes(WIDTH, 2.8)
        style = STYLES["lstm"]
        epochs = range(1, len(clipped) + 1)
        axes.plot(epochs, clipped, color=style.light, marker=style.marker, linewidth=2, clip_on=False)
        axes.set_ylim(0, 1)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
        axes.set_xlabel("epoch")
        axes.set_ylabel("steps clipped")
        return to_svg(figure, "Share of training steps whose gradient was clipped, by epoch")


def _draw_median(axes: Axes, lengths: Sequence[int]) -> None:
    if not len(lengths):
        return
    median = float(np.median(lengths))
    axes.axvline(median, color=STYLES["baseline"].light, linewidth=1.5, linestyle=(0, (1, 1)), label="median length")


def _widen(axes: Axes, least: float) -> None:
    """Let the axis of y span so much at least."""
    low, high = axes.get_ylim()
    more = max(0.1 * (high - low), (least - (high - low)) / 2)
    axes.set_ylim(low - more, high + more)


def _thinned(values: list[int], most: int) -> list[int]:
    return values[:: -(-len(values) // most)]
