"""Symbols as running text again: with spaces where they belong, and byte pairs as whole characters."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable

from recurra.vocabulary import END, Vocabulary

__all__ = ["TextStream", "symbol_text", "written"]

_NO_SPACE_BEFORE = re.compile(r"^[.,;:!?%)\]}’…]")  # noqa: RUF001  of a mark that closes
_NO_SPACE_AFTER = re.compile(r"[(\[{‘$#]$")  # noqa: RUF001  of a mark that opens


def written(vocabulary: Vocabulary, tokens: str, ids: Iterable[int]) -> str:
    """The text of some symbols.

    Args:
        vocabulary: that the ids are of.
        tokens: what its symbols are, as the option of that name.
        ids: of the symbols; the end of a line is a line feed.

    >>> from recurra.config import VocabularyConfig
    >>> words = Vocabulary.build([["to be, or not"]], VocabularyConfig(), has_end=True)
    >>> written(words, "words", words.encode(["to be, or not"])[0])
    'to be, or not'
    """
    stream = TextStream(vocabulary, tokens)
    return "".join([*map(stream.write, ids), stream.end()])


def symbol_text(vocabulary: Vocabulary, tokens: str, id_: int) -> str:
    r"""A symbol by itself, but for the end of a line; bytes that make no whole character as ``\xe2``.

    Args:
        vocabulary: that the id is of.
        tokens: what its symbols are, as the option of that name.
        id_: of the symbol.
    """
    if tokens == "bpe":
        return vocabulary.byte_pair(id_).decode("utf-8", "backslashreplace")
    return vocabulary.symbol(id_)


class TextStream:
    """Symbols as running text, piece by piece.

    Args:
        vocabulary: of the model.
        tokens: what its symbols are, as the option of that name.
        before: the text so far, which tells whether a space is needed.
    """

    def __init__(self, vocabulary: Vocabulary, tokens: str, before: str = "") -> None:
        self._vocabulary = vocabulary
        self._tokens = tokens
        self._last = before[-1:]
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def write(self, id_: int) -> str:
        """The text that a symbol adds; byte pairs that end within a character keep it back until it is whole."""
        if id_ == END and self._vocabulary.has_end:
            return self._add(self.end() + "\n")
        if self._tokens == "bpe":
            return self._add(self._decoder.decode(self._vocabulary.byte_pair(id_)))
        return self.write_symbol(self._vocabulary.symbol(id_))

    def write_symbol(self, symbol: str) -> str:
        """The text that a symbol adds which the vocabulary need not have; not for byte pairs."""
        spaced = self._tokens != "characters" and self._last not in ("", "\n", " ")
        if self._tokens == "words" and (_NO_SPACE_BEFORE.search(symbol) or _NO_SPACE_AFTER.search(self._last)):
            spaced = False
        return self._add(f" {symbol}" if spaced else symbol)

    def end(self) -> str:
        """What is left: bytes that make no whole character, as U+FFFD."""
        return self._decoder.decode(b"", final=True)

    def _add(self, text: str) -> str:
        self._last = text[-1:] or self._last
        return text
