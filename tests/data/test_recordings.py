"""Recordings from manifests of every form, from folders, and one by one."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from recurra.data.recording_columns import RecordingColumns
from recurra.data.recordings import Recording, Recordings, load_recordings
from recurra.errors import DataError, SettingsError

Write = Callable[[str, "str | bytes"], Path]
Record = Callable[..., Path]


@pytest.fixture(autouse=True)
def three(record: Record) -> list[Path]:
    return [record(f"wav/{name}.wav") for name in "abc"]


def listed(recordings: Recordings, root: Path) -> list[tuple[str, str]]:
    return [(str(item.path.relative_to(root)), item.text) for item in recordings.items]


EXPECTED = [("wav/a.wav", "one"), ("wav/b.wav", "two words"), ("wav/c.wav", "")]
ROWS = [("wav/a.wav", "one"), ("wav/b.wav", " two\t words "), ("wav/c.wav", None)]


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("path", "text"), {}),
        (("audio_filepath", "transcript"), {}),
        (("file_name", "transcription"), {}),
        (("there", "said"), {}),
        (("there", "said"), {"path_column": "there", "text_column": "said"}),
        (("text", "path"), {"path_column": "text", "text_column": "path"}),
    ],
)
@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_a_manifest_of_any_form_and_names(tmp_path: Path, form: str, names: tuple[str, str], told: Any) -> None:
    path = tmp_path / f"m.{form}"
    frame = pl.DataFrame(ROWS, schema=[*names], orient="row")
    {"csv": frame.write_csv, "jsonl": frame.write_ndjson, "parquet": frame.write_parquet}[form](path)
    recordings = load_recordings(path, **told)
    assert listed(recordings, tmp_path) == EXPECTED
    assert recordings.labelled
    assert recordings.columns == names
    assert recordings.items[0] == Recording(tmp_path / "wav/a.wav", "one")


def test_a_first_row_with_a_recording_is_no_header(
    write: Write, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "recurra")
    path = write("m.csv", "wav/a.wav,one\nwav/b.wav,two words\n")
    assert listed(load_recordings(path), tmp_path) == EXPECTED[:2]
    assert f"{path}: its first row is data, not a header: its cell 'wav/a.wav' is a recording" in caplog.text
    assert f"{path}: the path is column 'column_1': its values end as recordings do (wav/a.wav)" in caplog.text
    assert f"{path}: the text is column 'column_2': the only one left" in caplog.text


def test_a_column_that_says_something_else_is_no_transcript(write: Write) -> None:
    path = write(
        "m.tsv", "id\twav\tsplit\tseconds\twords\n7\twav/a.wav\ttrain\t0.1\tone\n8\twav/b.wav\tdev\t0.1\ttwo\n"
    )
    assert load_recordings(path).columns == ("wav", "words")
    numbers = write("n.tsv", "path\tdigit\nwav/a.wav\t1\nwav/b.wav\t2\n")
    assert load_recordings(numbers).texts() == ["1", "2"]


def test_groups_and_empty_transcripts(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "recurra")
    path = write("m.csv", "path,text,speaker\nwav/a.wav,one, ann \nwav/b.wav,,bob\n")
    assert [item.group for item in load_recordings(path, group_column="speaker").items] == ["ann", "bob"]
    assert load_recordings(path).items[0].group is None
    assert f"{path}: 1 of 2 transcripts are empty" in caplog.text


def test_absolute_paths_are_as_they_are(write: Write, three: list[Path]) -> None:
    path = write("elsewhere/m.csv", f"path,text\n{three[0]},one\n../wav/b.wav,two\n")
    assert [item.path.resolve() for item in load_recordings(path).items] == three[:2]


def test_all_faults_are_reported_at_once(write: Write, record: Record, tmp_path: Path) -> None:
    record("wav/high.wav", sample_rate=16_000)
    write("wav/none.wav", b"")
    rows = [
        ("wav/a.wav", "8000", "ann"),
        ("wav/missing.wav", "", "ann"),
        ("wav/gone.wav", "", "ann"),
        ("", "", "ann"),
        ("wav/../wav/a.wav", "", "ann"),
        ("wav/high.wav", "8000.0", "ann"),
        ("wav/b.wav", "high", "ann"),
        ("wav/none.wav", "8000", "ann"),
        ("wav/c.wav", "", ""),
    ]
    path = write("m.csv", "path,sample_rate,speaker,text\n" + "".join(f"{','.join(row)},x\n" for row in rows))
    with pytest.raises(DataError) as caught:
        load_recordings(path, group_column="speaker")
    wav = tmp_path / "wav"
    assert str(caught.value) == "\n".join(
        [
            f"{path}: 8 faulty rows:",
            f"  {path}, line 3: there is no file {wav / 'missing.wav'}",
            f"  {path}, line 4: there is no file {wav / 'gone.wav'}",
            f"  {path}, line 5: no path",
            f"  {path}, line 6: {wav / '../wav/a.wav'} is listed already ({path}, line 2)",
            f"  {path}, line 7: sample_rate is 8,000 Hz, but {wav / 'high.wav'} has 16,000 Hz",
            f"  {path}, line 8: expected Hz in column 'sample_rate', found 'high'",
            f"  {path}, line 9: {wav / 'none.wav'}: the file is empty (0 bytes)",
            f"  {path}, line 10: no value in column 'speaker'",
            f"correct these rows or take them out; relative paths begin at {tmp_path}",
        ]
    )


def test_many_missing_files_are_counted(write: Write) -> None:
    path = write("m.csv", "path,text\n" + "".join(f"wav/{number}.wav,x\n" for number in range(30)))
    with pytest.raises(DataError, match=r"30 faulty rows:(.|\n)*and 20 more"):
        load_recordings(path)


def test_the_sample_rate_of_a_manifest_is_kept(write: Write) -> None:
    path = write("m.jsonl", json.dumps({"path": "wav/a.wav", "text": "x", "sample_rate": 8000}) + "\n")
    assert load_recordings(path).items[0].sample_rate == 8000


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("path,text\nwav/a.wav,x\n", {"text_column": "txt"}, "--text-column: there is no column 'txt', did you mean"),
        ("path,text\nwav/a.wav,x\n", {"group_column": "who"}, "--group-column: there is no column 'who'"),
        ("path,text\nwav/a.wav,x\n", {"path_column": "text", "text_column": "text"}, "is given as path and as text"),
        ("name,said\nwav,x\n", {}, "found no column of paths to recordings; its columns are 'name', 'said'; name it"),
        ("x,y,said\na.wav,b.wav,x\n", {"header": True}, "the path may be any of ['x', 'y']"),
        ("path,x,y\nwav/a.wav,one two,three\n", {}, "the text may be any of ['x', 'y']"),
        ("path,split\nwav/a.wav,train\n", {}, "found no column of transcripts"),
        ("path,text\n", {}, "has a header (path, text) but no rows"),
    ],
)
def test_columns_that_cannot_be_told_are_an_error(
    write: Write, content: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        load_recordings(write("m.csv", content), **options)


def test_without_transcripts(write: Write) -> None:
    path = write("m.csv", "path,split\nwav/a.wav,train\n")
    recordings = load_recordings(path, text="optional")
    assert not recordings.labelled
    assert recordings.texts() == [""]
    both = load_recordings(write("n.csv", "path,x,y\nwav/a.wav,one two,three\n"), text="optional")
    assert both.columns == RecordingColumns("path", None)


def test_the_columns_of_training_come_first_where_they_are(write: Write) -> None:
    trained = RecordingColumns("b", "words")
    path = write("m.csv", "path,b,text,words\nwav/a.wav,wav/b.wav,one,two\n")
    assert load_recordings(path, preferred=trained).columns == trained
    assert load_recordings(path, preferred=trained, text_column="text").columns == ("b", "text")
    other = write("n.csv", "path,text\nwav/a.wav,one\n")
    assert load_recordings(other, preferred=trained).columns == ("path", "text")


def test_a_folder_with_transcripts_beside(write: Write, tmp_path: Path) -> None:
    for name, text in [("a", "one"), ("b", " two\nwords\n"), ("c", "")]:
        write(f"wav/{name}.txt", text)
    write("README.txt", "not a transcript")
    write(".hidden/x.wav", b"")
    assert listed(load_recordings(tmp_path), tmp_path) == EXPECTED


def test_a_folder_as_of_librispeech(write: Write, record: Record, tmp_path: Path) -> None:
    root = tmp_path / "speech"
    record("speech/7/1/7-1-0.flac")
    record("speech/7/1/7-1-1.flac")
    record("speech/8/2/8-2-0.flac")
    write("speech/7/1/7-1.trans.txt", "7-1-0 ONE\n7-1-1 TWO  WORDS\n")
    write("speech/8/2/8-2.trans.txt", "8-2-0\n")
    expected = [("7/1/7-1-0.flac", "ONE"), ("7/1/7-1-1.flac", "TWO WORDS"), ("8/2/8-2-0.flac", "")]
    assert listed(load_recordings(root), root) == expected
    write("speech/8/2/8-2.trans.txt", "8-2-0 x\n8-2-0 y\n\n8-2-9 z\n")
    with pytest.raises(DataError) as caught:
        load_recordings(root)
    assert "2 faulty transcripts" in str(caught.value)
    assert "8/2/8-2.trans.txt, line 2: '8-2-0' has a transcript already" in str(caught.value)
    assert "8/2/8-2.trans.txt, line 4: there is no recording '8-2-9' beside it" in str(caught.value)


def test_a_folder_whose_transcripts_are_missing(write: Write, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write("wav/a.txt", "one")
    with pytest.raises(DataError, match=r"2 of 3 have none:\n  wav/b.wav\n  wav/c.wav\nadd them"):
        load_recordings(tmp_path)
    recordings = load_recordings(tmp_path, text="optional")
    assert not recordings.labelled
    assert recordings.texts() == ["", "", ""]
    assert "no transcript is used, as 2 of 3 recordings have none" in caplog.text


def test_a_folder_without_recordings(write: Write, tmp_path: Path) -> None:
    write("other/a.txt", "one")
    with pytest.raises(DataError, match=r"expected recordings .*found none among 1 files"):
        load_recordings(tmp_path / "other")


def test_one_recording(write: Write, three: list[Path]) -> None:
    assert load_recordings(three[0], text="optional").items == [Recording(three[0], "")]
    with pytest.raises(DataError, match=r"expected its transcript in .*a.txt, found no such file"):
        load_recordings(three[0])
    write("wav/a.txt", "one")
    assert load_recordings(three[0]).texts() == ["one"]
    with pytest.raises(DataError, match="there is no such file"):
        load_recordings(three[0].with_name("d.wav"), text="optional")


@pytest.mark.parametrize(
    "options", [{"path_column": "p"}, {"text_column": "t"}, {"group_column": "g"}, {"delimiter": ";"}, {"header": True}]
)
def test_options_of_manifests_are_refused_elsewhere(tmp_path: Path, three: list[Path], options: dict[str, Any]) -> None:
    for source in (tmp_path, three[0]):
        with pytest.raises(SettingsError, match=f"option '{next(iter(options))}' .* would have no effect: {source} is"):
            load_recordings(source, **options)


def test_a_part_keeps_the_order(write: Write) -> None:
    recordings = load_recordings(write("m.csv", "path,text\nwav/a.wav,one\nwav/b.wav,two\nwav/c.wav,three\n"))
    part = recordings.part(np.array([True, False, True]), "some")
    assert (part.name, part.texts(), len(part), part.table) == ("some", ["one", "three"], 2, None)
