"""Pairs as ids, and unknown symbols that can be copied."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from recurra.config import VocabularyConfig
from recurra.data.encoded_pairs import EncodedPairs, encode_pairs, one_line, source_ids
from recurra.data.pair_splits import pairs_in_memory
from recurra.data.pairs import Pairs
from recurra.vocabulary import END, UNKNOWN, Vocabulary


def pairs_of(sources: list[str], targets: list[str]) -> Pairs:
    return pairs_in_memory(sources, targets, (["v"], ["w"]), 0.1, 0).train


def words(*texts: str, lowercase: bool = False) -> Vocabulary:
    config = VocabularyConfig(tokens="spaces", min_count=1, lowercase=lowercase)
    return Vocabulary.build([list(texts)], config, has_end=True)


def rows(encoded: EncodedPairs) -> list[tuple[list[int], list[int], list[int]]]:
    assert encoded.copies is not None
    sides = zip(encoded.sources, encoded.targets, encoded.copies, strict=True)
    return [(source.tolist(), target.tolist(), copy.tolist()) for source, target, copy in sides]


def test_sides_have_their_own_vocabularies() -> None:
    german, english = words("ein hund bellt"), words("a dog barks")
    encoded = encode_pairs(pairs_of(["ein hund", "hund x"], ["a dog", "y dog y"]), german, english)
    assert encoded.copies is None
    assert len(encoded) == 2
    assert [ids.tolist() for ids in encoded.sources] == [german.lookup(["ein", "hund"]), german.lookup(["hund", "x"])]
    assert [ids.tolist() for ids in encoded.targets] == [
        [*english.lookup(["a", "dog"]), END],
        [UNKNOWN, *english.lookup(["dog"]), UNKNOWN, END],
    ]
    assert (encoded.sources.unknown, encoded.targets.unknown) == (1, 2)


def test_long_sources_are_cut_and_targets_are_not() -> None:
    known = words("a b c")
    encoded = encode_pairs(pairs_of(["a b c", "a b"], ["c b a", "c"]), known, known, max_length=2)
    assert [len(ids) for ids in encoded.sources] == [2, 2]
    assert [len(ids) for ids in encoded.targets] == [4, 2]
    assert encoded.sources.truncated == 1


def copied_by_hand(
    source: str, target: str, known: Vocabulary, longest: int | None
) -> tuple[list[int], list[int], list[int]]:
    plain = {word: id_ for id_, word in enumerate(known.symbols())}
    tokens = source.split()[:longest]
    unknown: list[str] = []
    for token in tokens:
        if token not in plain and token not in unknown:
            unknown.append(token)
    extended = plain | {word: len(known) + number for number, word in enumerate(unknown)}
    return (
        [plain.get(token, UNKNOWN) for token in tokens],
        [*(extended.get(token, UNKNOWN) for token in target.split()), END],
        [extended[token] for token in tokens],
    )


@pytest.mark.parametrize("longest", [None, 4])
def test_copies_against_a_reference(longest: int | None) -> None:
    rng = np.random.default_rng(0)
    known = words("a b c d")
    draw = lambda: [" ".join(rng.choice(list("abcdvwxyz"), rng.integers(1, 7))) for _ in range(4200)]  # noqa: E731
    sources, targets = draw(), draw()
    sources[17] = "a b"  # nothing unknown, but in the target
    targets[17] = "x a"
    found = rows(encode_pairs(pairs_of(sources, targets), known, known, longest, copying=True))
    assert found == [copied_by_hand(source, target, known, longest) for source, target in zip(sources, targets)]
    again = source_ids(sources, known, copying=True, max_length=longest)
    assert list(zip(again.ids, again.copies or [])) == [(source, copy) for source, _, copy in found]
    for copy, source, unknown in zip(again.copies or [], sources, again.unknown or [], strict=True):
        symbols = [*known.symbols(), *unknown]
        assert [symbols[id_] for id_ in copy] == source.split()[:longest]  # so that they can be written


def test_copies_are_of_texts_as_they_are_written() -> None:
    known = words("a", lowercase=True)
    encoded = encode_pairs(pairs_of(["A Bo bo Bo", "é"], ["bo Bo BO a", "a"]), known, known, copying=True)
    size, a = len(known), known.lookup(["a"])[0]
    assert rows(encoded)[0] == (
        [a, UNKNOWN, UNKNOWN, UNKNOWN],
        [size + 1, size, UNKNOWN, a, END],
        [a, size, size + 1, size],
    )


def test_only_unknown_symbols_take_memory() -> None:
    known = words("a b")
    encoded = encode_pairs(pairs_of(["a b", "a x"] * 50, ["b", "x"] * 50), known, known, copying=True)
    assert encoded.copies is not None
    assert encoded.copies.ids is encoded.sources.ids
    assert encoded.copies.positions.tolist() == list(range(3, 200, 4))  # type: ignore[attr-defined]
    assert encoded.copies.lengths.tolist() == encoded.sources.lengths.tolist()
    assert not np.may_share_memory(encoded.copies[1], encoded.copies[1])
    assert encoded.targets.unknown == 50


def test_nothing_unknown() -> None:
    known = words("a a b")
    assert rows(encode_pairs(pairs_of(["a b", "b"], ["b", "a"]), known, known, copying=True))[1] == ([4], [3, END], [4])
    assert source_ids(["a", ""], known, copying=True) == ([[3], []], [[3], []], [[], []])
    assert source_ids(["a x"], known) == ([[3, UNKNOWN]], None, None)


def test_line_feeds_in_targets_are_spaces(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "recurra")
    characters = Vocabulary.build([["ab cd "]], VocabularyConfig(tokens="characters", min_count=1), has_end=True)
    pairs = pairs_of(["a", "b", "c", "d"], ["a\nb", "a\r\nb\n\nc", "\na b\r\n", "c"])
    encoded = encode_pairs(pairs, characters, characters, copying=True)
    assert [ids.tolist() for ids in encoded.targets] == [
        [*characters.encode([text])[0], END] for text in ("a b", "a b  c", "a b", "c")
    ]
    assert "X and y: line feeds within 2 targets are read as spaces" in caplog.text
    assert [one_line(text) for text in ("a\nb\n", " a\rb ")] == ["a b", " a\rb "]
    caplog.clear()
    encode_pairs(pairs_of(["a", "b"], ["a", "b\n"]), characters, characters)
    assert caplog.text == ""
