"""The demo of forecasting, trained for a moment: its files, its models, its page, and what it will not overwrite."""

from __future__ import annotations

import dataclasses
import io
import re
import shutil
from importlib.resources import files
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from recurra.checkpoint import read_model
from recurra.data.bundled import sea_temperature_path
from recurra.demo import print_forecast_summary, run_forecast_demo
from recurra.demo.forecast import _without_future
from recurra.diagnose.forecast_findings import AUTOREGRESSIVE, DIRECT, ForecastReport, forecast_sentences
from recurra.diagnose.report import render_forecast
from recurra.errors import OutputError
from recurra.train import Callback

SETTINGS = {"epochs": 2, "hidden_size": 6, "batch_size": 256, "test_steps": 60}
SECTIONS = ["task", "forecasts", "scores", "steps", "leak", "curve", "made"]


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> list[ForecastReport]:
    """A demo that was run twice into the same folder, the second time over the first."""
    out = tmp_path_factory.mktemp("demo") / "out"
    return [run_forecast_demo(out, 1, **SETTINGS) for _ in range(2)]


@pytest.fixture(scope="module")
def made(twice: list[ForecastReport]) -> ForecastReport:
    return twice[1]


@pytest.fixture(scope="module")
def page(made: ForecastReport) -> str:
    return (made.out / "report.html").read_text(encoding="utf-8")


def test_the_bundled_series_is_monthly_and_whole() -> None:
    rows = pl.read_csv(sea_temperature_path(), try_parse_dates=True)
    assert rows.columns == ["unique_id", "ds", "y"]
    expected = pl.date_range(pl.date(1950, 1, 1), pl.date(2010, 12, 1), "1mo", eager=True)
    assert rows["ds"].to_list() == expected.to_list()
    assert rows["y"].null_count() == 0
    assert rows["y"].min() > 18
    assert rows["y"].max() < 30


def test_the_folder_holds_models_series_and_page(made: ForecastReport) -> None:
    assert {path.name for path in made.out.iterdir()} == {DIRECT, AUTOREGRESSIVE, made.data.name, "report.html"}
    assert made.data.read_bytes() == sea_temperature_path().read_bytes()
    for name, run in made.runs.items():
        saved = read_model(made.out / name)
        assert run.metrics == saved.metrics
        assert saved.task.config.model.decoder == name
        assert len(run.history) == 2
    assert made.runs[DIRECT].scores["baselines"] == made.runs[AUTOREGRESSIVE].scores["baselines"]


def test_the_same_seed_gives_the_same_scores(twice: list[ForecastReport]) -> None:
    first, second = twice
    for name, run in first.runs.items():
        assert run.scores == second.runs[name].scores


def test_the_forecasts_are_those_of_the_saved_model_beside_what_came(made: ForecastReport) -> None:
    task = read_model(made.out / DIRECT).task
    series = task.load_labelled(str(made.data)).series
    steps = len(made.values)
    assert made.parts == (steps - 180, steps - 60)
    assert [len(shown.past) for shown in made.shown] == [steps - 60, steps - 44, steps - 28, steps - 12]
    for shown in made.shown:
        origin = len(shown.past)
        np.testing.assert_array_equal(shown.past[:, 0], made.values[:origin])
        np.testing.assert_array_equal(shown.truth[:, 0], made.values[origin : origin + 12])
        cut = dataclasses.replace(series.series[0], target=series.series[0].target[:origin])
        cut = dataclasses.replace(cut, past=cut.past[:origin], ahead=cut.ahead[:origin])
        alone = task.next(dataclasses.replace(series, series=[cut]))
        np.testing.assert_allclose(shown.mean, alone.mean[0], rtol=1e-6)
        np.testing.assert_allclose(shown.quantiles, alone.quantiles[0], rtol=1e-5)


def test_no_future_gets_in(made: ForecastReport) -> None:
    assert made.changed == 0
    task = read_model(made.out / DIRECT).task
    series = task.load_labelled(str(made.data)).series
    changed = _without_future(series, 700).series[0].target
    assert (changed[:700] == series.series[0].target[:700]).all()
    assert (changed[700:] != series.series[0].target[700:]).all()


