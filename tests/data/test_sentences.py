"""The bundled sentences: drawn from their grammar, well formed, and not to be tagged without both neighbours."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path

import conllu
import pytest
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from recurra.data.bundled import sentences_path
from recurra.data.bundled.make_sentences import GRAMMAR, Grammar, write_sentences
from recurra.errors import DataError, SettingsError

PARTS = {"train": 1000, "valid": 200, "test": 300}
UPOS = {
    *("ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN"),
    *("NUM", "PART", "PRON", "PROPN", "PUNCT", "SCONJ", "VERB"),
}
Sentence = list[tuple[str, str, str]]  # word, UPOS, entity


@cache
def parsed(part: str) -> list[conllu.TokenList]:
    return conllu.parse(sentences_path(part).read_text(encoding="utf-8"))


def sentences(part: str) -> list[Sentence]:
    return [
        [(token["form"], token["upos"], token["xpos"]) for token in sentence if isinstance(token["id"], int)]
        for sentence in parsed(part)
    ]


def words_of(part: str) -> set[str]:
    return {word.lower() for sentence in sentences(part) for word, *_ in sentence}


def small_grammar(tmp_path: Path, text: str) -> Grammar:
    path = tmp_path / "grammar.txt"
    path.write_text(text, encoding="utf-8")
    return Grammar(path)


def test_the_generator_writes_the_bundled_files(tmp_path):
    write_sentences(tmp_path)
    for part in PARTS:
        path = sentences_path(part)
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()


def test_files_are_small_and_of_the_size_that_is_told():
    assert {part: len(parsed(part)) for part in PARTS} == PARTS
    assert sum(sentences_path(part).stat().st_size for part in PARTS) < 400 * 1024


@pytest.mark.parametrize("part", PARTS)
def test_form(part):
    for number, sentence in enumerate(parsed(part), start=1):
        assert sentence.metadata["sent_id"] == f"{part}-{number}"
        assert [token["id"] for token in sentence if isinstance(token["id"], int)] == list(
            range(1, sum(isinstance(token["id"], int) for token in sentence) + 1)
        )
        assert {token["upos"] for token in sentence if isinstance(token["id"], int)} <= UPOS


@pytest.mark.parametrize("part", PARTS)
def test_the_text_is_what_words_and_multi_word_tokens_spell(part):
    several = 0
    for sentence in parsed(part):
        text, covered = "", 0
        for token in sentence:
            if isinstance(token["id"], tuple):
                first, _, covered = token["id"]
                parts = [
                    word["form"] for word in sentence if isinstance(word["id"], int) and first <= word["id"] <= covered
                ]
                assert "".join(parts) == token["form"]
                several += 1
            elif token["id"] <= covered:
                continue
            text += token["form"] + ("" if token["misc"] == {"SpaceAfter": "No"} else " ")
        assert text.strip() == sentence.metadata["text"]
    assert several > 20


@pytest.mark.parametrize("part", PARTS)
def test_entities_begin_before_they_go_on(part):
    kinds = Counter()
    for sentence in sentences(part):
        before = "O"
        for *_, tag in sentence:
            if tag.startswith("I-"):
                assert before[2:] == tag[2:]
            kinds[tag] += 1
            before = tag
    assert set(kinds) == {"O", "B-PER", "I-PER", "B-LOC", "B-ORG", "I-ORG", "B-DATE", "I-DATE"}


def test_no_sentence_twice():
    counts = Counter(tuple(word.lower() for word, *_ in sentence) for part in PARTS for sentence in sentences(part))
    assert [sentence for sentence, count in counts.items() if count > 1] == []


def test_some_words_are_held_out_of_training():
    starred = {
        word[1:].split("/")[0].lower()
        for line in GRAMMAR.read_text(encoding="utf-8").splitlines()
        if ": " in line and not line.startswith("#")
        for word in line.split()
        if word.startswith("*")
    }
    assert len(starred) > 50
    assert not starred & words_of("train")
    assert len(starred & words_of("test")) > 50
    new = [word for sentence in sentences("test") for word, *_ in sentence if word.lower() not in words_of("train")]
    assert 0.05 < len(new) / sum(map(len, sentences("test"))) < 0.1


@pytest.mark.parametrize("column", [1, 2], ids=["upos", "entity"])
def test_tags_hang_on_the_words_on_both_sides(column):
    """The more of a word's neighbours a linear model sees, the better it does; the word alone is not enough."""

    def seen(part: str, offsets: tuple[int, ...]) -> tuple[list[dict[str, str]], list[str]]:
        features, tags = [], []
        for sentence in sentences(part):
            words = dict(enumerate(word.lower() for word, *_ in sentence))
            for place, token in enumerate(sentence):
                features.append({str(offset): words.get(place + offset, "") for offset in offsets})
                tags.append(token[column])
        return features, tags

    scores = []
    for offsets in ((0,), (-1, 0), (-1, 0, 1)):
        model = make_pipeline(DictVectorizer(), LogisticRegression(max_iter=500)).fit(*seen("train", offsets))
        scores.append(model.score(*seen("test", offsets)))
    alone, left, both = scores
    assert 0.85 < alone < 0.94
    assert alone + 0.02 < left < both - 0.01


def test_the_first_word_of_an_order_is_told_by_what_follows():
    found = defaultdict(set)
    for sentence in sentences("train"):
        found[sentence[0][0]].add(sentence[0][1])
    assert sum(len(tags) > 1 for tags in found.values()) >= 15


def test_another_part_is_refused():
    with pytest.raises(SettingsError, match="part: expected 'train', 'valid' or 'test', got 'dev'"):
        sentences_path("dev")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sentence\n  the $cat\ndet/DET: the\n", "\\$cat: expected one of sentence, det; add a rule or mend the name"),
        ("sentence\n  the\n", "'the': expected one tag in the lists, found none; write the/TAG"),
        ("sentence\n  a\nx/DET: a\ny/NOUN: a\n", "'a': expected one tag in the lists, found DET, NOUN; write a/TAG"),
    ],
)
def test_a_faulty_grammar_is_refused(tmp_path, text, message):
    with pytest.raises(DataError, match=f"grammar.txt: {message}"):
        small_grammar(tmp_path, text).draw(random.Random(0), held_out=True)


def test_a_grammar_marks_entities_and_joined_words(tmp_path):
    grammar = small_grammar(
        tmp_path, "sentence\n  [PER $name Baker/X] +'s/PART $w/VERB\nname/PROPN: *Tom Ann\nw: walks\n"
    )
    drawn = grammar.draw(random.Random(0), held_out=False)
    assert [tuple(token) for token in drawn] == [
        ("Ann", "PROPN", "B-PER", False),
        ("Baker", "X", "I-PER", False),
        ("'s", "PART", "O", True),
        ("walks", "VERB", "O", False),
    ]
