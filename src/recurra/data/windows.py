"""Windows of series: what is read, and what comes after; cut out of the series when they are asked for."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from recurra.batch import Window, WindowBatch
from recurra.data.covariates import Covariates
from recurra.data.faults import listed
from recurra.data.series import Series, SeriesSet
from recurra.data.series_scaling import Scaling
from recurra.data.time_stamps import Frequency, show_time, times_after
from recurra.data.window_rows import covariate_rows, target_rows
from recurra.errors import DataError

__all__ = ["Windows"]

_log = logging.getLogger("recurra")
_Index = NDArray[np.int64]


class Windows:
    """All windows of some series: a past of up to `longest` steps, and the H steps from its origin on.

    The past of a window is the steps [origin - length, origin), where length is `longest`, or the origin itself where
    the series begins later; its targets are the steps [origin, origin + H). Windows with a missing value in any step
    that they read are left out, and so are those whose past ends in a gap that a line fills: it leads to a target.

    Attributes:
        series_set: the series.
        longest: most steps of a past.
        horizon: steps of the targets, H.
        series_index: int64 [n], of each window the number of its series.
        origins: int64 [n], of each window the step number of its first target.
        lengths: int64 [n], of each window the steps of its past, at least 1.
        left_out: how many windows a missing or filled value made useless.
        shift: float64 [series, C], of each series; y = shift + scale * z.
        scale: float64 [series, C].
    """

    def __init__(
        self,
        series_set: SeriesSet,
        scaling: Scaling,
        covariates: Covariates,
        window: int,
        horizon: int,
        ranges: Sequence[tuple[int, int]],
        stride: int = 1,
        shortest: int = 1,
        measured: bool = False,
    ) -> None:
        """Find the windows.

        Args:
            series_set: the series.
            scaling: of the series; one that training had not is scaled by what comes before its first origin.
            covariates: how columns become numbers.
            window: most steps of a past.
            horizon: steps of the targets, H.
            ranges: of each series, the steps [first, last) that its targets lie within; a past may reach before them,
                back to the start of the series. Ranges that end after their series give windows without targets.
            stride: steps from one origin to the next.
            shortest: fewest steps of a past.
            measured: whether windows with a filled value among their targets are left out, as no truth to score by.

        Raises:
            DataError: there is no window, or there are values beyond what float32 holds.
        """
        self.series_set, self.longest, self.horizon = series_set, window, horizon
        firsts = [max(first, shortest) for first, _ in ranges]
        self._steps = [
            max(len(series.target), last) for series, (_, last) in zip(series_set.series, ranges, strict=True)
        ]
        self._has_targets = all(last <= len(series.target) for series, (_, last) in zip(series_set.series, ranges))
        scales = [scaling.of(series, before) for series, before in zip(series_set.series, firsts)]
        self.shift, self.scale = np.stack([own.shift for own in scales]), np.stack([own.scale for own in scales])
        self._targets = target_rows(series_set, scales, max(window, horizon))
        self._known = covariate_rows(series_set, covariates, self._steps, max(window, horizon))
        self._static = covariates.of_series(series_set)
        self._past_size = covariates.past_size
        self._measured = measured
        found = [
            self._origins(number, np.arange(first, last - horizon + 1, stride))
            for number, (first, (_, last)) in enumerate(zip(firsts, ranges))
        ]
        self.series_index = np.repeat(np.arange(len(found)), [len(kept) for kept, _ in found])
        self.origins = np.concatenate([kept for kept, _ in found])
        self.lengths = np.minimum(self.origins, window)
        self.left_out = sum(count for _, count in found)
        self._require_some()
        _log_unseen(series_set, scaling)

    @classmethod
    def next(
        cls, series_set: SeriesSet, scaling: Scaling, covariates: Covariates, window: int, horizon: int
    ) -> Windows:
        """Return one window for each series, in their order: its last steps, without targets.

        Raises:
            DataError: series with a missing value in these steps, or whose columns known ahead do not reach H steps
                further; all listed together.
        """
        found = [
            (f"'{series.id}': {fault}", remedy)
            for series in series_set.series
            for fault, remedy in _unready(series, series_set.frequency, window, horizon, bool(covariates.ahead_mean))
        ]
        if found:
            remedies = "; ".join(dict.fromkeys(remedy for _, remedy in found))
            raise DataError(
                f"{series_set.name}: cannot forecast the next {horizon:,} steps:\n"
                f"{listed([fault for fault, _ in found])}\n{remedies}"
            )
        ends = [len(series.target) for series in series_set.series]
        return cls(series_set, scaling, covariates, window, horizon, [(end, end + horizon) for end in ends])

    def __len__(self) -> int:
        return len(self.origins)

    def window(self, index: int) -> Window:
        """Return one window, scaled."""
        series, origin, length = (int(of[index]) for of in (self.series_index, self.origins, self.lengths))
        first, last = origin - length, origin + self.horizon
        return Window(
            self._targets.piece(series, first, origin),
            self._known.piece(series, first, origin),
            self._known.piece(series, origin, last)[:, self._past_size :],
            self._static[series],
            self._targets.piece(series, origin, last) if self._has_targets else None,
        )

    def batch(self, indices: _Index) -> WindowBatch:
        """Return windows side by side: what make_window_batch makes of them, many times faster."""
        series, origins, lengths = self.series_index[indices], self.origins[indices], self.lengths[indices]
        steps = int(lengths.max())
        past = self._targets.pieces(series, origins - lengths, steps)
        covariates = self._known.pieces(series, origins - lengths, steps)
        if lengths.min() < steps:  # what a short piece holds behind its end is not past
            padding = np.arange(steps) >= lengths[:, np.newaxis]
            past[padding] = covariates[padding] = 0
        ahead = self._known.pieces(series, origins, self.horizon)[:, :, self._past_size :]
        targets = self._targets.pieces(series, origins, self.horizon) if self._has_targets else None
        return WindowBatch(
            torch.from_numpy(past),
            torch.from_numpy(covariates),
            torch.from_numpy(np.ascontiguousarray(ahead)),
            torch.from_numpy(self._static[series]),
            None if targets is None else torch.from_numpy(targets),
            torch.from_numpy(lengths),
        )

    def aligned_pasts(self, indices: _Index, steps: int | None = None) -> NDArray[np.float32]:
        """Return what came before windows, scaled, the newest step last, [B, steps, C]; NaN where nothing is known.

        Args:
            indices: which windows.
            steps: how far back [default: as far as a past reaches].
        """
        steps = steps or self.longest
        pasts = np.full((len(indices), steps, self._targets.numbers.shape[1]), np.nan, np.float32)
        lengths = np.minimum(self.origins[indices], steps)
        for length in np.unique(lengths):
            rows = np.flatnonzero(lengths == length)
            chosen = indices[rows]
            first = self.origins[chosen] - length
            pasts[rows, steps - length :] = self._targets.pieces(self.series_index[chosen], first, int(length))
        return pasts

    def truth(self, index: int) -> NDArray[np.float64]:
        """Return the targets of a window as they stand in its series, unscaled, [H, C]."""
        origin = int(self.origins[index])
        return self.series_set.series[int(self.series_index[index])].target[origin : origin + self.horizon]

    def _origins(self, series: int, candidates: _Index) -> tuple[_Index, int]:
        """Return those of some origins whose windows have no missing value, and how many have one."""
        values = self._targets.piece(series, 0, len(self.series_set.series[series].target))
        unknown = np.isnan(self._known.piece(series, 0, self._steps[series]))
        missing = np.zeros((len(unknown), values.shape[1]), bool)
        missing[: len(values)] = np.isnan(values)
        before = _counts(np.hstack([missing, unknown]))
        after = _counts(np.hstack([missing, unknown[:, self._past_size :]]))
        starts, ends = candidates - np.minimum(candidates, self.longest), candidates + self.horizon
        whole = (before[candidates] == before[starts]) & (after[ends] == after[candidates])
        filled = self.series_set.series[series].filled
        if filled is not None and self._has_targets:
            put = _counts(filled)
            if self.series_set.fill == "linear":
                whole &= put[candidates] == put[candidates - 1]
            if self._measured:
                whole &= put[ends] == put[candidates]
        return candidates[whole], int(len(candidates) - whole.sum())

    def _require_some(self) -> None:
        if not len(self):
            why = (
                f"each of {self.left_out:,} has a gap where it may not; put values there, or train with --fill "
                "previous, linear or zero, or with a smaller --window or --horizon"
                if self.left_out
                else "the series are too short; give longer ones, or train with a smaller --horizon"
            )
            raise DataError(
                f"{self.series_set.name}: expected a window of at least one step and {self.horizon:,} steps to "
                f"forecast, found none: {why}"
            )


def _counts(gaps: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return how many steps with a gap [T, K] there are before each step, and in all, [T + 1]."""
    return np.concatenate([[0], np.cumsum(gaps.any(axis=1))])


