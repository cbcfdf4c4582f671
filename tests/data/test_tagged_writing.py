"""Files of sentences written with other tags: by hand, and as read again."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recurra.data import TaggedSentences, TagsOfSentence, load_tagged
from recurra.errors import DataError, ShapeError


def tagged(sentences: TaggedSentences, sure: bool = False) -> str:
    """The text with tags t0, t1, ... and confidences 0.0, 0.1, ..."""
    numbers = [range(len(sentence.tokens)) for sentence in sentences]
    predictions = [TagsOfSentence([f"t{n}" for n in of], [n / 10 for n in of] if sure else None) for of in numbers]
    return "".join(sentences.written(predictions))


CONLLU = (
    "# c\n1-2\tdel\t_\t_\t_\t_\t_\t_\t_\t_\n1\tde\t_\t_\tx\t_\t_\t_\t_\t_\n"
    "2\tel\t_\tX\t_\t_\t_\t_\t_\tSpaceAfter=No\n2.1\tn\t_\t_\t_\t_\t_\t_\t_\t_\n\n"
)


def test_conllu(write):
    sentences = load_tagged(write("a.conllu", CONLLU), labels="no")
    assert next(iter(sentences)).tags is None
    assert tagged(sentences) == CONLLU.replace("de\t_\t_", "de\t_\tt0").replace("el\t_\tX", "el\t_\tt1")
    lines = tagged(sentences, sure=True).splitlines()
    assert lines[2].endswith("\tConfidence=0.0000")
    assert lines[3].endswith("\tSpaceAfter=No|Confidence=0.1000")
    assert lines[1] == CONLLU.splitlines()[1]
    again = load_tagged(write("b.conllu", "\n".join(lines)))
    assert "".join(again.written([TagsOfSentence(["t0", "t1"], [0, 0.1])])) == "\n".join(lines)  # not twice in MISC


@pytest.mark.parametrize(
    ("content", "options", "expected", "with_confidences"),
    [
        ("a\nb\n\n", {}, "a t0\nb t1\n\n", "a t0 0.0000\nb t1 0.1000\n\n"),
        ("a\tX\nb\tX", {}, "a\tt0\nb\tt1", "a\tt0\t0.0000\nb\tt1\t0.1000"),
        ("a X\r\nb  X \r\n", {}, "a t0\r\nb  t1 \r\n", "a t0 0.0000\r\nb  t1 0.1000\r\n"),
        ("a X\nb X\n", {"tag_column": "3"}, "a X t0\nb X t1\n", "a X t0 0.0000\nb X t1 0.1000\n"),
        ("X\ta\nX\tb\n", {"token_column": 2}, "X\ta\tt0\nX\tb\tt1\n", "X\ta\tt0\t0.0000\nX\tb\tt1\t0.1000\n"),
        ("X\ta\nX\tb\n", {"token_column": 2, "tag_column": 1}, "t0\ta\nt1\tb\n", "t0\ta\t0.0000\nt1\tb\t0.1000\n"),
    ],
)
def test_columns(write, content, options, expected, with_confidences):
    sentences = load_tagged(write("a.conll", content), labels="no", **options)
    assert tagged(sentences) == expected
    assert tagged(sentences, sure=True) == with_confidences


def test_objects(write):
    path = write("a.jsonl", '{"id": 7, "tokens": ["é", "b"], "more": {"x": [1]}}\n')
    lines = tagged(load_tagged(path, labels="no"), sure=True)
    assert lines.endswith("}\n")
    assert "é" in lines
    assert json.loads(lines) == {
        "id": 7,
        "tokens": ["é", "b"],
        "more": {"x": [1]},
        "tags": ["t0", "t1"],
        "confidences": [0.0, 0.1],
    }
    found = json.loads(tagged(load_tagged(path, labels="no", tag_column="mine")))
    assert found["mine"] == ["t0", "t1"]
    assert "confidences" not in found
    path = write("b.jsonl", '{"tokens": ["a"], "ner_tags": ["O"]}\n')
    assert json.loads(tagged(load_tagged(path))) == {"tokens": ["a"], "ner_tags": ["t0"]}


@pytest.mark.parametrize(
    ("content", "options", "expected"),
    [
        ("id,word\r\n1,a\r\n1,b\r\n", {}, "id,word,tag,confidence\r\n1,a,t0,0.0000\r\n1,b,t1,0.1000\r\n"),
        ("tag,id,word\n,1,a\nX,1,b", {}, "tag,id,word,confidence\nt0,1,a,0.0000\nt1,1,b,0.1000"),
        ("id,word,tag\n1,a,X\n", {"tag_column": "new"}, "id,word,tag,new,confidence\n1,a,X,t0,0.0000\n"),
        ("id,confidence,word\n1,0.3,a\n", {"tag_column": "y"}, "id,confidence,word,y\n1,0.0000,a,t0\n"),
    ],
)
def test_rows(write, content, options, expected):
    assert tagged(load_tagged(write("a.csv", content), labels="no", **options), sure=True) == expected
    tabs = load_tagged(write("a.tsv", content.replace(",", "\t")), labels="no", **options)
    assert tagged(tabs, sure=True) == expected.replace(",", "\t")


@pytest.mark.parametrize(
    ("predictions", "message"),
    [
        ([TagsOfSentence(["N"])], "the sentence of line 1: expected 2 tags, one a token, found 1"),
        ([TagsOfSentence(["N", "V"], [0.5])], "line 1: expected 2 confidences, one a token, found 1"),
        ([TagsOfSentence(["N", "V"])], "line 4: expected tags of 2 sentences, found none for this one"),
        ([TagsOfSentence(["N", "V"]), TagsOfSentence(["N"]), TagsOfSentence([])], "tags of 2 sentences, found more"),
        (
            [TagsOfSentence(["N", "V"]), TagsOfSentence(["N"], [1.0])],
            "expected confidences for all sentences or for none",
        ),
    ],
)
def test_tags_that_do_not_fit(write, predictions, message):
    sentences = load_tagged(write("a.conll", "a N\nb V\n\nc N\n"))
    with pytest.raises(ShapeError, match=message):
        list(sentences.written(predictions))


@pytest.mark.parametrize(
    ("name", "content", "tag"),
    [
        ("a.conll", "a N\n", "x y"),
        ("a.conll", "a\tN\n", "x\ty"),
        ("a.conll", "a N\n", ""),
        ("a.conllu", "1\ta" + "\t_" * 8 + "\n", "x\ty"),
        ("a.tsv", "id\tword\n1\ta\n", "x\ty"),
    ],
)
def test_a_tag_that_would_break_columns_is_refused(write, name, content, tag):
    sentences = load_tagged(write(name, content), labels="no")
    with pytest.raises(DataError, match="cannot be written"):
        list(sentences.written([TagsOfSentence([tag])]))


def test_a_tag_with_a_space_between_tabs(write):
    sentences = load_tagged(write("a.conll", "a\tx y\n"))
    assert sentences.tag_counts() == {"x y": 1}
    assert "".join(sentences.written([TagsOfSentence(["New tag"])])) == "a\tNew tag\n"


FIELDS = st.text(st.sampled_from('a",\né '), max_size=4)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    rows=st.lists(st.tuples(FIELDS, st.sampled_from(["N", "V,X", 'P"'])), min_size=1, max_size=5),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC]),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_csv_of_any_quoting_is_kept_and_changed_as_the_csv_module_reads_it(tmp_path, rows, quoting, end):
    stream = io.StringIO()
    writer = csv.writer(stream, quoting=quoting, lineterminator=end)
    writer.writerow(["note", "sentence", "tag", "token"])
    writer.writerows([note, str(number), tag, "w"] for number, (note, tag) in enumerate(rows))
    path = tmp_path / "a.csv"
    path.write_bytes(stream.getvalue().encode())
    sentences = load_tagged(path)
    assert [s.tags for s in sentences] == [[tag] for _, tag in rows]
    own = "".join(sentences.written(TagsOfSentence(s.tags) for s in sentences))
    assert own == stream.getvalue()
    changed = "".join(sentences.written(TagsOfSentence([f'new, "{n}"'], [0.5]) for n in range(len(rows))))
    found = list(csv.reader(io.StringIO(changed, newline=""), strict=True))
    assert found[0] == ["note", "sentence", "tag", "token", "confidence"]
    assert found[1:] == [[note, str(n), f'new, "{n}"', "w", "0.5000"] for n, (note, _) in enumerate(rows)]
