"""Files and folders -> rows."""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recurra.data.table import Table, read_table
from recurra.errors import DataError

Write = Callable[[str, "str | bytes"], Path]


def rows(table: Table, size: int = 4096) -> list[tuple[Any, ...]]:
    return [row for frame in table.chunks(table.columns, size) for row in frame.rows()]


CSV = 'text,label\n"fine, ""really""",pos\n"two\nlines",neg\n'
CSV_ROWS = [('fine, "really"', "pos"), ("two\nlines", "neg")]


@pytest.mark.parametrize(
    "content",
    [
        CSV.encode(),
        b"\xef\xbb\xbf" + CSV.encode(),
        CSV.encode().rstrip(b"\n"),
        CSV.encode() + b"\n\n",
        b"\n" + CSV.encode(),
    ],
    ids=["plain", "byte-order mark", "no last line end", "empty last lines", "empty first line"],
)
def test_csv(write: Write, content: bytes) -> None:
    table = read_table(write("a.csv", content))
    assert table.columns == ("text", "label")
    assert rows(table) == CSV_ROWS


def test_csv_with_windows_line_ends(write: Write) -> None:
    assert rows(read_table(write("a.csv", CSV.replace("\n", "\r\n")))) == [CSV_ROWS[0], ("two\r\nlines", "neg")]


def test_gz_and_upper_case_suffix_and_path_with_spaces(write: Write) -> None:
    assert rows(read_table(write("my files/é 1.CSV.GZ", gzip.compress(CSV.encode())))) == CSV_ROWS


def test_tsv_fields_are_not_quoted(write: Write) -> None:
    table = read_table(write("a.tsv", 'text\tlabel\n"open\tpos\nit\'s 5" wide\tneg\n'))
    assert rows(table) == [('"open', "pos"), ("it's 5\" wide", "neg")]


def test_csv_quote_inside_unquoted_field(write: Write) -> None:
    assert rows(read_table(write("a.csv", 'text,label\n5" wide,neg\nx,pos\n'))) == [('5" wide', "neg"), ("x", "pos")]


def test_empty_cells_are_missing_and_nul_is_kept(write: Write) -> None:
    assert rows(read_table(write("a.csv", 'text,label\n,""\na\0b,c\n'))) == [(None, None), ("a\0b", "c")]


def test_large_cell(write: Write) -> None:
    text = "word " * 200_000
    assert rows(read_table(write("a.csv", f'text,label\n"{text}",pos\nx,neg\n')))[0][0] == text


def test_unicode_names(write: Write) -> None:
    table = read_table(write("отзывы.csv", "текст,оценка\nхорошо,да\nплохо,нет\n"))
    assert table.columns == ("текст", "оценка")


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_chunk_size_does_not_change_rows(write: Write, size: int) -> None:
    table = read_table(write("a.csv", "text,label\n" + "".join(f"t{i},{i % 2}\n" for i in range(7))))
    assert all(frame.height <= size for frame in table.chunks(["text"], size))
    assert rows(table, size) == [(f"t{i}", str(i % 2)) for i in range(7)]


def test_row_names_give_physical_lines(write: Write) -> None:
    table = read_table(write("a.csv", 'text,label\n"one\ntwo",a\n\nthree,b\n'))
    assert table.row_names([0, 1]) == [f"{table.name}, line 2", f"{table.name}, line 5"]
    assert table.row_name(1) == f"{table.name}, line 5"


def test_ragged_rows_are_listed_together(write: Write) -> None:
    content = "text,label\n" + "ok,1\n" * 3 + "short\n" * 8 + "ok,0\n" + "a,b,c\n" * 5
    table = read_table(write("a.csv", content))
    with pytest.raises(DataError) as caught:
        rows(table, 2)
    message = str(caught.value)
    assert "13 faulty lines" in message
    assert "line 5: expected 2 fields, found 1" in message
    assert "line 14: expected 2 fields, found 3" in message
    assert "and 3 more" in message
    assert message.count("expected 2") == 10


