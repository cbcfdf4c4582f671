"""The estimator: what it learns, and what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import DataConversionWarning, NotFittedError

from recurra import Classifier
from recurra.errors import DataError, SettingsError
from recurra.estimators import classifier as module
from recurra.train import Callback, EpochRecord

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


LABELS = {
    "integers": [2, 10, 1],
    "numpy integers": np.array([2, 10, 1], np.int8),
    "strings": ["good", "bad", "so"],
    "numpy strings": np.array(["z", "a", "m"]),
    "objects": np.array(["z", "a", "m"], dtype=object),
    "negative": [-1, 5, 0],
    "two truth values": [True, False, True],
    "whole numbers as floats": [2.0, 10.0, 1.0],
}


@pytest.mark.parametrize("kind", LABELS)
def test_labels_come_back_as_they_are_and_columns_are_in_their_order(kind):
    labels = np.asarray(LABELS[kind])[np.arange(24) % 3]
    model = Classifier(**SMALL).fit(TEXTS, labels)
    assert model.classes_.tolist() == np.unique(labels).tolist()
    assert model.classes_.dtype == labels.dtype
    predicted, probabilities = model.predict(TEXTS), model.predict_proba(TEXTS)
    assert predicted.dtype == labels.dtype
    assert predicted.tolist() == labels.tolist()
    assert probabilities.shape == (24, len(model.classes_))
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-6)
    assert model.classes_[probabilities.argmax(1)].tolist() == labels.tolist()
    assert model.score(TEXTS, labels) == 1.0


def test_fit_returns_the_estimator_and_sets_what_it_says(fitted):
    model = Classifier(**SMALL)
    assert model.fit(TEXTS, NUMBERS) is model
    assert len(model.history_) == 12
    assert [record["epoch"] for record in model.history_] == list(range(1, 13))
    assert np.array_equal(model.predict_proba(NEW), fitted.predict_proba(NEW))  # the seed decides


def test_fitting_again_forgets_what_was_learnt(fitted):
    model = Classifier(**SMALL).fit(["x y", "z"] * 5, ["a", "b"] * 5)
    assert np.array_equal(model.fit(TEXTS, NUMBERS).predict_proba(NEW), fitted.predict_proba(NEW))
    assert model.classes_.tolist() == [1, 2, 10]


def test_a_text_alone_is_predicted_as_in_company(fitted):
    together = fitted.predict_proba(NEW)
    for text, row in zip(NEW, together):
        np.testing.assert_allclose(fitted.predict_proba([text])[0], row, atol=1e-6)


@pytest.mark.parametrize("make", [list, tuple, np.array, lambda texts: np.array(texts, dtype=object), iter])
def test_texts_in_every_form(fitted, make):
    assert np.array_equal(fitted.predict_proba(make(NEW)), fitted.predict_proba(NEW))


@pytest.mark.parametrize("dtype", ["object", "str", "category"])
def test_pandas_series(dtype):
    pandas = pytest.importorskip("pandas")
    texts, labels = pandas.Series(TEXTS, index=range(50, 74)), pandas.Series(["p", "n", "s"] * 8).astype(dtype)
    model = Classifier(**SMALL).fit(texts, labels)
    assert model.predict(texts).tolist() == labels.tolist()


def test_none_is_an_empty_text_as_in_files(fitted):
    assert np.array_equal(fitted.predict_proba([None, "good"]), fitted.predict_proba(["", "good"]))


def test_no_texts_give_no_predictions(fitted):
    assert fitted.predict_proba([]).shape == (0, 3)
    assert fitted.predict([]).shape == (0,)
    assert fitted.predict([]).dtype == fitted.classes_.dtype


BAD_TEXTS = [
    ("one text", "X: expected a list of texts, found one text; put it in a list"),
    (["a", float("nan")], "X, row 2: expected a text, found float (nan); write a missing text as ''"),
    (["a", "b", 5], "X, row 3: expected a text, found int (5)"),
    ([b"a"], "X, row 1: expected a text, found bytes (b'a')"),
    (np.array([["a"], ["b"]]), "X: expected one dimension, a text for each example, found the shape (2, 1)"),
    (np.array("a"), "X: expected one dimension, a text for each example, found the shape ()"),
    (["a\ud800"], "a text holds half of a surrogate pair"),
]


@pytest.mark.parametrize(("texts", "message"), BAD_TEXTS)
def test_texts_that_are_none(fitted, texts, message):
    with pytest.raises(DataError) as caught:
        fitted.predict(texts)
    assert message in str(caught.value)


def test_missing_text_in_training_is_named_by_its_own_row():
    texts: list[Any] = [*TEXTS]
    texts[17] = float("nan")
    with pytest.raises(DataError, match=r"^X, row 18: expected a text, found float \(nan\)"):
        Classifier(**SMALL).fit(texts, NUMBERS)


def test_a_data_frame_is_not_read_as_its_column_names(fitted):
    pandas = pytest.importorskip("pandas")
    with pytest.raises(DataError, match=r"expected one dimension, .* found the shape \(6, 1\)"):
        fitted.predict(pandas.DataFrame({"text": NEW}))


@pytest.mark.parametrize(
    ("texts", "labels", "message"),
    [
        (TEXTS, NUMBERS[:-1], "y: expected a label for each of the 24 texts, found 23"),
        (TEXTS, [1] * 24, "y: expected at least two classes, found [1]"),
        ([], [], "y: expected at least two classes, found []"),
        (["a", "b", "c"], [0, 0, 1], "y: expected at least 2 examples of each class, found one of '1' (1)"),
        (TEXTS, ["a", "b", " c"] * 8, "y, row 3: expected a label without white space around it, found ' c'"),
        (TEXTS, ["a", "b", ""] * 8, "y, row 3: expected a label without white space around it, found ''"),
        (TEXTS, ["a", "b", None] * 8, "y, row 3: expected a label without white space around it, found None"),
        (TEXTS, [0.0, 1.0, float("nan")] * 8, "y, row 3: expected a label without white space around it, found nan"),
        ([" ", ""] * 5, [0, 1] * 5, "no text has a single symbol"),
    ],
)
def test_what_cannot_be_learnt_from(texts, labels, message):
    with pytest.raises(DataError) as caught:
        Classifier(**SMALL).fit(texts, labels)
    assert message in str(caught.value)


def test_continuous_labels_are_refused_by_scikit_learn():
    with pytest.raises(ValueError, match="Unknown label type"):
        Classifier(**SMALL).fit(TEXTS, np.linspace(0.1, 2, 24))


def test_a_column_of_labels_is_flattened_with_a_warning():
    with pytest.warns(DataConversionWarning, match="column-vector y"):
        model = Classifier(**SMALL).fit(TEXTS, np.array(NUMBERS)[:, None])
    assert model.predict(TEXTS).tolist() == NUMBERS


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden_size": 0}, "'hidden_size': input should be greater than or equal to 1, found 0"),
        ({"cell": "transformer"}, "'cell': input should be 'lstm'"),
        ({"cell": "feedforward", "bidirectional": False}, "'bidirectional' (False) would have no effect"),
        ({"patience": 11}, "'patience' (11) would have no effect"),
        ({"valid_share": 1.5}, "'valid_share': input should be less than 1"),
    ],
)
def test_settings_are_checked_when_fitting(options, message):
    model = Classifier(**{**SMALL, **options})
    with pytest.raises(SettingsError) as caught:
        model.fit(TEXTS, NUMBERS)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "options", [{"cell": "feedforward"}, {"tokens": "characters"}, {"cell": "gru", "max_length": 1}]
)
def test_settings_have_an_effect(fitted, options):
    model = Classifier(**{**SMALL, **options}).fit(TEXTS, NUMBERS)
    assert not np.array_equal(model.predict_proba(NEW), fitted.predict_proba(NEW))
    assert model.score(TEXTS, NUMBERS) > 0.9


@pytest.mark.parametrize("use", ["predict", "predict_proba", "save"])
def test_before_fit(tmp_path, use):
    model = Classifier()
    with pytest.raises(NotFittedError, match="This Classifier instance is not fitted yet"):
        getattr(model, use)(tmp_path / "model" if use == "save" else ["a"])


@pytest.mark.parametrize(("share", "held_out"), [(0.1, 3), (0.25, 6), (0.5, 12)])
def test_share_held_out_is_at_least_one_of_each_class(monkeypatch, share, held_out):
    sizes = []
    monkeypatch.setattr(module, "train", _noting(sizes, module.train))
    Classifier(**SMALL, valid_share=share).fit(TEXTS, NUMBERS)
    ((train, valid),) = sizes
    assert (len(train), len(valid)) == (24 - held_out, held_out)
    assert np.bincount(valid.labels).tolist() == [held_out / 3] * 3


def _noting(sizes: list[Any], train: Any) -> Any:
    def noted(task: Any, **options: Any) -> Any:
        sizes.append((task.data.train, task.data.valid))
        return train(task, **options)

    return noted


def test_validation_data_choose_the_best_epoch(monkeypatch):
    sizes = []
    monkeypatch.setattr(module, "train", _noting(sizes, module.train))
    model = Classifier(**SMALL).fit(TEXTS, NUMBERS, validation_data=(["good", "bad"], [10, 2]))  # labels swapped
    ((train, valid),) = sizes
    assert (len(train), len(valid)) == (24, 2)
    assert [model.task_.classes[number] for number in valid.labels] == ["10", "2"]
    assert model.history_[-1]["valid_score"] < 1
    one_each = Classifier(**SMALL).fit(["good", "bad"], [0, 1], validation_data=(["good"], [0]))
    assert one_each.classes_.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((["good"], [7]), "validation_data: classes never seen in training: 7"),
        ((["good"], [2, 1]), "validation_data: expected a label for each of the 1 texts, found 2"),
        (([], []), "validation_data: expected at least one text, found none"),
        (([5], [2]), "validation_data, row 1: expected a text, found int (5)"),
        (("good", [2]), "validation_data: expected a list of texts, found one text"),
    ],
)
def test_validation_data_that_do_not_fit(given, message):
    with pytest.raises(DataError) as caught:
        Classifier(**SMALL).fit(TEXTS, NUMBERS, validation_data=given)
    assert message in str(caught.value)


def test_a_share_to_hold_out_beside_validation_data_is_refused():
    with pytest.raises(SettingsError, match=r"'valid_share' \(0.2\) would have no effect: validation_data is given"):
        Classifier(valid_share=0.2).fit(TEXTS, NUMBERS, validation_data=(["good"], [NUMBERS[0]]))


def test_callbacks_are_told_and_can_stop():
    class Stop(Callback):
        def __init__(self) -> None:
            self.epochs: list[EpochRecord] = []

        def on_epoch(self, record: EpochRecord) -> bool:
            self.epochs.append(record)
            return record.epoch == 2

    stop = Stop()
    model = Classifier(**SMALL).fit(TEXTS, NUMBERS, callbacks=[stop])
    assert model.history_ == [record._asdict() for record in stop.epochs]
    assert len(stop.epochs) == 2
