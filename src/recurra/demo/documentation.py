"""The documentation of the standard library as running text: on every machine, and nothing to fetch."""

from __future__ import annotations

import ast
import hashlib
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from recurra.errors import DataError

__all__ = ["Documentation", "gather_documentation"]

_LEFT_OUT = {"site-packages", "dist-packages", "test", "tests", "idle_test", "__pycache__"}
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


class Documentation(NamedTuple):
    """Docstrings one after the other, an empty line behind each, and how many source files and docstrings they are."""

    text: str
    modules: int
    docstrings: int


def gather_documentation(library: Path | None = None) -> Documentation:
    """Read the docstrings of all modules of a library from their sources; nothing is imported.

    The modules stand in the order of a hash of their names: the same on every machine that has the same sources, and
    the end of the text, which is held out, is not one corner of the alphabet. Within a module the docstrings stand as
    in its source. One that was there before is left out, so that no held-out text is a copy of what was learnt; so is
    one with anything but printable ASCII, so that each symbol is made of whole characters.

    Args:
        library: its folder; that of the standard library when None.

    Raises:
        DataError: the folder is not there, or has no module with a docstring.
    """
    folder = Path(sysconfig.get_path("stdlib")) if library is None else library
    if not folder.is_dir():
        raise DataError(f"{folder}: expected the standard library's sources, found no such folder{_ADVICE}")
    names = [path.relative_to(folder) for path in folder.rglob("*.py")]
    wanted = sorted((name for name in names if not _LEFT_OUT.intersection(name.parts)), key=_shuffled)
    seen: dict[str, None] = {}
    modules = 0
    for name in wanted:
        before = len(seen)
        seen |= dict.fromkeys(_docstrings(folder / name))
        modules += len(seen) > before
    if not seen:
        raise DataError(f"{folder}: expected sources with docstrings, found none in {len(wanted):,} files{_ADVICE}")
    return Documentation("".join(f"{text}\n\n" for text in seen), modules, len(seen))


_ADVICE = "; install Python with its library as .py files (some small images and packed programs leave them out)"


def _shuffled(name: Path) -> str:
    return hashlib.sha256(name.as_posix().encode()).hexdigest()


def _docstrings(path: Path) -> Iterator[str]:
    """The docstrings of a source file in their order; none where it is not Python of this version."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what a source does badly
            tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):  # a few files are there to be faulty, or are of Python 2
        return
    found = [(node, ast.get_docstring(node)) for node in ast.walk(tree) if isinstance(node, _DOCUMENTED)]
    for _, text in sorted(found, key=lambda each: getattr(each[0], "lineno", 0)):
        lines = [line.rstrip() for line in (text or "").strip().split("\n")]
        if any(lines) and all(line.isascii() and line.isprintable() for line in lines):
            yield "\n".join(lines)