def test_ragged_tsv_says_that_fields_are_not_quoted(write: Write) -> None:
    table = read_table(write("a.tsv", 'text\tlabel\n"two\nlines"\tneg\n'))
    with pytest.raises(DataError, match=r"not quoted in such a file; if these are, name it .csv"):
        rows(table)


def test_ragged_rows_hint_at_another_delimiter(write: Write) -> None:
    table = read_table(write("a.csv", "text,x;label\nfine, really, yes;1\nbad;0\n"), header=True)
    with pytest.raises(DataError, match="say --delimiter ';'"):
        rows(table)


@pytest.mark.parametrize("delimiter", [";", "|", "\t"])
def test_another_delimiter_is_named(write: Write, delimiter: str) -> None:
    path = write("a.csv", f"text{delimiter}label\nfine{delimiter}1\n")
    option = "tab" if delimiter == "\t" else f"'{delimiter}'"
    with pytest.raises(DataError, match=re.escape(f"say --delimiter {option} (or --delimiter ',' if")):
        read_table(path)
    assert rows(read_table(path, delimiter="tab" if delimiter == "\t" else delimiter)) == [("fine", "1")]


def test_txt(write: Write) -> None:
    table = read_table(write("a.txt", "text\r\n\nsome, thing\n"))
    assert rows(table) == [("text",), (None,), ("some, thing",)]
    assert table.row_name(2).endswith("a.txt, line 3")


def test_txt_with_a_delimiter_has_columns(write: Write) -> None:
    assert rows(read_table(write("a.txt", "ham::hello\nspam::buy\nham::bye\n"), delimiter="::")) == [
        ("ham", "hello"),
        ("spam", "buy"),
        ("ham", "bye"),
    ]


@pytest.mark.parametrize(
    ("first", "rest", "header"),
    [
        ("text,label", "text,label\n", True),
        (",review_text,stars_given", "0,good,5\n", True),
        ("a film,1", "b film,0\n", False),
        ("great,positive", "bad,negative\nfine,positive\n", False),
        ("one two three four five six seven,x", "b,y\n", False),
        ("opinion,verdict", "a,b\n", True),
        ("fine", "bad\n", False),
        ("Review", "bad\n", True),
    ],
)
def test_header_is_found_and_said(
    write: Write, caplog: pytest.LogCaptureFixture, first: str, rest: str, header: bool
) -> None:
    caplog.set_level("INFO", "recurra")
    table = read_table(write("a.csv", f"{first}\n{rest}"))
    assert table.has_header is header
    assert ("first row is a header" if header else "first row is data") in caplog.text
    assert header or table.columns[0] == "column_1"


def test_header_that_is_told(write: Write) -> None:
    path = write("a.csv", "text,label\nx,1\n")
    assert len(rows(read_table(path, header=False))) == 2
    assert read_table(write("b.csv", "1,2\n3,4\n"), header=True).columns == ("1", "2")


def test_jsonl(write: Write) -> None:
    content = '{"text": "a", "label": 1, "more": [1]}\n\n{"label": true, "text": null}\n{"text": "é", "label": 0.5}'
    table = read_table(write("a.jsonl", content))
    assert table.columns == ("text", "label", "more")
    assert [row for f in table.chunks(["text", "label"], text=["text"]) for row in f.rows()] == [
        ("a", "1"),
        (None, "true"),
        ("é", "0.5"),
    ]
    assert table.sample().columns == ["text", "label"]
    assert table.row_name(1).endswith("line 3")


