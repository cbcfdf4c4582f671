"""A folder with a report: a page, its numbers as JSON, its figures as files; written whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from recurra.errors import OutputError
from recurra.files import atomic_folder, recover_folder, write_text
from recurra.pages.drawing import on_white
from recurra.pages.frame import mark
from recurra.pages.surroundings import REPORT, require_ours

__all__ = ["require_report", "write_report"]

_DRAWN = 'role="img"><title>'  # what stands in each figure of recurra's


def require_report(out: Path, generator: str, data: str) -> None:
    """Refuse, before any work, a folder that :func:`write_report` would replace and that holds anything else.

    Args:
        out: the folder; it may be missing.
        generator: the command.
        data: the name of its JSON file.

    Raises:
        OutputError: naming what is there.
    """
    recover_folder(out)
    names = [path.name for path in out.iterdir()] if out.is_dir() else []
    figures = {name: _DRAWN for name in names if name.endswith(".svg")}
    require_ours(out, [], {REPORT: mark(generator), data: "{", **figures})
    for name in sorted({*names} - {REPORT, data, *figures}):
        raise OutputError(f"{out}: in use: it holds {name}, not made by this command; choose another --out")


def write_report(out: Path, page: str, data: tuple[str, str], figures: Mapping[str, str]) -> None:
    """Write a report in place of an older one.

    Args:
        out: the folder, which :func:`require_report` has accepted.
        page: HTML.
        data: the name and the text of the JSON file.
        figures: SVG by the names of the files, as :func:`recurra.pages.drawing.to_svg` gives it.

    Raises:
        OutputError: the folder cannot be written.
    """
    texts = {REPORT: page, data[0]: data[1], **{name: on_white(figure) for name, figure in figures.items()}}
    with atomic_folder(out) as folder:
        for name, text in texts.items():
            write_text(folder / name, text)
