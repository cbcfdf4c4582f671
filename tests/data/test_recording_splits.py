"""Recordings divided into parts that share neither a recording nor a group."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain, combinations
from pathlib import Path
from typing import Any

import pytest

from recurra.config import TranscribeDataConfig
from recurra.data.recording_splits import RecordingSplits, load_recording_splits
from recurra.errors import DataError, SettingsError

Write = Callable[[str, "str | bytes"], Path]
Manifest = Callable[..., Path]


@pytest.fixture
def manifest(write: Write) -> Manifest:
    """Write a manifest of empty files: none is decoded. Rows are (name, text, further values)."""

    def _manifest(name: str, rows: Sequence[Sequence[str]], columns: str = "path,text") -> Path:
        for row in rows:
            write(row[0], b"")
        return write(name, "\n".join([columns, *(",".join(row) for row in rows)]) + "\n")

    return _manifest


def load(data: Path, seed: int = 0, **options: Any) -> RecordingSplits:
    given = {name: str(value) if isinstance(value, Path) else value for name, value in options.items()}
    return load_recording_splits(TranscribeDataConfig(data=str(data), **given), seed)


def names(splits: RecordingSplits) -> list[list[str]]:
    return [[item.path.name for item in part.items] for part in splits.parts().values()]


def rows(count: int, group: Callable[[int], str] | None = None) -> list[list[str]]:
    return [[f"{n:03}.wav", f"text {n % 7}", *([] if group is None else [group(n)])] for n in range(count)]


@pytest.mark.parametrize("seed", range(3))
def test_recordings_are_drawn(manifest: Manifest, seed: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "recurra")
    path = manifest("m.csv", rows(200))
    splits = load(path, seed)
    found = names(splits)
    assert [len(part) for part in found] == [160, 20, 20]
    assert sorted(chain(*found)) == [row[0] for row in rows(200)]
    assert all(part == sorted(part) for part in found)  # in the order of the file
    assert names(load(path, seed)) == found
    assert names(load(path, seed + 1)) != found
    assert f"{path}: split off its recordings, at random, by seed: 20 for valid and 20 for test" in caplog.text
    assert [part.name for part in splits.parts().values()] == [
        f"{path} ({part})" for part in ("train", "valid", "test")
    ]


@pytest.mark.parametrize("seed", range(3))
def test_groups_stay_together(manifest: Manifest, seed: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "recurra")
    splits = load(
        manifest("m.csv", rows(200, lambda n: f"s{n % 23}"), "path,text,speaker"), seed, group_column="speaker"
    )
    groups = [{item.group for item in part.items} for part in splits.parts().values()]
    assert all(not one & other for one, other in combinations(groups, 2))
    assert sum(map(len, groups)) == 23
    assert [len(part) for part in names(splits)[1:]] == pytest.approx([20, 20], abs=9)  # a group has 8 or 9
    assert "split off its recordings, whole groups, of 23, by seed" in caplog.text


def test_no_test_part(manifest: Manifest) -> None:
    splits = load(manifest("m.csv", rows(20)), test_share=0.0)
    assert splits.test is None
    assert len(splits.train) == 18


@pytest.mark.parametrize("told", [True, False])
def test_a_column_divides(manifest: Manifest, told: bool, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "recurra")
    parts = ["train", "Dev", "test", "training", "validation"]
    path = manifest("m.csv", rows(25, lambda n: parts[n % 5]), "path,text,split")
    splits = load(path, **({"split_column": "split"} if told else {}))
    assert [len(part) for part in names(splits)] == [10, 10, 5]
    assert {int(name[:3]) % 5 for name in names(splits)[1]} == {1, 4}
    assert ("its column 'split' divides the examples" in caplog.text) != told


def test_a_column_without_a_part_has_it_split_off(manifest: Manifest) -> None:
    path = manifest("m.csv", rows(40, lambda n: ["train", "test"][n % 2]), "path,text,part")
    found = names(load(path, split_column="part"))
    assert [len(part) for part in found] == [18, 2, 20]
    assert {int(name[:3]) % 2 for name in found[0] + found[1]} == {0}


def test_files_given(manifest: Manifest) -> None:
    train, valid = manifest("m.csv", rows(20)), manifest("v.csv", [["v.wav", "x"]], "path,text")
    splits = load(train, valid=valid)
    assert [len(part) for part in names(splits)] == [18, 1, 2]
    both = load(train, valid=valid, test=manifest("t.csv", [["t.wav", "x"]]))
    assert [len(part) for part in names(both)] == [20, 1, 1]
    assert both.train.name == str(train)


def test_a_folder_given_beside_a_manifest(manifest: Manifest, write: Write) -> None:
    write("other/v.wav", b"")
    valid = write("other/v.txt", "x").parent
    splits = load(
        manifest("m.csv", rows(20), "file,words"), path_column="file", text_column="words", valid=valid, test_share=0.0
    )
    assert names(splits)[1] == ["v.wav"]


def test_a_recording_or_a_group_in_two_parts_is_an_error(manifest: Manifest) -> None:
    train = manifest("m.csv", rows(20, lambda n: f"s{n}"), "path,text,speaker")
    test = manifest("t.csv", [["003.wav", "x", "new"], ["new.wav", "y", "s5"]], "path,text,speaker")
    with pytest.raises(
        DataError, match=r"t.csv: recordings that stand in the train and in the test data(.|\n)*003.wav"
    ):
        load(train, test=test)
    test = manifest("t.csv", [["new.wav", "y", "s5"], ["newer.wav", "y", "s6"]], "path,text,speaker")
    assert load(train, test=test).test is not None
    with pytest.raises(DataError, match=r"t.csv: groups that stand in the (train|valid) and in the test data"):
        load(train, test=test, group_column="speaker")


def test_audio_and_features_of_one_name_stay_together(manifest: Manifest) -> None:
    twins = [[f"{n // 2}.{'wav' if n % 2 else 'flac'}", f"text {n}"] for n in range(40)]
    stems = [{name.split(".")[0] for name in part} for part in names(load(manifest("m.csv", twins)))]
    assert Counter(chain(*stems)) == {str(n): 1 for n in range(20)}


@pytest.mark.parametrize(
    ("table", "options", "error", "message"),
    [
        (rows(2), {}, DataError, "at least 3 recordings, to be divided into training and validation and test, found 2"),
        (rows(20, lambda n: "s"), {"group_column": "c"}, DataError, "expected at least 3 groups, .*found 1"),
        (
            rows(20, lambda n: "other"),
            {"split_column": "c"},
            DataError,
            r"in column 'c', found also:\n  'other': 20 rows",
        ),
        (rows(20, lambda n: "test"), {"split_column": "c"}, DataError, "expected rows to train on, found none"),
        (rows(20), {"split_column": "c"}, DataError, "--split-column: there is no column 'c'"),
        (rows(20), {"valid_share": 0.5, "test_share": 0.5}, SettingsError, "expected a sum below 1"),
        ([[f"{n}.wav", "same"] for n in range(9)], {}, DataError, "found the same one for each of the 7 .*: 'same'"),
        ([[f"{n}.wav", ""] for n in range(9)], {}, DataError, "found the same one for each of the 7 .*: ''"),
    ],
    ids=range(8),
)
def test_what_cannot_be_divided_or_learnt_is_an_error(
    manifest: Manifest, table: list[list[str]], options: dict[str, Any], error: type[Exception], message: str
) -> None:
    path = manifest("m.csv", table, "path,text,c" if len(table[0]) == 3 else "path,text")
    with pytest.raises(error, match=message):
        load(path, **options)


def test_options_without_effect_are_errors(manifest: Manifest, write: Write) -> None:
    train, valid = manifest("m.csv", rows(20)), manifest("v.csv", [["v.wav", "x"]])
    with pytest.raises(SettingsError, match=r"'valid_share' .* the data have their own valid examples"):
        load(train, valid=valid, valid_share=0.2)
    with pytest.raises(DataError, match=re.escape("given as training and as test data")):
        load(train, test=train)
    write("folder/a.wav", b"")
    folder = write("folder/a.txt", "x").parent
    with pytest.raises(SettingsError, match=r"option 'split_column' .*folder is no manifest"):
        load(folder, split_column="part")