def test_jsonl_faults_are_listed_together(write: Write) -> None:
    lines = ['{"text": "a", "label": "x"}'] * 150
    lines[110:115] = ['{"text": 5, "label": "x"}', '{"text": "a"}', "nope", '{"text": {}, "label": 1}', '"\\ud800"']
    lines.append('{"text": "\\ud800", "label": NaN}')
    table = read_table(write("a.jsonl", "\n".join(lines)))
    with pytest.raises(DataError) as caught:
        list(table.chunks(["text", "label"], text=["text"]))
    for part in (
        "6 faulty lines",
        "line 111: expected text in 'text', found a number (5)",
        "line 112: expected a key 'label', found text",
        "line 113: expected JSON, found a fault at column 1",
        "line 114: expected text or a number in 'text', found an object",
        "line 115: expected an object, found a string",
        "line 151: 'text' holds half of a surrogate pair",
    ):
        assert part in str(caught.value)


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "a [1]*.parquet"
    frame = pl.DataFrame(
        {"t": ["a", None, "c"], "i": [1, 2, None], "f": [0.5, float("nan"), 1.0], "b": [True, False, None]}
    )
    frame.with_columns(l=pl.Series([[1], [2], [3]]), n=None).write_parquet(path)
    table = read_table(path)
    assert [r for f in table.chunks(["t", "i", "f", "b", "n"], 2) for r in f.rows()] == [
        ("a", "1", "0.5", "true", None),
        (None, "2", None, "false", None),
        ("c", None, "1.0", None, None),
    ]
    assert "l" not in table.sample().columns
    with pytest.raises(DataError, match="expected text in column 'i', found values of type Int64"):
        list(table.chunks(["i"], text=["i"]))
    with pytest.raises(DataError, match=r"column 'l', found type List"):
        list(table.chunks(["l"]))


def test_parquet_without_rows(tmp_path: Path) -> None:
    pl.DataFrame({"text": []}, schema={"text": pl.String}).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"has columns .* but no rows"):
        read_table(tmp_path / "a.parquet")


def test_folder(write: Write, tmp_path: Path) -> None:
    write("d/pos/2.txt", "zwei\nlines\n")
    write("d/pos/10.txt", "ten")
    write("d/neg/a", "")
    write("d/.hidden/x", "x")
    write("d/neg/.DS_Store", b"\xff")
    table = read_table(tmp_path / "d")
    assert rows(table, 2) == [(None, "neg"), ("ten", "pos"), ("zwei\nlines", "pos")]
    assert table.row_name(2) == str(tmp_path / "d" / "pos" / "2.txt")


def test_folder_faults(write: Write, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="one sub-folder per class, found none; it is empty"):
        read_table(tmp_path / "empty")
    write("files/a.csv", CSV)
    with pytest.raises(DataError, match="it holds 1 files; name one"):
        read_table(tmp_path / "files")
    write("gap/pos/a", "x")
    (tmp_path / "gap" / "neg").mkdir()
    with pytest.raises(DataError, match=r"found none in \['neg'\]"):
        read_table(tmp_path / "gap")
    write("split/train/pos/a", "x")
    write("split/test/pos/a", "x")
    with pytest.raises(DataError, match=r"for folders of splits name each: .*train --test .*test"):
        read_table(tmp_path / "split")
    write("bytes/pos/a.txt", b"fine\n\xe9")
    with pytest.raises(DataError, match=r"a.txt, line 2, byte 1"):
        rows(read_table(tmp_path / "bytes"))


cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=8)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=6))
def test_csv_round_trip(tmp_path_factory: pytest.TempPathFactory, written: list[tuple[str, str]]) -> None:
    path = tmp_path_factory.mktemp("round") / "a.csv"
    pl.DataFrame(written, schema=["text", "label"], orient="row").write_csv(path, quote_style="always")
    assert rows(read_table(path, header=True)) == [(a or None, b or None) for a, b in written]


MEMORY = """
import sys, resource
from recurra.data.table import read_table
from recurra.data import load_texts
def held():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("RssAnon")) / 1024
texts = load_texts(sys.argv[1])
start, most = held(), 0
for chunk in texts.chunks(256):
    most = max(most, held() - start)
print(len(texts), most)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads memory from /proc")
@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl"])
def test_memory_is_flat(write: Write, suffix: str) -> None:
    row = {"csv": '"{}",{}\n', "tsv": "{}\t{}\n", "jsonl": '{{"text": "{}", "label": "{}"}}\n'}[suffix]
    text = "some words of a long review " * 20
    path = write(f"a.{suffix}", "".join(row.format(text, number % 2) for number in range(110_000)))
    assert path.stat().st_size > 60e6
    done = subprocess.run([sys.executable, "-c", MEMORY, str(path)], capture_output=True, text=True, check=True)
    count, megabytes = done.stdout.split()
    assert int(count) == 110_000
    assert float(megabytes) < 20
