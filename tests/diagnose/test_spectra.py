"""Spectra and Lyapunov exponents of maps whose exponents are known."""

from __future__ import annotations

import math

import pytest
import torch

import recurra
from recurra.diagnose.spectra import lyapunov_exponents, measure_growth, recurrent_spectrum
from recurra.kernels.trace import traced


def linear(matrix: torch.Tensor, bidirectional: bool = False) -> recurra.nn.RNN:
    """A rectified cell whose numbers stay positive."""
    layer = recurra.nn.RNN(2, 2, nonlinearity="relu", bidirectional=bidirectional)
    with torch.no_grad():
        for name, parameter in layer.named_parameters():
            parameter.zero_()
            if name.startswith("weight"):
                parameter.copy_(matrix if "hh" in name else torch.eye(2))
    return layer


@pytest.mark.parametrize("bidirectional", [False, True])
def test_of_a_linear_map_they_are_the_logs_of_its_eigenvalues(bidirectional: bool) -> None:
    layer = linear(torch.tensor([[0.8, 0.4], [0.1, 0.5]]), bidirectional)  # 0.9 and 0.4
    with traced() as traces:
        layer(torch.ones(60, 3, 2), lengths=[60, 1, 57])
    for trace in traces:
        found = lyapunov_exponents([measure_growth(trace, 5)]).tolist()
        assert found == pytest.approx([math.log(0.9), math.log(0.4)], abs=1e-4)


def test_batches_count_by_their_steps() -> None:
    layer, traces = recurra.nn.RNN(1, 1), []
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
        layer.weight_hh_l0.fill_(0.5)
        layer.weight_ih_l0.fill_(1.0)
    for length, value in ((13, 0.0), (9, 1.0)):
        with traced() as recorded:
            layer(torch.full((length, 2, 1), value))
        traces += recorded
    h, logs = 0.0, []
    for _ in range(9):
        h = math.tanh(1.0 + 0.5 * h)
        logs.append(math.log((1 - h * h) * 0.5))
    # the last quarter of the steps, 3 of 13 and 2 of 9, settles the basis; the first step has no state before it
    wanted = (9 * math.log(0.5) + sum(logs[1:7])) / (9 + 6)
    assert lyapunov_exponents(list(map(measure_growth, traces))).tolist() == pytest.approx([wanted], abs=1e-5)


def test_of_an_lstm_whose_gate_holds_the_cell_it_is_the_log_of_the_gate() -> None:
    """With W_hh = 0 the cell decays by its forget gate alone, and h has no memory of its own."""
    layer = recurra.nn.LSTM(1, 1)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
        layer.bias_ih_l0[1] = math.log(9)
        layer.weight_ih_l0[2] = 1.0
    with traced() as traces:
        layer(torch.ones(40, 1, 1))
    found = lyapunov_exponents([measure_growth(traces[0])])
    assert found.tolist() == pytest.approx([math.log(0.9), math.log(1e-7)], abs=1e-5)


def test_they_add_up_to_the_log_of_the_determinant() -> None:
    """What a step of a gated cell does to volumes, whatever the basis; the last step only settles it."""
    torch.manual_seed(0)
    layer = recurra.nn.GRU(2, 3).double()
    with traced() as traces:
        layer(torch.randn(3, 1, 2, dtype=torch.float64))
    step = traces[0].steps[1]
    rows = [torch.autograd.grad(step.after[0][0, n], step.before[0], retain_graph=True)[0][0] for n in range(3)]
    found = lyapunov_exponents([measure_growth(traces[0], 3)])
    assert float(found.sum()) == pytest.approx(float(torch.linalg.slogdet(torch.stack(rows)).logabsdet), rel=1e-9)


def test_the_spectrum_beside_that_of_the_product_with_its_transpose() -> None:
    layer = recurra.nn.GRU(2, 4)
    with traced() as traces:
        layer(torch.ones(2, 1, 2))
    singular, moduli = recurrent_spectrum(traces[0])
    assert moduli is not None
    for block, values, sizes in zip(layer.weight_hh_l0.detach().double().split(4), singular, moduli, strict=True):
        torch.testing.assert_close(values, torch.linalg.eigvalsh(block.T @ block).clamp(min=0).sqrt().flip(0))
        assert float(sizes.prod()) == pytest.approx(abs(float(torch.linalg.det(block))))


def test_what_has_none() -> None:
    with traced() as traces:
        recurra.nn.LSTM(2, 4, proj_size=3)(torch.ones(1, 1, 2))
    singular, moduli = recurrent_spectrum(traces[0])
    assert (singular.shape, moduli) == ((4, 3), None)
    assert lyapunov_exponents([measure_growth(traces[0])]).tolist() == []
