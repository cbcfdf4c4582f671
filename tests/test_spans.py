"""Spans against seqeval; the rules of the schemes against rewriting; the legal moves against all short paths."""

from __future__ import annotations

import itertools
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recurra.errors import DataError
from recurra.spans import SCHEMES, Span, convert, detect_scheme, faults, legal_moves, spans_of

PREFIXES = {"BIO": "BI", "IOB1": "BI", "BIOES": "BIES"}
TYPES = ["PER", "LOC", "B-PER", "ü x"]  # a type may look like a tag, or hold a space


def of_seqeval(module: str) -> ModuleType:
    return pytest.importorskip(f"seqeval.{module}", reason="seqeval is not installed; it is the reference here")


def all_tags(scheme: str, types: list[str]) -> list[str]:
    return ["O", *(f"{prefix}-{kind}" for kind in types for prefix in PREFIXES[scheme])]


def any_tags(scheme: str) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(all_tags(scheme, TYPES)), max_size=12)


@st.composite
def disjoint_spans(draw: st.DrawFn) -> tuple[int, list[Span]]:
    """A sentence's length and spans in it, many of them side by side."""
    spans, position = [], 0
    for gap, length, kind in draw(
        st.lists(st.tuples(st.integers(0, 1), st.integers(1, 4), st.sampled_from(TYPES)), max_size=6)
    ):
        spans.append(Span(kind, position + gap, position + gap + length))
        position = spans[-1].stop
    return position + draw(st.integers(0, 2)), spans


def bio_by_hand(length: int, spans: list[Span]) -> list[str]:
    tags = ["O"] * length
    for kind, start, stop in spans:
        for position in range(start, stop):
            tags[position] = f"I-{kind}"
        tags[start] = f"B-{kind}"
    return tags


@pytest.mark.parametrize("scheme", SCHEMES)
@given(data=st.data())
def test_spans_are_those_of_seqeval_even_of_faulty_tags(scheme, data):
    reference = of_seqeval("metrics.sequence_labeling").get_entities
    tags = data.draw(any_tags(scheme))
    expected = [Span(kind, first, last + 1) for kind, first, last in reference(tags)]
    assert spans_of(tags, scheme) == expected


@pytest.mark.parametrize(("scheme", "strict"), [("BIO", "IOB2"), ("BIOES", "IOBES")])
@given(data=st.data())
def test_spans_of_tags_without_faults_are_those_of_seqeval_when_strict(scheme, strict, data):
    reference = of_seqeval("scheme")
    length, spans = data.draw(disjoint_spans())
    tags = convert(bio_by_hand(length, spans), "BIO", scheme)
    strictly = [Span(e.tag, e.start, e.end) for e in reference.Entities([tags], getattr(reference, strict)).entities[0]]
    assert spans_of(tags, scheme) == strictly == spans


@given(disjoint_spans())
def test_conversion_keeps_the_spans_and_comes_back(sentence):
    length, spans = sentence
    tags = bio_by_hand(length, spans)
    for one, other in itertools.product(SCHEMES, SCHEMES):
        first = convert(tags, "BIO", one)
        second = convert(first, one, other)
        assert faults(first, one) == faults(second, other) == []
        assert spans_of(second, other) == spans
        assert convert(second, other, "BIO") == tags


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("length", range(5))
def test_tags_have_faults_exactly_where_they_are_not_what_their_spans_are_written_as(scheme, length):
    """There is one way to write spans in a scheme, so a sentence is well formed iff writing its spans gives it back."""
    for tags in itertools.product(all_tags(scheme, ["X", "Y"]), repeat=length):
        assert (faults(tags, scheme) == []) == (convert(tags, scheme, scheme) == list(tags)), tags


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("length", range(1, 5))
def test_a_path_is_legal_exactly_where_it_has_no_faults(scheme, length):
    tags = all_tags(scheme, ["X", "Y"])
    begin, end, follow = legal_moves(tags, scheme)
    assert begin.shape == end.shape == (len(tags),)
    assert follow.shape == (len(tags), len(tags))
    for path in itertools.product(range(len(tags)), repeat=length):
        legal = begin[path[0]] and end[path[-1]] and all(follow[i, j] for i, j in itertools.pairwise(path))
        assert legal == (faults([tags[i] for i in path], scheme) == []), path


