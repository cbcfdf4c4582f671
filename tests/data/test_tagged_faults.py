"""Every bad input of tagged sentences by its message, and the schemes of tags."""

from __future__ import annotations

import re

import numpy as np
import pytest

from recurra.data import TaggedSentences, load_tagged
from recurra.errors import DataError
from recurra.spans import SCHEMES, convert, spans_of

BLANK = "\t_" * 6
FAULTS = [
    (
        "a.conll",
        "a O\nb X O\nc O\nd\n",
        {},
        ["line 2: expected 2 columns separated by spaces, found 3", "line 4: .*found 1"],
    ),
    ("a.conll", "a\tO\n\tO\n", {}, ["line 2: expected a token, found none", "1 faulty place:"]),
    ("a.conll", "a\tO\n\u3000\tO\nb\tO\n", {}, ["line 2: expected a token, found '\\\\u3000'"]),
    ("a.conll", "a\tO\nb\t \nc\t\n", {}, ["line 2: expected a tag for the token 'b', found none", "line 3: .*'c'"]),
    ("a.conll", "a\nb\n", {}, ["expected a column of tokens and one of tags, found one column"]),
    ("a.conll", "a O\nb\x07 O\n", {}, [r"line 2: the token 'b\\x07' holds a control character \(U\+0007\)"]),
    ("a.conll", "a O\nb\rc O\n", {}, [r"line 2: the token 'b\\rc' holds a carriage return"]),
    ("a.conll", "a O\n", {"tag_column": 3}, ["--tag-column: expected a column from 1 to 2, or from -2 to -1, found 3"]),
    ("a.conll", "a O\n", {"tag_column": 0}, ["expected a column from 1 to 2, or from -2 to -1, found 0"]),
    ("a.conll", "a O\n", {"token_column": "word"}, ["--token-column: its columns are named by number, found 'word'"]),
    ("a.conll", "a O\n", {"token_column": 2}, ["column 2 is the token and the tag; name two"]),
    ("a.conll", "\n \n\t\n", {}, ["expected sentences, found only blank lines"]),
    ("a.conll", "-DOCSTART- O\n\n", {}, ["expected sentences, found only blank lines"]),
    ("a.conll", "", {}, ["the file is empty"]),
    ("a.conllu", "# only\n\n", {}, ["expected sentences, found none"]),
    (
        "a.conllu",
        "1\ta\ta\tN\n1 b\n",
        {},
        ["line 1: expected 10 columns separated by tabs, found 4", "line 2: .*found 1"],
    ),
    (
        "a.conllu",
        f"1\ta\ta\tN{BLANK}\n1\tb\tb\tN{BLANK}\n2\tc\tc\tN{BLANK}\nx\td\td\tN{BLANK}\n",
        {},
        ["2 faulty places", "line 2: expected the word's number 2, found '1'", "line 4: .*number 3, found 'x'"],
    ),
    ("a.conllu", f"1\ta\ta\t_{BLANK}\n", {}, ["line 1: expected a tag for the token 'a', found none"]),
    (
        "a.conllu",
        f"1\ta\ta\tN{BLANK}\n",
        {"tag_column": "upso"},
        ["there is no column 'upso', did you mean 'upos'", "xpos"],
    ),
    (
        "a.conllu",
        f"1\ta\ta\tN{BLANK}\n",
        {"tag_column": 11},
        ["expected a column from 1 to 10, or from -10 to -1, found 11"],
    ),
    ("a.conllu", f"1\ta\ta\tN{BLANK}\n", {"tag_column": "2"}, ["column 'form' is given as the token and as the tag"]),
    (
        "a.jsonl",
        '{"tokens": ["a", "b"], "tags": ["N"]}\n{"tokens": "a b", "tags": []}\n'
        '{"tokens": [1], "tags": ["N"]}\n{"tags": []}\n',
        {},
        [
            "4 faulty places",
            "line 1: expected as many tags as tokens, found 2 tokens and 1 tags",
            "line 2: expected a list in 'tokens', found a string",
            r"line 3: expected text at place 1 of 'tokens', found a number \(1\)",
            "line 4: expected a key 'tokens', found tags",
        ],
    ),
    (
        "a.jsonl",
        '{"tokens": ["a", "b\\tc", "d\\ne", ""], "tags": ["N", "N", "N", ""]}\n',
        {},
        [
            r"line 1, token 2: the token 'b\\tc' holds a tab \(U\+0009\)",
            r"line 1, token 3: the token 'd\\ne' holds a line feed",
            "line 1, token 4: expected a token, found none",
            "line 1, token 4: expected a tag",
        ],
    ),
    ("a.jsonl", '{"tokens": ["a"], "tags": ["\\ud800"]}\n', {}, ["line 1: 'tags' holds half of a surrogate pair"]),
    ("a.jsonl", '{"tokens": ["a"], "tags": [7]}\n', {}, [r"place 1 of 'tags', found a number \(7\)"]),
    ("a.jsonl", '{"tokens": ["a"]', {}, ["line 1: expected JSON, found a fault at column"]),
    ("a.jsonl", "[]\n", {}, ["line 1: expected an object, found an array"]),
    ("a.jsonl", '{"tokens": [], "tags": []}\n', {}, ["expected sentences, found 1 without any token"]),
    ("a.jsonl", "\n\n", {}, ["expected sentences, found only empty lines"]),
    ("a.jsonl", '{"tokens": [], "tags": []}\n', {"tag_column": "tag"}, ["no column 'tag', did you mean 'tags'"]),
    (
        "a.jsonl",
        '{"tokens": [], "x": []}\n',
        {},
        ["found no column of the tag; its columns are 'tokens', 'x'; .*--tag-column"],
    ),
    (
        "a.jsonl",
        '{"tokens": []}\n',
        {"tag_column": "tokens", "token_column": "tokens"},
        ["key 'tokens' is given as the tokens and as the tags"],
    ),
    (
        "a.csv",
        "id,word,tag\n1,a,N\n2,b\n2,c,N\n1,d,N\n1,e,\n",
        {},
        [
            "line 3: expected 3 fields, found 2",
            "line 5: expected a new sentence, found a row of '1', which began at line 2 and has ended",
            "line 6: expected a tag for the token 'e', found none",
        ],
    ),
    ("a.csv", "id,word,tag\n,a,N\n1,b,N\n", {}, ["line 2: expected a sentence in column 'id', found none"]),
    ("a.csv", 'id,word,tag\n1,"a\nb",N\n', {}, [r"line 2: the token 'a\\nb' holds a line feed"]),
    ("a.csv", 'id,word,tag\n1,"a,N\n', {}, ["a double quote is opened and never closed"]),
    ("a.csv", "id;word;tag\n1;a;N\n", {}, ["separated by commas, found one: 'id;word;tag'; if tabs"]),
    (
        "a.csv",
        "id\tword\ttag\n1\ta\tN\n",
        {},
        [r"found one: 'id\\tword\\ttag'; if tabs separate .*, say --format tsv; if"],
    ),
    (
        "a.tsv",
        "id,word,tag\n1,a,N\n",
        {},
        ["separated by tabs, found one: 'id,word,tag'; if commas separate them, say --format csv"],
    ),
    ("a.csv", "id,word,word\n1,a,N\n", {}, ["expected different column names, found .'word'. more than once"]),
    ("a.csv", "id,word,tag\n", {}, ["expected sentences, found none"]),
    ("a.csv", "\n\n", {}, ["expected a header and rows, found only empty lines"]),
    ("a.csv", "id,word,tag\n1,a,N\n", {"tag_column": "tga"}, ["there is no column 'tga', did you mean 'tag'"]),
    (
        "a.csv",
        "id,word,tag\n1,a,N\n",
        {"sentence_column": "word", "token_column": "word"},
        ["name three"],
    ),
    ("a.csv", "word,tag\na,N\n", {}, ["found no column of the sentence; .*--sentence-column"]),
    ("a.tsv", "a\tO\nb\tO\n", {}, ["found no column of the token; its columns are 'a', 'O'"]),
    ("a.conll", b"a O\n\xe9 O\n", {}, ["line 2, byte 1 of that line: expected UTF-8", "latin1"]),
    ("a.conll", "\ufeffa O\n".encode("utf-16"), {}, ["expected UTF-8, found the byte-order mark of UTF-16"]),
]


