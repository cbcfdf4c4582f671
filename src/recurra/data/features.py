"""Samples -> frames of log-mel energies, at once or as they come; frames from files; and their normalisation."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from recurra.data.table import require_file
from recurra.errors import DataError, SettingsError, ShapeError

__all__ = ["FEATURE_SUFFIXES", "FeatureStats", "LogMel", "LogMelStream", "read_features"]

FEATURE_SUFFIXES = (".npy", ".npz")
_FLOOR = 1e-10  # a power near that of the rounding of 16-bit samples, 2 ** -30 / 12
_BLOCK = 256  # frames at a time: their spectra stay in the cache
_FINEST = 4  # times as long as a frame that a spectrum may be, its frame filled up with zeros
_HTK = 2595.0, 700.0
_ARRAY = "features"


class LogMel:
    """Turns samples into frames of log-mel energies.

    Frame t holds the samples from t * hop on, without anything put before the first or behind the last, so that a
    stream gives the same frames; what is left at the end is in no frame, and fewer samples than a frame give none.

    A frame is multiplied by a Hann window w, scaled so that sum(w ** 2) = 1. Its power spectrum is averaged within
    triangles whose corners are equally far apart, from 0 Hz to half the sample rate, in mel = 2595 log10(1 + f / 700)
    (the formula of HTK; O'Shaughnessy 1987). The weights of a triangle sum to 1, which is Slaney's (1998) scaling by
    area. So white noise of variance v has the expectation v in each band. The logarithm is natural, of the power and
    1e-10. Where a triangle is narrower than a step of the spectrum, the frame is filled up with zeros for finer steps.

    Attributes:
        sample_rate: Hz.
        size: the numbers of a frame, F.
        frame: samples of a frame.
        hop: samples from the beginning of one frame to that of the next.

    Args:
        sample_rate: Hz.
        mels: bands, F.
        frame_ms: milliseconds of a frame, rounded to samples.
        hop_ms: milliseconds from one frame to the next, rounded to samples.

    Raises:
        SettingsError: a frame or hop without samples, or more bands than a spectrum can tell apart.

    >>> LogMel(8000, 40, 25.0, 10.0)(np.zeros(8000, np.float32)).shape
    (98, 40)
    """

    def __init__(self, sample_rate: int, mels: int, frame_ms: float, hop_ms: float) -> None:
        self.sample_rate = sample_rate
        self.size = mels
        self.frame = round(sample_rate * frame_ms / 1000)
        self.hop = round(sample_rate * hop_ms / 1000)
        if self.frame < 2 or self.hop < 1:
            raise SettingsError(
                f"options 'frame_ms' ({frame_ms}) and 'hop_ms' ({hop_ms}): expected at least 2 samples in a frame and "
                f"1 in a hop, found {self.frame} and {self.hop} at {sample_rate} Hz; make them longer"
            )
        window = np.hanning(self.frame + 1)[:-1]
        self._window = window / np.sqrt(np.sum(window**2))
        self._points, self._bank = _filter_bank(sample_rate, mels, self.frame)

    def __call__(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the frames [T, F] of samples [n]."""
        count = max(0, 1 + (len(samples) - self.frame) // self.hop)
        values = np.empty((count, self.size), np.float32)
        if not count:
            return values
        frames = sliding_window_view(samples, self.frame)[:: self.hop]
        for start in range(0, count, _BLOCK):
            # In double precision, in which the quiet bands beside a loud one are exact, however the frames are divided.
            spectra = np.fft.rfft(frames[start : start + _BLOCK] * self._window, self._points)
            power = spectra.real**2 + spectra.imag**2
            values[start : start + _BLOCK] = np.log(power @ self._bank + _FLOOR)
        return values

    def stream(self) -> LogMelStream:
        """Return what turns samples into frames as they come."""
        return LogMelStream(self)


class LogMelStream:
    """Turns the samples of one recording into frames, piece by piece: the same frames, whatever the pieces."""

    def __init__(self, log_mel: LogMel) -> None:
        self._log_mel = log_mel
        self._rest = np.zeros(0, np.float32)

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the frames [t, F] that are complete with these samples [n] and were not before."""
        self._rest = np.concatenate([self._rest, samples])
        frames = self._log_mel(self._rest)
        self._rest = self._rest[len(frames) * self._log_mel.hop :]
        return frames


def _filter_bank(sample_rate: int, mels: int, frame: int) -> tuple[int, NDArray[np.float64]]:
    """Return how many points a spectrum needs, a power of two, and the weights [points // 2 + 1, F] of its powers."""
    scale, knee = _HTK
    highest = scale * np.log10(1 + sample_rate / 2 / knee)
    corners = knee * (10 ** (np.linspace(0, highest, mels + 2) / scale) - 1)
    low, centre, high = corners[:-2], corners[1:-1], corners[2:]
    points = 1 << (frame - 1).bit_length()
    while points <= _FINEST * frame:
        hertz = np.fft.rfftfreq(points, 1 / sample_rate)[:, np.newaxis]
        triangles = np.minimum((hertz - low) / (centre - low), (high - hertz) / (high - centre)).clip(min=0)
        areas = triangles.sum(axis=0)
        if areas.all():
            return points, triangles / areas
        points *= 2
    raise SettingsError(
        f"option 'mels' ({mels}): expected fewer bands, found some of {high[0]:.1f} Hz, while a frame of {frame} "
        f"samples at {sample_rate} Hz tells apart what is {sample_rate / frame:.0f} Hz apart; 40 to 80 are usual"
    )


def read_features(path: str | Path) -> NDArray[np.float32]:
    """Read frames [T, F] that were computed before: an array in a `.npy` file, or the one in a `.npz` file.

    Of several arrays in a `.npz` file the one named "features" is meant. Nothing in the file is run as code.

    Raises:
        DataError: the file is missing, empty, damaged, holds no such array, or one of another form than [T, F], or NaN
            or infinite numbers, or no frame.
    """
    require_file(Path(path))
    try:
        with open(path, "rb") as file:  # numpy leaves a damaged archive open
            loaded: Any = np.load(file, allow_pickle=False)
            array = loaded if isinstance(loaded, np.ndarray) else loaded[_name_of_features(path, loaded.files)]
    except DataError:
        raise
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path}: cannot be read as an array of numbers: {error}; write it again") from error
    return _as_features(path, array)


def _name_of_features(path: str | Path, names: list[str]) -> str:
    if len(names) == 1:
        return names[0]
    if _ARRAY not in names:
        raise DataError(f"{path}: expected one array, or one named '{_ARRAY}', found {names}; name it so")
    return _ARRAY


def _as_features(path: str | Path, array: NDArray[Any]) -> NDArray[np.float32]:
    if array.dtype.kind not in "iuf":
        raise DataError(f"{path}: expected real numbers, found values of type {array.dtype}")
    if array.ndim != 2 or 0 in array.shape:
        raise DataError(f"{path}: expected frames of numbers [T, F], at least one, found the shape {array.shape}")
    with np.errstate(over="ignore"):
        features = array.astype(np.float32)
    finite = np.isfinite(features).all(axis=1)
    if not finite.all():
        raise DataError(f"{path}: expected finite numbers, found others, first in frame {finite.argmin() + 1:,}")
    return features


@dataclass(frozen=True)
class FeatureStats:
    """How the numbers of frames are brought to mean 0 and deviation 1.

    Attributes:
        mean: of each number over all training frames, [F].
        deviation: the same (divided by their count), [F]; 1 for a number that never varies.
    """

    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]

    @classmethod
    def fit(cls, features: Iterable[NDArray[np.float32]]) -> FeatureStats:
        """Take them from frames [T, F] of recordings, which are read once.

        The recordings' squares are merged as by Chan, Golub and LeVeque (1983), which loses nothing to rounding.

        Raises:
            DataError: there are no frames.
            ShapeError: frames differ in size.
        """
        count, mean, squares = 0, np.zeros(1), np.zeros(1)
        for frames in features:
            if not len(frames):
                continue
            if count and frames.shape[1] != len(mean):
                raise ShapeError(f"features: expected frames of {len(mean)} numbers, got {frames.shape[1]}")
            here = frames.mean(axis=0, dtype=np.float64)
            share = len(frames) / (count + len(frames))
            squares = squares + ((frames - here) ** 2).sum(axis=0) + (here - mean) ** 2 * count * share
            mean = mean + (here - mean) * share
            count += len(frames)
        if not count:
            raise DataError("expected frames to take mean and deviation from, found none")
        deviation = np.sqrt(squares / count).astype(np.float32)
        # Of equal numbers it is exactly 0: sums of float32 numbers in double precision are exact that far.
        return cls(mean.astype(np.float32), np.where(deviation > 0, deviation, np.float32(1)))

    def apply(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return frames [T, F], each number less its mean and divided by its deviation.

        Raises:
            ShapeError: frames of another size.
        """
        if features.shape[1:] != self.mean.shape:
            raise ShapeError(f"features: expected frames of {len(self.mean)} numbers, got the shape {features.shape}")
        return (features - self.mean) / self.deviation

    def to_json(self) -> dict[str, list[float]]:
        """Return a plain mapping."""
        return {"mean": self.mean.tolist(), "deviation": self.deviation.tolist()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> FeatureStats:
        """Make them from such a mapping.

        Raises:
            ValueError: it is no such mapping.
        """
        try:
            mean, deviation = (np.array(content[name], np.float32) for name in ("mean", "deviation"))
        except (KeyError, TypeError) as error:
            raise ValueError(f"expected mean and deviation of each number of a frame: {error!r}") from error
        if mean.ndim != 1 or mean.shape != deviation.shape or not (deviation > 0).all():
            raise ValueError(f"expected as many deviations above 0 as means, found {deviation.tolist()[:5]}")
        return cls(mean, deviation)