def test_moves_of_few_tags():
    begin, end, follow = legal_moves([], "BIO")
    assert begin.shape == end.shape == (0,)
    assert follow.shape == (0, 0)
    begin, end, follow = legal_moves(["I-X"], "BIO")  # cannot be reached, and goes on where it is
    assert (begin[0], end[0], follow[0, 0]) == (False, True, True)


@pytest.mark.parametrize(
    ("tags", "scheme", "expected"),
    [
        ("O I-X", "BIO", [(1, "I-X after O: a span begins with B-")]),
        ("I-X I-X", "BIO", [(0, "I-X at the begin of the sentence: a span begins with B-")]),
        ("B-X I-Y", "BIO", [(1, "I-Y after B-X: a span begins with B-")]),
        ("O B-X", "IOB1", [(1, "B-X after O: a span begins with I-, but for one right after another of its type")]),
        ("I-X B-Y", "IOB1", [(1, "B-Y after I-X: a span begins with I-, but for one right after another of its type")]),
        ("B-X O", "BIOES", [(1, "O after B-X: a span of several tokens ends with E-")]),
        ("O E-X", "BIOES", [(1, "E-X after O: a span begins with B- or S-")]),
        ("S-X B-X", "BIOES", [(1, "B-X at the end of the sentence: a span of several tokens ends with E-")]),
        ("O S-X O", "BIO", [(1, "'S-X' is no tag of BIO (O B-TYPE I-TYPE)")]),
        ("NOUN", "BIO", [(0, "'NOUN' is no tag of BIO (O B-TYPE I-TYPE)")]),
        ("I-X B- I-X", "IOB1", [(1, "'B-' is no tag of IOB1 (O B-TYPE I-TYPE)")]),
    ],
)
def test_faults_say_where_and_what(tags, scheme, expected):
    assert faults(tags.split(), scheme) == expected


@pytest.mark.parametrize("scheme", SCHEMES)
@given(sentences=st.lists(disjoint_spans(), max_size=4))
def test_a_scheme_is_found_from_what_is_written_in_it(scheme, sentences):
    written = [convert(bio_by_hand(*sentence), "BIO", scheme) for sentence in sentences]
    assert detect_scheme([*written, ["O"]]) == (scheme if any(spans for _, spans in sentences) else None)


@pytest.mark.parametrize(
    ("sentences", "expected"),
    [
        ([], None),
        ([[], []], None),
        (["O O O"], None),
        (["DET NOUN VERB"], None),
        (["B-X O", "I-X NOUN"], None),
        (["B-X O", "I-X"], "BIO"),
        (["I-X O", "I-X", "B-X"], "IOB1"),
        (["B-X O S-Y"], "BIOES"),
        (["S-X O"], "BIOES"),
        (["S-PRED E-SUBJ"], None),
        (["U-X O B-Y L-Y"], "BIOES"),
        (["B I O"], "BIO"),
        (["B B-X O"], None),
        (["B-NP I-NP", "B-VP"], "BIO"),
        (["I-X I-Y"], "IOB1"),
        (["B- O"], None),
        (["b-x O"], None),
    ],
)
def test_schemes_by_hand(sentences, expected):
    assert detect_scheme([s.split() if isinstance(s, str) else s for s in sentences]) == expected


def test_letters_of_bilou_and_tags_without_type():
    bilou = ["U-X", "O", "B-Y", "I-Y", "L-Y"]
    assert faults(bilou, "BIOES") == []
    assert convert(bilou, "BIOES", "BIO") == ["B-X", "O", "B-Y", "I-Y", "I-Y"]
    assert convert(bilou, "BIOES", "BIOES") == ["S-X", "O", "B-Y", "I-Y", "E-Y"]
    assert convert(["B", "I", "O", "B"], "BIO", "BIOES") == ["B", "E", "O", "S"]
    assert spans_of(["B", "I", "O", "B"], "BIO") == [Span("", 0, 2), Span("", 3, 4)]


@pytest.mark.parametrize("tag", ["NOUN", "S-X", "B-", ""])
def test_a_tag_that_is_none_of_the_scheme_is_named(tag):
    message = rf"expected tags of the scheme BIO \(O B-TYPE I-TYPE\), found '{tag}'"
    for call in (
        lambda: spans_of([tag], "BIO"),
        lambda: convert([tag], "BIO", "IOB1"),
        lambda: legal_moves([tag], "BIO"),
    ):
        with pytest.raises(DataError, match=message):
            call()
