"""A trained language model, read for what goes on from it: text, or another network."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from recurra.checkpoint import read_model
from recurra.errors import SettingsError
from recurra.tasks import Start
from recurra.tasks.language_model import ModelLanguage

__all__ = ["read_language_model", "read_start"]


def read_language_model(path: str | Path) -> ModelLanguage:
    """Read a language model's directory.

    Raises:
        ModelDirectoryError: it is no model directory, or a damaged one.
        SettingsError: its model is of another task.
    """
    task = read_model(path).task
    if task.name != ModelLanguage.name:
        raise SettingsError(f"{path}: expected a language model, found a model of the task {task.name}")
    return cast(ModelLanguage, task)


def read_start(path: str) -> Start:
    """Read a language model as what another network starts from; errors as :func:`read_language_model`."""
    task = read_language_model(path)
    return Start(task.config.vocabulary, task.config.model, task.vocabulary, task.network.starting_weights())
