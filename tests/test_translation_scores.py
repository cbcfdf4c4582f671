"""Scores of translations: as sacrebleu gives them, by hand, and by brute force."""

from __future__ import annotations

import json
import logging
import math
import random
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from sacrebleu.metrics import BLEU, CHRF

from recurra.errors import DataError, ShapeError
from recurra.rouge import rouge
from recurra.translation_scores import Likelihood, by_source, full_scores, translation_scores

WORDS = ["the", "a", "cat", "dog", "sat", "on", "mat", ",", ".", "ran", "3.5", "and", "saw", "it"]


def made_up(count: int, seed: int, most: int = 3) -> tuple[list[str], list[list[str]]]:
    """Answers, some of them empty, and one to some references that are like them."""
    rng = random.Random(seed)
    answers, references = [], []
    for _ in range(count):
        words = rng.choices(WORDS, k=rng.randrange(12))
        answers.append(" ".join(words))
        references.append(
            [
                " ".join(word if rng.random() < 0.7 else "Ω" for word in [*words, "end"])
                for _ in range(rng.randint(1, most))
            ]
        )
    return answers, references


def streams(references: list[list[str]]) -> list[list[Any]]:
    most = max(map(len, references))
    return [[*column] for column in zip(*([*right, *[None] * (most - len(right))] for right in references))]


