"""Figures of the report on classification."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from recurra.pages.drawing import INK, LEGEND, SETTINGS, STYLES, new_axes, to_svg

__all__ = ["Score", "calibration_figure", "curves_figure", "scores_figure"]


class Score(NamedTuple):
    """A named share with its interval, and the style it is drawn in."""

    name: str
    style: str
    value: float
    low: float
    high: float


def curves_figure(
    histories: Mapping[str, Sequence[Mapping[str, Any]]], names: Mapping[str, str], loss: bool, title: str
) -> str:
    """Draw a line a model over the epochs: the loss in training and validation, or the validation accuracy.

    Args:
        histories: the epoch records of each model, by style.
        names: what each model is called, by style.
        loss: the losses, or else the accuracy.
        title: read out in place of the figure.
    """
    with matplotlib.rc_context(SETTINGS):
        figure, axes = new_axes(5.4, 3.5)
        for style, records in histories.items():
            epochs = [record["epoch"] for record in records]
            drawn: dict[str, Any] = {"color": STYLES[style].light, "markersize": 5, "linewidth": 2}
            key = "valid_loss" if loss else "valid_score"
            marker = STYLES[style].marker
            axes.plot(epochs, [record[key] for record in records], marker=marker, label=names[style], **drawn)
            if loss:
                axes.plot(epochs, [record["loss"] for record in records], **{**drawn, "linewidth": 1.2}, ls=(0, (4, 3)))
        axes.set_xlabel("epoch")
        axes.set_ylabel("loss (cross entropy)" if loss else "validation accuracy")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        if not loss:
            axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
        if loss:
            axes.set_ylim(bottom=0)
        axes.legend(ncols=len(histories), loc="lower left", bbox_to_anchor=(-0.06, 1.0), **LEGEND)
        return to_svg(figure, title)


def scores_figure(scores: Sequence[Score], title: str) -> str:
    """Draw accuracies as points with their intervals, the first at the top."""
    with matplotlib.rc_context(SETTINGS):
        figure, axes = new_axes(5.4, 0.55 + 0.44 * len(scores))
        for row, score in enumerate(scores):
            style = STYLES[score.style]
            axes.plot([score.low, score.high], [row, row], color=style.light, linewidth=3, solid_capstyle="butt")
            axes.plot([score.value], [row], marker=style.marker, color=style.light, markersize=8)
        axes.set_yticks(range(len(scores)), [score.name for score in scores])
        axes.set_ylim(len(scores) - 0.5, -0.5)
        axes.set_xlim(0, 1)
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
        return to_svg(figure, title)


def calibration_figure(
    labels: NDArray[np.int64], probabilities: NDArray[np.float32], style: str, title: str, bins: int = 10
) -> str:
    """Draw how often a model is right against how sure it says it is; a marker's area tells how many answers it holds.

    Args:
        labels: the true class of each example, [n].
        probabilities: of each class, [n, C].
        style: of the model.
        title: read out in place of the figure.
        bins: of equal width, from 0 to 1.
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == labels
    of_bin = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    filled = np.unique(of_bin)
    points = [(confidence[of_bin == b].mean(), right[of_bin == b].mean(), (of_bin == b).sum()) for b in filled]
    said, was, counts = (np.array(values) for values in zip(*points))
    with matplotlib.rc_context(SETTINGS):
        figure, axes = new_axes(5.4, 3.5)
        lowest = 1 / probabilities.shape[1]  # the surest of C classes is never below 1 / C
        axes.plot([lowest, 1], [lowest, 1], color=INK, linewidth=1, linestyle=(0, (4, 3)))
        axes.plot(said, was, color=STYLES[style].light, linewidth=1.2)
        axes.scatter(said, was, s=30 + 500 * counts / counts.sum(), color=STYLES[style].light, zorder=3)
        for x, y, count in zip(said, was, counts):
            axes.annotate(
                f"{count:,}", (x, y), xytext=(0, -18), textcoords="offset points", ha="center", fontsize=10, zorder=4
            )
        axes.set_xlabel("how sure the model says it is")
        axes.set_ylabel("how often it is right")
        axes.set_xlim(lowest - 0.03, 1.04)
        axes.set_ylim(min(lowest, was.min()) - 0.12, 1.06)
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
        return to_svg(figure, title)
