"""A comparison made by hand, so that every sentence about it can be worked out on paper."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from recurra.compare import make_plan
from recurra.compare.findings import Comparison, Cost, Lag, Run, Scored
from recurra.compare.memory import Memory
from recurra.compare.sizes import Size
from recurra.tasks.headline import Headline

ACCURACY = Headline("accuracy", ("accuracy",))
Made = Callable[..., Comparison]


def _history(scores: Sequence[float], seconds: float) -> list[dict[str, Any]]:
    return [
        {"epoch": number, "valid_score": score, "seconds": seconds / len(scores), "tokens_per_second": 100.0 / seconds}
        for number, score in enumerate(scores, 1)
    ]


def _comparison(
    scores: dict[str, Sequence[float]],
    answers: dict[str, float] | None = None,
    seconds: dict[str, float] | None = None,
    baseline: Sequence[float] | None = None,
    headline: Headline = ACCURACY,
    lags: dict[str, Lag | None] | None = None,
    **told: Any,
) -> Comparison:
    """By cell the score of each seed, sequences answered a second [100], and seconds of training [10]."""
    cells, count = list(scores), len(next(iter(scores.values())))
    plan = make_plan("classify", "a.csv", cells, seeds=count, out=Path("there"), **told)
    baseline = baseline or [0.5] * count
    runs = [
        Run(
            cell=cell,
            seed=seed,
            score={"value": scores[cell][seed], "low": scores[cell][seed] - 0.05, "high": scores[cell][seed] + 0.05},
            baselines={"bag <of> words": baseline[seed], "nothing": 0.0 if headline.higher else 9.0},
            valid_score=scores[cell][seed],
            history=_history([0.5, scores[cell][seed]], (seconds or {}).get(cell, 10.0)),
            best_epoch=2,
            parameters=1000,
            cut=False,
        )
        for seed in range(count)
        for cell in cells
    ]
    speeds = answers or {}
    return Comparison(
        plan=plan,
        scored=Scored("test", headline, "tokens", "95 % bootstrap", "accuracy", lambda score: f"{100 * score:.1f} %"),
        config=plan.config(cells[0], 0),
        sizes={cell: Size(8 + number, 1000 + number) for number, cell in enumerate(cells)},
        runs=runs,
        kept={cell: max((run for run in runs if run.cell == cell), key=lambda run: run.valid_score) for cell in cells},
        costs={
            cell: Cost(
                answer_seconds=[9.0, 256 / speeds.get(cell, 100.0), 0.001],
                model_bytes=2**20,
                memory=Memory(300 * 2**20, 250 * 2**20),
                lag=(lags or {}).get(cell),
            )
            for cell in cells
        },
        sequences=256,
        budget=30.0 if plan.equal == "time" else None,
        facts={"seeds": "0"},
        seconds=12.0,
    )


@pytest.fixture
def by_hand() -> Made:
    """Make a comparison of scores, speeds and seconds by cell."""
    return _comparison
