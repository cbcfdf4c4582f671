"""Scores of a language model, by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from recurra import language_scores as module
from recurra.config import make_run_config
from recurra.data import Texts
from recurra.data.encoded import Encoded, encode
from recurra.language_scores import KNESER_NEY, UNIGRAM, NGrams, language_scores, language_tables
from recurra.ngram import KneserNey
from recurra.vocabulary import END, UNKNOWN, Vocabulary

LINES = ["a b a", "", "b b c", "a"]


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    config = make_run_config("language-model", data="memory", min_count=1).vocabulary
    return Vocabulary.build([["a b a b a b", "c c"]], config, has_end=True)


def encoded(vocabulary: Vocabulary, lines: list[str]) -> Encoded:
    return encode(Texts.from_lists(lines), vocabulary, with_end=True)


def scored(vocabulary: Vocabulary, lines: list[str], **options: Any) -> dict[str, Any]:
    text = encoded(vocabulary, lines)
    found = -np.linspace(0.5, 2.0, len(text.ids))
    baseline = NGrams.fit(encoded(vocabulary, ["a b a b", "c b a", "b b"]).ids, len(vocabulary))
    return language_scores(found, text, baseline, **options)


def test_a_text_as_symbols_and_characters(vocabulary: Vocabulary) -> None:
    text = encoded(vocabulary, ["a zz", "", "b\nc"])
    assert text.ids.tolist() == [3, UNKNOWN, END, END, 4, END, 5, END]
    assert text.starts.tolist() == [0, 3, 4, 8]
    assert (text.unknown, text.unknown_share, text.characters) == (1, 1 / 8, 5 + 1 + 4)


def test_scores_by_hand(vocabulary: Vocabulary) -> None:
    scores = scored(vocabulary, LINES)
    losses = np.linspace(0.5, 2.0, 11)
    of_lines = [losses[:4], losses[4:5], losses[5:9], losses[9:]]
    mean = losses.sum() / 11
    residuals = [part.sum() - mean * len(part) for part in of_lines]
    error = math.sqrt(4 / 3 * sum(r * r for r in residuals)) / 11
    model = scores["model"]
    assert model["nats"] == pytest.approx(mean)
    assert model["perplexity"] == pytest.approx(
        {"value": math.exp(mean), "low": math.exp(mean - 1.96 * error), "high": math.exp(mean + 1.96 * error)}
    )
    assert model["bits_per_character"] == pytest.approx(losses.sum() / math.log(2) / (6 + 1 + 6 + 2))
    assert (scores["symbols"], scores["characters"], scores["lines"], scores["unknown_share"]) == (11, 15, 4, 0)
    baselines = scores["baselines"]
    assert scores["gain"]["value"] == pytest.approx(baselines[KNESER_NEY]["nats"] - mean)


def test_baselines_are_those_of_the_training_text(vocabulary: Vocabulary) -> None:
    train, text = encoded(vocabulary, ["a b a b", "c b a", "b b"]).ids, encoded(vocabulary, LINES).ids
    counts = np.bincount(train, minlength=6) + 1
    unigram = -np.log(counts / counts.sum())[text].mean()
    ngrams = -KneserNey.fit(train, 6).log_probabilities(text).mean()
    baselines = scored(vocabulary, LINES)["baselines"]
    assert {name: found["nats"] for name, found in baselines.items()} == pytest.approx(
        {UNIGRAM: unigram, KNESER_NEY: ngrams}
    )


def test_one_line_has_no_interval(vocabulary: Vocabulary) -> None:
    scores = scored(vocabulary, ["a b a"])
    assert set(scores["model"]["perplexity"]) == set(scores["gain"]) == {"value"}
    (table,) = language_tables(scores, "t")
    assert table.rows[0][1] == f"{math.exp(1.25):.2f}"


def test_intervals_hold_what_they_promise() -> None:
    """Of texts drawn from the same place, 19 in 20 intervals hold the mean of all."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 9, (400, 60))
    held = 0
    for row in lengths:
        starts = np.concatenate([[0], row.cumsum()])
        shift = np.repeat(rng.normal(0, 1, 60), row)  # the symbols of a line are alike
        text = Encoded(np.zeros(starts[-1], np.int32), starts, None, 0, 0, 1)
        found = module._per_symbol(shift + rng.normal(2, 1, starts[-1]), text)
        held += found["low"] <= 2 <= found["high"]
    assert 0.92 <= held / 400 <= 0.97


def test_a_table_shows_all(vocabulary: Vocabulary) -> None:
    scores = scored(vocabulary, LINES, learning=-np.ones(11))
    (table,) = language_tables(scores, "text.txt")
    assert table.title == "text.txt: 11 symbols"
    assert table.columns == ("", "perplexity", "nats a symbol", "bits a character")
    assert [row[0] for row in table.rows] == ["this model", "this model, dynamic", UNIGRAM, KNESER_NEY]
    assert table.rows[1][1:] == ("2.72 (2.72 to 2.72)", "1.000", f"{11 / math.log(2) / 15:.3f}")
    assert "dynamic" not in scored(vocabulary, LINES)


def test_a_perplexity_beyond_all_numbers_is_one(vocabulary: Vocabulary) -> None:
    text = encoded(vocabulary, LINES)
    baseline = NGrams.fit(text.ids, len(vocabulary))
    assert math.isfinite(language_scores(np.full(11, -1e6), text, baseline)["model"]["perplexity"]["value"])


def test_stored_and_restored_counts_give_the_same(vocabulary: Vocabulary) -> None:
    fitted = NGrams.fit(encoded(vocabulary, LINES * 20).ids, len(vocabulary))
    restored = NGrams.from_tensors(load(save(fitted.tensors())))
    text = encoded(vocabulary, ["a c b", "b"]).ids
    for name, values in fitted.log_probabilities(text).items():
        np.testing.assert_array_equal(restored.log_probabilities(text)[name], values)
    assert fitted._kneser_ney is fitted._kneser_ney  # counted once, whatever is scored


def test_no_more_than_a_part_of_an_enormous_text_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_COUNTED", 3)
    assert NGrams.fit(np.arange(5, dtype=np.int32), 5).tensors()["ids"].equal(torch.arange(3, dtype=torch.int32))
