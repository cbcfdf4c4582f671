"""Training, validation and test examples."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recurra.config import ClassifyDataConfig
from recurra.data import Splits, Texts, load_splits
from recurra.data.divide import PARTS, Rows, split_off
from recurra.errors import DataError, SettingsError

Write = Callable[[str, "str | bytes"], Path]


def texts_of(texts: Texts | None) -> list[str]:
    assert texts is not None
    return [text for chunk in texts.chunks(7) for text in chunk.texts]


def split(path: Path, seed: int = 0, **options: Any) -> Splits:
    return load_splits(ClassifyDataConfig(data=str(path), **options), seed)


def many(count: int = 100, start: int = 0) -> str:
    return "text,label\n" + "".join(f"t{i},{'pos' if i % 4 else 'neg'}\n" for i in range(start, start + count))


def test_split_off_is_stratified_whole_and_in_order(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "recurra")
    splits = split(write("a.csv", many()))
    assert splits.test is not None
    assert splits.train.label_counts() == {"neg": 21, "pos": 59}
    assert splits.valid.label_counts() == splits.test.label_counts() == {"neg": 2, "pos": 8}
    parts = [texts_of(part) for part in splits]
    assert sorted(text for part in parts for text in part) == sorted(f"t{i}" for i in range(100))
    assert all(part == sorted(part, key=lambda text: int(text[1:])) for part in parts)
    assert [len(part) for part in splits if part is not None] == [len(part) for part in parts]
    assert "a.csv: split off its rows, by class and seed: 10 for valid and 10 for test" in caplog.text


def test_split_off_follows_the_seed(write: Write) -> None:
    path = write("a.csv", many())
    assert texts_of(split(path, 3).valid) == texts_of(split(path, 3).valid)
    assert texts_of(split(path, 3).valid) != texts_of(split(path, 4).valid)


def test_no_test_when_no_share(write: Write) -> None:
    splits = split(write("a.csv", many()), test_share=0)
    assert splits.test is None
    assert (len(splits.train), len(splits.valid)) == (90, 10)


def test_given_files(write: Write) -> None:
    valid, test = write("v.csv", many(8, 100)), write("t.csv", many(8, 200))
    splits = split(write("a.csv", many()), valid=str(valid), test=str(test))
    assert (len(splits.train), len(splits.valid), splits.valid.name) == (100, 8, str(valid))
    assert texts_of(splits.test) == [f"t{i}" for i in range(200, 208)]
    assert len(split(write("a.csv", many()), test=str(test)).valid) == 10


def test_given_files_without_header_share_positions(write: Write) -> None:
    train = write("a.tsv", "".join(f"some longer text number {i}\tc{i % 2}\n" for i in range(20)))
    # Taken by itself, the first row of this file could be a header.
    test = write("t.tsv", "short\tc0\nwords\tc1\n")
    assert texts_of(split(train, test=str(test)).test) == ["short", "words"]


def test_given_files_must_have_the_same_columns(write: Write) -> None:
    with pytest.raises(DataError, match=r"text column of .*a.csv: there is no column 'text', did you mean 'texts'"):
        split(write("a.csv", many()), test=str(write("t.csv", "texts,label\na,pos\n")))
    with pytest.raises(DataError, match=r"label column of .*: there is no column 'label', did you mean 'labels'"):
        split(write("a.csv", many()), valid=str(write("t.csv", "text,labels\na,pos\n")))


def test_delimiter_may_be_meant_for_another_file(write: Write, tmp_path: Path) -> None:
    pl.DataFrame({"text": ["a", "b"] * 9, "label": ["x", "y"] * 9}).write_parquet(tmp_path / "a.parquet")
    test = write("t.csv", "text;label\na;x\n")
    assert texts_of(split(tmp_path / "a.parquet", test=str(test), delimiter=";").test) == ["a"]
    with pytest.raises(SettingsError, match="would have no effect"):
        split(tmp_path / "a.parquet", delimiter=";")


SPLIT = "text,label,part\n" + "a,x,Train\nb,y,training\nc,x,DEV\nd,y,val\ne,x,test\n"


def test_split_column(write: Write) -> None:
    splits = split(write("a.csv", SPLIT), split_column="part")
    assert [texts_of(part) for part in splits] == [["a", "b"], ["c", "d"], ["e"]]
    assert splits.valid.name.endswith("a.csv (valid)")


def test_split_column_is_guessed_and_said(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "recurra")
    splits = split(write("a.csv", SPLIT.replace("part", "Split")))
    assert texts_of(splits.test) == ["e"]
    assert "its column 'Split' divides the examples" in caplog.text


def test_guessed_split_column_with_other_values_is_not_used(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "recurra")
    rows = "".join(f"t{i},{i % 2},train\n" for i in range(2000))
    splits = split(write("a.csv", f"text,label,split\n{rows}z,1,other\n"))
    assert len(splits.train) == 1601
    assert "is not used: it holds 'other' too" in caplog.text


def test_guessed_split_column_gives_way_to_files(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    test = write("t.csv", "text,label\nq,x\n")
    path = write("a.csv", SPLIT.replace("part", "split") + "f,y,train\n")
    assert len(split(path, test=str(test)).train) == 4
    assert "its column 'split' is not used, as --valid or --test is given" in caplog.text


def test_split_column_without_a_part_has_it_split_off(write: Write) -> None:
    rows = "".join(f"t{i},{i % 2},train\n" for i in range(40)) + "z,1,test\n"
    splits = split(write("a.csv", f"text,label,split\n{rows}"), split_column="split")
    assert (len(splits.train), len(splits.valid), texts_of(splits.test)) == (36, 4, ["z"])


def test_split_column_faults(write: Write) -> None:
    with pytest.raises(DataError, match="--split-column: there is no column 'prt', did you mean 'part'"):
        split(write("a.csv", SPLIT), split_column="prt")
    path = write("b.csv", SPLIT + "f,x,holdout\ng,x,\ng,x,holdout\n")
    with pytest.raises(DataError, match=r"found also:\n  'holdout': 2 rows\n  '\(empty\)': 1 rows"):
        split(path, split_column="part")
    with pytest.raises(DataError, match="expected rows to train on, found none"):
        split(write("c.csv", "text,label,part\na,x,test\nb,y,dev\n"), split_column="part")


def test_classes_that_cannot_be_learnt(write: Write) -> None:
    with pytest.raises(DataError, match=r"at least two classes .* found one: 'pos' \(3 rows\)"):
        split(write("a.csv", "text,label\na,pos\nb,pos\nc,pos\n"))
    path = write("b.csv", many() + "x,rare\ny,rarer\nz,rare\n")
    with pytest.raises(DataError) as caught:
        split(path)
    assert "at least 3 examples of each class, to be divided into training and validation and test" in str(caught.value)
    assert "  'rare': 2\n  'rarer': 1\n" in str(caught.value)
    assert "--valid and --test" in str(caught.value)
    with pytest.raises(DataError, match=r"never seen in training .*'neg', 'pos'.*\n  'new': 2 in .*t.csv"):
        split(write("c.csv", many()), test=str(write("t.csv", "text,label\na,new\nb,new\n")))


def test_missing_labels(write: Write) -> None:
    with pytest.raises(DataError, match=r"1 row has none:\n  .*a.csv, line 102"):
        split(write("a.csv", many() + "x,\n"))


def test_the_same_file_twice(write: Write, tmp_path: Path) -> None:
    path = write("a.csv", many())
    with pytest.raises(DataError, match=r"given as training and as test data; .* would be dishonest"):
        split(path, test=str(tmp_path / "." / "a.csv"))
    (tmp_path / "link.csv").symlink_to(path)
    with pytest.raises(DataError, match=r"given as training and as validation data; .*leave --valid out"):
        split(path, valid=str(tmp_path / "link.csv"))
    other = str(write("b.csv", many()))
    with pytest.raises(DataError, match="given as validation and as test data"):
        split(path, valid=other, test=other)


def test_a_share_of_what_the_data_have_is_refused(write: Write) -> None:
    path = write("a.csv", many())
    valid = write("v.csv", many(20, start=200))
    with pytest.raises(SettingsError, match=r"'valid_share' \(0.2\) would have no effect: the data have their own"):
        split(path, valid=str(valid), valid_share=0.2)
    assert len(split(path, valid=str(valid), test_share=0.2).test or []) == 20


def test_shares_that_leave_nothing(write: Write) -> None:
    with pytest.raises(SettingsError, match=r"expected a sum below 1, found 0.6 \+ 0.5"):
        split(write("a.csv", many()), valid_share=0.6, test_share=0.5)


def test_a_folder(write: Write, tmp_path: Path) -> None:
    for i in range(12):
        write(f"d/{'ab'[i % 2]}/{i}.txt", f"text {i}")
    splits = split(tmp_path / "d")
    assert [len(part) for part in splits if part is not None] == [8, 2, 2]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.integers(3, 40), min_size=1, max_size=5),
    st.floats(0.01, 0.6),
    st.floats(0.01, 0.39),
    st.integers(0, 2**31 - 1),
)
def test_each_class_is_in_each_part(sizes: list[int], valid: float, test: float, seed: int) -> None:
    codes = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    rows = Rows("t", [f"c{i}" for i in range(len(sizes))], codes, np.zeros(len(codes), np.uint8))
    split_off(rows, {"valid": valid, "test": test}, np.random.default_rng(seed))
    for part in PARTS:
        assert len(rows.counts(part)) == len(sizes)
    for label, size in zip(rows.classes, sizes, strict=True):
        assert abs(rows.counts("valid")[label] - valid * size) <= 1
        assert abs(rows.counts("test")[label] - test * size) <= 2
