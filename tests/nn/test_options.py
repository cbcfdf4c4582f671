"""The options beyond torch's: what they are refused with, how they are shown, and what the parameters start from."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
from torch import nn

from recurra.errors import SettingsError
from recurra.kernels import explain
from recurra.nn import GRU, LSTM, RNN
from recurra.nn.options import DEFAULTS, Extras

LAYERS = (RNN, LSTM, GRU)
STEPS_NEEDED = "chrono_steps: init='chrono' needs the longest range in steps, an integer of at least 3, got "


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def refused(kind: Any, **options: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        kind(3, **{"hidden_size": 4, **options})
    return str(caught.value)


@pytest.mark.parametrize("given", [-0.1, 1, 1.5, float("nan"), True, "0.5", None])
@pytest.mark.parametrize("name", ["input_dropout", "recurrent_dropout", "output_dropout", "weight_dropout", "zoneout"])
def test_shares_out_of_range(name, given):
    for kind in LAYERS:
        assert refused(kind, **{name: given}) == f"{name}: expected a number from 0 to less than 1, got {given!r}"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"recurent_dropout": 0.5},
            "unknown option 'recurent_dropout', did you mean 'recurrent_dropout'? (there are input_dropout, "
            "recurrent_dropout, output_dropout, weight_dropout, zoneout, layer_norm, forget_bias, chrono_steps, "
            "learn_initial_state, connections)",
        ),
        ({"layer_norm": 1}, "layer_norm: expected True or False, got 1"),
        ({"learn_initial_state": "yes"}, "learn_initial_state: expected True or False, got 'yes'"),
        (
            {"layer_norm": True, "hidden_size": 1},
            "layer_norm: a norm over one number is always zero; hidden_size must be at least 2",
        ),
        (
            {"connections": "dense", "num_layers": 2},
            "connections: expected 'residual', 'highway' or None, got 'dense'",
        ),
        (
            {"connections": "residual"},
            "connections: they are between layers, and there is only one; set num_layers to 2 or more",
        ),
        ({"chrono_steps": 9}, "chrono_steps: it has no effect with init='careful'; set init='chrono'"),
        ({"chrono_steps": 9, "init": "torch"}, "chrono_steps: it has no effect with init='torch'; set init='chrono'"),
    ],
)
@pytest.mark.parametrize("kind", LAYERS)
def test_refused_by_every_cell(kind, options, message):
    assert refused(kind, **options) == message


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (
            GRU,
            {"zoneout": (0.1, 0.2)},
            "zoneout: only an LSTM has a pair of states (h, c); expected one number, got (0.1, 0.2)",
        ),
        (LSTM, {"zoneout": (0.1,)}, "zoneout: expected a number or a pair for (h, c), got (0.1,)"),
        (LSTM, {"zoneout": (0.1, 1.0)}, "zoneout: expected a number from 0 to less than 1, got 1.0"),
        (GRU, {"forget_bias": 1.0}, "forget_bias: only an LSTM has a forget gate, and this layer's cell is gru"),
        (RNN, {"forget_bias": 1.0}, "forget_bias: only an LSTM has a forget gate, and this layer's cell is rnn_tanh"),
        (LSTM, {"forget_bias": "1"}, "forget_bias: expected a number, got '1'"),
        (LSTM, {"forget_bias": float("inf")}, "forget_bias: expected a number, got inf"),
        (
            LSTM,
            {"forget_bias": 1, "init": "chrono", "chrono_steps": 9},
            "forget_bias: init='chrono' draws the forget gate's bias; give one or the other",
        ),
        (LSTM, {"forget_bias": 1, "bias": False}, "forget_bias: without biases (bias=False) it has no effect"),
        (LSTM, {"init": "chrono"}, f"{STEPS_NEEDED}None"),
        (GRU, {"init": "chrono", "chrono_steps": 2}, f"{STEPS_NEEDED}2"),
        (GRU, {"init": "chrono", "chrono_steps": 9.0}, f"{STEPS_NEEDED}9.0"),
        (
            RNN,
            {"init": "chrono", "chrono_steps": 9},
            "init: 'chrono' draws the biases of gates, and a simple cell has none; use LSTM or GRU",
        ),
        (
            LSTM,
            {"init": "chrono", "chrono_steps": 9, "bias": False},
            "init: 'chrono' draws biases, and there are none (bias=False)",
        ),
    ],
)
def test_refused_by_one_cell(kind, options, message):
    assert refused(kind, **options) == message


@pytest.mark.parametrize("kind", LAYERS)
def test_shown_where_not_at_their_default(kind):
    options = {
        "input_dropout": 0.1,
        "recurrent_dropout": 0.2,
        "output_dropout": 0.3,
        "weight_dropout": 0.4,
        "zoneout": 0.5,
        "layer_norm": True,
        "learn_initial_state": True,
        "connections": "highway",
    }
    shown = "".join(f", {name}={value!r}" for name, value in options.items())
    assert repr(kind(3, 4, num_layers=2, **options)) == f"{kind.__name__}(3, 4, num_layers=2{shown})"


def test_shown_of_an_lstm():
    assert repr(LSTM(3, 4, zoneout=[0.1, 0], forget_bias=2)) == "LSTM(3, 4, zoneout=(0.1, 0.0), forget_bias=2)"
    assert repr(LSTM(3, 4, init="chrono", chrono_steps=9)) == "LSTM(3, 4, init='chrono', chrono_steps=9)"
    assert repr(LSTM(3, 4, zoneout=(0.0, 0.0))) == "LSTM(3, 4)"
    assert repr(LSTM(3, 4, init="torch")) == "LSTM(3, 4, init='torch')"


@pytest.mark.parametrize("kind", LAYERS)
def test_the_signature_names_every_option(kind):
    parameters = inspect.signature(kind).parameters
    assert {n: p.default for n, p in parameters.items() if p.kind is p.KEYWORD_ONLY} == DEFAULTS
    assert all(p.kind is not p.VAR_KEYWORD for p in parameters.values())
    assert list(Extras.__annotations__) == list(DEFAULTS)
    with pytest.raises(TypeError):
        kind(3, 4, *[1] * 20)


@pytest.mark.parametrize("init", ["careful", "torch"])
@pytest.mark.parametrize("kind", LAYERS)
def test_new_parameters_and_their_start(kind, init):
    layer = kind(
        3,
        5,
        num_layers=2,
        bidirectional=True,
        init=init,
        layer_norm=True,
        learn_initial_state=True,
        connections="highway",
    )
    theirs = getattr(nn, kind.__name__)(3, 5, num_layers=2, bidirectional=True)
    start = {name: p for name, p in layer.named_parameters() if name not in dict(theirs.named_parameters())}
    rows = layer.weight_hh_l0.shape[0]
    ends = ["l0", "l0_reverse", "l1", "l1_reverse"]
    expected = {f"gain_{part}_{end}": torch.ones(rows) for end in ends for part in ("ih", "hh")}
    expected |= {"bias_gate_l1": torch.full((10,), -1.0), "h_0": torch.zeros(4, 5)}
    if kind is LSTM:
        expected |= {f"gain_c_{end}": torch.ones(5) for end in ends} | {f"bias_c_{end}": torch.zeros(5) for end in ends}
        expected["c_0"] = torch.zeros(4, 5)
    gate = start.pop("weight_gate_l1")
    assert (gate.shape, gate.abs().max() <= (6 / 20) ** 0.5) == ((10, 10), True)
    assert gate.std() > 0.1
    assert start.keys() == expected.keys()
    assert all(torch.equal(start[name], value) for name, value in expected.items())


@pytest.mark.parametrize("kind", LAYERS)
def test_without_biases_there_is_none(kind):
    layer = kind(3, 4, num_layers=2, bias=False, layer_norm=True, connections="highway")
    assert not [name for name, _ in layer.named_parameters() if "bias" in name]


def test_the_learnt_state_has_the_size_of_the_projection():
    layer = LSTM(3, 5, proj_size=2, num_layers=2, bidirectional=True, learn_initial_state=True, connections="highway")
    assert (layer.h_0.shape, layer.c_0.shape, layer.weight_gate_l1.shape) == ((4, 2), (4, 5), (4, 4))


@pytest.mark.parametrize("init", ["careful", "torch"])
def test_forget_bias(init):
    layer = LSTM(3, 5, num_layers=2, bidirectional=True, forget_bias=-1.5, init=init)
    for end in ("l0", "l0_reverse", "l1", "l1_reverse"):
        total = layer.get_parameter(f"bias_ih_{end}") + layer.get_parameter(f"bias_hh_{end}")
        assert torch.equal(total[5:10], torch.full((5,), -1.5))
        assert (total[:5] == 0).all() if init == "careful" else (total[:5] != 0).all()
    assert (LSTM(3, 5, forget_bias=0).bias_ih_l0 == 0).all()


@pytest.mark.parametrize("kind", [LSTM, GRU])
def test_chrono_spreads_the_time_scales(kind):
    """With a gate at sigmoid(b), state decays over about 1 + exp(b) steps, which is uniform in 2..T_max."""
    size, steps = 1000, 101
    layer = kind(1, size, init="chrono", chrono_steps=steps, layer_norm=False)
    blocks = layer.bias_ih_l0.split(size)
    assert (layer.bias_hh_l0 == 0).all()
    scales = blocks[1].double().exp()  # of i, f, g, o the forget gate; of r, z, n the gate that keeps
    assert (scales.min() >= 1 - 1e-6, scales.max() <= steps - 1 + 1e-3) == (True, True)
    quarters = torch.tensor([0.25, 0.5, 0.75], dtype=torch.float64)
    torch.testing.assert_close(scales.quantile(quarters), 1 + quarters * (steps - 2), atol=6.0, rtol=0)
    assert torch.equal(blocks[0], -blocks[1] if kind is LSTM else torch.zeros(size))
    assert all((block == 0).all() for block in blocks[2:])


@pytest.mark.parametrize("kind", [LSTM, GRU])
def test_chrono_leaves_the_rest_careful_and_remembers_for_longer(kind):
    torch.manual_seed(1)
    careful = kind(3, 20, bidirectional=True)
    torch.manual_seed(1)
    chrono = kind(3, 20, bidirectional=True, init="chrono", chrono_steps=500)
    for name, parameter in careful.named_parameters():
        assert torch.equal(parameter, chrono.get_parameter(name)) != name.startswith("bias_ih"), name
    x, state = torch.zeros(100, 1, 3), torch.ones(2, 1, 20)
    hx = (torch.zeros(2, 1, 20), state) if kind is LSTM else state
    left = [layer(x, hx)[1][-1].abs().mean().item() for layer in (careful, chrono)]
    assert left[1] > 0.1 > 10 * left[0]


def test_initialisation_on_no_device():
    options = {"layer_norm": True, "learn_initial_state": True, "connections": "highway", "num_layers": 2}
    assert all(p.is_meta for p in LSTM(3, 4, device="meta", init="chrono", chrono_steps=9, **options).parameters())


def test_the_kernels_say_what_they_cannot_carry():
    x = torch.randn(5, 2, 3)
    (plain,) = explain(LSTM(3, 4, input_dropout=0.5, weight_dropout=0.5, learn_initial_state=True), x)
    assert plain.kernel != "reference"
    (normed,) = explain(LSTM(3, 4, layer_norm=True), x)
    assert normed.kernel == "reference"
    assert "it has no layer norm" in normed.why
