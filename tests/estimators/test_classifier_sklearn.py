"""The estimator in scikit-learn's hands: clone, cross validation, search, pipelines, and its own checks."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_checks, get_tags

from recurra import Classifier

SMALL: dict[str, Any] = {
    "hidden_size": 4,
    "embedding_size": 4,
    "dropout": 0.0,
    "word_dropout": 0.0,
    "epochs": 8,
    "batch_size": 4,
    "learning_rate": 0.1,
    "min_count": 1,
    "device": "cpu",
}
TEXTS = ["good film", "bad film", "good plot", "bad plot", "a good one", "a bad one"] * 4
LABELS = ["p", "n"] * 12


def small(**options: Any) -> Classifier:
    return Classifier(**{**SMALL, **options})


def test_clone_is_unfitted_with_the_same_settings():
    model = small().fit(TEXTS, LABELS)
    other = clone(model)
    assert other.get_params() == model.get_params()
    assert not [name for name in vars(other) if name.endswith("_")]
    assert np.array_equal(other.fit(TEXTS, LABELS).predict_proba(TEXTS), model.predict_proba(TEXTS))


def test_parameters_are_those_of_the_constructor():
    arguments = inspect.signature(Classifier).parameters
    model = Classifier()
    assert list(model.get_params()) == sorted(arguments)
    assert vars(model) == {name: argument.default for name, argument in arguments.items()}  # and nothing else is set
    marks = {name: object() for name in arguments}
    assert Classifier(**marks).get_params() == marks  # kept as given, checked in fit
    assert model.set_params(**marks) is model
    assert model.get_params() == marks
    with pytest.raises(ValueError, match="Invalid parameter 'hiden_size' for estimator Classifier"):
        model.set_params(hiden_size=3)


def test_set_params_has_an_effect_on_the_next_fit():
    model = small().fit(TEXTS, LABELS)
    model.set_params(hidden_size=6, cell="gru").fit(TEXTS, LABELS)
    assert model.task_.network.encoder.recurrent.hidden_size == 6
    assert model.task_.network.encoder.recurrent.cell == "gru"


def test_printed_with_what_was_told():
    assert repr(Classifier(hidden_size=3)) == "Classifier(hidden_size=3)"


def test_tags():
    model = Classifier()
    assert is_classifier(model)
    tags = get_tags(model)
    assert tags.input_tags.string
    assert not tags.input_tags.two_d_array
    assert tags.classifier_tags.multi_class
    assert tags.target_tags.required


@pytest.mark.parametrize("container", [list, np.array], ids=["list", "array"])
def test_cross_val_score_is_that_of_folds_by_hand(container):
    texts, labels = container(TEXTS), np.array(LABELS)
    folds = list(StratifiedKFold(2).split(texts, labels))
    scores = cross_val_score(small(), texts, labels, cv=2)
    for score, (train, held_out) in zip(scores, folds):
        model = small().fit([TEXTS[row] for row in train], labels[train])
        assert score == np.mean(model.predict([TEXTS[row] for row in held_out]) == labels[held_out])


@pytest.mark.parametrize("scoring", ["f1_macro", "neg_log_loss", "roc_auc"])
def test_scorers_that_read_probabilities(scoring):
    score = cross_val_score(small(), TEXTS, LABELS, cv=2, scoring=scoring)
    assert np.isfinite(score).all()


def test_cross_val_predict_has_columns_in_the_order_of_the_classes():
    labels = np.array([10, 2] * 12)
    probabilities = cross_val_predict(small(), TEXTS, labels, cv=2, method="predict_proba")
    assert np.mean(np.array([2, 10])[probabilities.argmax(1)] == labels) > 0.9


def test_grid_search():
    search = GridSearchCV(small(), {"cell": ["gru", "feedforward"], "epochs": [1, 8]}, cv=2, error_score="raise")
    search.fit(TEXTS, LABELS)
    assert search.best_params_["epochs"] == 8
    assert search.best_score_ == max(search.cv_results_["mean_test_score"])
    assert search.predict(["good", "bad"]).tolist() == ["p", "n"]
    assert len(search.best_estimator_.history_) == 8


def test_in_a_pipeline():
    lower = FunctionTransformer(lambda texts: [text.lower() for text in texts])
    shouted = [text.upper() for text in TEXTS]
    pipeline = make_pipeline(lower, small(lowercase=False)).fit(shouted, LABELS)
    direct = small(lowercase=False).fit(TEXTS, LABELS)
    assert np.array_equal(pipeline.predict_proba(shouted), direct.predict_proba(TEXTS))
    assert pipeline.score(shouted, LABELS) == 1.0
    assert pipeline.classes_.tolist() == ["n", "p"]
    pipeline.set_params(classifier__epochs=1)
    assert pipeline.named_steps["classifier"].epochs == 1
    assert len(clone(pipeline).fit(shouted, LABELS).named_steps["classifier"].history_) == 1


def test_settings_of_fit_pass_through_a_pipeline():
    same = FunctionTransformer(lambda texts: texts)
    pipeline = make_pipeline(same, small())
    pipeline.fit(TEXTS, LABELS, classifier__validation_data=(["good", "bad"], ["p", "n"]))
    direct = small().fit(TEXTS, LABELS, validation_data=(["good", "bad"], ["p", "n"]))
    assert np.array_equal(pipeline.predict_proba(TEXTS), direct.predict_proba(TEXTS))


def test_beside_others_in_a_vote():
    words = make_pipeline(CountVectorizer(), LogisticRegression())
    vote = VotingClassifier([("words", words), ("net", small())], voting="soft").fit(TEXTS, LABELS)
    assert vote.score(TEXTS, LABELS) == 1.0


def test_calibrated():
    model = CalibratedClassifierCV(small(), cv=2).fit(TEXTS, LABELS)
    assert model.score(TEXTS, LABELS) > 0.9


CHECKS = [
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimator_tags_renamed",
    "check_get_params_invariance",
    "check_mixin_order",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_set_params",
    "check_valid_tag_types",
]


@pytest.mark.parametrize("name", CHECKS)
def test_checks_of_scikit_learn_that_need_no_table_of_numbers(name):
    if not hasattr(estimator_checks, name):
        pytest.skip(f"this scikit-learn has no {name}")
    getattr(estimator_checks, name)("Classifier", Classifier())
