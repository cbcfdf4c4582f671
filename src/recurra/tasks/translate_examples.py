"""The pairs of a translator: their symbols, as ids, in batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recurra.batch import PairBatch, make_pair_batch
from recurra.config import TranslateConfig, VocabularyConfig
from recurra.data import Texts
from recurra.data.encoded_pairs import EncodedPairs, encode_pairs, one_line
from recurra.data.pairs import Pairs
from recurra.data.reading_notes import say_what_was_read
from recurra.vocabulary import Vocabulary

__all__ = ["BothVocabularies", "PairExamples", "TranslateData", "encode_examples", "learn_vocabularies", "say_both"]


class BothVocabularies(NamedTuple):
    """The symbols of the source and of the target side; the same where one vocabulary serves both."""

    source: Vocabulary
    target: Vocabulary


@dataclass(frozen=True)
class PairExamples:
    """Pairs as they were read, and encoded.

    Attributes:
        pairs: their texts.
        encoded: their ids.
        target_size: V, symbols of the target vocabulary.
    """

    pairs: Pairs
    encoded: EncodedPairs
    target_size: int

    def __len__(self) -> int:
        return len(self.encoded)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """What pairs are batched by: the symbols of both sides."""
        return self.encoded.sources.lengths + self.encoded.targets.lengths

    def sources(self) -> Iterator[str]:
        """The source texts."""
        return (text for chunk in self.pairs.sources.chunks() for text in chunk.texts)

    def targets(self) -> Iterator[str]:
        """The target texts, each on one line, as the decoder writes them."""
        return (one_line(text) for chunk in self.pairs.targets.chunks() for text in chunk.texts)

    def batch(self, chosen: NDArray[np.int64], sampling: float = 0.0) -> PairBatch:
        """Put some pairs side by side.

        Args:
            chosen: their numbers.
            sampling: share of symbols that the decoder reads from itself.
        """
        encoded = self.encoded
        sources, targets = ([side[index] for index in chosen] for side in (encoded.sources, encoded.targets))
        copies = None if encoded.copies is None else [encoded.copies[index] for index in chosen]
        return make_pair_batch(sources, targets, copies, sampling, self.target_size)


@dataclass(frozen=True)
class TranslateData:
    """The examples of a run."""

    train: PairExamples
    valid: PairExamples
    test: PairExamples | None


def learn_vocabularies(config: TranslateConfig, train: Pairs) -> BothVocabularies:
    """Learn the symbols of the training pairs: two vocabularies, or one; the target's has a symbol for the end."""

    def chunks(*sides: Texts) -> Iterator[list[str]]:
        return (chunk.texts for side in sides for chunk in side.chunks())

    if config.one_vocabulary:
        both = Vocabulary.build(chunks(*train), config.vocabulary, has_end=True)
        return BothVocabularies(both, both)
    settings: VocabularyConfig = config.vocabulary.model_copy(update={"tokens": config.target_tokens})
    target = Vocabulary.build(chunks(train.targets), settings, has_end=True)
    return BothVocabularies(Vocabulary.build(chunks(train.sources), config.vocabulary), target)


def encode_examples(config: TranslateConfig, pairs: Pairs, vocabularies: BothVocabularies) -> PairExamples:
    """Turn pairs into ids as the configuration says."""
    settings = config.vocabulary.max_length, config.model.copying
    return PairExamples(pairs, encode_pairs(pairs, *vocabularies, *settings), len(vocabularies.target))


def say_both(part: str, examples: PairExamples) -> None:
    """Log what a part of the pairs holds on either side."""
    sources, targets = examples.encoded.sources, examples.encoded.targets
    cut = [f"{sources.truncated:,} of them cut"] if sources.truncated else []
    for kind, side, remedy, notes in (
        ("sources", sources, "--max-length cuts such texts", cut),
        ("targets", targets, "pairs with such texts are slow: leave them out", []),
    ):
        say_what_was_read(part, side.lengths, side.unknown, kind=kind, remedy=remedy, notes=notes)
