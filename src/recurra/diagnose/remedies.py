"""The command that trains a model once more, but for one change."""

from __future__ import annotations

import shlex
from typing import Any

from recurra.checkpoint import SavedModel
from recurra.config import make_run_config, section_model
from recurra.config.sections import NO_EFFECT
from recurra.errors import SettingsError
from recurra.estimators.base import IN_MEMORY
from recurra.files import named

__all__ = ["train_command"]


def train_command(model: SavedModel, suffix: str, **changes: Any) -> str:
    """Write the command that made a model, with some options changed, for a shell.

    Options at their default are left out. A model that was trained on data in memory has DATA in place of a file.

    Args:
        model: as it was read.
        suffix: how the name of the new model differs.
        changes: options by name; None for the default.

    Returns:
        Nothing where the run has no such option, or refuses the change.
    """
    task, source = model.task, model.task.config.data.data
    given = _given(task.config) | changes
    try:
        make_run_config(task.name, data=source, **{name: value for name, value in given.items() if value is not None})
    except SettingsError:
        return ""
    words = ["recurra", "train", task.name, "DATA" if source == IN_MEMORY else source]
    for name, value in given.items():
        option = name.replace("_", "-")
        if value is True or value is False:
            words.append(f"--{'' if value else 'no-'}{option}")
        elif value is not None:
            words += [f"--{option}", str(value)]
    return shlex.join([*words, "--out", f"{named(model.path)}-{suffix}"])


def _given(config: Any) -> dict[str, Any]:
    """The options of a run that are not at their defaults and have an effect."""
    idle = {(rule.section, rule.option) for rule in (*NO_EFFECT, *type(config).no_effect) if rule.when(config)}
    return {
        name: getattr(getattr(config, section), name)
        for section in config.sections
        for name, told in section_model(type(config), section).model_fields.items()
        if name != "data" and (section, name) not in idle and getattr(getattr(config, section), name) != told.default
    }
