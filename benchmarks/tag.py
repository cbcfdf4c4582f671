"""Tag UD_English-EWT and WNUT-17: recurra beside a careful tutorial in plain torch, epoch by epoch in the same process.

    python benchmarks/tag.py --data FOLDER --out benchmarks/results/tag.md

FOLDER holds ud-english-ewt/*.conllu.gz and wnut17/.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from timing import mean_and_range, report
from tutorial_tagger import Tutorial

from recurra.bench.timing import machine_line
from recurra.config import make_run_config
from recurra.fit import fit
from recurra.tables import markdown_table
from recurra.tasks.tag import Tag
from recurra.train import Callback, EpochRecord, train

EQUAL_SIZES: dict[str, Any] = {
    "embedding_size": 128,
    "hidden_size": 256,
    "num_layers": 2,
    "dropout": 0.5,
    "word_dropout": 0.0,
    "characters": False,
    "lowercase": False,
    "min_count": 2,
    "epochs": 3,
    "batch_size": 32,
    "learning_rate": 1e-3,
    "weight_decay": 0.0,  # AdamW without decay is Adam
    "schedule": "constant",
}
WNUT_FILES = {"data": "wnut17train.conll", "valid": "emerging.dev.conll", "test": "emerging.test.annotated"}


class Turns(Callback):
    """Runs an epoch of the tutorial after each of recurra's; both sides' seconds."""

    def __init__(self, tutorial: Tutorial) -> None:
        self.tutorial = tutorial
        self.ours: list[float] = []
        self.theirs: list[float] = []

    def on_epoch(self, record: EpochRecord) -> None:
        """Let the tutorial have its turn."""
        self.ours.append(record.seconds)
        self.theirs.append(self.tutorial.train_epoch())
        print(f"epoch {record.epoch}: recurra {self.ours[-1]:.1f} s, tutorial {self.theirs[-1]:.1f} s", flush=True)


class Lines(Callback):
    """Prints each epoch."""

    def on_epoch(self, record: EpochRecord) -> None:
        """Say how it went."""
        print(f"epoch {record.epoch}: valid {100 * record.valid_score:.2f} %, {record.seconds:.0f} s", flush=True)


def ewt(folder: Path, **options: Any) -> Any:
    """A run on UD_English-EWT, UPOS."""
    paths = {name: str(next(folder.glob(f"*-{part}.conllu.gz"))) for name, part in EWT_PARTS.items()}
    return make_run_config("tag", **paths, tag_column="upos", device="cpu", **options)


EWT_PARTS = {"data": "train", "valid": "dev", "test": "test"}


def equal_sizes(folder: Path, seeds: int) -> list[str]:
    """Recurra with the tutorial's sizes, in turns with it."""
    ours, theirs, seconds = [], [], ([], [])  # type: ignore[var-annotated]
    for seed in range(seeds):
        task, tutorial = Tag.from_data(ewt(folder, seed=seed, **EQUAL_SIZES)), Tutorial(folder, seed)
        turns = Turns(tutorial)
        train(task, callbacks=[turns])
        ours.append(100 * task.evaluate(task.held_out()["test"], task.fit_baseline())["model"]["accuracy"]["value"])
        theirs.append(100 * tutorial.accuracy(tutorial.test))
        for kept, of in zip(seconds, (turns.ours, turns.theirs)):
            kept.extend(of)
    middle = [statistics.median(of) for of in seconds]
    rows = [
        [name, mean_and_range(of), f"{tutorial.tokens / each:,.0f}", mean_and_range(scores, "{:.2f}")]
        for name, of, each, scores in zip(("recurra", "careful tutorial"), seconds, middle, (ours, theirs))
    ]
    return [
        "## UD_English-EWT, UPOS, equal sizes",
        f"Words alone, 3 epochs, seeds: {seeds}. Seconds are of training alone; tokens a second are those of "
        "the median epoch.",
        markdown_table(["", "s / epoch", "tokens / s", "test accuracy %"], rows),
        f"Tokens a second, recurra / tutorial: {middle[1] / middle[0]:.2f}.",
    ]


