"""Whether a model has learnt anything, so that what is measured of it means something."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import torch

from recurra.checkpoint import SavedModel
from recurra.tasks.base import Task

__all__ = ["Standing", "standing", "weights_as_drawn"]

_AS_DRAWN = 1e-3  # of the norm of a network's recurrent and other matrices


class Standing(NamedTuple):
    """How a model stands among its baselines, as `recurra train` scored them; scores are as they are shown.

    Attributes:
        part: of the model's own data, "test" or "validation".
        score: its name, such as "accuracy".
        own: the model's.
        ahead: the baselines that it does not beat, with their scores, the best first.
        beaten: how many it does beat.
    """

    part: str
    score: str
    own: str
    ahead: list[tuple[str, str]]
    beaten: int


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


def standing(model: SavedModel) -> Standing | None:
    """How a model stands on its test or, without one, on its validation examples; None where it has no baselines."""
    part = "test" if model.metrics.get("test") else "valid"
    scores = model.metrics.get(part) or {}
    if not scores.get("model") or not scores.get("baselines"):
        return None
    headline = model.task.headline()
    sign = 1 if headline.higher else -1
    own = headline.of(scores["model"])["value"]
    baselines = {name: headline.of(found)["value"] for name, found in scores["baselines"].items()}
    ahead = {name: value for name, value in baselines.items() if sign * value >= sign * own}
    return Standing(
        "validation" if part == "valid" else part,
        headline.name,
        headline.shown(own),
        [(name, headline.shown(ahead[name])) for name in sorted(ahead, key=lambda name: -sign * ahead[name])],
        len(baselines) - len(ahead),
    )
