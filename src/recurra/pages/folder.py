"""A folder with a report: a page, its numbers as JSON, its figures as files; written whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from recurra.errors import OutputError
from recurra.files import atomic_folder, old_of, recover_folder, write_text
from recurra.pages.drawing import on_white
from recurra.pages.frame import mark
from recurra.pages.surroundings import REPORT, require_ours

__all__ = ["data_mark", "drawing_mark", "marked_file", "require_report", "write_report"]


def data_mark(generator: str) -> str:
    """What tells that a JSON file was made by a command.

    >>> data_mark("recurra lab copy")
    '"made_by": "recurra lab copy"'
    """
    return f'"made_by": "{generator}"'


def drawing_mark(generator: str) -> str:
    """What tells that a file of SVG was made by a command."""
    return f"<!-- made by {generator} -->"


def marked_file(drawing: str, generator: str) -> str:
    """Make what :func:`recurra.pages.drawing.to_svg` gave a file that tells which command has made it."""
    return on_white(drawing).replace("<svg ", f"{drawing_mark(generator)}\n<svg ", 1)


def require_report(out: Path, generator: str, data: str) -> None:
    """Refuse, before any work, a folder that :func:`write_report` would replace and that holds anything else.

    The folder is replaced whole. It must therefore be empty, or hold the command's page and nothing but files of it.
    So must what stands where the folder is set aside meanwhile, which is put back where a kill has left it there.

    Args:
        out: the folder; it may be missing.
        generator: the command.
        data: the name of its JSON file.

    Raises:
        OutputError: naming what is there.
    """
    place = out.resolve()
    old = old_of(place)
    if place.exists() and old.exists():
        raise OutputError(f"{old}: in use: it would be removed with the older report; move it, or choose another --out")
    if old.exists():
        _require_files(old, generator, data)
    recover_folder(place)
    _require_files(out, generator, data)


def _require_files(out: Path, generator: str, data: str) -> None:
    """Refuse a folder that holds anything but a report, as :func:`require_report` does."""
    names = [path.name for path in out.iterdir()] if out.is_dir() else []
    page = {REPORT: mark(generator)}
    require_ours(out, [], page)
    figures = {name: drawing_mark(generator) for name in names if name.endswith(".svg")}
    marks = {**page, data: data_mark(generator), **figures}
    require_ours(out, [], marks)
    for name in sorted({*names} - {*marks}):
        raise OutputError(f"{out}: in use: it holds {name}, not made by this command; choose another --out")


def write_report(out: Path, generator: str, page: str, data: tuple[str, str], figures: Mapping[str, str]) -> None:
    """Write a report in place of an older one.

    Args:
        out: the folder, which :func:`require_report` has accepted.
        generator: the command.
        page: HTML that bears its mark.
        data: the name and the text of the JSON file, which bears its :func:`data_mark`.
        figures: SVG by the names of the files, as :func:`recurra.pages.drawing.to_svg` gives it.

    Raises:
        OutputError: the folder cannot be written.
    """
    drawn = {name: marked_file(figure, generator) for name, figure in figures.items()}
    texts = {REPORT: page, data[0]: data[1], **drawn}
    with atomic_folder(out) as folder:
        for name, text in texts.items():
            write_text(folder / name, text)
