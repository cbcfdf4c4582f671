"""Texts and labels that are lists or arrays in memory, as a scikit-learn estimator is given them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import train_test_split
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from recurra.data.reading_notes import one_of
from recurra.data.splits import Splits
from recurra.data.text import Texts
from recurra.errors import DataError

__all__ = ["divided_rows", "known_labels", "splits_in_memory", "texts_in_memory", "validation_labels"]


def splits_in_memory(
    texts: Sequence[str],
    labels: ArrayLike,
    validation: tuple[Sequence[str], ArrayLike] | None,
    valid_share: float,
    seed: int,
) -> tuple[NDArray[Any], Splits]:
    """Return the classes, sorted, [C], and the training and validation examples.

    Args:
        texts: n texts, called X in messages.
        labels: n labels, called y in messages.
        validation: texts and labels; a share of each class when None.
        valid_share: that share.
        seed: of the division.

    Raises:
        DataError: texts and labels do not fit together, or a class is missing or too small.
    """
    kept = texts_in_memory(texts, "X")
    classes, names = known_labels(labels, len(kept), "texts")
    if validation is not None:
        held = texts_in_memory(validation[0], "validation_data")
        of_held = validation_labels(validation[1], len(held), classes, "texts")
        return classes, Splits(
            Texts.from_lists(kept, names), Texts.from_lists(held, of_held, name="validation_data"), None
        )
    train, valid = (
        Texts.from_lists([kept[row] for row in rows], [names[row] for row in rows])
        for rows in divided_rows(names, valid_share, seed)
    )
    return classes, Splits(train, valid, None)


def known_labels(labels: ArrayLike, count: int, kind: str) -> tuple[NDArray[Any], list[str]]:
    """Return the classes, sorted, [C], and the labels of the training examples as strings, [n].

    Args:
        labels: called y in messages.
        count: n, how many examples there are.
        kind: what messages call these.

    Raises:
        DataError: another number of labels, one that is missing, or one class alone.
    """
    given = _labels(labels, "y")
    if count != len(given):
        raise DataError(f"y: expected a label for each of the {count:,} {kind}, found {len(given):,}")
    check_classification_targets(given)
    classes: NDArray[Any] = np.unique(given)
    if len(classes) < 2:
        raise DataError(f"y: expected at least two classes, found {classes.tolist()}")
    return classes, given.astype(str).tolist()


def validation_labels(labels: ArrayLike, count: int, classes: NDArray[Any], kind: str) -> list[str]:
    """Return the labels of the validation examples as strings, [n].

    Args:
        labels: called validation_data in messages.
        count: n, how many examples there are.
        classes: those of training.
        kind: what messages call the examples, in the plural.

    Raises:
        DataError: no examples, another number of labels, one that is missing, or one that training had not.
    """
    names: list[str] = _labels(labels, "validation_data").astype(str).tolist()
    if not count:
        raise DataError(f"validation_data: expected at least one {one_of(kind)}, found none")
    unseen = sorted(set(names) - {str(label) for label in classes})
    if unseen:
        raise DataError(f"validation_data: classes never seen in training: {', '.join(unseen)}")
    if count != len(names):
        raise DataError(f"validation_data: expected a label for each of the {count:,} {kind}, found {len(names):,}")
    return names


def divided_rows(names: Sequence[str], valid_share: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which examples are for training and which for validation, of each class its share, at least one.

    Raises:
        DataError: a class of one example alone.
    """
    counts = dict(zip(*np.unique(np.array(names), return_counts=True)))
    small = [f"'{name}' ({count})" for name, count in counts.items() if count < 2]
    if small:
        raise DataError(
            f"y: expected at least 2 examples of each class, found one of {', '.join(small)}; "
            f"give validation_data, more examples, or leave the class out"
        )
    held_out = max(len(counts), round(valid_share * len(names)))
    train, valid = train_test_split(np.arange(len(names)), test_size=held_out, stratify=names, random_state=seed)
    return train, valid


def texts_in_memory(texts: Sequence[str], name: str) -> list[str]:
    """Return texts as a list; None stands for a missing one.

    Raises:
        DataError: one text alone, a table, or something else than texts, named by its row.
    """
    if isinstance(texts, str):
        raise DataError(f"{name}: expected a list of texts, found one text; put it in a list")
    if getattr(texts, "ndim", 1) != 1:
        raise DataError(f"{name}: expected one dimension, a text for each example, found the shape {np.shape(texts)}")
    found = list(texts)
    for row, text in enumerate(found, 1):
        if text is not None and not isinstance(text, str):
            remedy = "write a missing text as ''"
            raise DataError(f"{name}, row {row:,}: expected a text, found {type(text).__name__} ({text!r}); {remedy}")
    return found


def _labels(labels: ArrayLike, name: str) -> NDArray[Any]:
    found: NDArray[Any] = column_or_1d(labels, warn=True)
    for row, label in enumerate(found.tolist(), 1):
        if label is None or label != label or str(label) != (str(label).strip() or None):
            expected = "expected a label without white space around it"
            raise DataError(f"{name}, row {row:,}: {expected}, found {label!r}")
    return found
