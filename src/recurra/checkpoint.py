"""The model directory: written whole or not at all, read, verified. No pickle: loading one runs no code.

    config.json            the settings, and what the task must know beside them
    tokenizer.json         the vocabulary, if the model reads or writes symbols; a translator's of the target side, if
                           it has its own: target_tokenizer.json
    model.safetensors      the weights of the best epoch
    baseline.safetensors   what the scores are shown beside
    metrics.json           scores and baselines, and the SHA-256 of the files above
    history.jsonl          a line an epoch
    README.md              the model card
    last.safetensors       the state after the last epoch, for --resume; may be deleted

A run writes all this into `NAME.partial` and renames it to `NAME` when it is finished, so that `NAME` is always a whole
model: the new one or the one before.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from recurra.config import parse_run_config
from recurra.errors import ModelDirectoryError, SettingsError
from recurra.files import atomic_writer, named, recover_folder, write_text
from recurra.tasks import TASKS
from recurra.tasks.base import Baseline, Task
from recurra.vocabulary import Vocabulary

__all__ = ["FORMAT", "LastState", "SavedModel", "read_model", "write_model"]

FORMAT = 1
_HASHED = ("config.json", "model.safetensors", "baseline.safetensors")
_VOCABULARY = "tokenizer.json"  # how the name of each vocabulary's file ends
_FILES = (*_HASHED, "metrics.json")
_DAMAGE = (AttributeError, LookupError, OSError, RuntimeError, SafetensorError, SettingsError, TypeError, ValueError)
_ALL_FILES = {*_FILES, _VOCABULARY, f"target_{_VOCABULARY}", "history.jsonl", "README.md", "last.safetensors"}


@dataclass(frozen=True)
class SavedModel:
    """What a model directory holds; the task and its baseline are those of its `config.json`."""

    path: Path
    task: Any
    metrics: dict[str, Any]
    baseline: Any


@dataclass(frozen=True)
class LastState:
    """The state of an unfinished run after its last whole epoch."""

    weights: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    history: list[dict[str, Any]]

    def restore(self, optimizer: torch.optim.Optimizer) -> None:
        """Put the optimizer's state back."""
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in self.optimizer.items():
            index, key = name.split(".")
            state.setdefault(int(index), {})[key] = value
        optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def write_settings(folder: Path, task: Task) -> None:
    """Write the vocabularies and then `config.json`, which marks a run that can be resumed."""
    content = {
        "format": FORMAT,
        "recurra": version("recurra"),
        "settings": task.config.model_dump(),
        "facts": task.facts(),
    }
    for name, vocabulary in task.vocabularies.items():
        write_text(folder / name, vocabulary.to_json())
    write_text(folder / "config.json", json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def write_weights(path: Path, weights: Mapping[str, Tensor]) -> None:
    """Write tensors as safetensors."""
    with atomic_writer(path) as file:
        file.write(save({name: value.detach().cpu().contiguous() for name, value in weights.items()}))


def write_last(path: Path, task: Task, optimizer: torch.optim.Optimizer, history: list[dict[str, Any]]) -> None:
    """Write the state that a run can be resumed from, as one file."""
    tensors = {f"weights.{name}": value for name, value in task.network.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{key}": value for key, value in state.items()}
    contiguous = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    with atomic_writer(path) as file:
        file.write(save(contiguous, metadata={"history": json.dumps(history)}))


def read_last(path: Path) -> LastState:
    """Read what :func:`write_last` wrote."""
    with safe_open(path, framework="pt") as file:
        history = json.loads(file.metadata()["history"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  not a mapping
    parts: dict[str, dict[str, Tensor]] = {"weights": {}, "optimizer": {}}
    for name, value in tensors.items():
        part, _, rest = name.partition(".")
        parts[part][rest] = value
    return LastState(parts["weights"], parts["optimizer"], history)


def write_model(
    folder: Path, task: Task, metrics: Mapping[str, Any], baseline: Baseline, history: list[dict[str, Any]], card: str
) -> None:
    """Write the files of a finished model into an existing folder, `metrics.json` last."""
    write_settings(folder, task)
    write_weights(folder / "model.safetensors", task.network.state_dict())
    write_weights(folder / "baseline.safetensors", baseline.tensors())
    write_history(folder, history)
    write_text(folder / "README.md", card)
    hashes = {name: _sha256(folder / name) for name in dict.fromkeys((*_HASHED, *task.vocabularies))}
    write_text(folder / "metrics.json", json.dumps({**metrics, "files": hashes}, indent=2, ensure_ascii=False) + "\n")


def write_history(folder: Path, history: list[dict[str, Any]]) -> None:
    """Write `history.jsonl`."""
    write_text(folder / "history.jsonl", "".join(json.dumps(record) + "\n" for record in history))


def read_history(folder: Path) -> list[dict[str, Any]]:
    """Read what :func:`write_history` wrote; nothing where the file is not there."""
    path = folder / "history.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def read_model(path: str | Path) -> SavedModel:
    """Read and verify a model directory.

    Raises:
        ModelDirectoryError: it is missing, unfinished, foreign, damaged, or of a newer version.
    """
    folder = Path(path)
    recover_folder(folder)
    _require_whole(folder)
    metrics = _read_json(folder / "metrics.json")
    config = _read_json(folder / "config.json")
    if not isinstance(config.get("format"), int):
        raise ModelDirectoryError(f"{folder}: damaged: config.json has no format number")
    if config["format"] > FORMAT:
        raise ModelDirectoryError(
            f"{folder}: written by recurra {config.get('recurra')} in format {config['format']}; this is recurra "
            f"{version('recurra')}, which reads formats up to {FORMAT}: pip install --upgrade recurra"
        )
    hashes = metrics["files"] if isinstance(metrics.get("files"), dict) else {}
    for name in dict.fromkeys((*_HASHED, *hashes)):
        if not (folder / name).is_file():
            raise ModelDirectoryError(f"{folder}: damaged: {name} missing; train again or restore a copy")
        if _sha256(folder / name) != hashes.get(name):
            raise ModelDirectoryError(
                f"{folder}: damaged: {name} is not the file that was saved; train again or restore a copy"
            )
    try:
        settings = parse_run_config(config["settings"], source=str(folder / "config.json"))
        vocabularies = {
            name: Vocabulary.from_json((folder / name).read_text(encoding="utf-8"))
            for name in hashes
            if name.endswith(_VOCABULARY)
        }
        task = TASKS[settings.task].restore(settings, vocabularies, config["facts"])
        task.network.load_state_dict(load_file(folder / "model.safetensors"))
        task.network.eval()
        baseline = task.restore_baseline(load_file(folder / "baseline.safetensors"))
    except _DAMAGE as error:
        raise ModelDirectoryError(f"{folder}: damaged: {error}") from error
    return SavedModel(folder, task, metrics, baseline)


def is_model_directory(path: Path) -> bool:
    """Whether a folder has a `config.json` that recurra wrote; other libraries have files of the same names."""
    try:
        content = json.loads((path / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and "recurra" in content


def is_unfinished_run(path: Path) -> bool:
    """Whether a folder holds nothing but what a run writes, temporary files included."""
    return path.is_dir() and all(entry.name in _ALL_FILES or entry.name.startswith(".") for entry in path.iterdir())


def is_replaceable(path: Path) -> bool:
    """Whether nothing foreign is lost when a place is written over: an empty folder, or one that recurra wrote."""
    return path.is_dir() and (is_model_directory(path) or not any(path.iterdir()))


def _require_whole(folder: Path) -> None:
    called = named(folder)
    partial = called.with_name(f"{called.name}.partial")
    if not folder.exists():
        if partial.exists():
            raise ModelDirectoryError(
                f"{folder}: nothing was finished yet: its run was stopped or is still at work; "
                f"the same command with --resume goes on with it"
            )
        raise ModelDirectoryError(f"{folder}: there is no such model directory; recurra train makes one")
    if not folder.is_dir():
        raise ModelDirectoryError(f"{folder}: expected a model directory, found a file")
    missing = [name for name in _FILES if not (folder / name).is_file()]
    ours = is_model_directory(folder) or (folder / "metrics.json").is_file()
    if missing and not ours:
        found = ", ".join(sorted(entry.name for entry in folder.iterdir())[:5]) or "nothing"
        raise ModelDirectoryError(
            f"{folder}: not a recurra model directory: expected a config.json of recurra and other files, found {found}"
        )
    if missing:
        raise ModelDirectoryError(f"{folder}: damaged: {', '.join(missing)} missing; train again or restore a copy")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelDirectoryError(f"{path.parent}: damaged: {path.name} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise ModelDirectoryError(f"{path.parent}: not a recurra model directory: {path.name} is no JSON object")
    return content


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
