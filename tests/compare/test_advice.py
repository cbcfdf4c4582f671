"""What to choose and why, from numbers made by hand."""

from __future__ import annotations

import math

import pytest
from scipy import stats

from recurra.compare.advice import advice, choose
from recurra.compare.findings import Comparison, Lag
from recurra.tasks.headline import ANY, Headline

ERROR = Headline("error", ("error",), higher=False, limits=ANY)
APART = {"gru": [0.80, 0.82, 0.84], "rnn": [0.70, 0.72, 0.75]}
ALIKE = {"gru": [0.80, 0.82, 0.84], "rnn": [0.84, 0.78, 0.83]}
GOOD = {"gru": [0.80, 0.82, 0.84], "rnn": [0.801, 0.818, 0.839]}
PERPLEXITY = Headline("perplexity", ("perplexity",), higher=False, unit="", digits=2, limits=(1.0, math.inf))


def said(found: Comparison) -> str:
    return "\n".join(advice(found))


def test_the_better_one_is_chosen_though_it_is_slower(by_hand):
    found = by_hand(APART, answers={"rnn": 900.0})
    assert (choose(found).leader, choose(found).alike, choose(found).advised) == ("gru", ["gru"], "gru")
    # differences 0.10, 0.10, 0.09: mean 0.0967, s 0.00577, t 4.303, so +- 0.0143
    assert "gru has the best mean accuracy, 82.0 % over 3 seeds." in said(found)
    assert "It is better than rnn by 9.7 points (95 % interval 8.2 to 11.1)." in said(found)
    assert "Choose gru (100 sequences/s, 10.0 s of training)." in said(found)
    assert "cannot be told apart" not in said(found)


@pytest.mark.parametrize(
    ("answers", "seconds", "advised", "why"),
    [
        ({"rnn": 120.0}, {}, "rnn", "it answers fastest; 120 sequences/s, 10.0 s of training (gru 100 and 10.0)"),
        ({"rnn": 109.0}, {}, "gru", "none of them answers or learns more than a tenth faster, and its mean is the "),
        ({"rnn": 95.0}, {"rnn": 8.0}, "rnn", "it answers as fast as any of them, within a tenth, and its training is "),
        ({"rnn": 50.0}, {"rnn": 1.0}, "gru", "it answers fastest"),
    ],
)
def test_of_those_as_good_the_cheaper_is_chosen(answers, seconds, advised, why, by_hand):
    found = by_hand(GOOD, answers=answers, seconds=seconds)
    assert (choose(found).leader, choose(found).advised) == ("gru", advised)
    # differences -0.001, 0.002, 0.001: mean 0.00067, s 0.00153, so +- 0.0038
    assert "It cannot be told apart from rnn (+0.1, 95 % interval -0.3 to +0.4): the interval of the " in said(found)
    assert "As good as gru, by all that the interval leaves open within 1.0 points: rnn. " in said(found)
    assert f"Of these, choose {advised}: {why}" in said(found)
    assert "ndecided" not in said(found)


def test_what_cannot_be_told_apart_is_not_as_good(by_hand):
    cells = {"lstm": [0.97, 0.95, 0.96], "feedforward": [0.95, 0.60, 0.55]}
    found = by_hand(cells, answers={"feedforward": 900.0}, seconds={"feedforward": 1.0})
    assert (choose(found).alike, choose(found).good) == (["lstm", "feedforward"], ["lstm"])
    assert choose(found).advised == "lstm"
    # differences 0.02, 0.35, 0.41: mean 0.26, s 0.2100, so +- 0.522
    assert "feedforward (+26.0, 95 % interval -26.2 to +78.2)" in said(found)
    assert (
        "Undecided between lstm and feedforward: more seeds (--seeds 6) would narrow it; until then choose lstm, whose "
        "mean is best (100 sequences/s, 10.0 s of training)."
    ) in said(found)


def test_one_as_good_is_chosen_while_another_is_undecided(by_hand):
    found = by_hand({**GOOD, "lstm": [0.70, 0.80, 0.90]}, answers={"rnn": 200.0, "lstm": 900.0})
    assert choose(found).advised == "rnn"
    assert "Undecided between gru and lstm: more seeds (--seeds 6) would narrow it; until then choose rnn." in said(
        found
    )


@pytest.mark.parametrize(("rnn", "advised"), [([10.05, 10.20, 10.42], "rnn"), ([10.25, 10.40, 10.62], "gru")])
def test_of_a_score_that_is_no_share_two_percent_count_as_good(rnn, advised, by_hand):
    # of 10.2; the second loses 0.20 more
    found = by_hand({"gru": [10.0, 10.2, 10.4], "rnn": rnn}, headline=PERPLEXITY, answers={"rnn": 200.0})
    assert choose(found).margin == pytest.approx(0.204)
    assert choose(found).advised == advised
    assert ("leaves open within 0.20, 2 % of its score: rnn." in said(found)) == (advised == "rnn")


