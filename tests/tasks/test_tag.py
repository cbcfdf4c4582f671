"""The task: batches, loss and scores by hand, words that no company changes, and what becomes of odd sentences."""

from __future__ import annotations

import logging
import random
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from seqeval.metrics import f1_score
from torch import nn

from recurra.batch import TokenBatch
from recurra.config import make_run_config
from recurra.data import Sentence, TaggedSentences
from recurra.data.tag_splits import TagSplits
from recurra.errors import DataError, SettingsError
from recurra.spans import faults
from recurra.tagging_scores import tagging_score, tagging_scores
from recurra.tasks import TASKS, Start
from recurra.tasks.tag import Tag
from recurra.vocabulary import UNKNOWN, Vocabulary

SMALL: dict[str, Any] = {
    "embedding_size": 4,
    "hidden_size": 4,
    "character_embedding_size": 3,
    "character_hidden_size": 2,
    "dropout": 0.0,
    "word_dropout": 0.0,
    "batch_size": 3,
}
TOKENS = [["The", "dog", "runs"], ["dogs", "run"], [], ["a", "dog"], ["the", "[PAD]", "[UNK]"], ["run", "dogs", "!"]]
TAGS = [["D", "N", "V"], ["N", "V"], [], ["D", "N"], ["D", "N", "N"], ["V", "N", "P"]]
SPANS = [["O", "B-X", "I-X"], ["O", "O"], [], ["B-Y", "B-X"], ["O", "B-X", "O"], ["O", "O", "B-Y"]]
NEW = [["runs", "dogs", "dog", "The"], ["a"], ["unseen", "dog", "[PAD]"], []]


def splits(tags: list[list[str]] = TAGS, valid: tuple[Any, Any] | None = None) -> TagSplits:
    held = valid or (TOKENS[:3], tags[:3])
    return TagSplits(
        TaggedSentences.from_lists(TOKENS, tags, "training"), TaggedSentences.from_lists(*held, name="validation"), None
    )


def make(tags: list[list[str]] = TAGS, **options: Any) -> Tag:
    settings = {**SMALL, **options}
    if settings.get("characters") is False:
        settings = {name: value for name, value in settings.items() if not name.startswith("character_")}
    task = Tag.from_splits(make_run_config("tag", data="memory", **settings), splits(tags))
    torch.manual_seed(1)
    for parameter in task.network.parameters():
        nn.init.normal_(parameter)  # as large as after training: the fresh ones hide differences
    return task


def sentences(tokens: list[list[str]]) -> list[Sentence]:
    return [Sentence(words, None, 0) for words in tokens]


def valid_rows(batch: TokenBatch, values: torch.Tensor) -> list[list[int]]:
    return [row[:length].tolist() for row, length in zip(values, batch.lengths)]


def test_the_table_of_tasks_has_it():
    assert TASKS["tag"] is Tag


def test_tags_are_sorted_and_counted_and_words_learnt_from_training_alone():
    task = make()
    assert (task.known.tags, task.known.counts, task.known.scheme) == (["D", "N", "P", "V"], [3, 6, 1, 3], None)
    assert "unseen" not in task.vocabulary.symbols()
    assert task.vocabulary.lookup(["THE"]) == task.vocabulary.lookup(["the"]) != [UNKNOWN]
    assert make(lowercase=False).vocabulary.lookup(["THE", "[PAD]", "[UNK]"]) == [UNKNOWN] * 3
    counts = Counter(c for word in {w for words in TOKENS for w in words} for c in set(word))
    assert set(task.known.characters) == {c for c, count in counts.items() if count > 1}
    assert Tag.restore(task.config, {"tokenizer.json": task.vocabulary}, task.facts()).known == task.known


def test_span_tags_are_completed_so_that_each_move_can_be_made():
    assert make(SPANS).known.tags == ["B-X", "B-Y", "I-X", "I-Y", "O"]
    assert make(SPANS).known.counts == [3, 2, 1, 0, 7]


