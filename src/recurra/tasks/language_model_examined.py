"""What `recurra check`, `recurra diagnose` and `recurra explain` ask of a language model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from recurra.batch import Batch, make_batch, padding_noise
from recurra.config import LanguageModelConfig
from recurra.data import Texts, load_texts
from recurra.data.corpus import load_corpus
from recurra.data.encoded import Encoded, encode
from recurra.nn.language_model import LanguageModelNetwork
from recurra.tasks.base import Task
from recurra.tasks.examined import OtherEnd, RecurrentCall, as_told
from recurra.tasks.running_text import score_lines, stream_batches
from recurra.tasks.tried import another_end, sequences_of_texts

__all__ = ["ExaminedLanguageModel"]

_TRIED = 1_000  # symbols of a line that a check reads


class ExaminedLanguageModel(Task):
    """A language model as it is looked into: a sequence is the ids of a line."""

    config: LanguageModelConfig
    network: LanguageModelNetwork

    def sequences(self, source: str | None, **reading: Any) -> list[list[int]]:
        """The first 1,000 ids of each line: of a source, of the training text's file, or else random ones."""
        return sequences_of_texts(self, source, self._columns(), reading, most=_TRIED)

    def responses(self, sequences: Sequence[list[int]], padding: int = 0) -> list[Tensor]:
        """The probability of each symbol of each line, [T]."""
        batch, noise = make_batch(sequences), padding_noise(len(self.vocabulary), len(sequences), padding)
        values = torch.cat([batch.values, noise], dim=1)
        return [found.exp() for found in score_lines(self.network, values, batch.lengths.tolist())]

    def recurrent_call(self, sequences: Sequence[list[int]]) -> RecurrentCall:
        """The recurrent layers and the embeddings they read."""
        batch = make_batch(sequences)
        return RecurrentCall(self.network.recurrent, self.network.embed(batch.values).detach(), batch.lengths)

    def other_end(self, sequence: list[int]) -> OtherEnd | None:
        """The same line, with other symbols in its second half."""
        kept = len(sequence) // 2
        return OtherEnd(another_end(sequence, kept, len(self.vocabulary)), kept) if kept else None

    def load_labelled(self, source: str, **reading: Any) -> Encoded:
        """Read a text to be scored."""
        return self.encode(load_texts(source, labels="no", preferred=self._columns(), **reading))

    def own_examples(self, most: int) -> Encoded:
        """The validation text of the run."""
        return self.encode(load_corpus(as_told(self.config.data)).valid)

    def grouped(self, examples: Encoded, most: int) -> list[Batch]:
        """The beginning of the text in pieces side by side, 128 steps at a time."""
        return stream_batches(examples.ids, most)

    def encode(self, texts: Texts) -> Encoded:
        """Encode lines as the training text was."""
        return encode(texts, self.vocabulary, with_end=True)

    def _columns(self) -> tuple[str, str]:
        """The text column of the training data, taken where a file has it; there is no label."""
        return self.config.data.text_column or "text", ""
