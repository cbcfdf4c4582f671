"""Forecasting: nothing off by one, nothing of the future, and scores that are what a computation by hand says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from recurra.checkpoint import read_model
from recurra.config import make_run_config
from recurra.errors import DataError, SettingsError
from recurra.fit import Callback, fit
from recurra.forecast_scores import seasonal_error
from recurra.nn.outputs import LEVELS
from recurra.tasks.forecast import Forecast

SMALL: dict[str, Any] = {"hidden_size": 4, "horizon": 3, "window": 8, "season": 6, "epochs": 1, "windows": 64}
NOTHING_LEARNT = {"epochs": 1, "windows": 1}
OUTPUTS = ["point", "gaussian", "student-t", "quantiles", "negative-binomial"]


def sines(steps: int, phase: float = 0.0) -> np.ndarray[Any, Any]:
    """y[t] is a linear map of y[t - 1] to y[t - 4], whatever the phase."""
    t = np.arange(steps) + phase
    return 5 + np.sin(2 * np.pi * t / 6) + 0.5 * np.cos(2 * np.pi * t / 9)


def write(path: Path, columns: dict[str, Any]) -> Path:
    """A CSV file of columns, whose times are the row numbers where none is called ds."""
    columns = columns if "ds" in columns else {"t": range(len(next(iter(columns.values())))), **columns}
    rows = zip(*columns.values(), strict=True)
    path.write_text("".join(f"{','.join(map(str, row))}\n" for row in [tuple(columns), *rows]))
    return path


def make(path: Path, **options: Any) -> Forecast:
    """A forecaster of a file that has not learnt yet."""
    return Forecast.from_data(make_run_config("forecast", data=str(path), **{**SMALL, **options}))


def shaken(path: Path, **options: Any) -> Forecast:
    """One whose weights are no longer those that a layer begins with, some of them zero."""
    task = make(path, **options)
    chance = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in task.network.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=chance))
    return task


def answers(task: Forecast, *paths: Path, **options: Any) -> list[dict[str, Any]]:
    lines = "".join(task.predict([str(path) for path in paths], **options)).splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("variables", ["separate", "together"])
def test_a_recurrence_is_forecast_exactly_by_the_map_that_it_is(variables: str, tmp_path: Path) -> None:
    values = {"a": sines(103), "b": 3 * sines(103, 2.0) - 40}
    path = write(tmp_path / "a.csv", {name: column[:100] for name, column in values.items()})
    task = make(path, variables=variables, output="point", instance_norm=False)
    known = sines(80)  # in no units: of any sum of sines and a constant the same map is true
    pasts, later = (np.stack([known[n + first : n + last] for n in range(60)]) for first, last in ((0, 8), (8, 11)))
    weights = np.linalg.lstsq(pasts, later, rcond=None)[0]
    own = task.network.linear
    assert isinstance(own, torch.nn.Linear)
    with torch.no_grad():
        for parameter in task.network.parameters():
            parameter.zero_()
        own.weight.copy_(torch.from_numpy(weights.T))
    name = "variable" if variables == "together" else "unique_id"
    found = answers(task, path)
    assert [row["ds"] for row in found if row[name] == "a"] == ["100", "101", "102"]
    for column, truth in values.items():
        assert [row["y"] for row in found if row[name] == column] == pytest.approx(truth[100:].tolist(), rel=1e-5)
    assert task.data is not None
    scores = task.evaluate(task.data.held_out["test"], task.fit_baseline())
    assert scores["model"]["mae_scaled"]["value"] < 1e-5
    assert scores["baselines"]["last value"]["mae_scaled"]["value"] > 0.3


PATTERN = [0.0, 3.0, 1.0, 4.0, 2.0]  # after each value comes another by 2 or more


@pytest.mark.parametrize(("decoder", "variables"), [("direct", "separate"), ("autoregressive", "together")])
def test_a_recurrence_is_learnt_from_a_file_and_goes_on(decoder: str, variables: str, tmp_path: Path) -> None:
    values = {"a": np.resize(PATTERN, 148), "b": 100 - 10 * np.resize(PATTERN, 150)[2:]}
    path = write(tmp_path / "a.csv", {name: column[:145] for name, column in values.items()})
    more = {"hidden_size": 16, "epochs": 30, "windows": 200, "batch_size": 32, "dropout": 0.0, "learning_rate": 0.02}
    config = make_run_config(
        "forecast", data=str(path), **{**SMALL, **more, "decoder": decoder, "variables": variables}
    )
    fit(config, tmp_path / "m")
    task = read_model(tmp_path / "m").task
    assert isinstance(task, Forecast)
    found = answers(task, path)
    name = "variable" if variables == "together" else "unique_id"
    for column, truth in values.items():
        own = [row["y"] for row in found if row[name] == column]
        np.testing.assert_allclose(own, truth[145:], atol=0.2 * truth.std())
    metrics = json.loads((tmp_path / "m" / "metrics.json").read_text())
    assert metrics["test"]["model"]["mae_scaled"]["value"] < 0.1
