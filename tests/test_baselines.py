"""The bag of words and the summaries against scikit-learn on the same examples, and the majority class."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from recurra import baselines
from recurra.baselines import BagOfWords, SeriesSummaries, majority_probabilities, summaries
from recurra.data.encoded import Encoded

WORDS = 30
PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0)


def encoded(sequences: list[list[int]], labels: list[int] | None) -> Encoded:
    starts = np.cumsum([0, *map(len, sequences)])
    ids = np.array([id_ for sequence in sequences for id_ in sequence], np.int32)
    return Encoded(ids, starts, None if labels is None else np.array(labels), 0, 0)


def draw(seed: int, n: int, classes: int) -> tuple[list[list[int]], list[int]]:
    """Sequences with repeated words, some of which tell the class, one of them empty."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n).tolist()
    sequences = [[*rng.integers(2, WORDS, rng.integers(1, 12)), *[2 + label] * rng.integers(0, 3)] for label in labels]
    sequences[0] = []
    return [[int(id_) for id_ in sequence] for sequence in sequences], labels


def presence(sequences: list[list[int]]) -> object:
    counter = CountVectorizer(
        binary=True, vocabulary=[str(id_) for id_ in range(WORDS)], analyzer=lambda ids: [str(id_) for id_ in ids]
    )
    return counter.transform(sequences)


@pytest.mark.parametrize("classes", [2, 4])
def test_probabilities_are_those_of_scikit_learn(classes):
    (train, labels), (valid, valid_labels), (test, _) = (draw(seed, 240, classes) for seed in range(3))
    bag = BagOfWords.fit(encoded(train, labels), encoded(valid, valid_labels), WORDS, classes, seed=0)
    fits = [LogisticRegression(C=c, max_iter=1000).fit(presence(train), labels) for c in PENALTIES]
    scores = [fit.score(presence(valid), valid_labels) for fit in fits]
    best = fits[int(np.argmax(scores))]
    assert len(set(scores)) > 1  # or the choice of the penalty would not be seen
    assert bag.examples == 240
    found = bag.probabilities(encoded(test, None))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, best.predict_proba(presence(test)), atol=2e-5)


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_class_that_was_not_drawn_has_no_probability(missing):
    """Of three classes two are left, which scikit-learn fits with one row of weights."""
    sequences, labels = draw(4, 150, 2)
    kept = [number for number in range(3) if number != missing]
    train = encoded(sequences, [kept[label] for label in labels])
    bag = BagOfWords.fit(train, train, WORDS, 3, seed=0)
    found = bag.probabilities(train)
    assert not found[:, missing].any()
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-6)
    fits = [LogisticRegression(C=c, max_iter=1000).fit(presence(sequences), train.labels) for c in PENALTIES]
    best = max(fits, key=lambda fit: fit.score(presence(sequences), train.labels))
    np.testing.assert_allclose(found[:, kept], best.predict_proba(presence(sequences)), atol=2e-5)


def test_a_class_missing_of_four():
    sequences, labels = draw(5, 150, 3)
    train = encoded(sequences, [[0, 1, 3][label] for label in labels])
    found = BagOfWords.fit(train, train, WORDS, 4, seed=0).probabilities(train)
    assert not found[:, 2].any()
    assert (found[:, [0, 1, 3]] > 0).all()


def test_of_many_examples_a_sample_is_drawn_with_the_seed(monkeypatch):
    monkeypatch.setattr(baselines, "_MOST_EXAMPLES", 60)
    sequences, labels = draw(6, 200, 2)
    train = encoded(sequences, labels)
    first, again, other = (BagOfWords.fit(train, train, WORDS, 2, seed) for seed in (1, 1, 2))
    assert first.examples == 60
    np.testing.assert_array_equal(first.weights, again.weights)
    assert not np.array_equal(first.weights, other.weights)


def test_a_word_said_twice_counts_once_and_the_order_not_at_all():
    sequences, labels = draw(7, 100, 2)
    train = encoded(sequences, labels)
    bag = BagOfWords.fit(train, train, WORDS, 2, seed=0)
    found = bag.probabilities(encoded([[5, 2, 9], [9, 2, 2, 5, 5, 2]], None))
    np.testing.assert_array_equal(found[0], found[1])
    assert train.ids.tolist() == [id_ for sequence in sequences for id_ in sequence]  # the data are left as they were


def test_majority_gives_the_class_frequencies_to_all():
    found = majority_probabilities([1, 5, 2], 3)
    assert found.tolist() == [[0.125, 0.625, 0.25]] * 3
    assert majority_probabilities([1, 1], 0).shape == (0, 2)


# series of numbers


class Numbers(NamedTuple):
    """Series and their labels."""

    values: list[np.ndarray]
    labels: np.ndarray | None


def numbers(count: int, seed: int, classes: int = 3) -> Numbers:
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    made = [rng.normal(label, 0.3, (rng.integers(1, 9), 2)).astype(np.float32) for label in labels]
    return Numbers(made, labels)


def test_summaries_by_hand():
    rng = np.random.default_rng(0)
    series = [rng.normal(size=(length, 3)).astype(np.float32) for length in (1, 2, 9)]
    for row, values in zip(summaries(series), series):
        slopes = [np.polyfit(np.arange(len(values)), channel, 1)[0] if len(values) > 1 else 0 for channel in values.T]
        expected = [values.mean(0), values.std(0), values.min(0), values.max(0), values[0], values[-1], slopes]
        np.testing.assert_allclose(row, [*np.concatenate(expected), len(values)], rtol=1e-4, atol=1e-5)
    assert summaries([]).shape == (0, 1)


@pytest.mark.parametrize("classes", [2, 3])
def test_summaries_are_fitted_as_by_scikit_learn(classes):
    train, valid, test = (numbers(60, seed, classes) for seed in (0, 1, 2))
    ours = SeriesSummaries.fit(train, valid, classes, 0)
    features = [summaries(part.values) for part in (train, valid, test)]
    scaler = StandardScaler().fit(features[0])
    known, unknown, asked = map(scaler.transform, features)
    fits = [LogisticRegression(C=c, max_iter=1000).fit(known, train.labels) for c in PENALTIES]
    best = max(fits, key=lambda fit: fit.score(unknown, valid.labels))
    np.testing.assert_allclose(ours.probabilities(test), best.predict_proba(asked), atol=1e-3)
    again = SeriesSummaries.from_tensors(ours.tensors())
    assert np.array_equal(again.probabilities(test), ours.probabilities(test))
    assert again.examples == 60


def test_a_summary_that_never_varies_does_no_harm():
    train, valid = (Numbers([values[:1] for values in numbers(20, seed).values], np.arange(20) % 3) for seed in (0, 1))
    ours = SeriesSummaries.fit(train, valid, 3, 0)
    assert ours.deviation[-1] == 1  # of the number of steps
    assert np.isfinite(ours.probabilities(valid)).all()