def test_the_intervals_of_all_pairs_hold_together(by_hand):
    cells = {**APART, "lstm": [0.60, 0.62, 0.66]}
    gain = choose(by_hand(cells)).gains["rnn"]
    # 3 pairs: 5 % shared by them, of differences 0.10, 0.10, 0.09
    half = stats.t.ppf(1 - 0.05 / 6, 2) * stats.sem([0.10, 0.10, 0.09])
    assert gain == pytest.approx((0.29 / 3, 0.29 / 3 - half, 0.29 / 3 + half))


def test_where_the_seeds_do_not_differ_nothing_follows(by_hand):
    cells = {"gru": [0.75, 0.5, 1.0], "rnn": [0.5, 0.25, 0.75]}
    found = by_hand(cells, answers={"rnn": 900.0}, baseline=[0.55, 0.3, 0.8])
    told = "with every seed: the seeds do not differ in this, so that an interval says nothing"
    assert (choose(found).alike, choose(found).good, choose(found).advised) == (["gru", "rnn"], ["gru"], "gru")
    assert f"From rnn it differs by +25.0 points {told}." in said(found)
    assert f"gru differs from the best baseline, the bag <of> words, by +20.0 points {told}" in said(found)
    assert "better than" not in said(found)
    assert "told apart" not in said(found)


def test_of_an_error_the_lower_is_better(by_hand):
    found = by_hand(APART, headline=ERROR, baseline=[0.9, 0.9, 0.9])
    assert choose(found).leader == "rnn"
    assert "It is better than gru by 9.7 points (95 % interval 8.2 to 11.1)." in said(found)
    # gains 0.20, 0.18, 0.15: mean 0.1767, s 0.0252, t 6.205 for two cells, so +- 0.0902
    assert "rnn is better than the bag <of> words, the best baseline, by 17.7 points (95 % interval 8.7 to" in said(
        found
    )


@pytest.mark.parametrize(
    ("baseline", "sentence"),
    [
        ([0.5, 0.5, 0.5], "gru is better than the bag <of> words, the best baseline, by 32.0 points"),
        ([0.9, 0.91, 0.92], "gru is worse than the bag <of> words, a baseline: -9.0, 95 % interval -12.6 to -5.4."),
        ([0.9, 0.7, 0.86], "gru cannot be told apart from the bag <of> words, the best baseline: +0.0, "),
    ],
)
def test_a_score_is_never_alone(baseline, sentence, by_hand):
    assert sentence in said(by_hand(APART, baseline=baseline))


def test_with_one_seed_the_leader_is_advised_by_this_run_only(by_hand):
    found = by_hand({"lstm": [0.97], "feedforward": [0.55]}, answers={"feedforward": 900.0})
    chosen = choose(found)
    assert (chosen.leader, chosen.alike, chosen.advised) == ("lstm", ["lstm"], "lstm")
    assert "lstm has the best accuracy, 97.0 %, by this one run only: with one seed there is no interval." in said(
        found
    )
    assert "--seeds 3 tells whether it would last." in said(found)
    assert "Choose lstm, by this one run only (100 sequences/s, 10.0 s of training)." in said(found)
    assert "lstm differs from the best baseline, the bag <of> words, by +47.0 points; above zero is better." in said(
        found
    )


def test_of_cells_of_the_same_score_none_is_called_the_best(by_hand):
    one = by_hand({"lstm": [0.9], "gru": [0.5], "rnn": [0.9]})
    assert "lstm and rnn have the same best accuracy, 90.0 %, by this one run only: with one seed" in said(one)
    assert "Choose lstm, the first named of these, by this one run only (100 sequences/s" in said(one)
    found = by_hand({"lstm": [0.8, 0.9, 0.7], "rnn": [0.7, 0.8, 0.9]})
    assert choose(found).tied == ["lstm", "rnn"]
    assert (
        "lstm and rnn have the same best mean accuracy, 80.0 % over 3 seeds. Of these lstm is named first, and the "
        "others are compared with it."
    ) in said(found)
    assert "until then choose lstm, the first named of those whose mean is best (" in said(found)


def test_a_difference_ends_at_what_it_can_be(by_hand):
    gain = choose(by_hand({"lstm": [0.9, 0.2], "rnn": [0.1, 0.3]})).gains["rnn"]
    assert (gain.low, gain.high) == (-1.0, 1.0)  # of -1 to 1; by Student's t alone 0.35 +- 5.7


def test_a_feedforward_network_among_the_best_is_remarked(by_hand):
    sentence = "feedforward, which does not read in order, cannot be told apart from the best: that order"
    assert sentence in said(by_hand({"gru": ALIKE["gru"], "feedforward": ALIKE["rnn"]}))
    assert sentence not in said(by_hand({"gru": APART["gru"], "feedforward": APART["rnn"]}))


def test_lags_are_told_where_there_are_some(by_hand):
    found = by_hand(APART, lags={"gru": Lag(None, 40), "rnn": Lag(7, 40)})
    assert "below a hundredth: gru not within the 40 measured, rnn after 7." in said(found)
    assert "hundredth" not in said(by_hand(APART))
