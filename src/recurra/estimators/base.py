"""What the estimators share: a model directory behind each, to save, load and pickle it through."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from recurra.card import model_card
from recurra.checkpoint import SavedModel, is_replaceable, read_history, read_model, write_model
from recurra.config import OF_SGD, make_run_config
from recurra.errors import OutputError, SettingsError
from recurra.evaluate import evaluate_run
from recurra.files import failures_named, replace_folder
from recurra.train import Progress

__all__ = ["IN_MEMORY", "Estimator"]

IN_MEMORY = "data in memory"


class Estimator(BaseEstimator):  # type: ignore[misc]
    """A scikit-learn estimator whose constructor takes some options of a run, under their names.

    It pickles through its model directory, so no code is stored but the class's name.

    Attributes:
        task_: the trained network, vocabulary and settings.
        history_: a record for each epoch.
    """

    task_: Any

    def _keep(self, task: Any, progress: Progress) -> None:
        """Score a task that was just trained, and keep it without its data."""
        self.task_ = task
        self.history_ = [record._asdict() for record in progress.history]
        self._interrupted = progress.interrupted
        self._baseline = task.fit_baseline()
        self._metrics = evaluate_run(task, self._baseline, progress.best_epoch, len(progress.history))
        task.data = None

    def save(self, path: str | Path, overwrite: bool = False) -> None:
        """Write a model directory, whole or not at all.

        Raises:
            OutputError: something is there and `overwrite` is False, or the place cannot be written.
        """
        check_is_fitted(self, "task_")
        place = Path(path)
        if place.exists() and not overwrite:
            raise OutputError(f"{place}: in use: it exists; choose another place or give overwrite=True")
        if place.exists() and not is_replaceable(place):
            raise OutputError(f"{place}: in use: it is no model directory of recurra; choose another place")
        with failures_named(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            temporary = Path(tempfile.mkdtemp(dir=place.parent, prefix=f".{place.name}."))
            temporary.chmod(0o755)
        try:
            card = model_card(self.task_, self._metrics, self._interrupted)
            write_model(temporary, self.task_, self._metrics, self._baseline, self.history_, card)
            replace_folder(temporary, place)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise

    def __getstate__(self) -> dict[str, Any]:
        state = {"params": self.get_params(deep=False)}
        if not hasattr(self, "task_"):
            return state
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder, "model")
            self.save(place)
            files = {file.name: file.read_bytes() for file in place.iterdir()}
        return {**state, "files": files}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state["params"])
        if "files" not in state:
            return
        with tempfile.TemporaryDirectory() as folder:
            for name, content in state["files"].items():
                Path(folder, name).write_bytes(content)
            self._adopt(read_model(folder))

    def _adopt(self, saved: SavedModel) -> None:
        self.task_, self._baseline, self._interrupted = saved.task, saved.baseline, False
        self._metrics = saved.metrics
        self.history_ = read_history(saved.path)

    def _run_config(self, task: str, validation_data: object) -> Any:
        """The configuration of a run of a task on data in memory.

        Raises:
            SettingsError: an option is out of range or without effect, as is a share beside validation data.
        """
        config = make_run_config(task, data=IN_MEMORY, **self._options())
        if validation_data is not None and "valid_share" in config.data.model_fields_set:
            raise SettingsError(
                f"option 'valid_share' ({config.data.valid_share}) would have no effect: validation_data is given"
            )
        return config

    def _options(self) -> dict[str, Any]:
        """The constructor's arguments that differ from their defaults, and those for which SGD would have others."""
        given = self.get_params(deep=False)
        defaults = type(self)().get_params(deep=False)
        kept = OF_SGD if given.get("optimizer", "adamw") != "adamw" else ()
        return {name: value for name, value in given.items() if value != defaults[name] or name in kept}
