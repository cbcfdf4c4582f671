"""Which item of an input is to be explained: one of a file, or a text by itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeVar

from recurra.data import Texts
from recurra.errors import DataError
from recurra.inputs import is_file

__all__ = ["Given", "item_of", "text_of_input"]

_Item = TypeVar("_Item")


class Given(NamedTuple):
    """A text, and what it is called: itself or, of a file, where it stands."""

    text: str
    source: str


def item_of(found: Iterable[_Item], number: int, given: str, kind: str) -> _Item:
    """Take one of the items that were found.

    Args:
        found: the items, of which no more are read than are needed.
        number: of the item, from 1.
        given: where they were looked for.
        kind: what one is, such as "text".

    Raises:
        DataError: there are fewer.
    """
    count = 0
    for count, each in enumerate(found, start=1):
        if count == number:
            return each
    if not count:
        raise DataError(f"{given}: expected a {kind} to explain, found none")
    raise DataError(f"{given}: expected a {kind} number {number:,}, found {count:,} in all")


def text_of_input(given: str, chunks: Iterable[Sequence[str]], number: int) -> Given:
    """Take one text of what was given.

    Args:
        given: a text, a file, or "-" for standard input.
        chunks: the texts that it is.
        number: of the text, from 1.

    Raises:
        DataError: there is none of that number, or it holds half of a surrogate pair.
    """
    text = item_of((text for texts in chunks for text in texts), number, given, "text")
    Texts.from_lists([text])
    if given == "-":
        return Given(text, f"line {number:,} of standard input")
    return Given(text, f"text {number:,} of {given}" if is_file(given) else given)
