"""The estimator pickled, copied, saved and loaded: the same model to the last bit, and nothing else touched."""

from __future__ import annotations

import copy
import io
import json
import pickle
import pickletools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

import recurra
from recurra import Classifier
from recurra.errors import OutputError
from recurra.estimators import base as module

SMALL: dict[str, Any] = {
    "hidden_size": 4,
    "embedding_size": 4,
    "dropout": 0.0,
    "word_dropout": 0.0,
    "epochs": 12,
    "batch_size": 4,
    "learning_rate": 0.05,
    "min_count": 1,
    "device": "cpu",
}
TEXTS = ["good film", "bad film", "so so film", "good plot", "bad plot", "so so plot"] * 4
NUMBERS = [2, 10, 1] * 8
NEW = ["good", "bad", "so so", "", "unseen words", "a good bad film"]


@pytest.fixture(scope="module")
def fitted() -> Classifier:
    """A fitted classifier; tests only read it."""
    return Classifier(**SMALL).fit(TEXTS, NUMBERS)


def state_of(model: Classifier) -> dict[str, Any]:
    return {name: value.numpy().tobytes() for name, value in model.task_.network.state_dict().items()}


@pytest.mark.parametrize("again", [lambda model: pickle.loads(pickle.dumps(model)), copy.deepcopy])
def test_pickled_equals_the_original_to_the_last_bit(fitted, again):
    other = again(fitted)
    assert state_of(other) == state_of(fitted)
    assert np.array_equal(other.predict_proba(NEW), fitted.predict_proba(NEW))
    assert other.get_params() == fitted.get_params()
    assert other.history_ == fitted.history_
    assert other.classes_.dtype == fitted.classes_.dtype
    assert other.predict(NEW).tolist() == fitted.predict(NEW).tolist()
    assert state_of(pickle.loads(pickle.dumps(other))) == state_of(fitted)
    assert np.array_equal(other.fit(TEXTS, NUMBERS).predict_proba(NEW), fitted.predict_proba(NEW))


def test_pickle_names_no_class_but_ours_and_those_of_numpy_arrays(fitted):
    content = pickle.dumps(fitted)
    named: set[tuple[str, str]] = set()

    class Noting(pickle.Unpickler):
        def find_class(self, home: str, name: str) -> Any:
            named.add((home, name))
            return super().find_class(home, name)

    Noting(io.BytesIO(content)).load()
    assert ("recurra.estimators.classifier", "Classifier") in named
    others = {
        home.split(".")[0] for home, name in named if (home, name) != ("recurra.estimators.classifier", "Classifier")
    }
    assert others <= {"numpy", "copyreg"}
    strings = [argument for _, argument, _ in pickletools.genops(content) if isinstance(argument, str)]
    assert not [text for text in strings if "torch" in text]


def test_unfitted_pickles_its_settings():
    other = pickle.loads(pickle.dumps(Classifier(hidden_size=7)))
    assert other.hidden_size == 7
    assert not hasattr(other, "task_")


def test_saved_and_loaded(fitted, tmp_path):
    place = tmp_path / "deep" / "model"
    fitted.save(place)
    other = recurra.load(place)
    assert state_of(other) == state_of(fitted)
    assert other.classes_.tolist() == ["1", "10", "2"]  # strings, sorted as such
    columns = [other.classes_.tolist().index(str(label)) for label in fitted.classes_]
    assert np.array_equal(other.predict_proba(NEW)[:, columns], fitted.predict_proba(NEW))
    assert other.predict(NEW).tolist() == [str(label) for label in fitted.predict(NEW)]
    assert other.get_params() == fitted.get_params()
    assert other.history_ == fitted.history_
    other.save(tmp_path / "again")
    for name in ("config.json", "tokenizer.json", "model.safetensors", "baseline.safetensors", "history.jsonl"):
        assert (tmp_path / "again" / name).read_bytes() == (place / name).read_bytes(), name
    scores = [json.loads((path / "metrics.json").read_text()) for path in (place, tmp_path / "again")]
    assert scores[0] == scores[1]


def test_saving_where_something_is(fitted, tmp_path):
    place = tmp_path / "model"
    fitted.save(place)
    with pytest.raises(OutputError, match="in use: it exists; choose another place or give overwrite=True"):
        fitted.save(place)
    other = Classifier(**{**SMALL, "hidden_size": 5}).fit(TEXTS, NUMBERS)
    other.save(place, overwrite=True)
    assert recurra.load(place).hidden_size == 5
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_overwriting_spares_what_is_no_model(fitted, tmp_path):
    diary = tmp_path / "home" / "diary.txt"
    diary.parent.mkdir()
    diary.write_text("dear diary")
    for place in (diary.parent, diary):
        with pytest.raises(OutputError, match="in use: it is no model directory of recurra; choose another place"):
            fitted.save(place, overwrite=True)
    assert diary.read_text() == "dear diary"


def test_a_failed_save_leaves_nothing_behind(fitted, tmp_path, monkeypatch):
    def fails(folder: Path, *rest: object) -> None:
        (folder / "config.json").write_text("{")
        raise OutputError("the disk is full")

    monkeypatch.setattr(module, "write_model", fails)
    with pytest.raises(OutputError, match="the disk is full"):
        fitted.save(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_pretrained_vectors_and_their_size(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("good 1 0 0 0 0 0\nbad 0 1 0 0 0 0\n")
    options = {name: value for name, value in SMALL.items() if name != "embedding_size"}
    model = Classifier(**options, vectors=str(path)).fit(TEXTS, NUMBERS)
    assert model.task_.network.encoder.embedding.weight.shape[1] == 6
    place = tmp_path / "model"
    model.save(place)
    other = recurra.load(place)
    assert other.get_params() == model.get_params()
    labels = [str(number) for number in NUMBERS]
    again = clone(other).fit(TEXTS, labels)
    path.unlink()  # what was learnt needs the file no more
    columns = [other.classes_.tolist().index(str(label)) for label in model.classes_]
    for loaded in (recurra.load(place), again):
        assert np.array_equal(loaded.predict_proba(NEW)[:, columns], model.predict_proba(NEW))


@pytest.mark.parametrize("rate", [0.002, 0.5])  # the first is the default of AdamW, not of SGD
def test_sgd_has_the_step_size_that_is_told_and_again_when_loaded(rate, tmp_path):
    options = {**SMALL, "learning_rate": rate, "optimizer": "nt-asgd", "nonmonotone": 2}
    model = Classifier(**options).fit(TEXTS, NUMBERS)
    told = model.task_.config.train
    assert (told.optimizer, told.nonmonotone, told.learning_rate) == ("nt-asgd", 2, rate)
    assert (told.weight_decay, told.clip_norm) == (model.weight_decay, model.clip_norm) == (0.01, 1.0)
    model.save(tmp_path / "model")
    other = recurra.load(tmp_path / "model")
    assert other.get_params() == model.get_params()
    assert other.fit(TEXTS, NUMBERS).task_.config == model.task_.config
    assert state_of(other) == state_of(model)
