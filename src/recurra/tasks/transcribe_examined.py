"""What `recurra check`, `recurra diagnose` and `recurra explain` ask of a transcriber."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recurra.batch import FrameBatch, TranscriptBatch, make_frame_batch
from recurra.config import TranscribeConfig
from recurra.data.encoded_recordings import EncodedRecordings, hear
from recurra.data.recording_splits import load_recording_splits, reading_like_training
from recurra.data.recordings import Recordings, load_recordings
from recurra.nn.transcription import TranscriptionNetwork
from recurra.tasks.base import Task
from recurra.tasks.examined import OtherEnd, RecurrentCall, as_told, drawn_groups
from recurra.tasks.transcribe_facts import TranscribeFacts
from recurra.tasks.tried import own_data

__all__ = ["ExaminedTranscriber"]

_TRIED = 64  # recordings


class ExaminedTranscriber(Task):
    """A transcriber as it is looked into: a sequence is the scaled frames of a recording, each a list of numbers.

    Attributes:
        known: what it knows beside its weights.
    """

    config: TranscribeConfig
    known: TranscribeFacts
    network: TranscriptionNetwork

    def sequences(self, source: str | None, **reading: Any) -> list[list[list[float]]]:
        """Features of recordings: of a source, of the training data, or else random ones."""
        found = source or own_data(self.config, "features")
        if found is None:
            chance = np.random.default_rng(0)
            lengths = chance.integers(1, 120, _TRIED)
            return [chance.standard_normal((length, self.known.size)).round(4).tolist() for length in lengths]
        told = reading if source else {**reading_like_training(found, self.config.data), **reading}
        told.pop("group_column", None)
        recordings = load_recordings(found, text="optional", preferred=self.known.columns, **told)
        few = recordings.part(np.arange(len(recordings)) < _TRIED, recordings.name)
        return [frames.tolist() for frames in self.hear(few).features]

    def responses(self, sequences: Sequence[list[list[float]]], padding: int = 0) -> list[Tensor]:
        """The probability of each symbol at each step, [T', V]."""
        batch = self._batch(sequences)
        chance = torch.Generator().manual_seed(0)
        noise = torch.randn(len(sequences), padding, self.known.size, generator=chance)
        with torch.inference_mode():
            found, lengths = self.network(torch.cat([batch.values, noise], dim=1), batch.lengths)
        return [found[:length, row].exp() for row, length in enumerate(lengths.tolist())]

    def recurrent_call(self, sequences: Sequence[list[list[float]]]) -> RecurrentCall:
        """The recurrent layers, and what they read of the recordings."""
        batch = self._batch(sequences)
        with torch.no_grad():
            return RecurrentCall(self.network.recurrent, *self.network.recurrent_inputs(batch.values, batch.lengths))

    def other_end(self, sequence: list[list[float]]) -> OtherEnd | None:
        """The same recording with the sign of its second half turned, if the model follows a stream."""
        stack = self.config.model.stack
        kept = len(sequence) // (2 * stack)
        if self.config.model.bidirectional or not kept:
            return None
        first, second = sequence[: kept * stack], sequence[kept * stack :]
        return OtherEnd([*first, *([-value for value in frame] for frame in second)], kept)

    def load_labelled(self, source: str, **reading: Any) -> EncodedRecordings:
        """Read recordings with their transcripts."""
        return self.hear(load_recordings(source, preferred=self.known.columns, **reading))

    def own_examples(self, most: int) -> EncodedRecordings:
        """The first validation recordings of the run."""
        valid = load_recording_splits(as_told(self.config.data), self.config.train.seed).valid
        return self.hear(valid.part(np.arange(len(valid)) < most, valid.name))

    def grouped(self, examples: EncodedRecordings, most: int) -> list[TranscriptBatch]:
        """Some of the recordings in batches; those that are too short for their transcripts have no loss."""
        possible = np.flatnonzero(examples.possible)
        return [examples.batch(possible[group]) for group in drawn_groups(examples.lengths[possible], most)]

    def hear(self, recordings: Recordings) -> EncodedRecordings:
        """Read recordings as those of training were."""
        config = self.config
        return hear(
            recordings, config.features, self.known.stats, self.vocabulary, config.model.stack, refuse_impossible=False
        )

    def _batch(self, sequences: Sequence[list[list[float]]]) -> FrameBatch:
        return make_frame_batch([np.array(frames, np.float32).reshape(-1, self.known.size) for frames in sequences])
