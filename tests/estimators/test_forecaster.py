"""The forecaster as an estimator: tables and arrays in, forecasts out; kept, cloned, scored."""

from __future__ import annotations

import inspect
import json
import pickle
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import recurra
from recurra import Forecaster
from recurra.config import make_run_config
from recurra.errors import DataError, SettingsError

SMALL = {"horizon": 6, "window": 24, "season": 12, "hidden_size": 8, "epochs": 6, "learning_rate": 0.01, "dropout": 0.0}


def wave(start: int, stop: int, size: float = 1.0, phase: float = 0.0) -> np.ndarray:
    return size * np.sin(np.arange(start, stop) * np.pi / 6 + phase) + 5


def frame(steps: int = 200) -> pl.DataFrame:
    months = pl.date_range(date(2000, 1, 1), date(2030, 1, 1), "1mo", eager=True)[:steps]
    parts = [
        pl.DataFrame({"unique_id": [name] * steps, "ds": months, "y": wave(0, steps, size)})
        for name, size in (("a", 1.0), ("b", 3.0))
    ]
    return pl.concat(parts)


@pytest.fixture(scope="module")
def fitted() -> Forecaster:
    return Forecaster(**SMALL, output="point").fit(wave(0, 240))


@pytest.fixture(scope="module")
def on_tables() -> Forecaster:
    return Forecaster(**SMALL).fit(frame())


def test_an_array_gives_an_array(fitted: Forecaster) -> None:
    found = fitted.predict(wave(0, 240))
    assert found.shape == (6,)
    np.testing.assert_allclose(found, wave(240, 246), atol=0.15)
    np.testing.assert_allclose(fitted.predict(wave(3, 100)), wave(100, 106), atol=0.3)  # others than those of training
    assert len(fitted.history_) == 6


def test_a_list_of_arrays_gives_a_row_for_each() -> None:
    both = [wave(0, 150), wave(0, 120, 2.0, 1.0)]
    model = Forecaster(**SMALL, output="point").fit(both)
    found = model.predict(both)
    assert found.shape == (2, 6)
    np.testing.assert_allclose(found[1], model.predict([wave(0, 50), both[1]])[1], rtol=1e-5)
    with pytest.raises(DataError, match=r"X: expected arrays of as many variables, found \[1, 2\]"):
        model.predict([wave(0, 50), np.zeros((50, 2))])


@pytest.mark.parametrize("variables", ["separate", "together"])
def test_several_variables_stand_in_columns(variables: str) -> None:
    both = np.stack([wave(0, 160), 10 * wave(0, 160, 2.0, 1.0)], 1)
    model = Forecaster(**SMALL, output="point", variables=variables).fit(both)
    found = model.predict(both)
    assert found.shape == (6, 2)
    assert abs(found[:, 0].mean() - 5) < 1.5
    assert abs(found[:, 1].mean() - 50) < 15
    assert model.predict([both, both]).shape == (2, 6, 2)


def test_a_table_gives_a_table(on_tables: Forecaster) -> None:
    found = on_tables.predict(frame())
    assert found.columns == ["unique_id", "ds", "y", "low_80", "high_80", "low_95", "high_95"]
    assert found["unique_id"].to_list() == ["a"] * 6 + ["b"] * 6
    assert found["ds"][:2].to_list() == ["2016-09-01", "2016-10-01"]
    assert (found["low_95"] <= found["low_80"]).all()
    assert (found["low_80"] < found["high_80"]).all()
    assert (found["high_80"] <= found["high_95"]).all()


def test_all_forms_of_a_table_are_the_same(on_tables: Forecaster, tmp_path: Path) -> None:
    table = frame()
    table.write_csv(tmp_path / "series.csv")
    expected = on_tables.predict(table)

    class Pandas:
        """A data frame that is known by what pandas' are asked for alone."""

        columns = tuple(table.columns)

        def __getitem__(self, name: str) -> np.ndarray:
            return table[name].to_numpy()

    for other in (tmp_path / "series.csv", str(tmp_path / "series.csv"), table.to_dict(as_series=False), Pandas()):
        assert on_tables.predict(other).equals(expected)


def test_answers_are_those_of_the_command_line(on_tables: Forecaster, tmp_path: Path) -> None:
    frame().write_csv(tmp_path / "series.csv")
    lines = "".join(on_tables.task_.predict([str(tmp_path / "series.csv")])).splitlines()
    assert [json.loads(line) for line in lines] == on_tables.predict(tmp_path / "series.csv").to_dicts()


