"""Transcription: text from audio, by connectionist temporal classification."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein
from torch import Tensor, nn

from recurra.batch import TranscriptBatch, length_sorted, shuffled_batches
from recurra.config import TranscribeConfig
from recurra.ctc_search import best_path
from recurra.data.encoded_recordings import EncodedRecordings, find_sample_rate, hear, make_log_mel
from recurra.data.features import FeatureStats, LogMel
from recurra.data.recording_columns import RecordingColumns
from recurra.data.recording_splits import RecordingSplits, load_recording_splits
from recurra.errors import DataError
from recurra.metrics import share_and_error
from recurra.nn.transcription import TranscriptionNetwork
from recurra.tables import ScoreTable
from recurra.tasks.base import Loss, Start, Validation
from recurra.tasks.headline import ANY, Headline
from recurra.tasks.transcribe_examined import ExaminedTranscriber
from recurra.tasks.transcribe_facts import TranscribeFacts
from recurra.tasks.transcribed import answers
from recurra.tasks.transcripts import Decoding, make_decoding
from recurra.transcription_scores import MostFrequent, full_scores, most_frequent
from recurra.transcription_tables import transcription_remarks, transcription_tables
from recurra.vocabulary import Vocabulary

__all__ = ["Transcribe", "TranscribeData"]

_SEARCHING = ("beam", "language_model", "language_weight", "language_bonus")
_FRAMES = 2**16  # of a batch that is scored, padding included


@dataclass(frozen=True)
class TranscribeData:
    """The encoded recordings of a run."""

    train: EncodedRecordings
    valid: EncodedRecordings
    test: EncodedRecordings | None


class Transcribe(ExaminedTranscriber):
    """Transcribe recordings.

    Attributes:
        data: the recordings, when made from data.
    """

    name = "transcribe"
    title = "Transcriber"
    score = "character error rate"
    unit = "frames"
    intervals = "95 % bootstrap over the recordings"
    enough_steps = 2000
    reading = ("path_column", "text_column", "delimiter", "header")
    evaluating: ClassVar[tuple[str, ...]] = _SEARCHING
    answering: ClassVar[tuple[str, ...]] = (*_SEARCHING, "chunk", "sample_rate")

    def __init__(
        self,
        config: TranscribeConfig,
        vocabulary: Vocabulary,
        known: TranscribeFacts,
        data: TranscribeData | None = None,
    ) -> None:
        self.config = config
        self.vocabulary = vocabulary
        self.known = known
        self.data = data
        torch.manual_seed(config.train.seed)
        self.network = TranscriptionNetwork(
            known.size,
            len(vocabulary),
            config.model,
            time_masks=config.train.time_masks,
            frequency_masks=config.train.frequency_masks,
        )

    @classmethod
    def from_data(cls, config: TranscribeConfig, start: Start | None = None) -> Transcribe:
        """Read the recordings that the configuration names.

        Errors are those of :func:`load_recording_splits` and :func:`hear`.
        """
        return cls.from_splits(config, load_recording_splits(config.data, config.train.seed))

    @classmethod
    def from_splits(cls, config: TranscribeConfig, splits: RecordingSplits) -> Transcribe:
        """Learn the symbols and the scale of the features from the training recordings, and hear all."""
        rate = find_sample_rate(splits.train, config.features)
        config = config.model_copy(update={"features": config.features.model_copy(update={"sample_rate": rate})})
        vocabulary = Vocabulary.build([splits.train.texts()], config.vocabulary)
        heard = partial(hear, config=config.features, vocabulary=vocabulary, stack=config.model.stack)
        train = heard(splits.train, stats=None, refuse_impossible=True)
        held_out = {
            part: heard(recordings, stats=train.stats, refuse_impossible=False)
            for part, recordings in splits.parts().items()
            if part != "train"
        }
        known = TranscribeFacts(splits.train.columns, train.stats, len(train), int(train.lengths.sum()))
        return cls(config, vocabulary, known, TranscribeData(train, held_out["valid"], held_out.get("test")))

    @classmethod
    def restore(
        cls, config: TranscribeConfig, vocabularies: Mapping[str, Vocabulary], facts: Mapping[str, Any]
    ) -> Transcribe:
        """Make the task again from what a model directory holds."""
        return cls(config, vocabularies["tokenizer.json"], TranscribeFacts.from_json(facts))

    def facts(self) -> dict[str, Any]:
        """The columns, the mean and deviation of the features, and how much there was to hear."""
        return self.known.to_json()

    def steps(self) -> int:
        """How many batches an epoch has."""
        return len(self._shuffled(0))

    def batches(self, epoch: int) -> Iterator[TranscriptBatch]:
        """The training batches of an epoch, recordings of like length together."""
        assert self.data is not None
        for chosen in self._shuffled(epoch):
            yield self.data.train.batch(chosen)

    def loss(self, network: nn.Module, batch: TranscriptBatch, carried: Any = None) -> Loss:
        """Mean negative log-probability of a transcript over all its alignments, by symbol."""
        return Loss(network.loss(batch))  # type: ignore[operator]

    def validate(self) -> Validation:
        """The loss, and the character error rate of the likeliest symbols; the score is its negative."""
        assert self.data is not None
        valid, decoding = self.data.valid, self.decoding()
        errors, losses = [], []
        for number, found in self.log_probabilities(valid):
            if valid.possible[number]:
                losses.append(_loss_of(found, valid.ids[number]))
            said, meant = (
                decoding.text(best_path(decoding.without_unknown(found))),
                self.reference(valid.texts[number]),
            )
            errors.append((Levenshtein.distance(said, meant), len(meant)))
        wrong, characters = np.array(errors, dtype=float).T
        share, error = share_and_error(wrong, characters)
        return Validation(float(np.mean(losses or [0.0])), -share, error)

    @staticmethod
    def shown(score: float) -> str:
        """A validation score as it is shown: the share of wrong characters, in percent."""
        return f"{-100 * score:.1f} %"

    def log_probabilities(self, recordings: EncodedRecordings) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield the number of each recording, the shortest first, and the log-probabilities of its steps, [T', V]."""
        device = next(self.network.parameters()).device
        training = self.network.training
        self.network.eval()
        for chosen in length_sorted(recordings.lengths, self.config.train.batch_size, _FRAMES):
            batch = recordings.batch(chosen).to(device)
            with torch.inference_mode():
                found, lengths = self.network(batch.values, batch.lengths)
            for row, (number, length) in enumerate(zip(chosen.tolist(), lengths.tolist(), strict=True)):
                yield number, found[:length, row].cpu().numpy()
        self.network.train(training)

    def decoding(self, **options: Any) -> Decoding:
        """How transcripts are found, by the options of `recurra predict`; errors as :func:`make_decoding`."""
        step: float = self.config.model.stack
        reach = step
        if self.config.features.sample_rate is not None:  # how long a frame of given features is, is not known
            heard = self.log_mel
            step *= heard.hop / heard.sample_rate
            reach = step + (heard.frame - heard.hop) / heard.sample_rate
        return make_decoding(self.vocabulary, self.config.vocabulary.tokens, step, reach, **options)

    @property
    def stats(self) -> FeatureStats:
        """What scales features."""
        return self.known.stats

    @property
    def columns(self) -> RecordingColumns | None:
        """The names of the path and the text column of the training manifest."""
        return self.known.columns

    @property
    def log_mel(self) -> LogMel:
        """What makes features of samples.

        Raises:
            DataError: the model was trained on features, and how they were made is not known.
        """
        made = make_log_mel(self.config.features)
        if made is None:
            raise DataError(
                "expected features (.npy, .npz), as in training, found audio: how to make them is not known"
            )
        return made

    def held_out(self) -> dict[str, EncodedRecordings]:
        """The validation and, where there are some, the test recordings."""
        assert self.data is not None
        return {"valid": self.data.valid} | ({} if self.data.test is None else {"test": self.data.test})

    def fit_baseline(self) -> MostFrequent:
        """Keep the most frequent transcript."""
        assert self.data is not None
        return MostFrequent(most_frequent([self.reference(text) for text in self.data.train.texts]))

    def restore_baseline(self, tensors: Mapping[str, Tensor]) -> MostFrequent:
        """Make it again."""
        return MostFrequent.from_tensors(tensors)

    def evaluate(self, examples: EncodedRecordings, baseline: MostFrequent, **options: Any) -> dict[str, Any]:
        """Transcribe recordings and score the transcripts, as :func:`recurra.transcription_scores.full_scores`.

        Args:
            examples: recordings with their transcripts.
            baseline: of the training recordings.
            options: those of `evaluating`.
        """
        decoding = self.decoding(**options)
        said = {number: decoding.transcribe(found).text for number, found in self.log_probabilities(examples)}
        return full_scores(
            [said[number] for number in range(len(examples))],
            [self.reference(text) for text in examples.texts],
            [str(path) for path in examples.paths],
            baseline.text,
            sum(examples.unknown.values()) / max(1, sum(map(len, examples.ids))),
        )

    def headline(self) -> Headline:
        """The character error rate."""
        return Headline("character error rate", ("character_error",), higher=False, limits=ANY)

    def tables(self, scores: Mapping[str, Any], title: str, full: bool) -> list[ScoreTable]:
        """The model beside its baseline and, with `full`, its errors."""
        return transcription_tables(scores, title, full)

    def remarks(self, scores: Mapping[str, Any]) -> list[str]:
        """The gain over the baseline."""
        return transcription_remarks(scores)

    def card(self) -> list[str]:
        """What the model was trained on."""
        known, heard = self.known, self.config.features
        if heard.sample_rate:
            much, how = f"{known.frames * heard.hop_ms / 60_000:,.1f} minutes", f"at {heard.sample_rate:,} Hz"
        else:
            much, how = f"{known.frames:,} frames", f"as {known.size} features a frame"
        streams = "it reads from both ends" if self.config.model.bidirectional else "it can follow a stream"
        return [
            f"Trained by recurra on {known.recordings:,} recordings ({much}) of "
            f"`{self.config.data.data}`, heard {how}; symbols are {self.config.vocabulary.tokens}, and {streams}."
        ]

    def example_call(self) -> str:
        """Transcribe a file."""
        return 'model.predict(["speech.wav"])'

    def predict(self, inputs: Sequence[str], **options: Any) -> Iterator[str]:
        """Yield JSON lines, as :func:`recurra.tasks.transcribed.answers`."""
        reading = {name: value for name, value in options.items() if name in self.reading}
        searching = {name: value for name, value in options.items() if name in _SEARCHING}
        told = {name: options[name] for name in ("chunk", "sample_rate") if name in options}
        return answers(self, inputs, self.decoding(**searching), reading, **told)

    def reference(self, text: str) -> str:
        """A transcript as the model writes it: without capitals, if it knows none, and with single spaces."""
        return " ".join(self.vocabulary.normalized(text).split())

    def _shuffled(self, epoch: int) -> list[NDArray[np.int64]]:
        assert self.data is not None
        settings = self.config.train
        return shuffled_batches(self.data.train.lengths, settings.batch_size, settings.seed, epoch)


def _loss_of(log_probabilities: NDArray[np.float32], ids: NDArray[np.int32]) -> float:
    """The loss of a recording whose transcript may be impossible; such a one counts as nothing."""
    steps = torch.from_numpy(log_probabilities).unsqueeze(1)
    targets = torch.from_numpy(ids.astype(np.int64)).unsqueeze(0)
    lengths = torch.tensor([len(log_probabilities)]), torch.tensor([len(ids)])
    loss = nn.functional.ctc_loss(steps, targets, *lengths, reduction="sum", zero_infinity=True)
    return float(loss) / max(1, len(ids))
