"""Imports only point up the layout: a module imports from the levels above its own in the list below."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import recurra

ROOT = Path(recurra.__file__).parent

# From what knows nothing to what knows all. A line is a level; what stands on one does not know its neighbours. A
# package is one name: what its files import from one another is its own affair.
LEVELS = [
    "errors  signs",
    "config  files  kernels  baselines  character_profile  ngram  perplexity  rouge  spans  string_tensors  tables  "
    "timing",
    "metrics  forecast_sums  language_scores  tagging_baselines  vocabulary",
    "arpa  batch  ctc_paths  forecast_baselines  forecast_scores  tagging_scores  transcription_scores  "
    "translation_baselines  translation_scores  writing",
    "nn  data  forecast_tables  tagging_tables  transcription_tables  translation_tables",
    "inputs  hypotheses  ctc_search",
    "search",
    "tasks  swap",
    "checkpoint  evaluate  card  optimisation",
    "run_directory  show  check  start",
    "train",
    "fit  fusion  generate  pages  progress",
    "estimators",
    "diagnose",
    "bench  compare  demo  lab",
    "cli",
]
LEVEL = {name: number for number, line in enumerate(LEVELS) for name in line.split()}
FILES = [path for path in sorted(ROOT.rglob("*.py")) if path != ROOT / "__init__.py"]  # that one names what is public


def part_of(path: Path) -> str:
    return path.relative_to(ROOT).with_suffix("").parts[0]


def imported_parts(source: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the part of the package of each import, wherever in the module it stands."""
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            package, _, rest = name.partition(".")
            if package == "recurra" and rest:
                yield node.lineno, rest.split(".")[0]


def faults(path: Path, source: str) -> list[str]:
    own = part_of(path)
    return [
        f"{path.relative_to(ROOT)}, line {line}: imports {other}, which is not above {own}"
        for line, other in imported_parts(source)
        if other != own and LEVEL[other] >= LEVEL[own]
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_up(path: Path) -> None:
    assert part_of(path) in LEVEL, f"{part_of(path)} has no place in the layout yet"
    assert faults(path, path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "line",
    [
        "from recurra.train import train",
        "from recurra import train",
        "import recurra.train",
        "from recurra import check",
    ],
)
def test_an_import_that_points_down_is_found(line: str) -> None:
    assert len(faults(ROOT / "check.py", f"def late() -> None:\n    {line}\n")) == (0 if "check" in line else 1)
    assert len(faults(ROOT / "tasks" / "base.py", line)) == 1


def test_the_kernels_know_no_module() -> None:
    for path in (ROOT / "kernels").glob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        assert not [node.lineno for node in nodes if isinstance(node, ast.Attribute) and node.attr == "Module"], path
