"""Pictures of forecasts: the last steps of a series, what is forecast of the steps to come, and what came."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from recurra.errors import ShapeError
from recurra.files import failures_named, write_text
from recurra.forecast_sums import level_place
from recurra.pages.drawing import INK, LEGEND, SETTINGS, STYLES, any_script, new_panels, on_white, to_svg
from recurra.tasks.forecast_lines import SeriesForecast

__all__ = ["MOST_PICTURES", "draw_forecast", "forecast_pictures"]

MOST_PICTURES = 50

_log = logging.getLogger("recurra")

_MOST_PANELS = 8
_PAST = 3  # times the horizon that is shown of the past
_LEAST_PAST = 40  # steps
_MARKED = 60  # steps that have a marker each
_LONGEST_NAME = 60
_BANDS = ((0.1, 0.9, "80 % interval", 0.28, "-"), (0.025, 0.975, "95 % interval", 0.16, (0, (1, 2))))

Numbers = NDArray[np.floating[Any]]


def draw_forecast(forecast: SeriesForecast, style: str = "gru", time: str = "time") -> str:
    """Draw a forecast for a page, a panel for each of the first eight variables.

    Of the past, three times as many steps as are forecast are shown, and at least 40.

    Args:
        forecast: of one series.
        style: of the model, a name of :data:`recurra.pages.drawing.STYLES`.
        time: what the times are, below the axis.

    Raises:
        ShapeError: arrays that do not fit together, no past, or an interval's level that is missing.
    """
    _check(forecast)
    shown = [_printable(name) for name in forecast.variables[:_MOST_PANELS]]
    with matplotlib.rc_context(SETTINGS), any_script():
        figure, panels = new_panels(7.6, 1.3 + 2.3 * len(shown), len(shown))
        for variable, (axes, name) in enumerate(zip(panels, shown)):
            _draw(axes, forecast, variable, style)
            axes.set_ylabel(name, parse_math=False)
        _label_times(panels[-1], forecast, time)
        heading = _printable(forecast.name)
        if len(shown) < len(forecast.variables):
            heading += f" (the first {len(shown)} of {len(forecast.variables):,} variables)"
        figure.suptitle(heading, x=0.01, ha="left", fontsize=13, parse_math=False)
        panels[0].legend(ncols=5, loc="lower left", bbox_to_anchor=(-0.06, 1.0), fontsize=11, **LEGEND)
        return to_svg(figure, _title(forecast))


def forecast_pictures(
    forecasts: Iterable[SeriesForecast], folder: Path, style: str = "gru", time: str = "time"
) -> list[Path]:
    """Write a picture of each of the first 50 series, named by its number and name, as `01-series.svg`.

    That there are more series is said in the log.

    Args:
        forecasts: of each series; of those that are not drawn no more than one is asked for.
        folder: made if missing; pictures of those names in it are replaced.
        style: as for :func:`draw_forecast`.
        time: as for :func:`draw_forecast`.

    Returns:
        The files, in order.

    Raises:
        OutputError: the folder or a picture cannot be written.
        ShapeError: as :func:`draw_forecast`.
    """
    with failures_named(folder):
        folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    for number, forecast in enumerate(forecasts, start=1):
        if number > MOST_PICTURES:
            _log.info("%s: pictures of the first %d series; there are more", folder, MOST_PICTURES)
            break
        name = re.sub(r"[^A-Za-z0-9._]+", "-", forecast.name).strip("-.")[:_LONGEST_NAME]
        path = folder / (f"{number:02d}-{name}.svg" if name else f"{number:02d}.svg")
        write_text(path, on_white(draw_forecast(forecast, style, time)))
        paths.append(path)
    return paths


def _check(forecast: SeriesForecast) -> None:
    steps, horizon, variables = len(forecast.times), len(forecast.times_ahead), len(forecast.variables)
    expected = {"past": (steps, variables), "mean": (horizon, variables), "truth": (horizon, variables)}
    expected["quantiles"] = (horizon, variables, len(forecast.levels))  # type: ignore[assignment]
    for name, shape in expected.items():
        array = getattr(forecast, name)
        if array is not None and array.shape != shape:
            raise ShapeError(f"{forecast.name}, {name}: expected {shape}, got {array.shape}")
    if not (steps and horizon and variables):
        raise ShapeError(f"{forecast.name}: expected a past, steps to come and variables, got {expected['quantiles']}")


def _draw(axes: Axes, forecast: SeriesForecast, variable: int, style: str) -> None:
    """One variable. What is forecast begins at the last value of the past, so that a single step can be seen too."""
    kept = max(_PAST * len(forecast.times_ahead), _LEAST_PAST)
    times, past = forecast.times[-kept:], forecast.past[-kept:, variable]
    ahead = np.concatenate([times[-1:], forecast.times_ahead])
    axes.plot(times, past, color=INK, linewidth=1.5, label="past")
    if forecast.truth is not None:
        truth = np.append(past[-1], forecast.truth[:, variable])
        axes.plot(ahead, truth, color=INK, linewidth=1.2, linestyle=(0, (4, 2)), label="what came", zorder=2.1)
    colour, marker = STYLES[style].light, STYLES[style].marker
    mean = np.append(past[-1], forecast.mean[:, variable])
    marks: dict[str, Any] = {"marker": marker, "markersize": 3.5} if len(mean) <= _MARKED else {}
    axes.plot(ahead, mean, color=colour, linewidth=1.8, label="mean forecast", markevery=(1, 1), zorder=2.2, **marks)
    if forecast.quantiles is not None:
        for low, high, label, shade, line in _BANDS:
            lower, upper = (
                np.append(past[-1], forecast.quantiles[:, variable, level_place(level, forecast.levels)])
                for level in (low, high)
            )
            # an edge of its own tells the intervals apart where colours do not
            drawn: dict[str, Any] = {"facecolor": to_rgba(colour, shade), "edgecolor": colour, "linestyle": line}
            axes.fill_between(ahead, lower, upper, linewidth=0.9, label=label, zorder=1.5, **drawn)
    axes.axvline(times[-1], color=INK, linewidth=0.8, linestyle=(0, (1, 3)))
    axes.set_xlim(times[0], ahead[-1] + (ahead[-1] - times[0]) // 80)  # with room for the last marker


def _label_times(axes: Axes, forecast: SeriesForecast, time: str) -> None:
    if np.issubdtype(forecast.times.dtype, np.datetime64):
        locator = AutoDateLocator(minticks=4, maxticks=9)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    axes.set_xlabel(_printable(time), parse_math=False)


def _title(forecast: SeriesForecast) -> str:
    """What is read out in place of the figure."""
    first, last = (_moment(forecast.times_ahead[at]) for at in (0, -1))
    parts = ["the past", "the mean forecast"]
    if forecast.quantiles is not None:
        parts.append("its 80 % and 95 % intervals")
    if forecast.truth is not None:
        parts.append("what came")
    steps = "1 step" if len(forecast.times_ahead) == 1 else f"{len(forecast.times_ahead):,} steps"
    ends = [f"{_printable(name)} {value:.4g}" for name, value in zip(forecast.variables, forecast.mean[-1])]
    return (
        f"Forecast of {_printable(forecast.name)}, {steps} from {first} to {last}: {', '.join(parts)}. "
        f"Mean at the end: {', '.join(ends[:_MOST_PANELS])}."
    )


def _moment(time: Any) -> str:
    """A time to the minute, and without the hour where that is midnight.

    >>> _moment(np.datetime64("2016-07-01T13:00:00.000000")), _moment(np.datetime64("2016-07-01")), _moment(np.int64(7))
    ('2016-07-01 13:00', '2016-07-01', '7')
    """
    if not isinstance(time, np.datetime64):
        return str(time)
    return str(time.astype("datetime64[m]")).replace("T", " ").removesuffix(" 00:00")


def _printable(text: str) -> str:
    """A name without what no XML holds."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
