"""Small files for the tests of recurra.data."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

Write = Callable[[str, "str | bytes"], Path]
Record = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file below the test's own folder and return its path."""

    def _write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return _write


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """Write noise of some seconds below the test's own folder and return its path."""

    def _record(name: str, seconds: float = 0.1, sample_rate: int = 8000, seed: int = 0, channels: int = 1) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shape = (round(seconds * sample_rate), channels)
        soundfile.write(path, np.random.default_rng(seed).normal(0, 0.1, shape), sample_rate)
        return path

    return _record


@pytest.fixture
def shared_data() -> Path:
    """The folder of shared data sets, or a skip."""
    root = Path(__file__).resolve().parents[2]
    path = Path(os.environ.get("RECURRA_DATA", root.parent / "shared" / "data"))
    if not (path / "sst2").is_dir():
        pytest.skip(f"no data sets in {path}; set RECURRA_DATA to where they are")
    return path
