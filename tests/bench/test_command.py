"""The command: a run of the smallest sizes, its files, its options, Ctrl-C."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import Result

from recurra.bench import files, plan, run, streaming
from recurra.bench.results import RECURRA
from recurra.errors import SettingsError

Cli = Callable[..., Result]


def test_the_plans() -> None:
    assert plan.chosen_plan(False, False) is plan.DEFAULT
    assert plan.chosen_plan(True, False) is plan.QUICK
    assert plan.chosen_plan(False, True).sizes == plan.SIZES
    assert {size.time for size in plan.FULL.series["time"]} >= {50, 5000}
    assert {size.batch for size in plan.FULL.series["batch"]} >= {1, 256}
    assert {size.hidden for size in plan.FULL.series["hidden"]} >= {16, 1024}
    with pytest.raises(SettingsError, match="give one of them"):
        plan.chosen_plan(True, True)


def test_a_run_from_end_to_end(tiny: None, cli: Cli, tmp_path: Path) -> None:
    result = cli("bench", "--quick", "--threads", "1", "--out", tmp_path / "new" / "bench")
    assert result.exit_code == 0, result.output
    assert "training: nn packed / recurra" in result.stdout
    assert "lstm: 3, 5, 1, both, 4, 6" in result.stdout
    assert "…" not in result.stdout
    folder = tmp_path / "new" / "bench"
    assert sorted(path.name for path in folder.iterdir()) == ["bench.json", "bench.md", "bench.png"]
    found = json.loads((folder / "bench.json").read_text())
    assert {"machine", "load", "summary", "limit", "products", "bandwidth", "split", "finished"} < set(found)
    assert found["finished"] is True
    assert found["machine"]["threads"] == 1
    assert [(entry["cell"], entry["time"]) for entry in found["training"]] == [
        (cell, time) for cell in ("lstm", "gru", "rnn") for time in (6, 3)
    ]
    for part in ("training", "inference", "streaming"):
        for entry in found[part]:
            assert all(seconds > 0 for seconds in entry["median_seconds"].values())
            assert {RECURRA} <= set(entry["seconds"])
            assert entry["differences"][RECURRA] < 1e-4
    assert {name: len(rows) for name, rows in found["series"].items()} == {"time": 2, "batch": 2, "hidden": 2}
    assert {way for entry in found["streaming"] for way in entry["seconds"]} >= {streaming.READ, streaming.LAYER}
    page = (folder / "bench.md").read_text()
    assert "## Streaming: one step at a time, B = 1" in page
    assert "inexact" in page
    with Image.open(folder / "bench.png") as drawing:
        drawing.load()
        assert drawing.width >= 1200
        assert drawing.getpixel((2, 2)) == drawing.getpixel((drawing.width - 3, 2))
        assert drawing.convert("RGB").getpixel((2, 2)) == (255, 255, 255)
    assert (folder / "bench.png").stat().st_size < 150_000


def test_nothing_is_written_unless_asked(tiny: None, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = cli("-q", "bench", "--quick", "--cells", "rnn", "--threads", "1")
    assert (result.exit_code, result.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_leaves_what_was_measured(tiny: None, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(cell: str, sizes: object, plan: object) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "series_rows", interrupted)
    result = cli("bench", "--quick", "--cells", "lstm", "--out", tmp_path)
    assert result.exit_code == 130
    assert "stopped by Ctrl-C" in result.stderr
    assert "this is what had been measured by then" in result.stdout
    found = json.loads((tmp_path / "bench.json").read_text())
    assert (found["finished"], len(found["training"]), found["series"]) == (False, 2, {})
    assert Image.open(io.BytesIO((tmp_path / "bench.png").read_bytes())).size


def test_ctrl_c_before_the_first_row_leaves_nothing(
    tiny: None, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(cells: object, plan: object) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "layer_rows", interrupted)
    result = cli("bench", "--quick", "--out", tmp_path)
    assert result.exit_code == 130
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "said", "code"),
    [
        (["--quik"], "No such option: --quik", 2),
        (
            ["--cells", "lstn"],
            "option 'cells': expected some of lstm, gru, rnn with commas between them, found 'lstn', "
            "did you mean 'lstm'?",
            2,
        ),
        (["--cells", ""], "found ''", 2),
        (["--cells", "gru,gru"], "option 'cells': 'gru' is named twice", 2),
        (["--threads", "0"], "should be greater than or equal to 1", 2),
        (["--quick", "--full"], "--quick measures the least and --full the most: give one of them", 2),
        (["--quick", "--out", "file/below"], "cannot be written: Not a directory", 5),
    ],
)
def test_bad_options(
    options: list[str], said: str, code: int, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    result = cli("bench", *options)
    assert said in re.sub(r"[\s│]+", " ", result.output)
    assert result.exit_code == code


def test_a_folder_that_cannot_be_written_is_told_at_once(tmp_path: Path) -> None:
    files.prepare(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []
