"""Pairs divided into parts that share no text."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recurra.config import TranslateDataConfig
from recurra.data.pair_splits import PairSplits, load_pair_splits, pairs_in_memory
from recurra.data.pairs import Pairs
from recurra.errors import DataError, SettingsError

Write = Callable[[str, "str | bytes"], Path]
Pair = tuple[str, str]


def both(pairs: Pairs | None) -> list[Pair]:
    assert pairs is not None
    sides = ([text for chunk in side.chunks() for text in chunk.texts] for side in pairs)
    return list(zip(*sides, strict=True))


def load(data: Path | str, seed: int = 0, **options: Any) -> PairSplits:
    given = {name: str(value) if isinstance(value, Path) else value for name, value in options.items()}
    return load_pair_splits(TranslateDataConfig(data=str(data), **given), seed)


def tsv(pairs: Sequence[Pair]) -> str:
    return "".join(f"{source}\t{target}\n" for source, target in pairs)


def some_pairs(count: int, sources: int, targets: int, seed: int = 0) -> list[Pair]:
    rng = np.random.default_rng(seed)
    numbers = zip(rng.integers(0, sources, count), rng.integers(0, targets, count))
    return [(f"s {source}.", f"t {target}.") for source, target in numbers]


def groups_by_hand(pairs: Sequence[Pair]) -> list[set[Pair]]:
    """Components of the graph of texts, found one text after the other."""
    left = set(pairs)
    groups = []
    while left:
        group = {left.pop()}
        while more := {p for p in left if any(p[0] == q[0] or p[1] == q[1] for q in group)}:
            group |= more
            left -= more
        groups.append(group)
    return groups


@pytest.mark.parametrize("seed", range(5))
def test_groups_stay_together(write: Write, seed: int) -> None:
    pairs = some_pairs(300, 400, 400, seed)
    parts = [both(part) for part in load(write("a.tsv", tsv(pairs)), seed)]
    assert Counter(pair for part in parts for pair in part) == Counter(pairs)
    for part in parts:  # in the order of the file
        left = iter(pairs)
        assert all(pair in left for pair in part)
    for one, other in combinations(parts, 2):
        assert not {source for source, _ in one} & {source for source, _ in other}
        assert not {target for _, target in one} & {target for _, target in other}
    for group in groups_by_hand(pairs):
        assert sum(bool(group & set(part)) for part in parts) == 1
    assert len(parts[1]) == len(parts[2]) == 15


def test_texts_are_compared_without_the_space_around_them(write: Write) -> None:
    pairs = [(f"s {number // 2}." + " " * (number % 2), f"t {number}.") for number in range(40)]
    parts = [both(part) for part in load(write("a.tsv", tsv(pairs)), valid_share=0.1, test_share=0.0) if part]
    assert not {source.strip() for source, _ in parts[0]} & {source.strip() for source, _ in parts[1]}
    assert ("s 1. ", "t 3.") in parts[0] + parts[1]  # but kept as they are


def test_the_seed_decides(write: Write) -> None:
    path = write("a.tsv", tsv(some_pairs(200, 300, 300)))
    assert [both(part) for part in load(path, 1)] == [both(part) for part in load(path, 1)]
    assert both(load(path, 1).valid) != both(load(path, 2).valid)


def test_the_division_does_not_depend_on_how_texts_are_hashed() -> None:
    drawn = []
    for form in ("{}", "x{}", "{}y"):
        sides = [[form.format(text) for text in side] for side in zip(*some_pairs(200, 300, 300))]
        rows = {pair: row for row, pair in enumerate(zip(*sides))}
        drawn.append([rows[pair] for pair in both(pairs_in_memory(sides[0], sides[1], None, 0.1, 0).valid)])
    assert drawn[0] == drawn[1] == drawn[2]


def test_each_group_is_drawn_as_often_as_another() -> None:
    pairs = [(f"s{number}", f"t{number}") for number in range(20)]
    times = Counter(pair for seed in range(300) for pair in both(pairs_in_memory(*zip(*pairs), None, 0.1, seed).valid))
    assert sum(times.values()) == 600
    assert all(10 <= times[pair] <= 55 for pair in pairs)  # 30 on average, with a deviation of 5


def test_targets_that_repeat_are_divided_by_source_alone(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "recurra")
    pairs = [(f"question {number // 3}?", "yes" if number % 2 else "no") for number in range(120)]
    path = write("a.tsv", tsv(pairs))
    parts = [both(part) for part in load(path, valid_share=0.2, test_share=0.1)]
    assert [len(part) for part in parts] == [84, 24, 12]
    for one, other in combinations(parts, 2):
        assert not {source for source, _ in one} & {source for source, _ in other}
    assert f"{path}: 120 of its 120 pairs hang together by texts that they share, so they are divided by" in caplog.text
    assert f"{path}: split off its rows, by seed: 24 for valid and 12 for test" in caplog.text


def test_a_tenth_may_hang_together(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "recurra")
    for together, said in ((10, False), (11, True)):
        pairs = [(f"s {number}.", f"t {max(number, together - 1)}.") for number in range(100)]
        load(write("a.tsv", tsv(pairs)))
        assert ("hang together" in caplog.text) == said


@pytest.mark.parametrize("count", range(3, 12))
@pytest.mark.parametrize("shares", [(0.05, 0.05), (0.49, 0.49), (0.9, 0.05)])
def test_each_part_has_a_pair(write: Write, count: int, shares: tuple[float, float]) -> None:
    path = write("a.tsv", tsv([(f"s {number}.", f"t {number}.") for number in range(count)]))
    parts = [both(part) for part in load(path, valid_share=shares[0], test_share=shares[1])]
    assert all(parts)
    assert sum(map(len, parts)) == count


def test_groups_larger_than_a_share(write: Write) -> None:
    pairs = [(f"s {number % 3}.", f"t {number}.") for number in range(31)]  # groups of 11, 10 and 10 rows
    parts = [both(part) for part in load(write("a.tsv", tsv(pairs)))]
    assert [len(part) for part in parts] == [11, 10, 10]


def test_too_few_sources(write: Write) -> None:
    path = write("a.tsv", tsv([("s 1.", "t 1."), ("s 2.", "t 2."), ("s 1.", "t 3.")]))
    message = (
        r"a\.tsv: expected at least 3 different source texts, to be divided into training and validation and test, "
        r"found 2; add pairs, or give validation and test pairs of their own"
    )
    with pytest.raises(DataError, match=message):
        load(path)
    assert [len(both(part)) for part in load(path, test_share=0.0) if part] == [2, 1]
    with pytest.raises(
        DataError, match=r"expected at least 2 different source texts, .* into training and validation,"
    ):
        load(write("b.tsv", "s 1.\tt 1.\n"), test_share=0.0)


def test_files_of_their_own(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "recurra")
    data, valid, test = (write(f"{n}.csv", f"en,fr\n{n} 1,x 1\n{n} 2,x 2\n") for n in "abc")
    splits = load(data, valid=valid, test=test)
    assert [both(part) for part in splits] == [[(f"{n} 1", "x 1"), (f"{n} 2", "x 2")] for n in "abc"]
    assert splits.train.sources.name == str(data)
    some = load(data, valid=valid)
    assert [len(both(part)) for part in some] == [1, 2, 1]
    assert some.train.sources.name == f"{data} (train)"
    assert load(data, valid=valid, test_share=0.0).test is None
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_sources_in_common_are_warned_of(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    data = write("a.csv", "en,fr\na b,x\nc d,y\n")
    valid = write("b.csv", "en,fr\na b,z\nx,z\nc d,z\n")
    load(data, valid=valid, test_share=0.0)
    assert f"{valid}: 2 of its 3 pairs have a source text that stands in training too; a score on them" in caplog.text
    assert f"{valid}: column 'fr' holds the same text in each row: 'z'" in caplog.text
    caplog.clear()
    train = both(load(data, test=valid, valid_share=0.5).train)  # of a row that was split off nothing is said
    assert len(train) == 1
    assert f"{valid}: 1 of its 3 pairs" in caplog.text


def test_a_header_is_that_of_training(write: Write) -> None:
    rows = "some words,ein paar worte\nother words,andere worte\n"
    data, valid = write("a.csv", f"x y,z\n{rows}"), write("b.csv", "dog,hund\ncat,katze\n")
    assert both(load(data, valid=valid, test_share=0.0, header=False).valid) == [("dog", "hund"), ("cat", "katze")]
    with pytest.raises(DataError, match=r"b\.csv: the source column of .*a\.csv: there is no column 'x y'"):
        load(data, valid=valid, test_share=0.0)
    with pytest.raises(DataError, match=r"c\.csv: the target column of .*a\.csv: there is no column 'z'"):
        load(data, valid=write("c.csv", "x y,w\na,b\n"), test_share=0.0)


def test_parallel_files(write: Write) -> None:
    sides = {name: (write(f"{name}.fr", f"{name} un\n"), write(f"{name}.en", f"{name} one\n")) for name in "abc"}
    names = {"valid": sides["b"][0], "valid_target": sides["b"][1]}
    splits = load(sides["a"][0], target=sides["a"][1], test=sides["c"][0], test_target=sides["c"][1], **names)
    assert [both(part) for part in splits] == [[(f"{name} un", f"{name} one")] for name in "abc"]
    message = r"option 'valid' \(.*b\.fr\): expected 'valid_target' too, as the training pairs are parallel text"
    with pytest.raises(SettingsError, match=message):
        load(sides["a"][0], target=sides["a"][1], valid=sides["b"][0])
    with pytest.raises(SettingsError, match=r"option 'test' .*: expected 'test_target' too"):
        load(sides["a"][0], target=sides["a"][1], **names, test=sides["c"][0])
    with pytest.raises(DataError, match=r"a\.en: given as training and as validation data"):
        load(sides["a"][0], target=sides["a"][1], valid=sides["b"][0], valid_target=sides["a"][1])
    table = write("a.csv", "source,target\nx y,z\n")
    assert both(load(table, **names, test_share=0.0).valid) == [("b un", "b one")]


@pytest.mark.parametrize(
    "names", [("a.csv", "a.csv", None), ("a.csv", "b.csv", "sub/../a.csv"), ("a.csv", "b.csv", "b.csv")]
)
def test_the_same_file_twice(write: Write, tmp_path: Path, names: tuple[str, ...]) -> None:
    (tmp_path / "sub").mkdir()
    for name in "ab":
        write(f"{name}.csv", "en,fr\na,b\n")
    data, valid, test = (None if name is None else tmp_path / name for name in names)
    with pytest.raises(DataError, match=r"given as \w+ and as \w+ data; a score on examples used for \w+ would be"):
        load(data or "", valid=valid, test=test)


def test_bad_training_data(write: Write, tmp_path: Path) -> None:
    pairs = [("a b", "yes"), ("c d", "yes "), ("e f", "yes")]
    message = (
        r"a\.tsv: column 'column_2' holds the same text in each of the 3 rows: 'yes'; there is nothing to learn; name"
    )
    with pytest.raises(DataError, match=message):
        load(write("a.tsv", tsv(pairs)))
    with pytest.raises(DataError, match="column 'column_1' holds the same text"):
        load(write("a.tsv", tsv([pair[::-1] for pair in pairs])))
    with pytest.raises(DataError, match="1 row has an empty side"):
        load(write("a.tsv", "a b.\tc\n\td\n"))
    good = write("a.tsv", tsv(some_pairs(30, 90, 90)))
    with pytest.raises(DataError, match=r"v\.tsv, line 1: 'column_2'"):
        load(good, valid=write("v.tsv", "a b.\t \n"))
    with pytest.raises(SettingsError, match=r"expected a sum below 1, found 0.5 \+ 0.5"):
        load(good, valid_share=0.5, test_share=0.5)
    with pytest.raises(
        SettingsError, match=r"option 'valid_share' \(0.2\) would have no effect: the data have their own"
    ):
        load(good, valid=write("v.tsv", "a b.\tc\n"), valid_share=0.2)
    with pytest.raises(DataError, match="expected a file of pairs, found a folder"):
        load(tmp_path)


def test_splits_of_the_hub(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("datasets", reason="the extra 'hub' is not installed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for split in ("train", "validation"):
        rows = [{"id": n, "translation": {"en": f"{split} {n}", "fr": f"un {n}"}} for n in range(9)]
        write(f"owner/name/{split}.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    splits = load("hf:owner/name", test_share=0.3)
    assert [len(both(part)) for part in splits] == [6, 9, 3]
    assert both(splits.valid)[0] == ("validation 0", "un 0")
    own = write("own.jsonl", '{"translation.en": "a", "translation.fr": "b"}\n')
    assert both(load("hf:owner/name", valid=own).valid) == [("a", "b")]
    write("owner/other/test.csv", "en,fr\na,b\n")
    with pytest.raises(DataError, match="expected a split called train, found test"):
        load("hf:owner/other")
    with pytest.raises(SettingsError, match="option 'delimiter' would have no effect: hf:owner/name is a data set"):
        load("hf:owner/name", delimiter=";")


def test_in_memory() -> None:
    sources, targets = [f"s{n}" for n in range(20)], [f"t{n}" for n in range(20)]
    splits = pairs_in_memory(sources, targets, None, 0.1, 0)
    assert splits.test is None
    assert sorted(both(splits.train) + both(splits.valid)) == sorted(zip(sources, targets))
    assert len(both(splits.valid)) == 2
    given = pairs_in_memory(sources, np.array(targets), (["a"], ["b"]), 0.1, 0)  # type: ignore[arg-type]
    assert [both(given.train), both(given.valid)] == [list(zip(sources, targets)), [("a", "b")]]


@pytest.mark.parametrize(
    ("sources", "targets", "validation", "message"),
    [
        ("text", ["a"], None, "X: expected a list of texts, found one text"),
        (["a"], "text", None, "y: expected a list of texts, found one text"),
        (["a", "b"], ["a"], None, "y: expected a target for each of the 2 sources, found 1"),
        (["a", 5], ["a", "b"], None, r"X, row 2: expected a text, found int \(5\)"),
        (["a", "b"], ["a", 5.5], None, r"y, row 2: expected a text, found float \(5.5\)"),
        (["a", ""], ["a", "b"], None, "an empty side, or one of white space alone:\n  X and y, row 2: 'X'\n"),
        (["a", "b"], ["a", None], None, "  X and y, row 2: 'y'\n"),
        (["a", "b"], ["c", "c"], None, "X and y: column 'y' holds the same text in each of the 2 rows: 'c'"),
        ([], [], None, "X and y: expected at least one pair, found none"),
        (["a"], ["b"], None, "X and y: expected at least 2 different source texts"),
        (["a"], ["b"], ([], []), "validation_data: expected at least one pair, found none"),
        (["a"], ["b"], (["a"], []), r"validation_data\[1\]: expected a target for each of the 1 sources, found 0"),
        (["a"], ["b"], ([1], ["a"]), r"validation_data\[0\], row 1: expected a text, found int"),
        (["a"], ["b"], (["a"], [" "]), "  validation_data, row 1: 'y'"),
    ],
)
def test_bad_lists(sources: Any, targets: Any, validation: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        pairs_in_memory(sources, targets, validation, 0.1, 0)
