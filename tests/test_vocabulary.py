"""Symbols and ids: what is a symbol, which are kept, and the pretrained vectors of a text file."""

from __future__ import annotations

import json
import logging
import re
import unicodedata
from collections import Counter

import pytest
import torch

from recurra.config import VocabularyConfig
from recurra.errors import DataError, SettingsError
from recurra.vocabulary import PADDING, UNKNOWN, Vocabulary

EMOJI = "\U0001f600"


def build(*texts: str, **options: object) -> Vocabulary:
    return Vocabulary.build([list(texts)], VocabularyConfig(**{"min_count": 1, **options}))


def pieces(vocabulary: Vocabulary, text: str) -> list[str]:
    return [token.text for token in vocabulary.tokens(text)]


def test_words_are_numbered_by_frequency_after_padding_and_unknown():
    vocabulary = build("a b b c c c")
    assert vocabulary.symbols() == ["[PAD]", "[UNK]", "c", "b", "a"]
    assert (PADDING, UNKNOWN, len(vocabulary)) == (0, 1, 5)
    assert vocabulary.encode(["a c d b", "c"]) == [[4, 2, UNKNOWN, 3], [2]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It's a film, isn't it?", ["It's", "a", "film", ",", "isn't", "it", "?"]),
        ("rock'n'roll 'quoted' dogs'", ["rock'n'roll", "'", "quoted", "'", "dogs", "'"]),
        ("don\u2019t", ["don\u2019t"]),
        ("so...\tgood\n", ["so", ".", ".", ".", "good"]),
        ("caf\u00e9 \u4f60\u597d 3.14", ["caf\u00e9", "\u4f60\u597d", "3", ".", "14"]),
        (f"fun{EMOJI}{EMOJI}", ["fun", EMOJI, EMOJI]),
        ("", []),
        (" \n\t", []),
    ],
)
def test_words_and_their_apostrophes(text, expected):
    assert pieces(build(text or "a", lowercase=False), text) == expected


def test_words_of_a_long_text_are_those_of_a_plain_expression():
    text = 'Nobody\'s perfect -- but "this" (2nd) film, with its plot-holes, came close: 9/10!' * 3
    expected = re.findall(r"\w+(?:'\w+)*|[^\w\s]", text)
    vocabulary = build(text, lowercase=False)
    assert pieces(vocabulary, text) == expected
    symbols = vocabulary.symbols()
    assert [symbols[id_] for id_ in vocabulary.encode([text])[0]] == expected
    counts = Counter(expected)
    kept = [counts[symbol] for symbol in symbols[2:]]
    assert kept == sorted(counts.values(), reverse=True)


def test_lowercase_is_of_ids_and_not_of_the_pieces_shown():
    vocabulary = build("The THE \u00c9t\u00e9")
    assert sorted(vocabulary.symbols()[2:]) == ["the", "\u00e9t\u00e9"]
    assert pieces(vocabulary, "THE \u00c9T\u00c9") == ["THE", "\u00c9T\u00c9"]
    assert vocabulary.encode(["the The"]) == [[2, 2]]
    assert len(build("The THE the", lowercase=False)) == 5


@pytest.mark.parametrize("tokens", ["words", "characters", "bpe"])
def test_composed_and_decomposed_text_have_the_same_ids(tokens):
    composed, decomposed = (unicodedata.normalize(form, "caf\u00e9 na\u00efve") for form in ("NFC", "NFD"))
    assert composed != decomposed
    vocabulary = build(composed, tokens=tokens)
    ids = vocabulary.encode([composed, decomposed])
    assert ids[0] == ids[1]
    assert UNKNOWN not in ids[0]


@pytest.mark.parametrize(("min_count", "kept"), [(1, "abc"), (2, "bc"), (3, "c"), (4, "")])
def test_min_count(min_count, kept):
    vocabulary = build("a b b", "c c c", min_count=min_count)
    assert set(vocabulary.symbols()[2:]) == set(kept)
    known = [token.known for token in vocabulary.tokens("a b c")]
    assert known == [letter in kept for letter in "abc"]


