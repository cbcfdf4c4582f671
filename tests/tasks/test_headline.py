"""The score that models are compared by: where it is, and how it is shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recurra.checkpoint import read_model
from recurra.tasks.headline import Headline


def test_shares_are_percents_and_other_scores_are_not() -> None:
    accuracy = Headline("accuracy", ("accuracy",))
    assert (accuracy.shown(0.8754), accuracy.number(-0.0312, signed=True)) == ("87.5 %", "-3.1")
    perplexity = Headline("perplexity", ("perplexity",), higher=False, unit="", digits=2)
    assert (perplexity.shown(1234.567), perplexity.number(1.0, signed=True)) == ("1,234.57", "+1.00")


def test_the_score_is_found_within_others() -> None:
    scores = {"spans": {"f1": {"value": 0.5, "low": 0.4, "high": 0.6}}}
    assert Headline("span F1", ("spans", "f1")).of(scores) == {"value": 0.5, "low": 0.4, "high": 0.6}


@pytest.mark.parametrize("model", ["tiny_model", "tiny_language_model", "tiny_transcriber"])
def test_a_model_and_all_its_baselines_have_it(model: str, request: pytest.FixtureRequest) -> None:
    path: Path = request.getfixturevalue(model)
    saved = read_model(path)
    headline: Headline = saved.task.headline()
    found: Callable[[Any], float] = lambda scores: headline.of(scores)["value"]  # noqa: E731
    scores = saved.metrics["test"]
    assert all(isinstance(found(each), float) for each in (scores["model"], *scores["baselines"].values()))
