"""Series divided by time."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from recurra.config import ForecastDataConfig
from recurra.data.series import Series, SeriesSet
from recurra.data.series_parts import Bounds, divide
from recurra.errors import DataError, SettingsError

MakeSeries = Callable[..., Series]
MakeSet = Callable[..., SeriesSet]


def config(**options: Any) -> ForecastDataConfig:
    return ForecastDataConfig(data="made.csv", **options)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, Bounds(80, 90, 100)),
        ({"valid_share": 0.2, "test_share": 0.25}, Bounds(55, 75, 100)),
        ({"test_share": 0.0}, Bounds(90, 100, 100)),
        ({"test_steps": 0}, Bounds(90, 100, 100)),
        ({"valid_steps": 7, "test_steps": 6}, Bounds(87, 94, 100)),
        ({"test_steps": 12}, Bounds(78, 88, 100)),
        ({"valid_steps": 12, "test_share": 0.9, "valid_share": 0.9}, None),
    ],
)
def test_the_parts_follow_one_another(
    options: dict[str, Any], expected: Bounds | None, make_series: MakeSeries, make_series_set: MakeSet
) -> None:
    made = make_series_set([make_series(np.arange(100))])
    if expected is None:
        with pytest.raises(DataError, match="0 for training, 12 for validation, 90 for test"):
            divide(made, config(**options), 5)
        return
    assert divide(made, config(**options), 5) == [expected]
    assert sum(expected.sizes()) == expected.end == 100


def test_each_series_is_divided_by_itself(make_series: MakeSeries, make_series_set: MakeSet) -> None:
    made = make_series_set([make_series(np.arange(count), f"s{count}") for count in (20, 200, 35)])
    assert divide(made, config(), 2) == [Bounds(16, 18, 20), Bounds(160, 180, 200), Bounds(27, 31, 35)]


def test_what_is_too_short_is_listed_together(make_series: MakeSeries, make_series_set: MakeSet) -> None:
    lengths = {"fits": 30, "no-training": 11, "barely": 14, "nothing": 3}
    made = make_series_set([make_series(np.arange(count), name) for name, count in lengths.items()])
    with pytest.raises(DataError) as caught:
        divide(made, config(valid_steps=4, test_steps=4), 4)
    message = str(caught.value)
    assert message.startswith(
        "made.csv: to forecast 4 steps, expected of each series at least 5 for training, 4 for validation, 4 for test; "
        "found 2 of 4 series too short:\n"
        "  'no-training': 11 steps, 3 for training, 4 for validation, 4 for test\n"
        "  'nothing': 3 steps, 0 for training, 4 for validation, 4 for test\n"
    )
    assert "--horizon" in message
    made = make_series_set([make_series(np.arange(count)) for count in (13, 200)])
    assert divide(made, config(valid_steps=4, test_steps=4), 4)[0] == Bounds(5, 9, 13)  # what it takes, and no more


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"valid_steps": 4}, "88 for training, 4 for validation, 8 for test"),
        ({"test_steps": 4}, "88 for training, 8 for validation, 4 for test"),
        ({"valid_share": 0.04, "test_share": 0.001}, "96 for training, 4 for validation, 0 for test"),
    ],
)
def test_a_horizon_longer_than_a_part(
    options: dict[str, Any], found: str, make_series: MakeSeries, make_series_set: MakeSet
) -> None:
    shares = {"valid_share": 0.08, "test_share": 0.08} | options
    with pytest.raises(DataError, match=f"'a': 100 steps, {found}"):
        divide(make_series_set([make_series(np.arange(100))]), config(**shares), 5)


def test_shares_that_leave_nothing(make_series: MakeSeries, make_series_set: MakeSet) -> None:
    with pytest.raises(SettingsError, match=r"a sum below 1, found 0\.5 \+ 0\.5"):
        divide(make_series_set([make_series(np.arange(100))]), config(valid_share=0.5, test_share=0.5), 1)


def test_what_is_where_is_said(
    make_series: MakeSeries, make_series_set: MakeSet, caplog: pytest.LogCaptureFixture
) -> None:
    later = np.datetime64("2024-01-02T00:00:00", "us")
    made = make_series_set([make_series(np.arange(40)), make_series(np.arange(20), "b", start=later)])
    with caplog.at_level(logging.INFO, "recurra"):
        divide(made, config(test_steps=5, valid_steps=3), 2)
    # b has its training from midnight of the 2nd to 11 o'clock; a's goes on to 7 o'clock of that day.
    assert caplog.messages == [
        "made.csv: training: 44 steps of 2 series, 2024-01-01 to 2024-01-02 11:00:00",
        "made.csv: validation: 6 steps of 2 series, 2024-01-02 08:00:00 to 2024-01-02 14:00:00",
        "made.csv: test: 10 steps of 2 series, 2024-01-02 11:00:00 to 2024-01-02 19:00:00",
    ]
    caplog.clear()
    with caplog.at_level(logging.INFO, "recurra"):
        divide(make_series_set([make_series(np.arange(40), start=10)], frequency="2"), config(test_share=0), 2)
    assert caplog.messages == ["made.csv: training: 36 steps, 10 to 80", "made.csv: validation: 4 steps, 82 to 88"]
