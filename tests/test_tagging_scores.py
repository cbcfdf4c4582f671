"""Scores of taggers against seqeval, scikit-learn, published results, and resampling of the sentences themselves."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval import metrics as seqeval_metrics
from sklearn import metrics as sk

from recurra.errors import DataError, ShapeError
from recurra.metrics import expected_calibration_error
from recurra.tagging_scores import tagging_gain, tagging_scores

WNUT17 = Path(os.environ.get("RECURRA_DATA", "data")) / "wnut17"
SUBMISSIONS = {
    "uh_ritual": 41.86,
    "spinningbytes.txt": 40.78,
    "sjtu_adapt.txt": 40.42,
    "arcada": 39.98,
    "flytxt": 38.35,
    "drexel_cci": 26.30,
}
Tags = list[list[str]]


def words_for(tags: Tags) -> Tags:
    """Words that repeat, so that a confusion has a most frequent one."""
    return [[f"w{(7 * row + 3 * column) % 11}" for column in range(len(line))] for row, line in enumerate(tags)]


def score(truth: Tags, predicted: Tags, spans: bool = False, **others: Any) -> dict[str, Any]:
    known = np.zeros(sum(map(len, truth)), bool)
    return tagging_scores(words_for(truth), truth, predicted, others.pop("unknown", known), spans=spans, **others)


def draw(seed: int, n: int, names: list[str], right: float = 0.7) -> tuple[Tags, Tags]:
    """True and predicted tags, independent from token to token: spans are as ill-formed as they can be."""
    rng = np.random.default_rng(seed)
    truth = [[str(tag) for tag in rng.choice(names, rng.integers(1, 15))] for _ in range(n)]
    predicted = [[tag if rng.random() < right else str(rng.choice(names)) for tag in tags] for tags in truth]
    return truth, predicted


BIO = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
BIOES = [*BIO, "E-PER", "S-PER", "E-LOC", "S-LOC"]


def seqeval_equals(scores: dict[str, Any], truth: Tags, predicted: Tags) -> None:
    spans = scores["spans"]
    micro = ("precision_score", "recall_score", "f1_score")
    expected = [getattr(seqeval_metrics, name)(truth, predicted, zero_division=0) for name in micro]
    assert [spans["precision"], spans["recall"], spans["f1"]["value"]] == pytest.approx(expected, abs=1e-12)
    report = seqeval_metrics.classification_report(truth, predicted, output_dict=True, zero_division=0)
    averages = {"micro avg", "macro avg", "weighted avg"}
    assert spans["support"] == report["micro avg"]["support"]
    assert [row["type"] for row in spans["by_type"]] == sorted(set(report) - averages)
    for row in spans["by_type"]:
        expected = report[row["type"]]
        assert row["precision"] == pytest.approx(expected["precision"], abs=1e-12)
        assert row["recall"] == pytest.approx(expected["recall"], abs=1e-12)
        assert row["f1"] == pytest.approx(expected["f1-score"], abs=1e-12)
        assert row["support"] == expected["support"]


@pytest.mark.parametrize("names", [BIO, BIOES, ["O", "B", "I"]], ids=["BIO", "BIOES", "without types"])
@pytest.mark.parametrize("seed", range(3))
def test_span_scores_are_those_of_seqeval_on_tags_that_follow_no_rule(seed, names):
    truth, predicted = draw(seed, 60, names)
    seqeval_equals(score(truth, predicted, spans=True), truth, predicted)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.tuples(st.sampled_from(BIOES), st.sampled_from(BIOES)), min_size=1, max_size=6), min_size=1)
)
def test_span_scores_are_those_of_seqeval_on_any_tags(pairs):
    truth, predicted = ([[pair[side] for pair in line] for line in pairs] for side in (0, 1))
    if {tag for tags in (*truth, *predicted) for tag in tags} != {"O"}:  # of which seqeval cannot write a report
        seqeval_equals(score(truth, predicted, spans=True), truth, predicted)


def test_no_span_at_all_scores_zero_as_in_seqeval():
    spans = score([["O", "O"]], [["O", "O"]], spans=True)["spans"]
    assert spans["f1"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert (spans["precision"], spans["recall"], spans["support"], spans["by_type"]) == (0.0, 0.0, 0, [])


def test_bilou_scores_as_bioes():
    truth, predicted = draw(5, 40, BIOES)
    letters = str.maketrans("ES", "LU")
    in_bilou = [
        [[tag[:1].translate(letters) + tag[1:] for tag in tags] for tags in part] for part in (truth, predicted)
    ]
    assert any("U-PER" in tags for tags in in_bilou[0])
    assert score(*in_bilou, spans=True)["spans"] == score(truth, predicted, spans=True)["spans"]


@pytest.mark.parametrize(("name", "f1"), SUBMISSIONS.items())
def test_published_results_of_wnut17(name, f1):
    if not WNUT17.exists():
        pytest.skip("the data of WNUT-17 are not here: set RECURRA_DATA to the folder that has wnut17")
    truth, predicted = read_columns(WNUT17 / "emerging.test.annotated"), read_columns(WNUT17 / "submissions" / name)
    spans = score(truth, predicted, spans=True)["spans"]
    assert round(100 * spans["f1"]["value"], 2) == f1
    assert spans["support"] == 1079
    assert spans["f1"]["low"] < spans["f1"]["value"] < spans["f1"]["high"]


def read_columns(path: Path) -> Tags:
    """The last column of each sentence; blank lines, also those with blanks, stand between sentences."""
    sentences: Tags = [[]]
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.strip():
            sentences[-1].append(line.split()[-1])
        elif sentences[-1]:
            sentences.append([])
    return [tags for tags in sentences if tags]


def test_scores_of_tags_are_those_of_scikit_learn():
    names = ["ADJ", "DET", "NOUN", "VERB", "X"]
    truth, predicted = draw(1, 80, names)
    predicted[0][0] = "never true"
    flat, chosen = (np.concatenate(tags) for tags in (truth, predicted))
    scores = score(truth, predicted)
    assert (scores["sentences"], scores["tokens"], scores["unknown_words"]) == (80, len(flat), 0)
    assert scores["accuracy"]["value"] == pytest.approx(sk.accuracy_score(flat, chosen), abs=1e-12)
    whole = np.mean([true == other for true, other in zip(truth, predicted)])
    assert scores["sentence_accuracy"]["value"] == pytest.approx(whole, abs=1e-12)
    assert "unknown_word_accuracy" not in scores
    assert "expected_calibration_error" not in scores
    assert "spans" not in scores
    assert [row["tag"] for row in scores["per_tag"]] == sorted([*names, "never true"])
    report = sk.classification_report(flat, chosen, output_dict=True, zero_division=0.0)
    for row in scores["per_tag"]:
        expected = [report[row["tag"]][key] for key in ("precision", "recall", "f1-score", "support")]
        assert [row[key] for key in ("precision", "recall", "f1", "support")] == pytest.approx(expected, abs=1e-12)


def test_confusions_are_those_counted_one_by_one():
    truth, predicted = draw(2, 60, ["ADJ", "DET", "NOUN", "VERB", "X"], right=0.5)
    errors = [
        (true, other, word, number)
        for number, line in enumerate(zip(truth, predicted, words_for(truth)), start=1)
        for true, other, word in zip(*line)
        if true != other
    ]
    expected = Counter(error[:2] for error in errors)
    found = score(truth, predicted)["confusions"]
    assert len(found) == 10
    assert [row["count"] for row in found] == sorted(expected.values(), reverse=True)[:10]
    for row in found:
        pair = (row["true"], row["predicted"])
        assert row["count"] == expected[pair]
        assert row["share"] == pytest.approx(expected[pair] / len(errors))
        of_words = Counter(error[2] for error in errors if error[:2] == pair)
        assert [word["count"] for word in row["words"]] == sorted(of_words.values(), reverse=True)[:3]
        for word in row["words"]:
            assert word["count"] == of_words[word["word"]]
            assert word["sentence"] == min(error[3] for error in errors if error[:3] == (*pair, word["word"]))


def test_scores_worked_by_hand():
    """Five tokens, three right; of the two unknown words one; of the two sentences the second."""
    words = [["the", "Zorg", "barks"], ["the", "quux"]]
    truth, predicted = [["D", "N", "V"], ["D", "N"]], [["D", "V", "N"], ["D", "N"]]
    scores = tagging_scores(words, truth, predicted, np.array([False, True, False, False, True]))
    assert scores["accuracy"]["value"] == pytest.approx(3 / 5)
    assert scores["unknown_word_accuracy"]["value"] == pytest.approx(1 / 2)
    assert scores["unknown_words"] == 2
    assert scores["sentence_accuracy"]["value"] == pytest.approx(1 / 2)
    assert scores["confusions"] == [
        {
            "true": "N",
            "predicted": "V",
            "count": 1,
            "share": 0.5,
            "words": [{"word": "Zorg", "count": 1, "sentence": 1}],
        },
        {
            "true": "V",
            "predicted": "N",
            "count": 1,
            "share": 0.5,
            "words": [{"word": "barks", "count": 1, "sentence": 1}],
        },
    ]
    assert scores["per_tag"][1] == {"tag": "N", "precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 2}


def test_an_empty_sentence_changes_nothing_but_the_counts():
    truth, predicted = [["N", "V"], [], ["N"]], [["N", "N"], [], ["N"]]
    scores = score(truth, predicted)
    assert scores["accuracy"]["value"] == pytest.approx(2 / 3)
    assert scores["confusions"][0]["words"][0]["sentence"] == 1
    assert scores["sentences"] == 3


def test_calibration_error_is_that_of_the_whole_distributions():
    rng = np.random.default_rng(3)
    probabilities = rng.dirichlet([0.3] * 3, 60)
    labels = rng.integers(0, 3, 60)
    truth, predicted = ([[f"T{number}" for number in ids]] for ids in (labels, probabilities.argmax(1)))
    found = score(truth, predicted, confidence=probabilities.max(1))["expected_calibration_error"]
    assert found == pytest.approx(expected_calibration_error(labels, probabilities.astype(np.float32)), abs=1e-6)


def resampled(n: int, value: Any, seed: int = 11) -> list[float]:
    """The ends of the interval of a score of resampled sentences."""
    rng = np.random.default_rng(seed)
    return list(np.percentile([value(rng.integers(0, n, n)) for _ in range(800)], [2.5, 97.5]))


def test_intervals_are_those_of_resampled_sentences():
    truth, predicted = draw(6, 50, BIO)
    rng = np.random.default_rng(1)
    unknown = [rng.random(len(tags)) < 0.3 for tags in truth]
    right = [np.array(true) == np.array(other) for true, other in zip(truth, predicted)]
    scores = score(truth, predicted, spans=True, unknown=np.concatenate(unknown))

    def accuracy(rows: Any) -> float:
        return float(np.mean(np.concatenate([right[row] for row in rows])))

    def unknown_accuracy(rows: Any) -> float:
        return float(np.mean(np.concatenate([right[row][unknown[row]] for row in rows])))

    def span_f1(rows: Any) -> float:
        return float(seqeval_metrics.f1_score([truth[row] for row in rows], [predicted[row] for row in rows]))

    for found, value, tolerance in (
        (scores["accuracy"], accuracy, 0.008),
        (scores["unknown_word_accuracy"], unknown_accuracy, 0.012),
        (scores["spans"]["f1"], span_f1, 0.015),
    ):
        assert [found["low"], found["high"]] == pytest.approx(resampled(50, value), abs=tolerance)
        assert found["low"] < found["value"] < found["high"]


def test_sentences_and_not_tokens_are_resampled():
    """Sentences all right or all wrong: 20 tokens each say no more than one would."""
    truth = [["N"] * 20] * 100
    predicted = [["N" if number % 2 else "V"] * 20 for number in range(100)]
    scores = score(truth, predicted)
    assert scores["accuracy"] == pytest.approx(scores["sentence_accuracy"])
    assert scores["accuracy"]["high"] - scores["accuracy"]["low"] == pytest.approx(2 * 1.96 * 0.05, abs=0.015)


def test_interval_is_the_same_each_time_and_certain_when_all_are_right():
    truth, predicted = draw(4, 50, BIO)
    assert score(truth, predicted, spans=True) == score(truth, predicted, spans=True)
    perfect = score(truth, truth, spans=True)
    for found in (perfect["accuracy"], perfect["sentence_accuracy"], perfect["spans"]["f1"]):
        assert found == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert perfect["confusions"] == []


def test_gain_is_that_of_resampled_sentences():
    truth, ours = draw(7, 40, BIO, right=0.8)
    theirs = [[tag if number % 3 else "O" for number, tag in enumerate(tags)] for tags in ours]
    gain = tagging_gain(truth, ours, theirs, spans=True)

    def accuracy(rows: Any) -> float:
        flat, mine, others = (np.concatenate([part[row] for row in rows]) for part in (truth, ours, theirs))
        return float(np.mean(flat == mine) - np.mean(flat == others))

    def span_f1(rows: Any) -> float:
        true, mine, others = ([part[row] for row in rows] for part in (truth, ours, theirs))
        return float(seqeval_metrics.f1_score(true, mine) - seqeval_metrics.f1_score(true, others))

    for name, value, tolerance in (("accuracy", accuracy, 0.015), ("span_f1", span_f1, 0.025)):
        assert gain[name]["value"] == pytest.approx(value(np.arange(40)), abs=1e-12)
        assert [gain[name]["low"], gain[name]["high"]] == pytest.approx(resampled(40, value), abs=tolerance)
    nothing = {"value": 0.0, "low": 0.0, "high": 0.0}
    assert tagging_gain(truth, ours, ours, spans=True) == {"accuracy": nothing, "span_f1": nothing}
    assert list(tagging_gain(truth, ours, theirs)) == ["accuracy"]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"words": [["a"]]}, ShapeError, "words: expected as many sentences as have true tags, 2, found 1"),
        ({"words": [["a", "b"], []]}, ShapeError, "words, sentence 2: expected 1, one a true tag, found 0"),
        ({"predicted": [["O"], ["O"]]}, ShapeError, "predicted tags, sentence 1: expected 2, one a true tag, found 1"),
        ({"unknown": np.zeros(2, bool)}, ShapeError, r"unknown: expected one value a token, \[3\], found \[2\]"),
        (
            {"confidence": np.zeros((3, 2))},
            ShapeError,
            r"confidence: expected one value a token, \[3\], found \[3, 2\]",
        ),
        (
            {"truth": [[], []], "predicted": [[], []], "words": [[], []], "unknown": np.zeros(0, bool)},
            DataError,
            "expected sentences to score, found no token in any",
        ),
        ({"predicted": [["O", "NOUN"], ["O"]]}, DataError, "expected tags of spans, .* as B-PER, found 'NOUN'"),
        ({"predicted": [["O", "B-"], ["O"]]}, DataError, "found 'B-'"),
        ({"predicted": [["O", ""], ["O"]]}, DataError, "found ''"),
    ],
)
def test_what_does_not_fit_is_said(change, error, message):
    tags = [["O", "B-PER"], ["O"]]
    given = {"words": [["a", "b"], ["c"]], "truth": tags, "predicted": tags, "unknown": np.zeros(3, bool)}
    with pytest.raises(error, match=message):
        tagging_scores(**{**given, **change}, spans=True)


def test_seqeval_is_read_only_where_tags_mark_spans(environment):
    code = (
        "import sys, numpy as np\n"
        "from recurra.tagging_scores import tagging_scores\n"
        "given = ([['a']], [['O']], [['O']], np.zeros(1, bool))\n"
        "tagging_scores(*given); assert 'seqeval' not in sys.modules\n"
        "tagging_scores(*given, spans=True); assert 'seqeval' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, env=environment)