@pytest.mark.parametrize("most", [1, 3])
def test_bleu_and_chrf_are_those_of_sacrebleu(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recurra.translation_scores._AT_ONCE", 7)
    answers, references = made_up(60, 0, most)
    scores = translation_scores(answers, references)
    for name, metric in (("bleu", BLEU(force=True)), ("chrf", CHRF())):
        theirs = metric.corpus_score(answers, streams(references))
        assert scores[name]["value"] == pytest.approx(theirs.score, abs=1e-9)
        assert scores["signatures"][name] == str(metric.get_signature())
    assert ("nrefs:1" if most == 1 else "nrefs:var") in scores["signatures"]["chrf"]


def test_intervals_are_about_those_of_sacrebleu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SACREBLEU_SEED", "1")
    answers, references = made_up(60, 1)
    scores = translation_scores(answers, references)
    for name, metric in (("bleu", BLEU(force=True)), ("chrf", CHRF())):
        theirs = metric.corpus_score(answers, streams(references), n_bootstrap=2000)
        low, high = scores[name]["low"], scores[name]["high"]
        assert low < scores[name]["value"] < high
        assert (low + high) / 2 == pytest.approx(theirs._mean, abs=0.15 * (high - low))
        assert (high - low) / 2 == pytest.approx(theirs._ci, rel=0.1)


def test_exact_answers_but_for_white_space() -> None:
    scores = translation_scores(["a  b ", "", "A b", "c"], [["a b"], ["", "x"], ["a b"], ["b", " c"]])
    assert scores["exact"]["value"] == 3 / 4


def test_token_error_is_that_of_the_nearest_reference() -> None:
    # one substitution in 4, one deletion and one insertion in 3; of references as near the shorter; all of 2 deleted
    answers = ["a b c d", "x b c", "a b c", ""]
    references = [["a b c e", "z"], ["b c y"], ["a b", "a b c d"], ["q r"]]
    found = translation_scores(answers, references)["token_error"]
    assert found["value"] == (1 + 2 + 1 + 2) / (4 + 3 + 2 + 2)
    turned = [right[::-1] for right in references]
    assert translation_scores(answers, turned)["token_error"] == found


def test_token_error_can_exceed_one() -> None:
    assert translation_scores(["a b c"], [["x"]])["token_error"]["value"] == 3
    assert translation_scores(["a b", "", "c"], [[""], ["", "d"], ["", "d e"]])["token_error"]["value"] == 3


def test_rouge_is_a_mean_over_answers() -> None:
    answers, references = made_up(40, 2)
    scores = translation_scores(answers, references)
    means = np.mean([rouge(answer, right) for answer, right in zip(answers, references)], axis=0)
    assert [scores[name]["value"] for name in ("rouge1", "rouge2", "rougeL")] == pytest.approx(means)
    error = np.std([rouge(answer, right).unigrams for answer, right in zip(answers, references)]) / math.sqrt(40)
    assert scores["rouge1"]["high"] - scores["rouge1"]["low"] == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_right_answers_have_full_scores_without_doubt() -> None:
    _, references = made_up(20, 3, 2)
    scores = translation_scores([right[-1] for right in references], references)
    for name in ("bleu", "chrf"):
        assert scores[name] == pytest.approx({"value": 100.0, "low": 100.0, "high": 100.0})
    assert scores["exact"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert scores["token_error"] == {"value": 0.0, "low": 0.0, "high": 0.0}


@pytest.mark.parametrize(
    ("answers", "references"),
    [
        ([""], [["a"]]),
        (["a"], [["b"]]),
        (["a"], [["a"]]),
        (["", ""], [["", "a b c d e"], [""]]),
        (["?", "a b c d e"], [["!"], ["a b c d f"]]),
        (["a ."] * 150, [["a ."]] * 150),  # of which sacrebleu would say that they look tokenised
    ],
)
def test_few_and_short_answers_are_scored_in_silence(
    answers: list[str], references: list[list[str]], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG):
        scores = translation_scores(answers, references)
    assert not caplog.records
    assert capfd.readouterr() == ("", "")
    assert json.loads(json.dumps(scores, allow_nan=False)) == scores
    for name in ("bleu", "chrf", "exact", "rouge1"):
        assert 0 <= scores[name]["low"] <= scores[name]["value"] <= scores[name]["high"] <= 100


def test_where_no_answer_has_four_tokens() -> None:
    scores = translation_scores(["a b c"], [["a b c"]])
    assert (scores["bleu"]["value"], scores["exact"]["value"], scores["four_grams"]) == (0, 1, 0)
    assert translation_scores(["a b c d e"], [["a"]])["four_grams"] == 2


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ShapeError, match="answers: expected 2, as many as sources, found 1"):
        translation_scores(["a"], [["a"], ["b"]])
    with pytest.raises(DataError, match="expected pairs to score, found none"):
        translation_scores([], [])
    with pytest.raises(DataError, match="references, source 2: expected at least one, found none"):
        translation_scores(["a", "b"], [["a"], []])


def in_full(count: int = 200, **changed: Any) -> dict[str, Any]:
    answers, references = made_up(count, 4)
    pairs = sum(map(len, references))
    given: dict[str, Any] = {
        "answers": answers,
        "baselines": {"copy": [""] * count, "near": [right[0][:9] for right in references]},
        "references": references,
        "likelihood": Likelihood(-np.arange(1.0, pairs + 1), np.arange(pairs) % 5 + 1),
        "lengths": np.arange(count) % 40 + 1,
        "capped": 3,
        "unknown_share": 0.25,
    }
    return full_scores(**(given | changed))


def test_beside_baselines() -> None:
    scores = in_full()
    answers, references = made_up(200, 4)
    alone = translation_scores(answers, references)
    assert scores["signatures"] == alone.pop("signatures")
    for name, score in alone.items():
        assert scores["model"][name] == pytest.approx(score)
    near = translation_scores([right[0][:9] for right in references], references)
    assert scores["baselines"]["near"]["chrf"] == near["chrf"]
    assert scores["baselines"]["copy"]["chrf"]["value"] == 0
    assert (scores["sources"], scores["pairs"]) == (200, sum(map(len, references)))
    assert (scores["capped"], scores["unknown_share"]) == (3, 0.25)
    assert json.loads(json.dumps(scores, allow_nan=False)) == scores


def test_the_gain_is_paired() -> None:
    answers, references = made_up(200, 4)
    scores = in_full()
    gain = scores["gain"]
    assert gain["over"] == "near"
    assert gain["value"] == pytest.approx(
        CHRF().corpus_score(answers, streams(references)).score
        - CHRF().corpus_score([right[0][:9] for right in references], streams(references)).score
    )
    assert gain["low"] < gain["value"] < gain["high"]
    same = in_full(baselines={"itself": answers})["gain"]
    assert same == {"over": "itself", "value": 0, "low": 0, "high": 0}


def test_perplexity_by_hand() -> None:
    log_probabilities, symbols = np.array([-2.0, -3.0, -1.0]), np.array([4, 1, 2])
    scores = in_full(
        answers=["a", "b"],
        references=[["a"], ["b", "c"]],
        baselines={"copy": ["", ""]},
        lengths=np.array([1, 1]),
        likelihood=Likelihood(log_probabilities, symbols),
    )
    nats = 6 / 7
    error = math.sqrt((2 - 4 * nats) ** 2 + (3 - nats) ** 2 + (1 - 2 * nats) ** 2) / 7
    assert scores["model"]["nats"] == pytest.approx(nats)
    assert scores["model"]["perplexity"] == pytest.approx(
        {"value": math.exp(nats), "low": math.exp(nats - 1.96 * error), "high": math.exp(nats + 1.96 * error)}
    )
    assert "perplexity" not in scores["baselines"]["copy"]


@pytest.fixture
def _few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no interval is looked at."""
    monkeypatch.setattr("recurra.metrics._RESAMPLES", 100)


@pytest.mark.usefixtures("_few_resamples")
def test_by_length_each_source_is_in_one_group() -> None:
    answers, references = made_up(400, 4)
    lengths = np.random.default_rng(0).geometric(0.1, 400)
    groups = in_full(400, lengths=lengths)["by_length"]
    assert 4 <= len(groups) <= 6
    assert sum(group["count"] for group in groups) == 400
    assert min(group["count"] for group in groups) >= 30
    assert all(before["to"] < after["from"] for before, after in pairwise(groups))
    for group in groups:
        inside = [n for n, length in enumerate(lengths) if group["from"] <= length <= group["to"]]
        assert group["count"] == len(inside)
        part = translation_scores([answers[n] for n in inside], [references[n] for n in inside])
        assert [group[name] for name in ("bleu", "chrf", "exact")] == pytest.approx(
            [part[name]["value"] for name in ("bleu", "chrf", "exact")]
        )


@pytest.mark.usefixtures("_few_resamples")
@pytest.mark.parametrize(
    ("lengths", "groups"),
    [
        ([5] * 200, [(5, 5, 200)]),
        ([0, 9], [(0, 9, 2)]),
        ([1] * 100 + [7] * 100, [(1, 1, 100), (7, 7, 100)]),
        ([1] * 171 + [7] * 29, [(1, 7, 200)]),  # too few of the long ones
        ([*range(60)], [(0, 29, 30), (30, 59, 30)]),
    ],
)
def test_groups_of_length(lengths: list[int], groups: list[tuple[int, int, int]]) -> None:
    found = in_full(len(lengths), lengths=np.array(lengths))["by_length"]
    assert [(group["from"], group["to"], group["count"]) for group in found] == groups


def test_what_does_not_fit_in_full_is_refused() -> None:
    with pytest.raises(ShapeError, match="lengths: expected 200, as many as sources, found 2"):
        in_full(lengths=np.array([1, 2]))
    pairs = sum(map(len, made_up(200, 4)[1]))
    with pytest.raises(ShapeError, match=f"symbols: expected {pairs}, as many as references, found 1"):
        in_full(likelihood=Likelihood(np.zeros(pairs), np.ones(1, np.int64)))
    with pytest.raises(ShapeError, match="answers: expected 200, as many as sources, found 1"):
        in_full(baselines={"copy": ["a"]})


def test_targets_of_the_same_source_are_its_references() -> None:
    first, references = by_source(["b", "a", "b", "b", ""], ["1", "2", "3", "1", "4"])
    assert first == [0, 1, 4]
    assert references == [["1", "3", "1"], ["2"], ["4"]]
