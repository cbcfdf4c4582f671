"""Texts and labels that are lists or arrays in memory, as a scikit-learn estimator is given them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import train_test_split
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from recurra.data.splits import Splits
from recurra.data.text import Texts
from recurra.errors import DataError

__all__ = ["splits_in_memory", "texts_in_memory"]


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
    kept, given = texts_in_memory(texts, "X"), _labels(labels, "y")
    if len(kept) != len(given):
        raise DataError(f"y: expected a label for each of the {len(kept):,} texts, found {len(given):,}")
    check_classification_targets(given)
    classes: NDArray[Any] = np.unique(given)
    if len(classes) < 2:
        raise DataError(f"y: expected at least two classes, found {classes.tolist()}")
    names = given.astype(str)
    if validation is not None:
        return classes, Splits(Texts.from_lists(kept, names.tolist()), _labelled(*validation, classes), None)
    return classes, _divided(kept, names, valid_share, seed)


def _divided(texts: list[str], names: NDArray[Any], valid_share: float, seed: int) -> Splits:
    counts = dict(zip(*np.unique(names, return_counts=True)))
    small = [f"'{name}' ({count})" for name, count in counts.items() if count < 2]
    if small:
        raise DataError(
            f"y: expected at least 2 examples of each class, found one of {', '.join(small)}; "
            f"give validation_data, more examples, or leave the class out"
        )
    held_out = max(len(counts), round(valid_share * len(texts)))
    parts = train_test_split(texts, names, test_size=held_out, stratify=names, random_state=seed)
    train_texts, valid_texts, train_names, valid_names = parts
    return Splits(
        Texts.from_lists(train_texts, train_names.tolist()), Texts.from_lists(valid_texts, valid_names.tolist()), None
    )


def _labelled(texts: Sequence[str], labels: ArrayLike, classes: NDArray[Any]) -> Texts:
    kept, names = texts_in_memory(texts, "validation_data"), _labels(labels, "validation_data").astype(str).tolist()
    if not kept:
        raise DataError("validation_data: expected at least one text, found none")
    unseen = sorted(set(names) - {str(label) for label in classes})
    if unseen:
        raise DataError(f"validation_data: classes never seen in training: {', '.join(unseen)}")
    return Texts.from_lists(kept, names, name="validation_data")


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
