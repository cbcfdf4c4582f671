"""A quick run of each experiment, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from recurra.lab import EXPERIMENTS
from recurra.lab.page import Finished
from recurra.lab.run import run_experiments

OURS = ("eigenvalues", "clipping", "memory", "copy")


@pytest.fixture(scope="session")
def lab_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the quick runs."""
    return tmp_path_factory.mktemp("lab") / "new" / "lab"


@pytest.fixture(scope="session")
def quick(lab_folder: Path) -> dict[str, Finished]:
    """Each experiment by its name."""
    made = run_experiments([EXPERIMENTS[name] for name in OURS], lab_folder, 3, True)
    return {each.experiment.name: each for each in made}
