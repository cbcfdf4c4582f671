"""Two files of which line n of one belongs to line n of the other."""

from __future__ import annotations

import gzip
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from recurra.data.pairs import Pairs, load_pairs
from recurra.data.parallel import ParallelTable
from recurra.data.text import Texts
from recurra.errors import DataError, SettingsError

Write = Callable[[str, "str | bytes"], Path]


def read(texts: Texts) -> list[str]:
    return [text for chunk in texts.chunks() for text in chunk.texts]


def both(pairs: Pairs) -> list[tuple[str, str]]:
    return list(zip(read(pairs.sources), read(pairs.targets), strict=True))


@pytest.mark.parametrize("names", [("train.fr", "train.en"), ("a.txt", "b.txt"), ("a", "b"), ("a.tsv", "b.x.y")])
def test_any_names(write: Write, names: tuple[str, str]) -> None:
    source, target = write(names[0], "eins\nzwei, drei\n"), write(names[1], "one\ntwo\tthree")
    pairs = load_pairs(source, target)
    assert both(pairs) == [("eins", "one"), ("zwei, drei", "two\tthree")]
    assert pairs.sources.name == pairs.targets.name == f"{source} and {target}"
    assert (len(pairs.sources), len(pairs.targets)) == (2, 2)


def test_gz_line_ends_and_the_mark_of_utf8(write: Write) -> None:
    source = write("a.fr.gz", gzip.compress("été\r\nhiver\r\n".encode()))
    assert both(load_pairs(source, write("a.en", b"\xef\xbb\xbfsummer\nwinter\r\n"))) == [
        ("été", "summer"),
        ("hiver", "winter"),
    ]


def test_only_a_line_feed_ends_a_line(write: Write) -> None:
    odd = "a\u2028b\x0bc\x85d\u2029e\x1cf\x0cg"
    pairs = load_pairs(write("a", f"{odd}\nh\n"), write("b", f"1\n{odd}\n"))
    assert both(pairs) == [(odd, "1"), ("h", odd)]


def test_more_lines_than_a_chunk(write: Write) -> None:
    lines = [str(number) for number in range(10_001)]
    pairs = load_pairs(write("a", "\n".join(lines)), write("b", "\n".join(line[::-1] for line in lines)))
    assert both(pairs) == [(line, line[::-1]) for line in lines]


@pytest.mark.parametrize(("more", "less"), [(2, 1), (4096, 4095), (4097, 4096), (9000, 4096), (20_000, 3)])
@pytest.mark.parametrize("swapped", [False, True])
def test_files_of_different_length(write: Write, more: int, less: int, swapped: bool) -> None:
    counts = (less, more) if swapped else (more, less)
    source, target = (write(name, "x\n" * count) for name, count in zip("ab", counts))
    with pytest.raises(DataError) as raised:
        load_pairs(source, target)
    assert str(raised.value) == (
        f"{source} and {target}: expected equally many lines, as line n of one belongs to line n of the other, found "
        f"{counts[0]:,} in {source} and {counts[1]:,} in {target}; look for lines that are missing, or were broken in "
        f"two (blank ones count, at the end too)"
    )


def test_one_side_is_read_alone(write: Write) -> None:
    table = ParallelTable(write("a", "x\ny\n"), write("b", "1\n"))
    assert [frame["source"].to_list() for frame in table.chunks(["source"])] == [["x", "y"]]
    assert [frame["target"].to_list() for frame in table.chunks(["target"])] == [["1"]]


def test_empty_sides_are_listed_together(write: Write) -> None:
    source, target = write("a", "x\n\ny\n \t\nz\n" + "\n" * 9), write("b", "1\n2\n\n\u3000\n5\n" + "6\n" * 9)
    with pytest.raises(DataError) as raised:
        load_pairs(source, target)
    name = f"{source} and {target}"
    sides = {2: "'source'", 3: "'target'", 4: "'source' and 'target'", **dict.fromkeys(range(6, 13), "'source'")}
    places = "\n".join(f"  {name}, line {line}: {side}" for line, side in sides.items())
    assert str(raised.value) == (
        f"{name}: expected a text on each side of each pair; 12 rows have an empty side, or one of white space alone:\n"
        f"{places}\n  and 2 more\nfill them in, or take these rows out of both files"
    )


def test_other_faults(write: Write, tmp_path: Path) -> None:
    good = write("a.fr", "x\n")
    (tmp_path / "x").mkdir()
    write("a.en", "1\n")
    with pytest.raises(DataError, match=r"a\.em: there is no such file or folder, did you mean 'a\.en'"):
        load_pairs(good, tmp_path / "a.em")
    with pytest.raises(DataError, match=r"b: the file is empty \(0 bytes\)"):
        load_pairs(good, write("b", ""))
    with pytest.raises(DataError, match="expected a file with one side of parallel text, found a folder"):
        load_pairs(good, tmp_path)
    with pytest.raises(DataError, match=r"a\.fr: given as both sides of parallel text; name the file with the other"):
        load_pairs(good, tmp_path / "x" / ".." / "a.fr")
    with pytest.raises(DataError, match="line 1, byte 2 of that line: expected UTF-8"):
        load_pairs(good, write("c", b"a\xff\n"))


def test_options_without_effect(write: Write) -> None:
    source, target = write("a", "x\n"), write("b", "1\n")
    with pytest.raises(SettingsError, match=r"option 'delimiter' .* would have no effect: .* is parallel text"):
        load_pairs(source, target, delimiter=",")
    with pytest.raises(SettingsError, match=r"option 'header' .* would have no effect: .* is parallel text"):
        load_pairs(source, target, header=False)
    with pytest.raises(SettingsError, match=r"option 'source_column' \(x\) would have no effect"):
        load_pairs(source, target, source_column="x")
    with pytest.raises(SettingsError, match=r"option 'target' .* would have no effect: hf:a/b holds both sides"):
        load_pairs("hf:a/b", target)


def test_a_change_between_readings(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "recurra")
    target = write("b", "1\n2\n")
    pairs = load_pairs(write("a", "x\ny\n"), target)
    target.write_text("1\n")
    with pytest.raises(DataError, match="expected 2 rows, as when it was first read"):
        read(pairs.targets)
    assert caplog.text == ""  # of parallel text nothing is guessed