@pytest.mark.parametrize("characters", [True, False])
def test_batches_hold_each_sentence_once_with_its_tags_and_spelling(characters):
    task = make(characters=characters)
    words = task.vocabulary.lookup
    expected = sorted((words(t), [task.known.tags.index(g) for g in tags]) for t, tags in zip(TOKENS, TAGS))
    orders = []
    for epoch in (1, 2):
        batches = list(task.batches(epoch))
        assert len(batches) == task.steps() == 2
        seen = [pair for b in batches for pair in zip(valid_rows(b, b.values), valid_rows(b, b.labels), strict=True)]
        orders.append(seen)
        assert sorted(map(list, seen)) == sorted(map(list, expected))
        assert all((batch.characters is not None) == characters for batch in batches)
    assert orders[0] == [
        pair for b in task.batches(1) for pair in zip(valid_rows(b, b.values), valid_rows(b, b.labels))
    ]


@pytest.mark.parametrize("crf", [False, True])
@pytest.mark.parametrize("cell", ["gru", "lstm", "feedforward"])
def test_a_sentence_alone_is_tagged_as_in_company(cell, crf):
    task = make(SPANS, cell=cell, crf=crf, num_layers=2)
    order = [3, 1, 0, 2]
    together = task.tag(sentences(NEW))
    moved = task.tag(sentences([NEW[index] for index in order]))
    for index, words in enumerate(NEW):
        (alone,) = task.tag(sentences([words]))
        for other in (together[index], moved[order.index(index)]):
            assert other.tags == alone.tags
            assert other.confidences == pytest.approx(alone.confidences, abs=1e-5)
        assert len(alone.tags) == len(alone.confidences) == len(words)
        assert all(0 <= confidence <= 1 for confidence in alone.confidences)


def test_loss_and_accuracy_by_hand():
    task = make()
    logits = [row.log().double() for row in task.responses(TOKENS[:3])]
    true = [[task.known.tags.index(tag) for tag in tags] for tags in TAGS[:3]]
    losses = [-float(row[tag]) for rows, tags in zip(logits, true) for row, tag in zip(rows, tags)]
    right = [[int(row.argmax()) == tag for row, tag in zip(rows, tags)] for rows, tags in zip(logits, true)]
    share = sum(map(sum, right)) / 5
    error = sum((sum(of) - share * len(of)) ** 2 for of in right) ** 0.5 / 5
    assert task.validate() == pytest.approx((sum(losses) / 5, share, error), rel=1e-5)
    assert [float(rows.sum()) for rows in task.responses(TOKENS[:1])] == pytest.approx([3], abs=1e-5)
    for batch in task.batches(1):
        emissions, layout = task.network(batch)
        expected = nn.functional.cross_entropy(emissions, layout.pack(batch.labels, True))
        torch.testing.assert_close(task.loss(task.network, batch).value, expected)


def test_the_score_of_spans_is_that_of_seqeval_and_of_the_evaluation():
    rng = random.Random(3)
    for scheme, tags in (("BIO", ["O", "B-X", "I-X", "B-Y", "I-Y"]), ("BIOES", ["O", "B-X", "I-X", "E-X", "S-X"])):
        lists = [[rng.choices(tags, k=length) for length in (3, 7, 0, 1, 12)] for _ in range(2)]
        value, error = tagging_score(*lists, scheme)
        words = [["w"] * len(row) for row in lists[0]]
        scores = tagging_scores(words, *lists, np.zeros(23, bool), spans=True)
        assert value == pytest.approx(scores["spans"]["f1"]["value"])
        assert value == pytest.approx(f1_score(*[[row for row in part if row] for part in lists], zero_division=0))
        assert error > 0


@pytest.mark.parametrize("scheme", ["BIO", "IOB1", "BIOES"])
def test_a_crf_never_breaks_the_rules_of_the_scheme(scheme):
    sets = splits(SPANS)
    converted = sets._replace(train=sets.train.in_scheme(scheme), valid=sets.valid.in_scheme(scheme))
    task = Tag.from_splits(make_run_config("tag", data="memory", crf=True, **SMALL), converted)
    rng = random.Random(0)
    words = [rng.choices(["dog", "the", "run", "unseen"], k=rng.randrange(9)) for _ in range(60)]
    found = []
    for seed in range(3):
        torch.manual_seed(seed)
        for parameter in task.network.parameters():
            nn.init.normal_(parameter, std=2.0)
        found += [answer.tags for answer in task.tag(sentences(words))]
    assert len({tag for tags in found for tag in tags}) > 3
    assert [faults(tags, scheme) for tags in found if faults(tags, scheme)] == []


