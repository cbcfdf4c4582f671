"""An accelerated model under what looks into a model: torch.jit, torch.export, torch.compile, torch.func."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

import recurra
from recurra.kernels import explain


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def twins(module):
    other = copy.deepcopy(module)
    recurra.accelerate(other)
    return module, other


@pytest.mark.filterwarnings("ignore:.*is deprecated:DeprecationWarning", "ignore::torch.jit.TracerWarning")
def test_trace_script_and_export():
    model, x = nn.Sequential(nn.Linear(5, 5), nn.LSTM(5, 6)), torch.randn(7, 4, 5)
    expected = model(x)[0]
    recurra.accelerate(model)
    traced = torch.jit.trace(model, x)
    torch.testing.assert_close(traced(x)[0], expected)
    assert "aten::lstm" in str(traced.inlined_graph)
    with pytest.warns(UserWarning, match="torch.jit.script cannot compile recurra's forward"):
        scripted = torch.jit.script(model)
    torch.testing.assert_close(scripted(x)[0], expected)
    assert type(model[1]) is nn.LSTM
    with pytest.warns(UserWarning, match="accelerate swapped nothing"):
        report = recurra.accelerate(scripted)
    assert report.layers[0].why == "compiled by TorchScript, which holds torch's own kernel"


@pytest.mark.filterwarnings("ignore:The tensor attributes.*:UserWarning", "ignore::DeprecationWarning")
def test_exported():
    model, x = nn.Sequential(nn.Linear(5, 5), nn.GRU(5, 6)), torch.randn(7, 4, 5)
    expected = model(x)[0]
    recurra.accelerate(model)
    torch.testing.assert_close(torch.export.export(model, (x,)).module()(x)[0], expected)


def test_compiled(monkeypatch):
    monkeypatch.setenv("RECURRA_KERNEL", "native")
    plain, swapped = twins(nn.Sequential(nn.Linear(5, 5), nn.GRU(5, 6)))
    torch.compiler.reset()
    torch._dynamo.utils.counters.clear()
    compiled = torch.compile(swapped, backend="eager")
    for time in (7, 9, 4):
        x = torch.randn(time, 4, 5)
        torch.testing.assert_close(compiled(x), plain(x))
        compiled(x)[0].sum().backward()
        assert {choice.kernel for choice in explain(compiled, x)} <= {"native", "packed"}
    assert torch._dynamo.utils.counters["frames"]["total"] < 20  # some 200 where it compiles what the layer calls


def test_compiled_into_one_graph_as_torch_allows():
    plain, swapped = twins(nn.Sequential(nn.Linear(5, 5), nn.GRU(5, 6)))
    x = torch.randn(7, 4, 5)
    with torch._dynamo.config.patch(allow_rnn=True):
        compiled = torch.compile(swapped, backend="eager", fullgraph=True)
        torch.testing.assert_close(compiled(x)[0], plain(x)[0])


def test_vmap_and_gradients_of_each_sample():
    plain, swapped = twins(nn.GRU(5, 6))
    x = torch.randn(3, 20, 4, 5)
    each = torch.stack([plain(part)[0] for part in x])
    torch.testing.assert_close(torch.func.vmap(lambda part: swapped(part)[0])(x), each)
    weights = dict(swapped.named_parameters())

    def loss(parameters, part):
        return torch.func.functional_call(swapped, parameters, (part,))[0].square().sum()

    found = torch.func.vmap(torch.func.grad(loss), (None, 0))(weights, x)
    for part, gradient in zip(x, found["weight_hh_l0"]):
        plain.zero_grad()
        plain(part)[0].square().sum().backward()
        torch.testing.assert_close(gradient, plain.weight_hh_l0.grad)
