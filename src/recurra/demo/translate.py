"""The demo of translation: words to figures with and without attention, and a page on what a fixed vector loses."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from recurra.checkpoint import SavedModel, read_history, read_model
from recurra.config import make_run_config
from recurra.demo.numbers import ALL_LISTS, LONGEST_TESTED, LONGEST_TRAINED, Pair, PairCounts, make_lists
from recurra.demo.report import TRANSLATE_MARK, render_translate
from recurra.demo.translate_findings import (
    ATTENTION,
    FIXED,
    Answers,
    TranslateReport,
    TranslateRun,
    comparison_sentences,
    next_translate_commands,
)
from recurra.files import failures_named, write_text
from recurra.fit import fit
from recurra.metrics import interval
from recurra.pages.surroundings import REPORT, Losses, machine, one_thread, print_closing, require_ours
from recurra.show import print_table
from recurra.tables import ScoreTable
from recurra.tasks.translate import Translate
from recurra.tasks.translate_examples import PairExamples
from recurra.tasks.translations import Translation
from recurra.train import Callback
from recurra.translation_baselines import baseline_answers

__all__ = ["print_translate_summary", "run_translate_demo"]

_log = logging.getLogger("recurra")

_HEADING = "list in words\tlist in figures"  # the columns; what tells that a file was made by the demo
_SETTINGS: dict[str, Any] = {  # so small that both learn within the time that one looks on
    "header": True,
    "tokens": "words",
    "target_tokens": "characters",
    "cell": "gru",
    "embedding_size": 64,
    "hidden_size": 96,
    "dropout": 0.0,
    "label_smoothing": 0.0,
    "learning_rate": 5e-3,
    "epochs": 3,
}
_LOOKED_AT = (3, LONGEST_TRAINED, LONGEST_TRAINED + 2)  # items of the lists whose alignments are drawn
_SIDE_BY_SIDE = (1, 2, 3, 4, LONGEST_TRAINED, LONGEST_TRAINED + 2, LONGEST_TESTED)


class _Kind(NamedTuple):
    """A model of the demo: what it is called, how it is drawn, and its attention."""

    name: str
    style: str
    attention: str


_MODELS = {
    ATTENTION: _Kind("with attention", "lstm", "additive"),
    FIXED: _Kind("fixed vector", "gru", "none"),
}


def run_translate_demo(
    out: Path,
    seed: int = 0,
    callbacks: Sequence[Callback] = (),
    counts: PairCounts = ALL_LISTS,
    **settings: Any,
) -> TranslateReport:
    """Train on lists in words and figures with and without attention; write models, lists and `report.html` into `out`.

    An earlier demo there is replaced.

    Args:
        out: folder for all; made if missing.
        seed: of everything random, the lists too.
        callbacks: told of each step and epoch of each model.
        counts: lists of each part.
        settings: options of :func:`recurra.config.make_run_config` in place of the demo's.

    Raises:
        OutputError: `out` holds something that the demo has not made, or cannot be written.
        KeyboardInterrupt: Ctrl-C; models that were finished stay, no report is written.
    """
    started = time.perf_counter()
    files = {part: f"{part}.tsv" for part in PairCounts._fields}
    require_ours(out, list(_MODELS), {REPORT: TRANSLATE_MARK, **dict.fromkeys(files.values(), _HEADING)})
    lists = make_lists(seed, counts)
    with failures_named(out):
        out.mkdir(parents=True, exist_ok=True)
        (out / REPORT).unlink(missing_ok=True)  # of earlier models
    for part, pairs in lists.items():
        write_text(out / files[part], "".join(f"{line}\n" for line in (_HEADING, *map("\t".join, pairs))))
    data = {name: str(out / files[part]) for name, part in (("data", "train"), ("valid", "valid"), ("test", "test"))}
    with one_thread():
        runs = {}
        for number, (model, kind) in enumerate(_MODELS.items(), 1):
            _log.info("\n%s (model %d of %d)", kind.name, number, len(_MODELS))
            own = {**_SETTINGS, **data, "attention": kind.attention, "seed": seed}
            runs[model] = _trained(out / model, kind, {**own, **settings}, callbacks)
        report = _report(out, runs, lists, started)
        write_text(out / REPORT, render_translate(report))
    return report


def print_translate_summary(report: TranslateReport, console: Console) -> None:
    """Print the scores, how the models compare, where the report is, and what to try next."""
    ranges = report.ranges()
    rows: list[tuple[str, ...]] = []
    for name, answers in report.answers.items():
        run = report.runs.get(name)
        shares = (interval(answers.exact(among)) for among in ranges.values())
        rows.append((name if run is None else run.name, *shares, f"{run.seconds:.1f}" if run else "-"))
    columns = ("", *(f"{items} items: right %" for items in ranges), "seconds")
    print_table(console, ScoreTable(f"{len(report.sources):,} test lists (95 % intervals)", columns, rows))
    print_closing(console, comparison_sentences(report), report.out, report.seconds, next_translate_commands(report))


def _trained(place: Path, kind: _Kind, settings: dict[str, Any], callbacks: Sequence[Callback]) -> TranslateRun:
    """Train a model and look at its directory."""
    losses, before = Losses(), time.perf_counter()
    config = make_run_config("translate", **settings)
    if fit(config, place, overwrite=True, callbacks=[*callbacks, losses]).interrupted:
        raise KeyboardInterrupt
    saved, seconds = read_model(place), time.perf_counter() - before
    history = read_history(place)
    return TranslateRun(
        kind.name, kind.style, cast(Translate, saved.task).config, saved.metrics, history, losses.values, seconds
    )


def _report(
    out: Path, runs: Mapping[str, TranslateRun], lists: Mapping[str, Sequence[Pair]], started: float
) -> TranslateReport:
    """Let the models, as they were saved, and the baselines translate the test."""
    saved = {model: read_model(out / model) for model in runs}
    tasks = {model: cast(Translate, each.task) for model, each in saved.items()}
    examples = tasks[ATTENTION].load_labelled(str(out / "test.tsv"), header=True)
    sources, right = list(examples.sources()), list(examples.targets())
    found = {model: _translations(task, sources) for model, task in tasks.items()}
    answers = {model: Answers([each.text for each in of_model], right) for model, of_model in found.items()}
    answers |= {name: Answers(texts, right) for name, texts in _of_baselines(saved[ATTENTION], examples).items()}
    items = np.array([len(figures.split()) for figures in right])
    seconds = time.perf_counter() - started
    seed = runs[ATTENTION].config.train.seed
    return TranslateReport(
        runs=runs,
        sources=sources,
        items=items,
        symbols=examples.encoded.sources.lengths,
        answers=answers,
        looked_at=[(number, found[ATTENTION][number]) for number in _first_of(items, _LOOKED_AT)],
        side_by_side=_first_of(items, _SIDE_BY_SIDE),
        longest=LONGEST_TRAINED,
        sizes={part: len(pairs) for part, pairs in lists.items()},
        facts={"seed": str(seed), "whole demo": f"{seconds:.1f} seconds", **machine()},
        seconds=seconds,
        out=out,
    )


def _translations(task: Translate, sources: Sequence[str]) -> list[Translation]:
    """The best translation of each source, searched for as the scores of a model are."""
    return [best for best, *_ in task.translate(sources, task.search())]


def _of_baselines(saved: SavedModel, examples: PairExamples) -> dict[str, list[str]]:
    encoded = examples.encoded.sources
    return baseline_answers(saved.baseline, list(examples.sources()), encoded.ids, encoded.starts)


def _first_of(items: NDArray[np.int64], lengths: Sequence[int]) -> list[int]:
    """The number of the first list of each length."""
    return [int(np.flatnonzero(items == length)[0]) for length in lengths]
