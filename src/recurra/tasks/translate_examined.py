"""What `recurra check`, `recurra diagnose` and `recurra explain` ask of a translator."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from recurra.batch import PairBatch, make_batch, make_pair_batch, padding_noise
from recurra.character_profile import Profile, swapped
from recurra.config import TranslateConfig
from recurra.data.pair_splits import load_pair_splits
from recurra.data.pairs import load_pairs
from recurra.nn.translation import TranslationNetwork
from recurra.tasks.base import Task
from recurra.tasks.examined import OtherEnd, RecurrentCall, as_told, drawn_groups
from recurra.tasks.translate_examples import BothVocabularies, PairExamples, encode_examples
from recurra.tasks.translate_facts import TranslateFacts
from recurra.tasks.tried import another_end, sequences_of_pairs

__all__ = ["ExaminedTranslator"]

_log = logging.getLogger("recurra")


class ExaminedTranslator(Task):
    """A translator as it is looked into: a sequence is a pair, the ids of the source and those of the target.

    Attributes:
        both: the vocabularies of the two sides.
        known: what it knows beside.
    """

    config: TranslateConfig
    both: BothVocabularies
    known: TranslateFacts
    network: TranslationNetwork

    def sequences(self, source: str | None, **reading: Any) -> list[tuple[list[int], list[int]]]:
        """The ids of pairs: of a source, of the training data's file, or else random ones."""
        return sequences_of_pairs(self.config, self.both, source, self.known.columns, reading)

    def responses(self, sequences: Sequence[tuple[list[int], list[int]]], padding: int = 0) -> list[Tensor]:
        """The probability of each symbol of each target, [T]."""
        sources, targets = ([sequence[side] for sequence in sequences] for side in (0, 1))
        size = len(self.both.target)
        batch = make_pair_batch(sources, targets, sources if self.config.model.copying else None, target_size=size)

        def widened(values: Tensor, size: int) -> Tensor:
            return torch.cat([values, padding_noise(size, len(sequences), padding)], dim=1)

        batch = batch._replace(
            sources=widened(batch.sources, len(self.both.source)),
            targets=widened(batch.targets, size),
            copies=None if batch.copies is None else widened(batch.copies, size),
        )
        return [row[: len(target)] for row, target in zip(self.network.score(batch).exp(), targets)]

    def recurrent_call(self, sequences: Sequence[tuple[list[int], list[int]]]) -> RecurrentCall:
        """The encoder's recurrent layers and the embeddings they read."""
        batch = make_batch([source for source, _ in sequences])
        vectors = self.network.embed_sources(batch.values).detach()
        return RecurrentCall(self.network.encoder.recurrent, vectors, batch.lengths)

    def other_end(self, sequence: tuple[list[int], list[int]]) -> OtherEnd | None:
        """The same pair, with other symbols in the second half of the target."""
        source, target = sequence
        kept = len(target) // 2
        return OtherEnd((source, another_end(target, kept, len(self.both.target))), kept) if kept else None

    def load_labelled(self, source: str, **reading: Any) -> PairExamples:
        """Read pairs to be scored; warn where the columns seem to be swapped."""
        pairs = load_pairs(source, preferred=self.known.columns, **reading)
        examples = encode_examples(self.config, pairs, self.both)
        profiles = Profile(**self.known.source_profile), Profile(**self.known.target_profile)
        warning = swapped(examples.sources(), examples.targets(), *profiles)
        if warning is not None:
            _log.warning("%s: %s", pairs.sources.name, warning)
        return examples

    def own_examples(self, most: int) -> PairExamples:
        """The validation pairs of the run."""
        return encode_examples(
            self.config, load_pair_splits(as_told(self.config.data), self.config.train.seed).valid, self.both
        )

    def grouped(self, examples: PairExamples, most: int) -> list[PairBatch]:
        """Some of the pairs in batches."""
        return [examples.batch(group) for group in drawn_groups(examples.lengths, most)]
