"""Recordings as `recurra predict` is given them -> JSON lines: whole, or as the sound comes."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
import soxr
import torch
from numpy.typing import NDArray

from recurra.batch import make_frame_batch
from recurra.config import TranscribeConfig
from recurra.data.audio import probe_audio, read_audio
from recurra.data.encoded_recordings import require_kind, warn_of_lower_rates
from recurra.data.faults import Faults
from recurra.data.features import FeatureStats, LogMel, read_features
from recurra.data.recording_columns import RecordingColumns, is_recording
from recurra.data.recordings import load_recordings
from recurra.data.table import require_file
from recurra.errors import DataError, SettingsError
from recurra.inputs import standard_input
from recurra.nn.ranges import check_number
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
    _refuse_idle(task, given, reading, chunk, sample_rate)
    paths = [each for source in given for each in _paths(source, task.columns, reading)]
    _require_all(task, paths)
    for path in paths:
        if path == "-":
            yield from _of_standard_input(task, decoding, chunk, sample_rate)
        elif task.config.features.sample_rate is None:
            yield _of_features(task, path, decoding)
        else:
            samples = read_audio(path, task.log_mel.sample_rate).samples
            if chunk is None:
                yield _whole(task, path, samples, decoding)
            else:
                yield from _in_pieces(task, path, _cut(samples, round(chunk * task.log_mel.sample_rate)), decoding)


def _refuse_idle(
    task: Hearing, given: Sequence[str], reading: dict[str, Any], chunk: float | None, sample_rate: int | None
) -> None:
    """Require that what was told has an effect on what was given."""
    if all(source == "-" or is_recording(source) for source in given):
        for name, value in reading.items():
            raise SettingsError(f"option '{name}' ({value}) would have no effect: no manifest is read")
    if sample_rate is not None and "-" not in given:
        raise SettingsError(f"option 'sample_rate' ({sample_rate}) would have no effect: no raw samples are read")
    if chunk is None:
        return
    check_number("chunk", chunk, lambda seconds: 0 < seconds <= 3600, "seconds above 0, at most 3,600")
    if task.config.features.sample_rate is None:
        raise SettingsError(f"option 'chunk' ({chunk}) would have no effect: the model reads features, not sound")
    if task.config.model.bidirectional:
        raise SettingsError(
            f"option 'chunk' ({chunk}) would have no effect: the model reads from both ends, so it waits for the last "
            "sample; train with --no-bidirectional to follow a stream"
        )


def _paths(source: str, columns: RecordingColumns | None, reading: dict[str, Any]) -> list[str]:
    if source == "-" or is_recording(source):
        return [source]
    return [str(each.path) for each in load_recordings(source, text="optional", preferred=columns, **reading).items]


def _require_all(task: Hearing, paths: Sequence[str]) -> None:
    """Require of all files, before the first is answered, that they are there and what the model hears."""
    name, own = f"of {len(paths):,} given", task.config.features.sample_rate
    faults, lower = Faults(name, "recording"), Counter[int]()
    for path in paths:
        try:
            if (rate := _rate(path, own)) < (own or 0):
                lower[rate] += 1
        except DataError as error:
            if len(paths) == 1:
                raise
            where = "standard input" if path == "-" else path
            faults.add(where, str(error).removeprefix(f"{where}: "))
    faults.raise_if_any("mend these recordings, or take them out")
    warn_of_lower_rates(name, lower, own or 0)


def _rate(path: str, own: int | None) -> int:
    """The sample rate of a recording by its header, that of the model where it has none.

    Args:
        path: of the recording, "-" for raw samples.
        own: the model's sample rate, None for one that reads features.

    Raises:
        DataError: it is missing, of the other kind than the model reads, or its header is damaged.
    """
    if path == "-":
        if own is None:
            raise DataError("standard input: expected features (.npy or .npz), as in training, found raw samples")
        return own
    require_kind(Path(path), own is None)
    if own is not None:
        return probe_audio(path).sample_rate
    require_file(Path(path))
    return 0


def _line(path: str, transcript: Transcript, seconds: float, factor: float) -> str:
    found = {"path": path, **transcript.as_json("seconds")}
    return _dumped({**found, "seconds": round(seconds, 3), "real_time_factor": round(factor, 4)})


def _dumped(line: dict[str, Any]) -> str:
    return json.dumps(line, ensure_ascii=False) + "\n"


def _of_features(task: Hearing, path: str, decoding: Decoding) -> str:
    features = read_features(path)
    if features.shape[1] != len(task.stats.mean):
        raise DataError(
            f"{path}: expected {len(task.stats.mean)} numbers in a frame, as in training, found {features.shape[1]}"
        )
    transcript = _transcribed(task, features, decoding, len(features))
    return _dumped({"path": path, **transcript.as_json("frames"), "frames": len(features)})


def _whole(task: Hearing, path: str, samples: NDArray[np.float32], decoding: Decoding) -> str:
    started, seconds = time.perf_counter(), len(samples) / task.log_mel.sample_rate
    transcript = _transcribed(task, task.log_mel(samples), decoding, seconds)
    return _line(path, transcript, seconds, (time.perf_counter() - started) / max(seconds, 1e-9))


def _transcribed(task: Hearing, features: NDArray[np.float32], decoding: Decoding, length: float) -> Transcript:
    """The transcript of features [T, F], which are not scaled yet."""
    batch = make_frame_batch([task.stats.apply(features)])
    with torch.inference_mode():
        found, _ = task.network(batch.values, batch.lengths)
    return decoding.transcribe(found[:, 0].numpy(), length)


def _in_pieces(task: Hearing, path: str, pieces: Iterable[NDArray[np.float32]], decoding: Decoding) -> Iterator[str]:
    """Lines with the text so far, one whenever it has changed, and the transcript at last."""
    listener, before = Listener(task.network, task.log_mel, task.stats, decoding), ""
    for piece in pieces:
        text = listener.push(piece)
        if text != before:
            yield _dumped({"path": path, "seconds": round(listener.seconds, 3), "partial": text})
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
        yield _whole(task, "-", np.concatenate([np.zeros(0, np.float32), *pieces]), decoding)
    else:
        yield from _in_pieces(task, "-", pieces, decoding)


def _samples(stream: IO[bytes], size: int) -> Iterator[NDArray[np.float32]]:
    """Raw samples as they come, at most `size` at a time, in -1..1."""
    while data := stream.read(size * _SAMPLE_BYTES):
        if len(data) % _SAMPLE_BYTES:
            raise DataError(
                "standard input: expected samples of 16 bits, found an odd number of bytes; it was cut off, or is no "
                "raw sound of 16 bits"
            )
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
