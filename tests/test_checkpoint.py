"""The model directory: what is in it, and what is said of one that is missing, foreign, damaged or too new."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import Result

import recurra
from recurra.checkpoint import FORMAT, read_model
from recurra.errors import ModelDirectoryError

Cli = Callable[..., Result]
WHOLE = ["config.json", "tokenizer.json", "model.safetensors", "baseline.safetensors", "metrics.json"]
FILES = sorted([*WHOLE, "README.md", "history.jsonl", "last.safetensors"])


def refused(place: Path, cli: Cli) -> str:
    """Return why the library refuses a place; the command line must say the same."""
    with pytest.raises(ModelDirectoryError) as caught:
        recurra.load(place)
    result = cli("predict", place, "good")
    assert (result.exit_code, result.stdout, result.stderr) == (4, "", f"error: {caught.value}\n")
    return str(caught.value)


def test_what_is_in_it(tiny_model: Path) -> None:
    assert sorted(path.name for path in tiny_model.iterdir()) == FILES
    config = json.loads((tiny_model / "config.json").read_text())
    assert config["format"] == FORMAT
    assert config["facts"] == {"classes": ["neg", "pos"], "label_counts": [24, 24], "columns": ["text", "label"]}
    metrics = json.loads((tiny_model / "metrics.json").read_text())
    assert metrics["files"] == {
        name: hashlib.sha256((tiny_model / name).read_bytes()).hexdigest() for name in WHOLE[:4]
    }
    history = [json.loads(line) for line in (tiny_model / "history.jsonl").read_text().splitlines()]
    assert [record["epoch"] for record in history] == [1, 2]
    best = max(history, key=lambda record: (record["valid_score"], -record["valid_loss"]))
    assert metrics["best_epoch"] == best["epoch"]


def test_no_file_is_a_pickle(tiny_model: Path) -> None:
    for path in tiny_model.iterdir():
        content = path.read_bytes()
        if path.suffix == ".safetensors":
            size = int.from_bytes(content[:8], "little")
            assert isinstance(json.loads(content[8 : 8 + size]), dict)
        else:
            content.decode("utf-8")


def test_the_weights_are_those_that_were_scored(tiny_model: Path) -> None:
    saved = read_model(tiny_model)
    stored = load_file(tiny_model / "model.safetensors")
    assert stored.keys() == saved.task.network.state_dict().keys()
    for name, value in saved.task.network.state_dict().items():
        assert torch.equal(value, stored[name]), name
    assert not saved.task.network.training


def test_a_fresh_process_gives_the_same_bits(tiny_model: Path, environment: dict[str, str]) -> None:
    texts = ["a good film", "", "so so"]
    code = f"import recurra, sys; sys.stdout.buffer.write(recurra.load(sys.argv[1]).predict_proba({texts!r}).tobytes())"
    arguments = [sys.executable, "-c", code, str(tiny_model)]
    ended = subprocess.run(arguments, capture_output=True, check=True, env=environment)
    assert ended.stdout == recurra.load(tiny_model).predict_proba(texts).tobytes()


def test_missing(tmp_path: Path, cli: Cli) -> None:
    place = tmp_path / "none"
    assert refused(place, cli) == f"{place}: there is no such model directory; recurra train makes one"
    (tmp_path / "none.partial").mkdir()
    assert "nothing was finished yet" in refused(place, cli)


def test_the_folder_that_one_stands_in(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tiny_model)
    assert read_model(Path(".")).task.name == "classify"
    with pytest.raises(ModelDirectoryError, match="not a recurra model directory"):
        read_model(Path(".."))


def test_foreign(tmp_path: Path, cli: Cli) -> None:
    place = tmp_path / "mine"
    place.mkdir()
    assert refused(place, cli).endswith(
        "not a recurra model directory: expected a config.json of recurra and other files, found nothing"
    )
    (place / "notes.txt").write_text("mine")
    assert refused(place, cli).endswith("found notes.txt")
    assert refused(place / "notes.txt", cli).endswith("expected a model directory, found a file")


def test_the_directory_of_another_library(tmp_path: Path, reviews_csv: Path, cli: Cli) -> None:
    place = tmp_path / "theirs"
    place.mkdir()
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (place / name).write_text("{}")
    assert "not a recurra model directory: expected a config.json of recurra" in refused(place, cli)
    result = cli("train", "classify", reviews_csv, "--out", place, "--overwrite")
    assert result.stderr.endswith("it exists and is no model directory of recurra; choose another --out\n")
    assert (result.exit_code, len(list(place.iterdir()))) == (5, 3)


@pytest.mark.parametrize("name", WHOLE)
def test_a_file_is_missing(name: str, model_copy: Path, cli: Cli) -> None:
    (model_copy / name).unlink()
    assert refused(model_copy, cli) == (f"{model_copy}: damaged: {name} missing; train again or restore a copy")


@pytest.mark.parametrize("name", ["README.md", "history.jsonl", "last.safetensors"])
def test_a_file_that_may_be_missing(name: str, model_copy: Path) -> None:
    (model_copy / name).unlink()
    assert recurra.load(model_copy).predict(["good"]).shape == (1,)


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_file_is_cut_short(name: str, share: float, model_copy: Path, cli: Cli) -> None:
    content = (model_copy / name).read_bytes()
    (model_copy / name).write_bytes(content[: int(share * (len(content.rstrip()) - 1))])
    message = refused(model_copy, cli)
    assert message.startswith(f"{model_copy}: damaged: {name} ")


@pytest.mark.parametrize("name", WHOLE[:4])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_bit_is_flipped(name: str, share: float, model_copy: Path, cli: Cli) -> None:
    content = bytearray((model_copy / name).read_bytes())
    content[int(share * len(content))] ^= 1
    (model_copy / name).write_bytes(content)
    message = refused(model_copy, cli)
    assert message.startswith(f"{model_copy}: damaged: ")
    assert name in message


def rewrite(model: Path, name: str, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change a JSON file, and its hash too, as somebody would who edits a model directory on purpose."""
    content = json.loads((model / name).read_text())
    change(content)
    (model / name).write_text(json.dumps(content))
    metrics = json.loads((model / "metrics.json").read_text())
    metrics["files"][name] = hashlib.sha256((model / name).read_bytes()).hexdigest()
    (model / "metrics.json").write_text(json.dumps(metrics))


