"""Series classification: logits that know no company, what is learnt, and the way through files and directories."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_sequence, pad_packed_sequence

from recurra import check
from recurra.baselines import SUMMARIES
from recurra.batch import make_frame_batch
from recurra.check import check_model
from recurra.checkpoint import read_model
from recurra.config import make_run_config
from recurra.data.labelled_series import LabelledSeries
from recurra.data.labelled_series_splits import SeriesSplits
from recurra.errors import DataError, SettingsError
from recurra.fit import fit
from recurra.nn.classifier import SeriesClassifier
from recurra.tasks import TASKS
from recurra.tasks.classify import Classify
from recurra.tasks.classify_series import ClassifySeries

SMALL: dict[str, Any] = {"hidden_size": 6, "dropout": 0.0, "batch_size": 16, "learning_rate": 0.03, "valid_share": 0.2}
KINDS = [(c, p) for c in ("lstm", "gru", "rnn", "rnn_relu") for p in ("final", "mean", "max", "attention")]
KINDS += [("feedforward", p) for p in ("mean", "max", "attention")]


def turning(count: int, seed: int, channels: int = 2) -> tuple[list[np.ndarray], list[str]]:
    """Series of 4 to 12 steps that hold one 1 and one -1: "up" where the -1 comes first, which no summary tells."""
    rng = np.random.default_rng(seed)
    values, labels = [], []
    for number in range(count):
        series = rng.normal(0, 0.05, (rng.integers(4, 13), channels))
        first, second = np.sort(rng.choice(np.arange(1, len(series) - 1), 2, replace=False))
        series[[first, second], 0] += (-1, 1) if number % 2 else (1, -1)
        values.append(series * 100 + 1000)
        labels.append(("down", "up")[number % 2])
    return values, labels


def part(count: int, seed: int, channels: int = 2, name: str = "made") -> LabelledSeries:
    values, labels = turning(count, seed, channels)
    return LabelledSeries.numbered(name, values, labels)


def make(**options: Any) -> ClassifySeries:
    splits = SeriesSplits(part(40, 0), part(12, 1), part(12, 2))
    return ClassifySeries.from_splits(make_run_config("classify", data="memory", **{**SMALL, **options}), splits)


def write_ts(path: Path, count: int, seed: int, channels: int = 2) -> Path:
    lines = [
        ":".join([*(",".join(map(repr, map(float, column))) for column in values.T), label])
        for values, label in zip(*turning(count, seed, channels))
    ]
    path.write_text("@classLabel true down up\n@data\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model directory made once; tests only read it."""
    folder = tmp_path_factory.mktemp("series")
    data = write_ts(folder / "turns.ts", 60, 0)
    fit(make_run_config("classify", data=str(data), cell="gru", epochs=2, **SMALL), folder / "model")
    return folder / "model"


def logits(task: ClassifySeries, sequences: list[np.ndarray], extra: int = 0) -> Tensor:
    """Logits of series in one batch, padded by noise `extra` steps further than needed."""
    batch = make_frame_batch([np.asarray(values, np.float32) for values in sequences])
    noise = torch.randn(len(sequences), extra, batch.values.shape[2])
    with torch.no_grad():
        return task.network.eval()(torch.cat([batch.values, noise], 1), batch.lengths)


