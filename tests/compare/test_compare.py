"""recurra compare on a few reviews: its models, numbers and page, what stops it, and all bad input by its message."""

from __future__ import annotations

import json
import logging
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import Result

from recurra.checkpoint import read_model
from recurra.compare import Plan, make_plan, measure, memory, run_compare, training
from recurra.compare.findings import Comparison
from recurra.compare.measure import gradient_lag
from recurra.compare.memory import Memory, training_memory
from recurra.compare.page import render
from recurra.compare.show import equality_sentence
from recurra.compare.sizes import Size
from recurra.errors import OutputError, RecurraError
from recurra.train import Callback, EpochRecord, StepRecord

Cli = Callable[..., Result]
CELLS = ["rnn", "gru", "feedforward"]


@pytest.fixture
def no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure no memory: each process that does so takes seconds to begin."""
    monkeypatch.setattr(measure, "training_memory", lambda config: Memory(3 * 2**20, None))


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compare") / "out"


@pytest.fixture(scope="module")
def made(out: Path, reviews_csv: Path, small: dict[str, Any]) -> Comparison:
    """A comparison that was run twice into the same folder, the second time over an earlier one of more cells."""
    settings = {**small, "epochs": 1}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measure, "training_memory", lambda config: None)
        run_compare(make_plan("classify", str(reviews_csv), "lstm,rnn", seeds=1, out=out, **settings))
        assert (out / "lstm" / "model.safetensors").exists()
        patch.setattr(measure, "training_memory", lambda config: Memory(300 * 2**20, 280 * 2**20))
        return run_compare(make_plan("classify", str(reviews_csv), CELLS, seeds=2, out=out, **small))


@pytest.fixture(scope="module")
def page(made: Comparison) -> str:
    return (made.out / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def found(made: Comparison) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((made.out / "compare.json").read_text(encoding="utf-8"))
    return loaded


def test_nothing_but_the_page_the_numbers_and_the_best_models_is_left(made: Comparison) -> None:
    assert {path.name for path in made.out.iterdir()} == {"report.html", "compare.json", *CELLS}


def test_the_numbers_are_those_of_the_models(made: Comparison, found: dict[str, Any]) -> None:
    assert (found["finished"], len(found["runs"])) == (True, 6)
    for cell in CELLS:
        saved, told = read_model(made.out / cell), found["cells"][cell]
        runs = [run for run in found["runs"] if run["cell"] == cell]
        best = max(runs, key=lambda run: run["valid_score"])
        assert saved.task.config.train.seed == told["kept_seed"] == best["seed"]
        assert saved.metrics["test"]["model"]["accuracy"] == told["kept_score_over_examples"] == best["score"]
        assert saved.metrics["parameters"] == best["parameters"]
        assert told["score_over_seeds"]["value"] == pytest.approx(sum(run["score"]["value"] for run in runs) / 2)
        assert 0 <= told["score_over_seeds"]["low"] <= told["score_over_seeds"]["high"] <= 1
        assert told["training_memory"] == {"peak": 300 * 2**20, "before": 280 * 2**20}
        assert told["training_tokens_per_second"] > 0 < told["sequences_per_second"]
        assert (told["gradient_lag"] is None) == (cell == "feedforward")
    sizes = [found["cells"][cell]["parameters"] for cell in CELLS]
    assert max(sizes) - min(sizes) < 120  # a unit more of a GRU with two directions has about as many
    assert found["score"] == {
        "name": "accuracy",
        "higher_is_better": True,
        "part": "test",
        "interval_over_examples": "95 % bootstrap over the examples",
    }
    assert sorted(found["baselines"]) == ["bag of words", "majority class"]


def test_the_page_is_whole_and_loads_nothing(page: str, read_page: Any) -> None:
    reader = read_page(page)
    assert [attributes["id"] for tag, attributes in reader.seen if tag == "section"] == [
        *("choice", "table", "curves", "rules", "made")
    ]
    assert sum(tag == "svg" for tag, _ in reader.seen) == 4
    assert not {tag for tag, _ in reader.seen} & {"script", "link", "img", "iframe"}
    for words in (*CELLS, "bag of words", "majority class", "gradient lag", "epochs of gru", "What to choose, and why"):
        assert words in reader.text
    assert "300 (+20)" in reader.text
    for limit in ("leave out what other examples would change", "is too narrow (Nadeau, Bengio", "a little optimistic"):
        assert limit in reader.text
    assert not re.findall(r"\$[a-z_]+", page)


def test_names_of_users_cannot_harm_the_page(by_hand: Any, read_page: Any) -> None:
    page = render(by_hand({"gru": [0.8, 0.7], "rnn": [0.6, 0.7]}))
    assert "<of>" not in page
    assert "bag <of> words" in read_page(page).text


def test_scores_without_an_interval_and_one_seed_are_shown(by_hand: Any, read_page: Any) -> None:
    one = by_hand({"gru": [0.8], "rnn": [0.6]})
    for run in one.runs:
        del run.score["low"], run.score["high"]
    text = read_page(render(one)).text
    assert "with one seed there is no interval" in text
    assert "leads, by this one run only" in text
    assert "what the measurements advise" not in text
    assert "over seeds" not in text.split("How the choice is made")[0].replace("Over seeds", "")


def test_cells_of_the_same_score_share_the_lead(by_hand: Any, read_page: Any) -> None:
    text = read_page(render(by_hand({"gru": [0.5], "rnn": [0.5]}))).text
    assert "first named of the best, by this one run only" in text
    assert "leads, by this one run only" not in text


def test_parameters_that_are_far_apart_are_not_called_equal(by_hand: Any) -> None:
    found = by_hand({"gru": [0.8], "rnn": [0.6]})
    assert equality_sentence(found).startswith("Equal parameters: gru has 1,000; as near as can be rnn 1,001 (+0.10 %)")
    found.sizes["rnn"] = Size(1, 1051)
    assert (
        "Parameters are not equal: gru has 1,000; as near as can be rnn 1,051 (+5.10 %). More than 5 % off: rnn. To"
        in (equality_sentence(found))
    )


def test_the_last_layer_is_followed_back(tiny_model: Path, reviews_csv: Path) -> None:
    task = read_model(tiny_model).task
    batches = task.grouped(task.load_labelled(str(reviews_csv)), 16)
    sequences = task.sequences(str(reviews_csv))[:1]
    layers = task.network.encoder.recurrent
    with torch.no_grad():
        for name, parameter in layers.named_parameters():  # nothing is handed on from one step to the next
            if "weight_hh" in name:
                parameter.zero_()
            if "bias_ih" in name:
                parameter[8:16] = -50.0  # forget gate
            if "bias_hh" in name:
                parameter[8:16] = -50.0
    lag = gradient_lag(task, batches, sequences)
    assert lag is not None
    assert lag.steps == 1
    assert 5 < lag.measured < max(int(batch.lengths.max()) for batch in batches)
    assert str(lag) == "1"


def test_memory_is_measured_in_a_process_of_its_own(reviews_csv: Path, small: dict[str, Any]) -> None:
    plan = make_plan("classify", str(reviews_csv), "rnn,gru", **small)
    found = training_memory(plan.config("rnn", 0))
    assert found is not None
    assert found.peak > 50 * 2**20
    assert found.before is None or 0 < found.before < found.peak


@pytest.mark.parametrize(
    ("child", "reason"),
    [("raise SystemExit('too little memory')", "too little memory"), ("import os; os.abort()", "it ended with status")],
)
def test_what_cannot_be_measured_is_said(
    child: str, reason: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "_CHILD", child)
    plan = make_plan("classify", "a.csv", "rnn,gru")
    with caplog.at_level(logging.WARNING, "recurra"):
        assert training_memory(plan.config("rnn", 0)) is None
    assert f"the memory of training was not measured: {reason}" in caplog.text


class Stop(Callback):
    """Ctrl-C in the second run: at its first step, or after its first epoch."""

    def __init__(self, after_epoch: bool) -> None:
        self.runs = 0
        self.after_epoch = after_epoch

    def on_start(self, epochs: int, steps: int) -> None:
        self.runs += 1

    def on_step(self, record: StepRecord) -> None:
        if self.runs == 2 and record.epoch == 1 + self.after_epoch:
            raise KeyboardInterrupt


@pytest.mark.parametrize("after_epoch", [False, True])
def test_ctrl_c_keeps_finished_runs_and_nothing_half_written(
    after_epoch: bool, tmp_path: Path, reviews_csv: Path, small: dict[str, Any]
) -> None:
    plan = make_plan("classify", str(reviews_csv), "rnn,gru", seeds=2, out=tmp_path / "out", **small)
    with pytest.raises(KeyboardInterrupt):
        run_compare(plan, [Stop(after_epoch)])
    assert {path.name for path in plan.out.iterdir()} == {"compare.json", "rnn"}
    told = json.loads((plan.out / "compare.json").read_text(encoding="utf-8"))
    assert (told["finished"], [(run["cell"], run["seed"]) for run in told["runs"]]) == (False, [("rnn", 0)])
    assert read_model(plan.out / "rnn").metrics["epochs"] == 2


def test_the_command_says_that_it_was_stopped(
    cli: Cli, tmp_path: Path, reviews_csv: Path, monkeypatch: pytest.MonkeyPatch, small_options: list[str]
) -> None:
    def stopped(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "fit", stopped)
    result = cli("compare", "classify", reviews_csv, *small_options, "--cells", "rnn,gru", "--out", tmp_path / "out")
    assert result.exit_code == 130
    assert "stopped by Ctrl-C: no report was written; no run was finished" in result.stderr


def test_a_loss_that_is_no_number_names_the_run(
    tmp_path: Path, reviews_csv: Path, small: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverges(*_: Any, **__: Any) -> None:
        raise RecurraError("the loss or its gradient is no longer a number")

    monkeypatch.setattr(training, "fit", diverges)
    plan = make_plan("classify", str(reviews_csv), "rnn,gru", out=tmp_path / "out", **small)
    with pytest.raises(RecurraError, match=r"rnn, seed 0: the loss .* a number, or leave the cell out of --cells"):
        run_compare(plan)


def test_equal_time_gives_each_as_many_epochs_as_fit(
    tmp_path: Path, reviews_csv: Path, small: dict[str, Any], no_child: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def plan(**told: Any) -> Plan:
        settings = {name: value for name, value in small.items() if name != "epochs"} | told
        return make_plan(
            "classify", str(reviews_csv), "rnn,gru", seeds=1, equal="time", out=tmp_path / "out", **settings
        )

    pace = {8: 0.01}  # as the comparison is told; both networks have 8 units
    monkeypatch.setattr("recurra.compare.run.epoch_seconds", lambda task: pace[task.config.model.hidden_size])
    monkeypatch.setattr(training, "_OVER", 1e9)  # the clock of a busy machine decides nothing here
    found = run_compare(plan(minutes=0.05 / 60))
    assert [len(run.history) for run in found.runs] == [5, 5]
    assert {size.hidden_size for size in found.sizes.values()} == {8}
    assert found.sizes["gru"].parameters > found.sizes["rnn"].parameters
    monkeypatch.setattr("recurra.compare.run.epoch_seconds", lambda task: 1e9)
    by_reference = run_compare(plan(epochs=3))
    assert [len(run.history) for run in by_reference.runs] == [3, 1]
    assert by_reference.budget == pytest.approx(by_reference.runs[0].seconds)
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Equal time" in page
    assert re.search(r"rnn 3 epochs in [\d.]+ s, gru 1 epoch in [\d.]+ s", page)


def test_a_run_that_is_done_tells_the_pace_better_than_a_trial(by_hand: Any) -> None:
    trained = training.Trained(None, by_hand({"gru": [0.8, 0.7], "rnn": [0.6, 0.7]}, seconds={"gru": 8.0}).runs)
    assert (training._pace(trained, "gru", 1.0), training._pace(trained, "lstm", 1.0)) == (4.0, 1.0)


def test_no_epoch_begins_that_would_end_past_the_budget() -> None:
    def record(seconds: float) -> EpochRecord:
        return EpochRecord(1, 1.0, 1.0, 0.5, True, 1.0, 0.0, 0.1, 100.0, seconds)

    budget = training._Budget(10.0)
    assert [budget.on_epoch(record(3.0)) for _ in range(3)] == [False, False, True]


def test_what_no_comparison_made_is_not_touched(tmp_path: Path, made: Comparison, small: dict[str, Any]) -> None:
    kept = shutil.copytree(made.out, tmp_path / "out")
    (kept / "report.html").write_text("mine", encoding="utf-8")
    plan = make_plan("classify", "missing.csv", "rnn,gru", out=kept, **small)
    with pytest.raises(OutputError, match=r"report.html: in use: not made by this command; choose another --out"):
        run_compare(plan)
    assert (kept / "gru" / "model.safetensors").exists()


def test_the_command_prints_tables_or_numbers(
    cli: Cli, tmp_path: Path, reviews_csv: Path, small_options: list[str], no_child: None
) -> None:
    told = ["compare", "classify", reviews_csv, *small_options, "--cells", "rnn,feedforward", "--seeds", "1"]
    printed = cli(*told, "--no-bidirectional", "--out", tmp_path / "out")
    assert printed.exit_code == 0, printed.output
    for words in ("one seed", "kept model", "bag of words", "what it costs", "Equal parameters: rnn has", "--seeds 3"):
        assert words in printed.stdout
    assert all(len(line) <= 80 for line in printed.stdout.splitlines() if "rnn  " in line)
    numbers = cli("--quiet", *told, "--json", "--out", tmp_path / "out")
    assert json.loads(numbers.stdout) == json.loads((tmp_path / "out" / "compare.json").read_text(encoding="utf-8"))
    assert numbers.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ("clasify a.csv", 2, "No such command 'clasify'"),
        ("classify a.csv --seeds 0", 2, "Input should be greater than or equal to 1"),
        ("classify a.csv --cells lstm,gruu", 2, "did you mean 'gru'?"),
        ("forecast a.csv --cells gru,feedforward", 2, "what the task forecast knows, found 'feedforward'"),
        ("classify a.csv --cell gru", 2, "No such option"),
        ("classify missing.csv --cells gru,rnn", 3, "missing.csv"),
        ("classify {one_class} --cells gru,rnn", 3, "class"),
    ],
)
def test_bad_input(arguments: str, code: int, message: str, cli: Cli, tmp_path: Path, make_csv: Any) -> None:
    one_class = make_csv("one.csv", [("good film", "pos")] * 30)
    out = tmp_path / "out"
    result = cli("compare", *arguments.format(one_class=one_class).split(), "--out", out)
    assert result.exit_code == code
    assert message in " ".join(result.stderr.replace("│", " ").split())
    assert not out.exists()