def test_the_page_has_all_sections_and_nothing_from_outside(page: str) -> None:
    assert re.findall(r'<section id="(\w+)">', page) == SECTIONS
    assert "$" not in re.sub(r"<svg.*?</svg>", "", page, flags=re.DOTALL)
    assert not re.search(r'(src|href)="(?!#)', page)
    assert page.count("<svg") == page.count("<title>") - 1 == 9


def test_the_template_asks_for_what_the_sections_give(made: ForecastReport, page: str) -> None:
    asked = set(re.findall(r"\$(\w+)", (files("recurra.diagnose") / "forecast.html").read_text(encoding="utf-8")))
    assert asked == {
        *("parts_figure", "steps", "window", "horizon", "training", "validation", "test", "origins", "forecasts"),
        *("tested", "score_rows", "comparison", "by_step_figure", "coverage_figure", "changed", "curves"),
    }
    for name, found in made.errors().items():
        row = re.search(rf"<tr[^>]*><td>[^\n]*?{name}</td>(.*?)</tr>", page)
        assert row is not None, name
        assert f"<td>{found['mae']['value']:.2f}</td>" in row[1]


def test_sentences_say_how_the_models_compare(made: ForecastReport) -> None:
    run = made.runs[DIRECT]

    def said(gain: dict[str, object]) -> str:
        metrics = {**run.metrics, "test": {**run.scores, "gain": {"over": "drift", **gain}}}
        changed = dataclasses.replace(run, metrics=metrics)
        return forecast_sentences(dataclasses.replace(made, runs={**made.runs, DIRECT: changed}))[0]

    assert said({"value": 0.25}).endswith("25.0 % less than the best baseline, the drift.")
    assert said({"value": -0.25}).endswith("25.0 % more than the best baseline, the drift.")
    unsure = said({"value": 0.01, "low": -0.1, "high": 0.2})
    assert unsure.endswith("cannot be told apart from the best baseline, the drift (+1.0 %).")
    held = 100 * run.scores["model"]["coverage_80"]["value"]
    assert f"The 80 % intervals of the direct model held {held:.0f} % of what came" in forecast_sentences(made)[2]


def test_a_file_name_is_text_on_the_page(made: ForecastReport) -> None:
    evil = dataclasses.replace(made, out=Path("<script>alert(1)</script>"), facts={"<b>": "& $lead"})
    page = render_forecast(evil)
    assert "<script>alert" not in page
    assert "<b></td>" not in page
    assert "&amp; $lead" in page


def test_the_summary_names_scores_report_and_commands(made: ForecastReport) -> None:
    console = Console(file=io.StringIO(), width=100)
    print_forecast_summary(made, console)
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    for part in (*made.errors(), "report.html", "recurra predict", "--plots", *forecast_sentences(made)):
        assert part in printed.replace("\n", " "), part


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("report.html", "<p>mine</p>", "not made by the demo"),
        ("sea-temperature.csv", "a,b\n1,2\n", "not made by the demo"),
        (f"{DIRECT}/notes.txt", "mine", "not made by the demo"),
        ("mine.txt", "mine", "it holds mine.txt, not made by the demo"),
    ],
)
def test_foreign_files_are_left_alone(tmp_path: Path, name: str, content: str, said: str) -> None:
    place = tmp_path / "out" / name
    place.parent.mkdir(parents=True)
    place.write_text(content)
    with pytest.raises(OutputError, match=said):
        run_forecast_demo(tmp_path / "out", 0, **SETTINGS)
    assert place.read_text() == content


def test_ctrl_c_leaves_no_page(made: ForecastReport, tmp_path: Path) -> None:
    class Stop(Callback):
        def on_step(self, record: object) -> None:
            raise KeyboardInterrupt

    out = Path(shutil.copytree(made.out, tmp_path / "out"))
    with pytest.raises(KeyboardInterrupt):
        run_forecast_demo(out, 0, [Stop()], **SETTINGS)
    assert not (out / "report.html").exists()
