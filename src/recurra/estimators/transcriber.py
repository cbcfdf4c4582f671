"""A transcriber as an estimator."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import soundfile
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from recurra.config import RecurrentCell, TranscribeConfig
from recurra.data.divide import PARTS
from recurra.data.memory import texts_in_memory
from recurra.data.recording_splits import RecordingSplits, divide_recordings
from recurra.data.recordings import Recording, Recordings
from recurra.errors import DataError, SettingsError
from recurra.estimators.base import Estimator
from recurra.fusion import make_scorer
from recurra.tasks.listener import Listener
from recurra.tasks.transcribe import Transcribe
from recurra.tasks.transcripts import Transcript
from recurra.train import Callback, train
from recurra.transcription_scores import transcription_scores

__all__ = ["Transcriber"]


class Transcriber(Estimator):
    """Transcribe audio with recurrent layers and CTC; y is a list of transcripts.

    X is a list of paths (WAV, FLAC, OGG, or features as .npy), of samples [n] at `sample_rate` (floats in -1..1, or
    16-bit integers), or of features [T, F].

    Args:
        tokens: ``"characters"``, ``"words"``, ``"spaces"`` or ``"bpe"``.
        lowercase: whether upper and lower case are the same.
        vocabulary_size: most symbols kept; None for 50,000, of byte pairs 8,000.
        min_count: a symbol seen less often in training is unknown, and never written.
        sample_rate: Hz, to which all are resampled, and that of samples in X; None for the lowest of the files.
        mels: bands of the mel scale.
        frame_ms: milliseconds of a frame.
        hop_ms: milliseconds from one frame to the next.
        cell: ``"lstm"``, ``"gru"``, ``"rnn"`` or ``"rnn_relu"``.
        hidden_size: size of the state, for each direction.
        num_layers: stacked layers.
        chrono_steps: over how many steps the gates are to keep from the start; None for no such start.
        dropout: share of values dropped between layers and at the output.
        bidirectional: whether a second net reads from the end; without it, it can stream.
        stack: frames that the network reads at a time, which is its step.
        epochs: passes over the training recordings; None for enough to make 2,000 steps, 3 to 50.
        batch_size: recordings in a step.
        time_masks: stretches of time that are hidden in training.
        frequency_masks: ranges of bands that are hidden in training.
        optimizer: ``"adamw"``, ``"sgd"`` or ``"nt-asgd"``, which averages the weights of SGD.
        nonmonotone: epochs without gain of the validation loss after which ``"nt-asgd"`` begins to average.
        learning_rate: peak step size; SGD wants a far larger one, such as 10.
        weight_decay: decoupled weight decay of AdamW, or that of SGD.
        clip_norm: largest gradient norm.
        schedule: ``"constant"``, ``"linear"`` or ``"cosine"``.
        patience: stop after so many epochs without gain; None for never.
        valid_share: share of the recordings held out to choose the best epoch, when `fit` is given no validation data.
        seed: of everything random.
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
        precision: ``"float32"``, or ``"bfloat16"`` for what enters products in training; the rest stays float32.

    Attributes:
        history_: a record for each epoch.
        task_: the trained network, vocabulary, scales and settings.

    >>> chance = np.random.default_rng(0)
    >>> texts = ["".join(chance.choice(list("ab"), 3)) for _ in range(60)]
    >>> tone = {"a": 0.3, "b": 1.2}
    >>> def sound(text):
    ...     return np.concatenate([part for letter in text for part in
    ...                            (np.sin(tone[letter] * np.arange(800)) / 2, np.zeros(400))])
    >>> model = Transcriber(sample_rate=8000, hidden_size=16, num_layers=1, epochs=12, batch_size=6,
    ...                     learning_rate=0.02, dropout=0.0, time_masks=0, frequency_masks=0)
    >>> model.fit([sound(text) for text in texts], texts).predict([sound("abba"), sound("b")])
    ['abba', 'b']
    """

    def __init__(
        self,
        *,
        tokens: Literal["words", "spaces", "characters", "bpe"] = "characters",
        lowercase: bool = True,
        vocabulary_size: int | None = None,
        min_count: int = 1,
        sample_rate: int | None = None,
        mels: int = 40,
        frame_ms: float = 25.0,
        hop_ms: float = 10.0,
        cell: RecurrentCell = "lstm",
        hidden_size: int = 192,
        num_layers: int = 3,
        chrono_steps: int | None = None,
        dropout: float = 0.3,
        bidirectional: bool = True,
        stack: int = 3,
        epochs: int | None = None,
        batch_size: int = 16,
        time_masks: int = 2,
        frequency_masks: int = 2,
        optimizer: Literal["adamw", "sgd", "nt-asgd"] = "adamw",
        nonmonotone: int = 5,
        learning_rate: float = 2e-3,
        weight_decay: float = 0.01,
        clip_norm: float = 1.0,
        schedule: Literal["constant", "linear", "cosine"] = "cosine",
        patience: int | None = None,
        valid_share: float = 0.1,
        seed: int = 0,
        device: str = "auto",
        precision: Literal["float32", "bfloat16"] = "float32",
    ) -> None:
        self.tokens = tokens
        self.lowercase = lowercase
        self.vocabulary_size = vocabulary_size
        self.min_count = min_count
        self.sample_rate = sample_rate
        self.mels = mels
        self.frame_ms = frame_ms
        self.hop_ms = hop_ms
        self.cell = cell
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.chrono_steps = chrono_steps
        self.dropout = dropout
        self.bidirectional = bidirectional
        self.stack = stack
        self.epochs = epochs
        self.batch_size = batch_size
        self.time_masks = time_masks
        self.frequency_masks = frequency_masks
        self.optimizer = optimizer
        self.nonmonotone = nonmonotone
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.clip_norm = clip_norm
        self.schedule = schedule
        self.patience = patience
        self.valid_share = valid_share
        self.seed = seed
        self.device = device
        self.precision = precision

    def fit(
        self,
        X: Sequence[Any],  # noqa: N803  scikit-learn's name
        y: Sequence[str],
        validation_data: tuple[Sequence[Any], Sequence[str]] | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> Transcriber:
        """Train.

        Args:
            X: n recordings, see above.
            y: their n transcripts.
            validation_data: recordings and transcripts that choose the best epoch; a share of X when None.
            callbacks: told of each step and epoch (:class:`recurra.train.Callback`).

        Raises:
            DataError: recordings and transcripts do not fit together, cannot be heard, or are too few.
            SettingsError: an option is out of range or without effect.
        """
        config: TranscribeConfig = self._run_config("transcribe", validation_data)
        with (
            _files(X, self.sample_rate, "X") as paths,
            _files(_recordings_of(validation_data), self.sample_rate, "validation_data") as others,
        ):
            recordings = _recordings(paths, y, "X", "y")
            if validation_data is None:
                parts = divide_recordings(recordings, {"valid": self.valid_share}, np.random.default_rng(self.seed))
                own, valid = (recordings.part(parts == PARTS[name], f"X ({name})") for name in ("train", "valid"))
            else:
                own, valid = recordings, _recordings(others, validation_data[1], "validation_data", "its y")
            task = Transcribe.from_splits(config, RecordingSplits(own, valid, None))
            self._keep(task, train(task, callbacks=callbacks))
        return self

    def predict(self, X: Sequence[Any], **options: Any) -> list[str]:  # noqa: N803
        """The transcript of each recording; the options are those of :meth:`transcribe`."""
        return [transcript.text for transcript in self.transcribe(X, **options)]

    def transcribe(
        self,
        X: Sequence[Any],  # noqa: N803
        *,
        beam: int | None = None,
        language_model: str | Path | None = None,
        language_weight: float | None = None,
        language_bonus: float | None = None,
    ) -> list[Transcript]:
        """The transcript of each recording, with its words, their times and confidences, as `recurra predict` has them.

        Args:
            X: n recordings, see above.
            beam: how many texts are followed; None for 1, with a language model 16.
            language_model: directory of one that recurra trained, or an ARPA file.
            language_weight: how much of a say it has; None for 0.5.
            language_bonus: nats for each symbol or word; None for 0.5.

        Raises:
            SettingsError: an option is out of range, or without effect.
            DataError: a recording cannot be heard.
        """
        check_is_fitted(self, "task_")
        decoding = self.task_.decoding(
            beam=beam,
            language_model=None if language_model is None else partial(make_scorer, language_model),
            language_weight=language_weight,
            language_bonus=language_bonus,
        )
        if not len(X):
            return []
        with _files(X, self.task_.config.features.sample_rate) as paths:
            heard = self.task_.hear(_recordings(paths, None, "X"))
            found = {number: decoding.transcribe(said) for number, said in self.task_.log_probabilities(heard)}
        return [found[number] for number in range(len(found))]

    def listen(self) -> Listener:
        """What transcribes a stream of samples, piece by piece.

        Raises:
            SettingsError: the model reads from both ends.
            DataError: the model was trained on features.
        """
        check_is_fitted(self, "task_")
        task = self.task_
        return Listener(task.network, task.log_mel, task.stats, task.decoding())

    def score(self, X: Sequence[Any], y: Sequence[str]) -> float:  # noqa: N803
        """The share of characters that are right: 1 - character error rate, at least 0.

        Raises:
            DataError: recordings and transcripts differ in number, or there are none.
        """
        if len(X) != len(y) or not len(X):
            raise DataError(f"y: expected a transcript for each of the {len(X):,} recordings, found {len(y):,}")
        references = [self.task_.reference(text) for text in texts_in_memory(y, "y")]
        return max(0.0, 1 - float(transcription_scores(self.predict(X), references)["character_error"]["value"]))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.target_tags.required = True
        return tags


def _recordings_of(validation_data: tuple[Sequence[Any], Sequence[str]] | None) -> Sequence[Any]:
    return () if validation_data is None else validation_data[0]


def _recordings(paths: Sequence[Path], texts: Sequence[str] | None, name: str, of_texts: str = "y") -> Recordings:
    """Recordings with their transcripts.

    Raises:
        DataError: there are none, or there is not a transcript for each.
    """
    if not len(paths):
        raise DataError(f"{name}: expected recordings, found none")
    if texts is None:
        return Recordings(name, [Recording(path, "") for path in paths], labelled=False)
    told = texts_in_memory(texts, of_texts)
    if len(told) != len(paths):
        raise DataError(
            f"{of_texts}: expected a transcript for each of the {len(paths):,} recordings, found {len(told):,}"
        )
    return Recordings(name, [Recording(path, " ".join((text or "").split())) for path, text in zip(paths, told)])


@contextmanager
def _files(inputs: Sequence[Any], sample_rate: int | None = None, name: str = "X") -> Iterator[list[Path]]:
    """Recordings as files: arrays are written into a folder that is gone behind the block.

    Raises:
        DataError: something that is neither a path nor samples [n] nor features [T, F].
        SettingsError: samples without a sample rate.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for number, one in enumerate(inputs):
            if isinstance(one, str | Path):
                paths.append(Path(one))
            else:
                paths.append(_written(_as_array(one, f"{name}[{number}]"), Path(folder, f"{number}"), sample_rate))
        yield paths


def _as_array(values: Any, name: str) -> NDArray[np.float32]:
    array = np.asarray(values)
    if array.dtype.kind not in "fi" or array.ndim not in (1, 2):
        raise DataError(f"{name}: expected a path, samples [n] or features [T, F], found {type(values).__name__}")
    if array.dtype.kind == "i" and array.ndim == 1:
        if array.dtype != np.int16:
            raise DataError(f"{name}: expected samples as floats in -1..1 or as int16, found {array.dtype}")
        array = array / np.float32(32768)
    numbers: NDArray[np.float32] = array.astype(np.float32)
    return numbers


def _written(array: NDArray[np.float32], place: Path, sample_rate: int | None) -> Path:
    if array.ndim == 2:
        np.save(place.with_suffix(".npy"), array)
        return place.with_suffix(".npy")
    if sample_rate is None:
        raise SettingsError("option 'sample_rate': samples need one, found None; give the Hz that they were taken at")
    soundfile.write(place.with_suffix(".wav"), array, sample_rate, subtype="FLOAT")
    return place.with_suffix(".wav")
