"""Sentences of tokens and, where known, their tags, in the order of the file they come from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recurra.data.faults import Faults
from recurra.data.layout import Block, Layout, TagColumns, objections
from recurra.data.table import batched
from recurra.data.tag_scheme import checked_scheme
from recurra.data.tagged_objects import MemoryLayout
from recurra.errors import DataError, ShapeError
from recurra.spans import Scheme, convert

__all__ = ["Sentence", "TaggedSentences", "TagsOfSentence"]

_CHUNK = 1024


class Sentence(NamedTuple):
    """T tokens, their tags if they are known, and the line of the file where the sentence begins.

    Of sentences in memory the line is the sentence's number, from 1.
    """

    tokens: list[str]
    tags: list[str] | None
    line: int


class TagsOfSentence(NamedTuple):
    """Predicted tags of a sentence, [T], and, if they are known, how sure each is, from 0 to 1, [T]."""

    tags: Sequence[str]
    confidences: Sequence[float] | None = None


class _Counts(NamedTuple):
    """Of a file: sentences in all and in the part that is meant; of these, tokens, and how often each tag occurs."""

    all: int
    sentences: int
    tokens: int
    tags: dict[str, int]


class TaggedSentences:
    """Tagged sentences in file order; read anew, in chunks, each time they are asked for, and never held whole.

    A token is never empty; nor is a tag, which has no white space around it. A sentence may be empty in JSON lines.

    Attributes:
        name: what messages call them.
        labelled: whether the tags are known.
        columns: the columns they come from.
        form: the format of their file.
        end: what the file must end with for another to follow it in one file; None where none can.
    """

    def __init__(
        self,
        layout: Layout,
        *,
        name: str | None = None,
        part: tuple[NDArray[np.uint8], int] | None = None,
        conversion: tuple[Scheme, Scheme] | None = None,
    ) -> None:
        self.name = layout.name if name is None else name
        self.labelled = layout.tagged
        self.columns: TagColumns = layout.columns
        self.form = layout.form
        self.end = layout.end
        self._layout = layout
        self._part = part
        self._conversion = conversion
        self._counts: _Counts | None = None
        self._scheme: Scheme | None = None
        self._scheme_known = False

    @classmethod
    def from_lists(
        cls, tokens: Sequence[Sequence[str]], tags: Sequence[Sequence[str]] | None = None, name: str = "sentences"
    ) -> TaggedSentences:
        """Make them from lists of tokens and of tags in memory.

        Raises:
            DataError: tokens and tags differ in number, one is no string or empty, or there is no sentence.
        """
        made = cls(MemoryLayout(name, tokens, tags))
        made.check()
        return made

    def __iter__(self) -> Iterator[Sentence]:
        for block in self._blocks():
            if block.tokens is not None:
                yield Sentence(block.tokens, self._tags(block), block.line)

    def chunks(self, size: int = _CHUNK) -> Iterator[list[Sentence]]:
        """Yield the sentences, at most `size` at a time.

        Raises:
            DataError: records that are malformed or have no tag; or the file has changed since it was first read.
        """
        return batched(self, size)

    def check(self) -> None:
        """Read all once, if that has not been done, so that a fault is known before anything is made of the sentences.

        Raises:
            DataError: records that are malformed or have no tag, listed together; or there are no sentences, or, where
                tags are wanted, no tokens.
        """
        if self._counts is not None:
            return
        faults = Faults(self._layout.name, "place")
        sentences = tokens = number = 0
        tags: Counter[str] = Counter()
        for block in self._layout.blocks(faults):
            if block.tokens is None:
                continue
            for position, what in objections(block, self.labelled):
                faults.add(self._layout.where(block, position), what)
            if self._meant(number):
                sentences += 1
                tokens += len(block.tokens)
                tags.update(self._tags(block) or ())
            number += 1
        faults.raise_if_any(self._layout.remedy)
        if not sentences or (self.labelled and not tokens):
            found = "none" if not sentences else f"{sentences:,} without any token"
            raise DataError(f"{self.name}: expected sentences, found {found}")
        self._counts = _Counts(number, sentences, tokens, dict(sorted(tags.items())))

    def __len__(self) -> int:
        return self._counted().sentences

    @property
    def tokens(self) -> int:
        """The number of tokens."""
        return self._counted().tokens

    def tag_counts(self) -> dict[str, int]:
        """Return how often each tag occurs, sorted by tag; empty where tags are not known."""
        return dict(self._counted().tags)

    def scheme(self) -> Scheme | None:
        """Return the scheme that the tags are written in, None if they mark no spans; found once, in all sentences.

        Raises:
            DataError: tags that mix schemes, or break the rules of theirs, listed together.
        """
        if self._conversion is not None:
            return self._conversion[1]
        self.check()
        if not self._scheme_known:
            self._scheme = checked_scheme(self._layout) if self.labelled else None
            self._scheme_known = True
        return self._scheme

    def in_scheme(self, scheme: Scheme) -> TaggedSentences:
        """Return the same sentences with tags of a scheme, those of BILOU in the letters of BIOES, for the same spans.

        Raises:
            DataError: the tags mark no spans, mix schemes, or break the rules of theirs.
        """
        found = self.scheme()
        tags = self.tag_counts()
        if set(tags) <= {"O"} or (found == scheme and not any(tag[0] in "LU" for tag in tags)):
            return self
        if found is None:
            some = ", ".join(repr(tag) for tag in list(tags)[:5])
            raise DataError(f"{self.name}: expected tags that mark spans, to be read as {scheme}, found {some}")
        return TaggedSentences(self._layout, name=self.name, part=self._part, conversion=(found, scheme))

    def part(self, of_sentence: NDArray[np.uint8], number: int, name: str) -> TaggedSentences:
        """Return those sentences, of n, where `of_sentence` [n], a byte a sentence, is `number`.

        Raises:
            ShapeError: not a byte for each sentence, or these are themselves a part.
        """
        if self._part is not None or len(of_sentence) != len(self):
            raise ShapeError(f"{self.name}: expected {len(self):,} bytes, one a sentence, found {len(of_sentence):,}")
        made = TaggedSentences(self._layout, name=name, part=(of_sentence, number), conversion=self._conversion)
        made._scheme, made._scheme_known = self._scheme, self._scheme_known
        return made

    def written(self, predictions: Iterable[TagsOfSentence]) -> Iterator[str]:
        """Yield the text of the file with other tags, sentence by sentence; what is no tag stays as it is.

        Where the file has no tag column one is added, after the others. Confidences go to a last column of their own;
        in CoNLL-U to MISC, as Confidence=0.9812; in JSON lines to a key "confidences". Sentences in memory are written
        as lines of JSON.

        Args:
            predictions: the tags of each sentence, in order; all with confidences, or none.

        Raises:
            ShapeError: they are not as many as the sentences, or as a sentence's tokens.
            DataError: a tag that this format cannot hold.
        """
        remaining = iter(predictions)
        sure: bool | None = None
        for block in self._blocks():
            if block.tokens is None:
                yield "".join(block.records)
                continue
            prediction = next(remaining, None)
            self._require_fit(block, prediction, sure)
            assert prediction is not None
            text = self._layout.written(block, prediction.tags, prediction.confidences)
            if sure is None:
                sure = prediction.confidences is not None
                text = self._layout.heading(sure) + text
            yield text
        if next(remaining, None) is not None:
            raise ShapeError(f"{self.name}: expected tags of {len(self):,} sentences, found more")

    def __repr__(self) -> str:
        return f"TaggedSentences({self.name!r}, labelled={self.labelled})"

    def _counted(self) -> _Counts:
        self.check()
        assert self._counts is not None
        return self._counts

    def _blocks(self) -> Iterator[Block]:
        """Yield the blocks that are meant, and what follows the last sentence."""
        expected = self._counted().all
        faults = Faults(self._layout.name)
        number = 0
        for block in self._layout.blocks(faults):
            self._refuse_change(bool(faults) or number > expected)
            if block.tokens is None or self._meant(number):
                yield block
            number += block.tokens is not None
        self._refuse_change(bool(faults) or number != expected)

    def _meant(self, number: int) -> bool:
        """Return whether a sentence, by its index in the file, is one of these; one too many is found out later."""
        if self._part is None:
            return True
        of_sentence, wanted = self._part
        return number < len(of_sentence) and bool(of_sentence[number] == wanted)

    def _tags(self, block: Block) -> list[str] | None:
        if not self.labelled:
            return None
        return block.tags if self._conversion is None else convert(block.tags, *self._conversion)

    def _refuse_change(self, changed: bool) -> None:
        if changed:
            raise DataError(
                f"{self._layout.name}: expected {self._counted().all:,} sentences, as when it was first read, found "
                f"something else; it was changed meanwhile: run again when nothing writes to it"
            )

    def _require_fit(self, block: Block, prediction: TagsOfSentence | None, sure: bool | None) -> None:
        assert block.tokens is not None
        where = f"{self.name}, the sentence of line {block.line:,}"
        if prediction is None:
            raise ShapeError(f"{where}: expected tags of {len(self):,} sentences, found none for this one")
        for kind, found in (("tags", prediction.tags), ("confidences", prediction.confidences)):
            if found is not None and len(found) != len(block.tokens):
                raise ShapeError(f"{where}: expected {len(block.tokens):,} {kind}, one a token, found {len(found):,}")
        if sure is not None and sure != (prediction.confidences is not None):
            raise ShapeError(f"{where}: expected confidences for all sentences or for none")
