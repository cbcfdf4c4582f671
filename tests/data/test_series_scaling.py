"""How series are scaled."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.preprocessing import StandardScaler

from recurra.config import ScalingName
from recurra.data.series import Series, SeriesSet
from recurra.data.series_parts import Bounds
from recurra.data.series_scaling import Scaling

MakeSeries = Callable[..., Series]
MakeSet = Callable[..., SeriesSet]
KINDS: tuple[ScalingName, ...] = ("standard", "mean", "none")


@pytest.fixture
def drawn(make_series: MakeSeries, make_series_set: MakeSet) -> SeriesSet:
    rng = np.random.default_rng(0)
    targets = [rng.normal(5, 3, (count, 2)) * [1, 100] for count in (50, 30)]
    targets[0][3, 1] = targets[1][:4, 0] = np.nan
    return make_series_set([make_series(target, f"s{number}") for number, target in enumerate(targets)])


BOUNDS = [Bounds(40, 45, 50), Bounds(20, 25, 30)]


def test_standard_against_scikit_learn(drawn: SeriesSet) -> None:
    scaling = Scaling.fit(drawn, BOUNDS, "standard")
    for series, own in zip(drawn.series, BOUNDS):
        reference = StandardScaler().fit(series.target[: own.train])
        assert_allclose(scaling.of(series).shift, reference.mean_, rtol=1e-12)
        assert_allclose(scaling.of(series).scale, reference.scale_, rtol=1e-12)


def test_mean_is_that_of_absolute_values(drawn: SeriesSet) -> None:
    drawn.series[0].target[::2] *= -1
    scaling = Scaling.fit(drawn, BOUNDS, "mean")
    for series, own in zip(drawn.series, BOUNDS):
        assert_array_equal(scaling.of(series).shift, 0)
        assert_allclose(scaling.of(series).scale, np.nanmean(np.abs(series.target[: own.train]), axis=0), rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_training_alone_tells_the_scale(kind: ScalingName, drawn: SeriesSet) -> None:
    before = Scaling.fit(drawn, BOUNDS, kind).to_json()
    for series, own in zip(drawn.series, BOUNDS):
        series.target[own.train :] = 1e6
    assert Scaling.fit(drawn, BOUNDS, kind).to_json() == before
    drawn.series[0].target[BOUNDS[0].train - 1] = 1e6
    assert (Scaling.fit(drawn, BOUNDS, kind).to_json() == before) == (kind == "none")


def test_none_leaves_all_as_it_is(drawn: SeriesSet) -> None:
    scale = Scaling.fit(drawn, BOUNDS, "none").of(drawn.series[0])
    assert (scale.shift.tolist(), scale.scale.tolist()) == ([0, 0], [1, 1])


def test_constant_series_are_named(
    make_series: MakeSeries, make_series_set: MakeSet, caplog: pytest.LogCaptureFixture
) -> None:
    tenths = np.full((30, 2), 0.1)  # whose sum is not 3
    tenths[:, 1] = np.arange(30)
    late = np.zeros((30, 2))
    late[25:], late[:, 1] = 7, np.nan
    made = make_series_set([make_series(tenths, "tenths"), make_series(late, "late")])
    scaling = Scaling.fit(made, [Bounds(20, 25, 30)] * 2, "standard")
    assert scaling.of(made.series[0]).shift[0] == 0.1
    assert scaling.of(made.series[0]).scale[0] == 1
    assert [part.tolist() for part in scaling.of(made.series[1])] == [[0, 0], [1, 1]]
    assert caplog.messages == [
        "made.csv: constant over the whole of training, so not scaled:\n"
        "  'tenths', variable 'y0'\n  'late', variable 'y0'\n  'late', variable 'y1'"
    ]
    caplog.clear()
    scaling = Scaling.fit(made, [Bounds(20, 25, 30)] * 2, "mean")  # here what is constant has a scale, unless it is 0
    assert scaling.of(made.series[0]).scale[0] == 0.1
    assert scaling.of(made.series[1]).scale.tolist() == [1, 1]
    assert "tenths" not in caplog.messages[0]
    caplog.clear()
    Scaling.fit(make_series_set([make_series(np.ones(9), "one")]), [Bounds(5, 7, 9)], "standard")
    assert caplog.messages[0].endswith("\n  'one'")


@pytest.mark.parametrize("size", [1e-200, 1.0, 1e200])
@pytest.mark.parametrize("kind", ["standard", "mean"])
def test_very_large_and_small_values(
    size: float, kind: ScalingName, make_series: MakeSeries, make_series_set: MakeSet
) -> None:
    values = np.array([1.0, 2, 3, 4])
    made = make_series_set([make_series(values * size)])
    shift, scale = Scaling.fit(made, [Bounds(4, 4, 4)], kind).of(made.series[0])
    assert_allclose(shift / size, values.mean() if kind == "standard" else 0)
    assert_allclose(scale / size, values.std() if kind == "standard" else values.mean())


@pytest.mark.parametrize("kind", KINDS)
def test_json_keeps_every_bit(kind: ScalingName, drawn: SeriesSet) -> None:
    scaling = Scaling.fit(drawn, BOUNDS, kind)
    again = Scaling.from_json(json.loads(json.dumps(scaling.to_json())))
    assert again.kind == kind
    for series in drawn.series:
        for one, other in zip(scaling.of(series), again.of(series)):
            assert one.tobytes() == other.tobytes()


def test_a_series_that_training_had_not_tells_its_own_scale(drawn: SeriesSet) -> None:
    scaling = Scaling.fit(drawn, BOUNDS, "standard")
    new = replace(drawn.series[0], id="new")
    assert (scaling.knows(drawn.series[0]), scaling.knows(new)) == (True, False)
    assert_allclose(scaling.of(new).shift, np.nanmean(new.target, axis=0))
    assert_allclose(scaling.of(new, before=10).scale, np.nanstd(new.target[:10], axis=0))
    assert [part.tolist() for part in scaling.of(new, before=0)] == [[0, 0], [1, 1]]
    assert Scaling.fit(drawn, BOUNDS, "none").knows(new)


@pytest.mark.parametrize("kind", ["standard", "mean"])
def test_a_gap_at_the_end_of_training_tells_nothing(kind: ScalingName, drawn: SeriesSet) -> None:
    filled = np.zeros((50, 2), bool)
    filled[[5, 38, 39, 40], 0] = True  # a line from step 37 to step 41, which is no longer training
    drawn.series[0] = replace(drawn.series[0], filled=filled)
    before = Scaling.fit(drawn, BOUNDS, kind)
    drawn.series[0].target[filled & (np.arange(50) > 37)[:, np.newaxis]] = 1e6
    assert Scaling.fit(drawn, BOUNDS, kind).to_json() == before.to_json()
    held = drawn.series[0].target[:38, 0] if kind == "standard" else np.abs(drawn.series[0].target[:38, 0])
    assert_allclose(before.of(drawn.series[0]).scale[0], held.std() if kind == "standard" else held.mean())
    assert_allclose(before.of(drawn.series[0]).scale[1], Scaling.fit(drawn, BOUNDS, kind).of(drawn.series[0]).scale[1])
    new = replace(drawn.series[0], id="new")
    assert before.of(new, before=40).scale.tolist() == before.of(drawn.series[0]).scale.tolist()
