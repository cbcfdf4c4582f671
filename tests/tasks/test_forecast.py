"""Forecasting against recurrences that are known and scores by hand; nothing to come enters what is forecast."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from recurra.checkpoint import read_model
from recurra.config import make_run_config
from recurra.fit import fit
from recurra.nn.outputs import LEVELS
from recurra.tasks.forecast import Forecast
from recurra.tasks.forecast_facts import ForecastFacts
from recurra.tasks.forecast_windows import ForecastExamples
from recurra.train import Callback, StepRecord, train

Array = NDArray[np.float64]

SMALL: dict[str, Any] = {
    "horizon": 3,
    "window": 12,
    "season": 6,
    "hidden_size": 4,
    "dropout": 0.0,
    "epochs": 1,
    "batch_size": 16,
    "device": "cpu",
}
OUTPUTS = ("point", "gaussian", "student-t", "quantiles")
COUNTS = {"output": "negative-binomial"}


def wave(steps: int, first: int = 0, seed: int = 0) -> Array:
    """A season of 6 steps, a trend, and noise."""
    time, noise = np.arange(steps) + first, np.random.default_rng([seed, first]).normal(size=steps)
    return 40 + 8 * np.sin(time * np.pi / 3 + seed) + 0.05 * time + noise


def write(path: Path, columns: Mapping[str, Sequence[Any]]) -> Path:
    """Rows of columns, with whole numbers for the time `ds` where it is not told; NaN is an empty field."""
    columns = columns if "ds" in columns else {"ds": range(len(next(iter(columns.values())))), **columns}
    lines = [",".join(columns)]
    for row in zip(*columns.values(), strict=True):
        lines.append(",".join("" if isinstance(v, float) and np.isnan(v) else str(v) for v in row))
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def make(path: Path, **options: Any) -> Forecast:
    return Forecast.from_data(make_run_config("forecast", data=str(path), **{**SMALL, **options}))


def trained(path: Path, **options: Any) -> Forecast:
    task = make(path, **options)
    train(task)
    return task


def shaken(task: Forecast) -> Forecast:
    """Not trained, but with weights large enough to have opinions."""
    chance = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in task.network.parameters():
            parameter.add_(0.5 * torch.randn(parameter.shape, generator=chance))
    return task


def rows(task: Forecast, path: Path, **options: Any) -> list[dict[str, Any]]:
    """The answers to a file."""
    return [json.loads(line) for lines in task.predict([str(path)], **options) for line in lines.splitlines()]


def ahead(task: Forecast, path: Path, **options: Any) -> Array:
    """The mean forecasts of a file of series, [series, H, C]."""
    return task.next(task.load(str(path)), **options).mean


# nothing is off by one


def swing(time: Array | range, phase: float = 0.0) -> Array:
    """y[t] = 2 cos(0.7) y[t - 1] - y[t - 2], exactly."""
    return 30 * np.sin(0.7 * np.asarray(time) + phase)


@pytest.mark.parametrize("scaling", ["none", "mean"])
@pytest.mark.parametrize("variables", ["separate", "together"])
def test_a_known_recurrence_is_forecast_exactly(variables: str, scaling: str, tmp_path: Path) -> None:
    """The linear map of the window is told the recurrence; all else of the network says nothing."""
    data = write(tmp_path / "a.csv", {"x": swing(range(100)), "z": swing(range(100), 1.0)})
    task = make(data, variables=variables, scaling=scaling, instance_norm=False, output="point", horizon=5)
    with torch.no_grad():
        for parameter in task.network.parameters():
            parameter.zero_()
        for step in range(1, 6):  # sin((h + 1) w) y[T] - sin(h w) y[T - 1], over sin(w)
            task.network.linear.weight[step - 1, -1] = np.sin((step + 1) * 0.7) / np.sin(0.7)  # type: ignore[union-attr]
            task.network.linear.weight[step - 1, -2] = -np.sin(step * 0.7) / np.sin(0.7)  # type: ignore[union-attr]
    for row in rows(task, data):
        expected = swing(range(100, 105), 1.0 if "z" in (row.get("variable"), row["unique_id"]) else 0.0)
        assert row["y"] == pytest.approx(expected[int(row["ds"]) - 100], abs=1e-4)
    for part, examples in task.held_out().items():
        scores = task.evaluate(examples, task.fit_baseline())
        assert scores["model"]["mae"]["value"] < 1e-4, part
        assert scores["baselines"]["last value"]["mae"]["value"] > 10
        assert scores["origins"] == (10 - 5 + 1) * (2 if variables == "separate" else 1)


@pytest.mark.parametrize("variables", ["separate", "together"])
@pytest.mark.parametrize("decoder", ["direct", "autoregressive"])
def test_a_known_recurrence_is_learnt(decoder: str, variables: str, tmp_path: Path) -> None:
    """A step too early or too late would err by half of the swing."""
    time = np.arange(150)
    data = write(tmp_path / "a.csv", {"x": 50 + swing(time), "z": 100 + swing(time, 1.0)})
    more = {"output": "point", "segment": 3} if decoder == "direct" else {"output": "gaussian"}
    told: dict[str, Any] = {"epochs": 20 if variables == "separate" else 35, "hidden_size": 16, "learning_rate": 0.02}
    config = make_run_config("forecast", data=str(data), decoder=decoder, variables=variables, **SMALL | told | more)
    found = rows(fit(config, tmp_path / "m").task, data)  # type: ignore[arg-type]
    errors = []
    for row in found:
        shift, phase = (100, 1.0) if "z" in (row.get("variable"), row["unique_id"]) else (50, 0.0)
        errors.append(row["y"] - shift - swing(range(150, 153), phase)[int(row["ds"]) - 150])
    assert len(errors) == 6
    assert np.abs(errors).max() < (2 if decoder == "direct" else 6), errors


# nothing to come enters


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"decoder": "autoregressive", "instance_norm": False},
        {"output": "point", "scaling": "mean", "fill": "linear"},
        {"output": "quantiles", "fill": "previous", "variables": "together"},
        COUNTS | {"fill": "zero"},
    ],
    ids=str,
)
def test_what_comes_in_the_test_part_enters_no_scale_and_no_weight(options: dict[str, Any], tmp_path: Path) -> None:
    values = np.round(np.stack([wave(100), wave(100, seed=1)]))
    values[0, [30, 31, 89]] = np.nan  # the last is a gap at the end of what comes before the test
    other = values.copy()
    other[:, 90:] = np.round(500 + 100 * np.random.default_rng(0).random((2, 10)))
    beside = {"p": wave(100, seed=2), "f": wave(100, seed=3)}
    changed = {name: np.where(np.arange(100) < 90, column, -column) for name, column in beside.items()}
    found = []
    for name, (x, z), more in (("a.csv", values, beside), ("b.csv", other, changed)):
        path = write(tmp_path / name, {"x": x, "z": z, **more})
        columns = {"target_columns": "x,z", "past_columns": "p", "future_columns": "f"}
        found.append(trained(path, **options | columns | {"epochs": 2}))
    one, two = found
    assert json.dumps(one.facts()) == json.dumps(two.facts())
    for name, weight in one.network.state_dict().items():
        assert torch.equal(weight, two.network.state_dict()[name]), name
    for mine, theirs in zip(one.fit_baseline().tensors().values(), two.fit_baseline().tensors().values(), strict=True):
        assert torch.equal(mine, theirs)
    assert one.validate() == two.validate()


@pytest.mark.parametrize("options", [{}, {"decoder": "autoregressive", "output": "gaussian"}, COUNTS], ids=str)
@pytest.mark.parametrize("name", ["a", "b"], ids=["of training", "new"])
def test_what_comes_enters_no_forecast(options: dict[str, Any], name: str, tmp_path: Path) -> None:
    values, beside = np.round(wave(60)), wave(60, seed=1)
    told = {"unique_id": ["a"] * 60, "y": values, "p": beside}
    task = shaken(make(write(tmp_path / "a.csv", told), past_columns="p", **options))
    for origin in (20, 40, 57):
        found = []
        for later in (0, 7):
            after = later * (np.arange(60) >= origin)
            told = {"unique_id": [name] * 60, "y": values + after, "p": beside - after}
            series = task.load(str(write(tmp_path / "b.csv", told)))
            windows = task.windows(ForecastExamples(series, [(origin, origin + 3)]))
            found.append(task.forecasts(windows))
        np.testing.assert_array_equal(found[0].mean, found[1].mean)
        assert found[0].quantiles is not None
        assert found[1].quantiles is not None
        np.testing.assert_array_equal(found[0].quantiles, found[1].quantiles)
        before = ForecastExamples(series, [(origin - 1, origin + 2)])  # what came before does
        assert (task.forecasts(task.windows(before)).mean != found[1].mean).any()


# scores by hand


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"decoder": "autoregressive", "output": "gaussian"},
        {"output": "point", "scaling": "mean"},
        COUNTS | {"variables": "together"},
    ],
    ids=str,
)
def test_scores_are_those_of_what_is_forecast_from_each_origin(options: dict[str, Any], tmp_path: Path) -> None:
    """The forecasts are those of files that end at each origin; the scores are counted here."""
    values = {"x": np.round(wave(80)), "z": np.round(2 * wave(80, seed=1))}
    data = write(tmp_path / "a.csv", values)
    task, draws = shaken(make(data, **options)), {"draws": 20} if "decoder" in options else {}
    scores = task.evaluate(task.held_out()["test"], task.fit_baseline(), **draws)
    truth = np.stack([*values.values()])  # [2, T]
    errors, scaled, seasonal, symmetric, inside, pinball, naive, a_season_before = ([] for _ in range(8))
    training = truth[:, :64]
    deviation, unit = training.std(1), np.abs(training[:, 6:] - training[:, :-6]).mean(1)
    for origin in range(72, 78):
        cut = task.load(str(write(tmp_path / "cut.csv", {name: v[:origin] for name, v in values.items()})))
        found = task.next(cut, **draws)
        mean = np.moveaxis(found.mean, 2, 1).reshape(2, 3)
        error = truth[:, origin : origin + 3] - mean
        errors.append(error)
        scaled.append(error / deviation[:, None])
        seasonal.append(np.abs(error) / unit[:, None])
        symmetric.append(2 * np.abs(error) / (np.abs(mean) + np.abs(truth[:, origin : origin + 3])))
        naive.append(truth[:, origin : origin + 3] - truth[:, origin - 1 : origin])
        a_season_before.append(truth[:, origin : origin + 3] - truth[:, origin - 6 : origin - 3])
        if found.quantiles is not None:
            levels = np.moveaxis(found.quantiles, 2, 1).reshape(2, 3, -1).astype(float)
            came = truth[:, origin : origin + 3, None]
            low, high = levels[..., LEVELS.index(0.1)], levels[..., LEVELS.index(0.9)]
            inside.append((low <= came[..., 0]) & (came[..., 0] <= high))
            for level in np.arange(1, 20) / 20:
                miss = came - levels[..., [LEVELS.index(round(level, 2))]]
                pinball.append(np.maximum(level * miss, (level - 1) * miss))
    by_hand = {
        "mae": np.abs(errors).mean(),
        "rmse": np.sqrt(np.square(errors).mean()),
        "mse_scaled": np.square(scaled).mean(),
        "mae_scaled": np.abs(scaled).mean(),
        "mase": np.mean(seasonal),
        "smape": np.mean(symmetric),
        "crps": 2 * np.mean(pinball) if pinball else np.abs(errors).mean(),
    }
    if inside:
        by_hand["coverage_80"] = np.mean(inside)
    for name, value in by_hand.items():
        assert scores["model"][name]["value"] == pytest.approx(value, rel=1e-5), name
    assert scores["model"]["by_step"]["mae"] == pytest.approx(np.abs(errors).mean((0, 1)), rel=1e-5)
    assert ("coverage_80" in scores["model"]) == bool(inside)
    for name, found_errors in (("last value", naive), ("seasonal naive", a_season_before)):
        assert scores["baselines"][name]["mae"]["value"] == pytest.approx(np.abs(found_errors).mean(), rel=1e-5)
    assert scores["origins"] == (6 if "variables" in options else 12)
    strided = task.evaluate(task.held_out()["test"], task.fit_baseline(), stride=5, **draws)
    assert strided["model"]["mae"]["value"] == pytest.approx(np.abs([errors[0], errors[5]]).mean(), rel=1e-5)


def test_no_filled_value_is_scored_and_windows_that_are_left_out_are_counted(tmp_path: Path) -> None:
    values = wave(100)
    values[[20, 95]] = np.nan
    found, learnt_from = {}, {}
    for fill in ("none", "previous"):
        task = make(write(tmp_path / "a.csv", {"y": values}), fill=fill)
        assert task.data is not None
        scores = found[fill] = task.evaluate(task.held_out()["test"], task.fit_baseline())
        assert scores["origins"] + scores["left_out"] == 8
        learnt_from[fill] = len(task.data.train)
    assert [found[fill]["origins"] for fill in found] == [3, 5]  # origins 90 to 92; filled, also 96 and 97
    assert learnt_from == {"none": 77 - 15, "previous": 77}  # what was put there may teach


def test_validation_is_the_mean_loss_by_hand(tmp_path: Path) -> None:
    task = shaken(make(write(tmp_path / "a.csv", {"y": wave(120)}), output="point", dropout=0.5))
    assert task.data is not None
    windows = task.data.valid
    task.network.eval()
    with torch.no_grad():
        losses = [float(task.network(windows.batch(np.array([n])))) for n in range(len(windows))]
    task.network.train()
    loss, score, _ = task.validate()
    assert task.network.training
    assert (loss, score) == (pytest.approx(np.mean(losses), rel=1e-5), pytest.approx(-np.mean(losses), rel=1e-5))
    scores = task.evaluate(task.held_out()["valid"], task.fit_baseline())
    assert scores["model"]["mse_scaled"]["value"] == pytest.approx(loss, rel=1e-4)  # in deviations of training too


# scaling is undone


@pytest.mark.parametrize("options", [{}, {"decoder": "autoregressive"}, {"output": "quantiles"}], ids=str)
@pytest.mark.parametrize("shift", [0.0, -1e3, 1e9])
def test_series_of_other_units_are_forecast_in_these(options: dict[str, Any], shift: float, tmp_path: Path) -> None:
    """The same but for units: 50 times as large, and moved."""
    one, two = wave(80), 50 * wave(80) + shift
    tasks = [trained(write(tmp_path / f"{n}.csv", {"y": v}), **options) for n, v in enumerate((one, two))]
    found = [task.next(task.load(str(tmp_path / f"{n}.csv"))) for n, task in enumerate(tasks)]
    np.testing.assert_allclose(found[1].mean, 50 * found[0].mean + shift, atol=0.05)
    assert found[0].quantiles is not None
    assert found[1].quantiles is not None
    np.testing.assert_allclose(found[1].quantiles, 50 * found[0].quantiles + shift, atol=0.05)
    scores = [task.evaluate(task.held_out()["test"], task.fit_baseline())["model"] for task in tasks]
    for name in ("mse_scaled", "mae_scaled", "mase", "coverage_80"):
        assert scores[1][name]["value"] == pytest.approx(scores[0][name]["value"], rel=1e-3), name
    assert scores[1]["crps"]["value"] == pytest.approx(50 * scores[0]["crps"]["value"], rel=1e-3)
    for row, value in zip(rows(tasks[1], tmp_path / "1.csv"), found[1].mean.ravel(), strict=True):
        assert row["y"] == pytest.approx(value, abs=0.01)
        assert row["low_95"] < row["low_80"] < row["high_80"] < row["high_95"]


def test_a_constant_series_is_forecast_as_it_is(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path / "a.csv", {"y": [123_456_789] * 80})
    task = trained(path, learning_rate=1e-9)
    assert caplog.text.count("constant over the whole of training, so not scaled:\n  'y'") == 1
    for row in rows(task, path):
        assert row["y"] == pytest.approx(123_456_789, abs=0.2)
    scores = task.evaluate(task.held_out()["test"], task.fit_baseline())
    assert scores["model"]["mae"]["value"] < 0.2
    assert (scores["gain"]["value"], scores["without_mase"]) == (None, 1)
    assert "mase" not in scores["model"]


# every kind


@pytest.mark.parametrize("decoder", ["direct", "autoregressive"])
@pytest.mark.parametrize("output", [*OUTPUTS, "negative-binomial"])
def test_every_output_says_what_it_is_restored_with(output: str, decoder: str, tmp_path: Path) -> None:
    if (output, decoder) == ("point", "autoregressive"):
        pytest.skip("nothing can be drawn from a point")
    path = write(tmp_path / "a.csv", {"x": np.round(wave(80)), "z": np.round(wave(80, seed=1))})
    config = make_run_config("forecast", data=str(path), **SMALL | {"output": output, "decoder": decoder})
    task = fit(config, tmp_path / "m").task
    assert isinstance(task, Forecast)
    saved = read_model(tmp_path / "m")
    assert isinstance(saved.task, Forecast)
    found, again = (each.next(each.load(str(path))) for each in (task, saved.task))
    np.testing.assert_array_equal(found.mean, again.mean)
    assert rows(task, path) == rows(saved.task, path)
    assert saved.task.known == ForecastFacts.from_json(json.loads(json.dumps(task.facts())))
    evaluated = [each.evaluate(task.held_out()["test"], saved.baseline) for each in (task, saved.task)]
    assert evaluated[0] == evaluated[1] == json.loads((tmp_path / "m" / "metrics.json").read_text())["test"]
    if found.quantiles is None:
        assert output == "point"
        return
    assert again.quantiles is not None
    np.testing.assert_array_equal(found.quantiles, again.quantiles)
    assert (np.diff(found.quantiles, axis=-1) >= 0).all()
    middle = found.quantiles[..., LEVELS.index(0.5)]
    np.testing.assert_allclose(found.mean, middle, atol=10)
    if output == "negative-binomial" and decoder == "direct":
        np.testing.assert_array_equal(found.quantiles, np.round(found.quantiles))
    assert (found.quantiles[..., 0] < found.mean).all()


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn", "rnn_relu"])
@pytest.mark.parametrize("fill", ["none", "previous", "linear", "zero"])
def test_every_cell_and_fill(cell: str, fill: str, tmp_path: Path) -> None:
    values = wave(90)
    values[[5, 40, 41]] = np.nan
    path = write(tmp_path / "a.csv", {"y": values})
    task = trained(path, cell=cell, fill=fill, num_layers=2, dropout=0.2, optimizer="sgd", learning_rate=0.1)
    assert all(np.isfinite(row["y"]) for row in rows(task, path))
    scores = task.evaluate(task.held_out()["test"], task.fit_baseline())
    assert np.isfinite([part["value"] for name, part in scores["model"].items() if name != "by_step"]).all()


def test_other_options_reach_the_network(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", {"y": wave(90)})
    told: list[dict[str, Any]] = [
        {},
        {"segment": 3},
        {"linear": False},
        {"instance_norm": False},
        {"scaling": "none"},
        {"scaling": "mean"},
        {"window": 9},
        {"hidden_size": 5},
        {"seed": 1},
        {"windows": 20},
        {"variables": "separate", "target_columns": "y", "valid_steps": 5, "test_steps": 9},
    ]
    found = [tuple(ahead(trained(path, **options), path).ravel()) for options in told]
    assert len(set(found)) == len(found)


# other columns


SENSITIVE = {"instance_norm": False, "scaling": "mean", "window": 4, "hidden_size": 16, "learning_rate": 0.03}


@pytest.mark.parametrize("kind", ["past", "future"])
@pytest.mark.parametrize("decoder", ["direct", "autoregressive"])
def test_columns_are_learnt_from(kind: str, decoder: str, tmp_path: Path) -> None:
    """Noise but for a column: known ahead, it is the series itself; known up to now, what it is three steps later."""
    chance = np.random.default_rng(0)
    told = chance.choice([-5.0, 5.0], (8, 86))
    values = told[:, :80] + 0.3 * chance.normal(size=(8, 80))
    names, first, rest = np.repeat([f"s{number}" for number in range(8)], 80), 3 if kind == "past" else 0, [""] * 3
    columns = {"unique_id": [*names], "ds": [*range(80)] * 8, "y": [*values.ravel()]}
    columns["c"] = [*told[:, first : first + 80].ravel()]
    more = {"segment": 1, "linear": False, "output": "point"} if decoder == "direct" else {"output": "gaussian"}
    path, options = write(tmp_path / "a.csv", columns), {f"{kind}_columns": "c", "decoder": decoder, "epochs": 4}
    task = trained(path, **options | more | SENSITIVE)
    scores = task.evaluate(task.held_out()["test"], task.fit_baseline(), stride=2)
    assert scores["model"]["mae"]["value"] < 1 < min(each["mae"]["value"] for each in scores["baselines"].values())
    one = {"ds": [*range(80)], "y": [*values[0]], "c": [*told[0, first : first + 80]]}
    if kind == "future":
        one = {name: [*column, *after] for (name, column), after in zip(one.items(), ([80, 81, 82], rest, [5, -5, 5]))}
    last = write(tmp_path / "b.csv", {"unique_id": ["s0"] * len(one["ds"]), **one})
    expected = [5, -5, 5] if kind == "future" else told[0, 80:83]
    assert [row["y"] for row in rows(task, last)] == pytest.approx(expected, abs=2)


@pytest.mark.parametrize("decoder", ["direct", "autoregressive"])
@pytest.mark.parametrize("kinds", [("low", "high"), ("-1", "1")], ids=["categories", "numbers"])
def test_what_a_series_is_is_learnt_from(kinds: tuple[str, str], decoder: str, tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    values = np.where(np.arange(8) % 2, 4.0, -4.0)[:, None] + 6 * chance.normal(size=(8, 60))
    columns: dict[str, list[Any]] = {"unique_id": [*np.repeat([f"s{number}" for number in range(8)], 60)]}
    columns |= {"ds": [*range(60)] * 8, "y": [*values.ravel()], "c": [*np.repeat([*kinds] * 4, 60)]}
    more = {"segment": 1, "linear": False, "output": "point"} if decoder == "direct" else {"output": "gaussian"}
    options = {"static_columns": "c", "decoder": decoder, "epochs": 6, **more, **SENSITIVE}
    task = trained(write(tmp_path / "a.csv", columns), **options)
    same: dict[str, list[Any]] = {"unique_id": ["s0"] * 4 + ["s1"] * 4, "ds": [*range(4)] * 2, "y": [1.0, -1.0] * 4}
    low, high = ahead(task, write(tmp_path / "b.csv", {**same, "c": [kinds[0]] * 4 + [kinds[1]] * 4}))
    assert (high - low > 3).all()
    assert low.max() < 0 < high.min()


def test_series_of_any_length_have_the_forecasts_that_they_have_alone(tmp_path: Path) -> None:
    lengths = (90, 45, 60, 31)
    values = [wave(n, seed=number) for number, n in enumerate(lengths)]
    columns: dict[str, list[Any]] = {"unique_id": [], "ds": [], "y": []}
    for number, own in enumerate(values):
        columns["unique_id"] += [f"s{number}"] * len(own)
        columns["ds"] += range(len(own))
        columns["y"] += [*own]
    task = shaken(make(write(tmp_path / "a.csv", columns)))
    assert task.data is not None
    assert len(set(task.data.train.lengths.tolist())) == 12
    together = ahead(task, tmp_path / "a.csv")
    assert together.shape == (4, 3, 1)
    for number, own in enumerate(values):
        for kept in (len(own), 12, 5, 1):  # what lies before the window says nothing, and less than a window will do
            cut = write(tmp_path / "b.csv", {"unique_id": [f"s{number}"] * kept, "y": own[-kept:]})
            if kept >= 12:
                np.testing.assert_allclose(ahead(task, cut)[0], together[number], atol=1e-4)
            assert np.isfinite(ahead(task, cut)).all()
    wide = make(write(tmp_path / "c.csv", {"x": values[0], "z": wave(90, seed=1)}), variables="together")
    assert rows(wide, tmp_path / "c.csv")[0].keys() >= {"unique_id", "ds", "variable", "y", "low_80", "high_95"}


# trained


def test_batches_are_a_function_of_seed_and_epoch_and_hold_each_window_once(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", {"x": wave(80), "z": wave(80, seed=1)})
    orders = []
    for other, epoch in ((make(path), 1), (make(path), 1), (make(path), 2), (make(path, seed=1), 1)):
        assert other.data is not None
        batches = [batch.targets for batch in other.batches(epoch) if batch.targets is not None]
        assert len(batches) == other.steps() == -(-len(other.data.train) // 16)
        every = torch.cat(batches).flatten(1)
        whole = other.data.train.batch(np.arange(len(other.data.train))).targets
        assert whole is not None
        assert sorted(every.tolist()) == sorted(whole.flatten(1).tolist())
        orders.append(every)
    assert torch.equal(orders[0], orders[1])
    assert not torch.equal(orders[0], orders[2])
    assert not torch.equal(orders[0], orders[3])
    few = make(path, windows=20)
    drawn = [torch.cat([batch.past for batch in few.batches(epoch)]) for epoch in (1, 2)]
    assert [len(part) for part in drawn] == [20, 20]
    assert few.steps() == 2
    assert not torch.equal(*drawn)


class _Stop(Callback):
    """Fails in the middle of an epoch."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def on_step(self, record: StepRecord) -> None:
        if (record.epoch, record.step) == (self.epoch, 2):
            raise RuntimeError("the power went")


