"""The translator as an estimator: what it is given, what it answers, kept and copied, and in scikit-learn's hands."""

from __future__ import annotations

import inspect
import pickle
import random
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score

import recurra
from recurra import Translator
from recurra.config import make_run_config
from recurra.errors import DataError, OutputError, SettingsError
from recurra.search import Search
from recurra.train import Callback
from recurra.translation_scores import translation_scores

SMALL: dict[str, Any] = {
    "tokens": "characters",
    "target_tokens": "words",
    "hidden_size": 12,
    "embedding_size": 12,
    "dropout": 0.0,
    "epochs": 12,
    "min_count": 1,
    "batch_size": 8,
    "learning_rate": 0.03,
    "device": "cpu",
}
SPELT = {"a": "one", "b": "two", "c": "three"}
TEXTS = [first + second for first in "abc" for second in "abc"] * 6
SAID = [" ".join(SPELT[letter] for letter in text) for text in TEXTS]
NEW = ["ab", "", "cx", "b"]


@pytest.fixture(scope="module")
def fitted() -> Translator:
    """A fitted translator; tests only read it."""
    return Translator(**SMALL).fit(TEXTS, SAID)


def state_of(model: Translator) -> dict[str, Any]:
    return {name: value.numpy().tobytes() for name, value in model.task_.network.state_dict().items()}


def plain(found: list[list[Any]]) -> list[list[Any]]:
    return [
        [each._replace(alignment=None if each.alignment is None else each.alignment.tolist()) for each in of_text]
        for of_text in found
    ]


def test_learns_what_letters_are_called(fitted):
    assert fitted.predict(["ca", "bb", "ac"]) == ["three one", "two two", "one three"]
    assert fitted.score(TEXTS[:9], SAID[:9]) > 0.9
    assert len(fitted.history_) == 12
    assert fitted.predict([]) == []


def test_score_is_chrf_as_a_share(fitted):
    answers = fitted.predict(NEW)
    expected = translation_scores(answers, [[text] for text in SAID[:4]])["chrf"]["value"] / 100
    assert fitted.score(NEW, SAID[:4]) == pytest.approx(expected)


def test_translations_tell_how_they_were_made(fitted):
    found = fitted.translate(NEW, n_best=3)
    assert [of_text[0].text for of_text in found] == fitted.predict(NEW)
    for text, of_text in zip(NEW, found):
        assert len(of_text) == (3 if text else 1)
        assert of_text[0].source_tokens == [symbol if symbol in SPELT else "[UNK]" for symbol in text] or text == "cx"
        for each in of_text:
            assert each.alignment.shape == (len(each.tokens), len(text))
    assert [best.text for best, *_ in fitted.translate(NEW, beam=1)] == fitted.predict(NEW, beam=1)
    assert plain(fitted.translate(NEW[:1])) != plain(fitted.translate(NEW[:1], length_penalty=2.0))


def test_answers_are_those_of_the_command_line(fitted):
    """The same search by default: its width, its penalty and the length allowed."""
    import json

    lines = [json.loads(line) for line in "".join(fitted.task_.predict(["ab"])).splitlines()]
    ((best,),) = fitted.translate(["ab"])
    assert (lines[0]["translation"], lines[0]["score"]) == (best.text, best.score)
    assert fitted.task_.search() == Search(beam=5, max_ratio=fitted.task_.known.max_ratio)


def test_defaults_are_those_of_the_command_line():
    config = make_run_config("translate", data="x")
    flat = {name: value for section in config.sections for name, value in getattr(config, section)}
    parameters = inspect.signature(Translator).parameters
    assert {name: parameter.default for name, parameter in parameters.items()} == {n: flat[n] for n in parameters}
    of_files = {
        "data",
        "target",
        "valid_target",
        "test_target",
        "source_column",
        "target_column",
        "delimiter",
        "header",
    }
    left_out = set(flat) - set(parameters) - of_files
    assert left_out <= {"valid", "test", "test_share", "tensorboard", "compile", "init_from"}, left_out


def test_defaults_of_a_search_are_those_of_search(fitted):
    told = {name: field.default for name, field in inspect.signature(Search).parameters.items()}
    names = ("length_penalty", "coverage_penalty")
    explicit = fitted.translate(NEW, beam=5, n_best=1, **{name: told[name] for name in names})
    found = [[(each.text, each.score) for each in of_text] for of_text in fitted.translate(NEW)]
    assert found == [[(each.text, each.score) for each in of_text] for of_text in explicit]


@pytest.mark.parametrize("how", ["pickled", "saved"])
def test_kept_and_read_again_is_the_same_to_the_last_bit(fitted, how, tmp_path):
    if how == "saved":
        fitted.save(tmp_path / "model")
        other = recurra.load(tmp_path / "model")
        with pytest.raises(OutputError, match="in use: it exists"):
            fitted.save(tmp_path / "model")
    else:
        other = pickle.loads(pickle.dumps(fitted))
    assert isinstance(other, Translator)
    assert state_of(other) == state_of(fitted)
    assert plain(other.translate(NEW, n_best=2)) == plain(fitted.translate(NEW, n_best=2))
    assert other.get_params() == fitted.get_params()
    assert other.history_ == fitted.history_