def scored(config: Any) -> tuple[dict[str, Any], float]:
    """The metrics of a whole run, and its seconds."""
    with tempfile.TemporaryDirectory() as place:
        started = time.perf_counter()
        metrics = fit(config, Path(place, "model"), callbacks=[Lines()]).metrics
        return metrics, time.perf_counter() - started


def defaults(folder: Path, seeds: int) -> list[str]:
    """`recurra train tag` as it is when it is told nothing."""
    found = [scored(ewt(folder, seed=seed)) for seed in range(seeds)]
    rows = []
    for name, parts in (
        ("recurra", [metrics["test"]["model"] for metrics, _ in found]),
        ("most frequent tag", [metrics["test"]["baselines"]["most frequent tag"] for metrics, _ in found]),
    ):
        accuracy = mean_and_range([100 * part["accuracy"]["value"] for part in parts], "{:.2f}")
        rows.append([name, accuracy, mean_and_range([100 * p["unknown_word_accuracy"]["value"] for p in parts])])
    dev = mean_and_range([100 * metrics["valid"]["model"]["accuracy"]["value"] for metrics, _ in found], "{:.2f}")
    seconds = mean_and_range([seconds for _, seconds in found], "{:.0f}")
    return [
        "## UD_English-EWT, UPOS, recurra's defaults",
        f"Words and characters, from scratch; {found[0][0]['epochs']} epochs, seeds: {seeds}; {seconds} s in all, with "
        f"reading, validation and scores; dev accuracy {dev} %.",
        markdown_table(["", "test accuracy %", "of unknown words %"], rows),
    ]


def wnut(folder: Path, seeds: int) -> list[str]:
    """Entities with and without characters and a CRF."""
    paths = {name: str(folder / file) for name, file in WNUT_FILES.items()}
    rows = []
    for characters in (True, False):
        for crf in (True, False):
            options = {"format": "conll", "characters": characters, "crf": crf, "device": "cpu"}
            found = [scored(make_run_config("tag", **paths, **options, seed=seed)) for seed in range(seeds)]
            scores = [[100 * m[part]["model"]["spans"]["f1"]["value"] for m, _ in found] for part in ("valid", "test")]
            name = f"{'characters' if characters else 'words alone'}, {'CRF' if crf else 'softmax'}"
            rows.append([name, *map(mean_and_range, scores), mean_and_range([s for _, s in found], "{:.0f}")])
            print(rows[-1], flush=True)
    for name, scores in found[-1][0]["test"]["baselines"].items():
        rows.append([name, "-", f"{100 * scores['spans']['f1']['value']:.1f}", "-"])
    return [
        "## WNUT-17, entities",
        f"Span F1 by seqeval, recurra's defaults, from scratch; {found[0][0]['epochs']} epochs, seeds: {seeds}.",
        markdown_table(["", "dev F1 %", "test F1 %", "s in all"], rows),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with ud-english-ewt and wnut17")
    parser.add_argument("--part", nargs="+", choices=["equal", "defaults", "wnut"], help="some parts (default: all)")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each side")
    parser.add_argument("--threads", type=int, help="threads of torch (default: torch's own choice)")
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    parts = arguments.part or ["equal", "defaults", "wnut"]
    sections = []
    if "equal" in parts:
        sections += equal_sizes(arguments.data / "ud-english-ewt", arguments.seeds)
    if "defaults" in parts:
        sections += defaults(arguments.data / "ud-english-ewt", arguments.seeds)
    if "wnut" in parts:
        sections += wnut(arguments.data / "wnut17", arguments.seeds)
    report(["# Tagging", f"{machine_line()}.", *sections], arguments.out)


if __name__ == "__main__":
    main()
