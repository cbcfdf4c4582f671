"""Columns beside the variables -> numbers."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from recurra.data.covariates import Covariates, StaticColumn
from recurra.data.series import Series, SeriesSet
from recurra.data.series_parts import Bounds
from recurra.data.time_stamps import calendar_features, calendar_names
from recurra.errors import DataError, SettingsError

MakeSeries = Callable[..., Series]
MakeSet = Callable[..., SeriesSet]
BOUNDS = [Bounds(30, 35, 40), Bounds(10, 15, 20)]
SHOPS = [("3", "north", ""), ("7", "south", "2.5")]


@pytest.fixture
def shops(make_series: MakeSeries, make_series_set: MakeSet) -> SeriesSet:
    rng = np.random.default_rng(0)
    series = [
        make_series(
            rng.normal(size=own.end),
            f"shop{number}",
            past=rng.normal(9, 4, (own.end, 2)),
            ahead=rng.normal(-2, 5, (own.end + 6, 1)),
            static=SHOPS[number],
        )
        for number, own in enumerate(BOUNDS)
    ]
    return make_series_set(series, static=("floors", "place", "rating"))


def test_columns_are_standardised_by_all_training_parts_together(shops: SeriesSet) -> None:
    covariates = Covariates.fit(shops, BOUNDS, calendar=False)
    past, ahead = (
        np.concatenate([getattr(series, part)[: own.train] for series, own in zip(shops.series, BOUNDS)])
        for part in ("past", "ahead")
    )
    series = shops.series[1]
    numbers = covariates.of_steps(series, shops.frequency, 23)
    assert numbers.dtype == np.float32
    assert_allclose(numbers[:20, :2], (series.past - past.mean(axis=0)) / past.std(axis=0), rtol=1e-5, atol=1e-6)
    assert_allclose(numbers[:, 2:], (series.ahead[:23] - ahead.mean()) / ahead.std(), rtol=1e-5, atol=1e-6)
    assert np.isnan(numbers[20:, :2]).all()  # steps to come
    assert (covariates.past_size, covariates.ahead_size) == (2, 1)


def test_training_alone_tells_the_numbers(shops: SeriesSet) -> None:
    before = Covariates.fit(shops, BOUNDS).to_json()
    for series, own in zip(shops.series, BOUNDS):
        series.past[own.train :], series.ahead[own.train :] = 1e6, np.nan
    assert Covariates.fit(shops, BOUNDS).to_json() == before
    shops.series[0].past[BOUNDS[0].train - 1] = 1e6
    assert Covariates.fit(shops, BOUNDS).to_json() != before


def test_the_calendar_stands_behind_the_columns_known_ahead(shops: SeriesSet) -> None:
    covariates = Covariates.fit(shops, BOUNDS)
    series = shops.series[0]
    numbers = covariates.of_steps(series, shops.frequency, 50)
    times = np.arange(np.datetime64("2024-01-01T00"), np.datetime64("2024-01-03T02")).astype("datetime64[us]")
    expected = calendar_features(times, covariates.calendar)
    assert_array_equal(numbers[:, 3:], expected)
    assert covariates.calendar == calendar_names(shops.frequency, BOUNDS[0].train)
    assert covariates.ahead_size == 1 + expected.shape[1]
    assert np.isnan(numbers[46:, 2]).all()  # the column itself is known of 46 steps alone


@pytest.mark.parametrize("frequency", ["1y", "1"])
def test_no_calendar_where_nothing_differs(frequency: str, make_series: MakeSeries, make_series_set: MakeSet) -> None:
    start = 0 if frequency == "1" else np.datetime64("2024-01-01", "us")
    made = make_series_set([make_series(np.arange(9), start=start)], frequency=frequency)
    assert Covariates.fit(made, [Bounds(5, 7, 9)]).ahead_size == 0
    assert Covariates.fit(made, [Bounds(5, 7, 9)], calendar=False).ahead_size == 0
    with pytest.raises(
        SettingsError, match=f"option 'calendar'.*made.csv.* frequency of {frequency}; leave the option"
    ):
        Covariates.fit(made, [Bounds(5, 7, 9)], calendar=True)


def test_static_columns(shops: SeriesSet) -> None:
    covariates = Covariates.fit(shops, BOUNDS)
    assert covariates.static == (
        StaticColumn("floors", None, 5.0, 2.0),
        StaticColumn("place", ("north", "south")),
        StaticColumn("rating", None, 2.5, 1.0),
    )
    assert covariates.of_series(shops).tolist() == [[-1, 1, 0, 0], [1, 0, 1, 0]]
    assert covariates.static_size == 4


def test_static_values_that_training_had_not(
    shops: SeriesSet, make_series: MakeSeries, make_series_set: MakeSet, caplog: pytest.LogCaptureFixture
) -> None:
    covariates = Covariates.fit(shops, BOUNDS)
    names = ("floors", "place", "rating")
    new = make_series_set([make_series([1], static=("9", "west", "")) for _ in range(3)], static=names)
    assert covariates.of_series(new).tolist() == [[2, 0, 0, 0]] * 3
    assert caplog.messages == ["made.csv: never seen in training, so nothing is known of:\n  place 'west'"]
    wrong = [make_series([1], f"s{value}", static=(value, "north", "1")) for value in ("3", "many", "inf")]
    with pytest.raises(DataError, match=r"numbers in column 'floors'.*found:\n  'smany': 'many'\n  'sinf': 'inf'\n"):
        covariates.of_series(make_series_set(wrong, static=names))


def test_columns_that_never_vary_are_named(
    make_series: MakeSeries, make_series_set: MakeSet, caplog: pytest.LogCaptureFixture
) -> None:
    rows = np.full((10, 2), 0.1)
    rows[:, 1] = np.arange(10)
    rows[8:, 0] = 5.1
    made = make_series_set([make_series(np.arange(10), past=rows)])
    numbers = Covariates.fit(made, [Bounds(6, 8, 10)], calendar=False).of_steps(made.series[0], made.frequency, 10)
    assert numbers[:, 0].tolist() == [0] * 8 + [5, 5]
    assert caplog.messages == ["made.csv: columns that never vary in training teach nothing: 'p0'"]


def test_json_keeps_every_bit(shops: SeriesSet) -> None:
    for calendar in (True, False):
        covariates = Covariates.fit(shops, BOUNDS, calendar)
        assert Covariates.from_json(json.loads(json.dumps(covariates.to_json()))) == covariates


def test_nothing_beside_the_variables(make_series: MakeSeries, make_series_set: MakeSet) -> None:
    made = make_series_set([make_series(np.arange(9)), make_series(np.arange(9), "b")])
    covariates = Covariates.fit(made, [Bounds(5, 7, 9)] * 2, calendar=False)
    assert covariates.of_steps(made.series[0], made.frequency, 12).shape == (12, 0)
    assert covariates.of_series(made).shape == (2, 0)
