"""Figures of the report on transcription."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from recurra.demo.transcribe_findings import Listened
from recurra.pages.drawing import GRID, INK, LEGEND, SETTINGS, STYLES, draw_losses, new_axes, new_panels, to_svg

__all__ = ["by_noise_figure", "learning_figure", "listened_figure"]

_STYLE = "lstm"
_SEEN = 0.5  # of a symbol's probability: those above are named
_NARROW = 7.2


def listened_figure(listened: Listened, title: str) -> str:
    """Draw a recording: its spectrogram, the keys in truth and as found, and the probability of each symbol, over time.

    Args:
        listened: the recording.
        title: read out in place of the figure.
    """
    with matplotlib.rc_context({**SETTINGS, "axes.grid": False}):
        figure, (sound, spans, said) = new_panels(_NARROW, 5.4, 3)
        figure.set_layout_engine("constrained", h_pad=0.03)
        _draw_sound(sound, listened)
        _draw_spans(spans, listened)
        _draw_said(said, listened)
        said.set_xlim(0, listened.seconds)
        said.set_xlabel("seconds")
        return to_svg(figure, title)


def _draw_sound(axes: Axes, listened: Listened) -> None:
    frames, bands = listened.spectrogram.shape
    low, high = np.percentile(listened.spectrogram, [5, 99.5])
    shades = np.clip((listened.spectrogram.T - low) / (high - low), 0, 1)
    image = np.zeros((bands, frames, 4))
    image[..., :3] = matplotlib.colors.to_rgb(STYLES[_STYLE].light)
    image[..., 3] = shades
    axes.imshow(image, origin="lower", aspect="auto", extent=(0, listened.seconds, 0, bands), interpolation="nearest")
    axes.set_ylabel("mel band")


def _draw_spans(axes: Axes, listened: Listened) -> None:
    rows = {"dialled": (listened.truth, INK, 0.3), "heard": (listened.found, STYLES[_STYLE].light, 0.85)}
    for place, (spans, colour, strength) in enumerate(rows.values()):
        for key, start, end in spans:
            axes.barh(place, end - start, left=start, height=0.5, color=colour, alpha=strength, linewidth=0)
            axes.annotate(
                key, ((start + end) / 2, place + 0.3), ha="center", va="bottom", fontsize=11, parse_math=False
            )
    axes.set_yticks(range(len(rows)), list(rows))
    axes.set_ylim(-0.4, len(rows) - 0.1)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=0)


def _draw_said(axes: Axes, listened: Listened) -> None:
    time = (np.arange(len(listened.probabilities)) + 0.5) * listened.step
    axes.plot(time, listened.probabilities[:, 0], color=GRID, linewidth=1.4, label="none")
    for number, symbol in enumerate(listened.symbols):
        shares = listened.probabilities[:, number]
        if number == 0 or shares.max() < _SEEN:
            continue
        axes.plot(time, shares, color=STYLES[_STYLE].light, linewidth=1.4)
        peaks = np.flatnonzero((shares >= _SEEN) & (shares >= np.roll(shares, 1)) & (shares > np.roll(shares, -1)))
        for peak in peaks:
            axes.annotate(symbol, (time[peak], 1.02), ha="center", va="bottom", fontsize=10, parse_math=False)
    axes.set_ylim(0, 1.2)
    axes.set_yticks([0, 0.5, 1])
    axes.set_ylabel("probability")


def by_noise_figure(errors: Mapping[float, Mapping[str, float]], trained: tuple[float, float], title: str) -> str:
    """Draw the share of wrong keys by signal-to-noise ratio, with its interval; what training has is shaded.

    Args:
        errors: by decibels: value, low and high.
        trained: the least and the most decibels of training.
        title: read out in place of the figure.
    """
    with matplotlib.rc_context(SETTINGS):
        figure, axes = new_axes(_NARROW, 3.6)
        levels = np.array(sorted(errors))
        values, low, high = (np.array([errors[level][name] for level in levels]) for name in ("value", "low", "high"))
        drawn: dict[str, Any] = {"color": STYLES[_STYLE].light, "ecolor": STYLES[_STYLE].light, "capsize": 3}
        axes.errorbar(levels, values, [values - low, high - values], marker=STYLES[_STYLE].marker, linewidth=2, **drawn)
        axes.axvspan(*trained, color=GRID, alpha=0.35, linewidth=0, zorder=0)
        axes.annotate("noise of training", (0.98, 0.93), xycoords="axes fraction", fontsize=11, ha="right", va="top")
        axes.set_xlabel("signal-to-noise ratio, dB")
        axes.set_ylabel("wrong keys")
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
        return to_svg(figure, title)


def learning_figure(losses: Sequence[float], history: Sequence[Mapping[str, Any]], title: str) -> str:
    """Draw the loss over the steps of training, in training and validation."""
    with matplotlib.rc_context(SETTINGS):
        figure, axes = new_axes(_NARROW, 3.2)
        draw_losses(axes, losses, history, _STYLE)
        axes.set_xlabel("steps of training")
        axes.set_ylabel("nats a symbol")
        axes.set_xlim(0, len(losses) * 1.02)
        axes.set_ylim(bottom=0)
        axes.legend(ncols=2, loc="lower left", bbox_to_anchor=(-0.06, 1.0), **LEGEND)
        return to_svg(figure, title)
