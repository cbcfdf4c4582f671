"""Estimators: a model as a scikit-learn user knows it."""

from __future__ import annotations

from pathlib import Path

from recurra.checkpoint import read_model
from recurra.config.sections import SET_BY_INIT_FROM
from recurra.estimators.base import Estimator
from recurra.estimators.classifier import Classifier
from recurra.estimators.forecaster import Forecaster
from recurra.estimators.language_model import LanguageModel
from recurra.estimators.tagger import Tagger
from recurra.estimators.transcriber import Transcriber
from recurra.estimators.translator import Translator

__all__ = ["Classifier", "Forecaster", "LanguageModel", "Tagger", "Transcriber", "Translator", "load"]

_ESTIMATORS: dict[str, type[Estimator]] = {
    "classify": Classifier,
    "tag": Tagger,
    "language-model": LanguageModel,
    "translate": Translator,
    "forecast": Forecaster,
    "transcribe": Transcriber,
}


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
    set_by: dict[str, tuple[str, ...]] = {
        "vectors": ("embedding_size",),
        "init_from": tuple(rule.option for rule in SET_BY_INIT_FROM),
    }
    for option, others in set_by.items():
        if flat.get(option) is not None:  # it has set the others, which must not be told beside it
            flat |= {name: known[name] for name in others}
    model = kind(**{name: flat[name] for name in known})
    model._adopt(saved)
    return model
