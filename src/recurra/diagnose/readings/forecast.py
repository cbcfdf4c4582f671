"""How a forecaster reads the end of a series, and the mean that it forecasts for some steps to come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recurra.batch import Window, WindowBatch, make_window_batch
from recurra.data.series import SeriesSet
from recurra.data.time_stamps import show_time, times_after
from recurra.data.windows import Windows
from recurra.diagnose.explained import Forming
from recurra.diagnose.reading import Reading, blocks
from recurra.diagnose.readings.items import item_of
from recurra.errors import SettingsError
from recurra.nn.autoregressive import AutoregressiveForecaster
from recurra.tasks.forecast import Forecast

__all__ = ["read_forecast"]

_MOST_ANSWERS = 12


@dataclass(frozen=True)
class _Asked:
    """A window at the end of one series.

    Attributes:
        task: that forecasts.
        source: what the series is called.
        series: the set with this series alone.
        windows: the set with this window alone.
        window: T steps of C variables and K covariates.
    """

    task: Forecast
    source: str
    series: SeriesSet
    windows: Windows
    window: Window

    def batch(self, variants: Tensor) -> WindowBatch:
        """Variants of the window, [B, T, C + K]."""
        count, size = len(variants), self.window.past.shape[1]
        ahead, static = (
            torch.from_numpy(part).to(variants.device).expand(count, *part.shape)
            for part in (self.window.ahead, self.window.static)
        )
        lengths = torch.full((count,), variants.shape[1])
        return WindowBatch(variants[..., :size], variants[..., size:], ahead, static, None, lengths)

    def mean(self, batch: WindowBatch) -> Tensor:
        """What is forecast in the mean, in the units of the series, [B, H, C]."""
        network = self.task.network
        if isinstance(network, AutoregressiveForecaster):
            scaled = network.mean_path(batch)
        else:
            scaled = network.output.mean(*network.raw(batch))
        shift, scale = (
            torch.from_numpy(part[0]).to(scaled.device) for part in (self.windows.shift, self.windows.scale)
        )
        return shift + scale * scaled.double()

    def times(self, first: int, last: int) -> list[str]:
        """The times of steps, 0 being the first of the window."""
        one = self.series.series[0]
        start = int(self.windows.origins[0] - self.windows.lengths[0])
        found = np.asarray(times_after(one.start, self.series.frequency, start + np.arange(first, last)))
        return [show_time(time) for time in found]


def read_forecast(task: Forecast, given: str, item: int, options: Mapping[str, Any]) -> Reading:
    """Read the last steps of one series of a file; the answers are up to 12 of what is forecast of it.

    A score is the mean forecast of a step to come, in the units of the series. Of a model that draws paths it is that
    of the path on which each step is the mean given the means before; for the first step this is what it forecasts,
    for later ones it need not be. What says nothing is what the network reads as 0: the mean of each column over the
    training part (of counts, none). The influence of a step is that of its values and its covariates together; what is
    known of the steps to come stays as it is.
    """
    asked = _ask(task, given, item, options)
    steps, horizon = len(asked.window.past), task.horizon
    device = next(task.network.parameters()).device
    vectors = torch.from_numpy(np.concatenate([asked.window.past, asked.window.covariates], 1)).to(device)
    answered = _answered(horizon, asked.window.past.shape[1])
    values = horizon * asked.window.past.shape[1]
    rows, columns = (torch.tensor(part, device=device) for part in zip(*answered))
    names = _names(asked.series, asked.window.past.shape[1])
    times = asked.times(0, steps + horizon)
    answers = [f"{times[steps + row]}{_of(names, column)}" for row, column in answered]

    def scores(variants: Tensor, kept: Tensor) -> Tensor:
        return asked.mean(asked.batch(variants))[:, rows, columns]

    with torch.no_grad():
        found = scores(vectors.unsqueeze(0), rows)[0].tolist()
    piece_of = blocks(steps)
    drawn = " on the path of means" if isinstance(task.network, AutoregressiveForecaster) and horizon > 1 else ""
    return Reading(
        source=asked.source
        if len(answered) == values
        else f"{asked.source} ({len(answered)} of {values:,} values to come)",
        pieces=[
            _span([times[step] for step in np.flatnonzero(piece_of == piece)]) for piece in range(piece_of[-1] + 1)
        ],
        known=[True] * (int(piece_of[-1]) + 1),
        is_text=False,
        truncated=0,
        network=task.network,
        vectors=vectors,
        start=torch.zeros_like(vectors),
        piece_of=piece_of,
        removable=False,
        scores=scores,
        answers=answers,
        told=[f"{answer}: {value:.6g}{drawn}" for answer, value in zip(answers, found)],
        unit=names[0] if len(names) == 1 else "the units of the series",
        read_at=lambda name, count: _read_at(task, times, steps, count),
        forming=lambda: _forming(asked, piece_of, times, names),
        probable=False,
    )


def _ask(task: Forecast, given: str, item: int, options: Mapping[str, Any]) -> _Asked:
    """Take the end of one series of a file."""
    if given == "-":
        raise SettingsError("explain: a forecaster reads files: name one with the series up to now")
    series = task.load(given, **options)
    chosen = item_of(series.series, item, given, "series")
    one = replace(series, series=[chosen])
    windows = task.last_windows(one)
    count = len(series.series)
    source = given if count == 1 else f"series {item:,} of {count:,} in {given}, '{chosen.id}'"
    return _Asked(task, source, one, windows, windows.window(0))


def _answered(horizon: int, variables: int) -> list[tuple[int, int]]:
    """Some steps to come, evenly spaced, the first and the last among them, and variables: twelve at most in all."""
    columns = min(variables, _MOST_ANSWERS)
    rows = np.unique(np.linspace(0, horizon - 1, min(horizon, max(1, _MOST_ANSWERS // columns))).round().astype(int))
    return [(row, column) for row in rows.tolist() for column in range(columns)]


def _names(series: SeriesSet, variables: int) -> Sequence[str]:
    """Of the variables; where each is a series of its own, its id has the name."""
    return series.variables if variables == len(series.variables) else (series.series[0].id.rpartition("/")[2],)


def _of(names: Sequence[str], column: int) -> str:
    return "" if len(names) == 1 else f", {names[column]}"


def _span(times: Sequence[str]) -> str:
    return times[0] if len(times) == 1 else f"{times[0]} to {times[-1]}"


def _read_at(task: Forecast, times: Sequence[str], steps: int, count: int) -> list[str]:
    """The times of what a layer reads: of each step to the last one to come, or of each segment of the window."""
    if isinstance(task.network, AutoregressiveForecaster):
        return list(times[:count])
    size = task.network.segment
    ends = [steps - size * number for number in range(count - 1, -1, -1)]
    return [_span(times[max(0, end - size) : end]) for end in ends]


@torch.no_grad()
def _forming(asked: _Asked, piece_of: NDArray[np.int64], times: Sequence[str], names: Sequence[str]) -> list[Forming]:
    """What is forecast of the step that comes next, after each piece of the window."""
    window, horizon = asked.window, asked.task.horizon
    ahead = window.ahead.shape[1]
    known = np.concatenate([window.covariates[:, window.covariates.shape[1] - ahead :], window.ahead])
    ends = (np.flatnonzero(np.diff(piece_of, append=-1)) + 1).tolist()
    device = next(asked.task.network.parameters()).device
    read = make_window_batch(
        [
            Window(window.past[:end], window.covariates[:end], known[end : end + horizon], window.static, None)
            for end in ends
        ]
    )
    found = asked.mean(read.to(device))[:, 0, 0].tolist()
    return [
        Forming(number, f"{times[end]}{_of(names, 0)}: {value:.6g}", value)
        for number, (end, value) in enumerate(zip(ends, found), start=1)
    ]
