"""A network that starts from a language model."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import Result

import recurra
from recurra.config import make_run_config
from recurra.data import load_splits
from recurra.errors import ModelDirectoryError, SettingsError
from recurra.fit import fit
from recurra.start import read_language_model, read_start
from recurra.tasks.classify import Classify

Cli = Callable[..., Result]


@pytest.fixture(scope="module")
def two_layers(
    tmp_path_factory: pytest.TempPathFactory, running_text: Path, small_language_model: dict[str, Any]
) -> Path:
    place = tmp_path_factory.mktemp("models") / "two"
    options = {**small_language_model, "num_layers": 2, "embedding_size": 6, "cell": "gru", "tokens": "characters"}
    fit(make_run_config("language-model", data=str(running_text), **options), place)
    return place


def started(reviews_csv: Path, model: Path, **options: Any) -> Classify:
    config = make_run_config("classify", data=str(reviews_csv), init_from=str(model), **options)
    return Classify.from_data(config, read_start(str(model)))


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("which", ["tiny_language_model", "two_layers"])
def test_a_classifier_starts_with_the_language_models_weights(
    which: str, bidirectional: bool, reviews_csv: Path, request: pytest.FixtureRequest
) -> None:
    model = request.getfixturevalue(which)
    theirs = read_language_model(model)
    task = started(reviews_csv, model, bidirectional=bidirectional)
    encoder, weights = task.network.encoder, theirs.network.state_dict()
    assert task.vocabulary.to_json() == theirs.vocabulary.to_json()
    scale = theirs.config.model.embedding_size**0.5  # of what the language model's layers read
    torch.testing.assert_close(encoder.embedding.weight.data, scale * weights["embedding.weight"])
    assert encoder.recurrent is not None
    own = dict(encoder.recurrent.named_parameters())
    for name, value in theirs.network.recurrent.named_parameters():
        assert torch.equal(own[name][..., : value.shape[-1]], value), name
    assert sum(name.endswith("_reverse") for name in own) == (len(own) / 2 if bidirectional else 0)
    fresh = Classify.from_splits(task.config.model_copy(), load_splits(task.config.data, 0), read_start(str(model)))
    assert all(torch.equal(one, other) for one, other in zip(task.network.parameters(), fresh.network.parameters()))
    told = task.config
    assert (told.model.cell, told.model.hidden_size, told.model.num_layers, told.model.embedding_size) == (
        theirs.config.model.cell,
        theirs.config.model.hidden_size,
        theirs.config.model.num_layers,
        theirs.config.model.embedding_size,
    )
    assert told.vocabulary.tokens == theirs.config.vocabulary.tokens
    assert told.vocabulary.lowercase is False


def test_the_second_direction_is_drawn_by_itself(reviews_csv: Path, tiny_language_model: Path) -> None:
    recurrent = started(reviews_csv, tiny_language_model).network.encoder.recurrent
    assert recurrent is not None
    assert not torch.equal(recurrent.weight_hh_l0, recurrent.weight_hh_l0_reverse)


def test_a_model_that_was_started_needs_its_language_model_no_more(
    reviews_csv: Path, tiny_language_model: Path, tmp_path: Path, cli: Cli
) -> None:
    start, place = shutil.copytree(tiny_language_model, tmp_path / "lm"), tmp_path / "m"
    options = ["--epochs", 2, "--dropout", 0.1, "--init-from", start, "--out", place]
    assert cli("train", "classify", reviews_csv, *options).exit_code == 0
    shutil.rmtree(start)
    result = cli("predict", place, "a good film")
    assert json.loads(result.stdout)["text"] == "a good film"
    assert cli("evaluate", place, reviews_csv).exit_code == 0
    assert cli("check", place).exit_code == 0
    told = json.loads((place / "config.json").read_text())["settings"]
    assert told["model"]["init_from"] == str(start)
    assert told["model"]["hidden_size"] == 8


def test_a_run_that_was_started_is_resumed_bit_for_bit(
    reviews_csv: Path, tiny_language_model: Path, tmp_path: Path
) -> None:
    def told(**more: Any) -> Any:
        return make_run_config(
            "classify", data=str(reviews_csv), init_from=str(tiny_language_model), epochs=3, batch_size=8, **more
        )

    fit(told(), tmp_path / "whole")
    from recurra.train import Callback

    class Stop(Callback):
        def on_epoch(self, record: Any) -> bool:
            raise KeyboardInterrupt

    fit(told(), tmp_path / "m", callbacks=[Stop()])
    fit(told(), tmp_path / "m", resume=True)
    assert (tmp_path / "m" / "model.safetensors").read_bytes() == (
        tmp_path / "whole" / "model.safetensors"
    ).read_bytes()


def test_what_is_no_language_model(tiny_model: Path, tmp_path: Path, reviews_csv: Path, cli: Cli) -> None:
    with pytest.raises(SettingsError, match="expected a language model, found a model of the task classify"):
        read_start(str(tiny_model))
    with pytest.raises(ModelDirectoryError, match="there is no such model directory"):
        read_start(str(tmp_path / "none"))
    for start, said, code in ((tiny_model, "expected a language model", 2), (tmp_path, "not a recurra model", 4)):
        result = cli("train", "classify", reviews_csv, "--init-from", start, "--out", tmp_path / "m")
        assert (result.exit_code, said in result.stderr) == (code, True)
        assert not list(tmp_path.glob("m*"))


@pytest.mark.parametrize(
    "option", ["--hidden-size=8", "--cell=lstm", "--tokens=words", "--num-layers=1", "--min-count=1", "--vectors=a.txt"]
)
def test_what_the_language_model_sets_is_refused(
    option: str, reviews_csv: Path, tiny_language_model: Path, cli: Cli
) -> None:
    result = cli("train", "classify", reviews_csv, "--init-from", tiny_language_model, option)
    name = option[2:].partition("=")[0].replace("-", "_")
    assert result.exit_code == 2
    assert f"option '{name}' (" in result.stderr
    assert "would have no effect: --init-from takes the language model's" in result.stderr


def test_the_estimator_starts_too(reviews_csv: Path, tiny_language_model: Path, tmp_path: Path) -> None:
    texts, labels = ["a good film", "a bad cast", "good", "bad"] * 5, ["pos", "neg"] * 10
    model = recurra.Classifier(init_from=str(tiny_language_model), epochs=1).fit(texts, labels)
    assert model.task_.vocabulary.to_json() == read_language_model(tiny_language_model).vocabulary.to_json()
    model.save(tmp_path / "m")
    again = recurra.load(tmp_path / "m")
    np.testing.assert_array_equal(again.predict_proba(texts), model.predict_proba(texts))
    again.fit(texts, labels)  # what the language model sets is not told beside it
    with pytest.raises(SettingsError, match=r"option 'hidden_size' \(9\) would have no effect"):
        recurra.Classifier(init_from=str(tiny_language_model), hidden_size=9).fit(texts, labels)
    with pytest.raises(ModelDirectoryError, match="there is no such model directory"):
        recurra.Classifier(init_from=str(tmp_path / "none")).fit(texts, labels)
