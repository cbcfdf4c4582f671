"""Streaming: what goes through the ordinary forward instead, and what is refused."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.autograd import forward_ad

import recurra.nn
from recurra.errors import SettingsError, ShapeError
from recurra.nn import streaming
from recurra.nn.options import DEFAULTS


def test_float64_goes_through_the_ordinary_forward(streams, kind):
    ours, theirs = streams.make(kind, 3, 9, num_layers=2, dtype=torch.float64)
    x = torch.randn(4, 2, 3, dtype=torch.float64)
    with torch.no_grad():
        streams.assert_same(streams.stream(ours, x), streams.whole(theirs, x), 1e-12)
        with pytest.raises(SettingsError, match=r"'int8' needs the native kernel, but .*float64; use 'float32'"):
            ours.step(x[0], None, "int8")


@torch.no_grad()
def test_without_the_native_kernels(streams, kind, monkeypatch):
    monkeypatch.setenv("RECURRA_NATIVE", "none")
    ours, theirs = streams.make(kind, 3, 9, num_layers=2)
    x = torch.randn(4, 2, 3)
    streams.assert_same(streams.stream(ours, x), streams.whole(theirs, x))
    with pytest.raises(SettingsError, match="'bfloat16' needs the native kernel, but it is switched off"):
        ours.step(x[0], None, "bfloat16")


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
def test_a_projection_goes_through_the_ordinary_forward(streams):
    ours, theirs = streams.make("lstm", 3, 9, num_layers=2, proj_size=4)
    x = torch.randn(4, 2, 3)
    streams.assert_same(streams.stream(ours, x), streams.whole(theirs, x))
    with pytest.raises(SettingsError, match=r"not weight_hr_l0, weight_hr_l1; use 'float32'"):
        ours.step(x[0], None, "int8")


def test_dropout_drops_in_training_and_not_in_evaluation(streams):
    ours, theirs = streams.make("gru", 3, 40, num_layers=2, dropout=0.5)
    x = torch.randn(3, 2, 3)
    torch.manual_seed(1)
    expected = streams.whole(theirs, x[:1])
    torch.manual_seed(1)
    got = ours.step(x[0])[0]
    assert not torch.allclose(got, ours.step(x[0])[0])
    assert got.shape == expected[0][0].shape
    with pytest.raises(SettingsError, match="the layer has dropout"):
        ours.step(x[0], None, "int8")
    streams.assert_same(streams.stream(ours.eval(), x), streams.whole(theirs.eval(), x))


def test_inputs_that_require_gradients_get_them(streams, kind):
    ours, theirs = streams.make(kind, 3, 9, num_layers=2)
    x = torch.randn(4, 2, 3, requires_grad=True)
    assert streams.stream(ours, x.detach())[0].grad_fn is None
    for results in (streams.stream(ours, x), streams.whole(theirs, x)):
        results[0].square().sum().backward()
    ours_grad = torch.autograd.grad(streams.stream(ours, x)[0].square().sum(), x)[0]
    streams.assert_same((ours_grad,), (torch.autograd.grad(streams.whole(theirs, x)[0].square().sum(), x)[0],))
    streams.assert_same([p.grad for p in ours.parameters()], [p.grad for p in theirs.parameters()])
    with pytest.raises(SettingsError, match="it has no gradients"):
        ours.step(x[0], None, "int8")
    with torch.no_grad():
        ours.step(x[0])
    state = streams.first_state(kind, 2, 2, 9)
    (streams.parts(state)[-1]).requires_grad_()
    assert ours.step(x[0].detach(), state)[0].requires_grad


def test_strange_tensors_give_the_right_answer(streams, kind):
    ours, theirs = streams.make(kind, 4, 18)
    wide, state = torch.randn(2, 9), streams.first_state(kind, 1, 2, 18)
    strided = tuple(part.transpose(0, 2).contiguous().transpose(0, 2) for part in streams.parts(state))
    strided = strided if len(strided) > 1 else strided[0]
    with torch.no_grad():
        for x in (wide[:, 1:5], wide[:, ::2][:, :4], torch.randn(4, 2).t(), torch.randn(4).expand(2, 4)):
            streams.assert_same((ours.step(x, strided)[0],), (theirs(x[None], state)[0][0],))
        narrow, one = streams.make(kind, 1, 18)
        negated = torch.tensor([[1 + 2j]]).conj().imag
        assert negated.is_neg()
        streams.assert_same((narrow.step(negated)[0],), (one(torch.tensor([[[-2.0]]]))[0][0],))
        assert ours.step(torch.empty(0, 4))[0].shape == (0, 18)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")  # torch's own, from forward_ad
def test_functional_calls_and_transforms(streams, kind):
    """A transform replaces tensors by its own, which have no memory to read."""
    ours, theirs = streams.make(kind, 4, 18)
    x = torch.randn(5, 2, 4)
    with torch.no_grad():
        streams.assert_same(
            (torch.vmap(lambda one: ours.step(one)[0])(x),),
            (streams.whole(theirs, x.reshape(1, 10, 4))[0].view(5, 2, 18),),
        )
        doubled = {name: 2 * parameter for name, parameter in theirs.named_parameters()}
        expected, _ = torch.func.functional_call(theirs, doubled, (x[:1],))
        ours.step(x[0])
        outputs = []

        class Stepping(nn.Module):
            def __init__(self):
                super().__init__()
                self.layer = ours

            def forward(self, x_t):
                return self.layer.step(x_t)[0]

        named = {f"layer.{name}": value for name, value in doubled.items()}
        outputs.append(torch.func.functional_call(Stepping(), named, (x[0],)))
        streams.assert_same(outputs, expected)
        streams.assert_same((ours.step(x[0])[0],), streams.whole(theirs, x[:1])[0])
    with forward_ad.dual_level(), torch.no_grad():
        dual = forward_ad.make_dual(x[0], x[1])
        with pytest.raises(SettingsError, match="no gradients"):
            ours.step(dual, None, "int8")


@torch.no_grad()
def test_compiled_code_may_step(streams):
    ours, theirs = streams.make("lstm", 4, 18)
    x = torch.randn(3, 2, 4)
    for precision, tolerance in (("float32", 1e-5), ("int8", 1e-2)):
        compiled = torch.compile(lambda x, state, p=precision: ours.step(2 * x, state, p), backend="eager")
        state = None
        for x_t in x:
            output, state = compiled(x_t, state)
        streams.assert_same((output,), (streams.whole(theirs, 2 * x)[0][-1],), tolerance)


@torch.no_grad()
@pytest.mark.parametrize(
    "options",
    [
        {"zoneout": 0.1},
        {"layer_norm": True},
        {"connections": "residual"},
        {"connections": "highway"},
        {"learn_initial_state": True},
        {"input_dropout": 0.5},
        {"weight_dropout": 0.5},
        {"forget_bias": 2.0},
        {"init": "chrono", "chrono_steps": 9},
    ],
)
def test_what_torch_has_not_steps_as_the_whole_does(streams, options):
    layer = recurra.nn.LSTM(3, 18, num_layers=2, **options).eval()
    if layer.learn_initial_state:
        layer.h_0.normal_()
        layer.c_0.normal_()
    for x in (torch.randn(4, 2, 3), torch.randn(4, 3)):
        streams.assert_same(streams.stream(layer, x), streams.whole(layer, x))


def test_every_option_is_known_to_streaming():
    """A new option that steps know nothing of would be left out in silence."""
    without_effect = {"forget_bias", "chrono_steps", "learn_initial_state", "layer_norm"}  # or seen in the parameters
    assert {*streaming._ALWAYS, *streaming._IN_TRAINING} | without_effect == {*DEFAULTS, "dropout"}


@torch.no_grad()
def test_an_option_that_is_changed_later_counts(streams):
    layer = recurra.nn.LSTM(3, 18, num_layers=2).eval()
    x = torch.randn(4, 2, 3)
    before = streams.stream(layer, x)
    layer.zoneout = 0.4
    after = streams.stream(layer, x)
    assert (before[0] - after[0]).abs().max() > 1e-3
    streams.assert_same(after, streams.whole(layer, x))


@torch.inference_mode()
def test_inference_mode(streams, kind):
    ours, theirs = streams.make(kind, 4, 18)  # parameters that do not tell of their changes
    x = torch.randn(3, 2, 4)
    streams.assert_same(streams.stream(ours, x), streams.whole(theirs, x))
    ours.weight_hh_l0.zero_()
    theirs.weight_hh_l0.zero_()
    streams.assert_same(streams.stream(ours, x), streams.whole(theirs, x))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda layer: layer.step(torch.randn(2, 5)), r"expected a last dimension of 4 \(input_size\), got 5"),
        (
            lambda layer: layer.step(torch.randn(3, 2, 4)),
            r"x_t: expected a tensor \[B, I\] or \[I\], one time",
        ),
        (lambda layer: layer.step(torch.randn(())), r"x_t: expected a tensor .*, one time step, got \(\)"),
        (lambda layer: layer.step(torch.randn(2, 4).double()), "expected torch.float32 as the parameters are"),
        (lambda layer: layer.step(torch.randn(2, 4).long()), "expected torch.float32 as the parameters are"),
        (lambda layer: layer.step(torch.randn(2, 4), (torch.zeros(1, 2, 9),) * 2), r"h_0: expected \(1, 2, 18\)"),
        (lambda layer: layer.step(torch.randn(2, 4), (torch.zeros(1, 3, 18),) * 2), r"h_0: expected \(1, 2, 18\)"),
        (
            lambda layer: layer.step(torch.randn(2, 4), (torch.zeros(1, 2, 18), torch.zeros(2, 2, 18))),
            r"c_0: expected \(1, 2, 18\)",
        ),
        (lambda layer: layer.step(torch.randn(2, 4), (torch.zeros(1, 2, 18), None)), "c_0: expected a tensor"),
        (lambda layer: layer.step(torch.randn(2, 4), torch.zeros(1, 2, 18)), "state: expected h and c, got 1 tensors"),
        (lambda layer: layer.step([1.0] * 4), "x_t: expected a tensor .* got list"),
    ],
)
def test_what_does_not_fit_is_an_error(streams, call, said):
    layer, _ = streams.make("lstm", 4, 18)
    with pytest.raises(ShapeError, match=said):
        call(layer)


def test_settings_that_make_no_sense(streams):
    layer, _ = streams.make("gru", 4, 18)
    with pytest.raises(SettingsError, match="precision: expected one of float32, bfloat16, int8, got 'int4'"):
        layer.step(torch.randn(4), None, "int4")
    with pytest.raises(ShapeError, match="state: expected h, got 2 tensors"):
        layer.step(torch.randn(4), (torch.zeros(1, 18), torch.zeros(1, 18)))
    both, _ = streams.make("gru", 4, 18, bidirectional=True)
    with pytest.raises(SettingsError, match="a bidirectional layer reads from the end, which a stream has not reached"):
        both.step(torch.randn(4))
