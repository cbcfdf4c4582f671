"""The model card: what a model is, what it was trained on, and how good it is beside its baselines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recurra.config import RunConfig
from recurra.tasks.classify import Classify

__all__ = ["interval", "model_card", "score_rows"]


def model_card(task: Classify, metrics: Mapping[str, Any], interrupted: bool) -> str:
    """Write the card as Markdown."""
    counts = ", ".join(f"{name} ({count:,})" for name, count in zip(task.classes, task.label_counts))
    stopped = ", stopped by hand" if interrupted else ""
    lines = [
        f"# Text classifier: {task.config.model.cell}",
        "",
        f"Trained by recurra on `{task.config.data.data}`, column `{task.columns[0]}`, to predict `{task.columns[1]}`.",
        f"{metrics['parameters']:,} parameters, {len(task.vocabulary):,} symbols; the best of "
        f"{metrics['epochs']} epochs was number {metrics['best_epoch']}{stopped}.",
        "",
        f"Classes, with their training examples: {counts}.",
    ]
    for part in ("test", "valid"):
        if part in metrics:
            lines += ["", f"## Scores on the {part} examples ({metrics[part]['model']['examples']:,})", ""]
            lines += ["| | accuracy | macro F1 | calibration error |", "|---|---|---|---|"]
            lines += [f"| {' | '.join(row)} |" for row in score_rows(metrics[part])]
    lines += [
        "",
        "Intervals: 95 % bootstrap over the examples. The epoch was chosen on the validation examples, so only",
    ]
    lines += ["the test scores are an estimate for new texts, and only for texts like these.", "", "## Settings", ""]
    lines += ["| setting | value |", "|---|---|", *_settings(task.config)]
    lines += ["", "## Use", "", "```python", "import recurra", "", 'model = recurra.load("this/folder")']
    lines += ['model.predict(["a film to forget"])', "```", ""]
    return "\n".join(lines)


def score_rows(scores: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """Rows of name, accuracy, macro F1 and calibration error: the model first, then its baselines."""
    named = {"this model": scores["model"], **scores["baselines"]}
    return [
        (name, interval(s["accuracy"]), interval(s["macro_f1"]), f"{100 * s['expected_calibration_error']:.1f}")
        for name, s in named.items()
    ]


def interval(score: Mapping[str, float]) -> str:
    """A share as percent, with its interval."""
    return f"{100 * score['value']:.1f} ({100 * score['low']:.1f} to {100 * score['high']:.1f})"


def _settings(config: RunConfig) -> list[str]:
    return [
        f"| {name} | {value} |"
        for section in config.sections
        for name, value in getattr(config, section).model_dump().items()
        if value is not None
    ]
