"""Figures of the report on translation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from recurra.demo.classify_figures import Score
from recurra.demo.translate_findings import TranslateRun
from recurra.pages.drawing import GRID, LEGEND, SETTINGS, STYLES, draw_losses, new_axes, to_svg

__all__ = ["by_length_figure", "losses_figure"]

_APART = 0.12  # of a length, so that intervals of two models do not cover each other


def by_length_figure(scores: Mapping[str, Mapping[int, Score]], longest: int, what: str, title: str) -> str:
    """Draw shares by the length of the source with their intervals; the lengths of training are shaded.

    Args:
        scores: of each model, by length; the names within are those of the legend.
        longest: length of the longest sources of training.
        what: the shares are.
        title: read out in place of the figure.
    """
    with matplotlib.rc_context(SETTINGS):
        figure, axes = new_axes(7.2, 4.0)
        for number, of_length in enumerate(scores.values()):
            _draw_shares(axes, of_length, _APART * (number - (len(scores) - 1) / 2))
        axes.axvspan(0.5, longest + 0.5, color=GRID, alpha=0.35, linewidth=0, zorder=0)
        axes.annotate(
            "lengths of training", (0.02, 0.03), xycoords="axes fraction", fontsize=11, ha="left", va="bottom"
        )
        axes.set_xlabel("items in the list")
        axes.set_ylabel(what)
        axes.set_xlim(0.5, max(length for of_length in scores.values() for length in of_length) + 0.5)
        axes.set_ylim(-0.03, 1.03)
        axes.grid(visible=False, axis="x")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=13))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
        axes.legend(ncols=len(scores), loc="lower left", bbox_to_anchor=(-0.06, 1.0), **LEGEND)
        return to_svg(figure, title)


def _draw_shares(axes: Axes, of_length: Mapping[int, Score], moved: float) -> None:
    found = list(of_length.values())
    style = STYLES[found[0].style]
    places = np.array(list(of_length)) + moved
    values = np.array([score.value for score in found])
    bars = np.array([[score.value - score.low for score in found], [score.high - score.value for score in found]])
    drawn: dict[str, Any] = {"color": style.light, "ecolor": style.light, "elinewidth": 1.4, "capsize": 3}
    axes.errorbar(places, values, bars, marker=style.marker, linewidth=2, label=found[0].name, **drawn)


def losses_figure(runs: Sequence[TranslateRun], title: str) -> str:
    """Draw the losses of the models over the steps of training, in training and validation."""
    with matplotlib.rc_context(SETTINGS):
        figure, axes = new_axes(7.2, 3.9)
        for run in runs:
            draw_losses(axes, run.losses, run.history, run.style, run.name)
        axes.set_xlabel("steps of training")
        axes.set_ylabel("nats a symbol")
        axes.set_ylim(bottom=0)
        axes.set_xlim(0, max(len(run.losses) for run in runs) * 1.02)
        axes.legend(ncols=len(runs), loc="lower left", bbox_to_anchor=(-0.06, 1.0), **LEGEND)
        return to_svg(figure, title)
