"""Explanations of series, forecasts and recordings: linear networks by hand, changed inputs, and torch.nn."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray
from torch import nn

from recurra.checkpoint import read_model
from recurra.config import make_run_config
from recurra.data.labelled_series import LabelledSeries
from recurra.data.labelled_series_splits import SeriesSplits
from recurra.diagnose import Explained, explain
from recurra.diagnose.explained import as_json
from recurra.errors import DataError, SettingsError
from recurra.tasks.classify_series import ClassifySeries
from recurra.tasks.forecast import Forecast
from recurra.tasks.transcribe import Transcribe

SMALL: dict[str, Any] = {"hidden_size": 6, "dropout": 0.0}
VALUES = [[0.5, 3.0, -1.0, 2.0, 0.0, 4.0, 1.0, -2.0]]
SERIES = ",".join(map(str, VALUES[0]))
WAVE = 40 + 8 * np.sin(np.arange(90) * np.pi / 3) + 0.05 * np.arange(90)


def shaken(task: Any, spread: float = 0.5) -> Any:
    """Weights as large as after training."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in task.network.parameters():
            parameter.add_(spread * torch.randn(parameter.shape, generator=generator))
    task.network.eval()
    return task


def series_classifier(**options: Any) -> ClassifySeries:
    chance = np.random.default_rng(0)
    values = [chance.normal(2, 3, (8, 1)) for _ in range(6)]
    series = LabelledSeries("training", values, ["up", "down", "flat"] * 2, [str(n) for n in range(6)], ("1",))
    config = make_run_config("classify", data="memory", **{**SMALL, **options})
    return shaken(ClassifySeries.from_splits(config, SeriesSplits(series, series, None)))


def write(path: Path, **columns: Any) -> Path:
    """Rows of columns, with whole numbers for the time."""
    rows = zip(*({"ds": range(90), **columns}).values())
    path.write_text("".join(f"{','.join(map(str, row))}\n" for row in [("ds", *columns), *rows]), encoding="utf-8")
    return path


def forecaster(path: Path, **options: Any) -> Forecast:
    told = {"horizon": 3, "window": 12, "season": 6, "epochs": 1, **SMALL, **options}
    return shaken(Forecast.from_data(make_run_config("forecast", data=str(path), **told)))


def check(found: Explained) -> Explained:
    """What holds of any explanation."""
    assert found.influences.shape == found.left_out.shape == (len(found.answers), len(found.pieces))
    np.testing.assert_allclose(found.influences.sum(1) - (found.scores - found.start), found.gap, atol=1e-8)
    assert (np.abs(found.gap) <= 0.01 * np.abs(found.influences).sum(1) + 1e-9).all()
    assert len(found.forming) == len(found.pieces) <= 60
    for layer in found.layers:
        assert {values.shape for values in layer.values.values()} == {(len(layer.pieces), len(layer.order))}
    json.dumps(as_json(found), allow_nan=False)
    return found


# series of numbers


def test_a_linear_classifier_of_series_by_hand() -> None:
    task = series_classifier(cell="feedforward", pooling="mean", hidden_size=1)
    with torch.no_grad():
        task.network.encoder.feedforward[0].weight.fill_(2.0)
        task.network.encoder.feedforward[0].bias.fill_(100.0)  # the rectifier lets all through
        task.network.output.weight.copy_(torch.tensor([[1.0], [0.0], [-1e4]]))  # classes down, flat, up
        task.network.output.bias.copy_(torch.tensor([-99.0, 0.0, 0.0]))
    found = check(explain(task, SERIES))
    scaled = (np.array(VALUES[0]) - task.standardisation.mean[0]) / task.standardisation.deviation[0]
    assert found.answers == ["down"]
    # the third class has no share: log-odds are 2 * mean of the series + 100 - 99
    np.testing.assert_allclose(found.influences[0], 2 * scaled / 8, atol=1e-4)
    np.testing.assert_allclose(found.left_out[0], 2 * scaled / 8, atol=1e-4)
    assert found.start[0] == pytest.approx(1, abs=1e-4)
    assert found.layers == []
    assert found.source == SERIES
    assert (found.is_text, found.probable) == (False, True)


