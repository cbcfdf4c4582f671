"""Small files and series for the tests of recurra.data."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import ArrayLike, NDArray

from recurra.data.series import Series, SeriesSet
from recurra.data.time_stamps import Frequency

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


_START = np.datetime64("2024-01-01T00:00:00", "us")


def _columns(values: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(values, np.float64)
    return array[:, np.newaxis] if array.ndim == 1 else array


def _make_series(
    target: ArrayLike,
    name: str = "a",
    *,
    past: ArrayLike | None = None,
    ahead: ArrayLike | None = None,
    static: tuple[str, ...] = (),
    start: np.datetime64 | int = _START,
) -> Series:
    values = _columns(target)
    none = np.zeros((len(values), 0))
    beside = [none if part is None else _columns(part) for part in (past, ahead)]
    return Series(name, start, values, beside[0], beside[1], static)


def _make_series_set(series: Sequence[Series], *, static: tuple[str, ...] = (), frequency: str = "1h") -> SeriesSet:
    first = series[0]
    variables, past, ahead = (
        tuple(f"{letter}{number}" for number in range(part.shape[1]))
        for letter, part in (("y", first.target), ("p", first.past), ("f", first.ahead))
    )
    return SeriesSet(
        name="made.csv",
        frequency=Frequency.parse(frequency),
        id_column="unique_id",
        time_column="ds",
        variables=variables,
        past_columns=past,
        future_columns=ahead,
        static_columns=static,
        series=list(series),
        wide=False,
    )


@pytest.fixture
def make_series() -> Callable[..., Series]:
    """Make a series; what has one dimension is one variable, or one column."""
    return _make_series


@pytest.fixture
def make_series_set() -> Callable[..., SeriesSet]:
    """Make a set of series; its columns are named y0, y1, ..., p0, ..., f0, ..."""
    return _make_series_set
