"""Scores of a transcriber against jiwer, which counts by itself, and by hand."""

from __future__ import annotations

import json
from typing import Any

import jiwer
import numpy as np
import pytest

from recurra.errors import DataError, ShapeError
from recurra.transcription_scores import Edit, align_words, full_scores, most_frequent, transcription_scores

WORDS = ["a", "be", "cat", "the", "zebra", "b", "ca"]
RATES = ("word_error", "character_error", "sentence_error")


def made_up(count: int, seed: int = 0) -> tuple[list[str], list[str]]:
    """What was heard in recordings and what was said: with words left out, put in and changed."""
    rng = np.random.default_rng(seed)

    def hear(words: list[str]) -> list[str]:
        heard: list[str] = []
        for word in words:
            chance = rng.random()
            heard += [] if chance < 0.1 else [word, "the"] if chance < 0.2 else [str(rng.choice(WORDS))]
            heard[-1:] = [word] if chance > 0.5 else heard[-1:]
        return heard

    said = [rng.choice(WORDS, rng.integers(1, 12)).tolist() for _ in range(count)]
    return [" ".join(hear(words)) for words in said], [" ".join(words) for words in said]


def test_rates_and_counts_are_those_of_jiwer() -> None:
    for seed in range(5):
        heard, said = made_up(50, seed)
        scores, expected = transcription_scores(heard, said), jiwer.process_words(said, heard)
        assert scores["word_error"]["value"] == pytest.approx(expected.wer)
        assert scores["character_error"]["value"] == pytest.approx(jiwer.cer(said, heard))
        assert scores["sentence_error"]["value"] == np.mean([a != b for a, b in zip(heard, said)])
        counts = [scores[kind] for kind in ("substitutions", "deletions", "insertions")]
        assert counts == [expected.substitutions, expected.deletions, expected.insertions]
        assert min(counts) > 0


def test_alignments_are_those_of_jiwer() -> None:
    kinds = {"equal": "equal", "substitute": "substitution", "delete": "deletion", "insert": "insertion"}
    heard, said = made_up(100, 6)
    expected = jiwer.process_words(said, heard)
    for number, chunks in enumerate(expected.alignments):
        wanted = []
        words, others = expected.references[number], expected.hypotheses[number]
        for chunk in chunks:
            pairs = max(chunk.ref_end_idx - chunk.ref_start_idx, chunk.hyp_end_idx - chunk.hyp_start_idx)
            for step in range(pairs):
                reference = "" if chunk.type == "insert" else words[chunk.ref_start_idx + step]
                other = "" if chunk.type == "delete" else others[chunk.hyp_start_idx + step]
                wanted.append(Edit(kinds[chunk.type], reference, other))
        assert align_words(said[number], heard[number]) == wanted


def test_an_alignment_by_hand() -> None:
    assert align_words(" the cat  sat\tdown ", "a cat sat up down") == [
        Edit("substitution", "the", "a"),
        Edit("equal", "cat", "cat"),
        Edit("equal", "sat", "sat"),
        Edit("insertion", "", "up"),
        Edit("equal", "down", "down"),
    ]
    assert align_words("a b", "") == [Edit("deletion", "a", ""), Edit("deletion", "b", "")]
    assert align_words("", " ") == []


def test_rates_by_hand_white_space_aside() -> None:
    scores = transcription_scores(["the  cat\n", "a", ""], ["the cat", "b c", "d"])
    # words: substitution and deletion, deletion, of 5; characters: 0 of 7, "a" for "b c" 3 of 3, 1 of 1
    assert [scores[name]["value"] for name in RATES] == pytest.approx([3 / 5, 4 / 11, 2 / 3])
    assert (scores["substitutions"], scores["deletions"], scores["insertions"]) == (1, 2, 0)


def test_rates_can_exceed_one_and_nothing_said_counts_as_one() -> None:
    scores = transcription_scores(["a b c"], ["x"])
    assert scores["word_error"] == {"value": 3, "low": 3, "high": 3}
    assert transcription_scores([""], [""])["word_error"]["value"] == 0
    assert transcription_scores(["a b"], [""])["word_error"]["value"] == 2
    assert transcription_scores(["a b"], [""])["character_error"]["value"] == 3


def test_intervals_are_those_of_resampled_recordings() -> None:
    heard, said = made_up(60, 2)
    scores = transcription_scores(heard, said)
    edits = np.array([sum(edit.kind != "equal" for edit in align_words(*pair)) for pair in zip(said, heard)])
    words = np.array([len(text.split()) for text in said])
    rng = np.random.default_rng(1)
    drawn = rng.integers(0, 60, (4000, 60))
    low, high = np.percentile(edits[drawn].sum(1) / words[drawn].sum(1), [2.5, 97.5])
    assert scores["word_error"]["low"] == pytest.approx(low, abs=0.01)
    assert scores["word_error"]["high"] == pytest.approx(high, abs=0.01)
    for name in RATES:
        assert scores[name]["low"] < scores[name]["value"] < scores[name]["high"]