@pytest.mark.parametrize(("name", "content", "options", "messages"), FAULTS)
def test_faults_by_their_message(write, name, content, options, messages):
    path = write(name, content)
    with pytest.raises(DataError) as caught:
        load_tagged(path, **options)
    assert str(caught.value).startswith(str(path))
    for message in messages:
        assert re.search(message, str(caught.value)), caught.value


def test_only_the_first_faults_are_listed(write):
    with pytest.raises(DataError, match=r"(?s)90 faulty places:.*line 11: .*and 80 more"):
        load_tagged(write("a.conll", "a O\n" + "b\n" * 90 + "a O\n" * 100))


def test_missing_and_strange_files(tmp_path, write):
    write("train.conllu", "x")
    with pytest.raises(DataError, match=r"no such file or folder, did you mean 'train.conllu'\?"):
        load_tagged(tmp_path / "trian.conllu")
    with pytest.raises(DataError, match="expected a file, found a folder"):
        load_tagged(tmp_path)
    with pytest.raises(DataError, match="expected a file, found an empty name"):
        load_tagged("")


@pytest.mark.parametrize(
    ("tokens", "tags", "message"),
    [
        ([["a"], ["b"]], [["N"]], "expected tags for each of the 2 sentences, found 1 lists of them"),
        ([["a", "b"]], [["N"]], "sentence 1: found 2 tokens and 1 tags"),
        (["a b"], [["N"]], "sentence 1: expected a list in 'tokens', found a string"),
        ([["a"], [None]], None, r"sentence 2: expected text at place 1 of 'tokens', found null"),
        ([["a", "\ud800"]], None, r"sentence 1, token 2: the token '\\ud800' holds half of a surrogate pair"),
        ([["a", ""]], None, "sentence 1, token 2: expected a token, found none"),
        ([["a"]], [[""]], "sentence 1, token 1: expected a tag for the token 'a', found none"),
        ([], [], "expected sentences, found none"),
        ([[]], [[]], "expected sentences, found 1 without any token"),
        ([["a"]], [["B-X", "O"]], "sentence 1: found 1 tokens and 2 tags"),
        ([np.array([1])], None, r"sentence 1: expected text at place 1 of 'tokens', found a number"),
    ],
)
def test_faults_in_memory(tokens, tags, message):
    with pytest.raises(DataError, match=message):
        TaggedSentences.from_lists(tokens, tags)


