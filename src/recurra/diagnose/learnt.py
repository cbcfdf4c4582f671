"""Whether a model has learnt anything, so that what is measured of it means something."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import torch

from recurra.checkpoint import SavedModel
from recurra.tasks.base import Task

__all__ = ["Worse", "no_better_than", "weights_as_drawn"]

_AS_DRAWN = 1e-3  # of the norm of a network's recurrent and other matrices


class Worse(NamedTuple):
    """A score in which a model beats none of its baselines: its name, the weakest's, and both as they are shown."""

    score: str
    baseline: str
    own: str
    theirs: str


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
    """The weakest baseline, if the model does not beat it on the test or, without one, on the validation examples."""
    scores = model.metrics.get("test") or model.metrics.get("valid") or {}
    if not scores.get("model") or not scores.get("baselines"):
        return None
    headline = model.task.headline()
    sign = 1 if headline.higher else -1
    own = headline.of(scores["model"])["value"]
    baselines = {name: headline.of(found)["value"] for name, found in scores["baselines"].items()}
    weakest = min(baselines, key=lambda name: sign * baselines[name])
    if sign * own > sign * baselines[weakest]:
        return None
    return Worse(headline.name, weakest, headline.shown(own), headline.shown(baselines[weakest]))
