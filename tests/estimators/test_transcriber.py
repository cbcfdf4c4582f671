"""The transcriber as an estimator: files, samples and features in, transcripts out; kept, cloned, scored."""

from __future__ import annotations

import inspect
import json
import pickle
from itertools import pairwise
from pathlib import Path

import jiwer
import numpy as np
import pytest
import soundfile
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import recurra
from recurra import Transcriber
from recurra.config import make_run_config
from recurra.errors import DataError, SettingsError

RATE = 8000
TONES = {"a": 500, "b": 900, "c": 1600}
SMALL = {
    **{"sample_rate": RATE, "hidden_size": 16, "num_layers": 1, "epochs": 8, "batch_size": 6, "learning_rate": 0.02},
    **{"dropout": 0.0, "time_masks": 0, "frequency_masks": 0},
}


def sound(text: str) -> np.ndarray:
    pause = np.zeros(300)
    tones = [0.4 * np.sin(2 * np.pi * TONES[letter] * np.arange(800) / RATE) for letter in text]
    return np.concatenate([pause, *(part for tone in tones for part in (tone, pause))]).astype(np.float32)


def letters(count: int, seed: int) -> list[str]:
    chance = np.random.default_rng(seed)
    return ["".join(chance.choice(list("abc"), chance.integers(1, 5))) for _ in range(count)]


TEXTS, NEW = letters(60, 0), letters(5, 1)


@pytest.fixture(scope="module")
def fitted() -> Transcriber:
    return Transcriber(**SMALL, bidirectional=False).fit([sound(text) for text in TEXTS], TEXTS)


def test_it_hears(fitted: Transcriber) -> None:
    assert fitted.predict([sound(text) for text in NEW]) == NEW
    assert fitted.predict([]) == []
    assert len(fitted.history_) == 8


def test_files_samples_and_integers_are_heard_alike(fitted: Transcriber, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "new.wav", sound("abc"), RATE, subtype="PCM_16")
    integers = (sound("abc") * 32768).astype(np.int16)
    found = fitted.transcribe([tmp_path / "new.wav", str(tmp_path / "new.wav"), integers, sound("abc")])
    assert [each.text for each in found] == ["abc"] * 4
    assert found[0] == found[1]
    assert found[2].confidence == pytest.approx(found[3].confidence, abs=0.02)
    ((word,),) = (each.words for each in found[:1])
    assert word.word == "abc"
    assert 0 <= word.start < word.end <= len(sound("abc")) / RATE + 0.02


def test_features_are_learnt_from_as_they_are() -> None:
    chance = np.random.default_rng(0)
    rows = np.eye(3, dtype=np.float32)

    def frames(text: str) -> np.ndarray:
        parts = [np.repeat(rows["abc".index(letter)][None], 4, 0) for letter in text]
        return np.concatenate([np.concatenate([part, np.zeros((3, 3), np.float32)]) for part in parts])

    options = {name: value for name, value in SMALL.items() if name != "sample_rate"}
    model = Transcriber(**options, stack=1).fit([frames(t) + 0.01 * chance.standard_normal() for t in TEXTS], TEXTS)
    assert model.predict([frames(text) for text in NEW]) == NEW
    with pytest.raises(DataError, match="expected features"):
        model.listen()


def test_a_stream_gives_what_the_whole_gives(fitted: Transcriber) -> None:
    listener = fitted.listen()
    said = [listener.push(piece) for piece in np.array_split(sound("abca"), 7)]
    assert listener.finish().text == fitted.predict([sound("abca")])[0] == "abca"
    assert all(later.startswith(earlier) for earlier, later in pairwise(said))
    both = Transcriber(**{**SMALL, "epochs": 1}).fit([sound(text) for text in TEXTS[:12]], TEXTS[:12])
    with pytest.raises(SettingsError, match="--no-bidirectional"):
        both.listen()