@pytest.mark.parametrize("pooling", ["final", "max", "attention"])
def test_a_series_is_explained_as_it_is_predicted(pooling: str) -> None:
    task = series_classifier(pooling=pooling)
    found = check(explain(task, SERIES))
    (line,) = task.predict([SERIES])
    share = json.loads(line)["probabilities"][found.answers[0]]
    assert found.scores[0] == pytest.approx(np.log(share / (1 - share)), abs=1e-4)
    assert found.forming[-1].value == pytest.approx(share, abs=1e-6)
    lines = [json.loads(next(task.predict([SERIES[: SERIES.index(str(v)) + len(str(v))]]))) for v in VALUES[0][1:2]]
    assert found.forming[1].answer == lines[0]["label"]
    mean = str(task.standardisation.mean[0])
    replaced = json.loads(next(task.predict([SERIES.replace("4.0", mean)])))["probabilities"][found.answers[0]]
    assert found.left_out[0, 5] == pytest.approx(found.scores[0] - np.log(replaced / (1 - replaced)), abs=1e-3)
    assert list(found.pieces) == [str(number) for number in range(1, 9)]
    assert (found.attention is not None) == (pooling == "attention")


def test_the_steps_of_a_long_series_are_gathered(tmp_path: Path) -> None:
    path = tmp_path / "long.ts"
    values = ",".join(f"{value:.3f}" for value in np.random.default_rng(0).normal(size=150))
    path.write_text(f"@univariate true\n@classLabel false\n@data\n{values}\n", encoding="utf-8")
    found = check(explain(series_classifier(), str(path)))
    assert [found.pieces[0], found.pieces[-1], len(found.pieces)] == ["1-3", "148-150", 50]
    assert len(found.layers[0].pieces) == 150
    assert found.source == f"series 1 of {path}, '1'"


def test_bad_series_are_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="argument 'no number'"):
        explain(series_classifier(), "no number")
    with pytest.raises(DataError, match=r"missing\.csv"):
        explain(series_classifier(), "missing.csv")


# forecasts


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"segment": 4, "cell": "gru", "num_layers": 2},
        {"instance_norm": False, "output": "gaussian"},
        {"output": "quantiles", "horizon": 20, "valid_steps": 20, "test_steps": 0},
    ],
)
def test_a_forecasts_scores_are_what_predict_tells(tmp_path: Path, options: dict[str, Any]) -> None:
    path = write(tmp_path / "a.csv", y=WAVE)
    task = forecaster(path, **options)
    found = check(explain(task, str(path)))
    told = {row["ds"]: row["y"] for lines in task.predict([str(path)]) for row in map(json.loads, lines.splitlines())}
    assert len(found.answers) == min(12, task.horizon)
    assert [found.answers[0], found.answers[-1]] == ["90", str(89 + task.horizon)]
    np.testing.assert_allclose(found.scores, [told[answer] for answer in found.answers], rtol=1e-5)
    assert found.unit == "y"
    assert found.source == (str(path) if task.horizon <= 12 else f"{path} (12 of 20 values to come)")
    assert list(found.pieces) == [str(step) for step in range(78, 90)]
    assert found.forming[-1].value == pytest.approx(found.scores[0])
    assert found.forming[-1].answer.startswith("90: ")
    assert found.forming[0].answer.startswith("79: ")


