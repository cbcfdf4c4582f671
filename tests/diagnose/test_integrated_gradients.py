"""Integrated gradients on scores whose integral is known, and points where a score jumps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from recurra.diagnose import integrated_gradients
from recurra.diagnose.integrated_gradients import integrate, integrate_closely
from recurra.diagnose.reading import Reading, blocks, log_odds, undisturbed
from recurra.nn import LSTM

INPUT = torch.tensor([[1.0, 2.0], [-1.0, 0.5], [3.0, -2.0]])
START = torch.tensor([[0.0, 1.0], [0.0, 1.0], [0.5, 0.0]])
WEIGHTS = torch.tensor([[[1.0, -2.0], [0.5, 0.0], [2.0, 1.0]], [[0.0, 1.0], [0.0, 0.0], [-1.0, 4.0]]])


def make(scores: Callable[[Tensor], Tensor], answers: int = 1, piece_of: tuple[int, ...] = (0, 1, 2)) -> Reading:
    """Three steps of two numbers, and a function of variants [B, 3, 2] as scores [B, A]."""
    pieces = [f"piece {number}" for number in range(max(piece_of) + 1)]
    return Reading(
        source="numbers",
        pieces=pieces,
        known=[True] * len(pieces),
        is_text=False,
        truncated=0,
        network=nn.Identity(),
        vectors=INPUT,
        start=START,
        piece_of=np.array(piece_of),
        removable=False,
        scores=lambda variants, kept: scores(variants),
        answers=["answer"] * answers,
        told=["told"] * answers,
        unit="points",
        read_at=lambda name, steps: [],
    )


def test_of_a_linear_score_each_influence_is_its_weights_times_the_change() -> None:
    reading = make(lambda variants: torch.einsum("bti,ati->ba", variants, WEIGHTS) + 7, answers=2)
    expected = (WEIGHTS * (INPUT - START)).sum(2).numpy()
    for found in (integrate(reading, 1), integrate(reading, 5), integrate_closely(reading)):
        np.testing.assert_allclose(found.values, expected, atol=1e-5)
        np.testing.assert_allclose(found.gap, 0, atol=1e-5)
    np.testing.assert_allclose(found.start, (WEIGHTS * START).sum((1, 2)).numpy() + 7, atol=1e-6)
    np.testing.assert_allclose(found.scores, (WEIGHTS * INPUT).sum((1, 2)).numpy() + 7, atol=1e-6)
    assert found.points == 16  # no more are needed


def test_the_influence_of_a_piece_is_that_of_its_steps() -> None:
    reading = make(lambda variants: torch.einsum("bti,ati->ba", variants, WEIGHTS), 2, (0, 0, 1))
    apart = (WEIGHTS * (INPUT - START)).sum(2).numpy()
    found = integrate(reading, 3).values
    np.testing.assert_allclose(found, np.stack([apart[:, 0] + apart[:, 1], apart[:, 2]], 1), atol=1e-5)


def test_a_square_by_hand() -> None:
    # of x1 * x2 on a straight way from (u1, u2): d1 * (u2 + d2 / 2) and d2 * (u1 + d1 / 2)
    reading = make(lambda variants: (variants[:, 0, 0] * variants[:, 1, 1]).unsqueeze(1))
    one, other = 1.0 - 0.0, 0.5 - 1.0
    found = integrate_closely(reading)
    np.testing.assert_allclose(found.values, [[one * (1 + other / 2), other * (0 + one / 2), 0]], atol=1e-6)


@pytest.mark.parametrize("steepness", [1e2, 1e4])
def test_a_score_that_jumps_is_followed_where_it_jumps(steepness: float) -> None:
    reading = make(lambda variants: torch.sigmoid(steepness * (variants[:, 2, 0] - 1.2345)).unsqueeze(1))
    found, equal = integrate_closely(reading), integrate(reading, 256)
    assert abs(float(found.gap[0])) < 0.01
    assert found.points <= 160
    np.testing.assert_allclose(found.values, [[0, 0, 1]], atol=0.01)
    if steepness == 1e4:
        assert abs(float(equal.gap[0])) > 0.1  # so many points everywhere would not do


def test_work_has_its_limit_and_the_gap_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    reading = make(lambda variants: torch.sigmoid(1e4 * (variants[:, 2, 0] - 1.2345)).unsqueeze(1))
    monkeypatch.setattr(integrated_gradients, "_WORK", 9.0)  # three points: without recurrent layers a step counts as 1
    found = integrate_closely(reading)
    assert found.points == 4
    assert abs(float(found.gap[0])) > 0.5
    assert found.gap[0] == pytest.approx(found.values.sum() - (found.scores - found.start)[0])


@pytest.mark.parametrize("affordable", [20, 100, 399])
def test_a_score_that_turns_everywhere_takes_no_more_points_than_there_are(
    affordable: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = make(lambda variants: torch.sin(1e3 * variants[:, 2, :1]) + variants[:, 0, :1])
    monkeypatch.setattr(integrated_gradients, "_MOST_POINTS", affordable)
    found = integrate_closely(reading)
    assert affordable - 1 <= found.points <= affordable
    assert found.gap[0] == pytest.approx(found.values.sum() - (found.scores - found.start)[0])


def test_where_not_all_can_be_divided_the_worst_parts_are() -> None:
    misses = np.array([[1.0, 0.0], [3.0, 0.0], [0.0, 0.02], [9.0, 0.01]])
    of = np.array([True, True, True, False])
    assert integrated_gradients._worst(of, misses, 2).tolist() == [False, True, True, False]
    assert integrated_gradients._worst(of, misses, 9).tolist() == of.tolist()


@pytest.mark.parametrize("at_once", [1, 4, 7, 1000])
def test_how_many_points_go_at_once_changes_nothing(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    reading = make(lambda variants: torch.tanh(torch.einsum("bti,ati->ba", variants, WEIGHTS)), answers=2)
    whole = integrate_closely(reading)
    monkeypatch.setattr(integrated_gradients, "_STEPS_AT_ONCE", at_once)
    np.testing.assert_allclose(integrate_closely(reading).values, whole.values, atol=1e-5)


def test_an_answer_that_depends_on_nothing_has_no_influences() -> None:
    found = integrate_closely(make(lambda variants: torch.ones(len(variants), 1, requires_grad=True)))
    assert found.values.tolist() == [[0, 0, 0]]
    assert found.gap.tolist() == [0]


def test_a_score_that_is_no_number_ends_the_search() -> None:
    found = integrate_closely(make(lambda variants: variants[:, 0, :1] * torch.nan))
    assert not np.isfinite(found.scores).any()


def test_log_odds_are_those_of_the_softmax() -> None:
    logits = torch.randn(4, 3, 5, dtype=torch.float64)
    chosen = torch.randint(5, (4, 3))
    share = logits.softmax(2).gather(2, chosen.unsqueeze(2)).squeeze(2)
    torch.testing.assert_close(log_odds(logits, chosen), torch.logit(share))


def test_blocks_are_of_one_size_and_no_more_than_asked_for() -> None:
    for steps in (1, 59, 60, 61, 480, 1000):
        for multiple in (1, 3):
            found = blocks(steps, multiple)
            sizes = np.bincount(found)
            assert len(found) == steps
            assert len(sizes) <= 60
            assert len(set(sizes[:-1])) <= 1
            assert all(size % multiple == 0 for size in sizes[:-1])
            assert (np.diff(found) >= 0).all()


def test_a_network_is_as_it_was_afterwards() -> None:
    network = nn.Sequential(LSTM(2, 3), nn.Dropout(0.5))
    fixed = next(network.parameters()).requires_grad_(False)
    before = [parameter.requires_grad for parameter in network.parameters()]

    def failing() -> None:
        with undisturbed(network):
            assert not network[1].training
            assert not any(parameter.requires_grad for parameter in network.parameters())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()
    assert network[1].training
    assert [parameter.requires_grad for parameter in network.parameters()] == before
    assert not fixed.requires_grad
