"""What formats of tagged sentences have in common: a file is made of blocks, which are read and written one by one."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal, NamedTuple

from recurra.data.faults import Faults
from recurra.errors import DataError

__all__ = [
    "Block",
    "Gathering",
    "Layout",
    "TagColumns",
    "TagNeed",
    "column_number",
    "confidence_text",
    "line_end",
    "objections",
]

TagNeed = Literal["required", "no"]

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_CONTROL_NAMES = {"\t": "a tab", "\n": "a line feed", "\r": "a carriage return", "\0": "a NUL"}


class TagColumns(NamedTuple):
    """The columns that are used, as the format names them; the tag column is None where one will be added."""

    token: str
    tag: str | None
    sentence: str | None = None


class Block(NamedTuple):
    """Consecutive records of a file, lines or, in a `.csv` file, rows: those of one sentence and those before it.

    The records of all blocks, put together, are the file, but for its heading.

    Attributes:
        records: as they stand, each with its line end.
        rows: the record that holds each of the T tokens, [T]; empty where one record holds all.
        lines: the line of the file where each token stands, [T].
        line: the line of the first token; of the first record where there is none.
        tokens: [T]; None in what follows the last sentence.
        tags: [T], "" where one is missing; [] where tags are not wanted.
    """

    records: list[str]
    rows: list[int]
    lines: list[int]
    line: int
    tokens: list[str] | None
    tags: list[str]


class Layout(ABC):
    """A source of tagged sentences: how its blocks are found, and how one is written with other tags.

    Attributes:
        name: what messages call it.
        columns: the columns that are used.
        tagged: whether tags are read.
        remedy: what an error about malformed records advises.
        form: what the format is called.
        end: what a file must end with for another to follow it in one file; None where none can.
    """

    remedy: ClassVar[str]
    form: ClassVar[str]
    end: ClassVar[str | None]

    def __init__(self, name: str, columns: TagColumns, tagged: bool) -> None:
        self.name = name
        self.columns = columns
        self.tagged = tagged

    @abstractmethod
    def blocks(self, faults: Faults) -> Iterator[Block]:
        """Yield the blocks from first to last; a record that is malformed is noted and left out."""

    @abstractmethod
    def written(self, block: Block, tags: Sequence[str], confidences: Sequence[float] | None) -> str:
        """Return a block's text with tags [T] in place of its own, and with confidences [T] if there are any.

        With its own tags and no confidences it is what stands in the file.

        Raises:
            DataError: a tag that cannot be written in this format.
        """

    def heading(self, confidences: bool) -> str:
        """Return what stands in the file before its blocks, with a column of confidences if there will be one."""
        return ""

    def where(self, block: Block, token: int) -> str:
        """Return what messages call the place of a token, given by its index."""
        return f"line {block.lines[token]:,}"


class Gathering:
    """A block in the making, record by record."""

    def __init__(self) -> None:
        self.records: list[str] = []
        self.rows: list[int] = []
        self._lines: list[int] = []
        self._tokens: list[str] = []
        self._tags: list[str] = []
        self._first = 0

    def add(self, record: str, line: int) -> None:
        """Add a record that holds no token."""
        if not self.records:
            self._first = line
        self.records.append(record)

    def add_token(self, record: str, line: int, token: str, tag: str) -> None:
        """Add a record that holds a token and its tag, "" where that is missing or not wanted."""
        self.add(record, line)
        self.rows.append(len(self.records) - 1)
        self._lines.append(line)
        self._tokens.append(token)
        self._tags.append(tag)

    def block(self, tagged: bool) -> Block:
        """Return the block; its tokens are None if no record held one."""
        line = self._lines[0] if self._lines else self._first
        tokens = self._tokens if self._tokens else None
        return Block(self.records, self.rows, self._lines, line, tokens, self._tags if tagged else [])


def objections(block: Block, tagged: bool) -> Iterator[tuple[int, str]]:
    """Yield the index of each token that is empty, cannot be written in every format, or has no tag, and what it is."""
    tokens = block.tokens or []
    whole = "".join(tokens) + "".join(block.tags)
    suspect = _CONTROL.search(whole) is not None or not _encodable(whole)
    for position, token in enumerate(tokens):
        if not token or token.isspace():
            yield position, f"expected a token, found {token!r}" if token else "expected a token, found none"
        if tagged and not block.tags[position]:
            yield position, f"expected a tag for the token '{token}', found none"
        if suspect:
            for kind, text in (("token", token), ("tag", block.tags[position] if tagged else "")):
                if why := _unwritable(text):
                    yield position, f"the {kind} {text!r} holds {why}"


def confidence_text(confidence: float) -> str:
    """Return a confidence, from 0 to 1, as it is written: with four decimals."""
    return f"{confidence:.4f}"


def line_end(record: str) -> tuple[str, str]:
    r"""Return a record without its line end, and that line end.

    >>> line_end("a O\r\n")
    ('a O', '\r\n')
    """
    body = record.removesuffix("\n")
    if body != record:
        body = body.removesuffix("\r")
    return body, record[len(body) :]


def column_number(name: str, column: str | int, width: int, option: str, *, named: str = "by number") -> int:
    """Return the index of a column that was given by number, from 1, or, from the last, -1.

    Raises:
        DataError: no such column.
    """
    try:
        number = int(column)
    except ValueError:
        raise DataError(
            f"{name}: {option}: its columns are named {named}, found '{column}'; say 1 to {width}"
        ) from None
    if not 1 <= abs(number) <= width:
        raise DataError(
            f"{name}: {option}: expected a column from 1 to {width}, or from -{width} to -1, found {number}"
        )
    return number - 1 if number > 0 else width + number


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _unwritable(text: str) -> str | None:
    found = _CONTROL.search(text)
    if found is not None:
        character = found.group()
        return _CONTROL_NAMES.get(character, "a control character") + f" (U+{ord(character):04X})"
    return None if _encodable(text) else "half of a surrogate pair, which is no character"
