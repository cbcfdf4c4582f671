"""The bundled reviews: balanced, split by template, and not to be solved by counting words."""

from __future__ import annotations

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from recurra.config import ClassifyDataConfig
from recurra.data import load_splits
from recurra.data.bundled import reviews_path

COLUMNS = ["text", "label", "domain", "kind", "split"]
LABELS = {"positive", "negative"}
SPLITS = ("train", "valid", "test")
DOMAINS = {"films", "food", "hotels", "gadgets", "apps", "services"}
TWIN_KINDS = {
    *("negation", "contrast", "expectation", "concession", "reversal", "time"),
    *("comparison", "others", "hedging", "correction", "scope"),
}
KINDS = TWIN_KINDS | {"plain"}
VERDICTS = frozenset(
    re.findall(
        r"\w+",
        """
        good great excellent wonderful lovely superb brilliant perfect charming delightful fantastic pleasant
        impressive enjoyable fun funny clever fresh warm bright smooth fast quick easy reliable solid clean comfortable
        friendly helpful honest useful cheap generous beautiful exciting gripping moving clear tasty
        bad poor terrible awful horrible dreadful dull boring tedious slow weak silly clumsy stale cold dark rough late
        hard unreliable flimsy dirty uncomfortable rude useless dishonest pointless expensive mean ugly flat confusing
        bland annoying disappointing mediocre lazy noisy broken
        """,
    )
)
WORD = re.compile(r"\w+(?:['’]\w+)*")
Row = dict[str, str]


def words(text: str) -> tuple[str, ...]:
    return tuple(WORD.findall(text.lower()))


def bag(text: str) -> frozenset[tuple[str, int]]:
    return frozenset(Counter(words(text)).items())


@cache
def rows() -> list[Row]:
    with reviews_path().open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def of_split(split: str) -> list[Row]:
    return [row for row in rows() if row["split"] == split]


@cache
def common_words() -> frozenset[str]:
    """Words of at least 5 of the 6 domains that carry no verdict."""
    domains = defaultdict(set)
    for row in rows():
        for word in words(row["text"]):
            domains[word].add(row["domain"])
    return frozenset(word for word, where in domains.items() if len(where) >= 5) - VERDICTS


def template(text: str) -> tuple[str, ...]:
    """The words of a review, with each run of verdicts and of words of few domains as one blank."""
    blanked = [word if word in common_words() else "_" for word in words(text)]
    return tuple(word for i, word in enumerate(blanked) if word != "_" or i == 0 or blanked[i - 1] != "_")


def without_articles(text: str) -> tuple[str, ...]:
    return tuple(word for word in words(text) if word not in {"a", "an", "the"})


def test_form() -> None:
    assert list(rows()[0]) == COLUMNS
    assert len(rows()) >= 1500
    assert {row["label"] for row in rows()} == LABELS
    assert {row["domain"] for row in rows()} == DOMAINS
    assert {row["kind"] for row in rows()} == KINDS
    assert {row["split"] for row in rows()} == set(SPLITS)
    assert all(row["text"] == row["text"].strip() and 5 <= len(words(row["text"])) <= 25 for row in rows())
    assert b"\r" not in reviews_path().read_bytes()


def test_no_sentence_twice() -> None:
    counts = Counter(words(row["text"]) for row in rows())
    assert [sentence for sentence, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("split", SPLITS)
def test_each_kind_of_each_domain_is_balanced_in_each_split(split: str) -> None:
    counts = Counter((row["domain"], row["kind"], row["label"]) for row in of_split(split))
    for domain in DOMAINS:
        for kind in KINDS:
            assert counts[domain, kind, "positive"] == counts[domain, kind, "negative"] > 0, (domain, kind)


def test_twins_have_the_same_words_and_are_not_adjacent() -> None:
    twins = defaultdict(list)
    for row in rows():
        if row["kind"] in TWIN_KINDS:
            twins[bag(row["text"]), row["domain"], row["kind"], row["split"]].append(row["label"])
    assert all(Counter(labels)["positive"] * 2 == len(labels) for labels in twins.values())
    assert all(bag(a["text"]) != bag(b["text"]) for a, b in zip(rows(), rows()[1:]))


@pytest.mark.parametrize("key", [words, template, without_articles])
def test_splits_share_no_sentence_and_no_template(key: Callable[[str], tuple[str, ...]]) -> None:
    splits = defaultdict(set)
    for row in rows():
        splits[key(row["text"])].add(row["split"])
    assert [shared for shared, where in splits.items() if len(where) > 1] == []


def test_verdicts_of_the_test_set_occur_in_training() -> None:
    trained = {word for row in of_split("train") for word in words(row["text"])}
    tested = {word for row in of_split("test") for word in words(row["text"])}
    assert len(tested & VERDICTS) > 60
    assert tested & VERDICTS <= trained


def test_a_bag_of_words_does_not_solve_it() -> None:
    train, test = of_split("train"), of_split("test")
    model = make_pipeline(CountVectorizer(token_pattern=WORD.pattern), LogisticRegression(max_iter=2000))
    model.fit([row["text"] for row in train], [row["label"] for row in train])
    right = model.predict([row["text"] for row in test]) == np.array([row["label"] for row in test])
    twins = np.array([row["kind"] in TWIN_KINDS for row in test])
    assert right.mean() < 0.70
    assert right[twins].mean() == 0.5
    assert right[~twins].mean() > 0.9


def test_the_package_reads_it_with_its_own_splits() -> None:
    config = ClassifyDataConfig(
        data=str(reviews_path()), text_column="text", label_column="label", split_column="split"
    )
    splits = load_splits(config, 0)
    for split, texts in zip(SPLITS, (splits.train, splits.valid, splits.test)):
        read = [text for chunk in texts.chunks(500) for text in chunk.texts]
        assert sorted(read) == sorted(row["text"] for row in of_split(split))
