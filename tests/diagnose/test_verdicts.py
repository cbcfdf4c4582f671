"""Verdicts on both sides of their thresholds, and commands that the command line takes."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import typer
from typer.testing import Result

from recurra.checkpoint import SavedModel, read_model
from recurra.config import make_run_config
from recurra.diagnose import verdicts as verdicts_module
from recurra.diagnose.diagnosis import Context, Diagnosis, LayerDiagnosis, Verdict
from recurra.diagnose.diagnosis_words import measured_sentence
from recurra.diagnose.flow import Flow
from recurra.diagnose.gates import Units
from recurra.diagnose.learnt import standing, weights_as_drawn
from recurra.diagnose.remedies import train_command
from recurra.diagnose.verdicts import judge
from recurra.kernels.cells import CELLS
from recurra.tasks import TASKS
from recurra.tasks.headline import Headline

Cli = Callable[..., Result]


def layer(
    name: str = "encoder, layer 1",
    cell: str = "lstm",
    relative: Sequence[float] = (1.0, 0.9, 0.8),
    lengths: Sequence[int] = (20,) * 4,
    heard: int = 4,
    **habits: Any,
) -> LayerDiagnosis:
    """A layer of ten units without a fault but those that are told."""
    gates = [gate for gate in CELLS[cell].names if gate not in "gn"]
    shut = habits.pop("shut", {})
    units = Units(
        {gate: (torch.arange(10) < shut.get(gate, 0)).double() for gate in gates},
        {gate: torch.zeros(10) for gate in gates},
        None,
        torch.arange(10) < habits.pop("dead", 0),
        (torch.arange(10) < habits.pop("saturated", 0)).double(),
        torch.ones(20),
    )
    exponents = torch.tensor([habits.pop("exponent", -0.1)])
    flow = Flow(3 * torch.tensor(relative), torch.full((len(relative),), float(heard)))
    return LayerDiagnosis(name, cell, flow, torch.ones(1, 10), torch.ones(1, 10), exponents, units, lengths)


GOOD = Context([1, 2, 4, 8, 16, 20], [0.9, 0.8, 0.6, 0.501, 0.5, 0.5], 0.5, 8)
ALONE = Context([1], [0.5], 0.5, 1)  # of sentences of one token, whose characters are steps
REACHES_2 = (1.0, 0.5, 0.005)


LEARNT = {"model": {"accuracy": {"value": 0.9}}, "baselines": {"majority class": {"accuracy": {"value": 0.5}}}}


def of_task(name: str, **options: Any) -> SavedModel:
    """A model of which only its settings are known."""
    task: Any = SimpleNamespace(
        name=name,
        config=make_run_config(name, data="a.csv", **options),
        headline=lambda: Headline("accuracy", ("accuracy",)),
    )
    return SavedModel(Path("runs/mine"), task, {"epochs": 3, "test": LEARNT if name == "classify" else {}}, None)


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Verdict]]:
    """Judge layers of a classifier that has learnt something."""
    monkeypatch.setattr(verdicts_module, "weights_as_drawn", lambda task: False)

    def judge_layers(
        *layers: LayerDiagnosis, context: Context | None = GOOD, clipped: Sequence[float] = (), **options: Any
    ) -> list[Verdict]:
        model = of_task("classify", **options)
        found = Diagnosis(model.path, "classify", "tokens", "a.csv", [20] * 4, layers, context, clipped, [])
        return judge(found, model)

    return judge_layers


def of_kind(verdicts: list[Verdict], kind: str) -> Verdict | None:
    return next((verdict for verdict in verdicts if verdict.kind == kind), None)


def one(verdicts: list[Verdict], kind: str) -> Verdict:
    found = of_kind(verdicts, kind)
    assert found is not None, [verdict.kind for verdict in verdicts]
    return found


Judged = Callable[..., list[Verdict]]


def test_a_model_without_a_fault(judged: Judged) -> None:
    verdicts = judged(layer(), clipped=[0.2, 0.1])
    assert {verdict.kind: verdict.level for verdict in verdicts} == {"context": "good", "sound": "good"}
    assert one(verdicts, "sound").sentence.startswith("Nothing is wrong with its memory: no gradient falls")
    within = judged(layer(relative=[*(1.0,) * 12, 0.005]))
    assert "the gradient is above a hundredth for 12 steps" in one(within, "sound").sentence
    assert of_kind(within, "vanishing") is None


def test_vanishing_where_all_must_be_carried_to_one_step(judged: Judged) -> None:
    backwards = layer("encoder, layer 1, backwards", relative=(1.0, 0.1, 0.05, 0.001))
    found = one(judged(layer(relative=REACHES_2), backwards, cell="rnn"), "vanishing")
    assert found.level == "problem"
    assert found.sentence.startswith(
        "In encoder, layer 1 the gradient falls to a hundredth after 2 steps (and no sooner in 1 more "
        "layer); the sequences have 20 (median)."
    )
    assert one(judged(layer(relative=REACHES_2, heard=5)), "vanishing").level == "note"  # heard at more than one step
    assert of_kind(judged(layer(relative=REACHES_2, lengths=[4] * 4)), "vanishing") is None


@pytest.mark.parametrize(
    ("cell", "options", "wanted"),
    [
        ("rnn_tanh", {"cell": "rnn"}, "--cell lstm"),  # the default, which need not be said, is said all the same
        ("gru", {"cell": "gru", "pooling": "final"}, "--pooling max"),
        ("gru", {"cell": "gru", "bidirectional": False}, "--bidirectional"),
        ("lstm", {}, "--chrono-steps 20"),
        ("lstm", {"chrono_steps": 20}, ""),
    ],
)
def test_what_lets_gradients_reach_further(cell: str, options: dict[str, Any], wanted: str, judged: Judged) -> None:
    command = one(judged(layer(cell=cell, relative=REACHES_2), **options), "vanishing").command
    assert (wanted in command) if wanted else (command == "")


def test_a_slow_start_is_no_remedy_where_each_step_teaches(judged: Judged) -> None:
    assert one(judged(layer(relative=REACHES_2, heard=5)), "vanishing").command == ""


def test_exploding_and_chaos(judged: Judged) -> None:
    found = one(judged(layer(relative=(1.0, 2.0, 11.0), cell="rnn_tanh"), cell="rnn"), "exploding")
    assert found.level == "problem"
    assert "the gradient is 11 times as large 2 steps back as where the loss speaks" in found.sentence
    assert "--cell lstm" in found.command
    calmer = one(judged(layer(relative=(1.0, 2.0, 11.0))), "exploding").command
    assert "--clip-norm 0.25" in calmer
    assert of_kind(judged(layer(relative=(1.0, 2.0, 9.9))), "exploding") is None
    assert of_kind(judged(layer(exponent=math.log(10) / 20 - 0.01)), "chaotic") is None
    chaotic = one(judged(layer(exponent=math.log(10) / 20 + 0.01)), "chaotic")
    assert (chaotic.level, "0.125 nats a step" in chaotic.sentence) == ("note", True)
    assert chaotic.reason == "Small differences, noise too, grow more than tenfold over a median sequence."


def test_units_and_gates_that_are_stuck(judged: Judged) -> None:
    assert one(judged(layer(saturated=3)), "saturated").level == "problem"
    assert of_kind(judged(layer(saturated=2)), "saturated") is None
    assert of_kind(judged(layer(saturated=9, cell="rnn_relu")), "saturated") is None  # a rectifier has no upper end
    shut = one(judged(layer(shut={"f": 4})), "saturated")
    assert (shut.level, shut.sentence[:32]) == ("note", "Gate f of 40 % of the units of e")
    assert of_kind(judged(layer(shut={"f": 2})), "saturated") is None


def test_dead_units(judged: Judged) -> None:
    found = one(judged(layer(dead=3), hidden_size=10), "dead")
    assert (found.level, found.sentence[:42]) == ("problem", "3 of 10 units of encoder, layer 1 are dead")
    assert "--hidden-size 7" in found.command
    assert one(judged(layer(dead=1)), "dead").level == "note"
    assert of_kind(judged(layer()), "dead") is None
    assert "--cell lstm" in one(judged(layer(dead=3, cell="rnn_relu"), cell="rnn_relu"), "dead").command


def test_a_remedy_is_for_the_layer_that_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdicts_module, "weights_as_drawn", lambda task: False)
    characters = replace(layer(dead=3), name="characters, layer 1, forwards")
    found = Diagnosis(Path("m"), "tag", "tokens", "a.conllu", [20], [characters], GOOD, [], [])
    command = one(judge(found, of_task("tag", hidden_size=50)), "dead").command
    assert "--hidden-size 50" in command
    assert not any(verdict.kind == "context" for verdict in judge(replace(found, context=ALONE), of_task("tag")))
    assert "--character-hidden-size 7" in command
    relu = replace(layer(dead=3, cell="rnn_relu"), name="decoder, layer 1")
    found = Diagnosis(Path("m"), "translate", "tokens", "a.tsv", [20], [relu], GOOD, [], [])
    command = one(judge(found, of_task("translate", cell="gru", decoder_cell="rnn_relu")), "dead").command
    assert command == "recurra train translate a.csv --cell lstm --out runs/mine-lstm"


def test_weights_that_a_tiny_rate_did_not_move_need_the_usual_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdicts_module, "weights_as_drawn", lambda task: True)
    found = Diagnosis(Path("m"), "classify", "tokens", "a.csv", [20], [layer()], GOOD, [], [])
    verdict = one(judge(found, of_task("classify", learning_rate=1e-12)), "untrained")
    assert verdict.remedy == "Train it, with the usual --learning-rate."
    assert verdict.command == "recurra train classify a.csv --epochs 10 --out runs/mine-longer"


def test_a_slower_rate_is_written_as_one_would(judged: Judged) -> None:
    assert "--learning-rate 0.00067 " in one(judged(layer(saturated=5)), "saturated").command


def test_a_model_that_is_called_by_a_dot_gets_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    command = train_command(replace(of_task("classify"), path=Path(".")), "x", cell="gru")
    assert command.endswith(f"--out {shlex.quote(f'{tmp_path}-x')}")


def test_clipping(judged: Judged) -> None:
    most = one(judged(layer(), clipped=[1.0, 0.5]), "clipped")
    assert (most.level, most.sentence) == ("note", "75 % of the steps of training were clipped to a norm of 1.")
    assert "--clip-norm 4.0" in most.command
    assert one(judged(layer(), clipped=[0.0, 0.0]), "clipped").level == "good"
    assert of_kind(judged(layer(), clipped=[0.5, 0.5]), "clipped") is None


def test_how_far_back_it_looks(judged: Judged) -> None:
    assert "It really looks back 8 tokens" in one(judged(layer()), "context").sentence
    gains = Context([1, 2, 4, 8], [0.9, 0.5, 0.106, 0.1], 0.1, 4)  # 6 % above the whole, of all that is gained 0.75 %
    within = "its loss is as from the beginning, 0.1000, within 1 % of it or of all that context gains; the sequences"
    assert within in one(judged(layer(), context=gains), "context").sentence
    near = one(judged(layer(), context=replace(GOOD, needed=4)), "context")
    assert near.level == "note"  # below a quarter of the 20
    assert one(judged(layer()), "context").level == "good"
    order = one(judged(layer(), context=replace(GOOD, needed=1)), "context")
    assert order.sentence.startswith("Its recurrent layers look at no step but the present one")
    assert "--cell feedforward" in order.command
    longest = Diagnosis(Path("m"), "classify", "tokens", "a.csv", [40], [layer()], replace(GOOD, needed=20), [], [])
    assert "It really looks back 20 tokens" in one(judge(longest, of_task("classify")), "context").sentence
    for needed, far in ((20, 16), (None, 20)):
        further = one(judged(layer(), context=replace(GOOD, needed=needed)), "context")
        assert further.sentence.startswith(f"It looks back further than {far} tokens: the loss still falls there")


def test_a_model_that_has_learnt_nothing_is_not_told_to_be_another(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Diagnosis(
        Path("m"), "classify", "tokens", "a.csv", [20], [layer()], replace(GOOD, needed=1), [], [], left_out=[0, 3000]
    )
    monkeypatch.setattr(verdicts_module, "weights_as_drawn", lambda task: False)
    assert "--cell feedforward" in one(judge(found, of_task("classify")), "context").command
    monkeypatch.setattr(verdicts_module, "weights_as_drawn", lambda task: True)
    verdicts = judge(found, of_task("classify"))
    assert (one(verdicts, "context").remedy, one(verdicts, "context").command) == ("", "")
    assert one(verdicts, "untrained").command
    assert measured_sentence(found) == (
        "Measured on 1 sequence of a.csv: 20 tokens. Left out, as they would take too long: 1, the longest with "
        "3,000 steps."
    )


def test_a_few_steps_call_no_unit_dead(judged: Judged) -> None:
    assert one(judged(layer(dead=5, lengths=[25, 25])), "dead")
    assert of_kind(judged(layer(dead=5, lengths=[25, 24])), "dead") is None


def test_a_model_no_better_than_a_guess(tiny_model: Path) -> None:
    saved = read_model(tiny_model)
    scores = {"model": {"accuracy": {"value": 0.5}}, "baselines": {"majority class": {"accuracy": {"value": 0.5}}}}
    found = Diagnosis(saved.path, "classify", "tokens", "a.csv", [20], [layer()], GOOD, [], [])
    verdict = one(judge(found, replace(saved, metrics={"epochs": 7, "valid": scores})), "untrained")
    assert verdict.sentence.startswith(
        "The model is no better than its weakest baseline, 'majority class': accuracy 50.0 % against 50.0 %, "
        "on the validation examples of its training."
    )
    assert "--epochs 14" in verdict.command
    assert of_kind(judge(found, replace(saved, metrics={})), "untrained") is None


def test_a_baseline_that_is_ahead_is_told(judged: Judged, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no problem of the memory: that is judged as before."""
    baselines = {name: {"accuracy": {"value": value}} for name, value in (("bag", 0.95), ("tie", 0.9), ("guess", 0.5))}
    monkeypatch.setitem(LEARNT, "baselines", baselines)
    verdicts = judged(layer())
    behind = one(verdicts, "behind")
    assert behind.level == "note"
    assert behind.sentence == (
        "A simpler answer is as good or better: 'bag' has accuracy 95.0 %, the model 90.0 %, "
        "on the test examples of its training."
    )
    assert "--epochs" in behind.command
    assert of_kind(verdicts, "untrained") is None
    assert one(verdicts, "sound").level == "good"