@pytest.mark.parametrize("epoch", [2, 4])
@pytest.mark.parametrize("options", [{"dropout": 0.3, "windows": 40}, {"decoder": "autoregressive"}], ids=str)
def test_a_run_that_failed_is_resumed_bit_for_bit(options: dict[str, Any], epoch: int, tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", {"y": wave(90)})
    config = make_run_config("forecast", data=str(path), **SMALL | {"epochs": 4} | options)
    fit(config, tmp_path / "whole")
    with pytest.raises(RuntimeError):
        fit(config, tmp_path / "m", callbacks=[_Stop(epoch)])
    fit(config, tmp_path / "m", resume=True)
    for name in ("model.safetensors", "baseline.safetensors", "metrics.json", "config.json"):
        one, other = ((tmp_path / place / name).read_bytes() for place in ("m", "whole"))
        if name == "metrics.json":
            one, other = (json.dumps(json.loads(each)["test"]).encode() for each in (one, other))
        assert one == other, name


def test_asking_leaves_the_network_as_it_was_and_drops_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", {"y": wave(80)})
    task = make(path, dropout=0.5)
    for training in (True, False):
        task.network.train(training)
        assert (ahead(task, path) == ahead(task, path)).all()
        assert task.validate() == task.validate()
        assert task.network.training is training


def test_draws_follow_their_seed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", {"y": wave(80)})
    task = shaken(make(path, decoder="autoregressive"))
    first = ahead(task, path, seed=1, draws=10)
    assert (first == ahead(task, path, seed=1, draws=10)).all()
    assert (first != ahead(task, path, seed=2, draws=10)).any()
    assert (first != ahead(task, path, seed=1, draws=11)).any()
    assert (ahead(task, path) == ahead(task, path, seed=0, draws=200)).all()
    examples, baseline = task.held_out()["test"], task.fit_baseline()
    scores = [task.evaluate(examples, baseline, seed=seed, draws=10)["model"]["mae"]["value"] for seed in (0, 0, 1)]
    assert scores[0] == scores[1] != scores[2]


# what is found by the data


@pytest.mark.parametrize(
    ("first", "step", "calendar"),
    [
        ("2020-01-01", np.timedelta64(1, "h"), True),
        ("2020-01-01", np.timedelta64(1, "D"), True),
        ("2000-01", np.timedelta64(1, "M"), True),
        ("1800", np.timedelta64(1, "Y"), False),
        (0, 1, False),
    ],
    ids=["hours", "days", "months", "years", "numbers"],
)
def test_what_is_not_told_is_found_and_kept(first: Any, step: Any, calendar: bool, tmp_path: Path) -> None:
    begin = first if isinstance(first, int) else np.datetime64(first)
    times = [_shown(begin + number * step) for number in range(124)]
    path = write(tmp_path / "a.csv", {"ds": times[:120], "y": wave(120)})
    task = make(path, horizon=4, window=None, season=None)
    model = task.config.model
    assert model.window is not None
    assert model.window >= 2
    assert model.segment is not None
    assert model.segment <= model.window
    assert (model.linear, model.scaling, model.calendar) == (True, "standard", calendar)
    assert bool(task.known.covariates.calendar) == calendar
    assert task.config.data.season is not None
    assert [row["ds"] for row in rows(task, path)] == times[120:]


def _shown(time: Any) -> str:
    if not isinstance(time, np.datetime64):
        return str(time)
    return str(time.astype("datetime64[s]")).replace("T", " ").removesuffix(" 00:00:00")
