"""Files and folders that are written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from recurra.errors import OutputError

__all__ = [
    "atomic_folder",
    "atomic_writer",
    "failures_named",
    "finite",
    "named",
    "old_of",
    "recover_folder",
    "replace_folder",
    "to_json",
    "write_text",
]


@contextlib.contextmanager
def atomic_writer(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file beside `path`, and put it in its place when the block ends without an error.

    Raises:
        OutputError: the place cannot be written.
    """
    with failures_named(path):
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with failures_named(path), os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with atomic_writer(path) as file:
        file.write(text.encode())


def finite(value: Any) -> Any:
    """The same with lists for sequences, arrays and tensors, text for keys, and None for numbers that are not finite.

    >>> finite({"reach": (1.5, math.inf)})
    {'reach': [1.5, None]}
    """
    if hasattr(value, "tolist"):
        return finite(value.tolist())
    if isinstance(value, Mapping):
        return {str(name): finite(part) for name, part in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def to_json(value: Any, indent: int | None = None) -> str:
    """Text that every reader of JSON takes: it knows no infinity, so that numbers that are not finite are null."""
    return json.dumps(finite(value), indent=indent, ensure_ascii=False, allow_nan=False)


@contextlib.contextmanager
def atomic_folder(place: Path) -> Iterator[Path]:
    """Give a new folder to write into, and put it in its place, instead of what was there, when the block ends well.

    Raises:
        OutputError: the place cannot be written.
    """
    place = place.resolve()
    with failures_named(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(dir=place.parent, prefix=f".{place.name}."))
    try:
        with failures_named(place):
            os.chmod(new, 0o777 & ~_umask())
        yield new
        replace_folder(new, place)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def replace_folder(new: Path, place: Path) -> None:
    """Put a finished folder in its place; what was there before is removed once the new one is there.

    A kill between the two renames leaves the old folder as `NAME.old`, which :func:`recover_folder` puts back.
    """
    old = old_of(place)
    with failures_named(place):
        if place.exists():
            if old.exists():
                shutil.rmtree(old)
            os.rename(place, old)
        os.rename(new, place)
        if old.exists():
            shutil.rmtree(old)


def recover_folder(place: Path) -> None:
    """Put back a folder that was set aside by a :func:`replace_folder` that did not end."""
    if not place.exists() and old_of(place).exists():
        with failures_named(place):
            os.rename(old_of(place), place)


@contextlib.contextmanager
def failures_named(path: Path) -> Iterator[None]:
    """Turn the system's refusal to write into an error that names the place and the remedy.

    Raises:
        OutputError: in place of an OSError.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            free = shutil.disk_usage(_existing(path)).free / 2**20
            raise OutputError(
                f"{path}: the disk is full ({free:,.0f} MiB free); make room or write elsewhere"
            ) from error
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error


def _existing(path: Path) -> Path:
    return next(parent for parent in (path, *path.absolute().parents) if parent.exists())


def named(path: Path) -> Path:
    """A path as it was called or, called "." or "..", which no other name can be made of, where it stands."""
    return path if path.name not in ("", "..") else path.resolve()


def old_of(place: Path) -> Path:
    """Where :func:`replace_folder` sets aside what was there before."""
    return place.with_name(f"{place.name}.old")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
