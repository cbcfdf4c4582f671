"""The estimator on series of numbers: in every form they come in, what it learns, and what it refuses."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import cross_val_score

import recurra
from recurra import Classifier
from recurra.errors import DataError, SettingsError

SMALL: dict[str, Any] = {
    "cell": "gru",
    "hidden_size": 8,
    "dropout": 0.0,
    "epochs": 20,
    "batch_size": 8,
    "learning_rate": 0.03,
    "device": "cpu",
}


def waves(count: int, seed: int, channels: int = 1) -> tuple[list[np.ndarray], list[int]]:
    """Waves of 12 to 24 steps of any phase, of one period (10) or of two (2), under noise."""
    rng = np.random.default_rng(seed)
    series, labels = [], []
    for number in range(count):
        time = np.arange(rng.integers(12, 25))
        period = (12, 6)[number % 2]
        wave = np.sin(2 * np.pi * time / period + rng.uniform(0, 2 * np.pi))
        series.append(5 + 3 * wave[:, np.newaxis] + rng.normal(0, 0.2, (len(time), channels)))
        labels.append((10, 2)[number % 2])
    return series, labels


TRAIN, LABELS = waves(60, 0)
NEW, TRUTH = waves(30, 1)


@pytest.fixture(scope="module")
def fitted() -> Classifier:
    """A fitted classifier; tests only read it."""
    return Classifier(**SMALL).fit(TRAIN, LABELS)


def test_it_learns_what_period_a_wave_has(fitted: Classifier) -> None:
    assert fitted.classes_.tolist() == [2, 10]
    assert fitted.score(NEW, TRUTH) > 0.9
    assert np.array_equal(fitted.predict(NEW), fitted.classes_[fitted.predict_proba(NEW).argmax(1)])


def test_a_series_alone_is_predicted_as_in_company(fitted: Classifier) -> None:
    together = fitted.predict_proba(NEW)
    alone = np.concatenate([fitted.predict_proba([one]) for one in NEW])
    np.testing.assert_allclose(alone, together, atol=1e-6)


FORMS = {
    "of one channel": lambda series: [one[:, 0] for one in series],
    "lists": lambda series: [one.tolist() for one in series],
    "tuples of numbers": lambda series: tuple(tuple(one[:, 0].tolist()) for one in series),
    "tensors": lambda series: [torch.from_numpy(one) for one in series],
    "iterator": iter,
    "float32 and float64": lambda series: [one.astype(np.float32).astype(np.float64) for one in series],
}


@pytest.mark.parametrize("form", FORMS)
def test_series_in_every_form(fitted: Classifier, form: str) -> None:
    np.testing.assert_allclose(fitted.predict_proba(FORMS[form](NEW)), fitted.predict_proba(NEW), atol=1e-5)


def test_arrays_of_two_and_three_dimensions_and_data_frames(fitted: Classifier) -> None:
    pandas = pytest.importorskip("pandas")
    equal = np.stack([one[:12] for one in NEW])
    expected = fitted.predict_proba(list(equal))
    assert np.array_equal(fitted.predict_proba(equal), expected)
    assert np.array_equal(fitted.predict_proba(equal[:, :, 0]), expected)
    assert np.array_equal(fitted.predict_proba(pandas.DataFrame(equal[:, :, 0])), expected)
    assert np.array_equal(fitted.predict_proba(torch.from_numpy(equal)), expected)


def test_whole_numbers_and_truth_values() -> None:
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2, (40, 6, 1))
    labels = bits[:, 0, 0].tolist()
    for kind in (np.int8, bool):
        assert Classifier(**{**SMALL, "pooling": "final"}).fit(bits.astype(kind), labels).score(bits, labels) == 1


def test_validation_series_choose_the_best_epoch() -> None:
    model = Classifier(**{**SMALL, "epochs": 1}).fit(TRAIN, LABELS, validation_data=(NEW, TRUTH))
    assert model.task_.label_counts == [30, 30]  # nothing was held out
    assert model._metrics["valid"]["model"]["examples"] == 30


def test_saved_loaded_pickled_and_cloned(fitted: Classifier, tmp_path: Path) -> None:
    expected = fitted.predict_proba(NEW)
    assert np.array_equal(pickle.loads(pickle.dumps(fitted)).predict_proba(NEW), expected)
    fitted.save(tmp_path / "m")
    loaded = recurra.load(tmp_path / "m")
    assert isinstance(loaded, Classifier)
    assert np.array_equal(loaded.predict_proba(NEW), expected[:, ::-1])  # labels are strings now, "10" before "2"
    assert loaded.classes_.tolist() == ["10", "2"]
    again = clone(fitted).fit(TRAIN, LABELS)
    assert np.array_equal(again.predict_proba(NEW), expected)


def test_cross_validation() -> None:
    equal = np.stack([one[:12] for one in TRAIN])
    assert cross_val_score(Classifier(**{**SMALL, "epochs": 2}), equal, LABELS, cv=2, error_score="raise").shape == (2,)


def test_no_series_give_no_predictions(fitted: Classifier) -> None:
    assert fitted.predict_proba([]).shape == (0, 2)
    assert fitted.predict_proba(np.zeros((0, 5, 1))).shape == (0, 2)


TWO = [np.ones((3, 2)), np.ones((4, 2))]
BAD = [
    ([[1.0, 2.0], [[1.0, 2.0]]], "X: 1 faulty row:\n  row 2: expected 1 channel, found 2\neach series is an array"),
    ([*TWO, np.ones((4, 3))], "row 1: expected 1 channel, found 2"),
    ([[1.0, float("nan")]], "row 1: step 2: expected a finite number, found nan"),
    ([[1.0], [float("-inf")]], "row 2: step 1: expected a finite number, found -inf"),
    ([[1.0], []], "row 2: expected at least one step, found none"),
    ([np.zeros((0, 1))], "row 1: expected at least one step, found none"),
    ([[1.0], ["a"]], "row 2: expected numbers, found others"),
    ([[1.0], "a"], "row 2: expected numbers, found 'a'"),
    ([[1.0], None], "row 2: expected numbers, found others"),
    ([[[1.0, 2.0], [3.0]]], "row 1: expected channels of equal length, found lists of unequal ones"),
    ([np.ones((2, 2, 2))], "row 1: expected [T, I] or [T], found the shape (2, 2, 2)"),
    (np.ones((2, 2, 2, 2)), "X: expected series of numbers, [n, T, I] or a list of [T, I] or [T], found the shape"),
    (np.array(1.0), "found the shape ()"),
    ("a text", "X: expected series of numbers, [n, T, I] or a list of [T, I] or [T], found one text"),
    (
        ["a text", "b"],
        "X: 2 faulty rows:\n  row 1: expected numbers, found 'a text'\n  row 2: expected numbers, found 'b'",
    ),
    ([1.0, 2.0], "row 1: expected [T, I] or [T], found the shape ()"),
]


@pytest.mark.parametrize(("series", "message"), BAD)
def test_what_is_no_series(fitted: Classifier, series: Any, message: str) -> None:
    with pytest.raises(DataError) as caught:
        fitted.predict(series)
    assert message in str(caught.value)


def test_channels_of_two_kinds_in_training() -> None:
    message = r"X: 1 faulty row:\n  row 3: expected 2 channels, found 3"
    with pytest.raises(DataError, match=message):
        Classifier(**SMALL).fit([*TWO, np.ones((4, 3)), *TWO], [0, 1, 0, 1, 0])
    with pytest.raises(DataError, match="validation_data: 2 faulty rows:\n  row 1: expected 1 channel, found 2"):
        Classifier(**SMALL).fit(TRAIN, LABELS, validation_data=(TWO, [10, 2]))


LABELLINGS = [
    (LABELS[:-1], "y: expected a label for each of the 60 series, found 59"),
    ([1] * 60, "y: expected at least two classes, found [1]"),
    ([0] * 59 + [1], "y: expected at least 2 examples of each class, found one of '1' (1)"),
    (["a", "b", ""] * 20, "y, row 3: expected a label without white space around it, found ''"),
]


@pytest.mark.parametrize(("labels", "message"), LABELLINGS)
def test_labels_that_do_not_fit(labels: list[Any], message: str) -> None:
    with pytest.raises(DataError) as caught:
        Classifier(**SMALL).fit(TRAIN, labels)
    assert message in str(caught.value)


HELD_OUT = [
    (([], []), "validation_data: expected at least one series, found none"),
    ((NEW[:1], [10, 10]), "validation_data: expected a label for each of the 1 series, found 2"),
    ((NEW[:1], [3]), "validation_data: classes never seen in training: 3"),
]


@pytest.mark.parametrize(("given", "message"), HELD_OUT)
def test_validation_series_that_do_not_fit(given: Any, message: str) -> None:
    with pytest.raises(DataError) as caught:
        Classifier(**SMALL).fit(TRAIN, LABELS, validation_data=given)
    assert message in str(caught.value)


@pytest.mark.parametrize("option", [{"tokens": "characters"}, {"embedding_size": 8}, {"word_dropout": 0.0}])
def test_options_about_symbols_are_refused(option: dict[str, Any]) -> None:
    (name,) = option
    with pytest.raises(SettingsError, match=f"option '{name}' .* would have no effect: X holds series of numbers"):
        Classifier(**SMALL, **option).fit(TRAIN, LABELS)


def test_texts_and_series_are_not_mixed_up() -> None:
    model = Classifier(epochs=1, hidden_size=4, embedding_size=4).fit(["good", "bad"] * 8, [1, 0] * 8)
    with pytest.raises(DataError, match="X: expected texts, as in training, found numbers"):
        model.predict(NEW)
