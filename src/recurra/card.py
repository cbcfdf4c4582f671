"""The model card: what a model is, what it was trained on, and how good it is beside its baselines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recurra.config import RunConfig
from recurra.tables import markdown
from recurra.tasks.base import Task

__all__ = ["model_card"]


def model_card(task: Task, metrics: Mapping[str, Any], interrupted: bool) -> str:
    """Write the card as Markdown."""
    trained_on, *more = task.card()
    symbols = "".join(f", {len(known):,} symbols" for known in list(task.vocabularies.values())[:1])
    stopped = ", stopped by hand" if interrupted else ""
    lines = [
        f"# {task.title}: {task.config.model.cell}",
        "",
        trained_on,
        f"{metrics['parameters']:,} parameters{symbols}; the best of {metrics['epochs']} epochs was number "
        f"{metrics['best_epoch']}{stopped}.",
    ]
    for paragraph in more:
        lines += ["", paragraph]
    for part in ("test", "valid"):
        if part in metrics:
            summary, *_ = task.tables(metrics[part], f"the {part} examples", full=False)
            lines += ["", f"## Scores on {summary.title}", "", markdown(summary._replace(title=""))]
            lines += ["", *(f"- {remark}" for remark in task.remarks(metrics[part]))]
    lines += [
        "",
        f"Intervals: {task.intervals}. The epoch was chosen on the validation examples, so only",
    ]
    lines += ["the test scores are an estimate for new data, and only for data like these.", "", "## Settings", ""]
    lines += ["| setting | value |", "|---|---|", *_settings(task.config)]
    lines += ["", "## Use", "", "```python", "import recurra", "", 'model = recurra.load("this/folder")']
    lines += [task.example_call(), "```", ""]
    return "\n".join(lines)


def _settings(config: RunConfig) -> list[str]:
    return [
        f"| {name} | {value} |"
        for section in config.sections
        for name, value in getattr(config, section).model_dump().items()
        if value is not None
    ]