def test_one_tag_is_nothing_to_learn():
    with pytest.raises(DataError, match=r"training: expected at least two different tags .* found one: 'N' \(13 tok"):
        make([["N"] * len(tags) for tags in TAGS])


def test_evaluation_holds_the_model_beside_its_baselines():
    task = make(SPANS)
    baseline = task.fit_baseline()
    again = task.restore_baseline(baseline.tensors())
    assert again == baseline
    scores = task.evaluate(task.data.valid, baseline)
    assert list(scores["baselines"]) == list(scores["gain"]) == ["most frequent tag", "longest known span"]
    assert scores["model"]["tokens"] == 5
    other = make()
    assert list(other.evaluate(other.data.valid, other.fit_baseline())["baselines"]) == ["most frequent tag"]
    title = task.tables(scores, "x", full=False)[0].title
    assert title == "x: 5 tokens in 3 sentences"
    assert any("longest known span" in remark for remark in task.remarks(scores))


def test_a_very_long_sentence_is_said_and_works(caplog):
    long = ["dog", "runs"] * 5_000
    held = ([long], [["N", "V"] * 5_000])
    with caplog.at_level(logging.WARNING, "recurra"):
        task = Tag.from_splits(make_run_config("tag", data="memory", **SMALL), splits(valid=held))
    assert "valid: the longest sentence has 10,000 tokens" in caplog.text
    assert 0 <= task.validate().score <= 1
    assert len(task.tag(sentences([long, ["a"], ["x" * 1_000]]))[0].tags) == 10_000


def language_model_start(tokens: str = "words", **model: Any) -> Start:
    config = make_run_config("language-model", data="x", tokens=tokens, embedding_size=6, hidden_size=6, **model)
    vocabulary = Vocabulary.build([["the dog runs a dog run"] * 2], config.vocabulary, has_end=True)
    shapes = {
        "embedding.weight": (len(vocabulary), 6),
        "recurrent.weight_ih_l0": (24, 6),
        "recurrent.weight_hh_l0": (24, 6),
    }
    return Start(config.vocabulary, config.model, vocabulary, {n: torch.randn(s) for n, s in shapes.items()})


def test_a_language_model_to_start_from_gives_words_and_weights():
    start = language_model_start(num_layers=1)
    options = {name: value for name, value in SMALL.items() if name not in ("embedding_size", "hidden_size")}
    config = make_run_config("tag", data="memory", init_from="runs/words", **options)
    task = Tag.from_splits(config, splits(), start)
    assert task.vocabulary is start.vocabulary
    assert torch.equal(task.network.embedding.weight, start.weights["embedding.weight"])
    assert torch.equal(task.network.recurrent.weight_ih_l0[:, :6], start.weights["recurrent.weight_ih_l0"])
    assert (task.config.model.cell, task.config.model.hidden_size) == ("lstm", 6)
    assert task.tag(sentences([["end of line", "the"]]))[0].tags


def test_a_language_model_of_characters_is_none_to_start_from():
    config = make_run_config("tag", data="memory", init_from="runs/letters")
    with pytest.raises(SettingsError, match=r"'init_from' \(runs/letters\): expected .* words or spaces.* one of char"):
        Tag.from_splits(config, splits(), language_model_start("characters", num_layers=1))


def test_pretrained_vectors_are_in_the_rows_of_their_words(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("dog 1 2 3 4 5 6\nunseen 9 9 9 9 9 9\n")
    options = {name: value for name, value in SMALL.items() if name != "embedding_size"}
    task = Tag.from_splits(make_run_config("tag", data="memory", vectors=str(path), **options), splits())
    (row,) = task.vocabulary.lookup(["Dog"])
    assert task.network.embedding.weight[row].tolist() == [1, 2, 3, 4, 5, 6]
    assert task.config.model.embedding_size == 6