def _unready(
    series: Series, frequency: Frequency, window: int, horizon: int, with_ahead: bool
) -> Iterator[tuple[str, str]]:
    """Yield what is amiss with a series whose next steps are to be forecast, and the remedy."""
    end = len(series.target)
    if not end:
        yield "it has no values", "leave out what has none"
        return
    first = max(0, end - window)
    known = {"value": series.target, "value known up to now": series.past}
    if with_ahead:
        known["value known ahead"] = series.ahead
        later = int(np.isfinite(series.ahead[end : end + horizon]).all(axis=1).sum())
        if later < horizon:
            yield (
                f"the columns known ahead are given for {later:,} of the steps to come",
                "add rows of the steps to come that have all columns known ahead",
            )
    for what, values in known.items():
        gaps = first + np.flatnonzero(np.isnan(values[first:end]).any(axis=1))
        if len(gaps):
            at = show_time(times_after(series.start, frequency, gaps[:1])[0])
            have = "has" if len(gaps) == 1 else "have"
            yield (
                f"{len(gaps):,} of its last {end - first:,} steps {have} a missing {what}, the first {at}",
                "put values into gaps, or train with --fill previous (or linear, zero)",
            )


def _log_unseen(series_set: SeriesSet, scaling: Scaling) -> None:
    unseen = [f"'{series.id}'" for series in series_set.series if not scaling.knows(series)]
    if unseen:
        _log.info(
            "%s: %s series that training had not are scaled by their own past:\n%s",
            series_set.name,
            f"{len(unseen):,}",
            listed(unseen),
        )
