"""Windows of series: nothing off by one, and nothing of the future in what is read."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from recurra.batch import Window, WindowBatch, make_window_batch
from recurra.config import FillName, ForecastDataConfig
from recurra.data.covariates import Covariates
from recurra.data.gaps import fill_gaps
from recurra.data.series import Series, SeriesSet, load_series
from recurra.data.series_parts import Bounds, divide
from recurra.data.series_scaling import Scaling
from recurra.data.time_stamps import calendar_features, times_after
from recurra.data.windows import Windows
from recurra.errors import DataError

MakeSeries = Callable[..., Series]
MakeSet = Callable[..., SeriesSet]
Range = tuple[int, int]


def plain(made: SeriesSet) -> tuple[Scaling, Covariates]:
    """Nothing scaled, no calendar; covariates are standardised all the same, by all their steps."""
    bounds = [Bounds(*[len(series.target)] * 3) for series in made.series]
    return Scaling.fit(made, bounds, "none"), Covariates.fit(made, bounds, calendar=False)


def fitted(made: SeriesSet, train: int) -> tuple[Scaling, Covariates]:
    bounds = [Bounds(train, train, train)] * len(made.series)
    return Scaling.fit(made, bounds, "standard"), Covariates.fit(made, bounds)


def assert_same(one: Window | WindowBatch, other: Window | WindowBatch) -> None:
    for name in one._fields:
        mine, theirs = getattr(one, name), getattr(other, name)
        assert (mine is None) == (theirs is None), name
        if mine is not None:
            assert mine.dtype == theirs.dtype, name
            assert_array_equal(mine, theirs, err_msg=name)


@pytest.fixture
def drawn(make_series: MakeSeries, make_series_set: MakeSet) -> SeriesSet:
    """Three series of 50, 12 and 33 steps with two variables, a past-only column and a column known ahead."""
    rng = np.random.default_rng(0)
    return make_series_set(
        [
            make_series(
                rng.normal(3, 2, (count, 2)),
                f"s{count}",
                past=rng.normal(size=count),
                ahead=rng.normal(size=count + 9),
                static=(str(count),),
            )
            for count in (50, 12, 33)
        ],
        static=("steps",),
    )


def test_a_counting_series(make_series: MakeSeries, make_series_set: MakeSet) -> None:
    made = make_series_set([make_series(np.arange(40))])
    windows = Windows(made, *plain(made), 6, 3, [(0, 40)])
    assert windows.origins.tolist() == list(range(1, 38))
    assert windows.lengths.tolist() == [1, 2, 3, 4, 5, *[6] * 32]
    for index, (origin, length) in enumerate(zip(windows.origins, windows.lengths)):
        window = windows.window(index)
        assert window.targets is not None
        assert window.past[:, 0].tolist() == list(range(origin - length, origin))
        assert window.targets[:, 0].tolist() == [origin, origin + 1, origin + 2]
        assert window.targets[0, 0] == window.past[-1, 0] + 1
        assert windows.truth(index)[:, 0].tolist() == [origin, origin + 1, origin + 2]
    assert windows.left_out == 0


@pytest.mark.parametrize(
    ("within", "origins"), [((0, 20), range(1, 18)), ((20, 30), range(20, 28)), ((30, 40), range(30, 38))]
)
def test_targets_lie_within_their_part(
    within: Range, origins: range, make_series: MakeSeries, make_series_set: MakeSet
) -> None:
    made = make_series_set([make_series(np.arange(40))])
    windows = Windows(made, *plain(made), 6, 3, [within])
    assert windows.origins.tolist() == list(origins)
    batch = windows.batch(np.arange(len(windows)))
    assert batch.targets is not None
    assert (batch.targets.min(), batch.targets.max()) == (max(within[0], 1), within[1] - 1)


def test_covariates_stand_beside_their_steps(make_series: MakeSeries, make_series_set: MakeSet) -> None:
    steps = np.arange(30)
    made = make_series_set([make_series(steps, past=steps, ahead=steps)])
    windows = Windows(made, *plain(made), 5, 4, [(10, 30)])
    batch = windows.batch(np.arange(len(windows)))
    assert batch.targets is not None
    as_read = (batch.past - steps.mean()) / steps.std()
    assert_allclose(batch.covariates[..., 0], as_read[..., 0], rtol=1e-5, atol=1e-6)
    assert_allclose(batch.covariates[..., 1], as_read[..., 0], rtol=1e-5, atol=1e-6)
    assert_allclose(batch.ahead[..., 0], (batch.targets[..., 0] - steps.mean()) / steps.std(), rtol=1e-5, atol=1e-6)


def by_brute_force(
    made: SeriesSet, window: int, horizon: int, ranges: list[Range], stride: int, shortest: int
) -> Iterator[tuple[int, int, NDArray[np.float64], NDArray[np.float64], bool]]:
    """Yield series, origin, past, targets, and whether nothing of a window is missing."""
    for number, (series, (first, last)) in enumerate(zip(made.series, ranges)):
        origin = max(first, shortest)
        while origin + horizon <= last:
            rows = range(max(0, origin - window), origin)
            past = np.array([series.target[row] for row in rows])
            beside = np.array([[*series.past[row], *series.ahead[row]] for row in rows])
            to_come = np.array([series.target[origin + step] for step in range(horizon)])
            known = np.array([series.ahead[origin + step] for step in range(horizon)])
            whole = not any(np.isnan(part).any() for part in (past, beside, to_come, known))
            yield number, origin, past, to_come, whole
            origin += stride


@pytest.mark.parametrize("seed", range(12))
def test_against_brute_force(seed: int, drawn: SeriesSet) -> None:
    rng = np.random.default_rng(seed)
    scaling, covariates = fitted(drawn, 10)
    for series in drawn.series:
        if seed % 3:
            for part, odds in ((series.target, 0.01), (series.past, 0.02), (series.ahead, 0.02)):
                part[rng.random(part.shape) < odds] = np.nan
    window, horizon, stride = int(rng.integers(2, 9)), int(rng.integers(1, 6)), int(rng.integers(1, 4))
    shortest = int(rng.choice([1, window]))
    ranges = [(int(rng.integers(0, 8)), len(series.target) - int(rng.integers(3))) for series in drawn.series]
    windows = Windows(drawn, scaling, covariates, window, horizon, ranges, stride, shortest)
    found = list(by_brute_force(drawn, window, horizon, ranges, stride, shortest))
    kept = [each for each in found if each[-1]]
    assert list(zip(windows.series_index.tolist(), windows.origins.tolist())) == [each[:2] for each in kept]
    assert windows.left_out == len(found) - len(kept)
    assert seed % 3 == 0 or windows.left_out > 0
    for index, (number, _, past, to_come, _) in enumerate(kept):
        made = windows.window(index)
        assert made.targets is not None
        assert_allclose(windows.shift[number] + windows.scale[number] * made.past, past, rtol=1e-4, atol=1e-5)
        assert_allclose(windows.shift[number] + windows.scale[number] * made.targets, to_come, rtol=1e-4, atol=1e-5)
        assert_array_equal(windows.truth(index), to_come)
        assert windows.lengths[index] == len(past)


@pytest.mark.parametrize("with_targets", [True, False])
def test_a_batch_is_its_windows_side_by_side(with_targets: bool, drawn: SeriesSet) -> None:
    scaling, covariates = fitted(drawn, 10)
    if with_targets:
        ranges = [(0, len(series.target)) for series in drawn.series]
        windows = Windows(drawn, scaling, covariates, 20, 5, ranges)
    else:
        windows = Windows.next(drawn, scaling, covariates, 20, 5)
    rng = np.random.default_rng(1)
    for count in (1, 2, 3, 30):
        chosen = rng.integers(len(windows), size=count)
        assert_same(windows.batch(chosen), make_window_batch([windows.window(index) for index in chosen]))
    longest = np.flatnonzero(windows.lengths == 20)
    batch = windows.batch(longest)
    assert_same(batch, make_window_batch([windows.window(index) for index in longest]))
    assert all(part is None or part.is_contiguous() for part in batch)


def test_the_future_enters_no_past(drawn: SeriesSet) -> None:
    """Change all that comes at or after an origin: what is read, but for what is known ahead, stays to the last bit."""
    scaling, covariates = fitted(drawn, 8)
    ranges = [(0, len(series.target)) for series in drawn.series]
    windows = Windows(drawn, scaling, covariates, 7, 4, ranges)
    for index in range(len(windows)):
        number, origin = int(windows.series_index[index]), int(windows.origins[index])
        old = drawn.series[number]
        target, past, ahead = old.target.copy(), old.past.copy(), old.ahead.copy()
        target[origin:] *= -50
        past[origin:] *= -50
        ahead[origin + 4 :] *= -50
        series = list(drawn.series)
        series[number] = replace(old, target=target, past=past, ahead=ahead)
        changed = Windows(replace(drawn, series=series), scaling, covariates, 7, 4, ranges)
        assert_same(changed.window(index)._replace(targets=None), windows.window(index)._replace(targets=None))
        pair = np.array([index, 20])  # beside a longer past, so that it is padded
        batch, before = (each.batch(pair)._replace(targets=None) for each in (changed, windows))
        assert_same(
            type(batch)(*(part if part is None else part[:1] for part in batch)),
            type(batch)(*(part if part is None else part[:1] for part in before)),
        )
        aligned = changed.aligned_pasts(pair)[0]
        assert_array_equal(aligned, windows.aligned_pasts(pair)[0])
        ahead[origin:] *= -50
        known = Windows(replace(drawn, series=series), scaling, covariates, 7, 4, ranges).window(index)
        assert_array_equal(known.covariates, windows.window(index).covariates)


def test_the_future_enters_no_scale_of_a_new_series(drawn: SeriesSet) -> None:
    scaling, covariates = fitted(drawn, 8)
    new = replace(drawn, series=[replace(drawn.series[0], id="new")])
    windows = Windows(new, scaling, covariates, 7, 4, [(20, 50)])
    assert_allclose(windows.shift[0], new.series[0].target[:20].mean(axis=0))
    target = new.series[0].target.copy()
    target[20:] = 1e6
    changed = Windows(
        replace(new, series=[replace(new.series[0], target=target)]), scaling, covariates, 7, 4, [(20, 50)]
    )
    assert_array_equal(changed.shift, windows.shift)
    assert_array_equal(changed.scale, windows.scale)


def test_series_that_training_had_not_are_said_once(drawn: SeriesSet, caplog: pytest.LogCaptureFixture) -> None:
    scaling, covariates = fitted(drawn, 8)
    series = [replace(series, id=f"new{number}") for number, series in enumerate(drawn.series[:2])]
    with caplog.at_level("INFO", "recurra"):
        Windows(replace(drawn, series=[*series, drawn.series[2]]), scaling, covariates, 7, 4, [(6, 12)] * 3)
    assert caplog.messages == [
        "made.csv: 2 series that training had not are scaled by their own past:\n  'new0'\n  'new1'"
    ]


def test_aligned_pasts_have_the_newest_step_last(drawn: SeriesSet) -> None:
    windows = Windows(drawn, *fitted(drawn, 8), 6, 3, [(0, len(series.target)) for series in drawn.series])
    chosen = np.array([9, 2, 0, 30, 2])
    pasts = windows.aligned_pasts(chosen)
    assert pasts.shape == (5, 6, 2)
    for index, past in zip(chosen, pasts):
        length = windows.lengths[index]
        assert_array_equal(past[6 - length :], windows.window(index).past)
        assert np.isnan(past[: 6 - length]).all()


def test_next_is_one_window_for_each_series_at_its_end(drawn: SeriesSet) -> None:
    scaling, covariates = fitted(drawn, 8)
    windows = Windows.next(drawn, scaling, covariates, 20, 9)
    assert windows.series_index.tolist() == [0, 1, 2]
    assert windows.origins.tolist() == [50, 12, 33]
    assert windows.lengths.tolist() == [20, 12, 20]
    for index, series in enumerate(drawn.series):
        window = windows.window(index)
        assert window.targets is None
        steps = covariates.of_steps(series, drawn.frequency, len(series.target) + 9)
        assert_array_equal(window.ahead, steps[-9:, 1:])
        assert_array_equal(window.covariates, steps[: len(series.target)][-20:])
        assert np.isfinite(window.ahead).all()
    # What a window at the end reads is what one of the past read, had it been the end.
    cut = [
        replace(series, target=series.target[:-9], past=series.past[:-9], ahead=series.ahead[:-9])
        for series in drawn.series
    ]
    before = Windows(drawn, scaling, covariates, 20, 9, [(len(s.target) - 9, len(s.target)) for s in drawn.series])
    at_end = Windows.next(replace(drawn, series=cut), scaling, covariates, 20, 9)
    for index in range(3):
        assert_same(at_end.window(index), before.window(index)._replace(targets=None))


def test_what_next_lacks_is_listed_together(make_series: MakeSeries, make_series_set: MakeSet) -> None:
    def series(name: str, later: int) -> Series:
        return make_series(np.arange(10.0), name, past=np.arange(10.0), ahead=np.arange(10.0 + later))

    gap, early, beside, short, known = (
        series(name, later) for name, later in [("gap", 3), ("early", 3), ("beside", 3), ("short", 2), ("known", 3)]
    )
    gap.target[[6, 8]] = early.target[5] = beside.past[9] = known.ahead[11] = known.ahead[7] = np.nan
    empty = make_series([], "empty", past=[], ahead=[])
    made = make_series_set([gap, early, beside, short, known, empty])
    with pytest.raises(DataError) as caught:
        Windows.next(made, *plain(made), 4, 3)
    assert str(caught.value).startswith(
        "made.csv: cannot forecast the next 3 steps:\n"
        "  'gap': 2 of its last 4 steps have a missing value, the first 2024-01-01 06:00:00\n"
        "  'beside': 1 of its last 4 steps has a missing value known up to now, the first 2024-01-01 09:00:00\n"
        "  'short': the columns known ahead are given for 2 of the steps to come\n"
        "  'known': the columns known ahead are given for 2 of the steps to come\n"
        "  'known': 1 of its last 4 steps has a missing value known ahead, the first 2024-01-01 07:00:00\n"
        "  'empty': it has no values\n"
        "put values into gaps, or train with --fill previous (or linear, zero); add rows of the steps to come"
    )
    fine = make_series_set([early])  # its gap lies before the window
    assert len(Windows.next(fine, *plain(fine), 4, 3)) == 1


def test_no_window_is_an_error(make_series: MakeSeries, make_series_set: MakeSet) -> None:
    gaps = np.arange(12.0)
    gaps[::3] = np.nan
    made = make_series_set([make_series(gaps)])
    with pytest.raises(DataError, match="found none: each of 7 has a gap where it may not; put values there, or train"):
        Windows(made, *plain(made), 4, 5, [(0, 12)])
    with pytest.raises(DataError, match="found none: the series are too short; give longer ones, or train with a"):
        Windows(made, *plain(made), 4, 5, [(8, 12)])


def test_values_beyond_float32(make_series: MakeSeries, make_series_set: MakeSet) -> None:
    fine, steep = make_series(np.arange(9), "fine"), np.where(np.arange(9) < 5, 1e-20 * np.arange(9), 1e30)
    made = make_series_set([fine, make_series(steep, "large")])
    with pytest.raises(DataError, match=r"at most 3\.4e\+38, found larger ones in:\n  'large'\ntry --scaling none"):
        Windows(made, *fitted(made, 5), 4, 2, [(0, 9)] * 2)
    made = make_series_set([fine, make_series(np.arange(9) * 1e38, "large")])
    with pytest.raises(DataError, match=r"of at most 1e\+30, found larger ones in:\n  'large'\ntry another unit"):
        Windows(made, *fitted(made, 9), 4, 2, [(0, 9)] * 2)
    beside = np.arange(9.0)
    beside[8] = 1e50
    made = make_series_set([make_series(np.arange(9), past=beside)])
    with pytest.raises(DataError, match=r"found larger ones in:\n  'a'\ntry columns of another unit"):
        Windows(made, *fitted(made, 5), 4, 2, [(0, 9)])


def test_variables_of_one_table_share_what_is_beside_them(make_series: MakeSeries, make_series_set: MakeSet) -> None:
    rng = np.random.default_rng(0)
    one = make_series(rng.normal(size=30), past=rng.normal(size=30), ahead=rng.normal(size=30))
    other_past = replace(one, id="b", past=one.past + 1)
    later = replace(one, id="c", start=np.datetime64("2024-01-01T07:00", "us"))
    made = make_series_set([one, replace(one, id="d"), other_past, later, replace(other_past, id="e")])
    covariates = Covariates.fit(made, [Bounds(20, 25, 30)] * 5)
    windows = Windows(made, Scaling("none", {}), covariates, 6, 3, [(20, 30)] * 5)
    for index in range(len(windows)):
        number, origin = int(windows.series_index[index]), int(windows.origins[index])
        steps = covariates.of_steps(made.series[number], made.frequency, 30)
        assert_array_equal(windows.window(index).covariates, steps[origin - 6 : origin])
    assert windows._known.starts.tolist() == [0, 0, 30, 60, 30]


def test_sixty_thousand_windows(make_series: MakeSeries, make_series_set: MakeSet) -> None:
    rng = np.random.default_rng(0)
    beside = rng.normal(size=(9000, 2))
    made = make_series_set([make_series(rng.normal(size=9000), f"s{number}", ahead=beside) for number in range(7)])
    windows = Windows(made, *fitted(made, 8000), 168, 24, [(0, 9000)] * 7)
    order = rng.permutation(len(windows))[:60_000]
    began = time.process_time()
    for batch in np.array_split(order, 60_000 // 64):
        windows.batch(batch)
    # About 0.15 s where nothing else runs; window by window it would be ten times as much.
    assert time.process_time() - began < 1.5
    assert torch.isfinite(windows.batch(order[:64]).covariates).all()


@pytest.mark.parametrize("fill", ["previous", "linear", "zero"])
def test_the_future_enters_no_filled_gap(fill: FillName, make_series: MakeSeries, make_series_set: MakeSet) -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(60, 2))
    values[rng.random((60, 2)) < 0.15] = np.nan
    values[[0, -1]] = 1
    missing = np.isnan(values)

    def windows_of(held: NDArray[np.float64], measured: bool = False) -> Windows:
        made = make_series_set([replace(make_series(fill_gaps(held, fill)), filled=missing)])
        scaling, covariates = Scaling("none", {}), Covariates.fit(made, [Bounds(60, 60, 60)], calendar=False)
        return Windows(replace(made, fill=fill), scaling, covariates, 6, 3, [(0, 60)], measured=measured)

    windows = windows_of(values)
    gap_before = missing[np.arange(1, 58) - 1].any(axis=1)
    expected = np.arange(1, 58)[~gap_before] if fill == "linear" else np.arange(1, 58)
    assert windows.origins.tolist() == expected.tolist()
    assert windows.left_out == 57 - len(expected)
    for index, origin in enumerate(windows.origins):
        changed = values.copy()
        changed[origin:] *= -50
        assert_array_equal(windows_of(changed).window(index).past, windows.window(index).past)
    whole = [origin for origin in expected if not missing[origin : origin + 3].any()]
    assert windows_of(values, measured=True).origins.tolist() == whole


def test_next_may_begin_where_a_gap_was_filled(make_series: MakeSeries, make_series_set: MakeSet) -> None:
    filled = np.zeros((9, 1), bool)
    filled[-1] = True
    made = replace(make_series_set([replace(make_series(np.arange(9)), filled=filled)]), fill="linear")
    assert len(Windows.next(made, *plain(made), 4, 3)) == 1


def test_from_a_file(write: Callable[[str, str], Path]) -> None:
    """Read, divided, scaled and cut: what is forecast of a counting series is the next number, at its own time."""
    rows = "".join(f"{np.datetime64('2024-01-01') + day},{day},{2 * day},{3 * day}\n" for day in range(60))
    path = write("count.csv", f"ds,y,p,f\n{rows}2024-03-01,,,180\n2024-03-02,,,183\n")
    config = ForecastDataConfig(
        data=str(path), past_columns="p", future_columns="f", target_columns="y", valid_steps=10, test_steps=10
    )
    made = load_series(config)
    bounds = divide(made, config, 2)
    scaling, covariates = Scaling.fit(made, bounds, "standard"), Covariates.fit(made, bounds)
    assert bounds == [Bounds(40, 50, 60)]
    assert_allclose(scaling.of(made.series[0]), [[19.5], [np.arange(40).std()]])
    parts = [(0, 40), (40, 50), (50, 60)]
    for windows in [Windows(made, scaling, covariates, 7, 2, [part]) for part in parts] + [
        Windows.next(made, scaling, covariates, 7, 2)
    ]:
        batch = windows.batch(np.arange(len(windows)))
        newest = batch.past[np.arange(len(windows)), batch.lengths - 1]
        assert_allclose(
            windows.shift + windows.scale * newest.numpy(), windows.origins[:, None] - 1, rtol=1e-5, atol=1e-5
        )
        if batch.targets is not None:
            assert_allclose(
                windows.shift[0] + windows.scale[0] * batch.targets[:, :, 0].numpy(),
                windows.origins[:, None] + np.arange(2),
                rtol=1e-5,
                atol=1e-5,
            )
        else:
            assert_array_equal(windows.origins, [60])
        times = times_after(made.series[0].start, made.frequency, windows.origins)
        assert_array_equal(batch.ahead[:, 0, 1:], calendar_features(times, covariates.calendar))
        assert_allclose(batch.ahead[:, 0, 0], (windows.origins - 19.5) / np.arange(40).std(), rtol=1e-5)
