"""The demo of forecasting on few years: its files, its models, its proof, its page, and what it will not overwrite."""

from __future__ import annotations

import dataclasses
import io
import logging
import re
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from recurra import demo
from recurra.checkpoint import read_model
from recurra.data.bundled import sea_temperature_path
from recurra.demo import print_forecast_summary, run_forecast_demo, trials
from recurra.demo.forecast_findings import (
    AUTOREGRESSIVE,
    MAIN,
    MONTH_MEAN,
    ForecastReport,
    Foresight,
    Trials,
    comparison_sentences,
    interval_sentence,
    where_it_does_not_win,
)
from recurra.demo.report import render_forecast
from recurra.errors import OutputError
from recurra.forecast_baselines import BASELINES, SEASONAL_NAIVE
from recurra.nn.outputs import LEVELS
from recurra.tasks.forecast import Forecast
from recurra.tasks.forecast_facts import learn_facts
from recurra.train import Callback

YEARS, REGIONS = 20, ["Nino 1+2", "Nino 3.4"]
SETTINGS = {"horizon": 3, "valid_steps": 24, "test_steps": 70, "epochs": 2, "hidden_size": 8, "window": 24}
MODELS = [MAIN, "lstm", "rnn", AUTOREGRESSIVE]
SECTIONS = ["series", "forecasts", "steps", "scores", "coverage", "limits", "proof", "curve", "own", "made"]
EVIL = '</pre><script>alert("x")</script> & a $lead'


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first years of two regions."""
    path = tmp_path_factory.mktemp("data") / "few.csv"
    rows = pl.read_csv(sea_temperature_path(), infer_schema=False)
    few = rows.filter(pl.col("unique_id").is_in(REGIONS) & (pl.col("ds") < f"{1950 + YEARS}"))
    few.write_csv(path)
    return path


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory, source: Path) -> list[ForecastReport]:
    """A demo that was run twice into the same folder, the second time over the first."""
    out = tmp_path_factory.mktemp("demo") / "out"
    return [run_forecast_demo(out, 1, source=source, **SETTINGS) for _ in range(2)]


@pytest.fixture(scope="module")
def made(twice: list[ForecastReport]) -> ForecastReport:
    return twice[1]


@pytest.fixture
def folder(made: ForecastReport, tmp_path: Path) -> Path:
    """A copy of what the demo made."""
    return Path(shutil.copytree(made.out, tmp_path / "out"))


@pytest.fixture(scope="module")
def page(made: ForecastReport) -> str:
    return (made.out / "report.html").read_text(encoding="utf-8")


def with_means(made: ForecastReport, **errors: float) -> ForecastReport:
    """The same findings, where models and baselines are off by so much; all others by 9."""
    means = {name: made.trials.truth + errors.get(name.replace(" ", "_"), 9.0) for name in made.trials.means}
    return dataclasses.replace(made, trials=dataclasses.replace(made.trials, means=means))


def test_the_series_are_beside_the_models(made, source):
    assert {path.name for path in made.out.iterdir()} == {*MODELS, "series.csv", "report.html"}
    assert (made.out / "series.csv").read_bytes() == source.read_bytes()
    assert [one.id for one in made.series.series] == REGIONS
    assert {tuple(bound) for bound in made.bounds} == {(240 - 24 - 70, 240 - 70, 240)}


def test_the_models_differ_in_cell_and_decoder(made):
    saved = {name: read_model(made.out / name) for name in MODELS}
    models = {name: each.task.config.model for name, each in saved.items()}
    assert [(model.cell, model.decoder) for model in models.values()] == [
        *(("gru", "direct"), ("lstm", "direct"), ("rnn", "direct"), ("gru", "autoregressive"))
    ]
    assert models["lstm"].model_copy(update={"cell": "gru"}) == models[MAIN]
    for name, run in made.runs.items():
        assert run.metrics == saved[name].metrics
        assert len(run.history) == 2
        assert len(run.losses) == 2 * -(-2 * (240 - 24 - 70 - 3) // 64)


def test_the_scores_are_those_of_the_saved_models(made):
    assert list(made.trials.means) == [*MODELS, *BASELINES, MONTH_MEAN]
    for name, run in made.runs.items():
        told = run.metrics["test"]
        assert made.trials.scores[name] == told["model"]
        gain = made.trials.gain(name, told["gain"]["over"])
        assert gain == told["gain"]
    for name in BASELINES:
        assert made.trials.scores[name] == made.runs[MAIN].metrics["test"]["baselines"][name]


def test_what_came_and_the_naive_methods_are_those_of_the_file(made, source):
    values = pl.read_csv(source)["y"].to_numpy().reshape(2, -1)
    found = made.trials
    assert len(found.truth) == 2 * (70 - 3 + 1)
    for number in (0, 1, 40, len(found.truth) - 1):
        own, origin = values[found.series[number]], int(found.origins[number])
        np.testing.assert_allclose(found.truth[number, :, 0], own[origin : origin + 3])
        np.testing.assert_allclose(found.means[SEASONAL_NAIVE][number, :, 0], own[origin - 12 : origin - 9], rtol=1e-6)
        usual = [own[step % 12 : 146 : 12].mean() for step in range(origin, origin + 3)]
        np.testing.assert_allclose(found.means[MONTH_MEAN][number, :, 0], usual)


def test_the_same_seed_gives_the_same_forecasts(twice):
    for name, mean in twice[0].trials.means.items():
        np.testing.assert_array_equal(mean, twice[1].trials.means[name])


def test_no_future_reaches_a_forecast(made):
    proof = made.foresight
    assert set(proof.future.values()) == {0.0}
    assert min(proof.past.values()) > 0.001
    assert (proof.origins, proof.forecasts) == (12, 12 * len(MODELS) * 2 * 3 * (1 + len(LEVELS)))
    assert proof.differ == 0
    assert proof.read > 2 * (240 - 24 - 70 - 3) * 24


def test_a_forecaster_that_knows_the_future_is_found_out(made, monkeypatch):
    honest = Forecast.forecasts

    def cheating(task, windows, *rest):
        found = honest(task, windows, *rest)
        return found._replace(mean=found.mean + np.stack([windows.truth(n) for n in range(len(windows))]))

    monkeypatch.setattr(Forecast, "forecasts", cheating)
    saved = {MAIN: read_model(made.out / MAIN)}
    assert trials.foresight(saved, made.series, made.bounds).future[MAIN] > 1


def test_scaling_that_knows_the_test_is_found_out(made, monkeypatch):
    def of_everything(config, series, bounds):
        return learn_facts(config, series, [bound._replace(train=bound.end) for bound in bounds])

    monkeypatch.setattr(trials, "learn_facts", of_everything)
    saved = {MAIN: read_model(made.out / MAIN)}
    assert trials.foresight(saved, made.series, made.bounds).differ > 1000


def test_the_page_says_so_where_numbers_changed(made):
    leaking = Foresight(12, 100, dict.fromkeys(MODELS, 0.5), dict.fromkeys(MODELS, 1.0), 100, 0)
    told = render_forecast(dataclasses.replace(made, foresight=leaking))
    assert "something reads the future" in told
    assert "Not one number changed" not in told


def test_pictures_are_evenly_spaced_and_of_the_worst(made):
    *evenly, worst, same = made.pictures
    origins = made.trials.origins[made.trials.series == 1]  # Nino 3.4
    assert [len(picture.forecast.past) for picture in evenly] == [
        int(origins[place]) for place in np.linspace(0, len(origins) - 1, 4).round().astype(int)
    ]
    assert {picture.forecast.name for picture in evenly} == {"Nino 3.4"}
    number = int(made.trials.errors(MAIN).argmax())
    for picture, model in ((worst, MAIN), (same, AUTOREGRESSIVE)):
        assert picture.model == model
        np.testing.assert_array_equal(picture.forecast.truth, made.trials.truth[number])
        np.testing.assert_array_equal(picture.forecast.mean, made.trials.means[model][number])
        assert str(picture.forecast.times_ahead[0])[:7] == f"{1950 + len(picture.forecast.past) // 12}-" + (
            f"{len(picture.forecast.past) % 12 + 1:02d}"
        )


def test_the_page_is_whole_and_has_each_section(page, read_page):
    reader = read_page(page)
    assert [attributes["id"] for tag, attributes in reader.seen if tag == "section"] == SECTIONS
    assert sum(tag == "svg" for tag, _ in reader.seen) == 1 + 6 + 1 + 1 + 2
    ids = [attributes["id"] for _, attributes in reader.seen if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert '<meta name="generator" content="recurra demo forecast">' in page
    assert "$" not in page
    assert "nan" not in reader.text.lower().split()


def test_the_page_loads_nothing(page, read_page):
    reader = read_page(page)
    assert not {tag for tag, _ in reader.seen} & {"script", "link", "img", "iframe", "object", "embed"}
    for _, attributes in reader.seen:
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href", "xlink:href"):
            assert attributes.get(name, "#").startswith("#")


def test_the_page_has_the_scores(made, page):
    for found in made.trials.scores.values():
        for key in ("mae", "mase", "crps"):
            numbers = [f"{found[key][name]:.2f}" for name in ("value", "low", "high")]
            assert f"<td>{numbers[0]}<small>{numbers[1]} to {numbers[2]}</small></td>" in page
    for name in MODELS:
        assert f"{made.runs[name].metrics['parameters']:,}" in page
    for part in ("1950-01 to 1962-02", "1962-03 to 1964-02", "1964-03 to 1969-12"):
        assert part in page


def test_all_text_of_the_data_is_escaped(made, read_page):
    first, second = made.series.series
    series = dataclasses.replace(made.series, series=[dataclasses.replace(first, id=EVIL), second])
    shown = [picture._replace(forecast=picture.forecast._replace(name=EVIL)) for picture in made.pictures]
    out = Path(EVIL)
    harmful = dataclasses.replace(
        made, series=series, pictures=shown, facts={EVIL: EVIL}, out=out, source=out / "series.csv"
    )
    page = render_forecast(harmful)
    assert "<script" not in page
    assert read_page(page).text.count('<script>alert("x")</script>') >= 6


def test_the_comparison_is_said_as_far_as_the_interval_allows(made):
    first, *others = comparison_sentences(with_means(made, gru=1.0, seasonal_naive=2.0, lstm=0.5))
    assert first == (
        "Over 3 months the GRU errs by 1.00 °C on average, the seasonal naive forecast by 2.00 °C: 50.0 % less scaled "
        "error (95 % interval 50.0 to 50.0 %)."
    )
    assert others[2] == "The GRU beside LSTM: 100.0 % more scaled error (95 % interval 100.0 to 100.0 %)."
    mixed = with_means(made, gru=1.0)
    signs = np.where(np.arange(len(mixed.trials.truth)) % 2, 0.9, 1.1)[:, np.newaxis, np.newaxis]
    mixed.trials.means["lstm"][:] = mixed.trials.truth + signs
    assert "GRU beside LSTM: the two cannot be told apart; scaled error " in comparison_sentences(mixed)[3]


def test_the_intervals_are_judged(made):
    truth, wide = made.trials.truth, np.linspace(-1, 1, len(LEVELS))
    near = truth[..., np.newaxis] + 100 * wide
    far = near + 1000
    half = np.where(np.arange(len(truth))[:, np.newaxis, np.newaxis, np.newaxis] % 2, near, far)
    judged = {"gru": near, "lstm": far, "rnn": half}
    report = dataclasses.replace(made, trials=dataclasses.replace(made.trials, quantiles=judged))
    assert interval_sentence(report, "gru") == "GRU: the 80 % and 95 % intervals hold more than they promise."
    assert interval_sentence(report, "lstm") == "LSTM: the 80 % and 95 % intervals hold less than they promise."
    mostly = np.where(np.arange(len(truth))[:, np.newaxis, np.newaxis, np.newaxis] % 5, near, far)
    found = dataclasses.replace(report, trials=dataclasses.replace(made.trials, quantiles={"rnn": mostly}))
    assert interval_sentence(found, "rnn") == (
        "RNN: the 80 % intervals hold what they promise, as far as can be told; the 95 % intervals hold less than they "
        "promise."
    )


def test_who_errs_least_is_said_by_step_and_region(made):
    report = with_means(made, gru=1.0, rnn=2.0)
    report.trials.means["rnn"][:, 1:] -= 1.6  # 0.4 at the second step and the third
    report.trials.means["lstm"][report.trials.series == 0] -= 8.8
    steps, regions, worst = where_it_does_not_win(report)
    assert steps == "The least error by months ahead: month 1, GRU; months 2 to 3, RNN."
    assert regions == "The least error by region, over all months: Nino 1+2, LSTM; Nino 3.4, RNN."
    assert "is off by 1.00 °C on average; half of all are off by less than 1.00 °C" in worst


def test_a_test_too_short_for_intervals_is_said_to_be(made, read_page):
    few = made.trials.origins < made.trials.origins.min() + 18
    parts = {}
    for field in dataclasses.fields(made.trials):
        whole = getattr(made.trials, field.name)
        parts[field.name] = {name: each[few] for name, each in whole.items()} if isinstance(whole, dict) else whole[few]
    report = dataclasses.replace(made, trials=Trials(**parts))
    assert "the test is too short for an interval" in comparison_sentences(report)[0]
    assert "as far as can be told" in interval_sentence(report, MAIN)
    console = Console(file=io.StringIO(), width=120)
    print_forecast_summary(report, console)
    assert "DeepAR" in console.file.getvalue()
    assert "95 % interval " not in read_page(render_forecast(report)).text.split("Forecasts, and what came")[0]


def test_the_summary_has_the_scores_and_commands_that_work(made, cli):
    console = Console(file=io.StringIO(), width=120)
    print_forecast_summary(made, console)
    printed = console.file.getvalue()
    for expected in ("GRU", "DeepAR", *BASELINES, MONTH_MEAN, *comparison_sentences(made)):
        assert expected in printed
    assert str(made.out / "report.html") in printed
    commands = re.findall(r"^  recurra (.*)$", printed, re.MULTILINE)
    assert len(commands) == 4
    for command in commands[:2]:
        result = cli(*command.split())
        assert result.exit_code == 0, result.output
    assert (made.out / "pictures" / "01-Nino-1-2.svg").exists()
    shutil.rmtree(made.out / "pictures")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("thesis.txt", "x"),
        ("gru/thesis.txt", "x"),
        ("series.csv", "unique_id,ds,y\nmine,2020-01-01,1\n"),
        ("report.html", '<meta name="generator" content="recurra demo">'),
    ],
)
def test_what_the_demo_has_not_made_is_left_alone(tmp_path, source, name, content):
    place = tmp_path / "out" / name
    place.parent.mkdir(parents=True)
    place.write_text(content, encoding="utf-8")
    with pytest.raises(OutputError, match="not made by this command; choose another --out"):
        run_forecast_demo(tmp_path / "out", source=source, **SETTINGS)
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == [place]
    assert place.read_text(encoding="utf-8") == content


class Stop(Callback):
    def on_epoch(self, record):
        raise KeyboardInterrupt


def test_ctrl_c_leaves_no_report_and_another_run_is_not_refused(folder, source):
    assert (folder / "report.html").exists()
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run_forecast_demo(folder, 0, [Stop()], source, **SETTINGS)
        assert not (folder / "report.html").exists()


def test_the_command(cli, monkeypatch, tmp_path, made):
    asked = []

    def quick(out, seed, callbacks):
        asked.append((out, seed, len(callbacks)))
        return made

    monkeypatch.setattr(demo, "run_forecast_demo", quick)
    result = cli("demo", "forecast", "--out", tmp_path / "x", "--seed", 3)
    assert result.exit_code == 0
    assert "recurra predict" in result.output
    assert cli("demo", "forecast").exit_code == 0
    assert asked == [(tmp_path / "x", 3, 1), (Path("recurra-demo-forecast"), 0, 1)]


@pytest.mark.slow
def test_on_the_bundled_series_the_season_is_beaten_and_intervals_hold(tmp_path):
    logging.getLogger("recurra").setLevel(logging.WARNING)
    report = run_forecast_demo(tmp_path / "out")
    for model in (MAIN, AUTOREGRESSIVE):
        assert report.trials.gain(model, SEASONAL_NAIVE)["low"] > 0
        assert 0.7 < report.trials.scores[model]["coverage_80"]["value"] < 0.9
        assert 0.85 < report.trials.scores[model]["coverage_95"]["value"] < 0.99
    assert set(report.foresight.future.values()) == {0.0}
    assert report.foresight.differ == 0
