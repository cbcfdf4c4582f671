"""Files -> decoded lines: UTF-8 checked, byte-order mark dropped, `.gz` unpacked on the way; memory stays flat."""

from __future__ import annotations

import gzip
import io
import shlex
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from recurra.errors import DataError

__all__ = ["open_bytes", "read_lines"]

_MARKS = {
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
_HEAD = 65_536


def open_bytes(path: Path) -> BinaryIO:
    """Open a file's bytes, unpacked when its name ends in `.gz`.

    Raises:
        DataError: the file cannot be opened.
    """
    try:
        if path.suffix.lower() == ".gz":
            return cast(BinaryIO, gzip.open(path, "rb"))
        return open(path, "rb")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def read_lines(path: Path, name: str) -> Iterator[str]:
    """Yield a file's lines, each with its line end; only a line feed ends a line.

    Args:
        path: the file.
        name: what errors call it.

    Raises:
        DataError: not UTF-8 (with line, byte and remedy), line ends of old Macs, or a damaged `.gz`.
    """
    try:
        with open_bytes(path) as stream:
            head = stream.read(_HEAD)
            _refuse_other_forms(head, path, name)
            stream.seek(0)
            with io.TextIOWrapper(stream, encoding="utf-8-sig", newline="\n") as lines:
                yield from lines
    except UnicodeDecodeError:
        raise DataError(_first_undecodable(path, name)) from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{name}: damaged or cut short as a .gz file ({error}); pack or fetch it again") from error


def _refuse_other_forms(head: bytes, path: Path, name: str) -> None:
    encoding = next((encoding for mark, encoding in _MARKS.items() if head.startswith(mark)), None)
    if encoding is not None:
        raise DataError(
            f"{name}, line 1, byte 1: expected UTF-8, found the byte-order mark of {encoding.upper()}; "
            f"convert it: {_iconv(encoding, path)}"
        )
    even, odd = head[0:1000:2], head[1:1000:2]
    for encoding, empty, full in (("utf-16le", odd, even), ("utf-16be", even, odd)):
        if len(empty) >= 2 and empty.count(0) > 0.8 * len(empty) and full.count(0) < 0.2 * len(full):
            byte = head.index(0) + 1
            raise DataError(
                f"{name}, line 1, byte {byte}: expected UTF-8, found a NUL in every second byte, as in UTF-16; "
                f"convert it: {_iconv(encoding, path)}"
            )
    if b"\r" in head.rstrip(b"\r") and b"\n" not in head and len(head) < _HEAD:
        unpack = "gunzip -c" if path.suffix.lower() == ".gz" else "cat"
        raise DataError(
            f"{name}: its lines end in bare carriage returns (old Mac); expected line feeds; "
            f"convert it: {unpack} {shlex.quote(str(path))} | tr '\\r' '\\n' > converted{_suffix(path)}"
        )


def _first_undecodable(path: Path, name: str) -> str:
    with open_bytes(path) as stream:
        for number, line in enumerate(stream, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                byte = line[error.start]
                # Bytes 0x80 to 0x9f are control characters in Latin-1 but quotes and dashes in Windows' code page.
                windows = any(0x80 <= other <= 0x9F for other in line)
                encoding = "windows-1252" if windows else "latin1"
                return (
                    f"{name}, line {number}, byte {error.start + 1} of that line: expected UTF-8, "
                    f"found 0x{byte:02x} ({error.reason}); "
                    f"if it is {encoding}, convert it: {_iconv(encoding, path)}"
                )
    return f"{name}: changed while it was read; run again when nothing writes to it"


def _iconv(encoding: str, path: Path) -> str:
    source, target = shlex.quote(str(path)), f"converted{_suffix(path)}"
    if path.suffix.lower() == ".gz":
        return f"gunzip -c {source} | iconv -f {encoding} -t utf-8 > {target}"
    return f"iconv -f {encoding} -t utf-8 {source} > {target}"


def _suffix(path: Path) -> str:
    return Path(path.name[: -len(".gz")] if path.suffix.lower() == ".gz" else path.name).suffix
