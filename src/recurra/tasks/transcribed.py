"""Recordings as `recurra predict` is given them -> JSON lines: whole, or as the sound comes."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
import soxr
import torch
from numpy.typing import NDArray

from recurra.batch import make_frame_batch
from recurra.config import TranscribeConfig
from recurra.data.audio import AUDIO_SUFFIXES, read_audio
from recurra.data.features import FEATURE_SUFFIXES, FeatureStats, LogMel, read_features
from recurra.data.recording_columns import RecordingColumns
from recurra.data.recordings import load_recordings
from recurra.errors import DataError, SettingsError
from recurra.inputs import standard_input
from recurra.nn.transcription import TranscriptionNetwork
from recurra.tasks.listener import Listener
from recurra.tasks.transcripts import Decoding, Transcript

__all__ = ["Hearing", "answers"]

_CHUNK = 0.2  # seconds of samples on standard input
_SAMPLE_BYTES = 2


class Hearing(Protocol):
    """What recordings are transcribed with: a task of transcription."""

    config: TranscribeConfig
    network: TranscriptionNetwork

    @property
    def log_mel(self) -> LogMel:
        """What makes features of samples."""

    @property
    def stats(self) -> FeatureStats:
        """What scales features."""

    @property
    def columns(self) -> RecordingColumns | None:
        """The names of the path and the text column of the training manifest."""


def answers(
    task: Hearing,
    inputs: Sequence[str],
    decoding: Decoding,
    reading: dict[str, Any],
    chunk: float | None = None,
    sample_rate: int | None = None,
) -> Iterator[str]:
    """Yield JSON lines: a recording's transcript, its words with times and confidences, and the real-time factor.

    Args:
        task: what transcribes.
        inputs: recordings, features, manifests or folders; raw 16-bit samples on standard input for "-" or none.
        decoding: how transcripts are found.
        reading: how manifests are read.
        chunk: seconds that are fed at a time, which also yields lines with what was understood so far.
        sample_rate: of raw samples; None for the model's.

    Raises:
        DataError: a file is missing or malformed.
        SettingsError: an option is without effect, or a stream is asked of a bidirectional model.
    """
    given = list(inputs) or ["-"]
    if sample_rate is not None and "-" not in given:
        raise SettingsError(f"option 'sample_rate' ({sample_rate}) would have no effect: no raw samples are read")
    paths = [each for source in given for each in _paths(source, task.columns, reading)]
    for path in paths:
        if path == "-":
            yield from _of_standard_input(task, decoding, chunk, sample_rate)
        elif Path(path).suffix.lower() in FEATURE_SUFFIXES:
            if chunk is not None:
                raise SettingsError(f"option 'chunk' ({chunk}) would have no effect: {path} holds features, not sound")
            yield _of_features(task, path, decoding)
        else:
            samples = read_audio(path, task.log_mel.sample_rate).samples
            if chunk is None:
                yield _whole(task, path, samples, decoding)
            else:
                yield from _in_pieces(task, path, _cut(samples, round(chunk * task.log_mel.sample_rate)), decoding)


def _paths(source: str, columns: RecordingColumns | None, reading: dict[str, Any]) -> list[str]:
    if source == "-" or Path(source).suffix.lower() in (*AUDIO_SUFFIXES, *FEATURE_SUFFIXES):
        return [source]
    return [str(each.path) for each in load_recordings(source, text="optional", preferred=columns, **reading).items]


def _line(path: str, transcript: Transcript, seconds: float | None, factor: float | None) -> str:
    found: dict[str, Any] = {"path": path, **transcript.as_json()}
    if seconds is not None:
        found |= {"seconds": round(seconds, 3), "real_time_factor": round(factor or 0.0, 4)}
    return json.dumps(found, ensure_ascii=False) + "\n"


def _of_features(task: Hearing, path: str, decoding: Decoding) -> str:
    return _line(path, _transcribed(task, read_features(path), decoding), None, None)


def _whole(task: Hearing, path: str, samples: NDArray[np.float32], decoding: Decoding) -> str:
    started, seconds = time.perf_counter(), len(samples) / task.log_mel.sample_rate
    transcript = _transcribed(task, task.log_mel(samples), decoding)
    return _line(path, transcript, seconds, (time.perf_counter() - started) / max(seconds, 1e-9))


def _transcribed(task: Hearing, features: NDArray[np.float32], decoding: Decoding) -> Transcript:
    """The transcript of features [T, F], which are not scaled yet."""
    if features.shape[1] != len(task.stats.mean):
        raise DataError(
            f"features: expected {len(task.stats.mean)} numbers a frame, as in training, found {features.shape[1]}"
        )
    batch = make_frame_batch([task.stats.apply(features)])
    with torch.inference_mode():
        found, _ = task.network(batch.values, batch.lengths)
    return decoding.transcribe(found[:, 0].numpy())


def _in_pieces(task: Hearing, path: str, pieces: Iterable[NDArray[np.float32]], decoding: Decoding) -> Iterator[str]:
    """Lines with the text so far, one whenever it has changed, and the transcript at last."""
    listener, before = Listener(task.network, task.log_mel, task.stats, decoding), ""
    for piece in pieces:
        text = listener.push(piece)
        if text != before:
            partial = {"path": path, "seconds": round(listener.seconds, 3), "partial": text}
            yield json.dumps(partial, ensure_ascii=False) + "\n"
        before = text
    transcript = listener.finish()
    yield _line(path, transcript, listener.seconds, listener.real_time_factor)


def _of_standard_input(
    task: Hearing, decoding: Decoding, chunk: float | None, sample_rate: int | None
) -> Iterator[str]:
    own = task.log_mel.sample_rate
    rate = sample_rate or own
    if sys.stdin.isatty():
        print(f"raw samples: 16 bits, little-endian, one channel, {rate:,} Hz; Ctrl-D ends", file=sys.stderr)  # noqa: T201
    pieces = _resampled(_samples(standard_input(), round((chunk or _CHUNK) * rate)), rate, own)
    if task.config.model.bidirectional:
        if chunk is not None:
            raise SettingsError(
                f"option 'chunk' ({chunk}) would have no effect: the model reads from both ends, so it waits for the "
                "last sample; train with --no-bidirectional to follow a stream"
            )
        yield _whole(task, "-", np.concatenate([np.zeros(0, np.float32), *pieces]), decoding)
    else:
        yield from _in_pieces(task, "-", pieces, decoding)


def _samples(stream: IO[bytes], size: int) -> Iterator[NDArray[np.float32]]:
    """Raw samples as they come, at most `size` at a time, in -1..1."""
    while data := stream.read(size * _SAMPLE_BYTES):
        if len(data) % _SAMPLE_BYTES:
            raise DataError("standard input: expected samples of 16 bits, found an odd number of bytes")
        yield np.frombuffer(data, "<i2").astype(np.float32) / np.float32(32768)


def _resampled(pieces: Iterable[NDArray[np.float32]], rate: int, wanted: int) -> Iterator[NDArray[np.float32]]:
    if rate == wanted:
        yield from pieces
        return
    resampler = soxr.ResampleStream(rate, wanted, 1, dtype="float32")
    for piece in pieces:
        yield resampler.resample_chunk(piece)
    yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)


def _cut(samples: NDArray[np.float32], size: int) -> Iterator[NDArray[np.float32]]:
    size = max(1, size)
    for start in range(0, len(samples), size):
        yield samples[start : start + size]
