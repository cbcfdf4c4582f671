"""Small files for the tests of recurra.data."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

Write = Callable[[str, "str | bytes"], Path]


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
def shared_data() -> Path:
    """The folder of shared data sets, or a skip."""
    root = Path(__file__).resolve().parents[2]
    path = Path(os.environ.get("RECURRA_DATA", root.parent / "shared" / "data"))
    if not (path / "sst2").is_dir():
        pytest.skip(f"no data sets in {path}; set RECURRA_DATA to where they are")
    return path
