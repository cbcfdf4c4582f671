"""Training, validation and test sentences: given, or drawn whole; what is refused, by its message."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from recurra.config import make_run_config
from recurra.data.tag_splits import TagSplits, load_tag_splits, split_off, tag_splits_in_memory
from recurra.data.tagged import TaggedSentences
from recurra.errors import DataError, SettingsError

Write = Callable[[str, "str | bytes"], Path]


def conll(count: int, tag: str = "A") -> str:
    return "".join(f"word{number} {tag}\nend B\n\n" for number in range(count))


def load(data: Path, seed: int = 0, **options: object) -> TagSplits:
    return load_tag_splits(make_run_config("tag", data=str(data), **options).data, seed)


def first_words(sentences: TaggedSentences) -> list[str]:
    return [sentence.tokens[0] for sentence in sentences]


def test_whole_sentences_are_drawn_by_seed_and_none_is_in_two_parts(write):
    data = write("a.conll", conll(50))
    parts = load(data)
    drawn = [first_words(part) for part in parts.parts().values()]
    assert [len(part) for part in drawn] == [40, 5, 5]
    assert sorted(word for words in drawn for word in words) == sorted(f"word{number}" for number in range(50))
    assert drawn == [first_words(part) for part in load(data).parts().values()]
    assert drawn != [first_words(part) for part in load(data, seed=1).parts().values()]
    assert all(len(sentence.tokens) == 2 for part in parts.parts().values() for sentence in part)
    assert parts.format == "conll"


def test_shares_and_no_test(write):
    parts = load(write("a.conll", conll(50)), valid_share=0.4, test_share=0)
    assert (len(parts.train), len(parts.valid), parts.test) == (30, 20, None)
    assert list(parts.parts()) == ["train", "valid"]


@pytest.mark.parametrize("seed", range(8))
def test_a_tag_that_occurs_once_is_seen_in_training(seed):
    tokens = [[str(number)] for number in range(12)]
    tags = [["RARE" if number == 7 else "A"] for number in range(12)]
    train = TaggedSentences.from_lists(tokens, tags)
    parts = split_off(train, {"valid": 0.4, "test": 0.4}, seed)
    assert parts["train"].tag_counts()["RARE"] == 1


def test_sentences_that_each_have_a_tag_of_their_own_cannot_be_divided():
    train = TaggedSentences.from_lists([["a"], ["b"], ["c"]], [["1"], ["2"], ["3"]])
    with pytest.raises(DataError, match=r"expected sentences to hold out \(valid\), found a tag in each"):
        split_off(train, {"valid": 0.3}, 0)


def test_given_files_are_used_and_take_the_scheme_of_training(write):
    train = write("a.conll", "a B-X\nb I-X\n\nc O\n\n" * 4)
    valid = write("v.conll", "a I-X\nb I-X\nc O\n\n")
    test = write("t.jsonl", '{"tokens": ["a", "b"], "tags": ["B-X", "E-X"]}\n')
    parts = load(train, valid=str(valid), test=str(test))
    assert len(parts.train) == 8
    assert [sentence.tags for sentence in parts.valid] == [["B-X", "I-X", "O"]]
    assert [sentence.tags for sentence in parts.test] == [["B-X", "I-X"]]
    asked = load(train, valid=str(valid), test=str(test), scheme="BIOES")
    assert [sentence.tags for sentence in asked.valid] == [["B-X", "E-X", "O"]]
    assert asked.train.scheme() == "BIOES"


def test_letters_of_bilou_become_those_of_bioes(write):
    parts = load(write("a.conll", "a B-X\nb L-X\n\nc U-Y\nd O\n\n" * 9))
    assert set(parts.train.tag_counts()) == {"B-X", "E-X", "S-Y", "O"}


def test_columns_are_those_of_training_where_the_form_is(write):
    rows = "1\tThe\t_\tDET\tDT\t_\t_\t_\t_\t_\n2\tdogs\t_\tNOUN\tNNS\t_\t_\t_\t_\t_\n\n"
    train, valid = write("a.conllu", rows * 9), write("v.conllu", rows)
    test = write("t.jsonl", '{"tokens": ["dogs"], "tags": ["NNS"]}\n')
    parts = load(train, valid=str(valid), test=str(test), tag_column="xpos")
    assert [list(part.tag_counts()) for part in parts.parts().values()] == [["DT", "NNS"], ["DT", "NNS"], ["NNS"]]


@pytest.mark.parametrize("part", ["valid", "test"])
def test_a_tag_that_training_has_not_is_named_with_its_nearest(write, part):
    train = write("a.conll", conll(9, "NOUN"))
    other = write("v.conll", "x NOUM\ny B\nz NOUM\n\n")
    with pytest.raises(
        DataError, match=r"v.conll: expected the tags B, NOUN; never seen.*\n  'NOUM': 2, did you mean 'N"
    ):
        load(train, **{part: str(other)})


def test_the_same_file_twice_is_refused(write):
    data = write("a.conll", conll(9))
    with pytest.raises(DataError, match=r"given as training and as validation data; .* leave --valid out"):
        load(data, valid=str(data))
    other = write("b.conll", conll(9))
    with pytest.raises(DataError, match=r"given as validation and as test data; .* leave --test out"):
        load(data, valid=str(other), test=str(other.parent / "." / "b.conll"))


def test_too_few_sentences(write):
    with pytest.raises(DataError, match="at least 3 sentences, to be divided into training and validation and test, f"):
        load(write("a.conll", conll(2)))
    with pytest.raises(DataError, match="at least 2 sentences, to be divided into training and validation, found 1"):
        load(write("b.conll", conll(1)), test_share=0)


def test_options_without_effect(write):
    data, other = write("a.conll", conll(9)), write("b.conll", conll(9))
    with pytest.raises(SettingsError, match=r"'valid_share' \(0.2\) would have no effect: --valid gives"):
        load(data, valid=str(other), valid_share=0.2)
    with pytest.raises(SettingsError, match=r"expected a sum below 1, found 0.5 \+ 0.5"):
        load(data, valid_share=0.5, test_share=0.5)
    with pytest.raises(SettingsError, match=r"'sentence_column' .* would have no effect: .* is conll"):
        load(data, sentence_column="id")
    with pytest.raises(DataError, match="expected tags that mark spans, to be read as BIO, found 'A', 'B'"):
        load(data, scheme="BIO")


def test_in_memory():
    tokens, tags = [["a", "b"], ["c"]] * 10, [["A", "B"], ["A"]] * 10
    parts = tag_splits_in_memory(tokens, tags, None, 0.2, 0)
    assert (len(parts.train), len(parts.valid), parts.test, parts.format) == (16, 4, None, None)
    given = tag_splits_in_memory(tokens, tags, ([["a"]], [["B"]]), 0.2, 0)
    assert (len(given.train), len(given.valid)) == (20, 1)
    with pytest.raises(DataError, match="validation_data: expected the tags A, B; never seen in training:\n  'C': 1"):
        tag_splits_in_memory(tokens, tags, ([["a"]], [["C"]]), 0.2, 0)
    with pytest.raises(DataError, match="X: 1 faulty place:\n  sentence 1: found 1 tokens and 2 tags"):
        tag_splits_in_memory([["a"]], [["A", "B"]], None, 0.2, 0)
