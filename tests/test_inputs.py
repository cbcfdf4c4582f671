"""Texts as they come: files, arguments and streams, in chunks."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from recurra.errors import DataError, SettingsError
from recurra.inputs import arriving_chunks, chunks_of_inputs


def test_chunks_hold_what_is_there_and_no_more_than_the_size() -> None:
    stream = io.BytesIO(b"".join(b"%d\n" % number for number in range(100)))
    chunks = list(arriving_chunks(stream, size=8))
    assert [text for chunk in chunks for text in chunk] == [str(number) for number in range(100)]
    assert max(map(len, chunks)) <= 8


def test_a_last_line_without_end_and_a_fault_after_good_lines() -> None:
    chunks = arriving_chunks(io.BytesIO(b"one\ntwo\nth\xffree"))
    found = next(chunks)
    while len(found) < 2:
        found += next(chunks)
    assert found == ["one", "two"]
    with pytest.raises(DataError, match="standard input, line 3"):
        next(chunks)
    assert [*arriving_chunks(io.BytesIO(b"one"))] == [["one"]]


def test_an_endless_stream_is_not_read_ahead_of_its_reader() -> None:
    class Endless(io.RawIOBase):
        given = 0

        def __iter__(self) -> Endless:
            return self

        def __next__(self) -> bytes:
            self.given += 1
            return b"good\n"

    stream = Endless()
    chunks = arriving_chunks(stream, size=16)  # type: ignore[arg-type]
    for _ in range(50):
        assert len(next(chunks)) <= 16
    assert stream.given <= 50 * 16 + 16 + 2


def test_files_and_texts_in_the_order_of_the_arguments(tmp_path: Path) -> None:
    table, lines = tmp_path / "a.csv", tmp_path / "lines.txt"
    table.write_text("id,quote,text\n1,good film,x\n2,bad film,y\n")
    lines.write_text("a line\nand another\n")
    found = chunks_of_inputs(["a text", str(table), str(lines)], "quote")
    assert list(found) == [["a text"], ["good film", "bad film"], ["a line", "and another"]]
    assert list(chunks_of_inputs([str(table)], "quote", text_column="text")) == [["x", "y"]]
    assert list(chunks_of_inputs([str(table)], "no such column")) == [["x", "y"]]  # found by its name


@pytest.mark.parametrize("options", [{"text_column": "a"}, {"delimiter": ";"}, {"header": False}])
@pytest.mark.parametrize("inputs", [[], ["-"], ["a text"]])
def test_an_option_about_files_where_none_is_read(options: dict[str, Any], inputs: list[str]) -> None:
    ((name, value),) = options.items()
    with pytest.raises(SettingsError) as caught:
        next(chunks_of_inputs(inputs, "text", **options))
    assert str(caught.value) == f"option '{name}' ({value}) would have no effect: no file is read"
