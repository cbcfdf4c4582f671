"""Data sets in the form of the Hugging Face hub, from a local folder."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from recurra.config import ClassifyDataConfig
from recurra.data import load_splits, load_texts
from recurra.data.hub import HubTable, read_hub
from recurra.errors import DataError, MissingExtraError

datasets = pytest.importorskip("datasets", reason="the extra 'hub' is not installed")
Write = Callable[[str, "str | bytes"], Path]


@pytest.fixture(autouse=True)
def _offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def rows(count: int, start: int = 0) -> str:
    return "text,label\n" + "".join(f"some text {i},{i % 2}\n" for i in range(start, start + count))


def test_splits_by_name(write: Write) -> None:
    write("owner/name/train.csv", rows(20))
    write("owner/name/validation.csv", rows(4, 20))
    write("owner/name/test.csv", rows(6, 24))
    splits = load_splits(ClassifyDataConfig(data="hf:owner/name"), 0)
    assert [len(part) for part in splits if part is not None] == [20, 4, 6]
    assert splits.valid.label_counts() == {"0": 2, "1": 2}
    texts = load_texts("hf:owner/name")
    assert texts.name == "hf:owner/name, split test"
    assert len(texts) == 6


def test_missing_splits_are_split_off(write: Write) -> None:
    write("owner/name/train.csv", rows(20))
    splits = load_splits(ClassifyDataConfig(data="hf:owner/name"), 0)
    assert [len(part) for part in splits if part is not None] == [16, 2, 2]


def test_class_numbers_become_names() -> None:
    features = datasets.Features(
        {
            "text": datasets.Value("string"),
            "label": datasets.ClassLabel(names=["neg", "pos"]),
            "x": [datasets.Value("int8")],
        }
    )
    made = datasets.Dataset.from_dict({"text": ["a", "b", "c"], "label": [1, 0, -1], "x": [[1], [2], [3]]}, features)
    table = HubTable("t", made)
    assert [row for frame in table.chunks(["label", "text"], 2, text=["text"]) for row in frame.rows()] == [
        ("pos", "a"),
        ("neg", "b"),
        (None, "c"),
    ]
    assert table.sample().columns == ["text", "label"]


def test_secret_test_labels_are_not_used(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "recurra")
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["n", "p"])})

    def made(labels: list[int]) -> HubTable:
        texts = [f"some text {i}" for i in range(len(labels))]
        return HubTable("hub", datasets.Dataset.from_dict({"text": texts, "label": labels}, features))

    monkeypatch.setattr(
        "recurra.data.text.read_hub", lambda source: {"train": made([0, 1] * 10), "test": made([-1] * 5)}
    )
    splits = load_splits(ClassifyDataConfig(data="hf:owner/name"), 0)
    assert splits.test is not None
    assert splits.test.label_counts() == {"n": 1, "p": 1}
    assert "not used, as none of its labels is known" in caplog.text


def test_no_split_to_train_on(write: Write) -> None:
    write("owner/name/test.csv", rows(6))
    with pytest.raises(DataError, match="expected a split called train, found test"):
        load_splits(ClassifyDataConfig(data="hf:owner/name"), 0)


def test_not_there() -> None:
    with pytest.raises(DataError, match=r"the hub cannot be reached .*check the name and the connection"):
        read_hub("hf:no/such")
    with pytest.raises(DataError, match="expected hf:owner/name"):
        read_hub("hf:")


def test_configurations(write: Write) -> None:
    write(
        "owner/name/README.md",
        "---\nconfigs:\n- config_name: a\n  data_files: a.csv\n- config_name: b\n  data_files: b.csv\n---\n",
    )
    write("owner/name/a.csv", rows(4))
    write("owner/name/b.csv", rows(6))
    with pytest.raises(DataError, match=r"one of its configurations: .*say hf:owner/name:config"):
        read_hub("hf:owner/name")
    with pytest.raises(DataError, match=r"one of its configurations: .*'c'"):
        read_hub("hf:owner/name:c")
    assert read_hub("hf:owner/name:b")["train"].height == 6


def test_library_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'recurra\[hub\]'"):
        read_hub("hf:owner/name")
