"""Transcription against loops written with torch alone, its scores by jiwer, and what a model directory keeps."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recurra.checkpoint import read_model
from recurra.config import make_run_config
from recurra.data.recording_splits import RecordingSplits
from recurra.data.recordings import Recording, Recordings
from recurra.errors import DataError
from recurra.fit import fit
from recurra.tasks.transcribe import Transcribe
from recurra.train import Callback, StepRecord, train
from recurra.vocabulary import UNKNOWN, Vocabulary

Samples = NDArray[np.float32]
SMALL: dict[str, Any] = {
    "hidden_size": 6,
    "num_layers": 2,
    "dropout": 0.0,
    "mels": 5,
    "time_masks": 0,
    "frequency_masks": 0,
    "epochs": 2,
    "batch_size": 4,
    "device": "cpu",
}


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory, tones: Any, tone_texts: Any) -> list[Recording]:
    """30 recordings of tones, and one of silence."""
    folder = tmp_path_factory.mktemp("recordings")
    texts = [*tone_texts(29, 3), ""]
    found = []
    for number, text in enumerate(texts):
        path = folder / f"{number}.flac"
        soundfile.write(path, tones(text, number) if text else np.zeros(1000, np.float32), 8000)
        found.append(Recording(path, text))
    return found


@pytest.fixture
def make(recordings: list[Recording]) -> Callable[..., Transcribe]:
    """Make a task of 24 training and 6 validation recordings, with options in place of the small ones."""

    def made(texts: Callable[[str], str] = str, **options: Any) -> Transcribe:
        told = [recording._replace(text=texts(recording.text)) for recording in recordings]
        train, valid = Recordings("train", told[6:]), Recordings("valid", told[:6])
        config = make_run_config("transcribe", data="memory", **{**SMALL, **options})
        return Transcribe.from_splits(config, RecordingSplits(train, valid, None))

    return made


def shaken(task: Transcribe) -> Transcribe:
    """Not trained, but with weights large enough to have opinions."""
    torch.manual_seed(1)
    for parameter in task.network.parameters():
        nn.init.normal_(parameter, std=0.8)
    return task


def spelt(path: Sequence[int]) -> list[int]:
    """What is left of a path when repeats are merged and blanks are taken out."""
    return [symbol for symbol, _ in groupby(path) if symbol]


class ByHand(nn.Module):
    """Stacked frames through an LSTM of torch.nn, one recording at a time, with the same weights."""

    def __init__(self, task: Transcribe) -> None:
        super().__init__()
        told, state = task.config.model, {n: v.clone() for n, v in task.network.state_dict().items()}
        self.stack = told.stack
        size = told.stack * task.known.size
        self.recurrent = nn.LSTM(size, told.hidden_size, told.num_layers, bidirectional=told.bidirectional)
        self.output = nn.Linear(told.hidden_size * (1 + told.bidirectional), len(task.vocabulary))
        self.load_state_dict(state)

    def forward(self, frames: NDArray[np.float32]) -> Tensor:
        """Log-probabilities [T', V] of frames [T, F]."""
        missing = -len(frames) % self.stack
        padded = np.concatenate([frames, np.zeros((missing, frames.shape[1]), np.float32)])
        outputs, _ = self.recurrent(torch.from_numpy(padded.reshape(-1, self.stack * frames.shape[1])))
        return self.output(outputs).log_softmax(1)

    def loss(self, frames: NDArray[np.float32], ids: Sequence[int]) -> Tensor:
        """-log p of a transcript, by symbol."""
        logs = self(frames)
        alone = logs.unsqueeze(1), torch.tensor([list(ids)]), torch.tensor([len(logs)]), torch.tensor([len(ids)])
        return nn.functional.ctc_loss(*alone, reduction="none").squeeze() / max(1, len(ids))


class Notes(Callback):
    """Keeps what each step did, and the weights after the last epoch."""

    def __init__(self, task: Transcribe) -> None:
        self.task, self.steps, self.last = task, [], {}  # type: ignore[var-annotated]

    def on_step(self, record: StepRecord) -> None:
        self.steps.append((record.loss, record.gradient_norm))

    def on_epoch(self, record: Any) -> None:
        self.last = {name: value.detach().clone() for name, value in self.task.network.state_dict().items()}


def members(batch: Any) -> list[tuple[NDArray[np.float32], list[int]]]:
    """The frames and ids of each recording of a batch, without padding."""
    frames = [row[:n].numpy() for row, n in zip(batch.values, batch.lengths)]
    return list(zip(frames, [row[:n].tolist() for row, n in zip(batch.targets, batch.target_lengths)], strict=True))


@pytest.mark.parametrize("bidirectional", [True, False])
def test_training_is_that_of_a_loop_by_hand(bidirectional: bool, make: Callable[..., Transcribe]) -> None:
    told = {"optimizer": "sgd", "learning_rate": 0.5, "clip_norm": 0.5, "schedule": "constant", "weight_decay": 0.0}
    task = make(bidirectional=bidirectional, **told)
    net, notes, expected = ByHand(task), Notes(task), []
    batches = [members(batch) for epoch in (1, 2) for batch in task.batches(epoch)]
    train(task, callbacks=[notes])
    optimizer = torch.optim.SGD(net.parameters(), 0.5)
    for batch in batches:
        loss = torch.stack([net.loss(frames, ids) for frames, ids in batch]).mean()
        optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(net.parameters(), 0.5)
        optimizer.step()
        expected.append((loss.item(), norm.item()))
    assert sum(map(len, batches)) == 2 * 24
    np.testing.assert_allclose(notes.steps, expected, rtol=2e-4, atol=1e-5)
    assert any(norm > 0.5 for _, norm in expected)
    for name, value in net.state_dict().items():
        torch.testing.assert_close(notes.last[name], value, rtol=0, atol=2e-5)


def test_batches_are_a_function_of_seed_and_epoch_and_hold_each_recording_once(make: Callable[..., Transcribe]) -> None:
    task = make()
    assert task.data is not None
    known = sorted(frames.tobytes() for frames in task.data.train.features)
    orders = []
    for other, epoch in ((task, 1), (make(), 1), (task, 2), (make(seed=1), 1)):
        batches = [[frames.tobytes() for frames, _ in members(batch)] for batch in other.batches(epoch)]
        assert len(batches) == other.steps() == 6
        assert sorted(frames for batch in batches for frames in batch) == known
        orders.append(batches)
    assert orders[0] == orders[1]
    assert orders[0] != orders[2]
    assert orders[0] != orders[3]


@pytest.mark.parametrize("epochs", [None, 7])
def test_a_run_has_steps_enough(epochs: int | None, make: Callable[..., Transcribe]) -> None:
    assert make(epochs=epochs).epochs() == (7 if epochs else 50)


def test_validation_is_that_of_each_recording_by_hand(make: Callable[..., Transcribe]) -> None:
    """A recording too short for its transcript has no loss, and counts as an error."""
    task = shaken(make())
    task.network.output.bias.data[UNKNOWN] += 3  # never written, however likely
    valid = task.held_out()["valid"]
    valid.ids[0] = np.tile(valid.ids[1], 50)
    valid.texts[0], valid.possible[0] = valid.texts[1] * 50, False
    net, losses, heard = ByHand(task), [], []
    with torch.inference_mode():
        for frames, ids in zip(valid.features, valid.ids):
            logs = net(frames)
            logs[:, UNKNOWN] = -math.inf
            heard.append(" ".join("".join(map(task.vocabulary.symbol, spelt(logs.argmax(1).tolist()))).split()))
            losses.append(float(net.loss(frames, ids.tolist())))
    assert any(heard)
    assert math.isinf(losses[0])
    found = task.validate()
    assert found.loss == pytest.approx(float(np.mean(losses[1:])), rel=1e-4)
    assert -found.score == pytest.approx(jiwer.cer([*valid.texts], heard), rel=1e-6)
    wrong = np.array([jiwer.cer(said, of) * len(said) for said, of in zip(valid.texts, heard)])
    size = np.array([*map(len, valid.texts)])
    assert found.standard_error == pytest.approx(math.sqrt(np.sum((wrong + found.score * size) ** 2)) / size.sum())
    assert task.shown(found.score) == f"{-100 * found.score:.1f} %"


@pytest.mark.parametrize("training", [True, False])
def test_asking_leaves_the_network_as_it_was_and_drops_nothing(training: bool, make: Callable[..., Transcribe]) -> None:
    task = shaken(make(dropout=0.5, time_masks=2, frequency_masks=2))
    task.network.train(training)
    found = [dict(task.log_probabilities(task.held_out()["valid"])) for _ in range(2)]
    assert task.network.training is training
    for number in range(6):
        np.testing.assert_array_equal(found[0][number], found[1][number])
    assert [*found[0]] == sorted(range(6), key=lambda number: task.held_out()["valid"].lengths[number])


def test_a_recording_alone_as_in_a_batch(make: Callable[..., Transcribe]) -> None:
    task = shaken(make(stack=2))
    net, valid = ByHand(task), task.held_out()["valid"]
    with torch.inference_mode():
        for number, found in task.log_probabilities(valid):
            np.testing.assert_allclose(found, net(valid.features[number]), rtol=0, atol=1e-4)


def test_scores_are_those_of_jiwer_and_of_what_is_most_often_said(make: Callable[..., Transcribe]) -> None:
    task = shaken(make(lambda text: text.replace("d", "a").upper()))
    valid = task.held_out()["valid"]
    baseline = task.fit_baseline()
    assert task.data is not None
    counts = {text: task.data.train.texts.count(text) for text in task.data.train.texts}
    assert baseline.text == max(counts, key=counts.__getitem__).lower()  # as the model writes
    for options in ({}, {"beam": 3}):
        scores = task.evaluate(valid, baseline, **options)
        said = dict(task.log_probabilities(valid))
        heard = [task.decoding(**options).transcribe(said[number]).text for number in range(6)]
        right = [text.lower() for text in valid.texts]
        for name, measure in (("word_error", jiwer.wer), ("character_error", jiwer.cer)):
            assert scores["model"][name]["value"] == pytest.approx(measure(right, heard)), name
            other = scores["baselines"]["most frequent transcript"][name]["value"]
            assert other == pytest.approx(measure(right, [baseline.text] * 6)), name
        assert (scores["recordings"], scores["unknown_share"]) == (6, 0)
    (table,) = task.tables(scores, "some", full=False)
    assert [row[0] for row in table.rows] == ["this model", "most frequent transcript"]
    assert len(task.tables(scores, "some", full=True)) > 2
    assert "over the most frequent transcript" in task.remarks(scores)[0]


@pytest.mark.parametrize("options", [{}, {"bidirectional": False}, {"tokens": "bpe"}, {"tokens": "words"}], ids=str)
def test_restored_from_its_facts_it_is_the_same(options: dict[str, Any], make: Callable[..., Transcribe]) -> None:
    task = shaken(make(**options))
    again = Transcribe.restore(task.config, task.vocabularies, json.loads(json.dumps(task.facts())))
    again.network.load_state_dict(task.network.state_dict())
    assert again.facts() == task.facts()
    for name in ("mean", "deviation"):
        ours, theirs = (getattr(each.stats, name) for each in (task, again))
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
    valid = task.held_out()["valid"]
    for (_, ours), (_, theirs) in zip(task.log_probabilities(valid), again.log_probabilities(valid), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    baseline = task.fit_baseline()
    assert again.restore_baseline(baseline.tensors()) == baseline


class FailAfter(Callback):
    """Fail after a certain epoch, as any fault of the machine might."""

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch

    def on_epoch(self, record: Any) -> None:
        if record.epoch == self._epoch:
            raise RuntimeError("a fault of the machine")


def test_a_run_that_failed_is_resumed_bit_for_bit(tones_csv: Path, tmp_path: Path) -> None:
    given = {**SMALL, "epochs": 3, "dropout": 0.3, "batch_size": 16, "time_masks": 2, "frequency_masks": 1}
    config = make_run_config("transcribe", data=str(tones_csv), **given)
    fit(config, tmp_path / "whole")
    with pytest.raises(RuntimeError, match="a fault of the machine"):
        fit(config, tmp_path / "m", callbacks=[FailAfter(2)])
    fit(config, tmp_path / "m", resume=True)
    for name in ("model.safetensors", "baseline.safetensors", "tokenizer.json"):
        ours, theirs = ((tmp_path / place / name).read_bytes() for place in ("m", "whole"))
        assert ours == theirs, name
    metrics = [json.loads((tmp_path / place / "metrics.json").read_text()) for place in ("m", "whole")]
    assert metrics[0] == metrics[1]


@pytest.mark.parametrize("padding", [0, 7])
def test_padding_does_not_matter(padding: int, make: Callable[..., Transcribe]) -> None:
    task = shaken(make())
    task.network.eval()
    frames = [each.tolist() for each in task.held_out()["valid"].features]
    alone = [task.responses([each])[0] for each in frames]
    for ours, theirs in zip(alone, task.responses(frames, padding), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)
        torch.testing.assert_close(theirs.sum(1), torch.ones(len(theirs)))


def test_it_is_tried_on_its_own_recordings_or_at_random(
    tiny_transcriber: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = read_model(tiny_transcriber).task
    assert isinstance(task, Transcribe)
    own = task.sequences(None)
    assert len(own) == 64  # the first of 90
    assert len({len(frames) for frames in own}) > 5
    gone = task.config.data.model_copy(update={"data": "gone.csv"})
    monkeypatch.setattr(task, "config", task.config.model_copy(update={"data": gone}))
    random = task.sequences(None)
    assert (len(random), {len(frame) for frames in random for frame in frames}) == (64, {16})


def test_times_are_those_of_frames_as_they_are_cut() -> None:
    """At 11,025 Hz a hop of 10 ms is 110 samples, which an hour would show; a frame of 25 ms is 276."""
    config = make_run_config("transcribe", data="memory", sample_rate=11_025, stack=4, **{**SMALL, "mels": 3})
    task = restored(config)
    decoding = task.decoding()
    assert decoding.step == pytest.approx(4 * 110 / 11_025, rel=1e-12)
    assert decoding.reach == pytest.approx((3 * 110 + 276) / 11_025, rel=1e-12)


def restored(config: Any) -> Transcribe:
    """A task of three features a frame that knows one letter."""
    facts = {"columns": None, "stats": {"mean": [0] * 3, "deviation": [1] * 3}, "recordings": 1_234, "frames": 60_000}
    return Transcribe.restore(config, {"tokenizer.json": Vocabulary.build([["a"]], config.vocabulary)}, facts)


def test_of_features_times_are_frames_and_nothing_is_heard() -> None:
    config = make_run_config("transcribe", data="memory", stack=4, **{k: v for k, v in SMALL.items() if k != "mels"})
    task = restored(config)
    assert (task.decoding().step, task.decoding().reach) == (4, 4)
    with pytest.raises(DataError, match=r"expected features \(.npy, .npz\), as in training, found audio"):
        task.log_mel  # noqa: B018


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"sample_rate": 8000, "mels": 3},
            "Trained by recurra on 1,234 recordings (10.0 minutes) of `memory`, heard at 8,000 Hz; symbols are "
            "characters, and it reads from both ends.",
        ),
        (
            {"bidirectional": False, "tokens": "words"},
            "Trained by recurra on 1,234 recordings (60,000 frames) of `memory`, heard as 3 features a frame; symbols "
            "are words, and it can follow a stream.",
        ),
    ],
    ids=["audio", "features"],
)
def test_what_is_written_in_the_card(options: dict[str, Any], text: str) -> None:
    task = restored(make_run_config("transcribe", data="memory", **options))
    assert task.card() == [text]