def test_baselines_are_ranked_in_each_task(tiny_language_model: Path, tiny_model: Path) -> None:
    """An error is better where it is lower, and no tie beats anything."""
    for path, better, between, worse in ((tiny_language_model, 20.0, 25.0, 30.0), (tiny_model, 0.7, 0.6, 0.5)):
        saved = read_model(path)
        (key,) = saved.task.headline().keys
        baselines = {"weak": {key: {"value": worse}}, "strong": {key: {"value": better}}}
        for own, ahead, beaten in ((better, ["strong"], 1), (between, ["strong"], 1), (worse, ["strong", "weak"], 0)):
            scores = {"model": {key: {"value": own}}, "baselines": baselines}
            found = standing(replace(saved, metrics={"test": scores}))
            assert found is not None
            assert [name for name, _ in found.ahead] == ahead
            assert (found.part, found.beaten) == ("test", beaten)
        assert standing(replace(saved, metrics={})) is None


def test_what_training_writes_can_be_judged(
    tiny_language_model: Path, tiny_transcriber: Path, tiny_model: Path
) -> None:
    for path in (tiny_language_model, tiny_transcriber, tiny_model):
        found = standing(read_model(path))
        written = json.loads((path / "metrics.json").read_text(encoding="utf-8"))
        part = written.get("test") or written.get("valid") or {}
        baselines = part.get("baselines") or {}
        assert (0 if found is None else len(found.ahead) + found.beaten) == len(baselines)


