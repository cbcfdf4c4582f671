"""Estimators: a model as a scikit-learn user knows it."""

from __future__ import annotations

from pathlib import Path

from recurra.checkpoint import read_model
from recurra.estimators.base import Estimator
from recurra.estimators.classifier import Classifier
from recurra.estimators.language_model import LanguageModel

__all__ = ["Classifier", "LanguageModel", "load"]

_ESTIMATORS: dict[str, type[Estimator]] = {"classify": Classifier, "language-model": LanguageModel}


def load(path: str | Path) -> Estimator:
    """Load a model directory as the estimator of its task; labels are strings.

    Raises:
        ModelDirectoryError: the directory is missing, unfinished, foreign, damaged, or of a newer version.
    """
    saved = read_model(path)
    kind = _ESTIMATORS[saved.task.name]
    known = kind().get_params(deep=False)
    settings = saved.task.config
    flat = {
        name: value for section in settings.sections for name, value in getattr(settings, section).model_dump().items()
    }
    if flat.get("vectors") is not None:  # they have set the size, which must not be told beside them
        flat["embedding_size"] = known["embedding_size"]
    model = kind(**{name: flat[name] for name in known})
    model._adopt(saved)
    return model
