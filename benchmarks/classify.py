"""Classify SST-2: recurra beside a careful tutorial in plain torch, epoch by epoch in the same process.

    python benchmarks/classify.py --data ../shared/data/sst2 --out benchmarks/results/classify.md

The data are train.tsv, dev.tsv and test.tsv: a text, a tab, 0 or 1.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from breakdown import PARTS, recurra_steps, take_apart, tutorial_steps
from prediction import predict_table
from timing import mean_and_range, report
from tutorial_classifier import Tutorial, read_tsv

from recurra.bench.timing import machine_line
from recurra.config import ClassifyConfig, make_run_config
from recurra.data import load_splits
from recurra.tables import markdown_table
from recurra.tasks.classify import Classify
from recurra.train import Callback, EpochRecord, train

EQUAL_SIZES: dict[str, Any] = {
    "embedding_size": 128,
    "hidden_size": 256,
    "num_layers": 2,
    "bidirectional": True,
    "dropout": 0.5,
    "word_dropout": 0.0,
    "pooling": "final",
    "min_count": 2,
    "epochs": 3,
    "batch_size": 64,
    "learning_rate": 1e-3,
    "weight_decay": 0.0,  # AdamW without decay is Adam
    "clip_norm": 1.0,
    "schedule": "constant",
}
TUTORIAL_EPOCHS = 3
QUICK_TEXTS = 640


class Outcome(NamedTuple):
    """One training: seconds of each epoch without validation, accuracies of the epoch chosen by dev, in percent."""

    seconds: list[float]
    dev: float
    test: float


class _Turns(Callback):
    """Runs one epoch of the tutorial after each of recurra's, until it has had all of its own."""

    def __init__(self, run_epoch: Callable[[], None], epochs: int) -> None:
        self.run_epoch, self.left = run_epoch, epochs

    def on_epoch(self, record: EpochRecord) -> None:
        if self.left:
            self.left -= 1
            self.run_epoch()


def settings(folder: Path, seed: int, **options: Any) -> ClassifyConfig:
    """A run on the data of a folder."""
    files = {"data": "train", "valid": "dev", "test": "test"}
    paths = {name: str(folder / f"{stem}.tsv") for name, stem in files.items()}
    return make_run_config("classify", **paths, seed=seed, device="cpu", **options)


def percent_right(task: Classify) -> float:
    """Accuracy on the test examples."""
    assert task.data is not None
    examples = task.data.test
    assert examples is not None
    return 100 * float((task.probabilities(examples).argmax(1) == examples.labels).mean())


def made_task(config: ClassifyConfig) -> Classify:
    """A run of recurra, ready to be trained."""
    return Classify.from_splits(config, load_splits(config.data, config.train.seed))


def side_by_side(config: ClassifyConfig, folder: Path, tutorial_epochs: int) -> tuple[Outcome, Outcome, float]:
    """Train recurra and the tutorial in turns; also the test accuracy of a bag of words on recurra's symbols."""
    task, tutorial = made_task(config), Tutorial(folder, config.train.seed)
    epochs: list[tuple[float, float, float]] = []  # dev, test, seconds

    def tutorial_epoch() -> None:
        seconds = tutorial.train_epoch()
        epochs.append((100 * tutorial.accuracy(tutorial.dev), 100 * tutorial.accuracy(tutorial.test), seconds))

    turns = _Turns(tutorial_epoch, tutorial_epochs)
    progress = train(task, callbacks=[turns])
    history = progress.history
    while turns.left:
        turns.on_epoch(history[-1])
    best = max(epochs, key=lambda epoch: epoch[0])
    dev = 100 * history[progress.best_epoch - 1].valid_score
    ours = Outcome([record.seconds for record in history], dev, percent_right(task))
    assert task.data is not None
    examples = task.data.test
    assert examples is not None
    bag = 100 * float((task.fit_baseline().probabilities(examples).argmax(1) == examples.labels).mean())
    print(f"seed {config.train.seed}: recurra {ours}, tutorial {epochs}, bag of words {bag:.1f}", flush=True)
    return ours, Outcome([epoch[2] for epoch in epochs], *best[:2]), bag


def rows(outcomes: dict[str, list[Outcome]], words: int) -> list[list[str]]:
    """Rows of a table: epochs, seconds of the median epoch and in all, words a second, accuracies."""
    found = []
    for name, runs in outcomes.items():
        epochs = [seconds for run in runs for seconds in run.seconds]
        found.append(
            [
                name,
                str(len(runs[0].seconds)),
                f"{statistics.median(epochs):.1f} ({min(epochs):.1f}-{max(epochs):.1f})",
                mean_and_range([sum(run.seconds) for run in runs]),
                f"{words / statistics.median(epochs):,.0f}",
                mean_and_range([run.dev for run in runs]),
                mean_and_range([run.test for run in runs]),
            ]
        )
    return found


