"""The demo of language modelling: a small network learns from the library's own documentation, and a page tells how."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from recurra.checkpoint import read_history, read_model
from recurra.config import make_run_config
from recurra.demo.documentation import Documentation, gather_documentation
from recurra.demo.language_findings import (
    LanguageReport,
    Prompted,
    Sample,
    Surprise,
    comparison_sentence,
    next_language_commands,
)
from recurra.demo.report import LANGUAGE_MARK, render_language
from recurra.diagnose.states import Activity, Follower, features, find_followers, liveliest, most_active, read_outputs
from recurra.files import failures_named, write_text
from recurra.fit import fit
from recurra.generate import generate, most_likely
from recurra.language_scores import KNESER_NEY, NGrams, language_tables
from recurra.nn.sampling import Sampler
from recurra.pages.surroundings import REPORT, Losses, machine, one_thread, print_closing, require_ours
from recurra.show import print_table
from recurra.tasks.language_model import LanguageModelData, ModelLanguage
from recurra.train import Callback
from recurra.vocabulary import END

__all__ = ["print_language_summary", "run_language_demo"]

_log = logging.getLogger("recurra")

_MODEL, _TEXT = "model", "docstrings.txt"
_HEADING = "Docstrings of Python's standard library, gathered by recurra demo language-model."
_SETTINGS: dict[str, Any] = {  # so small that a network learns in about a minute what counting does not give
    "tokens": "bpe",
    "vocabulary_size": 2000,
    "cell": "gru",
    "embedding_size": 128,
    "num_layers": 1,
    "dropout": 0.0,
    "batch_size": 16,
    "steps": 32,
    "learning_rate": 3e-3,
    "weight_decay": 0.4,
    "epochs": 3,
}
_PROMPTS = ("Return the", "If the file", "This function")  # no space behind: symbols begin with theirs
_TEMPERATURES = (0.4, 0.7, 1.0)
_PRINTED = 0.7  # the temperature of the text that the summary shows
_LENGTH = 90  # symbols that are made up after each prompt
_ASKED = ("Return True if the", "Raises", "the default value is", "If the file does")
_LIKELY = 6
_PASSAGE = 220  # symbols, and on to the end of the line
_FOLLOWED = 120  # symbols over which a unit that follows something is shown, at the most
_UNITS, _DRAWN = 14, 42  # of the figure: units, and symbols at the most; as many as a page of full width holds


def run_language_demo(
    out: Path, seed: int = 0, callbacks: Sequence[Callback] = (), library: Path | None = None, **settings: Any
) -> LanguageReport:
    """Train a model on a library's docstrings, and write it, the text and `report.html` into `out`.

    An earlier demo there is replaced.

    Args:
        out: folder for all; made if missing.
        seed: of everything random.
        callbacks: told of each step and epoch.
        library: folder of Python sources; that of the standard library if None.
        settings: options of :func:`recurra.config.make_run_config` in place of the demo's.

    Raises:
        OutputError: `out` holds something that the demo has not made, or cannot be written.
        DataError: the sources of the standard library are not there.
        KeyboardInterrupt: Ctrl-C; no report is written.
    """
    started = time.perf_counter()
    require_ours(out, [_MODEL], {REPORT: LANGUAGE_MARK, _TEXT: _HEADING})
    _log.info("gathering the docstrings of the standard library")
    documentation = gather_documentation(library)
    with failures_named(out):
        out.mkdir(parents=True, exist_ok=True)
        (out / REPORT).unlink(missing_ok=True)  # of an earlier model
    write_text(out / _TEXT, f"{_HEADING}\n\n{documentation.text}")
    config = make_run_config("language-model", data=str(out / _TEXT), seed=seed, **{**_SETTINGS, **settings})
    losses = Losses()
    with one_thread():
        before = time.perf_counter()
        fitted = fit(config, out / _MODEL, overwrite=True, callbacks=[*callbacks, losses])
        if fitted.interrupted:
            raise KeyboardInterrupt
        seconds = time.perf_counter() - before
        data = cast(ModelLanguage, fitted.task).data
        assert data is not None
        report = _report(out, documentation, data, losses.values, seconds, started)
        write_text(out / REPORT, render_language(report))
    return report


def print_language_summary(report: LanguageReport, console: Console) -> None:
    """Print the scores, a piece of made-up text, how the model compares, where the report is, and what to try next."""
    for table in language_tables(report.scores, "text that it has not seen"):
        print_table(console, table)
    sample = next(each for each in report.samples if each.temperature == _PRINTED)
    said = [
        f"Made up at temperature {sample.temperature:g}:\n",
        *(f"    {line}" for line in f"{sample.prompt}{sample.text}".splitlines()),
        f"\n{comparison_sentence(report)}",
    ]
    print_closing(console, said, report.out, report.seconds, next_language_commands(report))


def _report(
    out: Path,
    documentation: Documentation,
    data: LanguageModelData,
    losses: list[float],
    seconds_training: float,
    started: float,
) -> LanguageReport:
    """Look at the model as it was saved."""
    saved = read_model(out / _MODEL)
    task = cast(ModelLanguage, saved.task)
    assert data.test is not None
    seed, ids = task.config.train.seed, data.test.ids
    activity, followers = _states(task, ids)
    passage = _passage(task, cast(NGrams, saved.baseline), ids)
    samples = _samples(task, seed)
    prompted = [Prompted(prompt, most_likely(task, prompt, _LIKELY)) for prompt in _ASKED]
    seconds = time.perf_counter() - started
    return LanguageReport(
        config=task.config,
        metrics=saved.metrics,
        history=read_history(saved.path),
        losses=losses,
        seconds_training=seconds_training,
        samples=samples,
        passage=passage,
        prompted=prompted,
        activity=activity,
        followers=followers,
        modules=documentation.modules,
        docstrings=documentation.docstrings,
        sizes={"train": data.train.characters, "valid": data.valid.characters, "test": data.test.characters},
        facts={"seed": str(seed), "whole demo": f"{seconds:.1f} seconds", **machine()},
        seconds=seconds,
        out=out,
        model=_MODEL,
        text=_TEXT,
    )


def _samples(task: ModelLanguage, seed: int) -> list[Sample]:
    """The first text that is drawn after each prompt at each temperature, each from a seed of its own."""
    asked = [(prompt, temperature) for prompt in _PROMPTS for temperature in _TEMPERATURES]
    return [
        Sample(prompt, temperature, "".join(generate(task, prompt, _LENGTH, Sampler(temperature), 100 * seed + number)))
        for number, (prompt, temperature) in enumerate(asked)
    ]


def _passage(task: ModelLanguage, baseline: NGrams, ids: NDArray[np.int32]) -> list[Surprise]:
    """The first whole paragraphs of a text, each symbol with its surprise to the model and to the 5-grams."""
    read = ids[_shown(ids)]
    ours, counts = task.log_probabilities(read), baseline.log_probabilities(read)[KNESER_NEY]
    return [
        Surprise(token, float(-one / math.log(2)), float(-other / math.log(2)))
        for token, one, other in zip(_tokens(task, read), ours, counts)
    ]


def _states(task: ModelLanguage, ids: NDArray[np.int32]) -> tuple[Activity, list[Follower]]:
    """The most active units over some of a text, and the units that follow something over all of it."""
    outputs, tokens, passage = read_outputs(task, ids), _tokens(task, ids), _shown(ids)

    def of_units(units: list[int], part: slice) -> Activity:
        return Activity(tokens[part], units, outputs[part, units].T)

    of_text = features([len(token) for token in tokens], "".join(tokens))
    drawn = of_units(most_active(outputs, _UNITS), slice(passage.start, min(passage.stop, passage.start + _DRAWN)))
    parts = {name: liveliest(values, tokens, _FOLLOWED) for name, values in of_text.items()}
    return drawn, find_followers(outputs, of_text, lambda name, unit: of_units([unit], parts[name]))


def _shown(ids: NDArray[np.int32]) -> slice:
    """The part of a text that the page shows: from its first empty line on, so many symbols and on to a line's end."""
    ends = ids == END
    empty = np.flatnonzero(ends[:-1] & ends[1:])
    start = int(empty[0]) + 2 if len(empty) and empty[0] + 2 < len(ids) else 0
    last = np.flatnonzero(ends[start + _PASSAGE - 1 :])
    return slice(start, start + _PASSAGE + int(last[0]) if len(last) else len(ids))


def _tokens(task: ModelLanguage, ids: NDArray[np.int32]) -> list[str]:
    """What each symbol is as text; the text is ASCII, of which each byte pair has whole characters."""
    return ["\n" if id_ == END else task.vocabulary.byte_pair(id_).decode() for id_ in ids.tolist()]
