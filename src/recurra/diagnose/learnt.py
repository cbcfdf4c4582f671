"""Whether a model has learnt anything, so that what is measured of it means something."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import torch

from recurra.baselines import MAJORITY
from recurra.checkpoint import SavedModel
from recurra.forecast_baselines import NAIVE
from recurra.language_scores import UNIGRAM
from recurra.tagging_baselines import MOST_FREQUENT
from recurra.tasks.base import Task
from recurra.translation_baselines import COPY

__all__ = ["Worse", "no_better_than", "weights_as_drawn"]

_AS_DRAWN = 1e-3  # of the norm of a network's recurrent and other matrices


class Worse(NamedTuple):
    """A score in which a model does not beat a baseline: its name, the model's and the baseline's."""

    score: str
    baseline: str
    own: float
    theirs: float


_SIMPLEST = {  # of each task the score, the baseline that knows least, and whether more is better
    "classify": ("accuracy", MAJORITY, True),
    "tag": ("accuracy", MOST_FREQUENT, True),
    "language-model": ("nats", UNIGRAM, False),
    "translate": ("chrf", COPY, True),
    "forecast": ("mae_scaled", NAIVE, False),
    "transcribe": ("character_error", "most frequent transcript", False),
}


def weights_as_drawn(task: Task) -> bool:
    """Whether a network is as its seed draws it, within a thousandth of the weights' norm.

    A network that began with the weights of another, or was drawn by another version of torch, is not.
    """
    with torch.random.fork_rng(devices=[]):
        fresh: Any = type(task).restore(task.config, task.vocabularies, json.loads(json.dumps(task.facts())))
    moved = size = 0.0
    drawn = dict(fresh.network.named_parameters())
    for name, parameter in task.network.named_parameters():
        moved += float((parameter.detach() - drawn[name].detach()).double().square().sum())
        size += float(drawn[name].detach().double().square().sum())
    return moved <= _AS_DRAWN**2 * size


def no_better_than(model: SavedModel) -> Worse | None:
    """The simplest baseline, if the model does not beat it on the test or, without one, on the validation examples."""
    name, baseline, more = _SIMPLEST[model.task.name]
    scores = model.metrics.get("test") or model.metrics.get("valid") or {}
    own, theirs = (_value(scores.get("model"), name), _value(scores.get("baselines", {}).get(baseline), name))
    if own is None or theirs is None or (own > theirs if more else own < theirs):
        return None
    return Worse(name.replace("_", " "), baseline, own, theirs)


def _value(scores: Any, name: str) -> float | None:
    found = scores.get(name) if isinstance(scores, dict) else None
    found = found.get("value") if isinstance(found, dict) else found
    return float(found) if isinstance(found, int | float) else None
