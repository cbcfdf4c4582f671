"""Language models: recurra beside a tutorial in plain torch, in turns of a minute in the same process.

    python benchmarks/language_model.py --data FOLDER --part words --minutes 30 --out results/language-model-words.md
    python benchmarks/language_model.py --data FOLDER --part characters --minutes 15

FOLDER holds wikitext2/{train,valid,test}.txt.gz and tinyshakespeare/input.txt. Each side has so many minutes of
training of its own; evaluation is not counted. Beside the table a figure of the curves is written.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any, NamedTuple

import torch
from timing import report
from tutorial_language_model import CHARACTERS, WORDS_200, Tutorial, read_characters, read_words

from recurra.bench.timing import machine_line
from recurra.config import make_run_config
from recurra.language_scores import KNESER_NEY, UNIGRAM, language_scores
from recurra.tables import markdown_table
from recurra.tasks.language_model import ModelLanguage
from recurra.train import Callback, StepRecord, train

TURN = 60.0  # seconds
MEASURES = 6  # of the validation perplexity on the way
WORDS: dict[str, Any] = {"tokens": "spaces", "precision": "bfloat16"}
LETTERS: dict[str, Any] = {"tokens": "characters", "min_count": 1, "precision": "bfloat16"}


class Point(NamedTuple):
    """The mean negative log-probability on valid, in nats, after so many seconds of training and so many symbols."""

    seconds: float
    symbols: int
    nats: float


class EnoughError(Exception):
    """The minutes are over."""


class Turns(Callback):
    """Trains the tutorial for as long as recurra has trained, in turns, and measures both on the way.

    Args:
        task: recurra's side.
        tutorial: the other side, or None to run recurra alone.
        seconds: of training for each side.
    """

    def __init__(self, task: ModelLanguage, tutorial: Tutorial | None, seconds: float) -> None:
        self.task, self.tutorial, self.limit = task, tutorial, seconds
        self.seconds, self.symbols, self.points = 0.0, 0, list[Point]()
        self.theirs: list[Point] = []
        self.turn = 0.0
        self.before = time.perf_counter()

    def on_start(self, epochs: int, steps: int) -> None:
        """Start the clock."""
        print(f"{epochs} epochs of {steps} steps", flush=True)
        self.before = time.perf_counter()

    def on_step(self, record: StepRecord) -> None:
        """Count the step; measure, and give the other side its turn, where it is time to."""
        now = time.perf_counter()
        self.seconds += now - self.before
        self.turn += now - self.before
        self.symbols += self.task.config.train.batch_size * self.task.config.train.steps
        over = self.seconds >= self.limit
        if over or self.seconds >= (len(self.points) + 1) * self.limit / MEASURES:
            self.points.append(Point(self.seconds, self.symbols, self.task.validate().loss))
            print(f"recurra {self.points[-1]}", flush=True)
        if self.tutorial is not None and (over or self.turn >= TURN):
            self._other_turn(self.tutorial, self.seconds - self.tutorial.seconds)
            self.turn = 0.0
        if over:
            raise EnoughError
        self.before = time.perf_counter()

    def on_epoch(self, record: Any) -> None:
        """Leave the epoch's evaluation out of the time."""
        print(f"epoch {record.epoch}: valid perplexity {math.exp(record.valid_loss):.2f}", flush=True)
        self.before = time.perf_counter()

    def _other_turn(self, tutorial: Tutorial, seconds: float) -> None:
        if seconds > 0:
            tutorial.train_for(seconds)
        if len(self.theirs) < len(self.points):
            perplexity = tutorial.valid_perplexity()
            settings = tutorial.settings
            symbols = tutorial.steps * settings.batch_size * settings.window
            self.theirs.append(Point(tutorial.seconds, symbols, math.log(perplexity)))
            print(f"tutorial {self.theirs[-1]}", flush=True)


def words_task(folder: Path, options: dict[str, Any]) -> ModelLanguage:
    """WikiText-2: what stands between spaces, and the ends of lines."""
    files = {name: str(folder / f"{part}.txt.gz") for name, part in (("data", "train"), ("valid", "valid"))}
    return ModelLanguage.from_data(
        make_run_config("language-model", **files, test=str(folder / "test.txt.gz"), **{**WORDS, **options})
    )


def characters_task(path: Path, options: dict[str, Any]) -> ModelLanguage:
    """tinyshakespeare: 90 % for training, then 5 % for validation and 5 % for the test."""
    return ModelLanguage.from_data(make_run_config("language-model", data=str(path), **{**LETTERS, **options}))


