"""Tagged sentences from each format: what is read, where each stands, and that own tags write the file back."""

from __future__ import annotations

import gzip
import json
import logging
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from recurra.data import Sentence, TaggedSentences, TagsOfSentence, load_tagged
from recurra.data.tagged_load import format_of
from recurra.errors import DataError, SettingsError, ShapeError

Write = Callable[[str, "str | bytes"], Path]


def written_back(sentences: TaggedSentences) -> str:
    return "".join(sentences.written(TagsOfSentence(sentence.tags or []) for sentence in sentences))


CONLLU = (
    "# newdoc\n# text = vámonos al mar\n"
    "1-2\tvámonos\t_\t_\t_\t_\t_\t_\t_\t_\n"
    "1\tvamos\tir\tVERB\tV\tA=1|B=2\t0\troot\t_\t_\n"
    "2\tnos\tnosotros\tPRON\t_\t_\t1\tobj\t_\tSpaceAfter=No\n"
    "2.1\tel\tel\tDET\t_\t_\t_\t_\t1:x\t_\n"
    "\n\n# second\n"
    "1\tAl mar\tmar\tNOUN\t_\t_\t0\troot\t_\t_\n"
    "\n# the end\n"
)
CONLLU_SENTENCES = [Sentence(["vamos", "nos"], ["VERB", "PRON"], 4), Sentence(["Al mar"], ["NOUN"], 10)]

COLUMNS = "-DOCSTART- -X- O\n\n# a comment of some words\nEU NNP B-ORG\nrejects VBZ O\n\n \t \n#  NN O\n. . O"
COLUMNS_SENTENCES = [Sentence(["EU", "rejects"], ["B-ORG", "O"], 4), Sentence(["#", "."], ["O", "O"], 8)]

JSON = (
    '{"id": 1, "tokens": ["EU", "said"], "tags": ["B-ORG", "O"]}\n\n'
    '{"tokens": [], "tags": []}\r\n{ "tokens" : ["\\u00e9"],"tags":["O"], "n": 1.50}'
)
JSON_SENTENCES = [Sentence(["EU", "said"], ["B-ORG", "O"], 1), Sentence([], [], 3), Sentence(["é"], ["O"], 4)]

CSV = '\nsentence_id,token,note,tag\n1,EU,"a, b",B-ORG\n1,"said ""no""",,"O"\n\n2,"two",x, O\n\n'
CSV_SENTENCES = [Sentence(["EU", 'said "no"'], ["B-ORG", "O"], 3), Sentence(["two"], ["O"], 6)]

TSV = 'sent_id\tword\tpos\n1\t"\tPUNCT\n1\tgo\tVERB\n2\tnow\tADV\n'
TSV_SENTENCES = [Sentence(['"', "go"], ["PUNCT", "VERB"], 2), Sentence(["now"], ["ADV"], 4)]

CASES = {
    "a.conllu": (CONLLU, CONLLU_SENTENCES),
    "a.conll": (COLUMNS, COLUMNS_SENTENCES),
    "a.jsonl": (JSON, JSON_SENTENCES),
    "a.csv": (CSV, CSV_SENTENCES),
    "a.tsv": (TSV, TSV_SENTENCES),
}


@pytest.mark.parametrize("name", ["a.conllu", "a.conll", "a.jsonl", "a.csv", "a.tsv"])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_each_format_is_read_and_written_back_byte_for_byte(write, name, packed, ends):
    content, expected = CASES[name]
    content = content.replace("\r\n", "\n").replace("\n", ends)
    data = content.encode()
    path = write(name + ".gz" if packed else name, gzip.compress(data) if packed else data)
    sentences = load_tagged(path)
    assert list(sentences) == list(sentences) == expected  # read anew
    assert written_back(sentences) == content
    assert len(sentences) == len(expected)
    assert sentences.tokens == sum(len(s.tokens) for s in expected)
    counts = sentences.tag_counts()
    assert sum(counts.values()) == sentences.tokens
    assert list(counts) == sorted({tag for s in expected for tag in s.tags})
    assert sentences.labelled
    assert sentences.name == str(path)


@pytest.mark.parametrize("size", [1, 2, 100])
def test_chunks_hold_at_most_so_many(write, size):
    sentences = load_tagged(write("a.jsonl", JSON))
    chunks = list(sentences.chunks(size))
    assert all(0 < len(chunk) <= size for chunk in chunks)
    assert [s for chunk in chunks for s in chunk] == JSON_SENTENCES


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("form", ["vamos", "nos"]),
        ("2", ["vamos", "nos"]),
        ("LEMMA", ["ir", "nosotros"]),
        ("feats", ["A=1|B=2", "_"]),
        ("misc", ["_", "SpaceAfter=No"]),
        (-3, ["root", "obj"]),
        (8, ["root", "obj"]),
    ],
)
def test_conllu_columns_by_name_and_number(write, column, expected):
    token = "xpos" if expected[0] == "vamos" else "form"
    sentences = load_tagged(write("a.conllu", CONLLU), tag_column=column, token_column=token)
    assert next(iter(sentences)).tags == expected
    assert written_back(sentences) == CONLLU