def test_size_counts_padding_and_unknown_and_keeps_the_most_frequent():
    assert build("a b b c c c", vocabulary_size=4).symbols() == ["[PAD]", "[UNK]", "c", "b"]


def test_characters_include_white_space():
    text = f"a b\n{EMOJI}"
    vocabulary = build(text, tokens="characters")
    assert pieces(vocabulary, text) == list(text)
    assert len(vocabulary) == 2 + len(text)
    symbols = vocabulary.symbols()
    assert "".join(symbols[id_] for id_ in vocabulary.encode([text])[0]) == text
    assert vocabulary.encode(["z"]) == [[UNKNOWN]]


def test_byte_pairs_know_every_text():
    vocabulary = build(*["low lower lowest"] * 20, tokens="bpe", vocabulary_size=300, lowercase=False)
    for text in ("low lowest", "never seen", f"{EMOJI} \u4f60", " spaces  kept "):
        ids = vocabulary.encode([text])[0]
        assert UNKNOWN not in ids
        symbols = vocabulary.symbols()
        assert _bytes_of(symbols[id_] for id_ in ids) == text.encode()
    assert pieces(vocabulary, "low lowest") == ["low", " lowest"]


def _bytes_of(symbols: object) -> bytes:
    """Undo the printable form in which byte-level symbols are written: chr(256 + k) for the k-th unprintable byte."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    table = {chr(byte): byte for byte in printable} | {chr(256 + k): byte for k, byte in enumerate(others)}
    return bytes(table[character] for symbol in symbols for character in symbol)  # type: ignore[attr-defined]


def test_byte_pairs_need_a_symbol_for_each_byte():
    message = "option 'vocabulary_size': bpe needs at least 258, one for each byte; found 257"
    with pytest.raises(SettingsError, match=message):
        build("a", tokens="bpe", vocabulary_size=257)
    assert len(build("a b", tokens="bpe", vocabulary_size=258)) == 258


@pytest.mark.parametrize("tokens", ["words", "characters", "bpe"])
def test_reload_gives_identical_ids(tokens):
    texts = ["It's a GOOD film", f"caf\u00e9 {EMOJI}", "", "a b a b"]
    vocabulary = build(*texts, tokens=tokens)
    content = vocabulary.to_json()
    again = Vocabulary.from_json(content)
    others = [*texts, "unseen w\u00f6rds"]
    assert again.encode(others) == vocabulary.encode(others)
    assert again.symbols() == vocabulary.symbols()
    assert [again.tokens(text) for text in others] == [vocabulary.tokens(text) for text in others]
    assert again.to_json() == content
    assert json.loads(content)["model"]


@pytest.mark.parametrize("tokens", ["words", "bpe"])
def test_ties_are_broken_the_same_way_each_time(tokens):
    texts = ["ab ac ad ba ca da abc abd"]
    size = 265 if tokens == "bpe" else 6
    built = {tuple(build(*texts, tokens=tokens, vocabulary_size=size).symbols()) for _ in range(10)}
    assert len(built) == 1


def test_foreign_content_is_a_value_error():
    with pytest.raises(ValueError, match="expected"):
        Vocabulary.from_json("no tokenizer")


@pytest.mark.parametrize("header", ["", "4 3\n"], ids=["glove", "fasttext"])
def test_vectors_of_a_text_file(tmp_path, caplog, header):
    path = tmp_path / "vectors.txt"
    path.write_text(f"{header}b 1 2 3\nzebra 4 5 6\na -1 0.5 1e-2 \n\u00e9 7 8 9\n", encoding="utf-8")
    vocabulary = build("a a b c")
    with caplog.at_level(logging.INFO, logger="recurra"):
        ids, values = vocabulary.read_vectors(path)
    symbols = vocabulary.symbols()
    found = {symbols[id_]: row for id_, row in zip(ids.tolist(), values.tolist())}
    assert found["b"] == [1, 2, 3]
    assert found["a"] == pytest.approx([-1, 0.5, 0.01])
    assert set(found) == {"a", "b"}
    assert values.dtype == torch.float32
    assert f"vectors: 2 of 3 known words (67 %) have one in {path}" in caplog.text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a 1 2 3\nb 1 2\n", "line 2: expected a word and 3 numbers, found 2"),
        ("2 3\na 1 2 3\nb 1 2 3 4\n", "line 3: expected a word and 3 numbers, found 4"),
        ("a 1 2\nb 1 x\n", "line 2: after 'b': expected finite numbers, found 'x'"),
        ("a 1 nan\n", "line 1: after 'a': expected finite numbers, found 'nan'"),
        ("x 1 2\ny 1 2\n", "none of the 2 known words has a vector; is it of another language?"),
        ("", "none of the 2 known words has a vector; is it of another language?"),
    ],
)
def test_bad_vectors_are_named_by_line(tmp_path, content, message):
    path = tmp_path / "vectors.txt"
    path.write_text(content)
    with pytest.raises(DataError) as caught:
        build("a b").read_vectors(path)
    assert str(caught.value).startswith(str(path))
    assert message in str(caught.value)


def test_broken_words_are_passed_over(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_bytes(b"b 1 2\n\xff\xfe 3 4\na 5 6\n")
    vectors = build("a b").read_vectors(path)
    assert vectors.values.tolist() == [[1, 2], [5, 6]]
    path.write_text("a 1 2\nb 3 4\n", encoding="utf-16")
    with pytest.raises(DataError, match="line 3: expected a word and 2 numbers, found 0"):
        build("a b").read_vectors(path)  # another encoding is an error all the same


def test_missing_vectors(tmp_path):
    with pytest.raises(DataError, match=r"none\.txt: cannot read the vectors: No such file"):
        build("a b").read_vectors(tmp_path / "none.txt")


def test_words_with_spaces_among_the_vectors_are_passed_over(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("a 1 2\n. . . 5 6\nb 3 4\n")
    assert build("a b").read_vectors(path).values.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("has_end", [False, True])
@pytest.mark.parametrize("tokens", ["words", "spaces", "characters", "bpe"])
def test_no_text_has_the_id_of_a_special_symbol(tokens, has_end):
    text = "[PAD] [UNK] a [PAD] end of line b [PAD] c"
    size = 300 if tokens == "bpe" else None
    config = VocabularyConfig(tokens=tokens, min_count=1, lowercase=False, vocabulary_size=size)
    made = Vocabulary.build([[text], [text]], config, has_end=has_end)
    for words in (made, Vocabulary.from_json(made.to_json())):
        assert words.symbols()[: 2 + has_end] == ["[PAD]", "[UNK]", "end of line"][: 2 + has_end]
        assert len(words) == len(words.symbols()) == len(set(words.symbols()))
        (ids,) = words.encode([text])
        assert ids == [token.id for token in words.tokens(text)]
        assert not {0, 2 if has_end else 0} & set(ids)
        assert max(ids) < len(words)
        unknown = {token.text for token in words.tokens(text) if not token.known}
        assert unknown == ({"[PAD]", "[UNK]"} if tokens == "spaces" else set())
        assert words.tokens("[PAD]")[0].id != 0


def test_a_text_with_the_names_of_special_symbols_leaves_as_much_room_for_others():
    config = VocabularyConfig(tokens="spaces", min_count=1, lowercase=False, vocabulary_size=4)
    words = Vocabulary.build([["[PAD] [PAD] [PAD] [UNK] [UNK] [UNK] b b a a c"]], config)
    assert words.symbols() == ["[PAD]", "[UNK]", "a", "b"]
    assert words.encode(["c a [PAD] b"]) == [[1, 2, 1, 3]]


def test_a_special_symbol_that_stands_in_a_text_is_text():
    vocabulary = build("a [PAD] b")
    again = Vocabulary.from_json(vocabulary.to_json())
    for words in (vocabulary, again):
        assert [token.text for token in words.tokens("[PAD] a [UNK]")] == ["[", "PAD", "]", "a", "[", "UNK", "]"]
        assert 0 not in words.encode(["[PAD] a"])[0]
