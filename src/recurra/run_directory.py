"""The folder of a run at work: locked, resumable, and renamed to its final name when the run is finished."""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torch.optim import Optimizer

from recurra.checkpoint import (
    LastState,
    is_replaceable,
    is_unfinished_run,
    read_last,
    write_history,
    write_last,
    write_model,
    write_settings,
    write_weights,
)
from recurra.errors import DataError, ModelDirectoryError, OutputError, SettingsError
from recurra.files import failures_named, named, recover_folder, replace_folder, write_text
from recurra.tasks.base import Baseline, Task

__all__ = ["RunDirectory"]

_log = logging.getLogger("recurra")


class RunDirectory:
    """Where a run writes.

    Args:
        out: the model directory to be.
        overwrite: whether a model that is there, or an unfinished run, may be replaced.
        resume: whether to go on with an unfinished run.

    Raises:
        OutputError: the place is in use by another run, holds a model, an unfinished run or something foreign, or
            cannot be written.
    """

    def __init__(self, out: Path, overwrite: bool = False, resume: bool = False) -> None:
        self.out = out = named(out)
        self.partial = out.with_name(f"{out.name}.partial")
        self._worth_keeping = False  # whether the partial folder holds an epoch that is nowhere else
        self._lock = FileLock(out.with_name(f"{out.name}.lock"))
        recover_folder(out)
        with failures_named(out):
            out.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._lock.acquire(timeout=0)
            except Timeout:
                raise OutputError(
                    f"{out}: in use: another run is training into it; wait for it or choose another --out"
                ) from None
        try:
            self._prepare(overwrite, resume)
        except BaseException:
            self.close()
            raise

    def _prepare(self, overwrite: bool, resume: bool) -> None:
        if resume:
            self._reopen()
            return
        if self.out.exists():
            self._require_replaceable(overwrite)
        if self.partial.exists():
            if not is_unfinished_run(self.partial):
                raise OutputError(f"{self.partial}: in use: it is no run of recurra's; choose another --out")
            if not overwrite:
                raise OutputError(
                    f"{self.out}: in use: an unfinished run is in {self.partial}; go on with --resume, or start anew "
                    f"with --overwrite"
                )
            with failures_named(self.partial):
                (self.partial / "config.json").unlink(missing_ok=True)  # first, so that no half of it is resumed
                shutil.rmtree(self.partial)
        with failures_named(self.partial):
            self.partial.mkdir()

    def _require_replaceable(self, overwrite: bool) -> None:
        if not is_replaceable(self.out):
            raise OutputError(
                f"{self.out}: in use: it exists and is no model directory of recurra; choose another --out"
            )
        if not overwrite and any(self.out.iterdir()):
            raise OutputError(
                f"{self.out}: in use: a model is there; choose another --out, or replace it with --overwrite"
            )

    def _reopen(self) -> None:
        config = self.partial / "config.json"
        if config.exists():
            self._worth_keeping = (self.partial / "last.safetensors").exists()
        elif (self.out / "last.safetensors").exists():
            with failures_named(self.partial):  # a copy, with what marks it as a run last: the model stays where it is
                shutil.copytree(
                    self.out, self.partial, ignore=shutil.ignore_patterns("config.json"), dirs_exist_ok=True
                )
            write_text(config, (self.out / "config.json").read_text(encoding="utf-8"))
        elif self.partial.exists():
            raise OutputError(
                f"{self.out}: the run in {self.partial} was stopped before there was anything to resume; start anew "
                f"with --overwrite"
            )
        else:
            raise OutputError(f"{self.out}: there is no unfinished run to resume; leave --resume out to start one")

    def begin(self, task: Task) -> None:
        """Write the settings of a new run, or compare them with those of the run that is resumed.

        Raises:
            SettingsError: the run was started with other settings.
            DataError: the data have changed since.
            ModelDirectoryError: a file of the unfinished run is damaged.
        """
        config = self.partial / "config.json"
        if not config.exists():
            write_settings(self.partial, task)
            return
        with self._damage_named():
            started = json.loads(config.read_text(encoding="utf-8"))
            known = {name: (self.partial / name).read_text(encoding="utf-8") for name in task.vocabularies}
        now = json.loads(json.dumps({"settings": task.config.model_dump(), "facts": task.facts()}))
        differing = [
            f"{name}={value!r} (now {now['settings'][section][name]!r})"
            for section in task.config.sections
            for name, value in started["settings"][section].items()
            if value != now["settings"][section][name]
        ]
        if differing:
            raise SettingsError(f"{self.out}: cannot resume: the run was started with {', '.join(differing)}")
        if started["facts"] != now["facts"] or known != {
            name: vocabulary.to_json() for name, vocabulary in task.vocabularies.items()
        }:
            raise DataError(f"{self.out}: cannot resume: the training data have changed since the run was started")

    def save_epoch(
        self, task: Task, optimizer: Optimizer, history: Sequence[Any], best: Mapping[str, Tensor] | None
    ) -> None:
        """Keep the state after an epoch: the weights if they are the best, then what the run can be resumed from."""
        records = [record._asdict() for record in history]
        if best is not None:
            write_weights(self.partial / "model.safetensors", best)
        write_last(self.partial / "last.safetensors", task, optimizer, records)
        write_history(self.partial, records)
        self._worth_keeping = True

    def read_last(self) -> LastState | None:
        """The state of the unfinished run, or None when no epoch was done."""
        path = self.partial / "last.safetensors"
        with self._damage_named():
            return read_last(path) if path.exists() else None

    def read_best(self) -> dict[str, Tensor]:
        """The best weights of the unfinished run."""
        with self._damage_named():
            return load_file(self.partial / "model.safetensors")

    def finish(
        self, task: Task, metrics: dict[str, Any], baseline: Baseline, history: Sequence[Any], card: str
    ) -> None:
        """Complete the folder and give it its final name."""
        records = [record._asdict() for record in history]
        write_model(self.partial, task, metrics, baseline, records, card)
        replace_folder(self.partial, self.out)
        self.close()

    def abandon(self) -> None:
        """Leave nothing behind of a run without a whole epoch of its own."""
        if self.partial.exists():
            if self._worth_keeping:
                _log.warning("%s: the epochs that were done are kept; --resume goes on", self.out)
            else:
                shutil.rmtree(self.partial)
        self.close()

    def close(self) -> None:
        """Release the lock."""
        with contextlib.suppress(OSError):  # before the release, or the next run could lock a file that is then removed
            Path(self._lock.lock_file).unlink()
        self._lock.release()

    @contextlib.contextmanager
    def _damage_named(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise ModelDirectoryError(
                f"{self.out}: cannot resume: the unfinished run in {self.partial} is damaged ({error}); start anew "
                f"with --overwrite"
            ) from error
