"""What the demo of transcription has found: all that its report and its summary tell."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein

from recurra.config import TranscribeConfig
from recurra.metrics import share_and_error, share_interval

__all__ = ["Heard", "Listened", "Partial", "TranscribeReport", "next_transcribe_commands", "transcribe_sentences"]


class Partial(NamedTuple):
    """What was understood after so many seconds of a stream."""

    seconds: float
    text: str


@dataclass(frozen=True)
class Listened:
    """A recording, and all that the network said of it.

    Attributes:
        name: of its file.
        noise: its signal-to-noise ratio in decibels.
        spectrogram: log-mel energies, [T, F].
        probabilities: of each symbol at each step, [T', V]; the blank first.
        symbols: the texts of the V symbols.
        step: seconds of a step.
        seconds: how long it is.
        truth: each key with its start and end in seconds.
        found: likewise, as the alignment has it.
        text: the transcript.
        partials: what was understood as it was fed in pieces.
        streamed: the transcript that came of that.
        real_time_factor: seconds of work for a second of sound, fed so.
    """

    name: str
    noise: float
    spectrogram: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    symbols: Sequence[str]
    step: float
    seconds: float
    truth: Sequence[tuple[str, float, float]]
    found: Sequence[tuple[str, float, float]]
    text: str
    partials: Sequence[Partial]
    streamed: str
    real_time_factor: float


@dataclass(frozen=True)
class Heard:
    """What was dialled in each recording of the test, under which noise, and what was heard, [n]."""

    said: Sequence[str]
    heard: Sequence[str]
    noise: NDArray[np.float64]

    def error(self, among: NDArray[np.bool_]) -> dict[str, float]:
        """The share of wrong keys among some recordings, [n] of them true, with its 95 % interval."""
        pairs = [pair for pair, chosen in zip(zip(self.said, self.heard, strict=True), among) if chosen]
        wrong = np.array([Levenshtein.distance(*pair) for pair in pairs])
        keys = np.array([len(said) for said, _ in pairs])
        share, error = share_and_error(wrong, keys)
        if not wrong.any():  # no error seen is no proof of none
            return share_interval(0, int(keys.sum()))
        return {"value": share, "low": max(0.0, share - 1.96 * error), "high": share + 1.96 * error}

    def whole(self, among: NDArray[np.bool_]) -> dict[str, float]:
        """The share of recordings without a mistake among some, with its 95 % interval."""
        right = [said == heard for said, heard, chosen in zip(self.said, self.heard, among, strict=True) if chosen]
        return share_interval(sum(right), len(right))

    def levels(self) -> list[float]:
        """The signal-to-noise ratios, from the best to the worst."""
        return sorted({float(each) for each in self.noise}, reverse=True)


@dataclass(frozen=True)
class TranscribeReport:
    """All that the page is made of.

    Attributes:
        config: the settings of the model.
        metrics: its `metrics.json`.
        history: its epochs.
        losses: of each step of training.
        heard: the test.
        listened: some of its recordings, one for each of some levels of noise.
        sizes: how many recordings each part has.
        training_seconds: from reading the data to the finished model directory.
        facts: of the run: seed, machine, versions, seconds; shown as they are.
        seconds: of the whole demo.
        out: where all is.
    """

    config: TranscribeConfig
    metrics: Mapping[str, Any]
    history: Sequence[Mapping[str, Any]]
    losses: Sequence[float]
    heard: Heard
    listened: Sequence[Listened]
    sizes: Mapping[str, int]
    training_seconds: float
    facts: Mapping[str, str]
    seconds: float
    out: Path

    @property
    def scores(self) -> Mapping[str, Any]:
        """Of the test, as of :func:`recurra.transcription_scores.full_scores`."""
        found: Mapping[str, Any] = self.metrics["test"]
        return found


def transcribe_sentences(report: TranscribeReport) -> list[str]:
    """Say how many keys are wrong under the least and the most noise, and that a stream gives the same."""
    heard = report.heard
    best, worst = heard.levels()[0], heard.levels()[-1]
    errors = {level: 100 * heard.error(heard.noise == level)["value"] for level in (best, worst)}
    theirs = report.scores["baselines"]["most frequent transcript"]["character_error"]["value"]
    same = sum(each.streamed == each.text for each in report.listened)
    factor = max(each.real_time_factor for each in report.listened)
    return [
        f"Of the keys under little noise ({best:.0f} dB) {errors[best]:.1f} % are wrong, under the most "
        f"({worst:.0f} dB) {errors[worst]:.1f} %; the most frequent transcript gets {100 * theirs:.1f} % wrong.",
        f"Fed in pieces as it comes, {same} of {len(report.listened)} recordings got the transcript that they get at "
        f"once, at {factor:.3f} seconds of work for a second of sound at the most.",
    ]


def next_transcribe_commands(report: TranscribeReport) -> list[str]:
    """Commands to try with the demo's model and recordings."""
    model, manifest = (shlex.quote(str(report.out / name)) for name in ("model", "test.csv"))
    recording = shlex.quote(str(report.out / "sounds" / report.listened[0].name))
    return [
        f"recurra predict {model} {recording} --chunk 0.1",
        f"recurra evaluate {model} {manifest} --beam 8",
        f"recurra check {model}",
        "recurra train transcribe YOUR-RECORDINGS --out runs/transcriber",
    ]
