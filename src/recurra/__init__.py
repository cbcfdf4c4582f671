"""Train, understand, check and ship recurrent sequence models on your own data."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recurra import nn
    from recurra.estimators import Classifier, Forecaster, LanguageModel, Tagger, Transcriber, Translator, load
    from recurra.swap import accelerate, restore

__all__ = [
    "Classifier",
    "Forecaster",
    "LanguageModel",
    "Tagger",
    "Transcriber",
    "Translator",
    "accelerate",
    "load",
    "nn",
    "restore",
]

_HOMES = {
    "Classifier": "recurra.estimators",
    "Forecaster": "recurra.estimators",
    "LanguageModel": "recurra.estimators",
    "Tagger": "recurra.estimators",
    "Transcriber": "recurra.estimators",
    "Translator": "recurra.estimators",
    "accelerate": "recurra.swap",
    "load": "recurra.estimators",
    "restore": "recurra.swap",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that the command line's help need not wait for torch."""
    if name == "nn":
        return importlib.import_module("recurra.nn")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'recurra' has no attribute '{name}'")
