"""What `recurra check`, `recurra diagnose` and `recurra explain` ask of a tagger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recurra.batch import TokenBatch, padded_further, random_sequences
from recurra.config import TagConfig
from recurra.data import Sentence, TaggedSentences, load_tagged
from recurra.data.encoded_tags import EncodedSentences, Numbered, encoded, number_sentences
from recurra.data.tag_splits import in_one_form, load_tag_splits, reading_like, refuse_unseen
from recurra.kernels.layout import Layout
from recurra.nn.tagger import TaggerNetwork
from recurra.tasks.base import Task
from recurra.tasks.examined import OtherEnd, RecurrentCall, as_told, drawn_groups
from recurra.tasks.tag_facts import TagFacts
from recurra.tasks.tried import own_data

__all__ = ["ExaminedTagger"]


class ExaminedTagger(Task):
    """A tagger as it is looked into: a sequence is the words of a sentence.

    Attributes:
        known: its tags, their scheme, and its characters.
    """

    config: TagConfig
    known: TagFacts
    network: TaggerNetwork

    def sequences(self, source: str | None, **reading: Any) -> list[list[str]]:
        """The words of sentences: of a source, of the training data's file, or else random ones."""
        found = source or own_data(self.config, "words")
        if found is None:
            symbols = self.vocabulary.symbols()
            return [[symbols[id_] for id_ in ids] for ids in random_sequences(len(symbols), 64)]
        return [sentence.tokens for sentence in self.load_unlabelled(found, reading)]

    def responses(self, sequences: Sequence[list[str]], padding: int = 0) -> list[Tensor]:
        """The probability of each tag of each token, [T, K] for each sentence."""
        with torch.inference_mode():
            batch = padded_further(self.batch_of(sequences), padding, len(self.vocabulary))
            emissions, layout = self.network(batch)
            found = self.network.probabilities(emissions, layout)
            rows = layout.unpack(found, max(map(len, sequences), default=0), batch_first=True)
        return [row[: len(words)].contiguous() for row, words in zip(rows, sequences)]

    def recurrent_call(self, sequences: Sequence[list[str]]) -> RecurrentCall | None:
        """The recurrent layers and what they read: embeddings and, if there are any, characters."""
        if self.network.recurrent is None:
            return None
        batch = self.batch_of(sequences)
        layout = Layout.from_lengths(batch.lengths)
        inputs = layout.unpack(self.network.embed(batch, layout).detach(), batch.values.shape[1], batch_first=True)
        return RecurrentCall(self.network.recurrent, inputs, batch.lengths)

    def other_end(self, sequence: list[str]) -> OtherEnd | None:
        """The same sentence with the words of its second half from the last to the first, if tags know none to come."""
        recurrent, kept = self.network.recurrent, len(sequence) // 2
        if recurrent is None or recurrent.bidirectional or self.network.crf is not None or not kept:
            return None
        return OtherEnd([*sequence[:kept], *reversed(sequence[kept:])], kept)

    def load_labelled(self, source: str, **reading: Any) -> EncodedSentences:
        """Read tagged sentences; those of the form of the training file by its columns."""
        told = reading_like(source, self.config.data, self.known.format, reading)
        return self.encode(self.in_known_tags(load_tagged(source, labels="required", **told)))

    def own_examples(self, most: int) -> EncodedSentences:
        """The validation sentences of the run."""
        return self.encode(self.in_known_tags(load_tag_splits(as_told(self.config.data), self.config.train.seed).valid))

    def grouped(self, examples: EncodedSentences, most: int) -> list[TokenBatch]:
        """Some of the sentences in batches."""
        return [examples.batch(group) for group in drawn_groups(examples.lengths, most)]

    def in_known_tags(self, sentences: TaggedSentences) -> TaggedSentences:
        """Return the sentences in the model's scheme.

        Raises:
            DataError: they have tags that training had not.
        """
        found = in_one_form(sentences, self.known.scheme)
        refuse_unseen(found, self.known.tags)
        return found

    def load_unlabelled(self, source: str, reading: Mapping[str, Any]) -> TaggedSentences:
        """Open sentences; those of the form of the training file by its columns."""
        told = reading_like(source, self.config.data, self.known.format, reading)
        return load_tagged(source, labels="no", **told)

    def batch_of(self, sequences: Sequence[Sequence[str]]) -> TokenBatch:
        """Put the words of sentences side by side."""
        chunk = [Sentence(list(words), None, 0) for words in sequences]
        return self._encoded(number_sentences([chunk])).batch(np.arange(len(chunk)))

    def encode(self, sentences: TaggedSentences) -> EncodedSentences:
        """Encode sentences, with their tags where these are known."""
        return self._encoded(number_sentences([sentences], self.known.tags if sentences.labelled else None))

    def _encoded(self, numbered: Numbered) -> EncodedSentences:
        characters = self.known.characters if self.config.model.characters else None
        return encoded(numbered, self.vocabulary, characters, self.known.tags)
