"""Running text: read from each kind of source, and divided where it stands."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recurra.config import LanguageModelDataConfig
from recurra.data.corpus import Corpus, corpus_in_memory, divide_text, load_corpus
from recurra.data.text import Texts
from recurra.errors import DataError, SettingsError

Write = Callable[[str, "str | bytes"], Path]


def read(texts: Texts | None) -> list[str]:
    assert texts is not None
    return [text for chunk in texts.chunks() for text in chunk.texts]


def load(data: Path | str, **options: Any) -> Corpus:
    return load_corpus(
        LanguageModelDataConfig(data=str(data), **{k: str(v) if isinstance(v, Path) else v for k, v in options.items()})
    )


def by_hand(lines: Sequence[str], shares: Sequence[float]) -> list[list[str]]:
    """Lines go to a part until it has its share of the characters; each later part keeps at least one."""
    total = sum(len(line) + 1 for line in lines)
    parts: list[list[str]] = [[] for _ in shares]
    number, done = 0, 0
    for line in lines:
        while number < len(shares) - 1 and done >= sum(shares[: number + 1]) * total * (1 - 1e-12):
            number += 1
        parts[number].append(line)
        done += len(line) + 1
    return parts


@pytest.mark.parametrize("shares", [(0.1, 0.1), (0.05, 0.3), (0.45, 0.45)])
def test_shares_are_of_characters_at_lines_ends(write: Write, shares: tuple[float, float]) -> None:
    rng = np.random.default_rng(0)
    lines = [f"{number} " + "x" * int(rng.integers(0, 80)) for number in range(300)]
    corpus = load(write("a.txt", "".join(f"{line}\n" for line in lines)), valid_share=shares[0], test_share=shares[1])
    found = [read(part) for part in corpus]
    assert found == by_hand(lines, (1 - sum(shares), *shares))
    assert list(chain(*found)) == lines  # never shuffled, the last part the test
    sizes = [sum(len(line) + 1 for line in part) for part in found]
    for size, share in zip(sizes, (1 - sum(shares), *shares)):
        assert abs(size - share * sum(sizes)) <= 83


@pytest.mark.parametrize("count", range(3, 9))
@pytest.mark.parametrize("shares", [(0.05, 0.05), (0.49, 0.49)])
def test_each_part_of_a_tiny_file_has_a_line(write: Write, count: int, shares: tuple[float, float]) -> None:
    lines = [str(number) for number in range(count)]
    found = [read(part) for part in load(write("a.txt", "\n".join(lines)), valid_share=shares[0], test_share=shares[1])]
    assert list(chain(*found)) == lines
    assert all(found)


def test_one_enormous_line(write: Write) -> None:
    for number in range(3):
        lines = ["a", "b", "c"]
        lines[number] = "x" * 10_000
        assert [read(part) for part in load(write("a.txt", "\n".join(lines)))] == [[line] for line in lines]


def test_without_a_test_part(write: Write) -> None:
    corpus = load(write("a.txt", "a\nb\nc\nd\n"), test_share=0.0, valid_share=0.5)
    assert corpus.test is None
    assert [read(corpus.train), read(corpus.valid)] == [["a", "b"], ["c", "d"]]


def test_given_files(write: Write) -> None:
    data, valid, test = (write(f"{name}.txt", f"{name} 1\n{name} 2\n") for name in ("a", "b", "c"))
    assert [read(part) for part in load(data, valid=valid, test=test)] == [
        ["a 1", "a 2"],
        ["b 1", "b 2"],
        ["c 1", "c 2"],
    ]
    some = load(data, valid=valid)
    assert [read(part) for part in some] == [["a 1"], ["b 1", "b 2"], ["a 2"]]
    assert [read(part) for part in load(data, test=test)] == [["a 1"], ["a 2"], ["c 1", "c 2"]]
    assert load(data, valid=valid, test_share=0.0).test is None


def test_blank_lines_are_kept(write: Write) -> None:
    corpus = load(write("a.txt", "a\n\n\nb\n\r\n\nc\n\n"), test_share=0.0, valid_share=0.01)
    assert read(corpus.train) + read(corpus.valid) == ["a", "", "", "b", "", "", "c", ""]


def test_columns(write: Write) -> None:
    expected = [["a, b"], [""], ["c\nd"]]
    assert [read(part) for part in load(write("a.csv", 'n,text\n1,"a, b"\n2,\n3,"c\nd"\n'))] == expected
    jsonl = "".join(json.dumps({"body": text, "n": 1}) + "\n" for (text,) in expected)
    assert [read(part) for part in load(write("a.jsonl", jsonl), text_column="body")] == expected
    given = load(
        write("b.csv", "body,text\nx,y\n"), valid=write("v.csv", "body,text\nz,w\n"), test_share=0.0, text_column="body"
    )
    assert [read(given.train), read(given.valid)] == [["x"], ["z"]]


def test_what_is_held_out_is_said(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "recurra")
    path = write("a.txt", "a\n" * 20)
    corpus = load(path)
    assert f"{path}: its last lines are held out: 1 for valid, 1 for test" in caplog.text
    assert [texts.name for texts in corpus if texts is not None] == [
        f"{path} ({part})" for part in ("train", "valid", "test")
    ]


@pytest.mark.parametrize(
    "names", [("a.txt", "a.txt", None), ("a.txt", "b.txt", "sub/../a.txt"), ("a.txt", "b.txt", "b.txt")]
)
def test_the_same_file_twice(write: Write, tmp_path: Path, names: tuple[str, ...]) -> None:
    (tmp_path / "sub").mkdir()
    write("a.txt", "a\nb\n")
    write("b.txt", "a\nb\n")
    data, valid, test = (None if name is None else tmp_path / name for name in names)
    with pytest.raises(DataError, match=r"given as \w+ and as \w+ text; a score on text that was trained or chosen on"):
        load(data or "", valid=valid, test=test)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"a\.txt: the file is empty \(0 bytes\)"),
        (
            "one line\n",
            r"a\.txt: expected at least 3 lines, to be divided into 3 parts, found 1; break it into lines, or",
        ),
        ("one\ntwo", "expected at least 3 lines, to be divided into 3 parts, found 2"),
        (b"a\nb\xff\nc\n", "line 2.* expected UTF-8"),
    ],
)
def test_a_file_at_fault(write: Write, content: str | bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load(write("a.txt", content))


def test_other_faults(write: Write, tmp_path: Path) -> None:
    text = write("a.txt", "a\nb\nc\n")
    with pytest.raises(
        SettingsError, match=r"options 'valid_share' and 'test_share': expected a sum below 1, found 0.5 \+ 0.5"
    ):
        load(text, valid_share=0.5, test_share=0.5)
    with pytest.raises(DataError, match=r"there is no such file or folder, did you mean 'a\.txt'"):
        load(tmp_path / "b.txt")
    with pytest.raises(DataError, match=r"v\.txt: the file is empty"):
        load(text, valid=write("v.txt", ""))
    with pytest.raises(DataError, match="--text-column: there is no column 'txt', did you mean 'text'"):
        load(text, text_column="txt")
    with pytest.raises(DataError, match=r"'text' holds half of a surrogate pair \(\\ud"):
        load(write("s.jsonl", '{"text": "a \\ud800"}\n'))
    with pytest.raises(DataError, match="expected text in 'n', found a number"):
        load(write("n.jsonl", '{"n": 1, "text": "a"}\n'), text_column="n")


def test_shares_that_are_not_asked_for_may_be_anything(write: Write) -> None:
    data, valid, test = (write(f"{name}.txt", "a\n") for name in "abc")
    assert load(data, valid=valid, test=test).test is not None
    long = write("long.txt", "a\n" * 100)
    assert [len(part) for part in load(long, valid=valid, test_share=0.96) if part is not None] == [4, 1, 96]


def test_in_memory() -> None:
    corpus = corpus_in_memory(["a", "b", "", "d"], None, 0.5)
    assert (read(corpus.train), read(corpus.valid), corpus.test) == (["a", "b"], ["", "d"], None)
    given = corpus_in_memory(["a"], ["b"], 0.5)
    assert (read(given.train), read(given.valid), given.test) == (["a"], ["b"], None)
    with pytest.raises(DataError, match="X: expected at least 2 lines"):
        corpus_in_memory(["a"], None, 0.05)
    with pytest.raises(DataError, match="validation_data: expected at least one line, found none"):
        corpus_in_memory(["a"], [], 0.05)


def test_a_part_can_be_read_again_and_again() -> None:
    parts = divide_text(Texts.from_lists([str(n) for n in range(10_000)]), {"valid": 0.5})
    assert read(parts["valid"]) == read(parts["valid"]) == [str(n) for n in range(10_000 - len(parts["valid"]), 10_000)]


@pytest.fixture
def _hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("datasets", reason="the extra 'hub' is not installed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def hub_rows(count: int, name: str) -> str:
    return "text\n" + "".join(f"{name} {number}\n" for number in range(count))


@pytest.mark.usefixtures("_hub")
def test_splits_of_the_hub(write: Write) -> None:
    for split, name in (("train", "train"), ("validation", "valid"), ("test", "test")):
        write(f"owner/name/{split}.csv", hub_rows(4, name))
    found = [read(part) for part in load("hf:owner/name")]
    assert found == [[f"{part} {number}" for number in range(4)] for part in ("train", "valid", "test")]
    own = write("own.txt", "own\n")
    assert [read(part)[0] for part in load("hf:owner/name", valid=own)] == ["train 0", "own", "test 0"]
    with pytest.raises(DataError, match="hf:owner/name: given as train and as valid text"):
        load("hf:owner/name", valid="hf:owner/name")


@pytest.mark.usefixtures("_hub")
def test_missing_splits_of_the_hub_are_divided_off(write: Write) -> None:
    write("owner/name/train.csv", hub_rows(10, "a"))
    assert [len(part) for part in load("hf:owner/name") if part is not None] == [8, 1, 1]
    write("owner/other/test.csv", hub_rows(10, "a"))
    with pytest.raises(DataError, match="expected a split called train, found test"):
        load("hf:owner/other")
