"""Baselines of taggers: worked by hand, against plain counting, and stored as tensors and back."""

from __future__ import annotations

import csv
from collections import Counter
from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save

from recurra.data.bundled import reviews_path
from recurra.errors import DataError
from recurra.spans import SCHEMES, convert, spans_of
from recurra.tagging_baselines import LongestMatch, MostFrequentTag


def split(text: str) -> tuple[list[list[str]], list[list[str]]]:
    """Words and tags of `word/TAG word/TAG`, a sentence a line."""
    lines = [[pair.rsplit("/", 1) for pair in line.split()] for line in text.strip().splitlines()]
    return [[pair[0] for pair in line] for line in lines], [[pair[1] for pair in line] for line in lines]


WORDS, TAGS = split(
    """
    The/D can/N can/V can/V a/D can/V
    the/D May/N may/V
    May/N may/V may/V be/V
    swift/A Zorg/N
    """
)


def test_most_frequent_tag_worked_by_hand():
    fitted = MostFrequentTag.fit(WORDS, TAGS)
    assert fitted.tags["can"] == "V"  # three of four
    assert fitted.tags["May"] == "N"  # as it is written ...
    assert fitted.lowered["may"] == "V"  # ... and with its other spelling
    assert fitted.unknown == "D"  # seen once: The, a, the (D); be (V); swift (A); Zorg (N)
    assert fitted.predict([["The", "THE", "May", "MAY", "zorg", "quux"], []]) == [["D", "D", "N", "V", "N", "D"], []]
    assert list(fitted.tags) == sorted(fitted.tags)
    assert list(fitted.lowered) == sorted(fitted.lowered)


def test_of_tags_as_frequent_the_more_frequent_in_all_wins_then_the_first_by_name():
    words, tags = split("x/A x/B y/B z/C\nz/A z/C")
    assert Counter(tag for line in tags for tag in line) == {"A": 2, "B": 2, "C": 2}
    assert MostFrequentTag.fit(words, tags).tags == {"x": "A", "y": "B", "z": "C"}
    assert MostFrequentTag.fit([*words, ["w"]], [*tags, ["B"]]).tags["x"] == "B"
    words, tags = split("x/B x/A y/B y/A")
    assert MostFrequentTag.fit(words, tags).tags == {"x": "A", "y": "A"}


def test_without_words_seen_once_the_unknown_have_the_most_frequent_tag():
    words, tags = split("x/B x/B y/A y/A y/A")
    assert MostFrequentTag.fit(words, tags).unknown == "A"


def test_nothing_to_count():
    with pytest.raises(DataError, match="expected training sentences with tags, found no word in any"):
        MostFrequentTag.fit([[]], [[]])


def test_most_frequent_tag_is_that_of_plain_counting():
    """The bundled reviews, each word tagged by its length and, at random, otherwise."""
    rng = np.random.default_rng(0)
    with reviews_path().open(encoding="utf-8", newline="") as file:
        words = [row["text"].split() for row in islice(csv.DictReader(file), 200)]
    tags = [[f"T{len(word) % 4 if rng.random() < 0.7 else 9}" for word in sentence] for sentence in words]
    fitted = MostFrequentTag.fit(words, tags)
    pairs = Counter((word, tag) for sentence, line in zip(words, tags) for word, tag in zip(sentence, line))
    for (word, tag), count in pairs.items():
        assert pairs[word, fitted.tags[word]] >= count, (word, tag)
    right = sum(pairs[word, tag] for word, tag in fitted.tags.items())
    predicted = fitted.predict(words)
    assert right == sum(ours == tag for line, true in zip(predicted, tags) for ours, tag in zip(line, true))


ENTITIES = split(
    """
    New/B-LOC York/I-LOC is/O in/O New/B-LOC York/I-LOC State/I-LOC
    York/B-PER met/O Ann/B-PER
    New/B-ORG York/I-ORG beat/O York/B-LOC and/O York/B-PER
    """
)


def test_longest_match_worked_by_hand():
    fitted = LongestMatch.fit(*ENTITIES, "BIO")
    assert fitted.types == {
        ("Ann",): "PER",
        ("New", "York"): "LOC",  # once LOC, once ORG; LOC is more frequent in all
        ("New", "York", "State"): "LOC",
        ("York",): "PER",
    }
    assert list(fitted.types) == sorted(fitted.types)
    words = [["New", "York", "State", "York", "York", "Ann", "ann", "New"], [], ["New", "New", "York"]]
    assert fitted.predict(words) == [
        ["B-LOC", "I-LOC", "I-LOC", "B-PER", "B-PER", "B-PER", "O", "O"],
        [],
        ["O", "B-LOC", "I-LOC"],
    ]


