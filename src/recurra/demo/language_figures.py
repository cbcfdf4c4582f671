"""Figures of the report on language modelling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.collections import PatchCollection
from matplotlib.colors import to_rgba
from matplotlib.patches import Rectangle

from recurra.diagnose.states import Activity
from recurra.pages.drawing import INK, LEGEND, SETTINGS, STYLES, draw_losses, new_axes, to_svg
from recurra.pages.tokens import seen

__all__ = ["activity_figure", "learning_figure"]

_CELL = 0.2  # inches


def learning_figure(
    losses: Sequence[float],
    history: Sequence[Mapping[str, Any]],
    baselines: Mapping[str, float],
    style: str,
    title: str,
) -> str:
    """Draw the loss over the steps of training, in training and validation, with the baselines as lines.

    Args:
        losses: of each step, in nats a symbol.
        history: the epoch records.
        baselines: nats a symbol by name.
        style: of the model.
        title: read out in place of the figure.
    """
    with matplotlib.rc_context(SETTINGS):
        figure, axes = new_axes(7.2, 3.9)
        draw_losses(axes, losses, history, style)
        for name, value in baselines.items():  # the curve falls from the left: a label stands where it does not pass
            side = "right" if value == max(baselines.values()) else "left"
            at = (0.01 if side == "left" else 1, value)
            axes.axhline(value, color=STYLES["baseline"].light, linewidth=1.2)
            axes.annotate(name, at, (0, 4), ("axes fraction", "data"), "offset points", ha=side, fontsize=11)
        axes.set_xlabel("steps of training")
        axes.set_ylabel("nats a symbol")
        axes.set_xlim(0, len(losses) * 1.02)
        axes.legend(ncols=2, loc="lower left", bbox_to_anchor=(-0.06, 1.0), **LEGEND)
        return to_svg(figure, title)


def activity_figure(activity: Activity, title: str) -> str:
    """Draw the values of some units over the tokens of a text.

    Positive values are full cells of one colour, negative ones flat cells of another, the larger the stronger.

    Args:
        activity: the units' values, between -1 and 1.
        title: read out in place of the figure.
    """
    units, tokens = activity.values.shape
    with matplotlib.rc_context({**SETTINGS, "axes.grid": False}):
        figure, axes = new_axes(1.2 + _CELL * tokens, 1.3 + _CELL * units)
        cells, colours = [], []
        for (unit, token), value in np.ndenumerate(activity.values):
            height = 0.96 if value > 0 else 0.48
            cells.append(Rectangle((token - 0.5, unit + 0.48 - height), 1.0, height))
            colours.append(to_rgba(STYLES["lstm" if value > 0 else "gru"].light, round(min(1.0, abs(float(value))), 2)))
        axes.add_collection(PatchCollection(cells, facecolors=colours, linewidths=0))
        axes.set_xlim(-0.5, tokens - 0.5)
        axes.set_ylim(units - 0.5, -0.5)
        axes.set_yticks(range(units), [str(unit) for unit in activity.units], fontsize=9)
        axes.set_xticks(range(tokens), map(seen, activity.tokens), rotation=90, fontsize=10, parse_math=False)
        axes.set_ylabel("unit", color=INK)
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        return to_svg(figure, title)
