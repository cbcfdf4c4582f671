"""From options by name, or from a file, to a run's configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, overload

from pydantic import ValidationError

from recurra.config.classify import ClassifyConfig
from recurra.config.forecast import ForecastConfig
from recurra.config.language_model import LanguageModelConfig
from recurra.config.sections import NO_EFFECT, RunConfig, section_model
from recurra.config.tag import TagConfig
from recurra.config.transcribe import TranscribeConfig
from recurra.config.translate import TranslateConfig
from recurra.errors import SettingsError, nearest

__all__ = ["CONFIGS", "make_run_config", "parse_run_config"]

CONFIGS: dict[str, type[RunConfig]] = {
    "classify": ClassifyConfig,
    "tag": TagConfig,
    "language-model": LanguageModelConfig,
    "translate": TranslateConfig,
    "forecast": ForecastConfig,
    "transcribe": TranscribeConfig,
}


@overload
def make_run_config(task: Literal["classify"], **options: Any) -> ClassifyConfig: ...
@overload
def make_run_config(task: Literal["tag"], **options: Any) -> TagConfig: ...
@overload
def make_run_config(task: Literal["language-model"], **options: Any) -> LanguageModelConfig: ...
@overload
def make_run_config(task: Literal["translate"], **options: Any) -> TranslateConfig: ...
@overload
def make_run_config(task: Literal["forecast"], **options: Any) -> ForecastConfig: ...
@overload
def make_run_config(task: Literal["transcribe"], **options: Any) -> TranscribeConfig: ...
@overload
def make_run_config(task: str, **options: Any) -> RunConfig: ...
def make_run_config(task: str, **options: Any) -> RunConfig:
    """Build a run's configuration from options given by name.

    Args:
        task: a key of `CONFIGS`.
        options: any field of the task's sections; a section is found by the option's name.

    Raises:
        SettingsError: an option is unknown (the nearest known one is named), has an impossible value, or would have
            no effect in this run.

    >>> make_run_config("classify", data="reviews.csv", hidden_size=64).model.hidden_size
    64
    >>> make_run_config("classify", data="reviews.csv", hiden_size=64)
    Traceback (most recent call last):
    recurra.errors.SettingsError: unknown option 'hiden_size', did you mean 'hidden_size'?
    """
    kind = CONFIGS[task]
    owner = {name: section for section in kind.sections for name in section_model(kind, section).model_fields}
    nested: dict[str, Any] = {section: {} for section in kind.sections}
    for name, value in options.items():
        if name not in owner:
            raise SettingsError(f"unknown option '{name}'{nearest(name, owner)}")
        nested[owner[name]][name] = value
    run = parse_run_config({"task": task, **nested}, source="options")
    for rule in (*NO_EFFECT, *kind.no_effect):
        settings = getattr(run, rule.section)
        if rule.option in settings.model_fields_set and rule.when(run):
            value = getattr(settings, rule.option)
            raise SettingsError(f"option '{rule.option}' ({value}) would have no effect: {rule.why}")
    return run


def parse_run_config(values: Mapping[str, Any], source: str) -> RunConfig:
    """Validate a nested mapping, such as a `config.json`, and name the first fault in plain words.

    Raises:
        SettingsError: naming the key, what was expected and what was found.
    """
    if not isinstance(values, Mapping):
        raise SettingsError(f"{source}: 'settings': input should be a valid dictionary, found {values!r}")
    task = values.get("task")
    if task not in CONFIGS:
        raise SettingsError(f"{source}: 'task': expected one of {', '.join(CONFIGS)}, found {task!r}")
    kind = CONFIGS[task]
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise SettingsError("; ".join(_explain(kind, fault, source) for fault in error.errors())) from None


def _explain(kind: type[RunConfig], fault: Mapping[str, Any], source: str) -> str:
    key = str(fault["loc"][-1]) if fault["loc"] else "settings"
    if fault["type"] == "extra_forbidden":
        known: list[str] = list(kind.model_fields)
        if len(fault["loc"]) > 1:
            known = list(section_model(kind, str(fault["loc"][0])).model_fields)
        return f"{source}: unknown key '{key}'{nearest(key, known)}"
    if fault["type"] == "missing":
        return f"{source}: '{key}' is missing"
    return f"{source}: '{key}': {fault['msg'][0].lower()}{fault['msg'][1:]}, found {fault['input']!r}"
