"""Transcripts by hand: of log-probabilities made up, the text, the words, their times, and how sure each is."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from recurra.config import VocabularyConfig
from recurra.ctc_search import Aligned
from recurra.errors import SettingsError
from recurra.tasks.transcripts import Decoding, Transcript, Word, make_decoding, words_of
from recurra.vocabulary import PADDING, UNKNOWN, Vocabulary

STEP, REACH = 0.03, 0.045


def learn(tokens: str, *texts: str, **options: Any) -> Vocabulary:
    return Vocabulary.build([list(texts)], VocabularyConfig(tokens=tokens, min_count=1, **options))


LETTERS = learn("characters", "ab c")
A, B, C, SPACE = (LETTERS.encode([letter])[0][0] for letter in "abc ")


def steps(*said: tuple[int, float], size: int = len(LETTERS)) -> NDArray[np.float32]:
    """Log-probabilities [T, V]: of each step a symbol has its probability, and the others share the rest."""
    found = np.empty((len(said), size))
    for row, (id_, probability) in enumerate(said):
        found[row] = (1 - probability) / (size - 1)
        found[row, id_] = probability
    return np.log(found).astype(np.float32)


def decoding(**options: Any) -> Decoding:
    return Decoding(LETTERS, "characters", STEP, REACH, **options)


def without_unknown(said: tuple[tuple[int, float], ...]) -> list[float]:
    """The probabilities of symbols, given that it is not the unknown one, which had its share of the rest."""
    return [probability / (1 - (1 - probability) / (len(LETTERS) - 1)) for _, probability in said]


def assert_alike(found: Transcript, text: str, confidence: float, words: list[tuple[str, float, float, float]]) -> None:
    assert found.text == text
    assert found.confidence == pytest.approx(confidence, rel=1e-5)
    assert [word.word for word in found.words] == [word[0] for word in words]
    np.testing.assert_allclose([word[1:] for word in found.words], [word[1:] for word in words], rtol=1e-5)


def test_words_times_and_confidences_of_characters_by_hand() -> None:
    said = (A, 0.9), (A, 0.7), (B, 0.8), (PADDING, 0.9), (SPACE, 0.6), (PADDING, 0.9), (C, 0.5), (C, 0.9), (C, 0.4)
    p = without_unknown(said)
    a, b, space, c = (p[0] + p[1]) / 2, p[2], p[4], (p[6] + p[7] + p[8]) / 3
    words = [("ab", 0.0, 2 * STEP + REACH, (a * b) ** 0.5), ("c", 6 * STEP, 8 * STEP + REACH, c)]
    assert_alike(decoding().transcribe(steps(*said)), "ab c", (a * b * space * c) ** 0.25, words)
    words[1] = ("c", 6 * STEP, 0.26, c)  # of a recording that ends within the last step
    assert_alike(decoding().transcribe(steps(*said), 0.26), "ab c", (a * b * space * c) ** 0.25, words)


def test_nothing_said_is_as_sure_as_its_blanks() -> None:
    said = (PADDING, 0.9), (PADDING, 0.5)
    p = without_unknown(said)
    assert_alike(decoding().transcribe(steps(*said)), "", (p[0] * p[1]) ** 0.5, [])
    assert decoding().transcribe(np.zeros((0, len(LETTERS)), np.float32)) == Transcript("", 1.0, [])


@pytest.mark.parametrize("beam", [1, 4])
def test_the_unknown_symbol_is_never_written(beam: int) -> None:
    """Where it is the likeliest, the likeliest of the others is, and is as sure as it is among these."""
    found = np.array([[0.05, 0.8, 0.1, 0.02, 0.02, 0.01], [0.1, 0.5, 0.05, 0.3, 0.04, 0.01]])
    assert len(LETTERS) == found.shape[1]
    ids = [2, 3]
    transcript = decoding(beam=beam).transcribe(np.log(found).astype(np.float32))
    assert transcript.text == "".join(map(LETTERS.symbol, ids)).strip()
    assert transcript.confidence == pytest.approx((0.1 / 0.2 * 0.3 / 0.5) ** 0.5, rel=1e-5)


def test_the_share_of_the_unknown_symbol_goes_to_the_others() -> None:
    found = np.log(np.array([[0.1, 0.6, 0.2, 0.1]], np.float32))
    np.testing.assert_allclose(np.exp(Decoding.without_unknown(found)), [[0.25, 0, 0.5, 0.25]], rtol=1e-6)
    assert found[0, UNKNOWN] == pytest.approx(np.log(0.6))  # what was given stays


def test_spaces_are_single_and_none_is_outside() -> None:
    found = decoding().transcribe(
        steps((SPACE, 0.9), (A, 0.9), (SPACE, 0.9), (PADDING, 0.9), (SPACE, 0.9), (B, 0.9), (SPACE, 0.9))
    )
    assert found.text == "a b"
    assert [(word.word, word.start) for word in found.words] == [("a", STEP), ("b", pytest.approx(5 * STEP))]


def test_a_beam_sums_over_paths() -> None:
    """Blank twice is the best path, but a has more of all paths: the example of every account of this search."""
    found = np.full((2, len(LETTERS)), -np.inf, np.float32)
    found[:, [PADDING, A]] = np.log([0.6, 0.4])
    assert decoding().transcribe(found).text == ""
    transcript = decoding(beam=4).transcribe(found)
    assert (transcript.text, transcript.confidence) == ("a", pytest.approx(0.4))
    assert [word.word for word in transcript.words] == ["a"]


def in_turn(vocabulary: Vocabulary, text: str) -> list[Aligned]:
    """Each symbol of a text in two steps of its own, the n-th (from 0) with the probability 1 / (n + 1)."""
    (ids,) = vocabulary.encode([text])
    return [Aligned(id_, 2 * n, 2 * n + 1, 1 / (n + 1)) for n, id_ in enumerate(ids)]


def word(text: str, first: int, last: int) -> tuple[Any, ...]:
    """A word of the symbols first to last, each as :func:`in_turn` has it."""
    sure = np.exp(np.mean([-np.log(n + 1) for n in range(first, last + 1)]))
    end = (2 * last + 1) * STEP + REACH
    return text, pytest.approx(2 * first * STEP), pytest.approx(end), pytest.approx(float(sure))


BYTES = 258  # symbols of byte pairs alone, none of them joined


@pytest.mark.parametrize(
    ("tokens", "options", "text", "expected"),
    [
        ("characters", {}, "né c", [("né", 0, 1), ("c", 3, 3)]),
        ("words", {}, "to be, or (not)", [("to", 0, 0), ("be,", 1, 2), ("or", 3, 3), ("(not)", 4, 6)]),
        ("spaces", {}, "to be, or", [("to", 0, 0), ("be,", 1, 1), ("or", 2, 2)]),
        ("bpe", {"vocabulary_size": BYTES}, "né €5 x", [("né", 0, 2), ("€5", 3, 7), ("x", 8, 9)]),
        ("bpe", {"vocabulary_size": BYTES}, "€ \U0001f600", [("€", 0, 2), ("\U0001f600", 3, 7)]),
    ],
    ids=["characters", "words", "spaces", "bpe", "long characters"],
)
def test_words_of_symbols_of_each_kind(
    tokens: str, options: dict[str, Any], text: str, expected: list[tuple[str, int, int]]
) -> None:
    """A character of several byte pairs begins with the first of them; a space before a word is its pair's."""
    vocabulary = learn(tokens, text, **options)
    aligned = in_turn(vocabulary, text)
    if tokens == "bpe":  # the space is a symbol by itself here, and none of the word that follows
        expected = [(one, first + (number > 0), last) for number, (one, first, last) in enumerate(expected)]
    found = words_of(vocabulary, tokens, aligned, STEP, REACH)
    assert found == [Word(*word(*each)) for each in expected]


