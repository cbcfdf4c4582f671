"""`recurra check`: it passes a sound model, and finds one that was broken on purpose."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from typer.testing import Result

from recurra import check
from recurra.check import Finding, check_model
from recurra.checkpoint import SavedModel, read_model
from recurra.config import make_run_config
from recurra.errors import DataError
from recurra.fit import fit
from recurra.kernels import dispatch
from recurra.nn.classifier import TextClassifier
from recurra.nn.encoder import SequenceEncoder

Cli = Callable[..., Result]
NAMES = ["padding", "batch", "order", "parity", "gradient", "reload"]


@pytest.fixture
def saved(tiny_model: Path) -> SavedModel:
    return read_model(tiny_model)


@pytest.fixture
def same_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reload in this process: what a fresh one gives is tested once, and takes seconds each time."""
    monkeypatch.setattr(check, "_elsewhere", lambda folder, sequences: read_model(folder).task.responses(sequences))


def broken(saved: SavedModel) -> set[str]:
    return {finding.name for finding in check_model(saved, saved.task.sequences(None)) if not finding.holds}


def test_a_sound_model(tiny_model: Path, cli: Cli) -> None:
    result = cli("-q", "check", tiny_model)
    lines = result.stdout.splitlines()
    assert (result.exit_code, result.stderr) == (0, "")
    found = [re.match(r"ok      (\w+) +(\d\.\de[+-]\d\d)  \(allowed (\d+e[+-]\d\d)\)  \w", line) for line in lines]
    assert [match and match[1] for match in found] == NAMES
    assert [match and match[3] for match in found] == ["1e-05", "1e-05", "1e-05", "1e-04", "1e-04", "0e+00"]
    assert found[-1] is not None
    assert float(found[-1][2]) == 0  # a fresh process gives the same bits


@pytest.mark.usefixtures("same_process")
@pytest.mark.parametrize(
    "options",
    [
        {"cell": "gru", "num_layers": 2, "pooling": "final", "dropout": 0.3},
        {"cell": "rnn", "bidirectional": False, "pooling": "mean"},
        {"cell": "rnn_relu", "pooling": "attention"},
        {"cell": "feedforward"},
    ],
)
def test_sound_models_of_other_kinds(
    options: dict[str, Any], reviews_csv: Path, small: dict[str, Any], tmp_path: Path
) -> None:
    fit(make_run_config("classify", data=str(reviews_csv), **{**small, "epochs": 1, **options}), tmp_path / "m")
    saved = read_model(tmp_path / "m")
    findings = list(check_model(saved, saved.task.sequences(None)))
    of_layers = [] if options["cell"] == "feedforward" else ["parity", "gradient"]
    of_layers += [] if options.get("bidirectional", True) else ["stream"]
    assert [finding.name for finding in findings] == ["padding", "batch", "order", *of_layers, "reload"]
    assert [finding for finding in findings if not finding.holds] == []


