"""Figures of a comparison: scores with intervals, learning curves, and the score against the time of training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from recurra.compare.findings import Comparison, Run
from recurra.compare.statistics import Mean
from recurra.pages.drawing import LEGEND, SETTINGS, STYLES, new_axes, to_svg

__all__ = ["curves_figure", "scores_figure", "time_figure"]

_BASELINE = "baseline"


def scores_figure(found: Comparison) -> str:
    """Draw the mean score of each cell and baseline with its interval, and a small mark for each seed."""
    rows: list[tuple[str, str, Mean, Sequence[float]]] = [
        (cell, cell, found.score(cell), found.values(cell)) for cell in found.plan.cells
    ]
    rows += [(name, _BASELINE, mean, found.baseline_values(name)) for name, mean in found.baselines.items()]
    with matplotlib.rc_context(SETTINGS):
        figure, axes = new_axes(5.4, 0.9 + 0.46 * len(rows))
        for row, (_, name, mean, values) in enumerate(rows):
            style = STYLES[name]
            if mean.spread is not None:
                axes.plot(mean.spread, [row, row], color=style.light, linewidth=3, solid_capstyle="butt")
            axes.plot([mean.value], [row], marker=style.marker, color=style.light, markersize=8)
            axes.plot(values, [row + 0.28] * len(values), "|", color=style.light, markersize=6)
        axes.set_yticks(range(len(rows)), [name for name, *_ in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        headline = found.scored.headline
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: headline.shown(value)))
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.set_xlabel(f"{headline.name} ({'higher' if headline.higher else 'lower'} is better)")
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
        told = "of one seed" if len(found.plan.seeds) == 1 else "over the seeds, with 95 % intervals"
        return to_svg(figure, f"Mean {headline.name} of each cell and baseline {told}")


def curves_figure(found: Comparison, over_seconds: bool) -> str:
    """Draw the validation score after each epoch: its mean over the seeds, and from the lowest to the highest.

    Args:
        found: the comparison.
        over_seconds: over the seconds of training so far, their mean over the seeds; or else over the epochs.
    """
    with matplotlib.rc_context(SETTINGS):
        figure, axes = new_axes(5.4, 3.5)
        for cell in found.plan.cells:
            _draw_curve(axes, cell, found.of(cell), over_seconds)
        over = "seconds of training" if over_seconds else "epochs"
        axes.set_xlabel(over)
        if over_seconds:
            axes.set_xlim(left=0)
            axes.xaxis.set_major_locator(MaxNLocator(5))
        else:
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set_ylabel(f"validation {found.scored.validated}")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: found.scored.shown(value)))
        axes.legend(ncols=min(3, len(found.plan.cells)), loc="lower left", bbox_to_anchor=(-0.06, 1.0), **LEGEND)
        return to_svg(
            figure, f"Validation {found.scored.validated} of each cell over {over}: mean and range of the seeds"
        )


def _draw_curve(axes: Axes, cell: str, runs: Sequence[Run], over_seconds: bool) -> None:
    """The mean and the range of the runs; where some have fewer epochs, of those that went on."""
    epochs = range(1, max(len(run.history) for run in runs) + 1)
    going = [[run for run in runs if len(run.history) >= epoch] for epoch in epochs]
    scores = [[run.history[epoch - 1]["valid_score"] for run in some] for epoch, some in zip(epochs, going)]
    places: Sequence[Any] = epochs
    if over_seconds:
        places = [
            float(np.mean([sum(record["seconds"] for record in run.history[:epoch]) for run in some]))
            for epoch, some in zip(epochs, going)
        ]
    style = STYLES[cell]
    lowest, highest = [min(some) for some in scores], [max(some) for some in scores]
    axes.fill_between(places, lowest, highest, color=style.light, alpha=0.15, linewidth=0)
    means = [float(np.mean(some)) for some in scores]
    axes.plot(places, means, color=style.light, marker=style.marker, markersize=4, linewidth=2, label=cell)


def time_figure(found: Comparison) -> str:
    """Draw the score with its interval against the seconds of training, the median of the seeds."""
    headline = found.scored.headline
    with matplotlib.rc_context(SETTINGS):
        figure, axes = new_axes(5.4, 3.5)
        for cell in found.plan.cells:
            style, mean, seconds = STYLES[cell], found.score(cell), found.training_seconds(cell)
            if mean.spread is not None:
                axes.plot([seconds, seconds], mean.spread, color=style.light, linewidth=2)
            drawn: dict[str, Any] = {"marker": style.marker, "color": style.light, "markersize": 8}
            axes.plot([seconds], [mean.value], linestyle="none", label=cell, **drawn)
        axes.set_xlim(left=0)
        axes.set_xlabel("seconds of training of a run")
        axes.set_ylabel(f"{headline.name} ({'higher' if headline.higher else 'lower'} is better)")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: headline.shown(value)))
        axes.legend(ncols=min(3, len(found.plan.cells)), loc="lower left", bbox_to_anchor=(-0.06, 1.0), **LEGEND)
        return to_svg(figure, f"Mean {headline.name} of each cell with its interval, against the seconds of training")
