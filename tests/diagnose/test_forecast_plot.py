"""The pictures of forecasts: what stands in them, and what they are named."""

from __future__ import annotations

import logging
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from recurra.diagnose import forecast_plot
from recurra.diagnose.forecast_plot import draw_forecast, forecast_pictures
from recurra.errors import OutputError, ShapeError
from recurra.pages.drawing import STYLES
from recurra.tasks.forecast_lines import SeriesForecast

SVG = "{http://www.w3.org/2000/svg}"
LEVELS = (0.025, 0.1, 0.5, 0.9, 0.975)
HOURS = np.datetime64("2017-10-20T00:00:00.000000") + np.arange(2000) * np.timedelta64(1, "h")


def made_up(name="ETTh1/OT", variables=("OT (°C)",), steps=100, horizon=24, times=HOURS, **others):
    rng = np.random.default_rng(0)
    past, mean = (rng.normal(size=(count, len(variables))) for count in (steps, horizon))
    quantiles = mean[..., np.newaxis] + np.array([-2, -1, 0, 1, 2.0])
    found = SeriesForecast(
        name, variables, times[:steps], past, times[steps : steps + horizon], mean, quantiles, LEVELS, mean + 0.5
    )
    return found._replace(**others)


def texts_of(svg):
    return [found.strip() for found in ElementTree.fromstring(svg.encode()).itertext() if found.strip()]


def lines_of(svg, colour):
    """The points of each line of a colour, in the picture's units."""
    found = []
    for path in re.findall(r"<path [^>]*?/>", svg, re.DOTALL):
        if "clip-path" in path and "fill: none" in path and f"stroke: {colour}" in path:
            found.append(np.array(re.findall(r"[ML] ([\d.-]+) ([\d.-]+)", path), float))
    return found


def test_what_stands_in_it():
    svg = draw_forecast(made_up(), time="date (UTC)")
    found = texts_of(svg)
    assert found[0].startswith(
        "Forecast of ETTh1/OT, 24 steps from 2017-10-24 04:00 to 2017-10-25 03:00: the past, the mean forecast, "
        "its 80 % and 95 % intervals, what came. Mean at the end: OT (°C) "
    )
    assert {"ETTh1/OT", "OT (°C)", "date (UTC)", "past", "what came", "mean forecast"} <= set(found)
    assert {"80 % interval", "95 % interval", "2017-Oct"} <= set(found)
    root = ElementTree.fromstring(svg)
    assert root.get("role") == "img"
    assert root[0].tag == f"{SVG}title"
    assert "var(--gru)" in svg
    assert not [style for style in STYLES.values() if style.light in svg]  # the page's style sheet has the colours


def test_lines_are_where_the_numbers_are():
    forecast = made_up()
    svg = draw_forecast(forecast)
    (mean,) = lines_of(svg, "var(--gru)")
    past, truth = (line for line in lines_of(svg, "currentColor") if len(line) > 2)  # and where the forecast begins
    assert len(past) == 72  # three times the horizon
    assert len(mean) == len(truth) == 25
    np.testing.assert_allclose(mean[0], past[-1], atol=0.01)
    shown = np.concatenate([past[:, 1], mean[1:, 1], truth[1:, 1]])
    values = np.concatenate([forecast.past[-72:, 0], forecast.mean[:, 0], forecast.truth[:, 0]])
    slope, level = np.polyfit(values, shown, 1)
    np.testing.assert_allclose(shown, slope * values + level, atol=0.01)
    assert slope < 0  # what is more stands higher
    np.testing.assert_allclose(np.diff(np.concatenate([past[:, 0], mean[1:, 0]])), np.diff(past[:2, 0])[0], atol=0.01)


def test_without_truth_and_intervals():
    found = texts_of(draw_forecast(made_up(truth=None, quantiles=None)))
    assert not {"what came", "80 % interval", "95 % interval"} & set(found)
    assert found[0].split(": ")[1].startswith("the past, the mean forecast. Mean")


