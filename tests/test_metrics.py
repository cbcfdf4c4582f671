"""Scores against scikit-learn, sums done on paper, and resampling of the examples themselves."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from recurra.metrics import classification_scores, expected_calibration_error, paired_difference


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
        interval = paired_difference(ours, theirs)
        covered += interval["low"] <= 0.8 - 0.7 <= interval["high"]
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
