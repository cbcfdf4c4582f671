"""`.ts` files: what they hold, whatever their heading says, and every fault by its line."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from recurra.data.labelled_series import LabelledSeries
from recurra.data.labelled_series_splits import load_labelled_series
from recurra.data.ts_file import SeriesFault, is_ts, parse_series, read_ts
from recurra.errors import DataError

Write = Callable[[str, "str | bytes"], Path]

HEADING = """# made up
%  in both ways of writing a comment

@problemName gestures
@timeStamps false
@missing false
@univariate false
@dimensions 2
@equalLength false
@classLabel true up down
@data
"""
LINES = "1.5,-2,3e1:4,5,6:up\n7:8:down\n# between\n\n 0 , 0 : 1 , 1 : up \n"


def read(write: Write, content: str, labelled: bool | None = True) -> LabelledSeries:
    return read_ts(write("g.ts", content), labelled)


def test_channels_lengths_and_labels(write: Write) -> None:
    series = read(write, HEADING + LINES)
    assert [values.tolist() for values in series.values] == [
        [[1.5, 4], [-2, 5], [30, 6]],
        [[7, 8]],
        [[0, 1], [0, 1]],
    ]
    assert (series.labels, series.ids, series.channels) == (["up", "down", "up"], ["1", "2", "3"], ("1", "2"))
    assert series.label_counts() == {"down": 1, "up": 2}
    assert (series.origin.id_column, series.origin.label_column, series.origin.width) == (None, None, None)


def test_packed_and_with_other_line_ends_and_capitals(write: Write, tmp_path: Path) -> None:
    expected = read(write, HEADING + LINES)
    content = (HEADING.replace("@data", "@DATA").replace("@classLabel", "@classlabel") + LINES).replace("\n", "\r\n")
    (tmp_path / "g.TS.gz").write_bytes(gzip.compress(content.encode()))
    assert is_ts("g.TS.gz")
    found = load_labelled_series(str(tmp_path / "g.TS.gz"))
    assert found.labels == expected.labels
    assert all(np.array_equal(a, b) for a, b in zip(found.values, expected.values))


def test_labels_are_left_out_or_are_not_there(write: Write) -> None:
    assert read(write, HEADING + LINES, False).labels is None
    bare = HEADING.replace("true up down", "false") + "1,2:3,4\n"
    for labelled in (None, False):
        series = read(write, bare, labelled)
        assert (series.labels, series.values[0].tolist()) == (None, [[1, 3], [2, 4]])
    with pytest.raises(DataError, match="expected class labels, found none: its heading has no @classLabel true"):
        read(write, bare)


def test_a_heading_that_says_little(write: Write) -> None:
    series = read(write, "@classLabel true a b\n@data\n1,2:a\n3:b\n")
    assert [values.tolist() for values in series.values] == [[[1], [2]], [[3]]]


def test_a_length_that_holds_not_for_all(write: Write) -> None:
    heading = "@equalLength false\n@seriesLength 0\n@classLabel true a b\n@data\n"
    assert len(read(write, heading + "1,2:a\n3:b\n")) == 2


FAULTS = [
    ("1,2:3,4:up:up\n", "line 12: expected 2 channels, separated by colons, found 3"),
    ("1,2:3:up\n", "line 12: expected channels of equal length, found lengths 2, 1"),
    ("1,2:3,4:left\n", "line 12: expected one of the classes up, down, found 'left'"),
    ("1,2:3,4\n", "line 12: expected one of the classes up, down, found '3,4'"),
    ("1,2\n", "line 12: expected values, a colon and a class, found no colon"),
    ("1,?:3,4:up\n", "line 12: value 2 of channel 1 is missing ('?'); fill it, or end the series before it"),
    ("1,2:3,NaN:up\n", "line 12: value 2 of channel 2 is missing ('NaN')"),
    ("1,,2:3,4,5:up\n", "line 12: value 2 of channel 1 is missing ('')"),
    ("1,-inf:3,4:up\n", "line 12: value 2 of channel 1: expected a finite number, found '-inf'"),
    ("1,1e999:3,4:up\n", "line 12: value 2 of channel 1: expected a finite number, found '1e999'"),
    ("1,two:3,4:up\n", "line 12: value 2 of channel 1: expected a finite number, found 'two'"),
    ("::up\n", "line 12: channel 1 has no value"),
    ("1: :up\n", "line 12: channel 2 has no value"),
    ("", "expected series behind @data, found none"),
]


@pytest.mark.parametrize(("lines", "message"), FAULTS)
def test_faulty_lines(write: Write, lines: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read(write, HEADING + lines)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(write("g.ts", "x")))


def test_all_faulty_lines_are_listed_together(write: Write) -> None:
    with pytest.raises(DataError) as caught:
        read(write, HEADING + "1:2:up\nx:2:up\n3:4:down\n5:?:up\n")
    assert str(caught.value).splitlines()[0].endswith("2 faulty lines:")
    assert [line.split(":")[0].strip() for line in str(caught.value).splitlines()[1:3]] == ["line 13", "line 15"]


HEADINGS = [
    ("@timeStamps true\n", "line 1: expected @timeStamps false, found true: series with times cannot be read"),
    ("@targetLabel true\n", "line 1: expected @classLabel, found @targetLabel: its labels are numbers and no classes"),
    ("@classLabel true\n", "line 1: expected the classes behind @classLabel true, each once"),
    ("@classLabel true a b a\n", "line 1: expected the classes behind @classLabel true, each once"),
    ("@classLabel yes a b\n", "line 1: expected true or false behind @classlabel, found yes a b"),
    ("@dimensions two\n", "line 1: expected a number above 0 behind @dimensions, found two"),
    ("@univariate true\n@dimensions 3\n", "line 2: the heading says 1 dimensions, and here 3"),
    ("1,2:a\n", "line 1: expected a line that begins with @, up to @data"),
    ("@classLabel true a b\n@seriesLength 3\n@data\n1,2:a\n", "expected 3 steps, as @seriesLength says, found 2"),
]


@pytest.mark.parametrize(("content", "message"), HEADINGS)
def test_faulty_headings(write: Write, content: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read(write, content)
    assert message in str(caught.value)
    assert "1 faulty line:" in str(caught.value)


def test_no_file(tmp_path: Path, write: Write) -> None:
    write("gestures.ts", "")
    with pytest.raises(DataError, match=r"gesture\.ts: there is no such file .*did you mean 'gestures\.ts'"):
        read_ts(tmp_path / "gesture.ts", True)
    with pytest.raises(DataError, match="the file is empty"):
        read_ts(tmp_path / "gestures.ts", True)


def test_a_series_in_a_line_of_its_own() -> None:
    assert parse_series("1,2").tolist() == [[1], [2]]
    with pytest.raises(SeriesFault, match="expected 1 channel, separated by colons, found 2"):
        parse_series("1:2", 1)