def test_a_linear_forecaster_by_hand(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", y=WAVE)
    task = forecaster(path, linear=True, instance_norm=False, output="point")
    network = task.network
    with torch.no_grad():
        network.head.weight.zero_()  # the recurrence then says nothing
    found = check(explain(task, str(path)))
    assert (found.is_text, found.probable) == (False, False)
    windows = task.last_windows(task.load(str(path)))
    weights = network.linear.weight.detach().numpy()
    past, scale = windows.window(0).past[:, 0], windows.scale[0, 0]
    np.testing.assert_allclose(found.influences, scale * weights * past, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(found.left_out, scale * weights * past, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("options", [{"segment": 1}, {"decoder": "autoregressive", "output": "gaussian"}])
def test_a_step_is_left_out_with_its_covariates(tmp_path: Path, options: dict[str, Any]) -> None:
    chance = np.random.default_rng(0)
    path = write(tmp_path / "a.csv", y=WAVE, hint=chance.normal(size=90))
    task = forecaster(path, past_columns="hint", **options)
    found = check(explain(task, str(path)))
    windows = task.last_windows(task.load(str(path)))
    shift, scale = windows.shift[0, 0], windows.scale[0, 0]
    for step in (0, 7, 11):
        batch = windows.batch(np.array([0]))
        batch.past[0, step] = batch.covariates[0, step] = 0
        if "decoder" in options:
            without = task.network.mean_path(batch).detach().numpy()[0, :, 0]
        else:
            without = task.network.forecast(batch).mean.numpy()[0, :, 0]
        np.testing.assert_allclose(found.scores - found.left_out[:, step], shift + scale * without, rtol=1e-5)
    assert found.left_out.any()


def test_a_forecaster_that_draws_is_explained_on_the_path_of_means(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", y=WAVE)
    task = forecaster(path, decoder="autoregressive", cell="lstm", output="gaussian", instance_norm=False)
    found = check(explain(task, str(path)))
    windows = task.last_windows(task.load(str(path)))
    drawn = task.forecasts(windows, draws=4000).mean[0, :, 0]
    assert found.scores[0] == pytest.approx(drawn[0], rel=0.02)  # of the first step the mean of all paths
    assert found.told[1].endswith("on the path of means")
    (layer,) = found.layers
    assert list(layer.pieces) == [str(step) for step in range(78, 93)]
    network = task.network
    theirs = nn.LSTM(network.recurrent.input_size, 6)
    theirs.load_state_dict(network.recurrent.state_dict())
    batch = windows.batch(np.array([0]))
    inputs, _ = network.recurrent_inputs(batch._replace(targets=torch.zeros(1, 3, 1)))
    outputs, _ = theirs(inputs[0, :13].detach())
    np.testing.assert_allclose(layer.values["h"][:13], outputs.detach().numpy(), atol=1e-5)


def test_the_answer_forms_as_shorter_series_are_forecast(tmp_path: Path) -> None:
    task = forecaster(write(tmp_path / "a.csv", y=WAVE))
    short = tmp_path / "short.csv"
    short.write_text("".join(["ds,y\n", *(f"{step},{WAVE[step]}\n" for step in range(10))]), encoding="utf-8")
    found = check(explain(task, str(short)))
    windows = task.last_windows(task.load(str(short)))
    for read in (1, 4, 9):
        batch = windows.batch(np.array([0]))
        first = batch._replace(
            past=batch.past[:, :read], covariates=batch.covariates[:, :read], lengths=torch.tensor([read])
        )
        expected = windows.shift[0, 0] + windows.scale[0, 0] * float(task.network.forecast(first).mean[0, 0, 0])
        assert found.forming[read - 1].value == pytest.approx(expected, rel=1e-5)
        assert found.forming[read - 1].read == read


def test_one_of_several_series_is_explained(tmp_path: Path) -> None:
    path = write(tmp_path / "two.csv", one=WAVE, two=WAVE[::-1])
    task = forecaster(path, target_columns="one,two", variables="separate")
    windows = task.last_windows(task.load(str(path)))
    for item, name in enumerate(("one", "two"), start=1):
        found = check(explain(task, str(path), item))
        assert found.source == f"series {item} of 2 in {path}, '{name}'"
        assert (found.unit, len(found.answers)) == (name, 3)
        mean = task.network.forecast(windows.batch(np.array([item - 1]))).mean[0, :, 0].detach().numpy()
        expected = windows.shift[item - 1, 0] + windows.scale[item - 1, 0] * mean
        np.testing.assert_allclose(found.scores, expected, rtol=1e-5)
    with pytest.raises(DataError, match="expected a series number 3, found 2 in all"):
        explain(task, str(path), 3)
    found = check(explain(forecaster(path, target_columns="one,two", variables="together"), str(path)))
    assert list(found.answers) == ["90, one", "90, two", "91, one", "91, two", "92, one", "92, two"]
    assert found.unit == "the units of the series"


def test_bad_series_to_forecast_are_said(tmp_path: Path) -> None:
    task = forecaster(write(tmp_path / "a.csv", y=WAVE))
    with pytest.raises(SettingsError, match="a forecaster reads files"):
        explain(task, "-")
    with pytest.raises(DataError, match=r"missing\.csv"):
        explain(task, str(tmp_path / "missing.csv"))
    with torch.no_grad():
        task.network.head.bias[0] = torch.inf
    with pytest.raises(DataError, match="no number: 1 of its weights"):
        explain(task, str(tmp_path / "a.csv"))


# recordings


@pytest.fixture(scope="module")
def transcriber(tiny_transcriber: Path) -> Transcribe:
    task = read_model(tiny_transcriber).task
    assert isinstance(task, Transcribe)
    return task


def log_probabilities(task: Transcribe, frames: NDArray[np.float32]) -> NDArray[np.float64]:
    """Of the symbols at each step, given that it is no unknown one."""
    with torch.no_grad():
        found, _ = task.network.eval()(torch.from_numpy(frames)[None], torch.tensor([len(frames)]))
    return task.decoding().without_unknown(found[:, 0].numpy())


def test_a_recording_is_explained_as_it_is_transcribed(
    transcriber: Transcribe, tones: Callable[..., NDArray[np.float32]], tmp_path: Path
) -> None:
    path = tmp_path / "a.wav"
    samples = tones("ab dc")
    soundfile.write(path, samples, 8000)
    found = check(explain(transcriber, str(path)))
    (line,) = [json.loads(line) for line in transcriber.predict([str(path)])]
    assert found.whole == "".join(found.answers) == line["text"] == found.forming[-1].answer
    assert (found.is_text, found.probable) == (False, True)
    assert found.forming[-1].value == pytest.approx(line["confidence"], abs=1e-4)
    assert [found.pieces[0], found.pieces[1]] == ["0.00 s", "0.02 s"]
    frames = transcriber.stats.apply(transcriber.log_mel(soundfile.read(path, dtype="float32")[0]))
    logs = log_probabilities(transcriber, frames)
    ids = [transcriber.vocabulary.encode([symbol])[0][0] for symbol in found.answers]
    for score, id_ in zip(found.scores, ids):
        assert np.abs(logs[:, id_] - score).min() < 1e-4
    quiet = frames.copy()
    quiet[6:8] = 0  # the fourth window of two frames
    steps = [int(np.abs(logs[:, id_] - score).argmin()) for score, id_ in zip(found.scores, ids)]
    without = log_probabilities(transcriber, quiet)[steps, ids]
    np.testing.assert_allclose(found.left_out[:, 3], found.scores - without, atol=1e-4)
    for row, step in zip(found.influences, steps):
        assert not row[step + 1 :].any()  # it follows a stream
        assert abs(row[max(0, step - 3) : step + 1].sum()) > 0.5 * np.abs(row).sum()  # and heard the tone just now
    theirs = nn.GRU(32, 32)
    theirs.load_state_dict(transcriber.network.recurrent.state_dict())
    even = np.concatenate([frames, np.zeros((len(frames) % 2, 16), np.float32)])
    outputs, _ = theirs(torch.from_numpy(even.reshape(-1, 32)))
    np.testing.assert_allclose(found.layers[0].values["h"], outputs.detach().numpy(), atol=1e-5)


def test_first_parts_of_a_recording_are_transcribed(
    transcriber: Transcribe, tones: Callable[..., NDArray[np.float32]], tmp_path: Path
) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, tones("ab"), 8000)
    frames = transcriber.stats.apply(transcriber.log_mel(soundfile.read(path, dtype="float32")[0]))
    decoding = transcriber.decoding()
    for one in explain(transcriber, str(path)).forming[:-1:3]:
        part = decoding.transcribe(log_probabilities(transcriber, frames[: 2 * one.read]).astype(np.float32))
        assert (one.answer, round(one.value, 4)) == (part.text or "(nothing)", round(part.confidence, 4))


def test_where_nothing_is_written_that_is_the_answer(
    tiny_transcriber: Path, tones: Callable[..., NDArray[np.float32]], tmp_path: Path
) -> None:
    task, path = read_model(tiny_transcriber).task, tmp_path / "a.wav"
    assert isinstance(task, Transcribe)
    with torch.no_grad():
        task.network.output.bias[0] += 30  # the blank
    soundfile.write(path, tones("ab"), 8000)
    found = check(explain(task, str(path)))
    assert found.answers == ["(nothing)"]
    assert {one.answer for one in found.forming} == {"(nothing)"}
    frames = task.stats.apply(task.log_mel(soundfile.read(path, dtype="float32")[0]))
    assert found.scores[0] == pytest.approx(log_probabilities(task, frames)[:, 0].sum(), abs=1e-4)


def test_digital_silence_far_from_all_training(transcriber: Transcribe, tmp_path: Path) -> None:
    path = tmp_path / "silence.wav"
    soundfile.write(path, np.zeros(3000, np.float32), 8000)
    check(explain(transcriber, str(path)))  # its score jumps on the way


def test_a_recording_of_a_manifest(transcriber: Transcribe, tones_csv: Path) -> None:
    for item in (1, 2):
        path = tones_csv.parent / f"{item - 1}.wav"
        found = check(explain(transcriber, str(tones_csv), item))
        assert found.source == f"{path}, recording {item} of {tones_csv}"
        np.testing.assert_array_equal(found.scores, explain(transcriber, str(path)).scores)
    with pytest.raises(DataError, match=r"0\.wav: expected a recording number 2, found 1 in all"):
        explain(transcriber, str(tones_csv.parent / "0.wav"), 2)


def test_features_have_no_seconds(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    rows = ["path,text"]
    for number in range(12):
        np.save(tmp_path / f"{number}.npy", chance.normal(size=(20, 4)).astype(np.float32))
        rows.append(f"{number}.npy,{'ab'[number % 2]}")
    (tmp_path / "m.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    settings = {**SMALL, "num_layers": 1, "stack": 2, "time_masks": 0, "frequency_masks": 0}
    config = make_run_config("transcribe", data=str(tmp_path / "m.csv"), **settings)
    task = shaken(Transcribe.from_data(config))
    found = check(explain(task, str(tmp_path / "3.npy")))
    assert list(found.pieces)[:2] == ["frame 0", "frame 2"]
    np.save(tmp_path / "wide.npy", np.zeros((20, 5), np.float32))
    with pytest.raises(DataError, match="expected 4 numbers in a frame"):
        explain(task, str(tmp_path / "wide.npy"))


def test_bad_recordings_are_said(transcriber: Transcribe, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="name a file"):
        explain(transcriber, "-")
    with pytest.raises(DataError, match=r"missing\.wav"):
        explain(transcriber, str(tmp_path / "missing.wav"))
    (tmp_path / "text.wav").write_text("no sound", encoding="utf-8")
    with pytest.raises(DataError, match=r"text\.wav"):
        explain(transcriber, str(tmp_path / "text.wav"))
    soundfile.write(tmp_path / "short.wav", np.zeros(20, np.float32), 8000)
    with pytest.raises(DataError, match="expected sound at least as long as a frame, found none in"):
        explain(transcriber, str(tmp_path / "short.wav"))
    with pytest.raises(SettingsError, match="no manifest is read"):
        explain(transcriber, str(tmp_path / "short.wav"), path_column="path")
