"""Streams, the gradient that ends with the piece, and what is said of both."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy

from recurra.lab import truncation_outcome
from recurra.lab.experiment import Outcome
from recurra.lab.truncation import Recaller, accuracies, draw_stream, run, train
from recurra.lab.truncation_outcome import Course, Plan, outcome


@pytest.fixture(scope="module")
def quick() -> Outcome:
    return run(4, True, lambda _: None)


@pytest.mark.parametrize("lags", [[1], [5], [1, 2, 3, 7]])
def test_a_stream_read_by_hand(lags: list[int]) -> None:
    stream = draw_stream(80, 7, lags, torch.Generator().manual_seed(1))
    assert stream.inputs[..., :4].sum(2).eq(1).all()
    asked = 0
    for one in range(7):
        held: tuple[int, int] | None = None
        for step in range(80):
            symbol = int(stream.inputs[step, one, :4].argmax())
            is_marked, is_asked = stream.inputs[step, one, 4:].bool().tolist()
            if is_asked:
                assert held is not None
                assert stream.answers[step, one] == held[0]
                assert stream.lags[step, one] == step - held[1]
                assert step - held[1] in lags
                held, asked = None, asked + 1
            else:
                assert stream.answers[step, one] == -100
            if is_marked:
                assert held is None
                held = (symbol, step)
    assert asked >= 7 * (80 // (max(lags) + 1) - 2)


def test_no_gradient_comes_from_before_the_piece() -> None:
    """The state goes on: its values reach the next piece; the gradient of the symbols before does not."""
    torch.manual_seed(0)
    model = Recaller(5)
    inputs = draw_stream(8, 3, [2], torch.Generator().manual_seed(1)).inputs.requires_grad_()
    _, (h, c) = model(inputs[:4], None)
    logits, _ = model(inputs[4:], (h.detach(), c.detach()))
    (gradient,) = torch.autograd.grad(logits.sum(), inputs)
    assert gradient[:4].eq(0).all()
    assert gradient[4:].ne(0).any()
    whole, _ = model(inputs, None)
    torch.testing.assert_close(logits, whole[4:])


def test_training_is_the_loop_written_out() -> None:
    torch.manual_seed(0)
    model, by_hand = Recaller(4), Recaller(4)
    by_hand.load_state_dict(model.state_dict())
    train(model, 3, [1, 2], updates=4, streams=5, seed=9)
    stream = draw_stream(12, 5, [1, 2], torch.Generator().manual_seed(9))
    optimizer, state = torch.optim.Adam(by_hand.parameters(), lr=1e-2), None
    for start in range(0, 12, 3):
        optimizer.zero_grad()
        logits, after = by_hand(stream.inputs[start : start + 3], state)
        cross_entropy(logits.flatten(0, 1), stream.answers[start : start + 3].flatten()).backward()
        torch.nn.utils.clip_grad_norm_(by_hand.parameters(), 1.0)
        optimizer.step()
        state = (after[0].detach(), after[1].detach())
    for ours, theirs in zip(model.parameters(), by_hand.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_a_state_thrown_away_is_one_that_begins_anew() -> None:
    torch.manual_seed(0)
    model = Recaller(4)
    stream = draw_stream(6, 9, [1, 3], torch.Generator().manual_seed(1))
    logits = torch.cat([model(stream.inputs[:3], None)[0], model(stream.inputs[3:], None)[0]])
    right = logits.argmax(2) == stream.answers
    expected = {lag: right[(stream.lags == lag)].double().mean().item() for lag in (1, 3)}
    assert accuracies(model, stream, reset_every=3) == pytest.approx(expected)
    assert set(accuracies(model, stream)) == {1, 3}


def test_what_a_quick_run_gives(quick: Outcome) -> None:
    assert [(course["seed"], course["piece"]) for course in quick.numbers["courses"]] == [(4, 2), (4, 8)]
    first, second = (course["alone"] for course in quick.numbers["courses"])
    assert first[4] < 0.4  # the lag is longer than the piece
    assert second[1] > 0.6
    assert all(len(row) == len(quick.headings) for row in quick.rows)


def test_the_same_seed_gives_the_same_numbers(quick: Outcome) -> None:
    assert run(4, True, lambda _: None).numbers == quick.numbers


def found(within: float, beyond: float, mixed: float) -> str:
    plan = Plan(pieces=(2, 4), lags=(1, 3), longest=4, updates=1, seeds=1, symbols=4)
    courses = [
        Course(
            0,
            piece,
            {lag: within if lag < piece else beyond for lag in plan.lags},
            dict.fromkeys(range(1, 5), mixed),
            dict.fromkeys(range(1, 5), 0.25),
        )
        for piece in plan.pieces
    ]
    return outcome(plan, courses).lead


def test_the_answer_follows_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(truncation_outcome, "_lines", lambda *_: None)
    assert "3 of the 3 pairs" in found(1.0, 0.25, 1.0)
    assert "0 of the 1" in found(1.0, 0.25, 1.0)
    assert "pieces of 2 teach" in found(1.0, 0.25, 1.0)
    assert "100.0 % right at lags 2 to 4 with the state carried on, 100.0 % at 4, and 25.0 % without" in found(
        1.0, 0.25, 1.0
    )
    assert "no net learnt what lies beyond its piece" in found(1.0, 0.25, 0.5)
    assert "0 of the 3 pairs" in found(0.5, 0.25, 0.5)
    assert "On streams of mixed lags, too, no net" in found(0.5, 0.25, 0.5)
    assert "1 of the 1" in found(1.0, 0.95, 0.5)
    assert "On streams of mixed lags no net" in found(1.0, 0.95, 0.5)