@pytest.fixture
def _same_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reload in this process: what a fresh one gives is tested with texts, and takes seconds each time."""

    def reloaded(folder: Path, sequences: Any) -> list[Tensor]:
        found: list[Tensor] = read_model(folder).task.responses(json.loads(json.dumps(sequences)))
        return found

    monkeypatch.setattr(check, "_elsewhere", reloaded)


@pytest.mark.parametrize(("cell", "pooling"), KINDS)
def test_a_series_alone_has_the_logits_it_has_in_company(cell: str, pooling: str) -> None:
    task = make(cell=cell, pooling=pooling, num_layers=2)
    torch.manual_seed(0)
    for parameter in task.network.parameters():
        nn.init.normal_(parameter)  # as large as after training: the fresh ones hide differences
    assert task.data is not None
    sequences = task.data.valid.values
    together = logits(task, sequences)
    assert together.std(0).min() > 1e-2
    for index, values in enumerate(sequences):
        torch.testing.assert_close(logits(task, [values])[0], together[index], rtol=1e-5, atol=1e-5)
    order = np.random.default_rng(0).permutation(len(sequences)).tolist()
    moved = logits(task, [sequences[index] for index in order], extra=5)
    torch.testing.assert_close(moved, together[order], rtol=1e-5, atol=1e-5)


def test_the_network_is_that_of_torch() -> None:
    task = make(cell="gru", pooling="mean")
    encoder = task.network.encoder
    theirs = nn.GRU(2, 6, batch_first=True, bidirectional=True)
    assert encoder.recurrent is not None
    theirs.load_state_dict(encoder.recurrent.state_dict())
    assert task.data is not None
    sequences = [torch.from_numpy(values) for values in task.data.valid.values]
    outputs, lengths = pad_packed_sequence(theirs(pack_sequence(sequences, False))[0], batch_first=True)
    expected = task.network.output(outputs.sum(1) / lengths.unsqueeze(1))
    torch.testing.assert_close(logits(task, task.data.valid.values), expected.detach(), rtol=1e-5, atol=1e-5)


def test_no_number_is_dropped_before_the_recurrence() -> None:
    network = SeriesClassifier(3, 2, make_run_config("classify", data="m", dropout=0.9, pooling="mean").model).train()
    seen: list[Tensor] = []
    assert network.encoder.recurrent is not None
    sound = network.encoder.recurrent.forward_packed
    network.encoder.recurrent.forward_packed = lambda v, layout: (seen.append(v), sound(v, layout))[1]  # type: ignore
    network(torch.ones(2, 4, 3), torch.tensor([4, 2]))
    assert torch.equal(seen[0], torch.ones(6, 3))


def test_what_order_alone_tells_is_learnt() -> None:
    from recurra.train import train

    task = make(cell="gru", epochs=25)
    train(task, callbacks=[])
    scores = task.evaluate(task.held_out()["test"], task.fit_baseline())
    assert scores["model"]["accuracy"]["value"] == 1.0
    assert scores["baselines"][SUMMARIES]["accuracy"]["value"] < 0.9
    assert set(scores["baselines"]) == {"majority class", SUMMARIES}
    assert scores["gain"]["value"] > 0.1
    assert (scores["shortest"], scores["longest"]) == (4, 12)


def test_batches_hold_each_series_once_with_its_class() -> None:
    task = make(batch_size=7)
    assert task.data is not None
    train = task.data.train
    expected = sorted((values.tobytes(), label) for values, label in zip(train.values, train.labels))
    for epoch in (1, 2):
        batches = list(task.batches(epoch))
        assert len(batches) == task.steps() == 6
        rows = [row for batch in batches for row in zip(batch.values, batch.lengths, batch.labels)]
        assert sorted((values[:length].numpy().tobytes(), int(label)) for values, length, label in rows) == expected


@pytest.mark.parametrize(("batch_size", "epochs"), [(16, 200), (1, 30), (40, 200)])
def test_small_sets_have_more_epochs(batch_size: int, epochs: int) -> None:
    assert make(batch_size=batch_size).epochs() == epochs
    assert make(batch_size=batch_size, epochs=4).epochs() == 4


def test_balanced_weights_and_the_loss_of_torch() -> None:
    splits = SeriesSplits(part(40, 0).taken(range(30), "t"), part(12, 1), None)
    splits = splits._replace(train=splits.train.taken([*range(0, 30, 2), 1, 3, 5], "t"))
    config = make_run_config("classify", data="memory", class_weights="balanced", **SMALL)
    task = ClassifySeries.from_splits(config, splits)
    assert (task.classes, task.label_counts) == (["down", "up"], [15, 3])
    weights = 18 / (2 * torch.tensor([15.0, 3.0]))
    for batch in task.batches(1):
        expected = nn.CrossEntropyLoss(weight=weights)(task.network(batch.values, batch.lengths), batch.labels)
        torch.testing.assert_close(task.loss(task.network, batch).value, expected)


# what has no effect


TOLD = [
    ({"tokens": "characters"}, "option 'tokens' (characters) would have no effect"),
    ({"vocabulary_size": 9}, "option 'vocabulary_size' (9) would have no effect"),
    ({"max_length": 5}, "option 'max_length' (5) would have no effect"),
    ({"embedding_size": 8}, "option 'embedding_size' (8) would have no effect"),
    ({"word_dropout": 0.1}, "option 'word_dropout' (0.1) would have no effect"),
]


@pytest.mark.parametrize(("options", "message"), TOLD)
def test_options_about_symbols(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        make(**options)
    assert str(caught.value).startswith(message)
    assert "made holds series of numbers, which have no symbols" in str(caught.value)
    with pytest.raises(SettingsError) as caught:
        make_run_config("classify", data="a.csv", inputs="series", **options)
    assert str(caught.value) == message + ": series of numbers have no symbols"


def test_options_that_say_what_the_inputs_are(tmp_path: Path) -> None:
    for options in ({"text_column": "t"}, {"inputs": "text"}):
        with pytest.raises(SettingsError, match=r"'id_column' \(i\) would have no effect: the examples are texts"):
            make_run_config("classify", data="a.csv", id_column="i", **options)
    path = write_ts(tmp_path / "t.ts", 9, 0)
    for options in ({"text_column": "t"}, {"inputs": "text"}):
        (option,) = options
        with pytest.raises(SettingsError, match=rf"option '{option}' .*t\.ts is a \.ts file of numbers"):
            TASKS["classify"].from_data(make_run_config("classify", data=str(path), **options))


def test_numbers_may_be_read_as_texts_and_the_other_way_round(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("remark,a,b\n" + "".join(f"{n} yes no,{n % 2},{n}\n" for n in range(30)), encoding="utf-8")

    def made(**options: Any) -> Any:
        return Classify.from_data(make_run_config("classify", data=str(path), label_column="a", **options))

    assert isinstance(made(), Classify)
    assert isinstance(made(inputs="series"), ClassifySeries)
    path.write_text("kind,a,b,c\n" + "".join(f"{'xy'[n % 2]},{n % 2},{n},{n}\n" for n in range(30)), encoding="utf-8")
    assert isinstance(made(), ClassifySeries)
    assert isinstance(made(inputs="text"), Classify)
    assert isinstance(made(text_column="kind"), Classify)


# the directory


def test_a_directory_without_symbols_holds_the_model(model: Path) -> None:
    saved = read_model(model)
    assert isinstance(saved.task, ClassifySeries)
    assert not list(model.glob("*tokenizer.json"))
    assert saved.task.facts() == json.loads((model / "config.json").read_text(encoding="utf-8"))["facts"]
    card = (model / "README.md").read_text(encoding="utf-8")
    assert card.startswith("# Series classifier: gru\n")
    assert "Channels: `1`, `2`; each is brought to mean 0 and deviation 1 by the training series." in card
    assert "model.predict([[[0.5, 0.5], [0.5, 0.5], [0.5, 0.5]]])  # one series of three steps" in card
    assert f"| {SUMMARIES} |" in card


def test_the_baseline_is_the_same_again(model: Path) -> None:
    saved = read_model(model)
    examples = saved.task.load_labelled(str(model.parent / "turns.ts"))
    again = saved.task.restore_baseline(saved.baseline.tensors())
    assert np.array_equal(again.probabilities(examples), saved.baseline.probabilities(examples))


@pytest.mark.usefixtures("_same_process")
def test_the_invariants_hold(model: Path) -> None:
    saved = read_model(model)
    names = []
    for finding in check_model(saved, saved.task.sequences(None)):
        names.append(finding.name)
        assert finding.holds, finding
    assert names == ["padding", "batch", "order", "parity", "gradient", "reload"]


@pytest.mark.usefixtures("_same_process")
def test_padding_that_is_read_is_found(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = read_model(model)
    sound = SeriesClassifier.forward

    def read_padding(self: SeriesClassifier, values: Tensor, lengths: Tensor) -> Tensor:
        return sound(self, values, torch.full_like(lengths, values.shape[1]))

    monkeypatch.setattr(SeriesClassifier, "forward", read_padding)
    findings = {finding.name: finding.holds for finding in check_model(saved, saved.task.sequences(None))}
    assert not findings["padding"]
    assert not findings["batch"]
    assert findings["parity"]


def test_random_series_where_the_data_are_gone(model: Path, tmp_path: Path) -> None:
    task = read_model(model).task
    task.config = task.config.model_copy(
        update={"data": task.config.data.model_copy(update={"data": str(tmp_path / "gone.ts")})}
    )
    sequences = task.sequences(None)
    assert len(sequences) == 64
    assert {len(step) for series in sequences for step in series} == {2}
    assert min(map(len, sequences)) >= 1


# files of others


def test_a_label_that_training_had_not(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "o.ts"
    path.write_text("@classLabel true up left\n@data\n1,2:3,4:left\n1,2:3,4:up\n", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_model(model).task.load_labelled(str(path))
    assert str(caught.value).endswith("o.ts: expected the classes down, up; never seen in training: 'left' (1 series)")


def answers(lines: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in "".join(lines).splitlines()]


def test_predictions_come_in_order_each_as_it_is_alone(model: Path, tmp_path: Path) -> None:
    task = read_model(model).task
    path = write_ts(tmp_path / "new.ts", 9, 5)
    found = answers(task.predict([str(path)]))
    values, _ = turning(9, 5)
    assert [one["series"] for one in found] == list("123456789")
    alone = [":".join(",".join(map(repr, map(float, channel))) for channel in series.T) for series in values]
    for one, text in zip(found, alone):
        (other,) = answers(task.predict([text]))
        assert other["label"] == one["label"] == max(one["probabilities"], key=one["probabilities"].get)
        assert other["probabilities"] == pytest.approx(one["probabilities"], abs=1e-6)
    expected = logits(task, [task.standardisation.apply(series) for series in values]).softmax(1)
    np.testing.assert_allclose([list(one["probabilities"].values()) for one in found], expected, atol=1e-6)


@pytest.mark.usefixtures("_same_process")
def test_predictions_of_a_table_of_steps_are_called_by_their_ids(tmp_path: Path) -> None:
    path = tmp_path / "steps.csv"
    rows = [
        f"s{number},{step},{row[0]},{row[1]},{label}\n"
        for number, (values, label) in enumerate(zip(*turning(30, 0)))
        for step, row in enumerate(values)
    ]
    path.write_text("unique_id,ds,x,y,label\n" + "".join(rows), encoding="utf-8")
    fit(make_run_config("classify", data=str(path), epochs=1, **SMALL), tmp_path / "m")
    task = read_model(tmp_path / "m").task
    assert (task.trained.channels, task.trained.origin.id_column) == (("x", "y"), "unique_id")
    assert [one["series"] for one in answers(task.predict([str(path)]))] == [f"s{number}" for number in range(30)]
    assert len(task.load_labelled(str(path))) == 30
    assert all(finding.holds for finding in check_model(read_model(tmp_path / "m"), task.sequences(None)))


INPUTS = [
    (["1,2"], {}, DataError, "argument '1,2': expected 2 channels, separated by colons, found 1"),
    (["a film to forget"], {}, DataError, "argument 'a film to forget': expected 2 channels"),
    (["1,x:2,3"], {}, DataError, "argument '1,x:2,3': value 2 of channel 1: expected a finite number, found 'x'"),
    (["1,2:3,4"], {"header": False}, SettingsError, "option 'header' (False) would have no effect: no file is read"),
    (["gone.ts"], {}, DataError, "gone.ts: there is no such file"),
    (["gone.csv"], {}, DataError, "gone.csv: there is no such file"),
]


@pytest.mark.parametrize(("inputs", "options", "kind", "message"), INPUTS)
def test_inputs_that_are_no_series(
    model: Path, inputs: list[str], options: dict[str, Any], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind) as caught:
        list(read_model(model).task.predict(inputs, **options))
    assert message in str(caught.value)


def test_the_command_line_from_numbers_to_answers(tmp_path: Path, cli: Any) -> None:
    data, other = write_ts(tmp_path / "turns.ts", 40, 0, 1), write_ts(tmp_path / "test.ts", 10, 1, 1)
    out = tmp_path / "m"
    options = ["--epochs", 1, "--hidden-size", 4, "--test", other, "--out", out]
    result = cli("train", "classify", data, *options)
    assert result.exit_code == 0, result.output
    assert "train: 36 series of 4 to 12 steps, 1 channel" in result.stderr
    assert SUMMARIES in result.stdout
    result = cli("evaluate", out, other)
    assert (result.exit_code, "10 series" in " ".join(result.stdout.split())) == (0, True), result.output
    result = cli("predict", out, input="1,2,3\n4\n")
    assert [line["series"] for line in answers(result.stdout)] == ["1", "2"]
    result = cli("train", "classify", data, "--tokens", "bpe", "--out", tmp_path / "n")
    assert (result.exit_code, "option 'tokens' (bpe) would have no effect" in result.stderr) == (2, True)
