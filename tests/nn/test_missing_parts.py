"""Each option that torch's layers lack, on every cell, against a plain loop by hand over one sequence at a time."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch

from recurra.kernels import use_kernel
from recurra.nn import GRU, LSTM, RNN

CELLS: dict[str, tuple[Any, dict[str, Any]]] = {
    "rnn_tanh": (RNN, {"nonlinearity": "tanh"}),
    "rnn_relu": (RNN, {"nonlinearity": "relu"}),
    "lstm": (LSTM, {}),
    "gru": (GRU, {}),
}
NOISE = {
    "input_dropout": 0.3,
    "recurrent_dropout": 0.4,
    "output_dropout": 0.25,
    "weight_dropout": 0.5,
    "zoneout": 0.2,
}
ALL = {**NOISE, "layer_norm": True, "learn_initial_state": True, "connections": "highway"}
OPTIONS: list[dict[str, Any]] = [
    *({name: value} for name, value in ALL.items()),
    {"connections": "residual"},
    ALL,
    {**ALL, "connections": "residual", "bias": False},
    {"layer_norm": True, "connections": "highway", "bias": False},
    {**NOISE, "num_layers": 1},
]
OF_LSTM: list[dict[str, Any]] = [
    {"zoneout": (0.1, 0.6)},
    {"zoneout": (0.0, 0.5)},
    {**ALL, "proj_size": 2, "zoneout": (0.3, 0.5)},
    {"proj_size": 2, "recurrent_dropout": 0.5, "connections": "residual"},
]
CASES = [(cell, options) for options in OPTIONS for cell in CELLS] + [("lstm", options) for options in OF_LSTM]
LENGTHS = [4, 0, 6, 1]


def ids(value: Any) -> str:
    return value if isinstance(value, str) else ",".join(f"{name}={given}" for name, given in value.items())


def make(cell: str, width: int = 3, size: int = 4, dtype: torch.dtype = torch.float64, **options: Any) -> Any:
    """Two layers, both directions, all parameters random: none at a value that would hide its absence."""
    kind, own = CELLS[cell]
    layer = kind(width, size, dtype=dtype, **own, **{"num_layers": 2, "bidirectional": True, **options})
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_(std=0.7)
    return layer


def same(got: Any, expected: Any, tolerance: float = 1e-10) -> None:
    assert len(got) == len(expected)
    for g, e in zip(got, expected):
        torch.testing.assert_close(g, e, rtol=tolerance, atol=tolerance)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize(("cell", "options"), CASES, ids=ids)
def test_as_by_hand(by_hand, gradients, cell, options, training):
    layer = make(cell, **options).train(training)
    x = torch.randn(7, 4, 3, dtype=torch.float64, requires_grad=True)
    drawn, got = by_hand.record(layer, x, lengths=LENGTHS)
    expected = by_hand.run(layer, x, LENGTHS, drawn)
    same(got, expected)
    wanted = [x, *layer.parameters()]
    same(gradients(got, wanted), gradients(expected, wanted))


@pytest.mark.parametrize("cell", CELLS)
def test_as_by_hand_where_all_lengths_are_equal_and_a_state_is_given(by_hand, gradients, cell):
    layer = make(cell, **{**ALL, "learn_initial_state": False}, batch_first=True)
    x = torch.randn(4, 5, 3, dtype=torch.float64, requires_grad=True)
    drawn, got = by_hand.record(layer, x)
    expected = by_hand.run(layer, x.transpose(0, 1), [5] * 4, drawn)
    got = (got[0].transpose(0, 1), *got[1:])
    same(got, expected)
    same(gradients(got, [x, *layer.parameters()]), gradients(expected, [x, *layer.parameters()]))


@pytest.mark.parametrize("kernel", ["native", "packed", "reference"])
@pytest.mark.parametrize("cell", CELLS)
def test_every_kernel_gets_the_same_numbers(by_hand, gradients, cell, kernel):
    """In float32, by the kernel that is asked for or what it hands over to."""
    options = {"weight_dropout": 0.5, "learn_initial_state": True, "connections": "highway", "input_dropout": 0.3}
    in_the_loop = {"recurrent_dropout": 0.4, "zoneout": (0.2, 0.5) if cell == "lstm" else 0.2}
    for extra in ({}, in_the_loop, {**in_the_loop, "layer_norm": True}):
        layer = make(cell, dtype=torch.float32, **options, **extra)
        x = torch.randn(7, 4, 3, requires_grad=True)
        with use_kernel(kernel):
            drawn, got = by_hand.record(layer, x, lengths=LENGTHS)
            got_gradients = gradients(got, [x, *layer.parameters()])
        expected = by_hand.run(layer, x, LENGTHS, drawn)
        same(got, expected, 1e-5)
        same(got_gradients, gradients(expected, [x, *layer.parameters()]), 1e-4)


@pytest.mark.parametrize("cell", CELLS)
def test_a_sequence_of_length_zero_has_the_learnt_state(cell):
    layer = make(cell, learn_initial_state=True)
    _, state = layer(torch.randn(7, 4, 3, dtype=torch.float64), lengths=LENGTHS)
    final = state if isinstance(state, tuple) else (state,)
    for name, part in zip(("h_0", "c_0"), final):
        assert torch.equal(part[:, 1], getattr(layer, name))
    _, state = layer(torch.randn(0, 4, 3, dtype=torch.float64))
    for name, part in zip(("h_0", "c_0"), state if isinstance(state, tuple) else (state,)):
        assert torch.equal(part, getattr(layer, name).unsqueeze(1).expand_as(part))


@pytest.mark.parametrize("cell", CELLS)
def test_a_given_state_goes_before_the_learnt_one(cell):
    learning, plain = make(cell, learn_initial_state=True), make(cell)
    plain.load_state_dict({name: p for name, p in learning.state_dict().items() if name not in ("h_0", "c_0")})
    x = torch.randn(7, 4, 3, dtype=torch.float64)
    given = torch.randn(4, 4, 4, dtype=torch.float64)
    hx = (given, given + 1) if cell == "lstm" else given
    assert torch.equal(learning(x, hx)[0], plain(x, hx)[0])
    assert not torch.equal(learning(x)[0], plain(x)[0])


@pytest.mark.parametrize("cell", CELLS)
def test_evaluation_draws_nothing_and_drops_nothing(cell):
    noisy, plain = make(cell, **{**NOISE, "zoneout": 0.0}), make(cell)
    plain.load_state_dict(noisy.state_dict())
    x = torch.randn(7, 4, 3, dtype=torch.float64)
    before = torch.get_rng_state()
    assert torch.equal(noisy.eval()(x, lengths=LENGTHS)[0], plain(x, lengths=LENGTHS)[0])
    make_zoneout = make(cell, zoneout=0.5).eval()
    torch.set_rng_state(before)
    make_zoneout(x)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("cell", CELLS)
def test_alone_in_a_batch_or_padded_further_it_is_the_same(cell):
    layer = make(cell, **ALL).eval()
    x = torch.randn(7, 4, 3, dtype=torch.float64)
    output, state = layer(x, lengths=LENGTHS)
    h_n = state[0] if isinstance(state, tuple) else state
    further = torch.cat([x, torch.full((5, 4, 3), torch.nan, dtype=torch.float64)])
    order = [2, 1, 3, 0]
    again, state = layer(further[:, order], lengths=[LENGTHS[b] for b in order])
    same([again[:7][:, [3, 1, 0, 2]]], [output])
    assert again[7:].abs().sum() == 0
    same([(state[0] if isinstance(state, tuple) else state)[:, [3, 1, 0, 2]]], [h_n])
    for index, length in enumerate(LENGTHS):
        alone, state = layer(x[:length, index])
        same([alone], [output[:length, index]])
        same([state[0] if isinstance(state, tuple) else state], [h_n[:, index]])


@pytest.mark.parametrize("cell", CELLS)
def test_the_seed_decides_what_is_drawn(cell):
    layer, x = make(cell, **ALL), torch.randn(7, 4, 3, dtype=torch.float64)

    def seeded(seed: int) -> Any:
        torch.manual_seed(seed)
        return layer(x, lengths=LENGTHS)[0]

    assert torch.equal(seeded(1), seeded(1))
    assert not torch.equal(seeded(1), seeded(2))


@pytest.mark.parametrize("cell", CELLS)
def test_copied_pickled_and_saved_layers_compute_the_same(cell):
    layer, x = make(cell, **ALL).eval(), torch.randn(7, 4, 3, dtype=torch.float64)
    expected = layer(x, lengths=LENGTHS)[0]
    loaded = make(cell, **ALL).eval()
    loaded.load_state_dict(layer.state_dict())
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), loaded):
        other.flatten_parameters()
        assert torch.equal(other(x, lengths=LENGTHS)[0], expected)
        assert repr(other) == repr(layer)


@pytest.mark.parametrize("cell", CELLS)
def test_under_autocast(cell):
    options = {**ALL, "proj_size": 2} if cell == "lstm" else ALL
    layer, x = make(cell, dtype=torch.float32, **options), torch.randn(7, 4, 3)
    torch.manual_seed(1)
    exact, _ = layer(x, lengths=LENGTHS)
    with torch.autocast("cpu", torch.bfloat16):
        torch.manual_seed(1)
        output, _ = layer(x, lengths=LENGTHS)
    output.float().sum().backward()
    assert (output.float() - exact).norm() < 0.1 * exact.norm()


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("cell", CELLS)
def test_nothing_to_read(cell, training):
    layer = make(cell, **ALL).train(training)
    for shape, lengths in (((0, 2, 3), None), ((5, 0, 3), None), ((5, 0, 3), []), ((5, 2, 3), [0, 0])):
        output, state = layer(torch.randn(shape, dtype=torch.float64), lengths=lengths)
        h_n = state[0] if isinstance(state, tuple) else state
        assert torch.equal(output, torch.zeros(*shape[:2], 8, dtype=torch.float64))
        assert torch.equal(h_n, layer.h_0.unsqueeze(1).expand(4, shape[1], 4))
        (output.sum() + h_n.sum()).backward()


def test_second_derivatives_pass_through_every_option():
    torch.manual_seed(2)
    layer = make("lstm", 2, 2, **ALL)
    x = torch.randn(3, 2, 2, dtype=torch.float64, requires_grad=True)

    def output(x: Any) -> Any:
        torch.manual_seed(3)
        return layer(x, lengths=[3, 1])[0]

    assert torch.autograd.gradgradcheck(output, (x,))
