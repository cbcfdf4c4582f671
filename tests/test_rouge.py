"""ROUGE by hand, and as rouge-score counts it."""

from __future__ import annotations

import random

import pytest
from rouge_score.rouge_scorer import RougeScorer

from recurra.rouge import Rouge, rouge


def test_by_hand() -> None:
    # words: the the cat / the cat the mat; clipped in common: the 2, cat 1. Pairs: the-the, the-cat / the-cat,
    # cat-the, the-mat; in common the-cat. In order: the cat, or the the, of two words each.
    assert rouge("The, the cat", ["the cat (the) MAT."]) == Rouge(6 / 7, 2 / 5, 4 / 7)


def test_each_measure_takes_the_reference_that_is_best_for_it() -> None:
    answer, words, pairs = "a b c d", "d c b a", "a b x y z"
    of_words, of_pairs = rouge(answer, [words]), rouge(answer, [pairs])
    assert of_words.unigrams > of_pairs.unigrams
    assert of_words.bigrams < of_pairs.bigrams
    best = Rouge(*map(max, of_words, of_pairs))
    assert rouge(answer, [words, pairs]) == rouge(answer, [pairs, words]) == best


@pytest.mark.parametrize(("answer", "reference"), [("", "a"), ("a", ""), ("", ""), ("?!", "..."), ("a", "b")])
def test_nothing_in_common(answer: str, reference: str) -> None:
    assert rouge(answer, [reference]) == Rouge(0, 0, 0)


def test_a_single_word_has_no_pair() -> None:
    assert rouge("one", ["one"]) == Rouge(1, 0, 1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Ελληνικά, ναι", 2),
        ("हिन्दी में", 2),  # its vowel signs are marks
        ("cafe\u0301 ole\u0301", 2),  # an accent of its own
        ("snake_case", 2),
        ("٣ رجال", 2),
        ("it'll", 2),
    ],
)
def test_words_of_any_script(text: str, words: int) -> None:
    shortened = text[:-1]  # only the last word differs
    assert rouge(text, [text]) == Rouge(1, 1, 1)
    assert rouge(text, [shortened]).unigrams == pytest.approx((words - 1) / words)


def test_as_rouge_score_counts() -> None:
    rng = random.Random(0)
    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=False)

    def text() -> str:
        return "".join(
            rng.choice(["a", "B", "cat", "9", "the", " ", " ", ", ", "-", "_"]) for _ in range(rng.randrange(40))
        )

    for _ in range(300):
        answer, references = text(), [text() for _ in range(rng.randint(1, 3))]
        theirs = scorer.score_multi(references, answer)
        assert rouge(answer, references) == pytest.approx([theirs[name].fmeasure for name in scorer.rouge_types])
