"""A trained language model as what another network starts from."""

from __future__ import annotations

from recurra.checkpoint import read_model
from recurra.errors import SettingsError
from recurra.tasks import Start

__all__ = ["read_start"]


def read_start(path: str) -> Start:
    """Read a language model's directory.

    Raises:
        ModelDirectoryError: it is no model directory, or a damaged one.
        SettingsError: its model is of another task.
    """
    task = read_model(path).task
    if task.name != "language-model":
        found = f"a model of the task {task.name}"
        raise SettingsError(f"option 'init_from': {path}: expected a language model, found {found}")
    return Start(task.config.vocabulary, task.config.model, task.vocabulary, task.network.state_dict())
