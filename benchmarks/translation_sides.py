"""The sides of the benchmark of translation, and their turns: who trains and who answers when, and the time it takes.

All that the benchmark asks of recurra's task stands here.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from tutorial_translator import Trained, Tutorial

from recurra.config import make_run_config
from recurra.search import Search
from recurra.tasks.translate import Translate
from recurra.train import Callback, EpochRecord, StepRecord, train
from recurra.translation_baselines import baseline_answers

__all__ = [
    "BATCH",
    "BLOCK",
    "RECURRA",
    "ROUND",
    "Answers",
    "Side",
    "Turns",
    "answered",
    "baseline_texts",
    "best_texts",
    "make_task",
    "recurra_sides",
    "seconds",
    "symbols_per_second",
    "trained",
]

RECURRA = "recurra"
BLOCK = 50  # steps of a turn
BATCH = 64  # sentences that are read together: recurra's own number, and the tutorial's
ROUND = 10 * BATCH  # sentences of a turn
BEAM = 5
MAX_RATIO = 2.0  # symbols written for one of the source, and 10 more: the tutorial's limit

Side = Callable[[Sequence[str]], list[str]]


class Answers(NamedTuple):
    """A side's texts, and for each round how many it wrote a second."""

    texts: list[str]
    rates: list[float]


class Turns(Callback):
    """Has each tutorial make as many steps as recurra made, block by block.

    Attributes:
        taken: what each side's blocks took.
    """

    def __init__(self, tutorials: Mapping[str, Tutorial]) -> None:
        self.tutorials = tutorials
        self.taken: dict[str, list[Trained]] = {name: [] for name in (RECURRA, *tutorials)}
        self.steps, self.symbols, self.seconds, self.losses = 0, 0, 0.0, 0.0
        self.counted = 0  # symbols of the epoch so far
        self.before = time.perf_counter()

    def on_start(self, epochs: int, steps: int) -> None:
        """Start the clock."""
        print(f"{epochs} epochs of {steps} steps", flush=True)
        self.before = time.perf_counter()

    def on_step(self, record: StepRecord) -> None:
        """Count the step, and give the others their turn at a block's end."""
        self.seconds += time.perf_counter() - self.before
        self.symbols += record.tokens - self.counted
        self.counted = record.tokens
        self.losses += record.loss
        self.steps += 1
        if self.steps == BLOCK:
            self._other_turns()
        self.before = time.perf_counter()

    def on_epoch(self, record: EpochRecord) -> None:
        """Leave the epoch's validation out of the time."""
        done = {name: blocks for name, blocks in self.taken.items() if blocks}
        told = [f"{name} {seconds(blocks):.0f} s, loss {blocks[-1].loss:.3f}" for name, blocks in done.items()]
        print(f"epoch {record.epoch}: valid {record.valid_score:.4f}; {'; '.join(told)}", flush=True)
        self.counted = 0
        self.before = time.perf_counter()

    def on_end(self) -> None:
        """Let the others make the last steps too."""
        self._other_turns()

    def _other_turns(self) -> None:
        if self.steps:
            self.taken[RECURRA].append(Trained(self.seconds, self.symbols, self.losses / self.steps))
            for name, tutorial in self.tutorials.items():
                self.taken[name].append(tutorial.train_steps(self.steps))
        self.steps, self.symbols, self.seconds, self.losses = 0, 0, 0.0, 0.0


def seconds(blocks: Sequence[Trained]) -> float:
    """Of all blocks together."""
    return sum(block.seconds for block in blocks)


def symbols_per_second(blocks: Sequence[Trained]) -> float:
    """Of the median block."""
    return statistics.median(block.symbols / block.seconds for block in blocks)


def make_task(files: Mapping[str, str], **options: Any) -> Translate:
    """A task on files of pairs; an option that is None is not given."""
    told = {name: value for name, value in options.items() if value is not None}
    return Translate.from_data(make_run_config("translate", **files, **told, device="cpu"))


def trained(files: Mapping[str, str], **options: Any) -> tuple[Translate, float]:
    """A trained task, and the seconds that reading and training took."""
    started = time.perf_counter()
    task = make_task(files, **options)
    train(task, callbacks=[Turns({})])
    return task, time.perf_counter() - started


def best_texts(task: Translate, sources: Sequence[str], beam: int = 1) -> list[str]:
    """The best translation of each source."""
    return [best.text for best, *_ in task.translate(sources, Search(beam=beam, max_ratio=MAX_RATIO))]


def recurra_sides(task: Translate) -> dict[str, Side]:
    """Recurra's greedy and beam search."""
    beam = f"{RECURRA}, beam {BEAM}"
    return {RECURRA: lambda some: best_texts(task, some), beam: lambda some: best_texts(task, some, BEAM)}


def baseline_texts(task: Translate, sources: Sequence[str]) -> dict[str, list[str]]:
    """What recurra's baselines answer."""
    ids = task.vocabulary.encode(list(sources))
    starts = np.cumsum([0, *map(len, ids)])
    return baseline_answers(task.fit_baseline(), sources, np.concatenate(ids).astype(np.int32), starts)


def answered(sides: Mapping[str, Side], sources: Sequence[str]) -> dict[str, Answers]:
    """Have all sides answer all sources, round by round in turns."""
    found = {name: Answers([], []) for name in sides}
    for side in sides.values():
        side(sources[:BATCH])  # what happens once, happens here
    for start in range(0, len(sources), ROUND):
        chosen = sources[start : start + ROUND]
        for name, side in sides.items():
            started = time.perf_counter()
            found[name].texts.extend(side(chosen))
            found[name].rates.append(len(chosen) / (time.perf_counter() - started))
    return found
