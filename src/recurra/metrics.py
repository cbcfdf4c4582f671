"""Scores of a classifier, each with its interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from recurra.errors import ShapeError
from recurra.tables import ScoreTable

__all__ = [
    "classification_scores",
    "classification_tables",
    "expected_calibration_error",
    "gain_line",
    "interval",
    "interval_bounds",
    "paired_difference",
    "resampled_sums",
    "share_and_error",
    "share_interval",
]

_RESAMPLES = 2000
_AT_ONCE = 100  # resamples, so that memory stays small where there are many rows
_BINS = 15
_NORMAL = 1.959964  # within which 95 % of a normal distribution lie
_MOST_CLASSES = 30


def classification_scores(
    labels: NDArray[np.int64], probabilities: NDArray[np.float32], classes: Sequence[str]
) -> dict[str, Any]:
    """Score predictions.

    Intervals are 95 % bootstrap intervals over the examples (Efron, Tibshirani 1993). Resampling examples with
    replacement makes the counts of the confusion matrix multinomial, so the counts are drawn directly.

    Args:
        labels: the true class of each example, [n].
        probabilities: of each class, [n, C].
        classes: names of the C classes.

    Returns:
        accuracy, macro_f1 (each a dict of value, low, high), log_loss, expected_calibration_error, per_class (a row of
        precision, recall, f1, support for each class), confusion (rows true, columns predicted), examples.
    """
    predicted = probabilities.argmax(axis=1)
    numbers = list(range(len(classes)))
    confusion = confusion_matrix(labels, predicted, labels=numbers)
    precision, recall, f1, support = precision_recall_fscore_support(
        labels, predicted, labels=numbers, zero_division=0.0
    )
    rows = zip(classes, precision, recall, f1, support)
    return {
        "examples": len(labels),
        "accuracy": _with_interval(confusion, _accuracy),
        "macro_f1": _with_interval(confusion, _macro_f1),
        "log_loss": _log_loss(labels, probabilities),
        "expected_calibration_error": expected_calibration_error(labels, probabilities),
        "per_class": [
            {"class": name, "precision": float(p), "recall": float(r), "f1": float(f), "support": int(s)}
            for name, p, r, f, s in rows
        ],
        "confusion": confusion.tolist(),
    }


def classification_tables(scores: Mapping[str, Any], title: str, full: bool, kind: str = "texts") -> list[ScoreTable]:
    """Show the scores of a classifier and its baselines; with `full` the classes and the confusion matrix too.

    Args:
        scores: "model" and "baselines" as of :func:`classification_scores`.
        title: of what.
        full: whether with the details.
        kind: what the examples are.
    """
    model = scores["model"]
    columns = ("", "accuracy %", "macro F1 %", "calibration\nerror %")
    rows: list[tuple[str, ...]] = [
        (name, interval(s["accuracy"]), interval(s["macro_f1"]), f"{100 * s['expected_calibration_error']:.1f}")
        for name, s in {"this model": model, **scores["baselines"]}.items()
    ]
    tables = [ScoreTable(f"{title}: {model['examples']:,} {kind}", columns, rows)]
    return [*tables, _class_table(model, kind), _confusion_table(model)] if full else tables


def _class_table(model: Mapping[str, Any], kind: str) -> ScoreTable:
    shares = ("precision", "recall", "f1")
    rows = [
        (row["class"], *(f"{100 * row[share]:.1f}" for share in shares), f"{row['support']:,}")
        for row in model["per_class"]
    ]
    return ScoreTable("by class", ("", "precision %", "recall %", "F1 %", kind), rows)


def _confusion_table(model: Mapping[str, Any]) -> ScoreTable:
    names = [row["class"] for row in model["per_class"]]
    if len(names) > _MOST_CLASSES:
        return ScoreTable(f"confusion matrix of {len(names)} classes: see --json", ("",), [])
    rows = [(name, *(f"{count:,}" for count in row)) for name, row in zip(names, model["confusion"])]
    return ScoreTable("confusion: rows true, columns predicted", ("", *names), rows)


def interval(score: Mapping[str, float]) -> str:
    """A share as percent, with its interval."""
    return f"{100 * score['value']:.1f} ({100 * score['low']:.1f} to {100 * score['high']:.1f})"


def gain_line(gain: Mapping[str, float], over: str, unit: str = "points of accuracy") -> str:
    """Say how much better than a baseline the model is, with the interval."""
    value, low, high = (100 * gain[key] for key in ("value", "low", "high"))
    return f"over the {over}: {value:+.1f} ({low:+.1f} to {high:+.1f}) {unit}"


def expected_calibration_error(labels: NDArray[np.int64], probabilities: NDArray[np.float32]) -> float:
    """Mean distance between confidence and accuracy over 15 bins of equal width (Guo et al., ICML 2017)."""
    confidence = probabilities.max(axis=1).astype(np.float64)
    correct = probabilities.argmax(axis=1) == labels
    # bins are open to the left: (0, 1/15], (1/15, 2/15], ...
    bins = np.clip(np.ceil(confidence * _BINS).astype(np.int64) - 1, 0, _BINS - 1)
    gaps = np.bincount(bins, weights=correct - confidence, minlength=_BINS)
    return float(np.abs(gaps).sum() / max(1, len(labels)))


def paired_difference(ours: NDArray[np.bool_], theirs: NDArray[np.bool_]) -> dict[str, float]:
    """How much more often one model is right than another on the same examples, with a 95 % bootstrap interval."""
    cells = np.bincount(2 * ours.astype(np.int64) + theirs, minlength=4)
    return _with_interval(cells, lambda counts: (counts[..., 2] - counts[..., 1]) / counts.sum(-1))


def share_interval(right: int, total: int) -> dict[str, float]:
    """The share of right answers, with its 95 % interval, which is no point even at none and at all.

    By Wilson, "Probable inference, the law of succession, and statistical inference", JASA 1927.

    Raises:
        ShapeError: no answers, or more right ones than there are.

    >>> {name: round(share, 4) for name, share in share_interval(0, 100).items()}
    {'value': 0.0, 'low': 0.0, 'high': 0.037}
    """
    if not 0 <= right <= total or not total:
        raise ShapeError(f"right: expected 0 to {total} of at least one answer, got {right} of {total}")
    share, square = right / total, _NORMAL**2
    middle = (share + square / (2 * total)) / (1 + square / total)
    half = _NORMAL / (1 + square / total) * math.sqrt(share * (1 - share) / total + square / (4 * total**2))
    return {"value": share, "low": min(share, max(0.0, middle - half)), "high": max(share, min(1.0, middle + half))}


def share_and_error(found: NDArray[Any], wanted: NDArray[Any]) -> tuple[float, float]:
    """The share of what is found in what is wanted, each [n] of n examples, and its standard error over these.

    The examples differ in size, so the error is that of a ratio of sums, by linearisation (Cochran, "Sampling
    techniques", 1977, chapter 6). Nothing wanted gives 0 and 0.

    >>> share_and_error(np.array([1, 0, 1, 0]), np.array([1, 1, 1, 1]))
    (0.5, 0.25)
    """
    total = int(wanted.sum())
    if not total:
        return 0.0, 0.0
    share = float(found.sum() / total)
    return share, float(np.sqrt(np.square(found - share * wanted).sum()) / total)


def resampled_sums(rows: NDArray[Any], times: NDArray[np.int64]) -> NDArray[Any]:
    """The sums over 2,000 bootstrap samples of examples, of which scores are functions (Efron, Tibshirani 1993).

    How often each kind of example is drawn is multinomial, so that is drawn directly, with a fixed seed: what stands
    in the columns of one row, as what two models did with an example, is drawn together.

    Args:
        rows: [n, K], what is to be summed of each kind of example.
        times: [n], how many examples are of each kind.

    Returns:
        [2000, K].
    """
    rng, total = np.random.default_rng(0), int(times.sum())
    draws = (rng.multinomial(total, times / total, size=_AT_ONCE) for _ in range(_RESAMPLES // _AT_ONCE))
    return np.concatenate([drawn @ rows for drawn in draws])


def interval_bounds(values: NDArray[Any]) -> dict[str, float]:
    """Between which 95 % of a score's values [R] on bootstrap samples lie: low and high."""
    low, high = np.percentile(values, [2.5, 97.5])
    return {"low": float(low), "high": float(high)}


def _log_loss(labels: NDArray[np.int64], probabilities: NDArray[np.float32]) -> float:
    of_true = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.maximum(of_true, np.finfo(np.float32).tiny)).mean())


def _with_interval(counts: NDArray[np.int64], score: Callable[[NDArray[Any]], NDArray[Any]]) -> dict[str, float]:
    total = int(counts.sum())
    draws = np.random.default_rng(0).multinomial(total, counts.ravel() / total, size=_RESAMPLES)
    return {"value": float(score(counts)), **interval_bounds(score(draws.reshape(_RESAMPLES, *counts.shape)))}


def _accuracy(confusion: NDArray[Any]) -> NDArray[Any]:
    correct: NDArray[Any] = np.trace(confusion, axis1=-2, axis2=-1) / confusion.sum((-2, -1))
    return correct


def _macro_f1(confusion: NDArray[Any]) -> NDArray[Any]:
    right = np.diagonal(confusion, axis1=-2, axis2=-1)
    counted = confusion.sum(-1) + confusion.sum(-2)  # of each class: true + predicted
    present = counted > 0  # a class neither true nor predicted has no F1
    f1 = np.where(present, 2 * right / np.maximum(counted, 1), 0)
    mean: NDArray[Any] = f1.sum(-1) / present.sum(-1)
    return mean