def test_clone_is_unfitted_and_learns_the_same(fitted):
    other = clone(fitted)
    assert not hasattr(other, "task_")
    with pytest.raises(NotFittedError):
        other.predict(["a"])
    assert state_of(other.fit(TEXTS, SAID)) == state_of(fitted)


def test_cross_validation_and_search():
    order = random.Random(0).sample(range(len(TEXTS)), len(TEXTS))
    texts, said = [TEXTS[n] for n in order], [SAID[n] for n in order]
    quick = {**SMALL, "epochs": 1, "batch_size": 4}
    scores = cross_val_score(Translator(**quick), np.array(texts), np.array(said), cv=2, error_score="raise")
    assert scores.shape == (2,)
    assert (scores > 0).all()
    found = GridSearchCV(Translator(**quick), {"attention": ["dot", "none"]}, cv=2, error_score="raise").fit(
        texts, said
    )
    assert found.best_estimator_.score(texts, said) == found.score(texts, said)


def test_validation_data_and_callbacks():
    class Stops(Callback):
        def on_epoch(self, record: Any) -> bool:
            return record.epoch == 2

    model = Translator(**SMALL).fit(TEXTS, SAID, validation_data=(["ab"], ["one two"]), callbacks=[Stops()])
    assert len(model.history_) == 2
    with pytest.raises(SettingsError, match=r"'valid_share' \(0.3\) would have no effect: validation_data is given"):
        Translator(**SMALL, valid_share=0.3).fit(TEXTS, SAID, validation_data=(["ab"], ["one two"]))


@pytest.mark.parametrize(
    ("sources", "targets", "message"),
    [
        (["a", "b"], ["x"], "y: expected a target for each of the 2 sources, found 1"),
        ("ab", ["x", "y"], "X: expected a list of texts"),
        (["a", 3], ["x", "y"], "X"),
        (["a", "b", "c"], ["x", "", "y"], "expected a text on each side of each pair; 1 row has an empty side"),
        (["a", "b", "c"], ["x"] * 3, "holds the same text in each of the 3 rows: 'x'; there is nothing to learn"),
        (["a", "b\ud800"], ["x", "y"], "half of a surrogate pair"),
        ([], [], "expected at least"),
        (["a"], ["x"], "expected at least 2 different source texts, to be divided into training and validation, found"),
    ],
)
def test_what_cannot_be_learnt_from_is_named(sources, targets, message):
    with pytest.raises(DataError, match=message):
        Translator(**SMALL).fit(sources, targets)


def test_what_cannot_be_translated_is_named(fitted):
    with pytest.raises(DataError, match="X"):
        fitted.predict("ab")
    with pytest.raises(DataError, match="X"):
        fitted.predict(["a", 3])
    with pytest.raises(DataError, match="y: expected a translation for each of the 2 texts, at least 1, found 1"):
        fitted.score(["a", "b"], ["one"])
    with pytest.raises(DataError, match="expected a translation for each of the 0 texts, at least 1"):
        fitted.score([], [])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_best": 3, "beam": 2}, "n_best: expected at most the beam, 2, got 3"),
        ({"beam": 99}, "beam: expected at most the size of the vocabulary, 6, got 99"),
        ({"length_penalty": -1}, "length_penalty: expected a number of 0"),
        ({"max_ratio": 0}, "max_ratio: expected a number above 0"),
        ({"coverage_penalty": 1, "beam": 1}, "coverage_penalty: it has no effect without a beam above 1"),
    ],
)
def test_how_texts_cannot_be_searched_for(fitted, options, message):
    with pytest.raises(SettingsError, match=message):
        fitted.translate(["ab"], **options)


def test_options_without_effect_are_refused():
    for options, message in (
        ({"attention": "none", "coverage": True}, "'coverage' .True. would have no effect: --attention none looks no"),
        ({"copying": True, "target_tokens": "words"}, "'target_tokens' .words. would have no effect"),
        ({"heads": 2}, "'heads' .2. would have no effect"),
    ):
        with pytest.raises(SettingsError, match=message):
            Translator(**{**SMALL, "target_tokens": None, **options}).fit(TEXTS, SAID)
    model = Translator(**{**SMALL, "epochs": 1}, attention="none").fit(TEXTS, SAID)
    with pytest.raises(SettingsError, match="'replace_unknown' would have no effect: the model has no attention"):
        model.predict(["ab"], replace_unknown=True)
    with pytest.raises(SettingsError, match="coverage_penalty: it needs attention weights, and this network has none"):
        model.predict(["ab"], coverage_penalty=0.5)