def columns(*sentences: str) -> str:
    return "\n".join("".join(f"w {tag}\n" for tag in sentence.split()) for sentence in sentences)


@pytest.mark.parametrize(
    ("sentences", "message"),
    [
        (
            ["B-X I-X O", "O I-Y"],
            r"1 faulty tag:\n  line 6: I-Y after O: a span begins with B-\nits tags are nearest to the scheme BIO",
        ),
        (["I-X O", "I-X B-X", "O B-Y"], r"1 faulty tag:\n  line 8: B-Y after O.*\n.*scheme IOB1"),
        (["B-X E-X O", "S-X", "B-X I-X"], r"1 faulty tag:\n  line 8: I-X at the end of the sentence.*\n.*BIOES"),
        (
            ["B-X I-X O", "B-X O B-Y", "O S-Y"],
            r"most as in BIO \(3 places .*as in BIOES:\n  'S-Y': 1, the first at line 10",
        ),
        (
            ["B-X I-X O", "PER O"],
            r"that all mark spans, as 'B-X' does, found tags without prefix:\n  'PER': 1, the first at line 5",
        ),
        (["B-X I-X O", "B"], r"found tags without prefix:\n  'B': 1, the first at line 5"),
        (["B-X I-X", "I-Y X"], r"found tags without prefix:\n  'X': 1, the first at line 5"),
    ],
)
def test_mixed_schemes_and_illegal_moves(write, sentences, message):
    with pytest.raises(DataError, match=message):
        load_tagged(write("a.conll", columns(*sentences)))


@pytest.mark.parametrize("tags", ["DET NOUN", "NN B-x NNS", "S E B O I N", "O O"])
def test_tags_that_mark_no_spans_have_no_scheme(write, tags):
    assert load_tagged(write("a.conll", columns(tags))).scheme() is None


@pytest.mark.parametrize("source", SCHEMES)
@pytest.mark.parametrize("target", SCHEMES)
def test_tags_are_converted_on_reading(write, source, target):
    bio = [["B-X", "I-X", "B-X", "O"], ["O", "B-Y"], ["O"]]
    path = write("a.conll", columns(*(" ".join(convert(tags, "BIO", source)) for tags in bio)))
    sentences = load_tagged(path, scheme=target)
    assert sentences.scheme() == target
    assert [spans_of(s.tags, target) for s in sentences] == [spans_of(tags, "BIO") for tags in bio]
    assert [s.tags for s in sentences] == [convert(tags, "BIO", target) for tags in bio]
    assert sum(sentences.tag_counts().values()) == 7
    half = sentences.part(np.array([1, 0, 0], np.uint8), 1, "first")
    assert [s.tags for s in half] == [convert(bio[0], "BIO", target)]
    assert half.scheme() == target


def test_tags_that_are_all_o_are_of_any_scheme_and_words_of_none(write):
    assert load_tagged(write("a.conll", columns("O O")), scheme="BIOES").tag_counts() == {"O": 2}
    with pytest.raises(DataError, match="expected tags that mark spans, to be read as BIO, found 'DET', 'NOUN'"):
        load_tagged(write("a.conll", columns("DET NOUN")), scheme="BIO")


def test_faults_of_a_scheme_in_objects_name_the_token(write):
    with pytest.raises(DataError, match="line 2, token 3: I-X after O"):
        load_tagged(
            write(
                "a.jsonl",
                '{"tokens": ["a"], "tags": ["B-X"]}\n{"tokens": ["a", "b", "c"], "tags": ["B-X", "O", "I-X"]}\n',
            )
        )


def test_half_a_surrogate_pair_in_a_key_that_is_only_kept(write):
    """It could not be written again."""
    with pytest.raises(DataError, match="line 1: 'meta' holds half of a surrogate pair"):
        load_tagged(write("a.jsonl", '{"tokens": ["a"], "tags": ["N"], "meta": {"x": ["\\ud83d"]}}\n'))
