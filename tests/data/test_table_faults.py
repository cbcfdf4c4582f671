"""Files that cannot be read as rows, and options that say nothing of them: each by its message."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from recurra.data.table import read_table
from recurra.errors import DataError, SettingsError

Write = Callable[[str, "str | bytes"], Path]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "", "the file is empty"),
        ("a.csv", "\n\n", "holds no rows, only empty lines"),
        ("a.csv", "text,label\n", r"has a header \(text, label\) but no rows.*--no-header"),
        ("a.csv", "text,text\na,b\n", r"found \['text'\] more than once"),
        ("a.csv", 'text,label\na,b\n"open,c\nd,e\n', "begins at line 3: a double quote is opened and never closed"),
        ("a.csv", 'text,label\n"a"b,c\n', "begins at line 2: expected ',' after a closing double quote"),
        ("a.csv", "text,label\na\rb,c\n", "a carriage return inside a field"),
        ("a.csv", "text,label\ra,b\r", r"old Mac.*tr '\\r' '\\n' > converted.csv"),
        ("a.csv", b"text,label\nx,y\ncaf\xe9,b\n", "line 3, byte 4 of that line.*0xe9.*iconv -f latin1 -t utf-8"),
        ("a.csv", b"text,label\n\x93x\x94,y\n", "line 2, byte 1 of that line.*iconv -f windows-1252"),
        ("a.csv", "text,label\nx,y\n".encode("utf-16"), "byte-order mark of UTF-16.*iconv -f utf-16"),
        ("a.csv", "text,label\nx,y\n".encode("utf-16-be"), "NUL in every second byte.*iconv -f utf-16be"),
        ("a.tsv", "text,label\nx,1\ny,0\n", "found one column, and a comma.*--delimiter ','"),
        ("a.csv.gz", b"no gzip", "damaged or cut short"),
        ("a.csv.gz", gzip.compress(b"text,label\nfine,pos\n" * 100, mtime=0)[:-9], "damaged or cut short"),
        ("a.xlsx", "x", "expected one of .csv .tsv .tab .jsonl .ndjson .txt .parquet.*found .xlsx"),
        ("a", "x", "found a name without suffix"),
        ("a.parquet", "PAR1 not really", "cannot be read as a Parquet file"),
        ("a.jsonl", "\n \n", "holds no rows"),
        ("a.jsonl", "{}\n", "its objects have no keys"),
        ("a.jsonl", '{"a": 1}\nx\n[1]\n"s"\n', "3 faulty lines(?s:.*)line 2: expected JSON(?s:.*)found an array"),
        ("a.jsonl", "[" * 100_000, "line 1: expected JSON that can be read"),
    ],
)
def test_malformed(write: Write, name: str, content: str | bytes, message: str) -> None:
    path = write(name, content)
    with pytest.raises(DataError, match=message):
        list(read_table(path).chunks(["text", "label"]))


def test_undecodable_late_in_a_large_file(write: Write) -> None:
    path = write("a.csv", b"text,label\n" + b"fine,1\n" * 50_000 + b"\xff,0\n")
    table = read_table(path)
    with pytest.raises(DataError, match=r"line 50002, byte 1 of that line"):
        list(table.chunks(table.columns))


def test_missing_file_offers_the_nearest(write: Write, tmp_path: Path) -> None:
    write("reviews.csv", "text,label\nfine,pos\n")
    with pytest.raises(DataError, match=r"did you mean 'reviews.csv'"):
        read_table(tmp_path / "review.csv")
    with pytest.raises(DataError, match=r"its folder .* does not exist"):
        read_table(tmp_path / "no" / "reviews.csv")


def test_names_that_are_no_names() -> None:
    with pytest.raises(DataError, match="found an empty name"):
        read_table("")
    with pytest.raises(DataError, match="cannot be read: File name too long"):
        read_table("x" * 300 + ".csv")


def test_options_without_effect(write: Write, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"'delimiter' .* would have no effect: .* is a .jsonl file"):
        read_table(write("a.jsonl", '{"text": "x"}'), delimiter=",")
    with pytest.raises(SettingsError, match=r"'header' .* is a folder"):
        read_table(tmp_path, header=True)
    with pytest.raises(SettingsError, match="expected no line end"):
        read_table(write("a.tsv", "text,label\nfine,pos\n"), delimiter="\n")
    with pytest.raises(SettingsError, match="one character"):
        read_table(write("a.csv", "text,label\nfine,pos\n"), delimiter="::")
