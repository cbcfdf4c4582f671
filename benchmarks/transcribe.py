"""Transcribe spoken digits (FSDD) and the AN4 corpus, and time streaming on one thread.

    python benchmarks/transcribe.py --data FOLDER --out benchmarks/results/transcribe.md

FOLDER holds fsdd/recordings.zip and an4/an4_feat.zip with an4/etc. AN4 is given as cepstra, 13 of a frame; first and
second differences are put beside them, as is usual (Furui, 1986).
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from timing import mean_and_range, report

from recurra.bench.timing import machine_line
from recurra.config import make_run_config
from recurra.data.features import FeatureStats, LogMel
from recurra.fit import fit
from recurra.tables import markdown_table
from recurra.tasks.listener import Listener
from recurra.tasks.transcribe import Transcribe
from recurra.tasks.transcribe_facts import TranscribeFacts
from recurra.train import Callback, EpochRecord, train
from recurra.vocabulary import Vocabulary

DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
OFFICIAL_TEST = 5  # recordings 0 to 4 of each digit and speaker
WANTED = 0.98
AN4_DEV = 100


def write_manifest(place: Path, rows: list[tuple[Path, str]]) -> str:
    """A manifest of recordings and their transcripts, as JSON lines."""
    lines = [json.dumps({"path": str(path), "text": text}) for path, text in rows]
    place.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(place)


def digits(folder: Path, work: Path) -> dict[Path, tuple[int, str, int]]:
    """The recordings of FSDD, unpacked: digit, speaker and number of each."""
    with zipfile.ZipFile(folder / "recordings.zip") as archive:
        archive.extractall(work)
    found = {}
    for path in sorted((work / "recordings").glob("*.wav")):
        digit, speaker, number = path.stem.split("_")
        found[path] = (int(digit), speaker, int(number))
    return found


class Clock(Callback):
    """The seconds of training until the validation recordings, here the test's, are at most so wrong."""

    def __init__(self) -> None:
        self.seconds, self.reached = 0.0, float("nan")

    def on_epoch(self, record: EpochRecord) -> None:
        """Add an epoch's seconds."""
        self.seconds += record.seconds
        if -record.valid_score <= 1 - WANTED and self.reached != self.reached:
            self.reached = self.seconds
        print(f"epoch {record.epoch}: {-100 * record.valid_score:.1f} %, {record.seconds:.0f} s", flush=True)


def fsdd(folder: Path, seeds: int, options: dict[str, Any]) -> list[str]:
    """A digit each: the official split, and each speaker in turn left out."""
    rows = []
    with tempfile.TemporaryDirectory() as work:
        known = digits(folder, Path(work))
        splits = {"official": [path for path, (_, _, number) in known.items() if number < OFFICIAL_TEST]}
        for speaker in sorted({speaker for _, speaker, _ in known.values()}):
            splits[f"without {speaker}"] = [path for path, (_, other, _) in known.items() if other == speaker]
        for name, held_out in splits.items():
            rows.append(
                [name, *_digit_scores(known, set(held_out), Path(work), seeds if name == "official" else 1, options)]
            )
            print(rows[-1], flush=True)
    return [
        "## FSDD, a digit each",
        f"`--tokens words`: a digit is one symbol. Official split: recordings 0 to 4 of each digit and speaker are "
        f"the test, seeds: {seeds}; else one speaker is, seed 0. A tenth of the others' recordings chose the epoch. "
        f'Seconds to {100 * WANTED:.0f} %: of a second training, whose epochs were scored on the test; "-": not '
        f"in all epochs. With {json.dumps(options)}.",
        markdown_table(["split", "error %", "s in all", f"s to {100 * WANTED:.0f} % right"], rows),
    ]


def _digit_scores(
    known: dict[Path, tuple[int, str, int]], held_out: set[Path], work: Path, seeds: int, options: dict[str, Any]
) -> list[str]:
    parts = {
        "data": write_manifest(
            work / "train.jsonl", [(p, DIGITS[d]) for p, (d, _, _) in known.items() if p not in held_out]
        ),
        "test": write_manifest(work / "test.jsonl", [(p, DIGITS[known[p][0]]) for p in sorted(held_out)]),
    }
    told = {"tokens": "words", "device": "cpu", **options}
    errors, seconds, reached = [], [], []
    for seed in range(seeds):
        started = time.perf_counter()
        metrics = fit(
            make_run_config("transcribe", **parts, **told, seed=seed), work / f"model-{time.time_ns()}"
        ).metrics
        seconds.append(time.perf_counter() - started)
        errors.append(100 * metrics["test"]["model"]["sentence_error"]["value"])
        watched = {"data": parts["data"], "valid": parts["test"], "test_share": 0.0}
        clock = Clock()
        train(Transcribe.from_data(make_run_config("transcribe", **watched, **told, seed=seed)), callbacks=[clock])
        reached.append(clock.reached)
    return [
        mean_and_range(errors),
        mean_and_range(seconds, "{:.0f}"),
        mean_and_range(reached, "{:.0f}").replace("nan", "-"),
    ]


def cepstra(archive: zipfile.ZipFile, name: str) -> NDArray[np.float32]:
    """The cepstra of an utterance with their first and second differences, [T, 39]."""
    data = archive.read(f"feat/{name}.mfc")
    frames = np.frombuffer(data[4:], ">f4").astype(np.float32).reshape(-1, 13)
    first = np.gradient(frames, axis=0)
    return np.concatenate([frames, first, np.gradient(first, axis=0)], axis=1).astype(np.float32)