PARTS_OF_ALL = ["equal", "bfloat16", "defaults", "predict"]
HEADER = ["", "epochs", "s / epoch", "s in all", "words / s", "dev accuracy %", "test accuracy %"]


def compare(folder: Path, seeds: int, title: str, tutorial_epochs: int, options: dict[str, Any]) -> list[str]:
    """Train both sides with each seed and write the section."""
    runs = [side_by_side(settings(folder, seed, **options), folder, tutorial_epochs) for seed in range(seeds)]
    words = sum(len(text) for text, _ in read_tsv(folder / "train.tsv"))
    outcomes = {"recurra": [run[0] for run in runs], "careful tutorial": [run[1] for run in runs]}
    bag = ["bag of words, logistic regression", *["-"] * 5, mean_and_range([run[2] for run in runs])]
    table = markdown_table(HEADER, [*rows(outcomes, words), bag])
    middle = {name: statistics.median(s for run in taken for s in run.seconds) for name, taken in outcomes.items()}
    return [
        f"## {title}",
        f"Seeds: {seeds}; an epoch's seconds are the median (smallest-largest), words a second those of the median "
        "epoch, all else the mean (smallest-largest). Seconds are of training alone; words are those between spaces.",
        table,
        f"Words a second, recurra / tutorial: {middle['careful tutorial'] / middle['recurra']:.2f}.",
    ]


def breakdown_section(folder: Path, epochs: int) -> list[str]:
    """Where a step's time goes, with equal sizes, in turns step by step."""
    task = made_task(settings(folder, 0, **EQUAL_SIZES))
    sides = {"recurra": recurra_steps(task), "careful tutorial": tutorial_steps(Tutorial(folder, 0))}
    spent = take_apart(sides, epochs)
    table = [[name, *(f"{of[part]:.1f}" for part in PARTS), f"{sum(of.values()):.1f}"] for name, of in spent.items()]
    return [
        "## Where a step's time goes, equal sizes",
        f"Milliseconds a step, mean over {epochs} epoch{'s' if epochs > 1 else ''}, both sides in turns step by step.",
        markdown_table(["", *PARTS, "all"], table),
    ]


def shortened(folder: Path, place: Path) -> Path:
    """Write the first texts of each file to another folder."""
    for part in ("train", "dev", "test"):
        lines = (folder / f"{part}.tsv").read_text(encoding="utf-8").splitlines(keepends=True)
        (place / f"{part}.tsv").write_text("".join(lines[:QUICK_TEXTS]), encoding="utf-8")
    return place


def run(arguments: argparse.Namespace, folder: Path, model: Path) -> list[str]:
    """Measure the parts that were asked for."""
    parts = arguments.part or PARTS_OF_ALL
    short = {"epochs": 1} if arguments.quick else {}
    tutorial_epochs = 1 if arguments.quick else TUTORIAL_EPOCHS
    seeds = 1 if arguments.quick else arguments.seeds
    sections: list[str] = []
    if "equal" in parts:
        sections += compare(folder, seeds, "Equal sizes", tutorial_epochs, EQUAL_SIZES | short)
        sections += breakdown_section(folder, 1)
    if "bfloat16" in parts:
        title = "Equal sizes, recurra's products in bfloat16"
        sections += compare(folder, seeds, title, tutorial_epochs, EQUAL_SIZES | short | {"precision": "bfloat16"})
    if "defaults" in parts:
        sections += compare(folder, seeds, "recurra's defaults", tutorial_epochs, short)
    if "predict" in parts:
        counts = (1_000, 5_000) if arguments.quick else (10_000, 100_000)
        sections += predict_table(settings(folder, 0, epochs=1), folder / "test.tsv", model, counts)
    return sections


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with train.tsv, dev.tsv and test.tsv")
    parser.add_argument("--part", nargs="+", choices=PARTS_OF_ALL, help="some parts (default: all)")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each side")
    parser.add_argument("--threads", type=int, help="threads of torch (default: torch's own choice)")
    parser.add_argument("--quick", action="store_true", help="one seed, one epoch, few texts: to see that it works")
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    if arguments.quick and arguments.out:
        parser.error("--quick measures nothing worth keeping: give it without --out")
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as place:
        folder = shortened(arguments.data, Path(place)) if arguments.quick else arguments.data
        sections = run(arguments, folder, Path(place, "model"))
    minutes = (time.perf_counter() - started) / 60
    report(
        ["# Text classification, SST-2", f"{machine_line()}. {minutes:.0f} minutes in all.", *sections], arguments.out
    )


if __name__ == "__main__":
    main()
