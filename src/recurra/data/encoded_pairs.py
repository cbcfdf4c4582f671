"""Pairs as symbol ids and, for a network that copies, ids of the unknown symbols of each source."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recurra.data.encoded import Encoded, encode
from recurra.data.pairs import Pairs
from recurra.data.text import TextChunk, Texts
from recurra.vocabulary import UNKNOWN, Vocabulary

__all__ = ["CopiedIds", "EncodedPairs", "SourceIds", "encode_pairs", "one_line", "source_ids"]

_log = logging.getLogger("recurra")
_LINE_END = re.compile(r"\r?\n")


@dataclass(frozen=True, kw_only=True)
class CopiedIds(Encoded):
    """Symbol ids of many texts, some of the unknown ones with ids of their own; `ids` itself has UNKNOWN there.

    Attributes:
        positions: where in `ids` they are, ascending.
        values: the ids that they have.
    """

    positions: NDArray[np.int64]
    values: NDArray[np.int32]

    def __getitem__(self, index: int) -> NDArray[np.int32]:
        start, end = self.starts[index], self.starts[index + 1]
        first, last = self.positions.searchsorted((start, end))
        if first == last:
            return self.ids[start:end]
        ids = np.array(self.ids[start:end])
        ids[self.positions[first:last] - start] = self.values[first:last]
        return ids


@dataclass(frozen=True)
class EncodedPairs:
    """Pairs as ids.

    Attributes:
        sources: the ids of each source.
        targets: the ids of each target and END behind; with copying, what is unknown but stands in its source has the
            id that it has in `copies`.
        copies: with copying, the ids of each source in the target vocabulary, the k-th distinct unknown text of a
            source, from 0, being len(vocabulary) + k; else None.
    """

    sources: Encoded
    targets: Encoded
    copies: Encoded | None

    def __len__(self) -> int:
        return len(self.sources)


class SourceIds(NamedTuple):
    """Texts to translate as ids.

    Attributes:
        ids: of each text.
        copies: as in :class:`EncodedPairs`, of each text.
        unknown: with copying, the distinct unknown texts of each text: the k-th
            is what the id len(vocabulary) + k stands for.
    """

    ids: list[list[int]]
    copies: list[list[int]] | None
    unknown: list[list[str]] | None


def one_line(text: str) -> str:
    r"""Return a text with its line ends, which would end a target, as spaces; those around it are left out.

    >>> one_line("to be,\r\nor not\n")
    'to be, or not'
    """
    return _LINE_END.sub(" ", text.strip("\r\n"))


def encode_pairs(
    pairs: Pairs,
    source_vocabulary: Vocabulary,
    target_vocabulary: Vocabulary,
    max_length: int | None = None,
    copying: bool = False,
) -> EncodedPairs:
    """Turn pairs into ids.

    END says that a target is over, so a line feed within one is read as a space, and that is logged: a model can give
    back such a target, the summary of several lines, but on one line.

    Args:
        pairs: what to encode.
        source_vocabulary: of the sources; with copying the target vocabulary.
        target_vocabulary: of the targets; it has END.
        max_length: symbols kept of a longer source.
        copying: whether unknown symbols of a source get ids, for a network that can copy them.

    Raises:
        DataError: the source has changed since it was first read.
        OutputError: the system's temporary folder, where the ids are kept, cannot be written.
    """
    lines = _Lines(pairs.targets)
    sources = encode(pairs.sources, source_vocabulary, max_length=max_length)
    targets = encode(lines, target_vocabulary, with_end=True)
    if lines.broken:
        _log.info("%s: line feeds within %s targets are read as spaces", pairs.targets.name, f"{lines.broken:,}")
    if not copying:
        return EncodedPairs(sources, targets, None)
    copied, answered = _Changes(), _Changes()
    texts = zip(_texts(pairs.sources), _texts(lines), strict=True)
    for number, (source, target) in enumerate(texts):
        if UNKNOWN not in sources[number]:
            continue
        ids, unknown = _with_copies(source, target_vocabulary, len(sources[number]))
        copied.add(sources.starts[number], ids, len(target_vocabulary))
        if UNKNOWN in targets[number]:
            ids = _answer(target, target_vocabulary, unknown)
            answered.add(targets.starts[number], ids, len(target_vocabulary))
    return EncodedPairs(sources, answered.of(targets), copied.of(sources))


def source_ids(
    texts: Sequence[str], vocabulary: Vocabulary, copying: bool = False, max_length: int | None = None
) -> SourceIds:
    """Turn texts to translate into ids.

    Args:
        texts: any number of them.
        vocabulary: of the sources; with copying the target vocabulary.
        copying: whether unknown symbols get ids, for a network that can copy them.
        max_length: symbols kept of a longer text.

    >>> from recurra.config import VocabularyConfig
    >>> words = Vocabulary.build([["I am what I am , I"]], VocabularyConfig(tokens="words", min_count=1))
    >>> source_ids(["I am Ann - Ann"], words, copying=True)
    SourceIds(ids=[[2, 3, 1, 1, 1]], copies=[[2, 3, 6, 7, 6]], unknown=[['Ann', '-']])
    """
    ids = [found[:max_length] for found in vocabulary.encode(list(texts))]
    if not copying:
        return SourceIds(ids, None, None)
    copies: list[list[int]] = []
    unknown: list[list[str]] = []
    for text, plain in zip(texts, ids):
        found, numbers = _with_copies(text, vocabulary, len(plain)) if UNKNOWN in plain else (plain, {})
        copies.append(found)
        unknown.append(list(numbers))
    return SourceIds(ids, copies, unknown)


class _Lines:
    """Texts without line ends within them; counts those that had some."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts
        self.broken = 0

    def chunks(self) -> Iterator[TextChunk]:
        self.broken = 0
        for chunk in self._texts.chunks():
            lines = [one_line(text) for text in chunk.texts]
            self.broken += sum("\n" in text.strip("\r\n") for text in chunk.texts)
            yield TextChunk(lines, chunk.labels)


def _texts(texts: Texts | _Lines) -> Iterable[str]:
    return (text for chunk in texts.chunks() for text in chunk.texts)


def _with_copies(text: str, vocabulary: Vocabulary, length: int) -> tuple[list[int], dict[str, int]]:
    """Return the ids of a source's first symbols, and the id of each of its unknown texts in the order they come."""
    numbers: dict[str, int] = {}
    size = len(vocabulary)
    tokens = vocabulary.tokens(text)[:length]
    return [t.id if t.known else numbers.setdefault(t.text, size + len(numbers)) for t in tokens], numbers


def _answer(text: str, vocabulary: Vocabulary, unknown: dict[str, int]) -> list[int]:
    """Return the ids of a target's symbols, those that are unknown but stand in its source as there."""
    return [token.id if token.known else unknown.get(token.text, UNKNOWN) for token in vocabulary.tokens(text)]


class _Changes:
    """Collects the ids beyond the vocabulary, with where they stand."""

    def __init__(self) -> None:
        self._positions: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
        self._values: list[NDArray[np.int32]] = [np.zeros(0, np.int32)]

    def add(self, start: int, ids: list[int], size: int) -> None:
        """Note those of a text that begins at `start`."""
        found = np.array(ids, np.int32)
        beyond = np.flatnonzero(found >= size)
        self._positions.append(start + beyond)
        self._values.append(found[beyond])

    def of(self, encoded: Encoded) -> CopiedIds:
        """Return the texts with these ids."""
        plain = {field.name: getattr(encoded, field.name) for field in fields(encoded)}
        return CopiedIds(**plain, positions=np.concatenate(self._positions), values=np.concatenate(self._values))