@pytest.mark.usefixtures("same_process")
def test_a_model_that_reads_padding(tiny_model: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """The classic fault: every text is taken to be as long as its batch."""
    sound = SequenceEncoder.forward

    def read_padding(self: SequenceEncoder, values: Tensor, lengths: Tensor) -> Tensor:
        return sound(self, values, torch.full_like(lengths, values.shape[1]))

    monkeypatch.setattr(SequenceEncoder, "forward", read_padding)
    result = cli("-q", "check", tiny_model)
    assert result.exit_code == 8
    assert re.search(r"^BROKEN  padding +\d", result.stdout, re.MULTILINE)
    assert re.search(r"^BROKEN  batch +\d", result.stdout, re.MULTILINE)
    assert re.search(r"^ok +parity +\d", result.stdout, re.MULTILINE)
    assert result.stderr == f"error: {tiny_model}: does not hold: padding, batch\n"


@pytest.mark.usefixtures("same_process")
def test_a_model_that_mixes_up_a_batch(saved: SavedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another classic: what was sorted by length is not put back in order."""
    sound = TextClassifier.forward

    def forget_to_unsort(self: TextClassifier, values: Tensor, lengths: Tensor) -> Tensor:
        return sound(self, values, lengths)[lengths.argsort(descending=True, stable=True)]

    monkeypatch.setattr(TextClassifier, "forward", forget_to_unsort)
    found = broken(saved)
    assert {"batch", "order"} <= found
    assert "padding" not in found


@pytest.mark.usefixtures("same_process")
def test_layers_that_are_not_those_of_torch(saved: SavedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    recurrent: Any = saved.task.network.encoder.recurrent  # type: ignore[union-attr]
    sound = type(recurrent).forward_packed

    def scale(self: Any, values: Tensor, layout: Any) -> Any:
        outputs, state = sound(self, values, layout)
        return 1.001 * outputs, state

    monkeypatch.setattr(type(recurrent), "forward_packed", scale)
    assert broken(saved) == {"parity"}  # and the gradient agrees with that of the plain loop, scaled as well


@pytest.mark.usefixtures("same_process")
def test_a_model_that_changes_with_every_use(saved: SavedModel) -> None:
    saved.task.network.train()  # dropout is on
    assert {"padding", "batch", "order", "reload"} <= broken(saved)


def test_nan_does_not_hold() -> None:
    assert not Finding("padding", "", float("nan"), 1e-5).holds
    assert Finding("padding", "", 0.0, 0.0).holds


def test_no_example(saved: SavedModel) -> None:
    with pytest.raises(DataError, match="there is no example to try the model on"):
        next(check_model(saved, []))


@pytest.mark.usefixtures("same_process")
def test_other_texts_and_empty_ones(saved: SavedModel, tmp_path: Path, cli: Cli) -> None:
    texts = tmp_path / "texts.csv"
    texts.write_text('id,quote\n1,a good film\n2,\n3,"so long "\n')
    result = cli("check", saved.path, texts, "--text-column", "quote")
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, 6)
    result = cli("check", saved.path, tmp_path / "none.csv")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "none.csv: there is no such file" in result.stderr


@pytest.mark.usefixtures("same_process")
def test_only_empty_texts(saved: SavedModel, tmp_path: Path, cli: Cli) -> None:
    texts = tmp_path / "texts.csv"
    texts.write_text('text\n" "\n" "\n')
    result = cli("check", saved.path, texts)
    assert result.exit_code == 0
    assert [line.split()[1] for line in result.stdout.splitlines()] == ["padding", "batch", "order", "reload"]


@pytest.mark.usefixtures("same_process")
def test_random_symbols_where_the_data_are_gone(
    reviews_csv: Path, small: dict[str, Any], tmp_path: Path, cli: Cli
) -> None:
    data = tmp_path / "a.csv"
    data.write_bytes(reviews_csv.read_bytes())
    fit(make_run_config("classify", data=str(data), **small), tmp_path / "m")
    data.unlink()
    result = cli("check", tmp_path / "m")
    assert result.stderr == f"the model's own data ({data}) are not here: tried on random symbols\n"
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, 6)


def line_model(folder: Path, **options: Any) -> SavedModel:
    """A language model of a few steps, in one direction and so with a future that it may not know."""
    text = folder / "lines.txt"
    text.write_text("".join(f"the {word} cat sat on the {word} mat\n" for word in ["old", "red", "big", "sad"]) * 12)
    told = {"epochs": 1, "batch_size": 2, "embedding_size": 8, "hidden_size": 8, "steps": 10, **options}
    fit(make_run_config("language-model", data=str(text), **told), folder / "line")
    return read_model(folder / "line")


@pytest.mark.usefixtures("same_process")
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_a_model_that_reads_on(cell: str, tmp_path: Path) -> None:
    saved = line_model(tmp_path, cell=cell)
    findings = list(check_model(saved, saved.task.sequences(None)))
    names = ["padding", "batch", "order", "parity", "gradient", "stream", "future", "reload"]
    assert [finding.name for finding in findings] == names
    assert [finding for finding in findings if not finding.holds] == []


@pytest.mark.usefixtures("same_process")
def test_a_model_that_knows_the_future(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a step hands on is of two steps later: it has read the symbol behind the one that it is asked for."""
    saved = line_model(tmp_path)
    network: Any = saved.task.network
    sound = network.read

    def peek(values: Tensor, state: Any = None) -> Any:
        outputs, final = sound(values, state)
        return torch.cat([outputs[2:], outputs[-2:]]), final

    monkeypatch.setattr(network, "read", peek)
    assert "future" in broken(saved)


@pytest.mark.usefixtures("same_process")
def test_a_stream_that_forgets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = line_model(tmp_path)
    recurrent: Any = saved.task.network.recurrent
    sound = recurrent.forward
    monkeypatch.setattr(recurrent, "forward", lambda piece, state=None: sound(piece))  # the state is not carried on
    assert broken(saved) == {"stream"}


@pytest.mark.usefixtures("same_process")
def test_a_kernel_with_a_wrong_gradient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One whose outputs are right, so that nothing but the gradient tells."""
    saved = line_model(tmp_path)
    sound = dispatch.KERNELS["reference"]

    def halved(cell: str, data: Tensor, *rest: Any) -> Any:
        return sound.layer(cell, data.detach() + 0.5 * (data - data.detach()), *rest)

    for name in ("native", "packed", "library"):
        monkeypatch.setitem(dispatch.KERNELS, name, sound._replace(layer=halved))
    assert broken(saved) == {"parity", "gradient"}