def measured(task: ModelLanguage, tutorial: Tutorial | None, minutes: float) -> Turns:
    """Run both sides for so many minutes each."""
    turns = Turns(task, tutorial, 60 * minutes)
    try:
        train(task, callbacks=[turns])
    except EnoughError:
        pass
    else:
        print("the run ended before its time was over: give more --epochs", flush=True)
    return turns


def row(name: str, points: list[Point], test: float, size: int) -> list[str]:
    """A row of the table; perplexities and nats of the last measure and of the test."""
    last = points[-1]
    best = min(point.nats for point in points)
    return [
        name,
        f"{size:,}",
        f"{last.seconds / 60:.1f}",
        f"{last.symbols / last.seconds:,.0f}",
        f"{math.exp(best):.2f}",
        f"{best:.3f}",
        f"{math.exp(test):.2f}",
        f"{test:.3f}",
    ]


HEADER = ["", "parameters", "minutes", "symbols / s", "valid perplexity", "nats", "test perplexity", "nats"]


def section(title: str, task: ModelLanguage, tutorial: Tutorial | None, turns: Turns) -> list[str]:
    """The table and what it rests on."""
    assert task.data is not None
    assert task.data.test is not None
    found = language_scores(task.log_probabilities(task.data.test.ids), task.data.test, task.fit_baseline())
    size = sum(parameter.numel() for parameter in task.network.parameters())
    rows = [row("recurra", turns.points, found["model"]["nats"], size)]
    if tutorial is not None:
        theirs = math.log(tutorial.perplexity(tutorial.corpus.test))
        their_size = sum(parameter.numel() for parameter in tutorial.model.parameters())
        rows.append(row("tutorial", turns.theirs, theirs, their_size))
    for name in (KNESER_NEY, UNIGRAM):
        nats = found["baselines"][name]["nats"]
        rows.append([name, *["-"] * 5, f"{math.exp(nats):.2f}", f"{nats:.3f}"])
    config = task.config
    told = {**config.model.model_dump(), **config.train.model_dump()}
    settings = ", ".join(f"{name} {value}" for name, value in told.items() if value is not None)
    return [f"## {title}", markdown_table(HEADER, rows), f"recurra's settings: {settings}."]


def draw(turns: Turns, title: str, place: Path) -> None:
    """Draw perplexity on valid against minutes of training."""
    import matplotlib.pyplot as plt
    from matplotlib.ticker import ScalarFormatter

    figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
    for name, points in (("recurra", turns.points), ("tutorial", turns.theirs)):
        if points:
            axes.plot([p.seconds / 60 for p in points], [math.exp(p.nats) for p in points], marker="o", label=name)
    axes.set(xlabel="minutes of training", ylabel="valid perplexity", title=title, yscale="log")
    axes.yaxis.set_major_formatter(ScalarFormatter())  # 6, not 6 times ten to the zeroth
    axes.yaxis.set_minor_formatter(ScalarFormatter())
    axes.legend()
    figure.savefig(place)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with wikitext2 and tinyshakespeare")
    parser.add_argument("--part", choices=["words", "characters"], required=True)
    parser.add_argument("--minutes", type=float, default=30.0, help="of training, for each side")
    parser.add_argument("--alone", action="store_true", help="without the tutorial")
    parser.add_argument("--options", type=json.loads, default={}, help="recurra's settings as a JSON object")
    parser.add_argument("--threads", type=int, help="threads of torch (default: torch's own choice)")
    parser.add_argument("--out", type=Path, help="Markdown file to write; a figure goes beside it")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    tutorial = None
    if arguments.part == "words":
        title, task = "WikiText-2, words", words_task(arguments.data / "wikitext2", arguments.options)
        if not arguments.alone:
            tutorial = Tutorial(read_words(arguments.data / "wikitext2"), WORDS_200, seed=0)
    else:
        path = arguments.data / "tinyshakespeare" / "input.txt"
        title, task = "tinyshakespeare, characters", characters_task(path, arguments.options)
        if not arguments.alone:
            tutorial = Tutorial(read_characters(path), CHARACTERS, seed=0)
    turns = measured(task, tutorial, arguments.minutes)
    sections = section(title, task, tutorial, turns)
    report([f"# Language models: {title}", f"{machine_line()}.", *sections], arguments.out)
    if arguments.out is not None:
        draw(turns, title, arguments.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
