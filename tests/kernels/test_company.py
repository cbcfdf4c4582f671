"""The layers among torch's other machinery: autocast, half precision, torch.func, checkpoints, parametrizations."""

from __future__ import annotations

import copy
import io
import warnings

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from recurra.kernels import Layout, choose, use_kernel
from recurra.kernels.weights import Weights

LENGTHS = [2, 5, 0, 3]


@pytest.fixture
def layer(bench, kind):
    """A layer of two layers and two directions in float64."""
    return bench.pair(kind, 4, 6, num_layers=2, bidirectional=True)[0]


@pytest.mark.parametrize("kernel", ["packed"])  # the native one: test_native_bfloat16.py
@pytest.mark.parametrize("lengths", [None, LENGTHS])
def test_autocast_leaves_the_recurrence_in_float32(bench, kernel, kind, lengths):
    ours, _ = bench.pair(kind, 4, 6, torch.float32, num_layers=2, bidirectional=True)
    x = bench.leaf(5, 4, 4, dtype=torch.float32)
    state = [torch.randn(4, 4, 6) for _ in range(2 if kind == "lstm" else 1)]
    with use_kernel(kernel):
        expected = bench.run(ours, x, state, lengths=lengths)
        expected_gradients = bench.gradients(expected, [x, *ours.parameters()])
    with use_kernel(kernel), torch.autocast("cpu", torch.bfloat16):
        got = bench.run(ours, x, state, lengths=lengths)
        gradients = bench.gradients(got, [x, *ours.parameters()])
    assert {result.dtype for result in got} == {torch.float32}
    assert all(torch.equal(a, b) for a, b in zip(got, expected))
    bench.same(gradients, expected_gradients)


def relative(got: torch.Tensor, expected: torch.Tensor) -> float:
    return float((got.double() - expected).norm().detach() / expected.norm().detach())


@pytest.mark.parametrize("lengths", [None, LENGTHS])
def test_autocast_after_a_layer_that_gives_bfloat16(bench, kernel, kind, lengths):
    """A linear layer under autocast hands on bfloat16; outputs and gradients stay within its precision (1/256)."""
    ours, theirs = bench.pair(kind, 4, 6)
    before, x = nn.Linear(4, 4).double(), torch.randn(5, 4, 4, dtype=torch.float64)
    state = [x.new_zeros(1, 4, 6) for _ in range(2 if kind == "lstm" else 1)]
    expected, *_ = bench.alone(theirs, before(x), lengths or [5] * 4, state)
    wanted = torch.autograd.grad(expected.square().sum(), [before.weight, theirs.weight_hh_l0])
    ours, before, x = ours.float(), before.float(), x.float()
    with use_kernel(kernel), torch.autocast("cpu", torch.bfloat16):
        got, *_ = bench.run(ours, before(x), lengths=lengths)
        gradients = torch.autograd.grad(got.float().square().sum(), [before.weight, ours.weight_hh_l0])
    assert relative(got, expected) < 0.03
    assert all(relative(g, w) < 0.03 for g, w in zip(gradients, wanted))
    assert all(gradient.dtype == torch.float32 for gradient in gradients)


def test_second_derivative_under_autocast_after_a_layer_that_gives_bfloat16(bench, kernel, kind):
    ours, _ = bench.pair(kind, 4, 6, torch.float32)
    before, x = nn.Linear(4, 4), bench.leaf(5, 4, 4, dtype=torch.float32)
    wanted = [x, before.weight, *ours.parameters()]

    def twice():
        output, *_ = bench.run(ours, before(x), lengths=LENGTHS)
        (gradient,) = torch.autograd.grad(output.square().sum(), x, create_graph=True)
        return torch.autograd.grad(gradient.square().sum(), wanted, materialize_grads=True)

    with use_kernel("reference"):
        expected = twice()
    with use_kernel("native" if kernel == "library" else kernel), torch.autocast("cpu", torch.bfloat16):
        got = twice()
    assert all(relative(g, e) < 0.05 for g, e in zip(got, expected) if e.any())


