"""The gradient by lag and the habits of units, on weights set by hand so that every number is known."""

from __future__ import annotations

import math

import pytest
import torch

import recurra
from recurra.diagnose.flow import gradient_by_lag, joined_flows
from recurra.diagnose.gates import unit_habits
from recurra.errors import DataError
from recurra.kernels.trace import traced


def linear(eigenvalue: float) -> recurra.nn.RNN:
    """A rectified cell whose numbers are positive, so that nothing is rectified; two units of one eigenvalue."""
    layer = recurra.nn.RNN(2, 2, nonlinearity="relu")
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
        layer.weight_hh_l0.copy_(eigenvalue * torch.eye(2))
        layer.weight_ih_l0.copy_(torch.eye(2))
    return layer


@pytest.mark.parametrize("eigenvalue", [0.5, 1.0, 1.5])
def test_the_eigenvalue_to_the_power_of_the_lag(eigenvalue: float) -> None:
    with traced() as traces:
        _, h_n = linear(eigenvalue)(torch.ones(9, 3, 2), lengths=[9, 4, 9])
    flow = gradient_by_lag(h_n.sum(), traces[0])
    lags = torch.arange(9)
    torch.testing.assert_close(flow.relative, (eigenvalue**lags).double())
    assert flow.counts.tolist() == [3] * 4 + [2] * 5
    assert flow.norms[0] == pytest.approx(math.sqrt(2))
    assert flow.reach(0.1) == (4 if eigenvalue == 0.5 else None)


def test_a_loss_at_each_step_is_followed_from_each() -> None:
    with traced() as traces:
        output, _ = linear(0.5)(torch.ones(40, 1, 2))
    flow = gradient_by_lag(output.sum(), traces[0])
    torch.testing.assert_close(flow.relative, (0.5 ** torch.arange(40)).double())
    assert flow.counts[0] == 16


def test_the_backward_direction_looks_the_other_way() -> None:
    layer = recurra.nn.RNN(2, 2, nonlinearity="relu", bidirectional=True)
    with torch.no_grad():
        for name, parameter in layer.named_parameters():
            parameter.copy_(getattr(linear(0.25 if "reverse" in name else 0.5), name.removesuffix("_reverse")))
    with traced() as traces:
        _, h_n = layer(torch.ones(5, 1, 2))
    for trace, eigenvalue in zip(traces, (0.5, 0.25), strict=True):
        flow = gradient_by_lag(h_n.sum(), trace)
        torch.testing.assert_close(flow.relative, (eigenvalue ** torch.arange(5)).double())


def open_lstm(forget_bias: float) -> recurra.nn.LSTM:
    layer = recurra.nn.LSTM(1, 2)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
        layer.bias_ih_l0[2:4] = forget_bias
        layer.weight_ih_l0[4:5] = 3.0  # only the first unit is written to
    return layer


def test_the_half_life_of_a_forget_gate() -> None:
    with traced() as traces:
        open_lstm(math.log(9))(torch.randn(7, 4, 1), lengths=[7, 2, 0, 5])
    units = unit_habits(traces)
    assert units.half_life is not None
    assert units.half_life.tolist() == pytest.approx([math.log(2) / -math.log(0.9)] * 2, rel=1e-5)
    assert units.dead.tolist() == [False, True]
    assert (units.closed["i"].tolist(), units.open["i"].tolist()) == ([0, 0], [0, 0])  # it is at a half
    assert "g" not in units.closed


def test_a_gate_held_open_keeps_for_ever_and_one_held_shut_nothing() -> None:
    for bias, opened, closed, half_life in ((50.0, 1, 0, math.inf), (-50.0, 0, 1, 0.0)):
        with traced() as traces:
            open_lstm(bias)(torch.ones(5, 1, 1))
        units = unit_habits(traces)
        assert units.half_life is not None
        assert (units.open["f"].tolist(), units.closed["f"].tolist()) == ([opened] * 2, [closed] * 2)
        assert units.half_life.tolist() == pytest.approx([half_life] * 2, abs=0.02)


