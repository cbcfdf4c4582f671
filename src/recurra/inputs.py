"""Inputs to be answered as they come: in order, in bounded memory, and without waiting for more than there is."""

from __future__ import annotations

import io
import os
import queue
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from recurra.data import load_texts
from recurra.data.hub import is_hub
from recurra.data.labelled_series import LabelledSeries
from recurra.data.labelled_series_splits import Trained, load_labelled_series
from recurra.data.table import KNOWN_SUFFIXES
from recurra.data.ts_file import SeriesFault, is_ts, parse_series
from recurra.errors import DataError, SettingsError

__all__ = ["arriving_chunks", "chunks_of_inputs", "is_file", "lines_of_inputs", "series_of_inputs", "standard_input"]

_CHUNK = 1024


def chunks_of_inputs(
    inputs: Sequence[str],
    preferred_column: str,
    text_column: str | None = None,
    delimiter: str | None = None,
    header: bool | None = None,
) -> Iterator[list[str]]:
    """Yield the texts of command-line arguments: files, texts, or standard input when there are none (or "-").

    An argument is a file when it exists or has the ending of a data file; anything else is a text.

    Args:
        inputs: the arguments.
        preferred_column: the text column of the training data, taken where a file has it and no other is told.
        text_column: as for :func:`recurra.data.load_texts`.
        delimiter: as for :func:`recurra.data.table.read_table`.
        header: as for :func:`recurra.data.table.read_table`.

    Raises:
        DataError: a file is missing or malformed.
        SettingsError: an option about files was given, and there is none.
    """
    given = list(inputs) or ["-"]
    if not any(map(is_file, given)):
        _refuse_of_files(text_column=text_column, delimiter=delimiter, header=header)
    for argument in given:
        if argument != "-" and is_file(argument):
            texts = load_texts(
                argument,
                text_column=text_column,
                delimiter=delimiter,
                header=header,
                labels="no",
                preferred=(preferred_column, ""),
            )
            yield from (chunk.texts for chunk in texts.chunks(_CHUNK))
        else:
            yield from lines_of_inputs([argument])


def series_of_inputs(
    inputs: Sequence[str],
    trained: Trained,
    id_column: str | None = None,
    label_column: str | None = None,
    delimiter: str | None = None,
    header: bool | None = None,
) -> Iterator[LabelledSeries]:
    """Yield the series of command-line arguments: files, series, or standard input when there are none (or "-").

    An argument is a file when it exists or has the ending of a data file; anything else is a series, as is each line of
    standard input: values with commas, channels with colons.

    Args:
        inputs: the arguments.
        trained: how the training series were read, and their channels.
        id_column: as for :func:`recurra.data.labelled_series_splits.load_labelled_series`.
        label_column: the same; it is no value then.
        delimiter: the same.
        header: the same.

    Raises:
        DataError: a file is missing or malformed, or a line is no series.
        SettingsError: an option about files was given, and there is none.
    """
    options = {"id_column": id_column, "label_column": label_column, "delimiter": delimiter, "header": header}
    given = list(inputs) or ["-"]
    files = [argument for argument in given if argument != "-" and (is_file(argument) or is_ts(argument))]
    if not files:
        _refuse_of_files(**options)
    for argument in given:
        if argument in files:
            yield load_labelled_series(argument, trained, labels="no", **options)  # type: ignore[arg-type]
            continue
        name, seen = ("standard input" if argument == "-" else "argument"), 0
        for lines in lines_of_inputs([argument], "series"):
            values = []
            for line in lines:
                seen += 1
                try:
                    values.append(parse_series(line, len(trained.channels)))
                except SeriesFault as fault:
                    where = f"{name}, line {seen:,}" if argument == "-" else f"argument {argument!r}"
                    raise DataError(f"{where}: {fault}") from None
            numbers = [str(number) for number in range(seen - len(lines) + 1, seen + 1)]
            yield LabelledSeries(name, values, None, numbers, trained.channels)


def _refuse_of_files(**options: object) -> None:
    for name, value in options.items():
        if value is not None:
            raise SettingsError(f"option '{name}' ({value}) would have no effect: no file is read")


def lines_of_inputs(inputs: Sequence[str], kind: str = "text") -> Iterator[list[str]]:
    """Yield the texts of arguments that are no files: the lines of standard input for "-", and when there are none.

    Args:
        inputs: the arguments.
        kind: what a line holds, for who types it.

    Raises:
        DataError: a line is not UTF-8.
    """
    for argument in list(inputs) or ["-"]:
        if argument != "-":
            yield [argument]
            continue
        if sys.stdin.isatty():
            print(f"one {kind} a line; Ctrl-D ends", file=sys.stderr)  # noqa: T201
        yield from arriving_chunks(standard_input())


def is_file(argument: str) -> bool:
    """Whether a command-line argument is meant as a file."""
    return is_hub(argument) or Path(argument).suffix.lower() in KNOWN_SUFFIXES or os.path.exists(argument)


def standard_input() -> IO[bytes]:
    """Standard input by its own handle: the interpreter aborts at its end while a thread waits for `sys.stdin`."""
    try:
        return open(sys.stdin.fileno(), "rb", closefd=False)
    except io.UnsupportedOperation:  # standard input was replaced by something in memory
        return sys.stdin.buffer


def arriving_chunks(stream: IO[bytes], size: int = _CHUNK) -> Iterator[list[str]]:
    """Yield the lines of a stream as lists: all that are there by now, at most `size`.

    A thread reads ahead by no more than `size` lines, so an endless pipe needs bounded memory, and a line typed alone
    is answered at once.

    Raises:
        DataError: a line is not UTF-8.
    """
    lines: queue.Queue[str | BaseException | None] = queue.Queue(size)

    def read() -> None:
        try:
            for number, line in enumerate(stream, 1):
                lines.put(_decoded(line, number))
            lines.put(None)
        except Exception as error:  # told to the reader of the queue, who raises it
            lines.put(error)

    threading.Thread(target=read, daemon=True).start()
    while True:
        texts: list[str] = []
        line = lines.get()
        while isinstance(line, str):
            texts.append(line)
            if len(texts) == size or lines.empty():
                break
            line = lines.get()
        if texts:
            yield texts
        if isinstance(line, BaseException):
            raise line
        if line is None:
            return


def _decoded(line: bytes, number: int) -> str:
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise DataError(
            f"standard input, line {number}: expected UTF-8, found the byte 0x{line[error.start]:02x} at position "
            f"{error.start + 1}; convert it first, for example with: iconv -f latin1 -t utf-8"
        ) from None
