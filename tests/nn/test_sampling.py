"""What is drawn against distributions worked by hand, and how often against them by a chi-square test."""

from __future__ import annotations

import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor

from recurra.errors import SettingsError
from recurra.nn.sampling import Sampler

SHARES = [0.1, 0.4, 0.2, 0.05, 0.25]


def logs(shares: list[float] = SHARES, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.tensor(shares, dtype=dtype).log()


def scaled(weights: list[float]) -> list[float]:
    return [weight / sum(weights) for weight in weights]


# name: the options, the ids so far, and the probabilities by hand
BY_HAND = {
    "as they are": ({}, [], SHARES),
    "a high temperature": ({"temperature": 2.0}, [], scaled([p**0.5 for p in SHARES])),
    "a low temperature": ({"temperature": 0.25}, [], scaled([p**4 for p in SHARES])),
    "greedy": ({"temperature": 0}, [], [0, 1, 0, 0, 0]),
    "top_k": ({"top_k": 2}, [], scaled([0, 0.4, 0, 0, 0.25])),
    "top_k of one": ({"top_k": 1}, [], [0, 1, 0, 0, 0]),
    "top_k beyond V": ({"top_k": 99}, [], SHARES),
    "top_p in between": ({"top_p": 0.7}, [], scaled([0, 0.4, 0.2, 0, 0.25])),
    "top_p keeps one": ({"top_p": 1e-9}, [], [0, 1, 0, 0, 0]),
    "top_p just above": ({"top_p": 0.66}, [], scaled([0, 0.4, 0.2, 0, 0.25])),
    "top_p just below": ({"top_p": 0.64}, [], scaled([0, 0.4, 0, 0, 0.25])),
    "penalty": ({"repetition_penalty": 2.0}, [1, 1, 3], scaled([0.1, 0.4**2, 0.2, 0.05**2, 0.25])),
    "penalty of the window": (
        {"repetition_penalty": 2.0, "window": 2},
        [1, 0, 3],
        scaled([0.01, 0.4, 0.2, 0.0025, 0.25]),
    ),
    "penalty before greedy": ({"repetition_penalty": 2.0, "temperature": 0}, [1], [0, 0, 0, 0, 1]),
    "penalty with nothing before": ({"repetition_penalty": 2.0}, [], SHARES),
    # the penalty gives .1 .16 .2 .05 .25, the temperature squares: .01 .0256 .04 .0025 .0625; top_k keeps three of
    # them, the first two of which have .1025 / .1281 = 0.80 of their probability
    "all": (
        {"repetition_penalty": 2.0, "window": 1, "temperature": 0.5, "top_k": 3, "top_p": 0.79},
        [4, 1],
        scaled([0, 0, 0.04, 0, 0.0625]),
    ),
    "all, and one more": (
        {"repetition_penalty": 2.0, "window": 1, "temperature": 0.5, "top_k": 3, "top_p": 0.81},
        [4, 1],
        scaled([0, 0.0256, 0.04, 0, 0.0625]),
    ),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_probabilities(name):
    options, recent, expected = BY_HAND[name]
    got = Sampler(**options).probabilities(logs(), recent)
    torch.testing.assert_close(got, torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", ["as they are", "a high temperature", "top_k", "penalty", "all, and one more"])
def test_frequencies(name):
    options, recent, expected = BY_HAND[name]
    sampler, generator = Sampler(**options), torch.Generator().manual_seed(4)
    drawn = [sampler.draw(logs(), recent, generator) for _ in range(3000)]
    observed = torch.bincount(torch.tensor(drawn), minlength=len(SHARES))
    possible = torch.tensor(expected) > 0
    assert observed[~possible].sum() == 0
    result = chisquare(observed[possible].numpy(), 3000 * torch.tensor(expected, dtype=torch.float64)[possible].numpy())
    assert result.pvalue > 0.01


def test_a_seed_gives_the_same_text():
    sampler = Sampler()
    first, second, other = (
        [sampler.draw(logs(), generator=generator) for _ in range(50)]
        for generator in (torch.Generator().manual_seed(seed) for seed in (1, 1, 2))
    )
    assert first == second != other


def test_of_equals_the_first():
    equal = logs(scaled([1.0] + [2.0] * 5000))
    assert Sampler(temperature=0).draw(equal) == 1
    for options in ({"top_k": 10}, {"top_p": 9.5 * float(equal[1].exp())}):
        assert Sampler(**options).probabilities(equal).nonzero().squeeze(1).tolist() == list(range(1, 11))


@pytest.mark.parametrize("options", [{"temperature": 1e-4}, {"temperature": 1e-310}, {"top_p": 1e-300}])
def test_extremes_are_greedy(options):
    assert Sampler(**options).probabilities(logs()).tolist() == [0, 1, 0, 0, 0]


def test_impossible_symbols_stay_impossible():
    impossible = torch.tensor([-torch.inf, -0.1, -2.4, -torch.inf])
    for options in ({}, {"temperature": 3.0}, {"repetition_penalty": 1.5, "top_k": 3}, {"top_p": 0.99999}):
        got = Sampler(**options).probabilities(impossible, [0, 1])
        assert got[0] == got[3] == 0
        torch.testing.assert_close(got.sum(), torch.tensor(1.0, dtype=torch.float64))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_lower_precision(dtype):
    given = logs(dtype=dtype)
    got = Sampler(top_p=0.97).probabilities(given)  # 0.95 is too little without the last
    expected = given.double().exp()
    torch.testing.assert_close(got, expected / expected.sum())


def test_leaves_what_it_is_given():
    given, recent = logs(), [1, 2]
    before = given.clone()
    Sampler(repetition_penalty=2.0, top_k=2, top_p=0.5).draw(given, recent)
    assert torch.equal(given, before)
    assert recent == [1, 2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": -0.1}, r"temperature: expected a number of 0 \(greedy\) or more, got -0.1"),
        ({"temperature": float("nan")}, "temperature: expected a number of 0 .* got nan"),
        ({"temperature": "1"}, "temperature: expected a number of 0 .* got '1'"),
        ({"top_p": 0.0}, r"top_p: expected a number above 0 and at most 1 \(keeps all\), got 0.0"),
        ({"top_p": 1.1}, "top_p: expected .* got 1.1"),
        ({"top_k": 0}, "top_k: expected an integer of at least 1, got 0"),
        ({"top_k": 2.0}, "top_k: expected an integer of at least 1, got 2.0"),
        ({"repetition_penalty": 0.9}, r"repetition_penalty: expected a number of 1 \(no penalty\) or more, got 0.9"),
        ({"repetition_penalty": float("inf")}, "repetition_penalty: expected .* got inf"),
        ({"window": 0, "repetition_penalty": 2.0}, "window: expected an integer of at least 1, got 0"),
        ({"window": 9}, "window: it has no effect without a repetition_penalty"),
        ({"temperature": 0, "top_k": 5}, "top_k: it has no effect with temperature 0"),
        ({"temperature": 0, "top_p": 0.5}, "top_p: it has no effect with temperature 0"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(SettingsError, match=message):
        Sampler(**options)
