"""The tagger as an estimator: what it is given, what it answers, kept and copied, and in scikit-learn's hands."""

from __future__ import annotations

import inspect
import pickle
from typing import Any

import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score

import recurra
from recurra import Tagger
from recurra.config import make_run_config
from recurra.errors import DataError, OutputError, SettingsError
from recurra.spans import faults
from recurra.train import Callback

SMALL: dict[str, Any] = {
    "hidden_size": 6,
    "embedding_size": 6,
    "character_embedding_size": 4,
    "character_hidden_size": 4,
    "dropout": 0.0,
    "word_dropout": 0.1,
    "epochs": 10,
    "batch_size": 4,
    "learning_rate": 0.05,
    "device": "cpu",
}
SENTENCES = [["the", "dog", "runs"], ["dogs", "run"], ["a", "run"], ["the", "dogs", "sleep"]] * 6
TAGS = [["D", "N", "V"], ["N", "V"], ["D", "N"], ["D", "N", "V"]] * 6
SPANS = [["O", "B-X", "I-X"], ["B-Y", "O"], ["O", "B-X"], ["O", "B-Y", "O"]] * 6
NEW = [["the", "run"], [], ["unseen", "dogs", "run", "."], ["dogs"]]


@pytest.fixture(scope="module")
def fitted() -> Tagger:
    """A fitted tagger; tests only read it."""
    return Tagger(**SMALL).fit(SENTENCES, TAGS)


def state_of(model: Tagger) -> dict[str, Any]:
    return {name: value.numpy().tobytes() for name, value in model.task_.network.state_dict().items()}


def test_learns_what_words_and_their_neighbours_say(fitted):
    assert fitted.score(SENTENCES, TAGS) == 1.0
    assert fitted.predict([["the", "run"], ["dogs", "run"]]) == [["D", "N"], ["N", "V"]]
    assert fitted.tags_ == ["D", "N", "V"]
    assert len(fitted.history_) == 10


def test_confidences_are_of_the_tags_one_a_token(fitted):
    tags, confidences = fitted.predict_with_confidence(NEW)
    assert tags == fitted.predict(NEW)
    assert [len(row) for row in confidences] == [len(row) for row in tags] == [2, 0, 4, 1]
    assert all(1 / 3 < value <= 1 for row in confidences for value in row)
    (alone,), (sure,) = fitted.predict_with_confidence(NEW[:1])
    assert (alone, sure) == (tags[0], pytest.approx(confidences[0], abs=1e-5))
    assert fitted.predict_with_confidence([]) == ([], [])


def test_score_is_token_accuracy_and_an_unseen_tag_an_error(fitted):
    assert fitted.score([["the", "dog", "runs"], []], [["D", "N", "NEVER"], []]) == pytest.approx(2 / 3)


def test_defaults_are_those_of_the_command_line():
    config = make_run_config("tag", data="x")
    flat = {name: value for section in config.sections for name, value in getattr(config, section)}
    parameters = inspect.signature(Tagger).parameters
    assert {name: parameter.default for name, parameter in parameters.items()} == {n: flat[n] for n in parameters}


@pytest.mark.parametrize("how", ["pickled", "saved"])
def test_kept_and_read_again_is_the_same_to_the_last_bit(fitted, how, tmp_path):
    if how == "saved":
        fitted.save(tmp_path / "model")
        other = recurra.load(tmp_path / "model")
        with pytest.raises(OutputError, match="in use: it exists"):
            fitted.save(tmp_path / "model")
    else:
        other = pickle.loads(pickle.dumps(fitted))
    assert isinstance(other, Tagger)
    assert state_of(other) == state_of(fitted)
    assert other.predict_with_confidence(NEW) == fitted.predict_with_confidence(NEW)
    assert other.get_params() == fitted.get_params()
    assert other.history_ == fitted.history_


def test_clone_is_unfitted_and_learns_the_same(fitted):
    other = clone(fitted)
    assert not hasattr(other, "task_")
    assert state_of(other.fit(SENTENCES, TAGS)) == state_of(fitted)


def test_cross_validation_and_search():
    scores = cross_val_score(Tagger(**SMALL), SENTENCES, TAGS, cv=2, error_score="raise")
    assert scores.tolist() == pytest.approx([1, 1], abs=0.2)
    search = GridSearchCV(Tagger(**SMALL), {"crf": [False, True]}, cv=2, error_score="raise").fit(SENTENCES, TAGS)
    assert search.best_estimator_.score(SENTENCES, TAGS) == search.score(SENTENCES, TAGS) > 0.9


def test_a_crf_knows_the_scheme_of_the_tags():
    model = Tagger(**{**SMALL, "epochs": 2}, crf=True).fit(SENTENCES, SPANS)
    assert model.tags_ == ["B-X", "B-Y", "I-X", "I-Y", "O"]
    assert not [tags for tags in model.predict(NEW * 20) if faults(tags, "BIO")]
    other = [["O", "B-X", "E-X"], ["S-Y", "O"]]
    assert model.score(SENTENCES[:2], other) == model.score(SENTENCES[:2], SPANS[:2])


def test_validation_data_and_callbacks():
    class Stops(Callback):
        def on_epoch(self, record: Any) -> bool:
            return record.epoch == 2

    model = Tagger(**SMALL).fit(SENTENCES, TAGS, validation_data=(SENTENCES[:4], TAGS[:4]), callbacks=[Stops()])
    assert len(model.history_) == 2
    with pytest.raises(SettingsError, match=r"'valid_share' \(0.3\) would have no effect: validation_data is given"):
        Tagger(**SMALL, valid_share=0.3).fit(SENTENCES, TAGS, validation_data=(SENTENCES, TAGS))


@pytest.mark.parametrize(
    ("tokens", "tags", "message"),
    [
        (["the dog"], [["D"]], "X: 1 faulty place:\n  sentence 1: expected a list in 'tokens', found a string"),
        ([["a"], ["b"]], [["D"]], "expected tags for each of the 2 sentences, found 1 lists"),
        ([["a", ""]] * 3, [["D", "N"]] * 3, "sentence 1, token 2: expected a token, found none"),
        ([["a\x01"]] * 3, [["D"]] * 3, r"the token 'a\\x01' holds a control character \(U\+0001\)"),
        ([["a\ud800"]] * 3, [["D"]] * 3, "half of a surrogate pair"),
        ([["a"], ["b"]], [["D"], ["D"]], "expected at least two different tags .* found one: 'D'"),
        ([["a"]], [["D"]], "at least 2 sentences, to be divided into training and validation, found 1"),
        ([["a", "b"]] * 3, [["O", "I-X"], ["B-X", "I-X"], ["B-X", "O"]], "sentence 1, token 2: I-X after O: a span b"),
        ([["a", "b"]] * 3, [["B-X", "Y"], ["O", "B-X"], ["O", "O"]], "found tags without prefix:\n  'Y': 1, the first"),
    ],
)
def test_what_cannot_be_learnt_from_is_named(tokens, tags, message):
    with pytest.raises(DataError, match=message):
        Tagger(**SMALL).fit(tokens, tags)


def test_what_cannot_be_tagged_is_named(fitted):
    with pytest.raises(
        DataError, match="X: 1 faulty place:\n  sentence 2: expected text at place 1 of 'tokens', found"
    ):
        fitted.predict([["a"], [3]])
