"""Files and folders that are written whole or not at all."""

from __future__ import annotations

import errno
import json
import math
import os
import stat
from pathlib import Path

import pytest
import torch

from recurra.errors import OutputError
from recurra.files import atomic_writer, failures_named, recover_folder, replace_folder, to_json, write_text


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fail_with(number: int, monkeypatch: pytest.MonkeyPatch, name: str = "fsync") -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, name, fail)


def test_nothing_is_there_before_the_block_ends(tmp_path: Path) -> None:
    place = tmp_path / "a.txt"
    place.write_text("old")
    with atomic_writer(place) as file:
        file.write(b"new")
        file.flush()
        assert place.read_text() == "old"
    assert (place.read_text(), entries(tmp_path)) == ("new", ["a.txt"])


def test_an_error_in_the_block_leaves_the_old_file(tmp_path: Path) -> None:
    place = tmp_path / "a.txt"
    place.write_text("old")

    def write_half() -> None:
        with atomic_writer(place) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert (place.read_text(), entries(tmp_path)) == ("old", ["a.txt"])


@pytest.mark.parametrize("name", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "a.txt"
    write_text(place, "old")
    fail_with(errno.ENOSPC, monkeypatch, name)
    with pytest.raises(
        OutputError, match=r"a\.txt: the disk is full \([\d,]+ MiB free\); make room or write elsewhere"
    ):
        write_text(place, "new")
    assert (place.read_text(), entries(tmp_path)) == ("old", ["a.txt"])


def test_a_quota_is_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(errno.EDQUOT, monkeypatch)
    with pytest.raises(OutputError, match="the disk is full"):
        write_text(tmp_path / "a.txt", "new")


def test_a_place_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"none/a\.txt: cannot be written: No such file or directory"):
        write_text(tmp_path / "none" / "a.txt", "new")
    with pytest.raises(OutputError, match=r"deep/none: the disk is full"), failures_named(tmp_path / "deep" / "none"):
        raise OSError(errno.ENOSPC, "")


def test_permissions_are_those_of_any_new_file(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "a.txt", "new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o640


def folder(path: Path, content: str) -> Path:
    path.mkdir()
    (path / "file").write_text(content)
    return path


def test_replace_folder(tmp_path: Path) -> None:
    replace_folder(folder(tmp_path / "new", "1"), tmp_path / "place")
    replace_folder(folder(tmp_path / "new", "2"), tmp_path / "place")
    assert ((tmp_path / "place" / "file").read_text(), entries(tmp_path)) == ("2", ["place"])


def test_a_folder_that_was_set_aside_is_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, new = folder(tmp_path / "place", "1"), folder(tmp_path / "new", "2")
    rename = os.rename

    def stop_at_the_second(source: Path, target: Path) -> None:
        if Path(source) == new:
            raise KeyboardInterrupt
        rename(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", stop_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            replace_folder(new, place)
    assert entries(tmp_path) == ["new", "place.old"]
    recover_folder(place)
    assert ((place / "file").read_text(), entries(tmp_path)) == ("1", ["new", "place"])


def test_what_is_set_aside_does_not_displace_what_is_there(tmp_path: Path) -> None:
    folder(tmp_path / "place", "2")
    folder(tmp_path / "place.old", "1")
    recover_folder(tmp_path / "place")
    assert (tmp_path / "place" / "file").read_text() == "2"
    replace_folder(folder(tmp_path / "new", "3"), tmp_path / "place")
    assert ((tmp_path / "place" / "file").read_text(), entries(tmp_path)) == ("3", ["place"])


def test_numbers_that_json_does_not_know_are_null() -> None:
    gates = torch.tensor([1.0, math.nan])
    value = {"perplexity": math.inf, 3: (math.nan, -math.inf, 1.5, "é", None, True), "gates": gates}
    text = to_json(value)
    assert "é" in text
    strict = json.loads(text, parse_constant=lambda name: pytest.fail(f"not JSON: {name}"))
    assert strict == {"perplexity": None, "3": [None, None, 1.5, "é", None, True], "gates": [1.0, None]}
    assert to_json({"a": 1}, indent=2) == '{\n  "a": 1\n}'