def test_weights_as_they_were_drawn(tiny_model: Path, tiny_transcriber: Path, tiny_language_model: Path) -> None:
    for path in (tiny_model, tiny_transcriber, tiny_language_model):
        task = read_model(path).task
        assert not weights_as_drawn(task)
        torch.manual_seed(5)
        drawn = torch.rand(1)
        fresh = type(task).restore(task.config, task.vocabularies, json.loads(json.dumps(task.facts())))
        torch.manual_seed(5)
        assert weights_as_drawn(fresh)
        assert torch.equal(torch.rand(1), drawn)  # nothing was drawn from the caller's numbers


def test_the_problems_come_first_and_every_threshold_has_its_reason(judged: Judged) -> None:
    verdicts = judged(layer(relative=REACHES_2, dead=1, saturated=5), clipped=[0.0])
    levels = [verdict.level for verdict in verdicts]
    assert levels == sorted(levels, key=["problem", "note", "good"].index)
    assert all(verdict.reason for verdict in verdicts)
    assert of_kind(verdicts, "sound") is None


# commands


def run_of(command: str, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, ...]:
    """The configuration, the place and the two switches that the command line makes of a command."""
    program, *arguments = shlex.split(command)
    assert program == "recurra"
    told: list[tuple[Any, ...]] = []

    def fit(config: Any, place: Path, overwrite: bool, resume: bool, callbacks: Any) -> None:
        told.append((config, place, overwrite, resume))
        raise typer.Exit

    monkeypatch.setattr("recurra.fit.fit", fit)
    result = cli(*arguments)
    assert result.exit_code == 0, result.output
    return told[0]


