"""Audio files -> samples of one channel at the rate that is wanted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from recurra.data.table import require_file
from recurra.errors import DataError

__all__ = ["AUDIO_SUFFIXES", "Audio", "AudioInfo", "probe_audio", "read_audio", "resample"]

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".sph", ".aiff", ".aif", ".au")
# What libsndfile notes of a header that promises more bytes than there are; it reads the rest without a word.
_CUT = re.compile(r"^\s*(?:data|Data Size|SSND|riff|Riff size)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE)
_UNKNOWN_SIZE = 0x7FFF0000  # programs that write to a pipe promise this many bytes or more, as they cannot go back
_SPHERE_COUNT = re.compile(rb"^sample_count -i (\d+)$", re.MULTILINE)
_SPHERE_HEADER = 1024
_OGG_PAGE = b"OggS\0"  # how a page begins (RFC 3533): what follows is its kind, of which 4 is the last
_OGG_HEADER = 27
_LONGEST_OGG_PAGE = 65_307
_REMEDY = "copy or record it again, or take it out"


class Audio(NamedTuple):
    """Samples [n] of one channel, in -1 to 1, and how many of them are a second."""

    samples: NDArray[np.float32]
    sample_rate: int


class AudioInfo(NamedTuple):
    """What the header of an audio file says."""

    sample_rate: int
    seconds: float
    channels: int


def read_audio(path: str | Path, sample_rate: int | None = None) -> Audio:
    """Read a file of any form that libsndfile knows: WAV, FLAC, OGG and others, of any kind of sample.

    Channels are averaged.

    Args:
        path: the file.
        sample_rate: Hz that are wanted [default: those of the file].

    Raises:
        DataError: the file is missing, empty, no audio, cut off, without samples, or holds NaN or infinite ones.
    """
    with _opened(Path(path)) as file:
        channels: NDArray[np.float32] = file.read(dtype="float32", always_2d=True)
        rate = int(file.samplerate)
        if len(channels) < file.frames:
            raise DataError(_cut(path, f"{file.frames:,} samples", f"{len(channels):,}"))
    samples = channels[:, 0] if channels.shape[1] == 1 else channels.mean(axis=1)
    if not np.isfinite(samples).all():
        at = int(np.argmin(np.isfinite(samples)))
        raise DataError(f"{path}: expected finite samples, found {samples[at]} at {at / rate:.3f} s; {_REMEDY}")
    audio = Audio(np.ascontiguousarray(samples), rate)
    return audio if sample_rate is None else resample(audio, sample_rate)


def resample(audio: Audio, sample_rate: int) -> Audio:
    """Bring samples to another rate, by the band-limited interpolation of the soxr library."""
    if audio.sample_rate == sample_rate:
        return audio
    return Audio(soxr.resample(audio.samples, audio.sample_rate, sample_rate), sample_rate)


def probe_audio(path: str | Path) -> AudioInfo:
    """Return what the header of an audio file says, without decoding the rest.

    Raises:
        DataError: the file is missing, empty, no audio, without samples, or its header shows that it is cut off.
    """
    with _opened(Path(path)) as file:
        return AudioInfo(int(file.samplerate), file.frames / file.samplerate, int(file.channels))


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    require_file(path)
    try:
        with soundfile.SoundFile(str(path)) as file:
            _refuse_cut(path, file)
            if not file.frames:
                raise DataError(f"{path}: expected samples, found a header without any; {_REMEDY}")
            yield file
    except (soundfile.SoundFileError, TypeError) as error:  # TypeError: of a name that ends in .raw
        reason = str(getattr(error, "error_string", error)).removeprefix("Error : ").rstrip(".") or "unknown form"
        raise DataError(
            f"{path}: expected audio (WAV, FLAC, OGG) that is whole, cannot be decoded: {reason}; {_REMEDY}"
        ) from error


def _refuse_cut(path: Path, file: Any) -> None:
    """Require that all is there that the header of a file promises."""
    notes = file.extra_info
    for promised, found in ((int(one), int(other)) for one, other in _CUT.findall(notes)):
        if found < promised < _UNKNOWN_SIZE:
            raise DataError(_cut(path, f"{promised:,} bytes", f"{found:,}"))
    if file.format == "OGG" and not _ends_as_ogg(path):
        raise DataError(_cut(path, "a whole last page", "none"))
    if file.format == "NIST":
        with path.open("rb") as head:
            count = _SPHERE_COUNT.search(head.read(_SPHERE_HEADER))
        if count is not None and file.frames < int(count[1]):
            raise DataError(_cut(path, f"{int(count[1]):,} samples", f"{file.frames:,}"))


def _ends_as_ogg(path: Path) -> bool:
    """Return whether the last page in a file says that it is the last of its stream, and is there to its end."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 2 * _LONGEST_OGG_PAGE))
        tail = file.read()
    page = tail[max(0, tail.rfind(_OGG_PAGE)) :]
    if len(page) <= _OGG_HEADER or not page[5] & 4:
        return False
    segments = page[_OGG_HEADER : _OGG_HEADER + page[26]]
    return len(page) >= _OGG_HEADER + len(segments) + sum(segments)


def _cut(path: str | Path, expected: str, found: str) -> str:
    return f"{path}: the file is cut off: expected {expected}, found {found}; {_REMEDY}"