def test_a_byte_pair_that_begins_with_a_space_begins_its_word() -> None:
    vocabulary = learn("bpe", *["to be"] * 9)
    aligned = in_turn(vocabulary, "to be")
    assert [vocabulary.byte_pair(each.id) for each in aligned] == [b"to", b" be"]
    assert words_of(vocabulary, "bpe", aligned, STEP, REACH) == [Word(*word("to", 0, 0)), Word(*word("be", 1, 1))]


def test_bytes_that_make_no_character_are_written_as_such() -> None:
    vocabulary = learn("bpe", "€ x", vocabulary_size=BYTES)
    first, second, _, space, x = vocabulary.encode(["€ x"])[0]
    ids = [x, first, second, space, x, first]
    found = words_of(vocabulary, "bpe", [Aligned(id_, n, n, 0.5) for n, id_ in enumerate(ids)], 1, 1)
    assert found == [Word("x\ufffd", 0, 3, 0.5), Word("x\ufffd", 4, 6, 0.5)]
    assert Decoding(vocabulary, "bpe", 1, 1).text(ids) == "x\ufffd x\ufffd"


@pytest.mark.parametrize("tokens", ["characters", "words", "spaces", "bpe"])
def test_words_are_those_of_the_text_whatever_the_symbols(tokens: str) -> None:
    vocabulary = learn(tokens, "to be, or né (€ to) be!")
    rng = random.Random(0)
    for _ in range(200):
        ids = rng.choices(range(2, len(vocabulary)), k=rng.randint(0, 9))
        found = words_of(vocabulary, tokens, [Aligned(id_, n, n, 0.5) for n, id_ in enumerate(ids)], 1, 1)
        text = Decoding(vocabulary, tokens, 1, 1).text(ids)
        assert " ".join(word.word for word in found) == text
        assert [word.start for word in found] == sorted(word.start for word in found)


