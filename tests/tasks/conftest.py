"""Small tasks for the tests of recurra.tasks."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from recurra.config import make_run_config
from recurra.data.corpus import corpus_in_memory
from recurra.tasks.language_model import ModelLanguage

SMALL: dict[str, Any] = {
    "hidden_size": 6,
    "embedding_size": 6,
    "num_layers": 2,
    "dropout": 0.0,
    "epochs": 2,
    "min_count": 1,
    "batch_size": 3,
    "steps": 7,
    "device": "cpu",
}


def made_up(count: int, seed: int = 0) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(rng.choices("abcdefgh", k=rng.randint(0, 6))) for _ in range(count)]


def make(lines: list[str] | None = None, **options: Any) -> ModelLanguage:
    config = make_run_config("language-model", data="memory", **{**SMALL, **options})
    return ModelLanguage.from_corpus(config, corpus_in_memory(made_up(60) if lines is None else lines, None, 0.2))


@pytest.fixture
def language_model() -> Callable[..., ModelLanguage]:
    """Make a small task of lines, or of 60 made-up ones, with options in place of the small ones."""
    return make
