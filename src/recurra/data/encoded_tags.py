"""Tagged sentences as numbers, kept in a memory-mapped file, so that data larger than memory stay on disk."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recurra.batch import Spelling, TokenBatch, make_token_batch
from recurra.data.reading_notes import say_what_was_read
from recurra.data.spelling import spell
from recurra.data.tagged import Sentence
from recurra.files import failures_named
from recurra.vocabulary import UNKNOWN, Vocabulary

__all__ = ["EncodedSentences", "Numbered", "Words", "encoded", "number_sentences"]


class Numbered(NamedTuple):
    """Sentences as numbers of words and tags.

    Attributes:
        table: of each token the number of its word, and of its tag where that is known; [N, 2] or [N, 1].
        starts: where each sentence begins in `table`, and the end of the last, [n + 1].
        text: the distinct words, as they are written, by their numbers.
    """

    table: NDArray[np.int32]
    starts: NDArray[np.int64]
    text: list[str]

    def counts(self) -> dict[str, int]:
        """How often each word occurs."""
        return dict(zip(self.text, np.bincount(self.table[:, 0], minlength=len(self.text)).tolist()))


@dataclass(frozen=True)
class Words:
    """The U distinct words of some sentences, as they are written.

    Attributes:
        text: of each.
        ids: of each in the vocabulary, [U].
        spellings: the character ids of each; None for a network that reads none.
    """

    text: list[str]
    ids: NDArray[np.int32]
    spellings: list[NDArray[np.int32]] | None


@dataclass(frozen=True)
class EncodedSentences:
    """Numbers of the words and tags of n sentences of N tokens.

    Attributes:
        table: as of :class:`Numbered`.
        starts: likewise.
        words: what the numbers of words mean.
        tags: what the numbers of tags mean.
    """

    table: NDArray[np.int32]
    starts: NDArray[np.int64]
    words: Words
    tags: list[str]

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """The number of tokens of each sentence, [n]."""
        return np.diff(self.starts)

    @property
    def unknown(self) -> NDArray[np.bool_]:
        """Which tokens the vocabulary does not know, [N]."""
        found: NDArray[np.bool_] = self.words.ids[self.table[:, 0]] == UNKNOWN
        return found

    def batch(self, chosen: NDArray[np.int64]) -> TokenBatch:
        """Put some sentences side by side, with their tags where these are known."""
        rows = [self.table[self.starts[index] : self.starts[index + 1]] for index in chosen]
        words = [row[:, 0] for row in rows]
        labels = [row[:, 1] for row in rows] if self.table.shape[1] > 1 else None
        spelling = None if self.words.spellings is None else Spelling(words, self.words.spellings)
        return make_token_batch([self.words.ids[numbers] for numbers in words], labels, spelling)

    def say_what_was_read(self, part: str) -> None:
        """Log how much there is, and warn of long sentences."""
        remedy = "divide it where that makes sense"
        say_what_was_read(part, self.lengths, int(self.unknown.sum()), kind="sentences", remedy=remedy)

    def text(self) -> list[list[str]]:
        """The words of each sentence."""
        return self._divided(self.words.text, self.table[:, 0])

    def tagged(self, numbers: NDArray[np.int32] | None = None) -> list[list[str]]:
        """The tags of each sentence: its own, or those of the given numbers [N]."""
        return self._divided(self.tags, self.table[:, 1] if numbers is None else numbers)

    def _divided(self, names: Sequence[str], numbers: NDArray[np.int32]) -> list[list[str]]:
        flat = [names[number] for number in numbers.tolist()]
        return [flat[start:end] for start, end in zip(self.starts[:-1].tolist(), self.starts[1:].tolist())]


def number_sentences(chunks: Iterable[Iterable[Sentence]], tags: Sequence[str] | None = None) -> Numbered:
    """Give each distinct word of some sentences a number, in one pass.

    Args:
        chunks: the sentences.
        tags: the names of the tags in order, when the tags are wanted; each tag must be one of them.

    Raises:
        OutputError: the system's temporary folder, where the numbers are kept, cannot be written.
    """
    of_tag = {name: number for number, name in enumerate(tags or ())}
    of_word: dict[str, int] = {}
    lengths: list[int] = []
    with failures_named(Path(tempfile.gettempdir())), tempfile.TemporaryFile() as file:
        for chunk in chunks:
            for sentence in chunk:
                row = [of_word.setdefault(token, len(of_word)) for token in sentence.tokens]
                columns = [row] if tags is None else [row, [of_tag[tag] for tag in sentence.tags or ()]]
                file.write(np.array(columns, np.int32).T.tobytes())
                lengths.append(len(row))
        file.flush()
        width, tokens = 1 if tags is None else 2, sum(lengths)
        flat = np.asarray(np.memmap(file, np.int32, "r")) if tokens else np.zeros(0, np.int32)
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])
    return Numbered(flat.reshape(tokens, width), starts, list(of_word))


def encoded(
    numbered: Numbered, vocabulary: Vocabulary, characters: str | None, tags: Sequence[str]
) -> EncodedSentences:
    """Look the words of sentences up.

    Args:
        numbered: the sentences.
        vocabulary: of words.
        characters: those that are known; None for a network that reads none.
        tags: the names of the tags in order.
    """
    ids = np.array(vocabulary.lookup(numbered.text), np.int32)
    spellings = None if characters is None else spell(numbered.text, characters)
    return EncodedSentences(numbered.table, numbered.starts, Words(numbered.text, ids, spellings), list(tags))
