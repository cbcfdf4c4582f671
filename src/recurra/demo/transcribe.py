"""The demo of transcription: telephone keys made as sound, a network that writes them down, and a page about it."""

from __future__ import annotations

import csv
import io
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from rich.console import Console

from recurra.checkpoint import read_history, read_model
from recurra.config import make_run_config
from recurra.ctc_search import align, best_path
from recurra.demo.keypad import RATE, Dialled, dial, draw_number
from recurra.demo.report import TRANSCRIBE_MARK, render_transcribe
from recurra.demo.transcribe_findings import (
    Heard,
    Listened,
    Partial,
    TranscribeReport,
    next_transcribe_commands,
    transcribe_sentences,
)
from recurra.files import atomic_writer, failures_named, write_text
from recurra.fit import fit
from recurra.metrics import interval
from recurra.pages.surroundings import REPORT, Losses, machine, one_thread, print_closing, require_ours
from recurra.show import print_table
from recurra.tables import ScoreTable
from recurra.tasks.listener import Listener
from recurra.tasks.transcribe import Transcribe
from recurra.train import Callback

__all__ = ["ALL_NUMBERS", "NumberCounts", "print_transcribe_summary", "run_transcribe_demo"]

_log = logging.getLogger("recurra")

_MODEL = "model"
_SOUNDS = "sounds"
_HEADING = "path,text,decibels"  # the columns; what tells that a file was made by the demo
_SETTINGS: dict[str, Any] = {
    "lowercase": False,
    "bidirectional": False,
    "hidden_size": 64,
    "num_layers": 1,
    "dropout": 0.1,
    "learning_rate": 5e-3,
    "epochs": 10,
    "time_masks": 0,  # a key is short: hidden, it is gone
}
_TRAINED = (0.0, 20.0)  # decibels, drawn between them
_TESTED = (20.0, 10.0, 5.0, 0.0, -5.0)
_SHOWN = (20.0, 5.0, -5.0)
_KEYS = {"train": (2, 8), "valid": (2, 8), "test": (3, 10)}
_PIECE = 0.1  # seconds that are fed at a time


class NumberCounts(NamedTuple):
    """How many recordings each part has."""

    train: int = 1200
    valid: int = 100
    test: int = 300


ALL_NUMBERS = NumberCounts()


def run_transcribe_demo(
    out: Path,
    seed: int = 0,
    callbacks: Sequence[Callback] = (),
    counts: NumberCounts = ALL_NUMBERS,
    **settings: Any,
) -> TranscribeReport:
    """Make recordings of telephone keys, train on them, and write all of it and `report.html` into `out`.

    An earlier demo there is replaced.

    Args:
        out: folder for all; made if missing.
        seed: of everything random, the recordings too.
        callbacks: told of each step and epoch.
        counts: recordings of each part.
        settings: options of :func:`recurra.config.make_run_config` in place of the demo's.

    Raises:
        OutputError: `out` holds something that the demo has not made, or cannot be written.
        KeyboardInterrupt: Ctrl-C; no report is written.
    """
    started = time.perf_counter()
    manifests = {part: f"{part}.csv" for part in NumberCounts._fields}
    require_ours(out, [_MODEL], {REPORT: TRANSCRIBE_MARK, **dict.fromkeys(manifests.values(), _HEADING)})
    with failures_named(out):
        (out / _SOUNDS).mkdir(parents=True, exist_ok=True)
        (out / REPORT).unlink(missing_ok=True)  # of an earlier model
    dialled = _make_recordings(seed, counts)
    for part, recordings in dialled.items():
        _write_recordings(out, part, recordings)
    data = {
        name: str(out / manifests[part]) for name, part in (("data", "train"), ("valid", "valid"), ("test", "test"))
    }
    with one_thread():
        losses, before = Losses(), time.perf_counter()
        config = make_run_config("transcribe", **{**data, "seed": seed, **_SETTINGS, **settings})
        if fit(config, out / _MODEL, overwrite=True, callbacks=[*callbacks, losses]).interrupted:
            raise KeyboardInterrupt
        seconds = time.perf_counter() - before
        report = _report(out, dialled, losses.values, seconds, started, seed)
        write_text(out / REPORT, render_transcribe(report))
    return report