@pytest.mark.parametrize(("dtype", "allowed"), [(torch.float16, 0.004), (torch.bfloat16, 0.03)])
def test_half_precision(bench, kernel, kind, dtype, allowed):
    ours, _ = bench.pair(kind, 4, 6)
    x = bench.leaf(5, 4, 4)
    expected, *_ = bench.run(ours, x, lengths=LENGTHS)
    (wanted,) = torch.autograd.grad(expected.sum(), ours.weight_hh_l0)
    ours.to(dtype)
    with use_kernel(kernel):
        got, *_ = bench.run(ours, x.to(dtype), lengths=LENGTHS)
    (gradient,) = torch.autograd.grad(got.sum(), ours.weight_hh_l0)
    assert got.dtype == gradient.dtype == dtype
    assert relative(got, expected) < allowed
    assert relative(gradient, wanted) < allowed


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")  # torch's own forward mode
def test_torch_func_gradient_and_hessian(bench, layer):
    x, parameters = torch.randn(5, 2, 4, dtype=torch.float64), dict(layer.named_parameters())

    def loss(values: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(layer, values, (x,), {"lengths": [3, 5]})[0].square().sum()

    gradients = torch.func.grad(loss)(parameters, x)
    expected = torch.autograd.grad(loss(parameters, x), [*parameters.values()])
    bench.same([gradients[name] for name in parameters], expected)
    hessian = torch.func.hessian(loss, argnums=1)(parameters, x)  # forward over reverse
    bench.same([hessian], [torch.autograd.functional.hessian(lambda x: loss(parameters, x), x)])


def test_vmap_over_batches(bench, layer):
    several = torch.randn(3, 5, 4, 4, dtype=torch.float64)
    got = torch.vmap(lambda x: layer(x, lengths=LENGTHS)[0])(several)
    bench.same([got], [torch.stack([layer(x, lengths=LENGTHS)[0] for x in several])])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_for_several_outputs_at_once(bench, kernel, kind, dtype):
    layer, _ = bench.pair(kind, 4, 6, dtype, bidirectional=True)
    x = bench.leaf(5, 4, 4, dtype=dtype)
    with use_kernel("native" if kernel == "library" else kernel):
        output, *_ = bench.run(layer, x, lengths=LENGTHS)
    wanted, grads = [x, *layer.parameters()], torch.randn(3, *output.shape, dtype=dtype)
    got = torch.autograd.grad(output, wanted, grads, is_grads_batched=True, retain_graph=True)
    single = [torch.autograd.grad(output, wanted, grad, retain_graph=True) for grad in grads]
    bench.same(got, [torch.stack(parts) for parts in zip(*single)])


def test_a_forced_kernel_inside_torch_func(bench, kernel, layer):
    x, parameters = torch.randn(5, 4, 4, dtype=torch.float64), dict(layer.named_parameters())

    def loss(values):
        return torch.func.functional_call(layer, values, (x,))[0].square().sum()

    with use_kernel(kernel):
        got = torch.func.grad(loss)(parameters)
    bench.same([*got.values()], torch.autograd.grad(loss(parameters), [*parameters.values()]))


def test_choice_inside_torch_func_is_said():
    chosen = []

    def look(x: torch.Tensor) -> torch.Tensor:
        chosen.append(choose("gru", x, Layout.full(2, 1), [Weights(torch.zeros(3, 1), torch.zeros(3, 1), None, None)]))
        return x.sum()

    torch.func.grad(look)(torch.ones(2, 1))
    look(torch.ones(2, 1))
    assert chosen[0].kernel == "reference"
    assert "torch.func" in chosen[0].why
    assert chosen[1].kernel != "reference"


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpoint(bench, kernel, layer, reentrant):
    x = bench.leaf(5, 4, 4)
    with use_kernel(kernel):
        got = checkpoint(lambda x: layer(x, lengths=LENGTHS)[0], x, use_reentrant=reentrant)
        got.square().sum().backward()
        expected = torch.autograd.grad(layer(x, lengths=LENGTHS)[0].square().sum(), x)
    bench.same([x.grad], expected)


def test_weight_norm(bench, layer):
    """A parametrized weight is computed anew at each call, and the gradient reaches what it is made of."""
    normed = nn.utils.parametrizations.weight_norm(copy.deepcopy(layer), "weight_hh_l0")
    parts = normed.parametrizations.weight_hh_l0
    with torch.no_grad():
        parts.original0.mul_(2)
        layer.weight_hh_l0.mul_(2)
    x = bench.leaf(5, 4, 4)
    got, expected = (net(x, lengths=LENGTHS)[0] for net in (normed, layer))
    bench.same([got], [expected])
    by_weight = torch.autograd.grad(expected.sum(), layer.weight_hh_l0)[0]
    by_scale = (by_weight * layer.weight_hh_l0 / parts.original0).sum(1, keepdim=True)  # w = scale * direction
    bench.same(torch.autograd.grad(got.sum(), parts.original0), [by_scale])


def test_copied_saved_and_read_again(bench, layer):
    x = torch.randn(5, 4, 4, dtype=torch.float64)
    file = io.BytesIO()
    torch.save(layer.state_dict(), file)
    file.seek(0)
    twin = copy.deepcopy(layer)
    assert torch.equal(twin(x, lengths=LENGTHS)[0], layer(x, lengths=LENGTHS)[0])
    twin.reset_parameters()
    assert not torch.equal(twin(x, lengths=LENGTHS)[0], layer(x, lengths=LENGTHS)[0])
    twin.load_state_dict(torch.load(file))
    assert torch.equal(twin(x, lengths=LENGTHS)[0], layer(x, lengths=LENGTHS)[0])


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:The .grad attribute of a Tensor")  # torch's own
def test_float64_that_no_operator_can_run(bench):
    layer = bench.layer("lstm", 4, 6, zoneout=0.3).eval()
    x, lengths = torch.randn(5, 2, 4, dtype=torch.float64), torch.tensor([5, 2])
    torch._dynamo.reset()
    got = bench.run(torch.compile(layer, backend="eager"), x, lengths=lengths)
    bench.same(got, bench.run(layer, x, lengths=lengths))


def test_compile_breaks_its_graph_and_goes_on(bench, layer):
    """Ever new lengths, beyond the number of recompilations that torch allows before it gives up."""
    compiled = torch.compile(layer, backend="eager")
    x = bench.leaf(12, 2, 4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for length in range(1, 13):
            got, expected = (net(x, lengths=torch.tensor([length, 7]))[0] for net in (compiled, layer))
            bench.same([got], [expected])
            bench.same(torch.autograd.grad(got.sum(), x), torch.autograd.grad(expected.sum(), x))
