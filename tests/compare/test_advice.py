"""What to choose and why, from numbers made by hand."""

from __future__ import annotations

import pytest

from recurra.compare.advice import advice, choose
from recurra.compare.findings import Comparison, Lag
from recurra.tasks.headline import ANY, Headline

ERROR = Headline("error", ("error",), higher=False, limits=ANY)
APART = {"gru": [0.80, 0.82, 0.84], "rnn": [0.70, 0.72, 0.75]}
ALIKE = {"gru": [0.80, 0.82, 0.84], "rnn": [0.84, 0.78, 0.83]}


def said(found: Comparison) -> str:
    return "\n".join(advice(found))


def test_the_better_one_is_chosen_though_it_is_slower(by_hand):
    found = by_hand(APART, answers={"rnn": 900.0})
    assert choose(found)[:1] + choose(found)[2:4] == ("gru", ["gru"], "gru")
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
def test_of_those_alike_the_cheaper_is_chosen(answers, seconds, advised, why, by_hand):
    found = by_hand(ALIKE, answers=answers, seconds=seconds)
    assert (choose(found).leader, choose(found).advised) == ("gru", advised)
    # differences -0.04, 0.04, 0.01: mean 0.0033, s 0.0404, so +- 0.100
    assert "It cannot be told apart from rnn (+0.3, 95 % interval -9.7 to +10.4): the interval of the " in said(found)
    assert f"Of those that cannot be told apart, choose {advised}: {why}" in said(found)


def test_of_an_error_the_lower_is_better(by_hand):
    found = by_hand(APART, headline=ERROR, baseline=[0.9, 0.9, 0.9])
    assert choose(found).leader == "rnn"
    assert "It is better than gru by 9.7 points (95 % interval 8.2 to 11.1)." in said(found)
    # gains 0.20, 0.18, 0.15: mean 0.1767, s 0.0252
    assert "rnn is better than the bag <of> words, the best baseline, by 17.7 points (95 % interval 11.4 to" in said(
        found
    )


@pytest.mark.parametrize(
    ("baseline", "sentence"),
    [
        ([0.5, 0.5, 0.5], "gru is better than the bag <of> words, the best baseline, by 32.0 points"),
        ([0.9, 0.91, 0.92], "gru is worse than the bag <of> words, a baseline: -9.0, 95 % interval -11.5 to -6.5."),
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


def test_a_feedforward_network_among_the_best_is_remarked(by_hand):
    sentence = "feedforward, which does not read in order, is among the best"
    assert sentence in said(by_hand({"gru": ALIKE["gru"], "feedforward": ALIKE["rnn"]}))
    assert sentence not in said(by_hand({"gru": APART["gru"], "feedforward": APART["rnn"]}))


def test_lags_are_told_where_there_are_some(by_hand):
    found = by_hand(APART, lags={"gru": Lag(None, 40), "rnn": Lag(7, 40)})
    assert "below a hundredth: gru not within the 40 measured, rnn after 7." in said(found)
    assert "hundredth" not in said(by_hand(APART))