def an4(folder: Path, seeds: int, options: dict[str, Any]) -> list[str]:
    """Characters, by CTC alone."""
    found = []
    with tempfile.TemporaryDirectory() as work, zipfile.ZipFile(folder / "an4_feat.zip") as archive:
        rows: dict[str, list[tuple[Path, str]]] = {}
        for part in ("train", "test"):
            names = (folder / "etc" / f"an4_{part}.fileids").read_text().split()
            texts = (folder / "etc" / f"an4_{part}.transcription").read_text().splitlines()
            rows[part] = []
            for name, text in zip(names, texts, strict=True):
                place = Path(work, f"{Path(name).name}-{part}.npy")
                np.save(place, cepstra(archive, name))
                rows[part].append((place, re.sub(r"\s*\([^)]*\)\s*$|</?s>", "", text).strip().lower()))
        order = np.random.default_rng(0).permutation(len(rows["train"]))
        dev, rest = order[:AN4_DEV], order[AN4_DEV:]
        parts = {
            "data": write_manifest(Path(work, "train.jsonl"), [rows["train"][number] for number in rest]),
            "valid": write_manifest(Path(work, "dev.jsonl"), [rows["train"][number] for number in dev]),
            "test": write_manifest(Path(work, "test.jsonl"), rows["test"]),
        }
        for seed in range(seeds):
            started = time.perf_counter()
            config = make_run_config("transcribe", **parts, device="cpu", seed=seed, **options)
            metrics = fit(config, Path(work, f"model-{seed}"), callbacks=[Clock()]).metrics
            found.append((metrics, time.perf_counter() - started))
            print(json.dumps(metrics["test"]["model"])[:400], flush=True)
    rates = ("character_error", "word_error", "sentence_error")
    scored = [[100 * m[part]["model"][name]["value"] for m, _ in found] for name in rates for part in ("valid", "test")]
    baseline = found[0][0]["test"]["baselines"]
    theirs = next(iter(baseline.values()))
    return [
        "## AN4, characters by CTC",
        f"{AN4_DEV} training utterances chose the epoch; seeds: {seeds}; greedy, without a language model; "
        f"{mean_and_range([s for _, s in found], '{:.0f}')} s in all.",
        markdown_table(
            ["", "dev CER %", "test CER %", "dev WER %", "test WER %", "dev SER %", "test SER %"],
            [
                ["recurra", *map(mean_and_range, scored)],
                ["most frequent transcript", *(c for n in rates for c in ("-", f"{100 * theirs[n]['value']:.1f}"))],
            ],
        ),
    ]


def streaming(options: dict[str, Any]) -> list[str]:
    """The real-time factor of a model that listens, untrained: its work is the same. One thread."""
    torch.set_num_threads(1)
    rows = []
    for size, layers in ((192, 3), (320, 5)):
        rows += _streamed(size, layers, options)
    return [
        "## Streaming, one thread",
        "16 kHz, 40 mel bands each 10 ms, 3 frames a step, LSTM, one direction, 30 symbols; 60 s of noise. Samples in, "
        "text so far out, features included.",
        markdown_table(
            ["units, layers", "seconds a piece", "real-time factor", "ms a piece, median", "99th of 100"], rows
        ),
    ]


def _streamed(size: int, layers: int, options: dict[str, Any]) -> list[list[str]]:
    sizes = {"hidden_size": size, "num_layers": layers, "bidirectional": False, "sample_rate": 16_000, **options}
    config = make_run_config("transcribe", data="none", **sizes)
    vocabulary = Vocabulary.build([["abcdefghijklmnopqrstuvwxyz '"]], config.vocabulary)
    heard = LogMel(16_000, config.features.mels, config.features.frame_ms, config.features.hop_ms)
    noise = np.random.default_rng(0).standard_normal(60 * 16_000).astype(np.float32) * np.float32(0.1)
    stats = FeatureStats.fit([heard(noise)])
    task = Transcribe(config, vocabulary, TranscribeFacts(None, stats, 0, 0))
    task.network.eval()
    rows = []
    for seconds in (0.1, 0.5, 2.0):
        step, taken = round(seconds * 16_000), []
        listener = Listener(task.network, task.log_mel, task.stats, task.decoding())
        for start in range(0, len(noise), step):
            started = time.perf_counter()
            listener.push(noise[start : start + step])
            taken.append(1000 * (time.perf_counter() - started))
        factor = f"{listener.real_time_factor:.4f}"
        rows.append([f"{size}, {layers}", f"{seconds}", factor, *(f"{np.percentile(taken, p):.2f}" for p in (50, 99))])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with fsdd and an4")
    parser.add_argument("--part", nargs="+", choices=["fsdd", "an4", "streaming"], help="some parts (default: all)")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each")
    parser.add_argument("--options", type=str, default="{}", help="more options of `recurra train transcribe`, as JSON")
    parser.add_argument("--threads", type=int, help="threads of torch (default: torch's own choice)")
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    parts, options = arguments.part or ["fsdd", "an4", "streaming"], json.loads(arguments.options)
    sections = []
    if "fsdd" in parts:
        sections += fsdd(arguments.data / "fsdd", arguments.seeds, options)
    if "an4" in parts:
        sections += an4(arguments.data / "an4", arguments.seeds, options)
    if "streaming" in parts:
        sections += streaming(options)
    report(["# Transcription", f"{machine_line()}.", *sections], arguments.out)


if __name__ == "__main__":
    main()
