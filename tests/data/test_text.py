"""Texts and labels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from recurra.data import TextChunk, Texts, load_texts
from recurra.errors import DataError, SettingsError

Write = Callable[[str, "str | bytes"], Path]


def all_of(texts: Texts, size: int = 4096) -> tuple[list[str], list[str]]:
    chunks = list(texts.chunks(size))
    return [t for c in chunks for t in c.texts], [label for c in chunks for label in c.labels or []]


def test_from_lists() -> None:
    texts = Texts.from_lists(["a", None, ""], [1, 0, " x "])
    assert list(texts.chunks(2)) == [TextChunk(["a", ""], ["1", "0"]), TextChunk([""], ["x"])]
    assert (len(texts), texts.labelled, texts.name) == (3, True, "texts")
    assert texts.label_counts() == {"0": 1, "1": 1, "x": 1}
    assert list(Texts.from_lists(["a"]).chunks()) == [TextChunk(["a"], None)]
    assert len(Texts.from_lists([])) == 0


@pytest.mark.parametrize(
    ("texts", "labels", "message"),
    [
        (["a", "b"], ["x"], "a label for each of the 2 texts, found 1"),
        (["a", 5], None, "row 2: expected a text, found int"),
        ("a text", None, "expected a list of texts, found one text"),
        (["a", "b"], ["x", None], "in column 'label' of each row; 1 row has none:\n  texts, row 2"),
        (["\ud800"], None, "half of a surrogate pair"),
    ],
)
def test_from_lists_faults(texts: list[str], labels: list[str] | None, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Texts.from_lists(texts, labels)


def test_labels_lose_white_space_and_keep_what_is_inside(write: Write) -> None:
    texts = load_texts(write("a.csv", "text,label\na, very good \nb,very good\nc,bad\n"))
    assert all_of(texts) == (["a", "b", "c"], ["very good", "very good", "bad"])
    assert texts.label_counts() == {"bad": 1, "very good": 2}


def test_empty_texts_are_kept(write: Write) -> None:
    assert all_of(load_texts(write("a.csv", "text,label\n,x\nb,y\n"))) == (["", "b"], ["x", "y"])


def test_missing_labels_are_listed_together(write: Write) -> None:
    path = write("a.csv", "text,label\nok,1\n" + "x,\n" * 6 + "y, \n" * 6)
    with pytest.raises(DataError) as caught:
        load_texts(path)
    message = str(caught.value)
    assert "in column 'label' of each row; 12 rows have none" in message
    assert "a.csv, line 3\n" in message
    assert "and 2 more" in message
    assert len(load_texts(path, labels="no")) == 13


def test_faults_are_known_before_the_first_text(write: Write) -> None:
    path = write("a.csv", "text,label\n" + "ok,1\n" * 9000 + "short\n")
    with pytest.raises(DataError, match="line 9,002: expected 2 fields, found 1"):
        load_texts(path, labels="no")


def test_prediction_takes_one_column_without_header(write: Write) -> None:
    texts = load_texts(write("a.csv", "fine\nbad\n"), labels="no")
    assert (all_of(texts), texts.labelled) == ((["fine", "bad"], []), False)
    assert all_of(load_texts(write("a.txt", "fine\n\nbad"), labels="no"))[0] == ["fine", "", "bad"]


def test_optional_labels(write: Write) -> None:
    assert load_texts(write("a.csv", "text,label\na,x\nb,y\n"), labels="optional").labelled
    assert not load_texts(write("b.csv", "text,id\na,1\nb,2\n"), labels="optional").labelled


def test_labels_of_numbers_in_parquet(tmp_path: Path) -> None:
    pl.DataFrame({"text": ["a", "b"], "label": [1, 0]}).write_parquet(tmp_path / "a.parquet")
    assert all_of(load_texts(tmp_path / "a.parquet"))[1] == ["1", "0"]
    pl.DataFrame({"text": [1, 2], "label": [1, 0]}).write_parquet(tmp_path / "b.parquet")
    with pytest.raises(DataError, match="expected text in column 'text', found values of type Int64"):
        load_texts(tmp_path / "b.parquet")
    pl.DataFrame({"text": ["a", "b"], "label": [None, None]}).write_parquet(tmp_path / "c.parquet")
    with pytest.raises(DataError, match=r"2 rows have none:\n.*c.parquet, row 1\n"):
        load_texts(tmp_path / "c.parquet")


@pytest.mark.parametrize("later", ["text,label\na,x\n", "text,label\na,x\nb,y\nc,z\n"])
def test_a_file_that_changes_is_noticed(write: Write, later: str) -> None:
    texts = load_texts(write("a.csv", "text,label\na,x\nb,y\n"))
    write("a.csv", later)
    with pytest.raises(DataError, match="it was changed meanwhile"):
        list(texts.chunks())


def test_options_without_effect(write: Write) -> None:
    with pytest.raises(SettingsError, match="no effect"):
        load_texts(write("a.txt", "x\n"), labels="no", header=True)


def test_sst2(shared_data: Path) -> None:
    texts = load_texts(shared_data / "sst2" / "train.tsv")
    assert len(texts) == 6920
    assert texts.label_counts() == {"0": 3310, "1": 3610}
    assert next(texts.chunks(1)).texts[0].startswith("a stirring , funny")