def test_longest_match_in_each_scheme():
    words, tags = ENTITIES
    test = [["New", "York", "State", "York", "York", "Ann"]]
    expected = {
        "BIO": ["B-LOC", "I-LOC", "I-LOC", "B-PER", "B-PER", "B-PER"],
        "IOB1": ["I-LOC", "I-LOC", "I-LOC", "I-PER", "B-PER", "B-PER"],
        "BIOES": ["B-LOC", "I-LOC", "E-LOC", "S-PER", "S-PER", "S-PER"],
    }
    for scheme in SCHEMES:
        fitted = LongestMatch.fit(words, [convert(line, "BIO", scheme) for line in tags], scheme)
        assert fitted.predict(test) == [expected[scheme]]


def test_spans_without_types():
    fitted = LongestMatch.fit([["a", "b", "c"]], [["B", "I", "O"]], "BIO")
    assert fitted.predict([["c", "a", "b", "a"]]) == [["O", "B", "I", "O"]]


def test_no_span_in_training():
    fitted = LongestMatch.fit([["a", "b"]], [["O", "O"]], "BIO")
    assert LongestMatch.from_tensors(load(save(fitted.tensors()))) == fitted
    assert fitted.predict([["a"]]) == [["O"]]


words_and_tags = st.lists(
    st.lists(st.tuples(st.sampled_from("abcdE"), st.sampled_from(["O", "B-X", "I-X", "B-Y", "I-Y"])), max_size=8),
    max_size=6,
)


@settings(max_examples=80, deadline=None)
@given(words_and_tags, st.lists(st.lists(st.sampled_from("abcdE"), max_size=10), max_size=4))
def test_longest_match_is_that_of_plain_search(pairs, test):
    words, tags = ([[pair[side] for pair in line] for line in pairs] for side in (0, 1))
    fitted = LongestMatch.fit(words, tags, "BIO")
    for sentence, found in zip(test, fitted.predict(test)):
        expected, position = [], 0
        while position < len(sentence):
            here = [phrase for phrase in fitted.types if tuple(sentence[position : position + len(phrase)]) == phrase]
            longest = max(here, key=len, default=())
            if longest:
                expected.append((fitted.types[longest], position, position + len(longest)))
            position += max(1, len(longest))
        assert spans_of(found, "BIO") == expected


texts = st.text(max_size=4)  # empty ones, blanks, zeros and letters of other scripts


@settings(max_examples=80, deadline=None)
@given(st.lists(st.lists(st.tuples(texts, st.sampled_from(["O", "B-é", "I-é", "B"])), max_size=5), max_size=5))
def test_from_tensors_predicts_the_same(pairs):
    words, tags = ([[pair[side] for pair in line] for line in pairs] for side in (0, 1))
    fitted = [LongestMatch.fit(words, tags, "BIO")]
    fitted += [MostFrequentTag.fit(words, tags)] if any(words) else []
    stored = load(save({name: value for baseline in fitted for name, value in baseline.tensors().items()}))
    assert {value.dtype for value in stored.values()} == {torch.uint8, torch.int64}
    for baseline in fitted:
        again = type(baseline).from_tensors(stored)
        assert again == baseline
        assert again.predict(words) == baseline.predict(words)


def test_tensors_are_the_same_whatever_the_order_of_the_sentences():
    for fit in (MostFrequentTag.fit, lambda words, tags: LongestMatch.fit(words, tags, "BIO")):
        one, other = fit(*ENTITIES).tensors(), fit(*(part[::-1] for part in ENTITIES)).tensors()
        assert save(one) == save(other)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("phrases.words.offsets", [0, 5, 3], "phrases.words: the offsets do not divide"),
        ("phrases.words.offsets", [], "phrases.words: the offsets do not divide"),
        ("phrases.sizes", [1, 2], r"phrases: 7 words in phrases of 3 words, in the scheme 'BIO'"),
        ("phrases.sizes", [0, 7], r"phrases: 7 words in phrases of 7 words"),
        ("phrases.type.ids", [0, 0, 0, 9], "phrases.type: expected 4 numbers of 2 names, found 4 or others"),
        ("phrases.type.ids", [0, 0, -1, 1], "phrases.type: expected 4 numbers of 2 names"),
        ("phrases.type.ids", [0], "phrases.type: expected 4 numbers of 2 names, found 1"),
    ],
)
def test_tensors_that_do_not_fit(name, value, message):
    tensors = LongestMatch.fit(*ENTITIES, "BIO").tensors()
    with pytest.raises(ValueError, match=message):
        LongestMatch.from_tensors({**tensors, name: torch.tensor(value, dtype=torch.int64)})