CONFIGS: list[tuple[str, dict[str, Any]]] = [
    ("classify", {"cell": "gru", "bidirectional": False, "learning_rate": 0.0003, "text_column": "the text"}),
    ("classify", {"cell": "feedforward", "hidden_size": 3, "header": True}),
    ("tag", {"characters": False, "crf": True}),
    ("language-model", {"optimizer": "sgd", "steps": 30}),
    ("translate", {"attention": "none", "decoder_cell": "gru"}),
    ("translate", {"copying": True, "valid": "v.tsv"}),
    ("forecast", {"decoder": "autoregressive", "window": 9}),
    ("forecast", {"segment": 4, "linear": False, "calendar": True}),
    ("transcribe", {"frame_ms": 20.0}),
]


@pytest.mark.parametrize(
    ("name", "options"), CONFIGS, ids=[f"{name} {number}" for number, (name, _) in enumerate(CONFIGS)]
)
def test_a_command_says_what_the_run_was_told(
    name: str, options: dict[str, Any], tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = "it's a file.csv"
    config = make_run_config(name, data=source, **options)
    read = type(config)(**json.loads(json.dumps(config.model_dump())))  # as out of a model directory
    task: Any = SimpleNamespace(name=name, config=read)
    command = train_command(SavedModel(Path("runs/mine"), task, {}, None), "slower", learning_rate=0.001)
    again, place, overwrite, resume = run_of(command, cli, monkeypatch)
    assert (place, overwrite, resume) == (Path("runs/mine-slower"), False, False)
    slower = config.train.model_copy(update={"learning_rate": 0.001})
    assert again == config.model_copy(update={"train": slower})


def test_what_was_found_for_a_run_and_has_no_effect_is_not_told() -> None:
    model = of_task("forecast", decoder="autoregressive")
    found = model.task.config.model.model_copy(update={"linear": False, "segment": 1, "horizon": 24})
    model.task.config = model.task.config.model_copy(update={"model": found})
    wanted = "recurra train forecast a.csv --horizon 24 --decoder autoregressive --cell lstm --out runs/mine-lstm"
    assert train_command(model, "lstm", cell="lstm") == wanted


def test_a_change_that_a_run_refuses_has_no_command() -> None:
    model = of_task("tag")
    assert train_command(model, "x", pooling="max") == ""
    assert train_command(model, "x", hidden_size=0) == ""
    assert train_command(model, "x", cell="rnn") == "recurra train tag a.csv --cell rnn --out runs/mine-x"


def test_data_in_memory_are_for_the_reader_to_name() -> None:
    model = of_task("classify")
    data = model.task.config.data.model_copy(update={"data": "data in memory"})
    model.task.config = model.task.config.model_copy(update={"data": data})
    assert train_command(model, "x", cell="gru").startswith("recurra train classify DATA --cell gru ")


@pytest.mark.parametrize("cell", ["rnn", "lstm"])
@pytest.mark.parametrize("name", TASKS)
def test_every_remedy_can_be_pasted(name: str, cell: str, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdicts_module, "weights_as_drawn", lambda task: True)
    model, kind = of_task(name, cell=cell), {"rnn": "rnn_tanh"}.get(cell, cell)
    layers = [layer(cell=kind, relative=REACHES_2, dead=3, saturated=5), layer(cell=kind, relative=(1.0, 20.0))]
    commands = set()
    for needed in (1, None):
        context = replace(GOOD, needed=needed, steps=[1, 2, 4, 8, 16, 200])
        found = Diagnosis(model.path, name, "tokens", "a.csv", [20], layers, context, [0.9], [])
        commands |= {verdict.command for verdict in judge(found, model) if verdict.command}
    assert len(commands) >= 4
    for command in commands:
        config, *_ = run_of(command, cli, monkeypatch)
        assert config != model.task.config
