"""`recurra predict` from standard input: speed, and memory that must not grow with the input."""

from __future__ import annotations

import itertools
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from recurra.config import RunConfig
from recurra.fit import fit
from recurra.tables import markdown_table

__all__ = ["predict_table"]

# A process of its own that starts the command: the peak that a process reports is never less than its parent's memory
# at its start, and this benchmark has trained a model.
WATCHER = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(code)
"""
UNIT = 1024**2 if sys.platform == "darwin" else 1024  # of ru_maxrss, to MiB


class Run(NamedTuple):
    """One run of the command: seconds from its start to its end, and peak memory in MiB."""

    sentences: int
    seconds: float
    peak: float


def predict_table(config: RunConfig, texts: Path, place: Path, counts: tuple[int, int]) -> list[str]:
    """Train a model, predict as many sentences as `counts` says, and write the section."""
    fit(config, place)
    sentences = [line.rsplit("\t", 1)[0] for line in texts.read_text(encoding="utf-8").splitlines()]
    few, many = (_run(place, sentences, count) for count in counts)
    rows = [
        [f"{r.sentences:,}", f"{r.seconds:.1f}", f"{r.sentences / r.seconds:,.0f}", f"{r.peak:.0f}"]
        for r in (few, many)
    ]
    marginal = (many.sentences - few.sentences) / (many.seconds - few.seconds)
    return [
        "## `recurra predict MODEL` from standard input",
        "Sizes are recurra's defaults; seconds from the start of the process to its end.",
        markdown_table(["sentences", "seconds", "sentences / s", "peak memory MiB"], rows),
        f"Without the start, {marginal:,.0f} sentences a second. From {few.sentences:,} to {many.sentences:,} "
        f"sentences the peak grows by {100 * (many.peak / few.peak - 1):.1f} %.",
    ]


def _run(model: Path, sentences: list[str], count: int) -> Run:
    command = [
        sys.executable,
        "-c",
        WATCHER,
        str(Path(sys.executable).with_name("recurra")),
        "-q",
        "predict",
        str(model),
    ]
    with tempfile.TemporaryFile("w+b") as given, tempfile.TemporaryFile("w+b") as answers:
        given.write("".join(f"{text}\n" for text in itertools.islice(itertools.cycle(sentences), count)).encode())
        given.seek(0)
        started = time.perf_counter()
        done = subprocess.run(command, stdin=given, stdout=answers, stderr=subprocess.PIPE, text=True, check=False)
        seconds = time.perf_counter() - started
        answers.seek(0)
        found = sum(1 for _ in answers)
    if done.returncode or found != count:
        raise SystemExit(
            f"recurra predict: {found} answers to {count} sentences, exit code {done.returncode}: {done.stderr}"
        )
    return Run(count, seconds, int(done.stderr.split()[-1]) / UNIT)
