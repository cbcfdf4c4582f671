"""What the demo of language modelling has found: all that its report and its summary tell."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from recurra.config import LanguageModelConfig
from recurra.diagnose.states import Activity, Follower
from recurra.generate import Next

__all__ = ["LanguageReport", "Prompted", "Sample", "Surprise", "comparison_sentence", "next_language_commands"]


class Sample(NamedTuple):
    """Text that was made up after a prompt at a temperature."""

    prompt: str
    temperature: float
    text: str


class Surprise(NamedTuple):
    """A token of a passage, a line's end as a line feed, and its surprise to the model and to the 5-grams in bits."""

    token: str
    bits: float
    of_counts: float


class Prompted(NamedTuple):
    """A prompt, and what the model holds most likely after it."""

    prompt: str
    likely: Sequence[Next]


@dataclass(frozen=True)
class LanguageReport:
    """All that the page is made of.

    Attributes:
        config: settings of the model.
        metrics: its `metrics.json`.
        history: its epochs.
        losses: of each step of training in nats per symbol.
        seconds_training: from reading the text to the finished model directory.
        samples: made-up text, those of one prompt side by side.
        passage: a piece of the held-out text.
        prompted: prompts and what may come next.
        activity: the values of the most active units over a line.
        followers: units that follow something that can be read off the text.
        modules: how many source files the text is from.
        docstrings: how many docstrings it is.
        sizes: how many characters each part has.
        facts: of the run: seed, machine, versions, seconds; shown as they are.
        seconds: of the whole demo.
        out: where all is.
        model: name of the model directory in it.
        text: name of the text file in it.
    """

    config: LanguageModelConfig
    metrics: Mapping[str, Any]
    history: Sequence[Mapping[str, Any]]
    losses: Sequence[float]
    seconds_training: float
    samples: Sequence[Sample]
    passage: Sequence[Surprise]
    prompted: Sequence[Prompted]
    activity: Activity
    followers: Sequence[Follower]
    modules: int
    docstrings: int
    sizes: Mapping[str, int]
    facts: Mapping[str, str]
    seconds: float
    out: Path
    model: str
    text: str

    @property
    def scores(self) -> Mapping[str, Any]:
        """Of the held-out test text."""
        found: Mapping[str, Any] = self.metrics["test"]
        return found


def comparison_sentence(report: LanguageReport) -> str:
    """Say how the model compares with the 5-grams on the held-out text, as far as the interval allows."""
    value, low, high = (report.scores["gain"][key] for key in ("value", "low", "high"))
    name = report.config.model.cell.upper()
    if low <= 0 <= high:
        return (
            f"The {name} and counts of 5-grams cannot be told apart on text that neither has seen: {value:+.3f} nats a "
            f"symbol (95 % interval {low:+.3f} to {high:+.3f})."
        )
    better, (least, most) = ("less", (low, high)) if value > 0 else ("more", (-high, -low))
    return (
        f"The {name} is {abs(value):.3f} nats a symbol {better} surprised than counts of 5-grams by text that neither "
        f"has seen (95 % interval {least:.3f} to {most:.3f})."
    )


def next_language_commands(report: LanguageReport) -> list[str]:
    """Commands to try with the demo's model."""
    model, text = (shlex.quote(str(report.out / name)) for name in (report.model, report.text))
    return [
        f'recurra generate {model} --prompt "Return the" --temperature 0.7',
        f'recurra next {model} "If the file does"',
        f'recurra predict {model} "Return True if the file exists."',
        f"recurra check {model}",
        f"recurra train language-model {text} --out runs/longer",
    ]
