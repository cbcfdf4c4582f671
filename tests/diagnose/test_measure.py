"""Diagnoses of models whose weights are set by hand, so that every number is known; and of each task's."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from recurra.checkpoint import SavedModel, read_model
from recurra.config import make_run_config
from recurra.diagnose import context
from recurra.diagnose.diagnosis import Diagnosis, as_json
from recurra.diagnose.layers import named_layers
from recurra.diagnose.measure import diagnose_model
from recurra.errors import DataError
from recurra.kernels.lookback import looking_back
from recurra.tasks import TASKS

Write = Callable[..., Path]
ROWS = [(" ".join("ab"[(n + step) % 2] for step in range(1 + n % 12)), "xy"[n % 2]) for n in range(72)]


def make(path: Path, **options: Any) -> SavedModel:
    """A classifier that was not trained, as if it had been read."""
    own = {"hidden_size": 2, "embedding_size": 2, "pooling": "final", "bidirectional": False, "device": "cpu"}
    told = {name: value for name, value in {**own, **options}.items() if value is not None}
    config = make_run_config("classify", data=str(path), valid_share=0.4, **told)
    task = TASKS["classify"].from_data(config)
    return SavedModel(path.with_name("model"), task, {}, None)


@torch.no_grad()
def set_by_hand(model: SavedModel, eigenvalue: float) -> None:
    """A rectified net that adds up ones, each after a step times the eigenvalue; the answer is h in the first class."""
    network = model.task.network
    for parameter in network.parameters():
        parameter.zero_()
    network.encoder.embedding.weight.fill_(1.0)
    network.encoder.recurrent.weight_ih_l0.copy_(0.5 * torch.ones(2, 2))
    network.encoder.recurrent.weight_hh_l0.copy_(eigenvalue * torch.eye(2))
    network.output.weight[0, 0] = 0.01


def diagnose(model: SavedModel, most: int = 256) -> Diagnosis:
    return diagnose_model(model, model.task.labelled_batches(None, most), "reviews.csv")


def kinds(found: Diagnosis) -> dict[str, str]:
    return {verdict.kind: verdict.level for verdict in found.verdicts}


@pytest.mark.parametrize("eigenvalue", [0.05, 1.0, 1.5])
def test_a_linear_net_whose_every_number_is_known(eigenvalue: float, make_csv: Write) -> None:
    model = make(make_csv("reviews.csv", ROWS), cell="rnn_relu")
    set_by_hand(model, eigenvalue)
    batches = model.task.labelled_batches(None)
    found = diagnose_model(model, batches, "reviews.csv")
    (layer,) = found.layers
    lengths = [length for batch in batches for length in batch.lengths.tolist()]
    assert (layer.name, layer.cell, found.unit) == ("encoder, layer 1", "rnn_relu", "tokens")
    assert sorted(layer.lengths) == sorted(found.lengths) == sorted(lengths)
    assert layer.flow.relative.tolist() == pytest.approx([eigenvalue**lag for lag in range(max(lengths))], rel=1e-4)
    assert layer.flow.counts.tolist() == [sum(length > lag for length in lengths) for lag in range(max(lengths))]
    assert layer.singular.tolist() == pytest.approx(np.full((1, 2), eigenvalue))
    assert layer.moduli is not None
    assert layer.moduli.tolist() == pytest.approx(np.full((1, 2), eigenvalue))
    assert layer.exponents.tolist() == pytest.approx([math.log(eigenvalue)] * 2, abs=1e-5)
    assert found.context is not None
    labels = [label for batch in batches for label in batch.labels.tolist()]
    for steps, loss in [*zip(found.context.steps, found.context.losses), (99, found.context.whole)]:
        sums = [sum(eigenvalue**before for before in range(min(steps, length))) for length in lengths]
        wanted = [math.log1p(math.exp(-h / 100 if label == 0 else h / 100)) for h, label in zip(sums, labels)]
        assert loss == pytest.approx(float(np.mean(wanted)), rel=1e-5)
    assert found.context.steps == [1, 2, 4, 8, max(lengths)]
    assert found.context.losses[-1] == pytest.approx(found.context.whole, abs=1e-5)
    assert kinds(found).get("vanishing") == ("problem" if eigenvalue < 0.1 else None)
    assert kinds(found).get("exploding") == ("problem" if eigenvalue > 1 else None)


def test_an_lstm_whose_forget_gate_is_held_open(make_csv: Write) -> None:
    model = make(make_csv("reviews.csv", ROWS), cell="lstm")
    with torch.no_grad():
        layer = model.task.network.encoder.recurrent
        for parameter in layer.parameters():
            parameter.zero_()
        layer.bias_ih_l0[2:4] = 50.0
        layer.weight_ih_l0[4] = 1e-3
        model.task.network.output.weight.normal_()
    found = diagnose(model)
    (measured,) = found.layers
    longest = max(found.lengths)
    assert measured.units.half_life is not None
    assert measured.units.half_life.tolist() == [math.inf, math.inf]
    assert measured.units.open["f"].tolist() == [1, 1]
    assert measured.flow.relative.tolist() == pytest.approx([1.0] + [0.5] * (longest - 1), abs=1e-3)
    assert measured.flow.reach() is None
    assert measured.exponents[:2].tolist() == pytest.approx([0, 0], abs=1e-5)
    assert measured.units.dead.tolist()[1]  # nothing is written to the second unit
    told = as_json(found)
    assert told["layers"][0]["units"]["half_life"] == [None, None]
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert told["layers"][0]["flow"]["reach"] is None
    assert told["context"]["whole"] == found.context.whole if found.context else False
    assert told["verdicts"][0].keys() == {"kind", "level", "sentence", "reason", "remedy", "command"}


def test_the_context_of_stacked_layers_is_what_they_see_together(make_csv: Write) -> None:
    model = make(make_csv("reviews.csv", ROWS), cell="rnn", num_layers=2, hidden_size=3)
    found = diagnose(model).context
    assert found is not None
    assert found.steps == [1, 3, 7, 12]  # each layer knows 1, 2, 4 and all of 12
    assert found.losses[-1] == pytest.approx(found.whole, abs=1e-6)
    network = model.task.network
    among = [layer.weight_hh for layer in named_layers(network)]
    vectors = torch.randn(12, 1, 2, requires_grad=True)
    with looking_back(4, among):
        output, _ = network.encoder.recurrent(vectors)
    (gradient,) = torch.autograd.grad(output[-1].sum(), vectors)
    assert (gradient.abs().sum((1, 2)) != 0).tolist() == [False] * 5 + [True] * 7


def test_a_context_is_shortened_where_it_would_take_too_long(make_csv: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make(make_csv("reviews.csv", ROWS), cell="rnn")
    with monkeypatch.context() as patch:
        patch.setattr(context, "_OF_ONE", 1.0)
        patch.setattr(context, "_PRODUCTS", 1.0)
        found = diagnose(model)
    assert found.context is not None
    assert (len(found.context.steps), found.context.steps[0]) == (1, 1)
    assert found.verdicts


def test_a_net_that_was_never_trained(make_csv: Write) -> None:
    found = diagnose(make(make_csv("reviews.csv", ROWS), cell="gru"))
    first = found.verdicts[0]
    assert (first.kind, first.level) == ("untrained", "problem")
    assert first.sentence.startswith("The weights are as they were drawn")
    assert "--epochs 10" in first.command


def test_one_token(make_csv: Write) -> None:
    model = make(make_csv("reviews.csv", [("a b c", label) for label in "xyxyxy"]), cell="lstm", epochs=1)
    batches = model.task.labelled_batches(str(make_csv("short.csv", [("a", "x"), ("", "y")])))
    found = diagnose_model(model, batches, "short.csv")
    (layer,) = found.layers
    assert (layer.flow.counts.tolist(), layer.exponents.tolist()) == ([1], [])
    assert (found.context and found.context.steps) == [1]
    assert kinds(found)["short"] == "note"
    assert not {"vanishing", "exploding", "context", "sound"} & kinds(found).keys()
    json.dumps(as_json(found), allow_nan=False)


def test_no_token_at_all(make_csv: Write) -> None:
    model = make(make_csv("reviews.csv", ROWS))
    batches = model.task.labelled_batches(str(make_csv("empty.csv", [("", "x"), ("", "y")])))
    with pytest.raises(DataError, match="diagnose: no sequence has a step; give longer ones"):
        diagnose_model(model, batches, "empty.csv")


def test_states_and_weights_that_are_no_numbers(make_csv: Write) -> None:
    model = make(make_csv("reviews.csv", ROWS), cell="rnn_relu")
    set_by_hand(model, 1e20)
    with pytest.raises(
        DataError, match=r"encoder, layer 1: a state is no number \(NaN or infinite\) at step 3 of \d+;"
    ):
        diagnose(model)
    with torch.no_grad():
        model.task.network.output.bias[0] = math.nan
    with pytest.raises(DataError, match=r"model: expected weights that are numbers, found NaN or .* in output.bias"):
        diagnose(model)


def test_no_recurrent_layer(make_csv: Write) -> None:
    found = diagnose(make(make_csv("reviews.csv", ROWS), cell="feedforward", pooling="mean", bidirectional=None))
    assert (found.layers, found.context, len(found.lengths)) == ([], None, 28)
    assert kinds(found)["feedforward"] == "note"
    assert "--cell lstm" in next(one for one in found.verdicts if one.kind == "feedforward").command
    json.dumps(as_json(found), allow_nan=False)


def test_a_model_as_it_was_trained(tiny_model: Path) -> None:
    saved = read_model(tiny_model)
    state = torch.get_rng_state()
    found = diagnose(saved)
    assert torch.equal(torch.get_rng_state(), state)
    assert [layer.name for layer in found.layers] == ["encoder, layer 1, forwards", "encoder, layer 1, backwards"]
    assert len(found.clipped) == 2
    assert not saved.task.network.training
    assert all(verdict.sentence and verdict.reason for verdict in found.verdicts)


def test_a_language_model_carries_its_state_on(tiny_language_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved, handed, given = read_model(tiny_language_model), [], []
    sound = saved.task.loss

    def noted(network: Any, batch: Any, carried: Any) -> Any:
        given.append(carried)
        handed.append(sound(network, batch, carried))
        return handed[-1]

    monkeypatch.setattr(saved.task, "loss", noted)
    batches = saved.task.labelled_batches(None)
    found = diagnose_model(saved, [*batches, *batches], "own")
    assert given[0] is None
    assert given[1] is handed[0].carried
    assert found.layers[0].units.norms.isfinite().all()
    assert (found.unit, [layer.name for layer in found.layers]) == ("tokens", ["layer 1"])


def test_a_transcriber_reads_several_frames_at_a_step(tiny_transcriber: Path) -> None:
    saved = read_model(tiny_transcriber)
    batches = saved.task.labelled_batches(None, most=16)
    found = diagnose_model(saved, batches, "own")
    assert found.unit == "stacks of 2 frames"
    assert sorted(found.lengths) == sorted(-(-length // 2) for batch in batches for length in batch.lengths.tolist())


@pytest.mark.parametrize("feeding", [False, True])
def test_a_translator_looks_back_in_its_encoder(feeding: bool, tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    lines = [f"{'a b c d'[: 1 + 2 * (n % 4)]} {n}\t{'e f g h'[: 1 + 2 * (n % 3)]}" for n in range(60)]
    path.write_text("en\tfr\n" + "".join(f"{line}\n" for line in lines), encoding="utf-8")
    own = {"tokens": "spaces", "hidden_size": 4, "embedding_size": 4, "valid_share": 0.3, "device": "cpu"}
    config = make_run_config("translate", data=str(path), input_feeding=feeding, **own)
    model = SavedModel(tmp_path / "model", TASKS["translate"].from_data(config), {}, None)
    found = diagnose(model)
    ends = ["encoder, layer 1, forwards", "encoder, layer 1, backwards", "decoder, layer 1"]
    assert [layer.name for layer in found.layers] == ends
    assert max(found.lengths) == 5
    assert found.context is not None
    assert found.context.steps == [1, 2, 4, 5]
    assert found.context.losses[-1] == pytest.approx(found.context.whole, abs=1e-5)
    assert found.context.losses[0] != pytest.approx(found.context.whole, abs=1e-7)
