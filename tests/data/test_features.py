"""Frames of log-mel energies against formulas, streams against the whole, and what normalises frames."""

from __future__ import annotations

import io
import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recurra.data.features import FeatureStats, LogMel, read_features
from recurra.errors import DataError, SettingsError, ShapeError

Write = Callable[[str, "str | bytes"], Path]


def by_hand(samples: np.ndarray, sample_rate: int, mels: int, frame: int, hop: int, points: int) -> np.ndarray:
    """The sums of the definition, number by number: no transform, no matrix."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(frame) / frame)
    window /= np.sqrt((window**2).sum())
    to_mel = lambda hertz: 2595 * np.log10(1 + hertz / 700)  # noqa: E731
    corners = [700 * (10 ** (to_mel(sample_rate / 2) * n / (mels + 1) / 2595) - 1) for n in range(mels + 2)]
    rows = []
    for start in range(0, len(samples) - frame + 1, hop):
        piece = samples[start : start + frame].astype(np.float64) * window
        turns = np.exp(-2j * np.pi * np.outer(np.arange(points // 2 + 1), np.arange(frame)) / points)
        power = np.abs(turns @ piece) ** 2
        row = []
        for low, centre, high in zip(corners, corners[1:], corners[2:]):
            weights = []
            for k in range(points // 2 + 1):
                hertz = k * sample_rate / points
                rising = low < hertz <= centre
                falling = centre < hertz < high
                up, down = (hertz - low) / (centre - low), (high - hertz) / (high - centre)
                weights.append(up if rising else down if falling else 0.0)
            row.append(np.log(np.dot(weights, power) / sum(weights) + 1e-10))
        rows.append(row)
    return np.array(rows)


def test_frames_are_those_of_the_formula() -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, 700).astype(np.float32)
    log_mel = LogMel(8000, 12, 25.0, 10.0)
    assert (log_mel.size, log_mel.frame, log_mel.hop) == (12, 200, 80)
    found = log_mel(samples)
    assert found.dtype == np.float32
    assert found.shape == (7, 12)
    np.testing.assert_allclose(found, by_hand(samples, 8000, 12, 200, 80, 256), rtol=0, atol=2e-6)


@pytest.mark.parametrize("band", [3, 10, 20, 30, 38])
def test_a_tone_at_the_centre_of_a_band_is_loudest_there(band: int) -> None:
    highest = 2595 * np.log10(1 + 8000 / 700)
    hertz = 700 * (10 ** (highest * (band + 1) / 41 / 2595) - 1)
    samples = np.sin(2 * np.pi * hertz * np.arange(16_000) / 16_000).astype(np.float32)
    assert (LogMel(16_000, 40, 25.0, 10.0)(samples).argmax(axis=1) == band).all()


@pytest.mark.parametrize(("sample_rate", "mels"), [(8000, 40), (16_000, 80)])
def test_white_noise_has_its_variance_in_each_band(sample_rate: int, mels: int) -> None:
    """Parseval: the window has energy 1, so a frame's mean power is the variance; and a band is a mean of powers."""
    samples = np.random.default_rng(0).normal(0, 0.1, 40 * sample_rate).astype(np.float32)
    energy = np.exp(LogMel(sample_rate, mels, 25.0, 10.0)(samples)).mean(axis=0)
    np.testing.assert_allclose(energy, 0.01, rtol=0.08)
    assert energy.mean() == pytest.approx(0.01, rel=0.01)


def test_silence_is_the_floor_and_a_short_recording_has_no_frame() -> None:
    log_mel = LogMel(8000, 40, 25.0, 10.0)
    np.testing.assert_allclose(log_mel(np.zeros(400, np.float32)), np.log(1e-10), rtol=1e-6)
    counts = [len(log_mel(np.zeros(length, np.float32))) for length in (0, 199, 200, 279, 280)]
    assert counts == [0, 0, 1, 1, 2]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 900), max_size=12), st.sampled_from([(25.0, 10.0), (10.0, 10.0), (33.3, 7.1)]))
def test_a_stream_gives_the_frames_of_the_whole(pieces: list[int], milliseconds: tuple[float, float]) -> None:
    log_mel = LogMel(8000, 20, *milliseconds)
    samples = np.random.default_rng(len(pieces)).normal(0, 0.3, sum(pieces)).astype(np.float32)
    stream = log_mel.stream()
    frames = [stream.push(piece) for piece in np.split(samples, np.cumsum(pieces)[:-1])] if pieces else []
    whole = log_mel(samples)
    assert sum(map(len, frames)) == len(whole)
    if len(whole):  # the same but for the last bit
        np.testing.assert_allclose(np.concatenate(frames), whole, rtol=2e-7, atol=2e-7)


def test_frames_beyond_a_block_are_the_same_as_alone() -> None:
    log_mel = LogMel(8000, 20, 25.0, 10.0)
    samples = np.random.default_rng(0).normal(0, 0.3, 8000 * 6).astype(np.float32)
    alone = [log_mel(samples[80 * t : 80 * t + 200])[0] for t in range(598)]
    np.testing.assert_allclose(log_mel(samples), alone, rtol=2e-7, atol=2e-7)