@pytest.mark.parametrize(("steps", "horizon"), [(1, 1), (1, 24), (30, 1), (1000, 700)])
@pytest.mark.parametrize("times", [HOURS, np.arange(2000)], ids=["hours", "numbers"])
def test_any_number_of_steps(steps, horizon, times):
    forecast = made_up(steps=steps, horizon=horizon, times=times)
    assert texts_of(draw_forecast(forecast))[0].startswith(
        f"Forecast of ETTh1/OT, {'1 step' if horizon == 1 else f'{horizon} steps'} from "
    )


def test_whole_numbers_and_missing_values():
    forecast = made_up(times=np.arange(2000))
    forecast.past[-20:-10] = np.nan
    forecast.truth[5:] = np.nan
    found = texts_of(draw_forecast(forecast))
    assert "24 steps from 100 to 123" in found[0]
    assert 100 < max(int(text) for text in found if text.isdigit()) <= 125


def test_a_panel_for_each_of_the_first_variables(monkeypatch):
    assert forecast_plot._MOST_PANELS == 8
    monkeypatch.setattr(forecast_plot, "_MOST_PANELS", 2)
    names = [f"variable {number}" for number in range(3)]
    found = texts_of(draw_forecast(made_up(variables=names, steps=20, horizon=3)))
    assert [name in found for name in names] == [True, True, False]
    assert "ETTh1/OT (the first 2 of 3 variables)" in found
    assert found.count("past") == 1


@pytest.mark.parametrize("name", ["$x_1$ <b> & \\frac", "日本", "a\x07b\x00\uffff"])
def test_names_are_shown_as_they_are(name):
    shown = re.sub("[\x00-\x1f\uffff]", "\ufffd", name)
    svg = draw_forecast(made_up(name=name, variables=(name,), steps=3, horizon=2), time=name)
    assert texts_of(svg).count(shown) == 3
    assert shown in texts_of(svg)[0]


def test_a_file_a_series(tmp_path):
    folder = tmp_path / "new" / "pictures"
    names = ["shop 7/sales", "../..", "é" + "x" * 300]
    paths = forecast_pictures((made_up(name=name, steps=3, horizon=2) for name in names), folder)
    assert [path.name for path in paths] == ["01-shop-7-sales.svg", "02.svg", f"03-{'x' * 60}.svg"]
    assert sorted(folder.iterdir()) == paths
    text = paths[0].read_text(encoding="utf-8")
    root = ElementTree.fromstring(text.encode())
    assert root[0].text.startswith("Forecast of shop 7/sales")
    assert root[1].get("fill") == "white"
    assert float(root.get("width").removesuffix("pt")) > 500
    assert "var(" not in text
    assert "currentColor" not in text
    assert STYLES["gru"].light in text


def test_at_most_fifty_are_written_and_that_is_said(tmp_path, monkeypatch, caplog):
    assert forecast_plot.MOST_PICTURES == 50
    monkeypatch.setattr(forecast_plot, "MOST_PICTURES", 2)
    asked = iter([made_up(steps=3, horizon=2)] * 4)
    with caplog.at_level(logging.INFO, "recurra"):
        assert len(forecast_pictures(asked, tmp_path)) == 2
    assert caplog.messages == [f"{tmp_path}: pictures of the first 2 series; there are more"]
    assert len([*asked]) == 1
    caplog.clear()
    assert len(forecast_pictures(asked, tmp_path)) == 0
    assert not caplog.messages


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="file: cannot be written"):
        forecast_pictures([made_up()], tmp_path / "file")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"past": np.zeros((99, 1))}, r"ETTh1/OT, past: expected \(100, 1\), got \(99, 1\)"),
        ({"mean": np.zeros((24, 2))}, r"mean: expected \(24, 1\)"),
        ({"truth": np.zeros((23, 1))}, r"truth: expected \(24, 1\)"),
        ({"quantiles": np.zeros((24, 1, 4))}, r"quantiles: expected \(24, 1, 5\)"),
        ({"levels": (0.1, 0.2, 0.5, 0.7, 0.9)}, r"levels: expected 0\.025 among them"),
        ({"times": HOURS[:0], "past": np.zeros((0, 1))}, "expected a past, steps to come and variables"),
    ],
)
def test_what_cannot_be_drawn(change, message):
    with pytest.raises(ShapeError, match=message):
        draw_forecast(made_up()._replace(**change))
