"""Listening as the sound comes: in pieces of any size the answer is that of the whole."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from recurra.checkpoint import read_model
from recurra.config import TranscribeModelConfig, VocabularyConfig
from recurra.data.features import FeatureStats, LogMel
from recurra.errors import SettingsError
from recurra.nn.transcription import TranscriptionNetwork
from recurra.tasks.listener import Listener
from recurra.tasks.transcribe import Transcribe
from recurra.tasks.transcripts import Decoding, Transcript
from recurra.vocabulary import Vocabulary

Samples = NDArray[np.float32]
LOG_MEL = LogMel(8000, 10, 25.0, 10.0)
STATS = FeatureStats(np.full(10, -3.0, np.float32), np.full(10, 2.0, np.float32))
WORDS = Vocabulary.build([["ab c"]], VocabularyConfig(tokens="characters", min_count=1))
WIDE = {"hidden_size": 7, "num_layers": 2, "dropout": 0.3}


def make(beam: int = 1, **options: Any) -> tuple[TranscriptionNetwork, LogMel, FeatureStats, Decoding]:
    """What to listen with: not trained, but with weights large enough to have opinions."""
    torch.manual_seed(0)
    config = TranscribeModelConfig(**{**WIDE, "bidirectional": False, **options})
    network = TranscriptionNetwork(10, len(WORDS), config).eval()
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.7)
    nn.init.normal_(network.output.weight, std=3)
    step = config.stack * LOG_MEL.hop / 8000
    return network, LOG_MEL, STATS, Decoding(WORDS, "characters", step, step + 0.015, beam)


def noise(seconds: float) -> Samples:
    chance = np.random.default_rng(0)
    swell = np.exp(2 * np.sin(np.arange(round(8000 * seconds)) / 300))
    return (0.05 * swell * chance.standard_normal(len(swell))).astype(np.float32)


def at_once(parts: tuple[TranscriptionNetwork, LogMel, FeatureStats, Decoding], samples: Samples) -> Transcript:
    network, log_mel, stats, decoding = parts
    frames = torch.from_numpy(stats.apply(log_mel(samples)))
    with torch.inference_mode():
        found, _ = network(frames.unsqueeze(0), torch.tensor([len(frames)]))
    return decoding.transcribe(found[:, 0].numpy(), len(samples) / log_mel.sample_rate)


def cut(samples: Samples, sizes: Sequence[int]) -> Iterator[Samples]:
    """Pieces of these sizes in turn, over and over."""
    start, number = 0, 0
    while start < len(samples):
        yield samples[start : start + sizes[number % len(sizes)]]
        start, number = start + sizes[number % len(sizes)], number + 1


def assert_alike(found: Transcript, expected: Transcript) -> None:
    assert found.text == expected.text
    assert [word.word for word in found.words] == [word.word for word in expected.words]
    np.testing.assert_allclose(found.confidence, expected.confidence, rtol=1e-4)
    ours, theirs = ([word[1:] for word in each.words] for each in (found, expected))
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize(
    "sizes", [[80], [1, 7, 500], [79, 0, 81], [200], [5000, 3], [10**6]], ids=["frame by frame", *"abcd", "at once"]
)
@pytest.mark.parametrize(("stack", "beam"), [(1, 1), (3, 1), (3, 4)])
def test_in_pieces_of_any_size_as_the_whole(cell: str, sizes: list[int], stack: int, beam: int) -> None:
    parts, samples = make(cell=cell, stack=stack, beam=beam), noise(1.5123)
    expected = at_once(parts, samples)
    assert len(expected.text) > 3
    listener, partial = Listener(*parts), [""]
    for piece in cut(samples, sizes):
        partial.append(listener.push(piece))
    assert_alike(listener.finish(), expected)
    greedy = at_once((*parts[:3], parts[3]._replace(beam=1)), samples).text
    assert all(after.startswith(before) for before, after in itertools.pairwise(partial))
    assert greedy.startswith(partial[-1])
    assert len(set(partial)) > 3 or max(sizes) > 500  # what is understood is told as it comes
    assert listener.seconds == pytest.approx(len(samples) / 8000)
    assert 0 < listener.real_time_factor < 5


@pytest.mark.parametrize("count", [0, 1, 199, 200, 201, 359])
def test_recordings_too_short_for_a_frame_or_a_step(count: int) -> None:
    parts, samples = make(), noise(1)[:count]
    listener = Listener(*parts)
    assert listener.push(samples) == ""  # a step is three frames, of 360 samples together
    assert_alike(listener.finish(), at_once(parts, samples))
    if count < 200:
        assert at_once(parts, samples) == Transcript("", 1.0, [])


def test_no_word_ends_after_the_recording() -> None:
    parts = make()
    for count in range(2000, 2400, 33):
        listener = Listener(*parts)
        listener.push(noise(1)[:count])
        words = listener.finish().words
        assert words
        assert max(word.end for word in words) <= count / 8000


def test_a_bidirectional_network_cannot_listen() -> None:
    with pytest.raises(SettingsError, match=r"reads from the end too, .* train one with --no-bidirectional"):
        Listener(*make(bidirectional=True))


def test_tones_are_understood_as_they_come(
    tiny_transcriber: Path, tones: Callable[..., Samples], tone_texts: Callable[[int, int], list[str]]
) -> None:
    task = read_model(tiny_transcriber).task
    assert isinstance(task, Transcribe)
    rng = random.Random(0)
    for number, text in enumerate(tone_texts(12, 5)):
        listener = Listener(task.network, task.log_mel, task.stats, task.decoding())
        partial = [listener.push(piece) for piece in cut(tones(text, number), [rng.randint(1, 900) for _ in range(5)])]
        found = listener.finish()
        assert found.text == text
        assert {*partial} <= {text[:end].rstrip() for end in range(len(text) + 1)}
        starts = [0.02 + 0.08 * at for at, letter in enumerate(f" {text}"[:-1]) if letter == " "]
        for word, start in zip(found.words, starts, strict=True):  # a tone of 50 ms: the symbol stands in or behind it
            assert start - 0.04 < word.start < start + 0.12
            assert word.confidence > 0.5
