"""Figures of the report on forecasting; single forecasts are drawn by :mod:`recurra.diagnose.forecast_plot`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from recurra.diagnose.drawing import GRID, INK, LEGEND, SETTINGS, STYLES, draw_losses, new_axes, to_svg
from recurra.diagnose.forecast_findings import ForecastRun

__all__ = ["by_step_figure", "coverage_figure", "learning_figure", "parts_figure"]

_DASHES = ((0, (4, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)), "-")  # of the baselines, which have one colour
_PARTS = ("training", "validation", "test")


def parts_figure(times: NDArray[Any], values: NDArray[np.float64], ends: tuple[int, int], what: str, title: str) -> str:
    """Draw a series, its validation and test part shaded.

    Args:
        times: [T], dates.
        values: [T].
        ends: steps at which training and validation end.
        what: the values are, with their unit.
        title: read out in place of the figure.
    """
    with matplotlib.rc_context(SETTINGS):
        figure, axes = new_axes(7.2, 2.9)
        axes.plot(times, values, color=INK, linewidth=0.9)
        bounds = (0, *ends, len(times) - 1)
        for number, name in enumerate(_PARTS):
            first, last = times[bounds[number]], times[bounds[number + 1]]
            if number:
                axes.axvspan(first, last, color=GRID, alpha=0.25 + 0.3 * (number - 1), linewidth=0, zorder=0)
            middle = first + (last - first) / 2
            axes.annotate(name, (middle, 1.02), xycoords=("data", "axes fraction"), ha="center", fontsize=11)
        locator = AutoDateLocator(minticks=4, maxticks=9)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
        axes.set_xlim(times[0], times[-1])
        axes.set_ylabel(what)
        axes.grid(visible=False, axis="x")
        return to_svg(figure, title)


def by_step_figure(
    models: Mapping[str, tuple[str, Sequence[float]]], baselines: Mapping[str, Sequence[float]], what: str, title: str
) -> str:
    """Draw errors by the step of the horizon.

    Args:
        models: of each the style and the error at each of the H steps, by name.
        baselines: the errors of each, by name.
        what: the errors are.
        title: read out in place of the figure.
    """
    with matplotlib.rc_context(SETTINGS):
        figure, axes = new_axes(7.2, 4.0)
        for name, (style, errors) in models.items():
            marks: dict[str, Any] = {"color": STYLES[style].light, "marker": STYLES[style].marker}
            axes.plot(range(1, len(errors) + 1), errors, linewidth=2, label=name, **marks)
        for (name, errors), dashes in zip(baselines.items(), _DASHES):
            steps = range(1, len(errors) + 1)
            axes.plot(steps, errors, color=STYLES["baseline"].light, linestyle=dashes, linewidth=1.6, label=name)
        axes.set_xlabel("months ahead")
        axes.set_ylabel(what)
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(ncols=3, loc="lower left", bbox_to_anchor=(-0.06, 1.0), fontsize=11, **LEGEND)
        return to_svg(figure, title)


def coverage_figure(held: Mapping[str, tuple[str, Mapping[float, Sequence[float]]]], title: str) -> str:
    """Draw the share of what came within intervals by the step of the horizon, with what it should be.

    Args:
        held: of each model the style, and by the nominal share the shares at each of the H steps, by name.
        title: read out in place of the figure.
    """
    with matplotlib.rc_context(SETTINGS):
        figure, axes = new_axes(7.2, 3.6)
        for number, (name, (style, by_nominal)) in enumerate(held.items()):
            for nominal, shares in by_nominal.items():
                if not number:
                    axes.axhline(nominal, color=INK, linewidth=1, linestyle=(0, (4, 3)))
                drawn: dict[str, Any] = {"color": STYLES[style].light, "marker": STYLES[style].marker, "linewidth": 1.8}
                face = STYLES[style].light if nominal == max(by_nominal) else "none"
                label = f"{name}, {100 * nominal:.0f} %"
                axes.plot(range(1, len(shares) + 1), shares, label=label, markerfacecolor=face, **drawn)
        axes.set_xlabel("months ahead")
        axes.set_ylabel("held")
        axes.set_ylim(0, 1.03)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
        axes.legend(ncols=2, loc="lower left", bbox_to_anchor=(-0.06, 1.0), fontsize=11, **LEGEND)
        return to_svg(figure, title)


def learning_figure(run: ForecastRun, title: str) -> str:
    """Draw the loss of a model over the steps of training, in training and validation."""
    with matplotlib.rc_context(SETTINGS):
        figure, axes = new_axes(7.2, 2.9)
        draw_losses(axes, run.losses, run.history, run.style)
        axes.set_xlabel("steps of training")
        axes.set_ylabel("loss")
        axes.set_xlim(0, len(run.losses) * 1.02)
        axes.legend(ncols=2, loc="lower left", bbox_to_anchor=(-0.06, 1.0), **LEGEND)
        return to_svg(figure, title)