def test_many_bands_make_a_finer_spectrum_and_too_many_an_error() -> None:
    assert np.isfinite(LogMel(16_000, 128, 25.0, 10.0)(np.ones(16_000, np.float32))).all()
    with pytest.raises(SettingsError, match=r"option 'mels' \(4000\): expected fewer bands, .*40 Hz apart"):
        LogMel(16_000, 4000, 25.0, 10.0)
    with pytest.raises(SettingsError, match=r"'frame_ms' \(0.05\).* found 0 and 0 at 8000 Hz; make them longer"):
        LogMel(8000, 40, 0.05, 0.05)


def test_frames_are_made_300_times_faster_than_real_time() -> None:
    log_mel = LogMel(16_000, 80, 25.0, 10.0)
    samples = np.random.default_rng(0).normal(0, 0.1, 16_000 * 30).astype(np.float32)
    times = []
    for _ in range(5):
        start = time.process_time()  # of the processor: a busy machine is no slower
        log_mel(samples)
        times.append(time.process_time() - start)
    assert 30 / min(times) > 300


def saved(array: np.ndarray, **named: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **named) if named else np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


FRAMES = np.arange(12).reshape(4, 3)


def test_features_are_read(write: Write) -> None:
    for kind in (np.float64, np.float16, np.int32):
        found = read_features(write("a.npy", saved(FRAMES.astype(kind))))
        assert found.dtype == np.float32
        assert (found == FRAMES).all()
    assert (read_features(write("a.npz", saved(FRAMES, any=FRAMES))) == FRAMES).all()
    assert (read_features(write("b.npz", saved(FRAMES, features=FRAMES, other=FRAMES + 1))) == FRAMES).all()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.npy", b"", "the file is empty (0 bytes)"),
        ("a.npy", b"something else", "cannot be read as an array of numbers"),
        ("a.npy", saved(FRAMES)[:-8], "cannot be read as an array of numbers"),
        ("a.npy", saved(np.array([object()])), "cannot be read as an array of numbers: Object arrays cannot be loaded"),
        ("a.npy", saved(FRAMES[0]), "expected frames of numbers [T, F], at least one, found the shape (3,)"),
        ("a.npy", saved(FRAMES[:0]), "found the shape (0, 3)"),
        ("a.npy", saved(FRAMES > 3), "expected real numbers, found values of type bool"),
        ("a.npy", saved(FRAMES * 1j), "expected real numbers, found values of type complex128"),
        ("a.npy", saved(np.where(FRAMES == 7, np.nan, FRAMES)), "finite numbers, found others, first in frame 3"),
        ("a.npy", saved(FRAMES * 1e300), "finite numbers, found others, first in frame 1"),
        ("a.npz", saved(FRAMES, any=FRAMES)[:100], "cannot be read as an array of numbers"),
        ("a.npz", saved(FRAMES, one=FRAMES, two=FRAMES), "one named 'features', found ['one', 'two']"),
    ],
    ids=range(12),
)
def test_features_that_are_none_are_an_error(write: Write, name: str, content: bytes, message: str) -> None:
    path = write(name, content)
    with pytest.raises(DataError, match=re.escape(str(path)) + ".*" + re.escape(message)):
        read_features(path)


def test_a_damaged_archive_is_an_error(write: Write) -> None:
    content = bytearray(saved(FRAMES, any=np.random.default_rng(0).normal(size=(50, 3))))
    content[200:260] = bytes(60)
    with pytest.raises(DataError, match="cannot be read as an array of numbers"):
        read_features(write("a.npz", bytes(content)))


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such file"):
        read_features(tmp_path / "a.npy")


def test_statistics_are_those_of_all_frames_together() -> None:
    rng = np.random.default_rng(0)
    recordings = [rng.normal(1e4, 3, (length, 4)).astype(np.float32) for length in (5, 0, 1, 300)]
    for frames in recordings:
        frames[:, 3] = 0.1
    stats = FeatureStats.fit(iter(recordings))
    together = np.concatenate(recordings).astype(np.float64)
    np.testing.assert_allclose(stats.mean, together.mean(axis=0), rtol=1e-7)
    np.testing.assert_allclose(stats.deviation[:3], together.std(axis=0)[:3], rtol=1e-6)
    assert stats.deviation[3] == 1
    applied = stats.apply(recordings[3])
    assert applied.dtype == np.float32
    np.testing.assert_allclose(applied * stats.deviation + stats.mean, recordings[3], rtol=1e-6)
    again = FeatureStats.from_json(json.loads(json.dumps(stats.to_json())))
    assert (again.mean == stats.mean).all()
    assert (again.deviation == stats.deviation).all()


def test_statistics_of_nothing_or_of_frames_that_differ_are_errors() -> None:
    two, three = np.ones((5, 2), np.float32), np.ones((5, 3), np.float32)
    with pytest.raises(DataError, match="expected frames to take mean and deviation from, found none"):
        FeatureStats.fit([two[:0]])
    with pytest.raises(ShapeError, match="expected frames of 2 numbers, got 3"):
        FeatureStats.fit([two, three])
    with pytest.raises(ShapeError, match=re.escape("expected frames of 2 numbers, got the shape (5, 3)")):
        FeatureStats.fit([two]).apply(three)


@pytest.mark.parametrize(
    "content", [{}, {"mean": [1.0]}, {"mean": [1.0], "deviation": [1.0, 1.0]}, {"mean": [1.0], "deviation": [0.0]}]
)
def test_statistics_that_are_damaged_are_an_error(content: dict[str, list[float]]) -> None:
    with pytest.raises(ValueError, match="expected"):
        FeatureStats.from_json(content)
