"""Scores against scikit-learn, sums done on paper, and resampling of the examples themselves."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn import metrics as sk

from recurra.errors import ShapeError
from recurra.metrics import (
    classification_scores,
    classification_tables,
    expected_calibration_error,
    gain_line,
    interval,
    paired_difference,
    share_interval,
)
from recurra.tables import ScoreTable


def sample(seed: int, n: int, classes: int, true: int | None = None, predicted: int | None = None):
    """Labels among the first `true` classes and random probabilities whose largest is among the first `predicted`."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, true or classes, n)
    raw = rng.gamma(0.4, size=(n, classes)) + 1e-6
    raw[:, predicted or classes :] *= 1e-9
    raw[np.arange(n), labels] += (labels < (predicted or classes)) * rng.random(n)
    return labels, (raw / raw.sum(1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize(
    ("classes", "true", "predicted"),
    [(2, 2, 2), (3, 3, 3), (5, 3, 5), (5, 5, 3), (5, 4, 4)],
    ids=["two", "three", "absent in truth", "never predicted", "absent in both"],
)
def test_scores_are_those_of_scikit_learn(classes, true, predicted):
    labels, probabilities = sample(1, 300, classes, true, predicted)
    chosen = probabilities.argmax(1)
    names = [f"class {number}" for number in range(classes)]
    scores = classification_scores(labels, probabilities, names)
    numbers = list(range(classes))
    assert scores["examples"] == 300
    assert scores["accuracy"]["value"] == pytest.approx(sk.accuracy_score(labels, chosen), abs=1e-12)
    expected = sk.f1_score(labels, chosen, average="macro", zero_division=0.0)
    assert scores["macro_f1"]["value"] == pytest.approx(expected, abs=1e-12)
    assert scores["confusion"] == sk.confusion_matrix(labels, chosen, labels=numbers).tolist()
    report = sk.classification_report(
        labels, chosen, labels=numbers, target_names=names, output_dict=True, zero_division=0.0
    )
    assert [row["class"] for row in scores["per_class"]] == names
    for row in scores["per_class"]:
        of_class = report[row["class"]]
        assert row["precision"] == pytest.approx(of_class["precision"], abs=1e-12)
        assert row["recall"] == pytest.approx(of_class["recall"], abs=1e-12)
        assert row["f1"] == pytest.approx(of_class["f1-score"], abs=1e-12)
        assert row["support"] == of_class["support"]
    exact = probabilities.astype(np.float64)
    expected = sk.log_loss(labels, exact / exact.sum(1, keepdims=True), labels=numbers)
    assert scores["log_loss"] == pytest.approx(expected, rel=1e-5)


def test_log_loss_of_a_probability_of_zero_is_finite():
    scores = classification_scores(np.array([0, 1]), np.array([[1, 0], [1, 0]], np.float32), ["a", "b"])
    assert scores["log_loss"] == pytest.approx(-np.log(np.finfo(np.float32).tiny) / 2)


def test_calibration_error_on_paper():
    """Two in the bin (0.6, 0.667], one right: |0.5 - 0.640625|; two in the last, both right: |1 - 0.96875|."""
    confidences = np.array([0.625, 0.65625, 0.9375, 1.0])
    probabilities = np.stack([confidences, 1 - confidences], axis=1).astype(np.float32)
    labels = np.array([0, 1, 0, 0])
    assert expected_calibration_error(labels, probabilities) == pytest.approx((0.140625 + 0.03125) / 2, abs=1e-12)


@pytest.mark.parametrize(
    ("labels", "expected"), [([0, 0], 0.0), ([1, 1], 1.0), ([0, 1], 0.5)], ids=["right", "wrong", "half"]
)
def test_calibration_error_of_certainty(labels, expected):
    """Probabilities of 0 and 1: always sure, so the error is the share of wrong answers."""
    probabilities = np.array([[1, 0], [1, 0]], np.float32)
    assert expected_calibration_error(np.array(labels), probabilities) == expected


def test_calibration_error_at_the_edge_of_a_bin():
    """3/15 closes the third bin, so of ten classes one example at 0.2 and one at 0.21 are in different bins."""
    probabilities = np.full((2, 10), 0.08, np.float64)
    probabilities[:, 0] = [0.2, 0.21]
    labels = np.array([0, 1])
    expected = (abs(1 - 0.2) + abs(0 - 0.21)) / 2
    assert expected_calibration_error(labels, probabilities) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("classes", [2, 3, 20])
def test_calibration_error_is_that_of_a_plain_loop(classes):
    labels, probabilities = sample(2, 400, classes)
    total = 0.0
    for number in range(15):
        low, high = number / 15, (number + 1) / 15
        members = [i for i in range(400) if low < float(probabilities[i].max()) <= high]
        if members:
            accuracy = np.mean([probabilities[i].argmax() == labels[i] for i in members])
            confidence = np.mean([float(probabilities[i].max()) for i in members])
            total += len(members) / 400 * abs(accuracy - confidence)
    assert expected_calibration_error(labels, probabilities) == pytest.approx(total, abs=1e-9)


def mean_f1(labels: np.ndarray, chosen: np.ndarray) -> float:
    present = np.union1d(labels, chosen)
    return np.mean(
        [2 * ((labels == c) & (chosen == c)).sum() / ((labels == c).sum() + (chosen == c).sum()) for c in present]
    )


@pytest.mark.parametrize("classes", [2, 4])
def test_intervals_are_those_of_resampled_examples(classes):
    labels, probabilities = sample(3, 150, classes)
    chosen = probabilities.argmax(1)
    scores = classification_scores(labels, probabilities, [str(number) for number in range(classes)])
    rng = np.random.default_rng(11)
    drawn = [rng.integers(0, 150, 150) for _ in range(2000)]
    accuracy = [np.mean(labels[rows] == chosen[rows]) for rows in drawn]
    macro = [mean_f1(labels[rows], chosen[rows]) for rows in drawn]
    for name, values in (("accuracy", accuracy), ("macro_f1", macro)):
        low, high = np.percentile(values, [2.5, 97.5])
        assert scores[name]["low"] == pytest.approx(low, abs=0.012)  # of an interval 0.15 wide
        assert scores[name]["high"] == pytest.approx(high, abs=0.012)
        assert scores[name]["low"] < scores[name]["value"] < scores[name]["high"]


def test_interval_covers_the_truth_nineteen_times_in_twenty():
    rng = np.random.default_rng(7)
    covered = 0
    for _ in range(1000):
        ours, theirs = rng.random(200) < 0.8, rng.random(200) < 0.7
        found = paired_difference(ours, theirs)
        covered += found["low"] <= 0.8 - 0.7 <= found["high"]
    assert 0.93 <= covered / 1000 <= 0.97  # three standard errors of 1000 trials are 0.02


def test_interval_is_the_same_each_time_and_certain_when_all_are_right():
    labels, probabilities = sample(4, 50, 3)
    first, second = (classification_scores(labels, probabilities, list("abc")) for _ in range(2))
    assert first == second
    perfect = classification_scores(labels, np.eye(3, dtype=np.float32)[labels], list("abc"))
    assert perfect["accuracy"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert perfect["macro_f1"] == {"value": 1.0, "low": 1.0, "high": 1.0}


def test_paired_difference_is_that_of_resampled_examples():
    rng = np.random.default_rng(5)
    ours = rng.random(200) < 0.8
    theirs = np.where(rng.random(200) < 0.7, ours, rng.random(200) < 0.6)
    found = paired_difference(ours, theirs)
    assert found["value"] == pytest.approx(ours.mean() - theirs.mean(), abs=1e-12)
    rows = rng.integers(0, 200, (4000, 200))
    low, high = np.percentile(ours[rows].mean(1) - theirs[rows].mean(1), [2.5, 97.5])
    assert found["low"] == pytest.approx(low, abs=0.01)
    assert found["high"] == pytest.approx(high, abs=0.01)
    unpaired = rng.permutation(theirs)
    wider = paired_difference(ours, unpaired)
    assert wider["high"] - wider["low"] > found["high"] - found["low"]  # what both get right makes it sharper


def test_paired_difference_of_equals_and_of_opposites():
    right = np.array([True, False, True])
    assert paired_difference(right, right) == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert paired_difference(np.ones(5, bool), np.zeros(5, bool))["low"] == 1.0
    assert paired_difference(np.zeros(5, bool), np.ones(5, bool))["high"] == -1.0


def test_a_share_with_its_interval_and_a_gain_in_words():
    assert interval({"value": 0.8767, "low": 0.5, "high": 1.0}) == "87.7 (50.0 to 100.0)"
    gain = {"value": 0.0512, "low": -0.01, "high": 0.11}
    assert gain_line(gain, "bag of words") == "over the bag of words: +5.1 (-1.0 to +11.0) points of accuracy"
    assert gain_line(gain, "trigrams", "points of F1") == "over the trigrams: +5.1 (-1.0 to +11.0) points of F1"


def test_tables_of_the_scores_by_hand():
    labels = np.array([0, 0, 0, 1])
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.2, 0.8], [0.2, 0.8]], np.float32)
    model = classification_scores(labels, probabilities, ["no", "yes"])
    scores = {"model": model, "baselines": {"majority class": {**model, "expected_calibration_error": 0.5}}}
    summary, classes, confusion = classification_tables(scores, "t.csv", full=True)
    assert summary.title == "t.csv: 4 texts"
    assert summary.columns == ("", "accuracy %", "macro F1 %", "calibration\nerror %")
    shares = [interval(model[name]) for name in ("accuracy", "macro_f1")]
    assert [share.split(" ")[0] for share in shares] == ["75.0", "73.3"]  # F1 of 4 / 5 and 2 / 3
    # two at 0.9, both right, and two at 0.8, one of them: 0.5 * 0.1 + 0.5 * 0.3
    assert summary.rows == [("this model", *shares, "20.0"), ("majority class", *shares, "50.0")]
    columns = ("", "precision %", "recall %", "F1 %", "texts")
    rows = [("no", "100.0", "66.7", "80.0", "3"), ("yes", "50.0", "100.0", "66.7", "1")]
    assert classes == ScoreTable("by class", columns, rows)
    rows = [("no", "2", "1"), ("yes", "0", "1")]
    assert confusion == ScoreTable("confusion: rows true, columns predicted", ("", "no", "yes"), rows)
    assert classification_tables(scores, "t.csv", full=False) == [summary]


@pytest.mark.parametrize(("right", "total"), [(0, 1), (0, 100), (1, 100), (37, 80), (99, 100), (5, 5)])
def test_the_interval_of_a_share_is_that_of_wilson(right, total):
    found = share_interval(right, total)
    wanted = binomtest(right, total).proportion_ci(method="wilson")
    assert found["value"] == right / total
    assert (found["low"], found["high"]) == pytest.approx((wanted.low, wanted.high), abs=1e-6)
    assert found["low"] <= found["value"] <= found["high"]


@pytest.mark.parametrize(("right", "total"), [(0, 0), (3, 2), (-1, 2)])
def test_a_share_of_more_than_there_are(right, total):
    with pytest.raises(
        ShapeError, match=f"right: expected 0 to {total} of at least one answer, got {right} of {total}"
    ):
        share_interval(right, total)
