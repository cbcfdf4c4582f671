"""Texts as symbol ids, kept in a memory-mapped file, so that data larger than memory stay on disk."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from recurra.data.text import TextChunk
from recurra.files import failures_named
from recurra.vocabulary import UNKNOWN, Vocabulary

__all__ = ["Encoded", "TextSource", "encode"]


class TextSource(Protocol):
    """What texts are read from, such as :class:`recurra.data.text.Texts`."""

    def chunks(self) -> Iterator[TextChunk]: ...


@dataclass(frozen=True)
class Encoded:
    """Symbol ids of many texts, and the numbers of their classes.

    Attributes:
        ids: the ids of all texts, one after the other.
        starts: where each text begins in `ids`, and the end of the last.
        labels: the class of each text, or None.
        unknown: how many of the ids are those of the unknown symbol.
        truncated: how many texts were longer than allowed.
        characters: how many characters the texts have, the ends of lines among them where they are symbols.
    """

    ids: NDArray[np.int32]
    starts: NDArray[np.int64]
    labels: NDArray[np.int64] | None
    unknown: int
    truncated: int
    characters: int = 0

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, index: int) -> NDArray[np.int32]:
        return self.ids[self.starts[index] : self.starts[index + 1]]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """The number of symbols of each text."""
        return np.diff(self.starts)

    @property
    def empty(self) -> int:
        """How many texts have no symbol."""
        return int((self.lengths == 0).sum())

    @property
    def unknown_share(self) -> float:
        """The share of symbols that the vocabulary does not know."""
        return self.unknown / max(1, len(self.ids))


def encode(
    texts: TextSource,
    vocabulary: Vocabulary,
    classes: Sequence[str] | None = None,
    max_length: int | None = None,
    with_end: bool = False,
) -> Encoded:
    """Turn texts into ids in one pass.

    Args:
        texts: what to encode.
        vocabulary: the known symbols.
        classes: the names of the classes in order, when the labels are wanted; each label must be one of them.
        max_length: symbols kept of a longer text.
        with_end: whether the symbol for the end of a line is put behind each text, and for each line feed within one.

    Raises:
        OutputError: the system's temporary folder, where the ids are kept, cannot be written.
    """
    number = {name: index for index, name in enumerate(classes or ())}
    lengths: list[NDArray[np.int64]] = []
    labels: list[NDArray[np.int64]] = []
    unknown = truncated = characters = 0
    with failures_named(Path(tempfile.gettempdir())), tempfile.TemporaryFile() as file:
        for chunk in texts.chunks():
            encoded = vocabulary.encode_lines(chunk.texts) if with_end else vocabulary.encode(chunk.texts)
            if max_length is not None:
                truncated += sum(len(ids) > max_length for ids in encoded)
                encoded = [ids[:max_length] for ids in encoded]
            characters += sum(len(text) + with_end for text in chunk.texts)
            flat = np.concatenate([np.asarray(ids, dtype=np.int32) for ids in encoded])
            unknown += int((flat == UNKNOWN).sum())
            file.write(flat.tobytes())
            lengths.append(np.array([len(ids) for ids in encoded], dtype=np.int64))
            if classes is not None and chunk.labels is not None:
                labels.append(np.array([number[label] for label in chunk.labels], dtype=np.int64))
        file.flush()
        starts = np.concatenate([np.zeros(1, np.int64), *lengths]).cumsum()
        ids = np.memmap(file, np.int32, "r") if starts[-1] else np.zeros(0, np.int32)
    return Encoded(ids, starts, np.concatenate(labels) if labels else None, unknown, truncated, characters)
