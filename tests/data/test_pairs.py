"""Tables of pairs: which columns are meant, whether a first row names them, and what is wrong with them."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from recurra.data.pairs import Pairs, load_pairs, load_sources
from recurra.data.text import Texts
from recurra.errors import DataError, SettingsError

Write = Callable[[str, "str | bytes"], Path]


def read(texts: Texts) -> list[str]:
    return [text for chunk in texts.chunks() for text in chunk.texts]


def both(pairs: Pairs) -> list[tuple[str, str]]:
    return list(zip(read(pairs.sources), read(pairs.targets), strict=True))


def columns(pairs: Pairs) -> tuple[str, str]:
    return pairs.sources.columns.text, pairs.targets.columns.text


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("source\ttarget", ("source", "target")),
        ("target\tsource", ("source", "target")),  # names say more than the order
        ("id\tsrc\ttgt\tnote", ("src", "tgt")),
        ("tgt\tn\tsrc", ("src", "tgt")),
        ("Input\tOutput", ("Input", "Output")),
        ("title\tarticle\tsummary", ("article", "summary")),
        ("summary\ttext", ("text", "summary")),
        ("pronunciation\tword", ("word", "pronunciation")),
        ("fr\ten", ("fr", "en")),
        ("en\tfr", ("en", "fr")),
        ("id\tfr\ten", ("fr", "en")),
        ("en\tid", ("en", "id")),
        ("n\tpt-BR\tEN_us", ("pt-BR", "EN_us")),
        ("question\tanswer", ("question", "answer")),
    ],
)
def test_well_known_names(
    write: Write, caplog: pytest.LogCaptureFixture, header: str, expected: tuple[str, str]
) -> None:
    caplog.set_level(logging.INFO, "recurra")
    names = header.split("\t")
    rows = [[f"{name} {number}" for name in names] for number in "ab"]
    path = write("a.tsv", "\n".join(["\t".join(row) for row in [names, *rows]]))
    pairs = load_pairs(path)
    assert columns(pairs) == expected
    assert both(pairs) == [(f"{expected[0]} {number}", f"{expected[1]} {number}") for number in "ab"]
    assert f"{path}: its first row is a header: its cells are well-known names" in caplog.text
    assert f"{path}: the source is column '{expected[0]}': well-known names" in caplog.text
    assert f"{path}: the target is column '{expected[1]}': well-known names" in caplog.text


def test_two_columns_of_text(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "recurra")
    jsonl = "".join(
        json.dumps({"n": n, "b": f"b {n}", "nested": [n], "a": f"a {n}", "none": None}) + "\n" for n in "12"
    )
    path = write("a.jsonl", jsonl)
    assert both(load_pairs(path)) == [("b 1", "a 1"), ("b 2", "a 2")]
    assert f"{path}: columns ['nested'] hold nested or binary values" in caplog.text
    assert f"{path}: the source is column 'b': the only columns of text, the source first" in caplog.text
    assert both(load_pairs(path, source_column="a")) == [("a 1", "b 1"), ("a 2", "b 2")]
    assert both(load_pairs(path, target_column="b")) == [("a 1", "b 1"), ("a 2", "b 2")]


def test_two_columns_of_which_one_is_of_numbers(write: Write) -> None:
    path = write("a.csv", 'twenty one,21\n"three, four",34\n')
    assert both(load_pairs(path)) == [("twenty one", "21"), ("three, four", "34")]


def test_one_of_two_known_columns_is_told(write: Write) -> None:
    path = write("a.csv", "note,en,fr\na,b c,d\nx,y z,w\n")
    assert columns(load_pairs(path, source_column="fr")) == ("fr", "en")
    assert columns(load_pairs(path, target_column="en")) == ("fr", "en")
    assert columns(load_pairs(path, source_column="en")) == ("en", "fr")
    assert columns(load_pairs(path, source_column="note", target_column="fr")) == ("note", "fr")
    assert columns(load_pairs(path, preferred=("note", "en"))) == ("note", "en")
    assert columns(load_pairs(path, preferred=("fr", "en"), source_column="en")) == ("en", "fr")
    assert columns(load_pairs(path, preferred=("other", "names"))) == ("en", "fr")


def test_parquet_and_a_delimiter(write: Write, tmp_path: Path) -> None:
    frame = pl.DataFrame({"number": [1.5, 2.5], "x": ["a", "b"], "y": ["c", "d"]})
    frame.write_parquet(tmp_path / "a.parquet")
    assert both(load_pairs(tmp_path / "a.parquet")) == [("a", "c"), ("b", "d")]
    with pytest.raises(DataError, match="expected text in column 'number', found values of type Float64; name another"):
        load_pairs(tmp_path / "a.parquet", source_column="number", target_column="y")
    path = write("a.txt", "Go.\tVa !\nHi.\tSalut !\n")
    assert both(load_pairs(path, delimiter="tab")) == [("Go.", "Va !"), ("Hi.", "Salut !")]


SENTENCES = "The sun is up.\tLe soleil brille.\nIt rains in May.\tIl pleut en mai.\nCome!\tViens !\n"


@pytest.mark.parametrize(
    ("first", "found", "why"),
    [
        ("Go.\tVa !", False, "its cell 'Go.' is not written as a name"),
        ("rains\tpleut", False, "its word 'rains' appears again below it"),
        (
            "English text\tIn French",
            True,
            "its cells are written as names, and none of their words appears again below",
        ),
        ("en\tfr", True, "its cells are well-known names"),
        ("text\tlabel", True, "its cells are well-known names"),
        ("12\tdouze", False, "its cell '12' is a number"),
    ],
)
def test_a_first_pair_is_no_header(
    write: Write, caplog: pytest.LogCaptureFixture, first: str, found: bool, why: str
) -> None:
    caplog.set_level(logging.INFO, "recurra")
    path = write("a.tsv", f"{first}\n{SENTENCES}")
    assert len(load_pairs(path).sources) == 3 + (not found)
    assert f"{path}: its first row is {'a header' if found else 'data, not a header'}: {why}" in caplog.text
    assert len(load_pairs(path, header=True).sources) == 3
    assert len(load_pairs(path, header=False).sources) == 4


def test_single_words_are_no_header(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "recurra")
    assert both(load_pairs(write("a.tsv", "dog\tchien\ncat\tchat\n")))[0] == ("dog", "chien")
    assert "data, not a header: the columns hold single words, as it does" in caplog.text
    path = write("b.tsv", "dog\tchien\ncat\tchat\n")
    assert both(load_pairs(path, preferred=("dog", "chien"))) == [("cat", "chat")]
    assert f"{path}: its first row is a header: its cell 'dog' is the name of a column in training" in caplog.text


def test_the_same_text_everywhere_is_said(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    path = write("a.tsv", "a b\tyes\nc d\t yes\n")
    assert len(load_pairs(path).sources) == 2
    assert f"{path}: column 'column_2' holds the same text in each row: 'yes'" in caplog.text
    caplog.clear()
    load_pairs(write("b.tsv", "a b\tyes\n"))
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("a.tsv", "", {}, r"a\.tsv: the file is empty \(0 bytes\)"),
        ("a.csv", "source,target\n", {}, "has a header .source, target. but no rows"),
        (
            "a.tsv",
            "Go.\tVa !\tby x\nHi.\tHe !\tby y\n",
            {},
            r"a\.tsv: expected two columns of text, found 3; its columns are 'column_1', 'column_2', 'column_3'; "
            r"name them with --source-column and --target-column",
        ),
        ("a.jsonl", '{"a": 1, "b": "x", "c": 2}\n', {}, "expected two columns of text, found 1; its columns are 'a'"),
        (
            "a.txt",
            "Go.\tVa !\n",
            {},
            r"expected two columns, found one, 'text'; say what separates them \(--delimiter tab\), or, in parallel "
            r"text, name the file with the other side \(--target\)",
        ),
        (
            "a.csv",
            "en,fr\na,b\n",
            {"source_column": "en", "target_column": "en"},
            "column 'en' is given as the source and as the target; name two columns",
        ),
        (
            "a.csv",
            "english,french\na,b\n",
            {"source_column": "englsh", "header": True},
            "--source-column: there is no column 'englsh', did you mean 'english'.*'english', 'french'",
        ),
        ("a.csv", "en,fr\na,b\n", {"target_column": "frr"}, "--target-column: there is no column 'frr', did you mean"),
        (
            "a.csv",
            "en,fr\na,b\n,c\nd, \n",
            {},
            r"2 rows have an empty side, or one of white space alone:\n  .*a\.csv, line 3: 'en'\n  .*line 4: 'fr'\n"
            r"fill them in, or take these rows out$",
        ),
        ("a.csv", "en,fr\na,\n", {}, r"; 1 row has an empty side, or one of white space alone:\n  .*line 2: 'fr'"),
        ("a.csv", "en,fr\na,b,c\n", {}, "expected 2 fields, found 3"),
        ("a.jsonl", '{"a": "x", "b": "y"}\n{"a": "x"}\n', {}, "expected a key 'b', found a"),
        ("a.jsonl", '{"a": "x", "b": 5}\n', {}, "expected text in 'b', found a number"),
    ],
)
def test_bad_tables(write: Write, name: str, content: str, options: dict[str, str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_pairs(write(name, content), **options)  # type: ignore[arg-type]


def test_no_file_of_pairs(write: Write, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected a file of pairs, found a folder"):
        load_pairs(tmp_path)
    with pytest.raises(DataError, match="expected a file or folder, found an empty name"):
        load_pairs("")
    with pytest.raises(SettingsError, match=r"option 'header' .* would have no effect"):
        load_pairs(write("a.jsonl", '{"a": "x", "b": "y"}\n'), header=True)


def test_sources_alone(write: Write) -> None:
    assert read(load_sources(write("a.txt", "a\n\nb\n"))) == ["a", "", "b"]
    assert read(load_sources(write("a.tsv", "Go.\tVa !\nHi.\t\n"))) == ["Go.", "Hi."]
    assert read(load_sources(write("b.tsv", "Go.\nHi.\n"))) == ["Go.", "Hi."]
    assert read(load_sources(write("c.csv", "n,src\n1,a b\n2,b c d\n"))) == ["a b", "b c d"]
    assert read(load_sources(write("d.csv", "body\na\n"), preferred="body")) == ["a"]
    assert read(load_sources(write("e.csv", "fr,en\na,b\n"), preferred="en")) == ["b"]
    assert read(load_sources(write("e.csv", "fr,en\na,b\n"), preferred="en", source_column="fr")) == ["a"]
    assert read(load_sources(write("f.jsonl", '{"n": 1, "m": 2, "x": "a"}\n'))) == ["a"]
    with pytest.raises(DataError, match="expected two columns of text, found 3"):
        load_sources(write("g.tsv", "a b.\tc d.\te f.\n"))
    with pytest.raises(DataError, match="--source-column: there is no column 'x'; its"):
        load_sources(write("h.csv", "fr,en\na,b\n"), source_column="x")


def test_columns_with_fields_of_the_hub(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("datasets", reason="the extra 'hub' is not installed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    caplog.set_level(logging.INFO, "recurra")
    rows = [{"id": str(n), "translation": {"en": f"en {n}", "fr": f"fr {n}"}} for n in range(3)]
    write("owner/name/test.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    pairs = load_pairs("hf:owner/name")
    assert columns(pairs) == ("translation.en", "translation.fr")
    assert both(pairs) == [(f"en {n}", f"fr {n}") for n in range(3)]
