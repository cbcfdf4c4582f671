"""N-grams against dictionaries filled from the formula, symbol by symbol, and unigrams against their counts."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from recurra.errors import DataError, SettingsError
from recurra.ngram import KneserNey, unigram_log_probabilities

Ngram = tuple[int, ...]
BEGINNING = -1


class Dictionaries:
    """The same model in exact fractions."""

    def __init__(self, stream: Sequence[int], vocabulary_size: int, order: int) -> None:
        self.vocabulary_size, self.order = vocabulary_size, order
        self.counts: list[Counter[Ngram]] = [Counter()]
        for k in range(1, order + 1):
            before: dict[Ngram, set[int]] = defaultdict(set)
            occurrences: Counter[Ngram] = Counter()
            for start in range(len(stream) - k + 1):
                ngram = tuple(stream[start : start + k])
                occurrences[ngram] += 1
                before[ngram].add(stream[start - 1] if start else BEGINNING)
            different = Counter({ngram: len(symbols) for ngram, symbols in before.items()})
            self.counts.append(occurrences if k == order else different)

    def discounts(self, k: int) -> list[Fraction]:
        n = Counter(self.counts[k].values())
        if 0 in (n[1], n[2], n[3]):
            return [Fraction(0), Fraction(1, 2), Fraction(1), Fraction(3, 2)]
        y = Fraction(n[1], n[1] + 2 * n[2])
        found = [r - (r + 1) * y * Fraction(n[r + 1], n[r]) for r in (1, 2, 3)]
        if not all(0 < discount <= r for r, discount in zip((1, 2, 3), found)):
            found = [Fraction(1, 2), Fraction(1), Fraction(3, 2)]
        return [Fraction(0), *found]

    def probability(self, context: Ngram, symbol: int) -> Fraction:
        if len(context) >= self.order:
            return self.probability(context[len(context) - self.order + 1 :], symbol)
        counts, discounts = self.counts[len(context) + 1], self.discounts(len(context) + 1)
        lower = self.probability(context[1:], symbol) if context else Fraction(1, self.vocabulary_size)
        following = [counts[(*context, other)] for other in range(self.vocabulary_size)]
        total = sum(following)
        if not total:
            return lower
        own = counts[(*context, symbol)]
        left = sum(discounts[min(count, 3)] for count in following)
        return (own - discounts[min(own, 3)]) / total + left / total * lower

    def log_probabilities(self, stream: Sequence[int]) -> list[float]:
        return [math.log(self.probability(tuple(stream[:t]), symbol)) for t, symbol in enumerate(stream)]


def draw(seed: int, n: int, vocabulary_size: int) -> list[int]:
    """A stream of symbols of which few are frequent, with some repetition of what came before."""
    rng = np.random.default_rng(seed)
    stream = (rng.random(n) ** 2.5 * vocabulary_size).astype(int).tolist()
    for _ in range(n // 8):
        start, to = rng.integers(0, n - 4, 2)
        stream[to : to + 4] = stream[start : start + 4]
    return stream


# name: the training stream and V
CORPORA = {
    "many": (draw(0, 400, 8), 8),
    "few": (draw(1, 60, 4), 5),
    "sparse": (draw(2, 80, 30), 40),
    "one symbol": ([2] * 9, 4),
    "one token": ([1], 3),
    "two tokens": ([1, 0], 3),
    "alternating": ([0, 1] * 6, 2),  # no count of 1 or 2 in some orders
    "all different": (list(range(7)), 8),  # no count of 2
    "vocabulary of one": ([0] * 5, 1),
}


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5, 7])
@pytest.mark.parametrize("name", CORPORA)
def test_is_the_formula(name, order):
    train, size = CORPORA[name]
    model, exact = KneserNey.fit(np.array(train), size, order), Dictionaries(train, size, order)
    for k, own in enumerate(model.orders, start=1):
        np.testing.assert_allclose(own.discounts, [float(d) for d in exact.discounts(k)[1:]], rtol=1e-12)
    for stream in (train, draw(9, 60, size), train[3:6]):
        got = model.log_probabilities(np.array(stream, np.int32))
        assert got.dtype == np.float64
        np.testing.assert_allclose(got, exact.log_probabilities(stream), rtol=1e-11, atol=1e-14)


def test_estimates_discounts_where_it_can():
    estimated = {
        name: [order.discounts != (0.5, 1.0, 1.5) for order in KneserNey.fit(np.array(train), size, 4).orders]
        for name, (train, size) in CORPORA.items()
    }
    assert any(estimated["many"])
    assert any(estimated["sparse"])
    assert not any(estimated["one symbol"] + estimated["one token"] + estimated["all different"])


@pytest.mark.parametrize("name", CORPORA)
def test_sums_to_one_after_every_context(name):
    train, size = CORPORA[name]
    model = KneserNey.fit(np.array(train), size)
    rng = np.random.default_rng(3)
    seen = [train[max(t - 5, 0) : t] for t in range(0, len(train) + 1, max(len(train) // 8, 1))]
    unseen = [rng.integers(0, size, length).tolist() for length in (1, 2, 3, 4, 4, 6)]
    for context in [[], *seen, *unseen]:
        logs = [model.log_probabilities(np.array([*context, symbol]))[-1] for symbol in range(size)]
        assert np.isfinite(logs).all()  # symbols that the training stream lacks have some probability too
        assert abs(np.exp(logs).sum() - 1) < 1e-12, context


def test_reads_no_further_back_than_its_order():
    train, size = CORPORA["many"]
    model = KneserNey.fit(np.array(train), size, 3)
    first, second = (model.log_probabilities(np.array([start, 1, 0, 2, 1])) for start in (4, 5))
    np.testing.assert_array_equal(first[3:], second[3:])
    assert first[0] != second[0]


def test_worked_by_hand():
    """In 0 0 1 what precedes 0 is the beginning and 0, what precedes 1 is 0: c_1 = 2, 1. D = 1/2, 1, 3/2 throughout."""
    model = KneserNey.fit(np.array([0, 0, 1]), 3, order=2)
    zero, one, two = (2 - 1) / 3 + 1.5 / 3 / 3, (1 - 0.5) / 3 + 1.5 / 3 / 3, 1.5 / 3 / 3
    got = np.exp(model.log_probabilities(np.array([2, 1, 0, 0, 1, 2])))
    after_zero = [(1 - 0.5) / 2 + (0.5 + 0.5) / 2 * lower for lower in (zero, one)]
    np.testing.assert_allclose(got, [two, one, zero, *after_zero, two], rtol=1e-14)


def test_reads_from_a_file(tmp_path: Path):
    train, size = CORPORA["many"]
    np.save(tmp_path / "ids.npy", np.array(train, np.int32))
    mapped = np.load(tmp_path / "ids.npy", mmap_mode="r")
    got = KneserNey.fit(mapped, size).log_probabilities(mapped)
    np.testing.assert_array_equal(got, KneserNey.fit(np.array(train), size).log_probabilities(np.array(train)))
    np.testing.assert_array_equal(
        unigram_log_probabilities(mapped, mapped, size),
        unigram_log_probabilities(np.array(train), np.array(train), size),
    )


def test_keys_hold_large_vocabularies():
    size = 2**31 - 1  # int32 ids, whose product with the number of an n-gram needs 64 bits
    stream = np.array([5, size - 1, 5, size - 1, 7, 5, size - 1], np.int32)
    got = np.exp(KneserNey.fit(stream, size, 3).log_probabilities(stream))
    small = np.array([0, 1, 0, 1, 2, 0, 1])
    expected = np.exp(KneserNey.fit(small, 3, 3).log_probabilities(small))
    # 1 / V is all that differs, and what it is given is less than 1
    assert (got < expected).all()
    assert (expected - got < 1 / 3).all()


def test_scores_no_tokens():
    nothing = np.zeros(0, np.int32)
    assert KneserNey.fit(np.array([0, 1]), 2).log_probabilities(nothing).shape == (0,)
    assert unigram_log_probabilities(np.array([0, 1]), nothing, 2).shape == (0,)


def test_unigrams():
    train = np.array([0, 2, 2, 2, 0, 1])
    np.testing.assert_allclose(
        np.exp(unigram_log_probabilities(train, np.array([2, 1, 0]), 3)), [3 / 6, 1 / 6, 2 / 6], rtol=1e-14
    )
    np.testing.assert_allclose(  # two symbols are not there
        np.exp(unigram_log_probabilities(train, np.array([2, 1, 0, 3, 4], np.int32), 5)),
        [4 / 11, 2 / 11, 3 / 11, 1 / 11, 1 / 11],
        rtol=1e-14,
    )


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([], "training stream: expected at least one token, found none"),
        ([0, 1, 4, 3], r"training stream, token 2: expected an id from 0 to 2 \(vocabulary_size 3\), found 4"),
        ([0, -1], r"training stream, token 1: expected an id from 0 to 2 \(vocabulary_size 3\), found -1"),
        ([[0, 1]], r"training stream: expected a stream of integers with one dimension, got int64 \(1, 2\)"),
        ([0.5], r"training stream: expected a stream of integers with one dimension, got float64 \(1,\)"),
    ],
)
def test_bad_training_streams(ids, message):
    with pytest.raises(DataError, match=message):
        KneserNey.fit(np.array(ids), 3)
    with pytest.raises(DataError, match=message):
        unigram_log_probabilities(np.array(ids), np.array([0]), 3)


def test_bad_ids_to_score():
    message = r"ids, token 1: expected an id from 0 to 2 \(vocabulary_size 3\), found 3"
    with pytest.raises(DataError, match=message):
        KneserNey.fit(np.array([0, 1]), 3).log_probabilities(np.array([0, 3]))
    with pytest.raises(DataError, match=message):
        unigram_log_probabilities(np.array([0, 1]), np.array([0, 3]), 3)


def test_bad_order():
    with pytest.raises(SettingsError, match="order: expected the length of the longest n-grams, at least 1, got 0"):
        KneserNey.fit(np.array([0, 1]), 3, 0)