def test_saturated_units_and_norms() -> None:
    layer = recurra.nn.RNN(1, 1)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
        layer.weight_ih_l0.fill_(10.0)
    with traced() as traces:
        layer(torch.tensor([1.0, 0.0, -1.0, 1.0]).view(4, 1, 1))
    units = unit_habits(traces)
    assert units.saturated.tolist() == [0.75]
    assert units.norms.tolist() == pytest.approx([1, 0, 1, 1], abs=1e-6)
    assert units.half_life is None


def test_nothing_to_look_at_and_what_is_no_number() -> None:
    with traced() as traces:
        linear(0.5)(torch.ones(3, 1, 2), lengths=[0])
    with pytest.raises(DataError, match="no sequence has a step; give longer ones"):
        unit_habits(traces)
    with traced() as traces:
        linear(0.5)(torch.full((3, 1, 2), math.nan))
    with pytest.raises(DataError, match="a state is no number"):
        unit_habits(traces)
    with traced() as traces:
        output, _ = linear(0.5)(torch.ones(3, 1, 2))
    with pytest.raises(DataError, match="a gradient is no number"):
        gradient_by_lag(output.sum() * math.nan, traces[0])


def test_long_lags_are_beside_lag_0_of_the_sequences_that_have_them() -> None:
    """The loss hears the long sequence a thousand times as loud, which is no growth through time."""
    with traced() as traces:
        _, h_n = linear(0.5)(torch.ones(6, 2, 2), lengths=[6, 2])
    flow = gradient_by_lag((h_n[0] * torch.tensor([[1000.0], [1.0]])).sum(), traces[0])
    torch.testing.assert_close(flow.relative, (0.5 ** torch.arange(6)).double())
    assert flow.norms[0] == pytest.approx(math.sqrt(2) * 1001 / 2)


def test_a_cell_that_is_held_open_hands_its_gradient_on() -> None:
    """With the forget gate at 1 and W_hh = 0 what the loss tells c is the same at all steps before."""
    with traced() as traces:
        _, (h_n, _) = open_lstm(50.0)(torch.ones(9, 1, 1))
    flow = gradient_by_lag(h_n[0, 0, 1], traces[0])  # of the unit that nothing is written to: h = tanh(0) / 2
    torch.testing.assert_close(flow.relative, torch.tensor([1.0] + [0.5] * 8, dtype=torch.float64))
    assert flow.reach() is None


def test_a_loss_of_c_alone_is_followed() -> None:
    """Nothing stands between c and the c before but the forget gate, at 1 and at a half; h takes no part."""
    for bias, share in ((50.0, 1.0), (0.0, 0.5)):
        with traced() as traces:
            _, (_, c_n) = open_lstm(bias)(torch.ones(9, 2, 1), lengths=[9, 4])
        flow = gradient_by_lag(3 * c_n[0, :, 1].sum(), traces[0])
        torch.testing.assert_close(flow.relative, (share ** torch.arange(9)).double())
        assert flow.norms[0] == pytest.approx(3)
        assert flow.counts.tolist() == [2] * 4 + [1] * 5


def test_a_loss_of_h_and_c_is_followed_from_both() -> None:
    """Told 3 by h and 4 by c, which are 5 together; of h a half goes on by c, as above: 5.5 of 5."""
    with traced() as traces:
        _, (h_n, c_n) = open_lstm(50.0)(torch.ones(9, 1, 1))
    flow = gradient_by_lag(3 * h_n[0, 0, 1] + 4 * c_n[0, 0, 1], traces[0])
    assert flow.norms[0] == pytest.approx(5)
    torch.testing.assert_close(flow.relative, torch.tensor([1.0] + [1.1] * 8, dtype=torch.float64))


def test_flows_of_batches_are_joined_by_their_relative_norms() -> None:
    flows = []
    for steps, scale in ((9, 1.0), (4, 100.0)):
        with traced() as traces:
            _, h_n = linear(0.5)(torch.ones(steps, 2, 2))
        flows.append(gradient_by_lag(scale * h_n.sum(), traces[0]))
    flow = joined_flows(flows)
    torch.testing.assert_close(flow.relative, (0.5 ** torch.arange(9)).double())
    assert flow.norms[0] == pytest.approx(math.sqrt(2) * 101 / 2)
    assert flow.counts.tolist() == [4] * 4 + [2] * 5
    silent = joined_flows([gradient_by_lag(0 * h_n.sum(), traces[0])])
    assert (silent.norms.tolist(), silent.relative.tolist()) == ([0], [0])
