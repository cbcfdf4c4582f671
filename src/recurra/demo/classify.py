"""The demo of classification: four models learn from the bundled reviews, are scored and explained, on one page."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.table import Table

from recurra.checkpoint import SavedModel, read_history, read_model
from recurra.config import make_run_config
from recurra.data import Texts
from recurra.data.bundled import reviews_path
from recurra.demo.classify_findings import MAIN, Example, ModelRun, Report, gain_sentence, next_commands
from recurra.demo.report import MARK, render
from recurra.diagnose.saliency import token_influences
from recurra.files import write_text
from recurra.fit import fit
from recurra.metrics import interval
from recurra.pages.surroundings import REPORT, machine, one_thread, print_closing, require_ours
from recurra.train import Callback

__all__ = ["print_summary", "run_demo"]

_log = logging.getLogger("recurra")

_NAMES = {"feedforward": "feedforward", "rnn": "RNN", "gru": "GRU", "lstm": "LSTM"}
_PAIRS, _ERRORS = 3, 6


class _TestSet(NamedTuple):
    """The test reviews: texts, names of their classes, kinds."""

    texts: list[str]
    labels: list[str]
    kinds: list[str]


def run_demo(
    out: Path, seed: int = 0, callbacks: Sequence[Callback] = (), data: Path | None = None, **settings: Any
) -> Report:
    """Train the models into folders below `out` and write `out/report.html`; an earlier demo there is replaced.

    Args:
        out: folder for all; made if missing.
        seed: of everything random.
        callbacks: told of each step and epoch of each model.
        data: reviews with the columns text, label, kind and split; the bundled ones if None.
        settings: options of :func:`recurra.config.make_run_config` in place of the defaults.

    Raises:
        OutputError: `out` holds something that the demo has not made, or cannot be written.
        KeyboardInterrupt: Ctrl-C; models that were finished stay, no report is written.
    """
    started = time.perf_counter()
    source = reviews_path() if data is None else data
    require_ours(out, list(_NAMES), {REPORT: MARK})
    frame = pl.read_csv(source, infer_schema=False)
    rows = frame.filter(pl.col("split") == "test")
    test = _TestSet(*(rows[name].to_list() for name in ("text", "label", "kind")))
    columns = {"text_column": "text", "label_column": "label", "split_column": "split", "header": True}
    runs: dict[str, ModelRun] = {}
    with one_thread():
        for number, (cell, name) in enumerate(_NAMES.items(), 1):
            _log.info("\n%s (model %d of %d)", name, number, len(_NAMES))
            config = make_run_config("classify", data=str(source), cell=cell, seed=seed, **columns, **settings)
            before = time.perf_counter()
            if fit(config, out / cell, overwrite=True, callbacks=callbacks).interrupted:
                raise KeyboardInterrupt
            runs[cell] = _scored(name, read_model(out / cell), test, time.perf_counter() - before)
        sizes = dict(frame["split"].value_counts().iter_rows())
        report = _report(runs, test, sizes, out, seed, started)
        write_text(out / REPORT, render(report))
    return report


def print_summary(report: Report, console: Console) -> None:
    """Print the scores, the gain, where the report is, and what to try next."""
    table = Table(title=f"{len(report.labels):,} test reviews", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("")
    for name in ("accuracy % (95 % interval)", "seconds"):
        table.add_column(name, justify="right")
    for run in reversed(list(report.runs.values())):
        table.add_row(run.name, interval(run.scores["model"]["accuracy"]), f"{run.seconds:.1f}")
    scores = report.runs[MAIN].scores
    for name, found in scores["baselines"].items():
        table.add_row(f"[dim]{name}[/]", interval(found["accuracy"]), "")
    console.print(table)
    said = [gain_sentence(scores["gain"], f"The {report.runs[MAIN].name}", "the bag of words")]
    print_closing(console, said, report.out, report.seconds, next_commands(report.out))


def _scored(name: str, saved: SavedModel, test: _TestSet, seconds: float) -> ModelRun:
    """Score the model as it was saved."""
    examples = saved.task.encode(Texts.from_lists(test.texts, test.labels))
    found = saved.task.assess(examples, saved.baseline)
    history = read_history(saved.path)
    return ModelRun(name, saved.task.config, saved.metrics, history, found.scores, found.probabilities, seconds)


def _report(
    runs: dict[str, ModelRun], test: _TestSet, sizes: dict[str, int], out: Path, seed: int, started: float
) -> Report:
    saved = read_model(out / MAIN)
    classes = saved.task.classes
    labels = np.array([classes.index(label) for label in test.labels])
    bag = saved.baseline.probabilities(saved.task.encode(Texts.from_lists(test.texts)))
    probabilities = runs[MAIN].probabilities

    def explained(index: int) -> Example:
        found = token_influences(saved.task, test.texts[index])
        return Example(found, test.labels[index], test.kinds[index], classes[int(bag[index].argmax())])

    pairs = [(explained(one), explained(two)) for one, two in _surest_twins(test, labels, probabilities)]
    wrong = [explained(index) for index in _surest_errors(labels, probabilities)]
    seconds = time.perf_counter() - started
    facts = {"seed": str(seed), "whole demo": f"{seconds:.1f} seconds", **machine()}
    return Report(runs, classes, labels, test.texts, test.kinds, bag, pairs, wrong, sizes, facts, seconds, out)


def _surest_twins(
    test: _TestSet, labels: NDArray[np.int64], probabilities: NDArray[np.float32]
) -> list[tuple[int, int]]:
    """The surest pair of some kinds: the same words, opposite labels, and both answered rightly."""
    of_words: dict[tuple[str, ...], list[int]] = {}
    for index, text in enumerate(test.texts):
        of_words.setdefault(tuple(sorted(re.findall(r"\w+", text.lower()))), []).append(index)
    best: dict[str, tuple[float, tuple[int, int]]] = {}
    for twins in of_words.values():
        right = all(probabilities[index].argmax() == labels[index] for index in twins)
        if len(twins) != 2 or len({test.labels[index] for index in twins}) != 2 or not right:
            continue
        sure = min(float(probabilities[index].max()) for index in twins)
        kind = test.kinds[twins[0]]
        best[kind] = max(best.get(kind, (0.0, (0, 0))), (sure, (twins[0], twins[1])))
    return [pair for _, pair in sorted(best.values(), reverse=True)[:_PAIRS]]


def _surest_errors(labels: NDArray[np.int64], probabilities: NDArray[np.float32]) -> list[int]:
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    surest: list[int] = wrong[np.argsort(-probabilities[wrong].max(axis=1), kind="stable")][:_ERRORS].tolist()
    return surest