def test_columns_by_number(write):
    path = write("a.conll", "B-X\tEU\tNNP\nO\tsaid\tVBD\n\n")
    for tag, token in ((1, 2), ("1", "-2"), (-3, 2)):
        sentences = load_tagged(path, tag_column=tag, token_column=token)
        assert list(sentences) == [Sentence(["EU", "said"], ["B-X", "O"], 1)]
        assert sentences.columns[:2] == ("2", "1")


def test_layout_of_columns_is_logged(write, caplog):
    caplog.set_level(logging.INFO, logger="recurra")
    load_tagged(write("a.conll", COLUMNS))
    assert "its lines have 3 columns, separated by spaces" in caplog.text
    load_tagged(write("b.conll", COLUMNS.replace("  ", " ").replace(" ", "\t").replace("#\ta", "# a")))
    assert "its lines have 3 columns, separated by a tab" in caplog.text


def test_runs_of_spaces_and_tabs_separate(write):
    content = "  EU \t  B-ORG  \nsa\u00a0id   O\n"
    sentences = load_tagged(write("a.conll", content))
    assert list(sentences) == [Sentence(["EU", "sa\u00a0id"], ["B-ORG", "O"], 1)]
    assert written_back(sentences) == content
    changed = "".join(sentences.written([TagsOfSentence(["O", "B-PER"], [0.25, 1.0])]))
    assert changed == "  EU \t  O 0.2500\nsa\u00a0id   B-PER 1.0000\n"


def test_a_tag_has_no_white_space_around_it_and_the_file_keeps_it(write):
    content = "a\t N \nb c\tN\n"
    sentences = load_tagged(write("a.conll", "\ufeff" + content))
    assert list(sentences) == [Sentence(["a", "b c"], ["N", "N"], 1)]
    assert written_back(sentences) == content


def test_a_document_line_parts_sentences_without_blank_lines(write):
    content = "a O\n-DOCSTART- -X- O O\nb O\n-DOCSTART-\n"
    sentences = load_tagged(write("a.conll", content))
    assert [s.tokens for s in sentences] == [["a"], ["b"]]
    assert written_back(sentences) == content


def test_a_header_of_columns_is_no_token(write, caplog):
    caplog.set_level(logging.INFO, logger="recurra")
    content = "word\tpos\nDogs\tNOUN\nbark\tVERB\n\nWord\tNOUN\n"
    sentences = load_tagged(write("a.tsv", content))
    assert [s.tokens for s in sentences] == [["Dogs", "bark"], ["Word"]]
    assert "read as CoNLL columns, as blank lines part its sentences" in caplog.text
    assert "its first line names the columns" in caplog.text
    assert written_back(sentences) == content


def test_rows_whose_sentence_is_told_only_once(write):
    content = "Sentence #,Word,POS,Tag\nSentence: 1,Thousands,NNS,O\n,of,IN,O\nSentence: 2,London,NNP,B-geo\n"
    sentences = load_tagged(write("ner.csv", content))
    assert list(sentences) == [Sentence(["Thousands", "of"], ["O", "O"], 2), Sentence(["London"], ["B-geo"], 4)]
    assert sentences.columns == ("Word", "Tag", "Sentence #")
    assert load_tagged(write("ner.csv", content), tag_column="POS").tag_counts() == {"IN": 1, "NNP": 1, "NNS": 1}


def test_named_columns_of_objects_and_rows(write):
    path = write("a.jsonl", '{"t": ["a"], "x": ["N"], "tags": ["O"], "tokens": ["b"]}\n')
    assert list(load_tagged(path, token_column="t", tag_column="x")) == [Sentence(["a"], ["N"], 1)]
    path = write("a.csv", "x,y,z\n1,a,N\n")
    named = load_tagged(path, token_column="y", tag_column="z", sentence_column="x")
    assert list(named) == [Sentence(["a"], ["N"], 2)]


@pytest.mark.parametrize("name", ["emerging.test.annotated", "noname", "a.txt", "a.xyz.gz"])
def test_a_name_that_says_nothing_needs_a_format(write, name):
    content = b"a\tO\n"
    path = write(name, gzip.compress(content) if name.endswith(".gz") else content)
    with pytest.raises(DataError, match=r"expected one of \.conllu .*say what it is with --format"):
        load_tagged(path)
    assert len(load_tagged(path, format="conll")) == 1


def test_format_of(write):
    assert format_of(write("a.CoNLLU", CONLLU)) == "conllu"
    assert format_of(write("a.iob", "a O\n")) == "conll"
    assert format_of(write("a.ndjson", JSON)) == "jsonl"
    assert format_of(write("a.tab", TSV)) == "tsv"
    assert format_of(write("a.tab", "a\tO\n\nb\tO\n")) == "conll"
    assert format_of(write("a.tsv", TSV.replace("\n2", "\n\n2"))) == "tsv"  # a header names the sentences
    assert format_of(write("a.tsv", "a\tO\n"), "conll") == "conll"


