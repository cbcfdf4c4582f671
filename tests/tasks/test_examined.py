"""Labelled examples for those who look into a model: those of every task, read again after its directory was."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from recurra.config import make_run_config, parse_run_config
from recurra.errors import DataError, SettingsError
from recurra.tasks import TASKS

RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "texts": ("classify", {"valid_share": 0.3}),
    "series": ("classify", {"valid_share": 0.3}),
    "language": ("language-model", {"valid_share": 0.3, "test_share": 0.1, "batch_size": 2, "steps": 9}),
    "tags": ("tag", {"valid_share": 0.3}),
    "pairs": ("translate", {"tokens": "spaces", "label_smoothing": 0.0, "valid_share": 0.3, "test_share": 0.1}),
    "forecast": ("forecast", {"horizon": 3, "window": 12, "season": 6}),
    "recordings": ("transcribe", {"mels": 8, "num_layers": 1, "time_masks": 0, "frequency_masks": 0}),
}


def write(name: str, folder: Path) -> Path:
    """A small file of the kind that a run of that name reads."""
    chance, rows = random.Random(0), []
    for number in range(40):
        words, label = chance.choices("abcdef", k=chance.randint(1, 7)), "xy"[number % 2]
        rows.append(
            {
                "texts": f"{' '.join(words)},{label}",
                "language": " ".join(words),
                "pairs": f"{' '.join(words)} {number}\t{' '.join(words[::-1])}",
                "tags": "".join(f"{word}\t{label}\n" for word in words),
                "series": f"{','.join(str(ord(word)) for word in words)}:{label}",
                "forecast": f"{number},{10 + number % 6 + chance.random()}",
            }[name]
        )
    head = {
        "texts": "text,label\n",
        "pairs": "en\tfr\n",
        "forecast": "ds,y\n",
        "series": "@classLabel true x y\n@data\n",
    }
    ending = {"series": "ts", "language": "txt", "pairs": "tsv", "tags": "conll"}.get(name, "csv")
    path = folder / f"{name}.{ending}"
    path.write_text(head.get(name, "") + "".join(f"{row}\n" for row in rows), encoding="utf-8")
    return path


def made_again(task: Any) -> Any:
    """The task as it comes out of a model directory, whose settings seem to be told all."""
    config = parse_run_config(json.loads(json.dumps(task.config.model_dump())), source="test")
    again = type(task).restore(config, task.vocabularies, json.loads(json.dumps(task.facts())))
    again.network.load_state_dict(task.network.state_dict())
    again.network.eval()
    return again


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory, tones_csv: Path) -> Callable[[str], tuple[Any, Path]]:
    """Make a task that was not trained, with its data, and the file that these were read from."""

    def made(name: str) -> tuple[Any, Path]:
        path = tones_csv if name == "recordings" else write(name, tmp_path_factory.mktemp("data"))
        kind, options = RUNS[name]
        own = {"hidden_size": 4, "dropout": 0.0, "device": "cpu", **options}
        task = TASKS[kind].from_data(make_run_config(kind, data=str(path), **own))
        task.network.eval()
        return task, path

    return made


def sequences(batches: list[Any]) -> int:
    return sum(len(batch.lengths) for batch in batches)


@pytest.mark.parametrize("name", RUNS)
def test_they_are_the_validation_examples(name: str, make: Callable[[str], tuple[Any, Path]]) -> None:
    """The mean of the batches' losses is what validation finds, and no sequence is too much."""
    task, path = make(name)
    again = made_again(task)
    batches = again.labelled_batches(None)
    by_tokens, carried, total, weight = name in ("language", "tags", "pairs"), None, 0.0, 0
    for batch in batches:
        with torch.no_grad():
            loss, carried = again.loss(again.network, batch, carried)
        size = int(batch.lengths.sum()) if by_tokens else len(batch.lengths)
        total, weight = total + float(loss) * size, weight + size
    assert total / weight == pytest.approx(task.validate().loss, rel=1e-5)
    assert 0 < sequences(again.labelled_batches(None, most=5)) <= 5
    assert sequences(again.labelled_batches(str(path), most=30)) >= (1 if name == "language" else 20)