def test_right_answers_have_no_errors() -> None:
    _, said = made_up(20)
    scores = in_full(heard=said, said=said)
    assert all(scores["model"][name] == {"value": 0, "low": 0, "high": 0} for name in RATES)
    assert scores["errors"] == scores["worst"] == []


def in_full(heard: list[str], said: list[str], **changed: Any) -> dict[str, Any]:
    given = {"baseline_text": most_frequent(said), "unknown_share": 0.25, **changed}
    return full_scores(heard, said, **{"names": [f"{number}.wav" for number in range(len(said))], **given})


def test_beside_the_baseline() -> None:
    heard, said = made_up(80, 3)
    scores = in_full(heard, said, baseline_text="the cat")
    assert scores["model"] == transcription_scores(heard, said)
    constant = transcription_scores(["the cat"] * 80, said)
    assert scores["baselines"] == {"most frequent transcript": constant}
    assert (scores["recordings"], scores["words"]) == (80, sum(len(text.split()) for text in said))
    assert (scores["characters"], scores["unknown_share"]) == (sum(map(len, said)), 0.25)
    assert json.loads(json.dumps(scores, allow_nan=False)) == scores


def test_the_gain_is_paired() -> None:
    heard, said = made_up(80, 3)
    gain = in_full(heard, said, baseline_text="the cat")["gain"]
    assert gain["over"] == "most frequent transcript"
    expected = jiwer.wer(said, ["the cat"] * 80) - jiwer.wer(said, heard)
    assert gain["word_error"]["value"] == pytest.approx(expected)
    assert gain["word_error"]["low"] < expected < gain["word_error"]["high"]
    assert gain["character_error"]["value"] == pytest.approx(jiwer.cer(said, ["the cat"] * 80) - jiwer.cer(said, heard))
    same = in_full(["the cat"] * 80, said, baseline_text="the cat")["gain"]
    assert same["word_error"] == same["character_error"] == {"value": 0, "low": 0, "high": 0}


def test_the_most_frequent_errors() -> None:
    said = ["a b c", "b", "a b", "c c"]
    heard = ["a d c", "d", "b", "c c e"]
    scores = in_full(heard, said)
    assert scores["errors"] == [
        {
            "kind": "substitution",
            "reference": "b",
            "hypothesis": "d",
            "count": 2,
            "share": 0.5,
            "recording": "0.wav",
        },
        {"kind": "deletion", "reference": "a", "hypothesis": "", "count": 1, "share": 0.25, "recording": "2.wav"},
        {"kind": "insertion", "reference": "", "hypothesis": "e", "count": 1, "share": 0.25, "recording": "3.wav"},
    ]


def test_the_worst_recordings() -> None:
    said = ["a b c", "b", "a b", "c c"]
    heard = ["a d", "b", "b", "x y z"]
    worst = in_full(heard, said)["worst"]
    assert [(row["name"], row["errors"], row["words"]) for row in worst] == [
        ("3.wav", 3, 2),
        ("0.wav", 2, 3),
        ("2.wav", 1, 2),
    ]
    assert (worst[2]["reference"], worst[2]["hypothesis"]) == ("a b", "b")
    assert worst[2]["alignment"] == [
        {"kind": "deletion", "reference": "a", "hypothesis": ""},
        {"kind": "equal", "reference": "b", "hypothesis": "b"},
    ]
    many = in_full(["x"] * 30, [f"{number}" for number in range(30)])
    assert (len(many["worst"]), len(many["errors"])) == (10, 10)


def test_recordings_in_which_nothing_was_heard() -> None:
    assert in_full(["", " ", "a", ""], ["a", "b c", "a", " "])["unheard"] == 2


def test_the_most_frequent_transcript() -> None:
    assert most_frequent(["b", "a  c", " a c", "d"]) == "a c"
    assert most_frequent(["b", "a"]) == "b"
    with pytest.raises(DataError, match="expected transcripts of which one is the most frequent, found none"):
        most_frequent([])


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ShapeError, match="hypotheses: expected 2, as many as references, found 1"):
        transcription_scores(["a"], ["a", "b"])
    with pytest.raises(ShapeError, match="names: expected 2, as many as references, found 1"):
        in_full(["a", "b"], ["a", "b"], names=["0.wav"])
    with pytest.raises(DataError, match="expected recordings to score, found none"):
        transcription_scores([], [])