def test_lists_in_memory():
    sentences = TaggedSentences.from_lists([("a", "b"), [], np.array(["c"])], [["N", " V "], [], ["N"]])
    assert list(sentences) == [Sentence(["a", "b"], ["N", "V"], 1), Sentence([], [], 2), Sentence(["c"], ["N"], 3)]
    assert sentences.tag_counts() == {"N": 2, "V": 1}
    lines = list(sentences.written(TagsOfSentence(s.tags, [0.5] * len(s.tokens)) for s in sentences))
    assert json.loads(lines[0]) == {"tokens": ["a", "b"], "tags": ["N", "V"], "confidences": [0.5, 0.5]}
    unlabelled = TaggedSentences.from_lists([["a"]])
    assert (unlabelled.labelled, list(unlabelled)) == (False, [Sentence(["a"], None, 1)])
    assert unlabelled.scheme() is None


def test_a_part_by_number():
    tokens = [[f"t{number}"] for number in range(10)]
    sentences = TaggedSentences.from_lists(tokens, [[f"tag{number % 2}"] for number in range(10)])
    drawn = np.array([0, 1, 2, 0, 1, 2, 0, 1, 2, 0], np.uint8)
    parts = [sentences.part(drawn, number, f"part {number}") for number in range(3)]
    assert [[s.line for s in part] for part in parts] == [[1, 4, 7, 10], [2, 5, 8], [3, 6, 9]]
    assert [len(part) for part in parts] == [4, 3, 3]
    assert parts[0].tag_counts() == {"tag0": 2, "tag1": 2}
    assert parts[1].name == "part 1"
    with pytest.raises(ShapeError, match="expected 10 bytes, one a sentence, found 9"):
        sentences.part(drawn[:9], 0, "x")
    with pytest.raises(ShapeError, match="expected 4 bytes"):
        parts[0].part(drawn, 0, "x")


def test_a_part_of_a_file_is_written_with_its_heading(write):
    sentences = load_tagged(write("a.csv", CSV))
    part = sentences.part(np.array([0, 1], np.uint8), 1, "second")
    assert written_back(part) == '\nsentence_id,token,note,tag\n\n2,"two",x, O\n\n'


def test_an_option_without_effect_is_refused(write):
    with pytest.raises(SettingsError, match=r"option 'sentence_column' \('x'\) would have no effect: .* is conllu"):
        load_tagged(write("a.conllu", CONLLU), sentence_column="x")
    with pytest.raises(SettingsError, match=r"option 'scheme' \(BIO\) would have no effect: tags are not read"):
        load_tagged(write("a.conll", COLUMNS), labels="no", scheme="BIO")


def test_a_long_sentence_and_last_lines_without_end(write):
    content = "\n".join(f"w{number} N" for number in range(10_000))
    sentences = load_tagged(write("a.conll", content))
    assert [len(s.tokens) for s in sentences] == [10_000]
    assert written_back(sentences) == content


def test_memory_does_not_grow_with_the_file(write):
    peaks = []
    for count in (4_000, 8_000):  # the smaller is longer than what is read ahead
        path = write("big.conll", "word\tB-X\nother\tO\n\n" * count)
        tracemalloc.start()
        sentences = load_tagged(path)
        size = sum(len(text) for text in sentences.written(TagsOfSentence(s.tags) for s in sentences))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert size == path.stat().st_size
    assert peaks[1] < 1.2 * peaks[0]


def test_a_file_that_changed_is_refused(write):
    path = write("a.conll", "a O\n\nb O\n")
    sentences = load_tagged(path)
    for content in ("a O\n", "a O\n\nb O\n\nc O\n", "a O\n\nb\n"):
        path.write_text(content)
        with pytest.raises(DataError, match=r"expected 2 sentences, as when it was first read.*changed meanwhile"):
            list(sentences)


REAL = [
    ("ud-english-ewt/en_ewt-ud-train.conllu.gz", None, 12544, 204577, 17, None),
    ("ud-english-ewt/en_ewt-ud-dev.conllu.gz", None, 2001, 25147, 17, None),
    ("ud-english-ewt/en_ewt-ud-test.conllu.gz", None, 2077, 25094, 17, None),
    ("wnut17/wnut17train.conll", None, 3394, 62730, 13, "BIO"),
    ("wnut17/emerging.dev.conll", None, 1009, 15733, 13, "BIO"),
    ("wnut17/emerging.test.annotated", "conll", 1287, 23394, 13, "BIO"),
]


@pytest.mark.parametrize(("name", "form", "count", "tokens", "tags", "scheme"), REAL, ids=[case[0] for case in REAL])
def test_published_counts_and_bytes(shared_data, name, form, count, tokens, tags, scheme):
    path = shared_data / name
    if not path.exists():
        pytest.skip(f"no {path}")
    sentences = load_tagged(path, format=form)
    assert (len(sentences), sentences.tokens, len(sentences.tag_counts())) == (count, tokens, tags)
    assert sentences.scheme() == scheme
    data = path.read_bytes()
    assert written_back(sentences).encode() == (gzip.decompress(data) if name.endswith(".gz") else data)
