"""What is drawn in training, seen from outside: how much of it, where it is the same, and what it leaves alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from recurra.nn import GRU, LSTM, RNN

LAYERS = (RNN, LSTM, GRU)
SIZE = 2000  # units; a share of them is known to about 0.01


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def passing_on(**options: Any) -> RNN:
    """A layer that gives the sum of its input and its state, both of which are never negative here."""
    layer = RNN(SIZE, SIZE, nonlinearity="relu", bias=False, init="torch", **options)
    with torch.no_grad():
        layer.weight_ih_l0.copy_(torch.eye(SIZE))
        layer.weight_hh_l0.zero_()
    return layer


def remembering(**options: Any) -> RNN:
    layer = passing_on(**options)
    with torch.no_grad():
        layer.weight_ih_l0.zero_()
        layer.weight_hh_l0.copy_(torch.eye(SIZE))
    return layer


def check_share(kept: Tensor, p: float) -> None:
    """A share of p is dropped, everywhere along the first dimension, and differently in each place."""
    assert (1 - kept.double().mean(1) - p).abs().max() < 4 * (p * (1 - p) / kept.shape[1]) ** 0.5
    for index, row in enumerate(kept):
        assert not any(torch.equal(row, other) for other in kept[:index])


@pytest.mark.parametrize("option", ["input_dropout", "output_dropout"])
def test_input_and_output_keep_one_mask_through_a_sequence(option):
    layer = passing_on(**{option: 0.3})
    output, _ = layer(torch.ones(5, 3, SIZE), lengths=[2, 5, 4])
    first = output[0]
    check_share(first != 0, 0.3)
    assert torch.equal(first.unique(), torch.tensor([0, 1 / 0.7]))
    for index, length in enumerate([2, 5, 4]):
        assert all(torch.equal(row, first[index]) for row in output[:length, index])
    assert not torch.equal(layer(torch.ones(5, 3, SIZE))[0][0], first)  # the next call draws anew


def test_the_state_keeps_one_mask_through_a_sequence():
    output, _ = remembering(recurrent_dropout=0.2)(torch.zeros(4, 3, SIZE), torch.ones(1, 3, SIZE), lengths=[4, 3, 4])
    check_share(output[0] != 0, 0.2)
    for t in range(4):
        for index in (0, 2):  # what was kept at the first step is kept at every one, and grows by 1 / 0.8
            expected = (output[0, index] != 0) * 0.8 ** -(t + 1)
            torch.testing.assert_close(output[t, index], expected)


def test_layers_and_directions_draw_their_own_masks(by_hand):
    options = {"input_dropout": 0.5, "recurrent_dropout": 0.5, "zoneout": 0.5, "weight_dropout": 0.5}
    layer = LSTM(40, 20, num_layers=2, bidirectional=True, **options)
    drawn, _ = by_hand.record(layer, torch.randn(6, 3, 40))
    noises = [noise for run in drawn.runs for _, noise in run]
    zeros = [weights.weight_hh == 0 for run in drawn.runs for weights, _ in run]
    groups = [drawn.masks, [n.state for n in noises], [share for n in noises for share in n.zoneout], zeros]
    assert [len(group) for group in groups] == [2, 4, 8, 4]
    for group in groups:
        for index, one in enumerate(group):
            assert not any(torch.equal(one, other) for other in group[:index])


@pytest.mark.parametrize("p", [0.1, 0.4])
def test_zoneout_keeps_a_share_of_the_units_at_each_step(p):
    layer = RNN(1, SIZE, bias=False, init="torch", zoneout=p)
    with torch.no_grad():
        layer.weight_ih_l0.zero_()
        layer.weight_hh_l0.zero_()
    x, h_0 = torch.zeros(3, 2, 1), torch.ones(1, 2, SIZE)
    output, _ = layer(x, h_0)  # a unit is at 1 as long as it was kept, then at 0
    check_share(output[0] == 0, p)
    for index in range(2):
        kept = [row[index] == 1 for row in output]
        assert not (kept[1] & ~kept[0]).any()
        for t in (1, 2):
            assert kept[t].double().mean().item() == pytest.approx(p ** (t + 1), abs=0.04)
    expected, _ = layer.eval()(x, h_0)
    torch.testing.assert_close(expected, torch.tensor([p, p**2, p**3]).view(3, 1, 1).expand_as(expected))


def test_a_pair_of_zoneouts_is_for_h_and_for_c(by_hand):
    layer = LSTM(3, 500, proj_size=400, zoneout=(0.1, 0.6))
    drawn, _ = by_hand.record(layer, torch.zeros(4, 2, 3), lengths=[4, 1])
    shares = drawn.runs[0][0][1].zoneout
    assert [share.shape for share in shares] == [(5, 400), (5, 500)]
    assert [share.mean().item() for share in shares] == pytest.approx([0.1, 0.6], abs=0.04)
    drawn, _ = by_hand.record(layer.eval(), torch.zeros(4, 2, 3), lengths=[4, 1])
    for share, p in zip(drawn.runs[0][0][1].zoneout, (0.1, 0.6)):
        assert (share == p).all()


@pytest.mark.parametrize("kind", LAYERS)
def test_weight_dropout_drops_weights_and_leaves_the_parameters(kind):
    layer = kind(5, 60, weight_dropout=0.3, num_layers=2, bidirectional=True)
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    x, hx = torch.randn(4, 3, 5), torch.rand(4, 3, 60) + 0.1
    layer(x, (hx, hx) if kind is LSTM else hx)[0].square().sum().backward()
    assert before.keys() == layer.state_dict().keys()
    assert all(torch.equal(value, before[name]) for name, value in layer.state_dict().items())
    for name, parameter in layer.named_parameters():
        dropped = (parameter.grad == 0).double().mean().item()
        assert dropped == pytest.approx(0.3 if "weight_hh" in name else 0, abs=0.03), name


def test_weight_dropout_draws_nothing_for_the_parameters():
    torch.manual_seed(1)
    plain = LSTM(3, 4)
    torch.manual_seed(1)
    dropped = LSTM(3, 4, weight_dropout=0.5)
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), dropped.parameters()))
    after = torch.get_rng_state()
    torch.manual_seed(1)
    LSTM(3, 4)
    assert torch.equal(torch.get_rng_state(), after)


def test_weight_dropout_is_one_draw_for_a_call_and_another_for_the_next():
    layer = remembering(weight_dropout=0.3)
    state = torch.ones(1, 2, SIZE)
    output, _ = layer(torch.zeros(3, 2, SIZE), state)
    assert torch.equal(output[0, 0], output[0, 1])  # the same weights for each sequence
    assert torch.equal(output[1] != 0, output[0] != 0)  # and at each step
    check_share(output[0, :1] != 0, 0.3)
    assert not torch.equal(layer(torch.zeros(3, 2, SIZE), state)[0], output)
    torch.testing.assert_close(layer.eval()(torch.zeros(3, 2, SIZE), state)[0], torch.ones(3, 2, SIZE))


@pytest.mark.parametrize("option", ["input_dropout", "recurrent_dropout", "output_dropout", "weight_dropout"])
def test_on_average_dropout_changes_nothing(option):
    """One step of a layer that is linear here: the mean over many draws is what evaluation gives."""
    layer = RNN(3, 40, nonlinearity="relu", dtype=torch.float64, **{option: 0.5})
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.abs_()
    x, h_0 = (torch.rand(1, 1, size, dtype=torch.float64) for size in (3, 40))
    drawn = torch.cat([layer(x, h_0)[0] for _ in range(1000)])
    spread = drawn.std(0) / 1000**0.5
    assert spread.min() > 0
    assert ((drawn.mean(0) - layer.eval()(x, h_0)[0][0]).abs() < 5 * spread).all()