def print_transcribe_summary(report: TranscribeReport, console: Console) -> None:
    """Print the errors by noise, what streaming gives, where the report is, and what to try next."""
    heard = report.heard
    rows: list[tuple[str, ...]] = []
    for level in heard.levels():
        among = heard.noise == level
        rows.append((f"{level:.0f} dB", f"{among.sum():,}", interval(heard.error(among)), interval(heard.whole(among))))
    columns = ("noise", "numbers", "wrong keys %", "without a mistake %")
    print_table(console, ScoreTable("telephone keys under noise (95 % intervals)", columns, rows))
    print_closing(console, transcribe_sentences(report), report.out, report.seconds, next_transcribe_commands(report))


def _make_recordings(seed: int, counts: NumberCounts) -> dict[str, list[Dialled]]:
    """The recordings of each part; of the test as many under each level of noise."""
    chance = np.random.default_rng(seed)
    made = {}
    for part, count in counts._asdict().items():
        levels = [_TESTED[n % len(_TESTED)] if part == "test" else chance.uniform(*_TRAINED) for n in range(count)]
        made[part] = [dial(draw_number(chance, *_KEYS[part]), level, chance) for level in levels]
    return made


def _write_recordings(out: Path, part: str, recordings: Sequence[Dialled]) -> None:
    """WAV files of 16 bits, and a manifest."""
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(_HEADING.split(","))
    for number, recording in enumerate(recordings):
        name = f"{_SOUNDS}/{part}-{number:04}.wav"
        with atomic_writer(out / name) as file:
            soundfile.write(file, recording.samples, RATE, format="WAV", subtype="PCM_16")
        rows.writerow([name, recording.text, f"{recording.noise:.1f}"])
    write_text(out / f"{part}.csv", table.getvalue())


def _report(
    out: Path,
    dialled: Mapping[str, Sequence[Dialled]],
    losses: Sequence[float],
    training_seconds: float,
    started: float,
    seed: int,
) -> TranscribeReport:
    """Let the model, as it was saved, hear the test."""
    saved = read_model(out / _MODEL)
    task, test = cast(Transcribe, saved.task), dialled["test"]
    examples = task.load_labelled(str(out / "test.csv"))
    decoding = task.decoding()
    heard = {number: decoding.transcribe(found).text for number, found in task.log_probabilities(examples)}
    noise = np.array([each.noise for each in test])
    shown = [int(np.flatnonzero(noise == level)[0]) for level in _SHOWN if (noise == level).any()]
    listened = [_listened(task, test[number], examples.paths[number]) for number in shown]
    seconds = time.perf_counter() - started
    return TranscribeReport(
        config=task.config,
        metrics=saved.metrics,
        history=read_history(out / _MODEL),
        losses=losses,
        heard=Heard([each.text for each in test], [heard[number] for number in range(len(test))], noise),
        listened=listened,
        sizes={part: len(recordings) for part, recordings in dialled.items()},
        training_seconds=training_seconds,
        facts={"seed": str(seed), "whole demo": f"{seconds:.1f} seconds", **machine()},
        seconds=seconds,
        out=out,
    )


def _listened(task: Transcribe, dialled: Dialled, path: Path) -> Listened:
    """A recording, at once and in pieces."""
    samples, _ = soundfile.read(path, dtype="float32")
    decoding, spectrogram = task.decoding(), task.log_mel(samples)
    frames = torch.from_numpy(task.stats.apply(spectrogram)).unsqueeze(0)
    with torch.inference_mode():
        found, _ = task.network(frames, torch.tensor([frames.shape[1]]))
    known = decoding.without_unknown(found[:, 0].numpy())
    aligned = align(known, best_path(known))
    listener = Listener(task.network, task.log_mel, task.stats, decoding)
    partials = list(_partials(listener, samples))
    streamed = listener.finish().text
    return Listened(
        name=path.name,
        noise=dialled.noise,
        spectrogram=spectrogram,
        probabilities=np.exp(known).astype(np.float32),
        symbols=task.vocabulary.symbols(),
        step=decoding.step,
        seconds=len(samples) / RATE,
        truth=[(each.key, each.start, each.end) for each in dialled.keys],
        found=[
            (task.vocabulary.symbol(each.id), each.first * decoding.step, each.last * decoding.step + decoding.reach)
            for each in aligned
        ],
        text=decoding.transcribe(found[:, 0].numpy()).text,
        partials=partials,
        streamed=streamed,
        real_time_factor=listener.real_time_factor,
    )


def _partials(listener: Listener, samples: NDArray[np.float32]) -> list[Partial]:
    """What is understood piece by piece, each time that it changes."""
    partials: list[Partial] = []
    step = round(_PIECE * RATE)
    for start in range(0, len(samples), step):
        text = listener.push(samples[start : start + step])
        if not partials or text != partials[-1].text:
            partials.append(Partial(listener.seconds, text))
    return partials
