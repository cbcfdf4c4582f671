"""Recordings as frames and ids: nothing is off, and what cannot be learnt is found before."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from itertools import groupby, product
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from recurra.config import FeaturesConfig, VocabularyConfig
from recurra.data.audio import read_audio
from recurra.data.encoded_recordings import EncodedRecordings, find_sample_rate, hear, make_log_mel
from recurra.data.features import FeatureStats, LogMel
from recurra.data.recordings import Recording, Recordings
from recurra.errors import DataError, SettingsError
from recurra.vocabulary import Vocabulary

Write = Callable[[str, "str | bytes"], Path]
Record = Callable[..., Path]

AT_8000 = FeaturesConfig(sample_rate=8000, mels=10)
CHARACTERS = Vocabulary.build([["abc", "ab"]], VocabularyConfig(tokens="characters"))


def recordings(*items: tuple[Path, str], labelled: bool = True) -> Recordings:
    return Recordings("some", [Recording(path, text) for path, text in items], labelled)


def listen(
    items: Recordings, stats: FeatureStats | None = None, stack: int = 1, refuse: bool = True, **options: object
) -> EncodedRecordings:
    config = AT_8000.model_copy(update=options)
    return hear(items, config, stats, CHARACTERS, stack, refuse_impossible=refuse)


def test_frames_and_ids(record: Record) -> None:
    paths = [record("a.wav", 0.2), record("b.flac", 0.5, seed=1), record("c.wav", 0.3, 48_000, channels=2)]
    heard = listen(recordings(*zip(paths, ["abc", "", "b"])))
    log_mel = LogMel(8000, 10, 25.0, 10.0)
    frames = [log_mel(read_audio(path, 8000).samples) for path in paths]
    assert heard.lengths.tolist() == [len(of) for of in frames] == [18, 48, 28]
    together = np.concatenate(frames)
    for found, expected in zip(heard.features, frames):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, (expected - together.mean(0)) / together.std(0), atol=1e-4)
    assert [of.tolist() for of in heard.ids] == CHARACTERS.encode(["abc", "", "b"])
    assert (heard.texts, heard.paths, len(heard), heard.unknown) == (["abc", "", "b"], paths, 3, {})
    assert heard.possible.all()


def test_other_recordings_are_normalised_as_those_of_training(record: Record) -> None:
    train = listen(recordings((record("a.wav", 0.5), "a")))
    again = listen(recordings((record("a.wav", 0.5), "a"), (record("b.wav", 0.4, seed=1), "b")), train.stats)
    assert again.stats is train.stats
    assert (again.features[0] == train.features[0]).all()


def test_a_batch_pads_frames_and_ids(record: Record) -> None:
    heard = listen(recordings((record("a.wav", 0.2), "abc"), (record("b.wav", 0.1, seed=1), "b")))
    values, lengths, targets, target_lengths = heard.batch([1, 0])
    assert lengths.tolist() == [8, 18]
    assert values.shape == (2, 18, 10)
    assert torch.equal(values[1], torch.from_numpy(heard.features[0]))
    assert not values[0, 8:].any()
    assert target_lengths.tolist() == [1, 3]
    assert targets[1].tolist() == heard.ids[0].tolist()


def test_silence_is_heard(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "s.wav", np.zeros(4000), 8000)
    heard = listen(recordings((tmp_path / "s.wav", "")))
    assert not heard.features[0].any()
    assert heard.stats.deviation.tolist() == [1.0] * 10


def test_all_faulty_files_are_listed(record: Record, write: Write, tmp_path: Path) -> None:
    good = record("a.wav", 1.0)
    cut = write("cut.wav", good.read_bytes()[:9000])
    empty, noise = write("empty.wav", b""), write("noise.flac", b"not flac at all" * 9)
    items = recordings(*((path, "a") for path in (cut, good, empty, noise, tmp_path / "gone.wav")))
    with pytest.raises(DataError) as caught:
        listen(items)
    lines = str(caught.value).splitlines()
    assert lines[0] == "some: 4 faulty recordings:"
    assert lines[1].startswith(f"  {cut}: the file is cut off: expected 16,000 bytes, found 8,956")
    assert lines[2] == f"  {empty}: the file is empty (0 bytes)"
    assert lines[3].startswith(f"  {noise}: expected audio")
    assert lines[4].startswith(f"  {tmp_path / 'gone.wav'}: there is no such file")
    assert lines[5] == "mend these recordings, or take them out"


def can_be_spelt(ids: Sequence[int], steps: int) -> bool:
    """Whether any path of symbols and blanks through the steps becomes the ids when repeats and blanks go."""
    return any(
        [symbol for symbol, _ in groupby(path) if symbol] == list(ids) for path in product({0, *ids}, repeat=steps)
    )


TEXTS = ["", "a", "ab", "aa", "aab", "abba", "aaaa"]


@pytest.mark.parametrize("stack", [1, 2, 3])
def test_impossible_transcripts_are_those_without_a_path(record: Record, stack: int) -> None:
    paths = [record(f"{number}.wav", 0.025 + 0.01 * number) for number in range(7)]  # of 1 to 7 frames
    items = recordings(*product(paths, TEXTS))
    heard = listen(items, stack=stack, refuse=False)
    assert heard.lengths.tolist() == np.repeat(np.arange(1, 8), len(TEXTS)).tolist()
    expected = [can_be_spelt(ids, -(-frames // stack)) for frames, ids in zip(heard.lengths.tolist(), heard.ids)]
    assert heard.possible.tolist() == expected
    assert 0 < sum(expected) < len(expected)


def test_impossible_transcripts_are_listed_with_what_helps(record: Record, caplog: pytest.LogCaptureFixture) -> None:
    good, tight = record("good.wav", 1.0), record("tight.wav", 0.095)  # of 98 and 8 frames
    items = recordings((good, "abc"), (tight, "aab"))
    listen(items, stack=2)
    with pytest.raises(DataError) as caught:
        listen(items, stack=4)
    assert str(caught.value) == "\n".join(
        [
            "some: 1 of 2 transcripts cannot be spelt in their recordings: a step of the network is 4 frames, and each "
            "symbol needs a step, with one more between equal ones:",
            f"  {tight}: 2 steps, 4 needed for 'aab'",
            "say --stack 2, mend the transcripts, or take these out",
        ]
    )
    heard = listen(items, stack=4, refuse=False)
    assert heard.possible.tolist() == [True, False]
    assert "they count as errors" in caplog.text
    with pytest.raises(DataError, match="even --stack 1 would not do"):
        listen(recordings((good, "a"), (tight, "abcabcabc")), stack=4)


@pytest.mark.parametrize("frames", range(2, 12))
@pytest.mark.parametrize("text", ["ab", "aa", "abcab"])
def test_the_stack_offered_is_the_largest_that_does(record: Record, frames: int, text: str) -> None:
    items = recordings((record("a.wav", 0.015 + 0.01 * frames), text))
    with pytest.raises(DataError) as caught:
        listen(items, stack=20)
    offered = re.search(r"say --stack (\d+)", str(caught.value))
    possible = [stack for stack in range(1, 20) if listen(items, stack=stack, refuse=False).possible.all()]
    assert (int(offered[1]) if offered else None) == (max(possible) if possible else None)


def test_a_recording_shorter_than_a_frame(record: Record) -> None:
    short, good = record("short.wav", 0.01), record("good.wav", 0.5)
    with pytest.raises(DataError, match=r"short.wav: 0 steps, 1 needed for ''"):
        listen(recordings((short, ""), (good, "a")))
    heard = listen(recordings((short, ""), (good, "a")), refuse=False)
    assert heard.features[0].shape == (0, 10)
    with pytest.raises(DataError, match="some: expected sound, found no recording as long as a frame"):
        listen(recordings((short, "")))


def test_without_transcripts_nothing_is_impossible(record: Record, caplog: pytest.LogCaptureFixture) -> None:
    heard = listen(recordings((record("short.wav", 0.01), ""), (record("good.wav"), ""), labelled=False))
    assert [len(ids) for ids in heard.ids] == [0, 0]
    assert "cannot be spelt" not in caplog.text


def test_unknown_symbols_are_counted_and_shown(record: Record, caplog: pytest.LogCaptureFixture) -> None:
    items = recordings((record("a.wav"), "aéé"), (record("b.wav"), "b ß"), (record("c.wav"), "abc"))
    heard = listen(items)
    assert heard.unknown == {"é": 2, " ": 1, "ß": 1}
    assert heard.ids[0].tolist()[1:] == [1, 1]
    assert "some: 4 symbols in 2 of 3 transcripts are unknown, and no model can write them:\n  'é': 2" in caplog.text


def test_a_lower_sample_rate_is_said(record: Record, caplog: pytest.LogCaptureFixture) -> None:
    listen(recordings((record("a.wav"), "a"), (record("b.wav", sample_rate=16_000), "a")), sample_rate=16_000)
    assert "some: 1 recording has a lower sample rate (8,000 Hz) than the 16,000 Hz" in caplog.text


@pytest.mark.parametrize(
    ("rates", "expected"), [([8000, 16_000], 8000), ([96_000, 44_100], 16_000), ([11_025], 11_025)]
)
def test_the_sample_rate_is_the_lowest_at_most_16000(
    record: Record, rates: list[int], expected: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "recurra")
    items = recordings(*((record(f"{rate}.wav", 0.1, rate), "a") for rate in rates))
    assert find_sample_rate(items, FeaturesConfig()) == expected
    assert f"some: heard at {expected:,} Hz; recordings by sample rate: 1 of {min(rates):,} Hz" in caplog.text
    assert find_sample_rate(items, FeaturesConfig(sample_rate=22_050)) == 22_050


def test_headers_that_cannot_be_read_are_listed(record: Record, write: Write) -> None:
    items = recordings((write("a.wav", b""), "a"), (record("b.wav"), "a"), (write("c.wav", b"x" * 99), "a"))
    with pytest.raises(DataError, match=r"some: 2 faulty recordings:\n.*a.wav: the file is empty.*\n.*c.wav: expected"):
        find_sample_rate(items, FeaturesConfig())


def frames_in(path: Path, size: int = 3, length: int = 9) -> Path:
    np.save(path, np.random.default_rng(length).normal(5, 2, (length, size)))
    return path


def test_features_are_taken_as_they_are(tmp_path: Path) -> None:
    paths = [frames_in(tmp_path / "a.npy"), frames_in(tmp_path / "b.npy", length=20)]
    items = recordings((paths[0], "a"), (paths[1], "b"))
    assert find_sample_rate(items, FeaturesConfig()) is None
    assert make_log_mel(FeaturesConfig()) is None
    heard = hear(items, FeaturesConfig(), None, CHARACTERS, 3, refuse_impossible=True)
    np.testing.assert_allclose(
        heard.features[1] * heard.stats.deviation + heard.stats.mean, np.load(paths[1]), rtol=1e-5
    )
    with pytest.raises(SettingsError, match=r"option 'mels' \(20\) would have no effect: some holds features already"):
        find_sample_rate(items, FeaturesConfig(mels=20))


def test_features_of_another_size_or_kind_are_errors(tmp_path: Path, record: Record) -> None:
    three, four, sound = frames_in(tmp_path / "a.npy"), frames_in(tmp_path / "b.npy", 4), record("c.wav")
    with pytest.raises(DataError, match=r"b.npy: expected 3 numbers in a frame, found 4\n"):
        hear(recordings((three, "a"), (four, "a")), FeaturesConfig(), None, CHARACTERS, 3, refuse_impossible=True)
    with pytest.raises(DataError, match=r"c.wav: expected features \(.npy or .npz\), as in training, found audio"):
        hear(recordings((three, "a"), (sound, "a")), FeaturesConfig(), None, CHARACTERS, 3, refuse_impossible=True)
    with pytest.raises(DataError, match=r"a.npy: expected audio, as in training, found features"):
        listen(recordings((three, "a")))
    with pytest.raises(DataError, match="expected audio or features, found both: 1 of 2 recordings are features"):
        find_sample_rate(recordings((three, "a"), (sound, "a")), FeaturesConfig())
