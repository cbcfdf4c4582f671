"""Audio of every form, whole and damaged."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from recurra.data.audio import Audio, probe_audio, read_audio, resample
from recurra.errors import DataError


def tone(hertz: float, sample_rate: int, seconds: float = 0.5, loud: float = 0.5) -> np.ndarray:
    return (loud * np.sin(2 * np.pi * hertz * np.arange(round(sample_rate * seconds)) / sample_rate)).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "subtype", "form", "error"),
    [
        ("a.wav", "PCM_U8", None, 1 / 128),
        ("a.wav", "PCM_16", None, 1 / 32768),
        ("a.wav", "PCM_24", None, 2**-23),
        ("a.wav", "FLOAT", None, 0),
        ("a.wav", "DOUBLE", None, 0),
        ("a.wav", "PCM_24", "WAVEX", 2**-23),
        ("a.wav", "PCM_16", "NIST", 1 / 32768),
        ("a.flac", "PCM_16", None, 1 / 32768),
        ("a.aiff", "PCM_16", None, 1 / 32768),
        ("a.au", "PCM_16", None, 1 / 32768),
        ("a.ogg", "VORBIS", None, 0.05),
    ],
)
def test_every_form_gives_the_samples(tmp_path: Path, name: str, subtype: str, form: str | None, error: float) -> None:
    path, samples = tmp_path / name, tone(440, 16_000)
    soundfile.write(path, samples, 16_000, subtype=subtype, format=form)
    audio = read_audio(path)
    assert audio.sample_rate == 16_000
    assert audio.samples.dtype == np.float32
    assert audio.samples.shape == (8000,)
    np.testing.assert_allclose(audio.samples, samples, rtol=0, atol=error)
    assert probe_audio(path) == (16_000, 0.5, 1)


def test_channels_are_averaged(tmp_path: Path) -> None:
    left, right = tone(440, 8000), tone(1000, 8000)
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], axis=1), 8000, subtype="FLOAT")
    np.testing.assert_allclose(read_audio(tmp_path / "a.wav").samples, (left + right) / 2, rtol=0, atol=1e-7)
    assert probe_audio(tmp_path / "a.wav").channels == 2


def test_another_rate_keeps_what_it_can_hold_and_nothing_else(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "low.wav", tone(1000, 96_000), 96_000, subtype="FLOAT")
    soundfile.write(tmp_path / "high.wav", tone(30_000, 96_000), 96_000, subtype="FLOAT")
    low = read_audio(tmp_path / "low.wav", 16_000)
    assert low.sample_rate == 16_000
    assert low.samples.shape == (8000,)
    inside = slice(400, -400)  # at the ends there is nothing to interpolate from
    np.testing.assert_allclose(low.samples[inside], tone(1000, 16_000)[inside], rtol=0, atol=1e-3)
    assert np.abs(read_audio(tmp_path / "high.wav", 16_000).samples[inside]).max() < 1e-4
    up = resample(Audio(tone(1000, 8000), 8000), 16_000)
    np.testing.assert_allclose(up.samples[inside], tone(1000, 16_000)[inside], rtol=0, atol=1e-3)


def test_silence_is_audio(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(100), 8000)
    assert not read_audio(tmp_path / "a.wav", 16_000).samples.any()


def noise(seconds: float) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, round(16_000 * seconds)).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "subtype", "form"),
    [
        *(("a.wav", subtype, None) for subtype in ("PCM_U8", "PCM_16", "PCM_24", "FLOAT", "IMA_ADPCM")),
        ("a.wav", "PCM_16", "WAVEX"),
        ("a.wav", "PCM_16", "NIST"),
        ("a.aiff", "PCM_16", None),
        ("a.au", "PCM_16", None),
        ("a.flac", "PCM_16", None),
        ("a.ogg", "VORBIS", None),
        ("a.ogg", "OPUS", None),
    ],
)
@pytest.mark.parametrize("share", [0.5, 0.97])
def test_a_file_that_is_cut_off_is_an_error(
    tmp_path: Path, name: str, subtype: str, form: str | None, share: float
) -> None:
    path = tmp_path / name
    soundfile.write(path, noise(4), 16_000, subtype=subtype, format=form)
    content = path.read_bytes()
    read_audio(path)
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(DataError, match=re.escape(str(path)) + ".*(cut off|cannot be decoded).*take it out") as caught:
        read_audio(path)
    if name == "a.wav" and form is None:
        assert "the file is cut off: expected" in str(caught.value)
        with pytest.raises(DataError, match="the file is cut off"):
            probe_audio(path)


@pytest.mark.parametrize("promised", [0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000])
def test_what_was_written_to_a_pipe_promises_no_length(tmp_path: Path, promised: int) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(0.1), 16_000)
    content = bytearray(path.read_bytes())
    content[40:44] = promised.to_bytes(4, "little")
    path.write_bytes(content)
    assert len(read_audio(path).samples) == 1600


@pytest.mark.parametrize("read", [read_audio, probe_audio])
def test_what_is_no_audio_is_an_error(tmp_path: Path, read: object) -> None:
    assert callable(read)
    path = tmp_path / "a.wav"
    with pytest.raises(DataError, match="there is no such file"):
        read(path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match=re.escape("the file is empty (0 bytes)")):
        read(path)
    path.write_bytes(b"not a sound in here" * 20)
    with pytest.raises(DataError, match=re.escape(f"{path}: expected audio (WAV, FLAC, OGG) that is whole")):
        read(path)
    soundfile.write(path, np.zeros(0), 8000)
    with pytest.raises(DataError, match=f"{path}: expected samples, found a header without any"):
        read(path)
    raw = tmp_path / "a.raw"
    raw.write_bytes(b"\1" * 100)
    with pytest.raises(DataError, match="cannot be decoded: samplerate must be specified"):
        read(raw)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_not_finite_are_an_error(tmp_path: Path, value: float) -> None:
    samples = np.zeros(8000, np.float32)
    samples[4000] = value
    soundfile.write(tmp_path / "a.wav", samples, 8000, subtype="FLOAT")
    with pytest.raises(DataError, match=f"expected finite samples, found {value} at 0.500 s"):
        read_audio(tmp_path / "a.wav")
