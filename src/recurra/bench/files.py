"""The results of `recurra bench` in a folder: a page of tables, every number, and the figure."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from recurra.bench.figure import figure
from recurra.bench.results import Results
from recurra.bench.table import markdown
from recurra.files import atomic_writer, failures_named

__all__ = ["prepare", "save"]


def prepare(folder: Path) -> None:
    """Make the folder, and make sure that it can be written before minutes are spent on measuring.

    Raises:
        OutputError: it cannot be.
    """
    with failures_named(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass


def save(results: Results, folder: Path) -> list[Path]:
    """Write bench.md, bench.json and bench.png, each whole or not at all, over those that were there.

    Args:
        results: of a run.
        folder: as :func:`prepare` left it.

    Raises:
        OutputError: the folder cannot be written.
    """
    contents = {
        "bench.md": markdown(results).encode(),
        "bench.json": (json.dumps(results.as_json(), indent=1) + "\n").encode(),
        "bench.png": figure(results),
    }
    for name, content in contents.items():
        with atomic_writer(folder / name) as file:
            file.write(content)
    return [folder / name for name in contents]
