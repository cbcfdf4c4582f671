"""What is seen of the plain loop: the gates and states of formulas done by hand, and gradients through time alone."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

import recurra
from recurra.kernels.trace import traced
from recurra.nn.encoder import make_recurrent

LENGTHS = [4, 6, 0, 1]


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn", "rnn_relu"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_layer_that_is_looked_at_gives_the_same(cell: str, bidirectional: bool) -> None:
    torch.manual_seed(0)
    layer = make_recurrent(cell, 3, 5, num_layers=2, bidirectional=bidirectional)
    batch = torch.randn(6, 4, 3)
    output, state = layer(batch, lengths=LENGTHS)
    with traced() as traces:
        seen, seen_state = layer(batch, lengths=LENGTHS)
    torch.testing.assert_close(seen, output)
    torch.testing.assert_close(seen_state, state)
    assert [trace.backwards for trace in traces] == [False, True] * 2 if bidirectional else [False] * 2
    names = ["weight_hh_l0", "weight_hh_l0_reverse", "weight_hh_l1", "weight_hh_l1_reverse"][
        :: 1 if bidirectional else 2
    ]
    assert all(trace.weights.weight_hh is getattr(layer, name) for trace, name in zip(traces, names, strict=True))


def test_the_gates_of_an_lstm_by_hand() -> None:
    layer = recurra.nn.LSTM(1, 1)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
        layer.bias_ih_l0.copy_(torch.tensor([0.0, 2.0, 1.0, -1.0]))
    with traced() as traces:
        layer(torch.zeros(3, 1, 1))
    i, f, g, o = 0.5, 1 / (1 + 2.718281828**-2), 0.7615941560, 1 / (1 + 2.718281828)
    c = 0.0
    for t in range(3):
        step = traces[0].steps[t]
        found = {name: gate.item() for name, gate in step.gates.items()}
        assert found == pytest.approx({"i": i, "f": f, "g": g, "o": o}, abs=1e-6)
        c = f * c + i * g
        assert step.after[1].item() == pytest.approx(c, abs=1e-6)


def test_the_gradient_through_time_is_the_eigenvalue_to_the_power_of_the_lag() -> None:
    """A rectified cell whose numbers are positive is linear: each unit's gradient falls by its own eigenvalue."""
    eigenvalues = torch.tensor([0.5, 1.0, 1.5])
    layer = recurra.nn.RNN(3, 3, nonlinearity="relu")
    with torch.no_grad():
        layer.weight_hh_l0.copy_(eigenvalues.diag())
        layer.weight_ih_l0.copy_(torch.eye(3))
        layer.bias_ih_l0.zero_()
        layer.bias_hh_l0.zero_()
    with traced() as traces:
        output, _ = layer(torch.ones(8, 1, 3))
    states = [traces[0].steps[t].after[0] for t in range(7)]
    gradients = torch.autograd.grad(output[7].sum(), states)
    for t, gradient in enumerate(gradients):
        torch.testing.assert_close(gradient[0], eigenvalues ** (7 - t))


def test_what_arrives_at_a_step_is_told_from_what_comes_through_time() -> None:
    torch.manual_seed(0)
    layer = recurra.nn.GRU(2, 3)
    with traced() as traces:
        output, _ = layer(torch.randn(5, 2, 2), lengths=[5, 3])
    steps = traces[0].steps
    said = torch.autograd.grad(
        output[2].sum(), [steps[t].said[0] for t in range(5)], retain_graph=True, allow_unused=True
    )
    assert [gradient is not None and bool(gradient.any()) for gradient in said] == [False, False, True, False, False]
    through = torch.autograd.grad(output[2].sum(), [steps[t].after[0] for t in range(3)], retain_graph=True)
    assert all(gradient.any() for gradient in through)
    for before, after in pairwise(steps[t] for t in range(3)):
        torch.testing.assert_close(after.before[0], before.after[0])