def test_a_newer_version(model_copy: Path, cli: Cli) -> None:
    newer = {"format": FORMAT + 1, "recurra": "9.1.0", "settings": {"unheard": "of"}}
    rewrite(model_copy, "config.json", lambda config: config.update(newer))
    message = refused(model_copy, cli)
    assert f"written by recurra 9.1.0 in format {FORMAT + 1}; this is recurra" in message
    assert f"reads formats up to {FORMAT}: pip install --upgrade recurra" in message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda config: config["settings"]["model"].update(hiden_size=3), "unknown key 'hiden_size', did you mean"),
        (
            lambda config: config["settings"]["model"].update(hidden_size="wide"),
            "'hidden_size': input should be a valid",
        ),
        (lambda config: config["settings"]["model"].update(hidden_size=9), "size mismatch for encoder.recurrent"),
        (lambda config: config.pop("settings"), "settings"),
        (lambda config: config.pop("facts"), "facts"),
        (lambda config: config.update(settings=[]), "input should be a valid dictionary"),
        (lambda config: config.update(format="two"), "config.json has no format number"),
        (lambda config: config.update(facts=[]), "list indices"),
        (lambda config: config["facts"].update(columns=3), "not iterable"),
    ],
)
def test_an_edited_configuration(change: Callable[[Any], Any], message: str, model_copy: Path, cli: Cli) -> None:
    rewrite(model_copy, "config.json", change)
    refusal = refused(model_copy, cli)
    assert refusal.startswith(f"{model_copy}: damaged: ")
    assert message in refusal


@pytest.mark.parametrize("name", ["config.json", "metrics.json"])
@pytest.mark.parametrize(("content", "message"), [("[1]", "no JSON object"), ("\xff", "not JSON"), ("nul", "not JSON")])
def test_json_of_another_kind(name: str, content: str, message: str, model_copy: Path, cli: Cli) -> None:
    (model_copy / name).write_bytes(content.encode("latin1"))
    refusal = refused(model_copy, cli)
    assert message in refusal
    assert name in refusal


def test_scores_without_hashes(model_copy: Path, cli: Cli) -> None:
    (model_copy / "metrics.json").write_text('{"files": ["config.json"]}')
    assert "damaged: config.json is not the file that was saved" in refused(model_copy, cli)