def test_score_is_the_share_of_right_characters(fitted: Transcriber) -> None:
    wrong = ["abcabc", *NEW[1:]]
    expected = 1 - jiwer.cer(wrong, fitted.predict([sound(text) for text in NEW]))
    assert fitted.score([sound(text) for text in NEW], wrong) == pytest.approx(expected)
    assert fitted.score([sound("a")], ["ccccccccc"]) >= 0
    with pytest.raises(DataError, match="y: expected a transcript for each of the 1 recordings, found 2"):
        fitted.score([sound("a")], ["a", "b"])


def test_validation_data_choose_the_epoch() -> None:
    sounds = [sound(text) for text in TEXTS[:16]]
    both = [sound(text) for text in NEW], NEW
    model = Transcriber(**{**SMALL, "epochs": 1}).fit(sounds, TEXTS[:16], validation_data=both)
    assert model.task_.known.recordings == 16
    with pytest.raises(SettingsError, match=r"option 'valid_share' .* validation_data is given"):
        Transcriber(**SMALL, valid_share=0.2).fit(sounds, TEXTS[:16], validation_data=both)


def test_answers_are_those_of_the_command_line(fitted: Transcriber, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "new.wav", sound("cab"), RATE, subtype="PCM_16")
    (line,) = "".join(fitted.task_.predict([str(tmp_path / "new.wav")])).splitlines()
    ((text, confidence, words),) = fitted.transcribe([tmp_path / "new.wav"])
    told = json.loads(line)
    assert (told["text"], told["confidence"]) == (text, pytest.approx(confidence, abs=1e-4))
    assert [word["word"] for word in told["words"]] == [word.word for word in words]


def test_defaults_are_those_of_the_command_line() -> None:
    config = make_run_config("transcribe", data="x")
    flat = {name: value for section in config.sections for name, value in getattr(config, section)}
    parameters = inspect.signature(Transcriber).parameters
    assert {name: parameter.default for name, parameter in parameters.items()} == {n: flat[n] for n in parameters}
    of_files = {"data", "valid", "test", "test_share", "path_column", "text_column", "split_column", "group_column"}
    assert set(flat) - set(parameters) == of_files | {"delimiter", "header", "tensorboard"}


@pytest.mark.parametrize("how", ["pickled", "saved"])
def test_kept_and_read_again_is_the_same_to_the_last_bit(fitted: Transcriber, how: str, tmp_path: Path) -> None:
    if how == "saved":
        fitted.save(tmp_path / "model")
        other = recurra.load(tmp_path / "model")
    else:
        other = pickle.loads(pickle.dumps(fitted))
    assert isinstance(other, Transcriber)
    sounds = [sound(text) for text in NEW]
    assert other.transcribe(sounds) == fitted.transcribe(sounds)
    assert other.sample_rate == RATE


def test_a_clone_is_not_fitted(fitted: Transcriber) -> None:
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    with pytest.raises(NotFittedError):
        copy.predict([sound("a")])


@pytest.mark.parametrize(
    ("sounds", "texts", "said"),
    [
        ([], [], "X: expected recordings, found none"),
        ([sound("a")] * 4, ["a"] * 3, "y: expected a transcript for each of the 4 recordings, found 3"),
        ([sound("a"), 3.0], ["a", "b"], r"X\[1\]: expected a path, samples \[n\] or features \[T, F\], found float"),
        ([np.zeros(9, np.int32)], ["a"], r"X\[0\]: expected samples as floats in -1..1 or as int16, found int32"),
        (["missing.wav"] * 2 + [sound("a")] * 4, list("abcabc"), "missing.wav"),
    ],
)
def test_bad_recordings_are_refused(sounds: list[object], texts: list[str], said: str) -> None:
    with pytest.raises(DataError, match=said):
        Transcriber(**SMALL).fit(sounds, texts)


def test_bad_options_are_refused(fitted: Transcriber) -> None:
    options = {name: value for name, value in SMALL.items() if name != "sample_rate"}
    with pytest.raises(SettingsError, match="option 'sample_rate': samples need one, found None"):
        Transcriber(**options).fit([sound("a")] * 8, list("abcaabca"))
    with pytest.raises(SettingsError, match=r"language_weight.* would have no effect"):
        fitted.predict([sound("a")], language_weight=0.3)
