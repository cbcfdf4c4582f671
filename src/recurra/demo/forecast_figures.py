"""Figures of the report on forecasting; pictures of single forecasts are in :mod:`recurra.diagnose.forecast_plot`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from recurra.data.series import SeriesSet
from recurra.data.series_parts import Bounds
from recurra.data.time_stamps import times_after
from recurra.demo.forecast_findings import ForecastRun
from recurra.pages.drawing import GRID, INK, LEGEND, SETTINGS, STYLES, any_script, new_axes, new_panels, to_svg

__all__ = ["ByStep", "by_step_figure", "coverage_figure", "losses_figure", "series_figure"]

_LINES: tuple[tuple[Any, str], ...] = (  # baselines are of one colour: dashes and markers tell them apart
    ((0, (5, 2)), "v"),
    ((0, (1, 1.5)), "D"),
    ((0, (6, 2, 1, 2)), "P"),
    ("-", "X"),
    ((0, (3, 1, 1, 1, 1, 1)), "*"),
)
_PARTS = (("training", 0.0), ("validation", 0.3), ("test", 0.7))  # and how dark the ground of each is
_NOMINAL = {"80": 0.8, "95": 0.95}


class ByStep(NamedTuple):
    """A model's or a baseline's numbers at each step of the horizon, by what they are: its name and style."""

    name: str
    style: str
    values: Mapping[str, Sequence[float]]


def series_figure(series: SeriesSet, bounds: Sequence[Bounds], unit: str, title: str) -> str:
    """Draw series one above the other on the ground of their parts.

    Args:
        series: of one variable each.
        bounds: of the parts of each.
        unit: of the values.
        title: read out in place of the figure.
    """
    with matplotlib.rc_context(SETTINGS), any_script():
        figure, panels = new_panels(10.4, 0.7 + 1.35 * len(series.series), len(series.series))
        for axes, one, bound in zip(panels, series.series, bounds, strict=True):
            times = np.asarray(times_after(one.start, series.frequency, np.arange(len(one.target))))
            ends = (0, bound.train, bound.valid, bound.end)
            for first, last, (_, shade) in zip(ends, ends[1:], _PARTS):
                if last > first:
                    drawn: dict[str, Any] = {"color": GRID, "alpha": shade, "linewidth": 0, "zorder": 0}
                    axes.axvspan(times[first], times[last - 1], **drawn)
            axes.plot(times, one.target[:, 0], color=INK, linewidth=0.9)
            axes.set_xlim(times[0], times[-1])
            axes.set_ylabel(unit)
            axes.set_title(one.id, loc="left", fontsize=12, parse_math=False, pad=3)
            axes.grid(visible=False, axis="x")
            axes.yaxis.set_major_locator(MaxNLocator(nbins=4))
        _name_parts(panels[0], bounds[0])
        return to_svg(figure, title)


def _name_parts(axes: Axes, bound: Bounds) -> None:
    """Write above the ground of each part which it is."""
    ends = (0, bound.train, bound.valid, bound.end)
    for first, last, (name, _) in zip(ends, ends[1:], _PARTS):
        middle = (first + last) / 2 / bound.end
        if last > first:
            axes.annotate(name, (middle, 1.04), xycoords="axes fraction", fontsize=12, ha="center", va="bottom")


def by_step_figure(found: Sequence[ByStep], unit: str, title: str) -> str:
    """Draw the mean absolute error at each step of the horizon, a line for each model and baseline.

    Baselines that are far worse than all else leave the picture at its top.

    Args:
        found: with values of `mae`.
        unit: of these.
        title: read out in place of the figure.
    """
    with matplotlib.rc_context(SETTINGS):
        figure, axes = new_axes(7.4, 5.2)
        lines = iter(_LINES)
        for each in found:
            style, values = STYLES[each.style], each.values["mae"]
            is_model = each.style != "baseline"
            line, marker = ("-", style.marker) if is_model else next(lines)
            drawn: dict[str, Any] = {"color": style.light, "linestyle": line, "marker": marker, "markersize": 5}
            steps = np.arange(1, len(values) + 1)
            axes.plot(steps, values, linewidth=2.2 if is_model else 1.3, zorder=2 + is_model, label=each.name, **drawn)
        largest = sorted(max(each.values["mae"]) for each in found)
        axes.set_ylabel(f"mean error, {unit}")
        axes.set_ylim(0, 1.3 * largest[2 * len(largest) // 3])
        _label_steps(axes)
        axes.legend(ncols=4, loc="lower left", bbox_to_anchor=(-0.06, 1.0), fontsize=11, **LEGEND)
        return to_svg(figure, title)


def coverage_figure(found: Sequence[ByStep], title: str) -> str:
    """Draw at each step which share of what came the intervals hold, beside the share that they promise.

    Args:
        found: with values of `coverage_80` and `coverage_95`.
        title: read out in place of the figure.
    """
    with matplotlib.rc_context(SETTINGS):
        figure, axes = new_axes(7.4, 4.1)
        for level, share in _NOMINAL.items():
            axes.axhline(share, color=INK, linewidth=1, linestyle=(0, (4, 3)))
            for each in found:
                values, style = each.values[f"coverage_{level}"], STYLES[each.style]
                drawn: dict[str, Any] = {"color": style.light, "marker": style.marker, "markersize": 5}
                name = each.name if level == "80" else None
                axes.plot(np.arange(1, len(values) + 1), values, linewidth=2, label=name, **drawn)
        lowest = min(min(each.values["coverage_80"]) for each in found)
        axes.set_ylim(max(0.0, min(0.6, lowest - 0.05)), 1.02)
        axes.set_ylabel("held by the interval")
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
        _label_steps(axes)
        axes.legend(ncols=4, loc="lower left", bbox_to_anchor=(-0.06, 1.0), fontsize=11, **LEGEND)
        return to_svg(figure, title)


def losses_figure(runs: Sequence[ForecastRun], title: str) -> str:
    """Draw the validation loss of models over the epochs; a ring is around what was kept."""
    with matplotlib.rc_context(SETTINGS):
        figure, axes = new_axes(5.4, 3.7)
        for run in runs:
            style = STYLES[run.style]
            epochs = [record["epoch"] for record in run.history]
            losses = [record["valid_loss"] for record in run.history]
            drawn: dict[str, Any] = {"color": style.light, "markersize": 4}
            axes.plot(epochs, losses, marker=style.marker, linewidth=1.8, label=run.name, **drawn)
            trained = [record["loss"] for record in run.history]
            axes.plot(epochs, trained, linewidth=1.2, linestyle=(0, (4, 3)), color=style.light)
            best = run.metrics["best_epoch"]
            axes.plot(
                [best], [losses[epochs.index(best)]], "o", markersize=12, markerfacecolor="none", color=style.light
            )
        axes.set_xlabel("epoch")
        axes.set_ylabel("loss of a step, nats")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.legend(ncols=3, loc="lower left", bbox_to_anchor=(-0.06, 1.0), fontsize=11, **LEGEND)
        return to_svg(figure, title)


def _label_steps(axes: Axes) -> None:
    axes.set_xlabel("months ahead")
    axes.grid(visible=False, axis="x")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=13))