@pytest.mark.parametrize("name", RUNS)
def test_where_the_data_are_gone(name: str, make: Callable[[str], tuple[Any, Path]]) -> None:
    task, _ = make(name)
    data = task.config.data.model_copy(update={"data": "gone.csv"})
    task.config = task.config.model_copy(update={"data": data})
    with pytest.raises(DataError, match=r"the model's own data \(gone.csv\) are not here: name a file with labelled"):
        task.labelled_batches(None)
    hub = task.config.data.model_copy(update={"data": "hf:owner/name"})
    task.config = task.config.model_copy(update={"data": hub})
    with pytest.raises(DataError, match=r"own data \(hf:owner/name\) are not here"):
        task.labelled_batches(None)


def test_data_that_are_divided_already(tmp_path: Path) -> None:
    """The shares of validation and test, which nobody told, have no effect there and are no fault."""
    path = tmp_path / "divided.csv"
    rows = [f"a b {n},{'xy'[n % 2]},{'train' if n < 20 else 'valid'}" for n in range(26)]
    path.write_text("\n".join(["text,label,split", *rows, "c,x,test", "d,y,test"]), encoding="utf-8")
    task = TASKS["classify"].from_data(make_run_config("classify", data=str(path), hidden_size=4, device="cpu"))
    assert sequences(made_again(task).labelled_batches(None)) == 6


def test_batches_of_a_text_follow_one_another(make: Callable[[str], tuple[Any, Path]], tmp_path: Path) -> None:
    task, _ = make("language")
    path = tmp_path / "long.txt"
    path.write_text("a b c d e f\n" * 600, encoding="utf-8")
    first, second, *_ = batches = task.labelled_batches(str(path))
    assert [tuple(batch.values.shape) for batch in batches] == [(8, 128)] * 4 + [(8, 13)]
    assert torch.equal(second.values[:, 0], first.labels[:, -1])
    assert torch.equal(first.values[:, 1:], first.labels[:, :-1])
    assert [tuple(batch.values.shape) for batch in task.labelled_batches(str(path), most=3)] == [(3, 128)]


FAULTS = {
    "texts": ("text,label\na b,x\nb,z\n", "expected the classes x, y; never seen in training: 'z' (1 text)"),
    "series": ("@classLabel true x z\n@data\n1,2:z\n2,1:x\n", "expected the classes x, y; never seen in training: 'z'"),
    "tags": ("a\tx\nb\tz\n\n", "'z'"),
    "pairs": ("en\tfr\n", "no "),
    "language": ("", ""),
}


@pytest.mark.parametrize("name", FAULTS)
def test_labels_that_training_had_not(name: str, make: Callable[[str], tuple[Any, Path]], tmp_path: Path) -> None:
    task, path = make(name)
    content, said = FAULTS[name]
    other = tmp_path / f"other{path.suffix}"
    other.write_text(content, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        task.labelled_batches(str(other))
    assert said in str(caught.value)
    assert str(other) in str(caught.value)


def test_how_nothing_is_to_be_read(make: Callable[[str], tuple[Any, Path]]) -> None:
    task, _ = make("texts")
    with pytest.raises(SettingsError, match=r"option 'text_column' \(a\) would have no effect: no data are named"):
        task.labelled_batches(None, text_column="a")


def test_recordings_that_are_too_short_for_what_is_said(
    make: Callable[[str], tuple[Any, Path]], tones_csv: Path, tmp_path: Path
) -> None:
    task, _ = make("recordings")
    path = tmp_path / "long.csv"
    path.write_text(f"path,text\n{tones_csv.parent / '0.wav'},{'abcd' * 40}\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"long.csv: expected labelled examples, found none"):
        task.labelled_batches(str(path))


def test_long_sequences_stand_in_small_batches(make: Callable[[str], tuple[Any, Path]], tmp_path: Path) -> None:
    task, _ = make("texts")
    path = tmp_path / "long.csv"
    path.write_text("text,label\n" + "".join(f"{'a ' * 4000},{'xy'[n % 2]}\n" for n in range(6)), encoding="utf-8")
    found = task.labelled_batches(str(path))
    assert sequences(found) == 6
    assert max(np.prod(batch.values.shape) for batch in found) <= 2**13