def test_scores_stand_beside_baselines(fitted: Forecaster) -> None:
    scores = fitted.evaluate(wave(0, 240), stride=5)
    assert scores["model"]["mae"]["value"] < scores["baselines"]["last value"]["mae"]["value"]
    noisy = wave(0, 240) + 0.01 * np.random.default_rng(0).standard_normal(240)
    other = Forecaster(**{**SMALL, "epochs": 1}).fit(noisy)
    assert other.score(noisy) == -other.evaluate(noisy)["model"]["mase"]["value"]
    assert (
        fitted.score(wave(0, 240)) == -fitted.evaluate(wave(0, 240))["model"]["mae_scaled"]["value"]
    )  # no season errs


def test_draws_of_an_autoregressive_model() -> None:
    model = Forecaster(**{**SMALL, "epochs": 1}, decoder="autoregressive").fit(wave(0, 120))
    first, again, other = (model.predict(wave(0, 120), draws=20, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_defaults_are_those_of_the_command_line() -> None:
    config = make_run_config("forecast", data="x")
    flat = {name: value for section in config.sections for name, value in getattr(config, section)}
    parameters = inspect.signature(Forecaster).parameters
    assert {name: parameter.default for name, parameter in parameters.items()} == {n: flat[n] for n in parameters}
    of_files = {"data", "delimiter", "test_share", "valid_steps", "test_steps", "tensorboard"}
    assert set(flat) - set(parameters) == of_files


@pytest.mark.parametrize("how", ["pickled", "saved"])
def test_kept_and_read_again_is_the_same_to_the_last_bit(on_tables: Forecaster, how: str, tmp_path: Path) -> None:
    if how == "saved":
        on_tables.save(tmp_path / "model")
        other = recurra.load(tmp_path / "model")
    else:
        other = pickle.loads(pickle.dumps(on_tables))
    assert isinstance(other, Forecaster)
    assert other.predict(frame()).equals(on_tables.predict(frame()))
    assert other.score(frame()) == on_tables.score(frame())
    assert other.horizon == 6


def test_a_loaded_model_can_learn_anew(on_tables: Forecaster, tmp_path: Path) -> None:
    on_tables.save(tmp_path / "model")
    other = recurra.load(tmp_path / "model")
    assert isinstance(other, Forecaster)
    assert other.fit(frame()).predict(frame()).equals(on_tables.predict(frame()))


def test_a_clone_learns_the_same(fitted: Forecaster) -> None:
    copy = clone(fitted)
    with pytest.raises(NotFittedError):
        copy.predict(wave(0, 60))
    np.testing.assert_array_equal(copy.fit(wave(0, 240)).predict(wave(0, 240)), fitted.predict(wave(0, 240)))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (3.5, "X: expected a path, a data frame, a mapping of columns, an array .* found float"),
        ([], "X: expected a path, a data frame"),
        (np.zeros((3, 4, 2, 1)), r"X\[0\]: expected numbers \[T\] or \[T, C\], at least one, found shape \(4, 2, 1\)"),
        ([["a", "b"]], r"X\[0\]: expected numbers \[T\] or \[T, C\], found something else"),
        ({"ds": [1, 2], "y": [1.0]}, "X: expected columns of numbers, times and texts of one length"),
        (np.r_[wave(0, 100), np.nan], "X: expected a value of each variable at the last step, found NaN"),
        (np.arange(10.0), "X: to forecast 6 steps, expected of each series at least"),
        (np.r_[wave(0, 100), np.inf, 1.0], "X"),
    ],
)
def test_bad_series_are_refused(given: object, said: str) -> None:
    with pytest.raises(DataError, match=said):
        Forecaster(**SMALL).fit(given)


def test_bad_options_are_refused(fitted: Forecaster) -> None:
    with pytest.raises(SettingsError, match=r"option 'draws' \(3\) would have no effect: a direct forecaster draws"):
        fitted.predict(wave(0, 60), draws=3)
    for asked in (lambda: fitted.predict(wave(0, 60), draws=1), lambda: fitted.evaluate(wave(0, 60), stride=0)):
        with pytest.raises(SettingsError, match=r"option '(draws|stride)' \([01]\): expected at least [12]"):
            asked()
    with pytest.raises(SettingsError, match="'hidden_size': input should be greater than or equal to 1"):
        Forecaster(hidden_size=0).fit(wave(0, 60))
    with pytest.raises(SettingsError, match=r"option 'calendar' .*at times that are 1 apart"):
        Forecaster(**SMALL, calendar=True).fit(wave(0, 100))