def test_as_a_line_of_seconds_or_frames() -> None:
    transcript = Transcript("ab", 0.123456, [Word("ab", 0.12345, 0.3, 1 / 3)])
    first = {"text": "ab", "confidence": 0.1235}
    assert transcript.as_json("seconds") == {
        **first,
        "words": [{"word": "ab", "start": 0.123, "end": 0.3, "confidence": 0.3333}],
    }
    frames = transcript._replace(words=[Word("ab", 3, 12, 1 / 3)])
    assert frames.as_json("frames") == {
        **first,
        "words": [{"word": "ab", "start_frame": 3, "end_frame": 12, "confidence": 0.3333}],
    }


class Lover:
    """A language model to which one symbol is certain and each other one all but impossible."""

    def __init__(self, vocabulary: Vocabulary, tokens: str) -> None:
        assert (vocabulary, tokens) == (LETTERS, "characters")
        self._row = np.full(len(vocabulary), -9.0)
        self._row[B] = 0.0

    def start(self) -> Any:
        return ()

    def extend(self, states: Any, ids: Any) -> Any:
        return [() for _ in ids]

    def scores(self, states: Any) -> NDArray[np.float64]:
        return np.stack([self._row for _ in states])

    def end(self, states: Any) -> NDArray[np.float64]:
        return np.zeros(len(states))


def test_a_language_model_has_its_say() -> None:
    said = steps((A, 0.6))
    said[0, B] = np.log(0.3)
    said[0] -= np.logaddexp.reduce(said[0])
    make = make_decoding(LETTERS, "characters", STEP, REACH, language_model=Lover)
    assert (make.beam, make.weight, make.bonus) == (16, 0.5, 0.5)
    assert make.transcribe(said).text == "b"
    for options, text in (({"language_weight": 0.01}, "a"), ({"language_bonus": -9.0}, ""), ({"beam": 2}, "b")):
        told = make_decoding(LETTERS, "characters", STEP, REACH, language_model=Lover, **options)
        assert told.transcribe(said).text == text, options
    alone = make_decoding(LETTERS, "characters", STEP, REACH)
    assert (alone.beam, alone.scorer, alone.transcribe(said).text) == (1, None, "a")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beam": 0}, r"option 'beam' \(0\): expected at least 1"),
        ({"language_weight": 0.3}, r"'language_weight' \(0.3\) would have no effect: there is no --language-model"),
        ({"language_bonus": 0.0}, r"'language_bonus' \(0.0\) would have no effect: there is no --language-model"),
        ({"language_model": Lover, "beam": 1}, "'language_model' would have no effect: with --beam 1 nothing is comp"),
        ({"language_model": Lover, "language_weight": 0.0}, "language_weight: expected a number above 0, or no --lan"),
        ({"language_model": Lover, "language_weight": np.nan}, "language_weight: expected a number above 0, .*, got n"),
        ({"language_model": Lover, "language_bonus": np.inf}, "language_bonus: expected a finite number, got inf"),
    ],
    ids=str,
)
def test_options_out_of_range_or_without_effect(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        make_decoding(LETTERS, "characters", STEP, REACH, **options)
