"""The bundled sea temperatures: whole, regular, and as their page says."""

from __future__ import annotations

import re
from datetime import date
from importlib.resources import files

import numpy as np
import polars as pl
import pytest

from recurra.config import make_run_config
from recurra.data.bundled import sea_temperature_path
from recurra.data.series import load_series

REGIONS = ["Nino 1+2", "Nino 3", "Nino 3.4", "Nino 4"]


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    return pl.read_csv(sea_temperature_path(), try_parse_dates=True)


def test_each_region_has_each_month_once(rows):
    months = [date(year, month, 1) for year in range(1950, 2011) for month in range(1, 13)]
    assert rows.columns == ["unique_id", "ds", "y"]
    assert rows["unique_id"].to_list() == [region for region in REGIONS for _ in months]
    assert rows["ds"].to_list() == months * len(REGIONS)
    assert rows["y"].is_not_null().all()


def test_the_figures_are_those_of_the_source(rows):
    """El Ninos of 1982 and 1997 are the warmest months off Peru; January 1950 and December 2010 as NOAA has them."""
    values = rows["y"].to_numpy().reshape(len(REGIONS), -1)
    assert values[:, 0].tolist() == [23.11, 23.74, 24.83, 27.03]
    assert values[:, -1].tolist() == [22.07, 24.00, 25.29, 27.54]
    january_1998 = 12 * 48
    warmest = np.sort(np.argsort(values[0])[-4:])
    assert ((np.abs(warmest - january_1998) < 6) | (np.abs(warmest - 12 * 33) < 6)).all()


def test_the_page_has_their_ranges(rows):
    page = (files("recurra.data.bundled") / "README.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| `(Nino [\d.+]+)` \| [^|]+ \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", page, re.MULTILINE)
    found = rows.group_by("unique_id", maintain_order=True).agg(mean=pl.mean("y"), low=pl.min("y"), high=pl.max("y"))
    assert told == [(name, *(f"{value:.2f}" for value in values)) for name, *values in found.rows()]


def test_they_are_read_without_being_told_anything():
    series = load_series(make_run_config("forecast", data=str(sea_temperature_path())).data)
    assert [each.id for each in series.series] == REGIONS
    assert (str(series.frequency), series.frequency.season()) == ("1mo", 12)
    assert all(each.target.shape == (732, 1) for each in series.series)
