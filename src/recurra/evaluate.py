"""Scores of a trained classifier, never alone: beside them stand the majority class and the bag of words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recurra.baselines import BagOfWords, majority_probabilities
from recurra.data import load_texts
from recurra.data.encoded import Encoded
from recurra.errors import DataError, nearest
from recurra.metrics import classification_scores, paired_difference
from recurra.tasks.classify import Classify

__all__ = ["BAG_OF_WORDS", "MAJORITY", "Evaluation", "evaluate", "evaluate_run", "fit_baseline", "load_labelled"]

MAJORITY = "majority class"
BAG_OF_WORDS = "bag of words"


class Evaluation(NamedTuple):
    """What was predicted for some examples, and the scores to show: [n, C] probabilities and a JSON-like mapping."""

    probabilities: NDArray[np.float32]
    scores: dict[str, Any]


def fit_baseline(task: Classify) -> BagOfWords:
    """Fit the bag of words on the task's training data."""
    assert task.data is not None
    return BagOfWords.fit(
        task.data.train, task.data.valid, len(task.vocabulary), len(task.classes), task.config.train.seed
    )


def evaluate(task: Classify, examples: Encoded, baseline: BagOfWords) -> Evaluation:
    """Score a classifier and its baselines on labelled examples.

    Returns:
        Scores: "model", "baselines" (a mapping of name to scores, each as
        :func:`recurra.metrics.classification_scores`), "gain" (accuracy over the bag of words, with its interval),
        "empty" and "unknown_share".
    """
    labels = examples.labels
    assert labels is not None
    probabilities = task.probabilities(examples)
    baselines = {
        MAJORITY: majority_probabilities(task.label_counts, len(examples)),
        BAG_OF_WORDS: baseline.probabilities(examples),
    }
    right, theirs = (p.argmax(1) == labels for p in (probabilities, baselines[BAG_OF_WORDS]))
    return Evaluation(
        probabilities,
        {
            "model": classification_scores(labels, probabilities, task.classes),
            "baselines": {name: classification_scores(labels, p, task.classes) for name, p in baselines.items()},
            "gain": paired_difference(right, theirs),
            "empty": examples.empty,
            "truncated": examples.truncated,
            "unknown_share": examples.unknown_share,
        },
    )


def evaluate_run(task: Classify, baseline: BagOfWords, best_epoch: int, epochs: int) -> dict[str, Any]:
    """The content of `metrics.json` for a run that was just trained: its validation and test scores."""
    assert task.data is not None
    parts: Mapping[str, Encoded | None] = {"valid": task.data.valid, "test": task.data.test}
    scores = {
        part: evaluate(task, examples, baseline).scores for part, examples in parts.items() if examples is not None
    }
    parameters = sum(parameter.numel() for parameter in task.network.parameters())
    return {"best_epoch": best_epoch, "epochs": epochs, "parameters": parameters, **scores}


def load_labelled(
    task: Classify,
    source: str,
    text_column: str | None = None,
    label_column: str | None = None,
    delimiter: str | None = None,
    header: bool | None = None,
) -> Encoded:
    """Read labelled examples for a trained model; the columns are those of the training data where the source has them.

    Raises:
        DataError: the source is at fault (see :func:`recurra.data.load_texts`), or has classes that training had not.
    """
    texts = load_texts(
        source,
        text_column=text_column,
        label_column=label_column,
        delimiter=delimiter,
        header=header,
        labels="required",
        preferred=task.columns,
    )
    unseen = {name: count for name, count in texts.label_counts().items() if name not in task.classes}
    if unseen:
        listed = ", ".join(f"'{name}' ({count:,} texts){nearest(name, task.classes)}" for name, count in unseen.items())
        raise DataError(
            f"{texts.name}: expected the classes {', '.join(task.classes)}; never seen in training: {listed}"
        )
    return task.encode(texts)
