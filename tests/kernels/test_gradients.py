"""Gradients against finite differences, a second time, twice, and through states that depend on the weights."""

from __future__ import annotations

import pytest
import torch

from recurra.kernels import Layout, use_kernel
from recurra.kernels.cells import CELLS
from recurra.kernels.dispatch import run_layer
from recurra.kernels.weights import Weights

LENGTHS = torch.tensor([2, 3, 0, 1])


def arguments(cell: str, width: int = 2, size: int = 3, bias: bool = True, both: bool = True):
    """A flat list of leaves of float64, and a function of them that runs a layer by a kernel of that name."""
    layout, ends = Layout.from_lengths(LENGTHS), 2 if both else 1
    rows = CELLS[cell].gates * size
    shapes = [(rows, width), (rows, size), *([(rows,)] * 2 if bias else [])]
    shapes = [(layout.tokens, width), *(shapes + [(layout.batch, size)] * CELLS[cell].states) * ends]
    leaves = [torch.randn(*shape, dtype=torch.float64, requires_grad=True) for shape in shapes]

    def run(kernel: str, *values: torch.Tensor) -> tuple[torch.Tensor, ...]:
        data, rest = values[0], iter(values[1:])
        weights, states = [], []
        for _ in range(ends):
            weights.append(Weights(next(rest), next(rest), *((next(rest), next(rest)) if bias else (None, None))))
            states.append(tuple(next(rest) for _ in range(CELLS[cell].states)))
        with use_kernel(kernel):
            output, finals = run_layer(cell, data, layout, weights, states)
        return output, *(part for final in finals for part in final)

    return leaves, run


@pytest.mark.parametrize("bias", [True, False])
def test_first_derivative(kernel, kind, bias):
    leaves, run = arguments(kind, bias=bias)
    assert torch.autograd.gradcheck(lambda *values: run(kernel, *values), leaves, fast_mode=True)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kernel", ["reference", "packed"])
def test_second_derivative(kernel, kind, bias):
    leaves, run = arguments(kind, bias=bias, size=2)
    assert torch.autograd.gradgradcheck(lambda *values: run(kernel, *values), leaves, fast_mode=True)


def second(results, wanted):
    """Gradient of a gradient's square, through every path."""
    loss = sum(result.square().sum() for result in results)
    first = torch.autograd.grad(loss, wanted, create_graph=True)
    penalty = sum(gradient.square().sum() for gradient in first)
    return first + torch.autograd.grad(penalty, wanted)


@pytest.mark.parametrize("other", ["packed", "library"])
def test_second_derivative_is_the_reference_s(kind, other):
    leaves, run = arguments(kind)
    expected = second(run("reference", *leaves), leaves)
    for got, wanted in zip(second(run(other, *leaves), leaves), expected):
        torch.testing.assert_close(got, wanted, rtol=1e-9, atol=1e-9)


def test_second_derivative_through_a_carried_state_and_shared_weights(bench, kind):
    """The state and data that a layer gets depend on the same weights: no path may count twice."""
    layer, _ = bench.pair(kind, 3, 3)
    x = bench.leaf(6, 2, 3)

    def twice() -> tuple[torch.Tensor, ...]:
        begun, *state = bench.run(layer, x[:3], lengths=[3, 1])
        ended, *state = bench.run(layer, x[3:], state)
        again, *_ = bench.run(layer, ended)
        return begun, again, *state

    wanted = [x, *layer.parameters()]
    with use_kernel("reference"):
        expected = second(twice(), wanted)
    with use_kernel("packed"):
        got = second(twice(), wanted)
    bench.same(got, expected)


def test_backward_twice_gives_the_same(kernel, kind):
    leaves, run = arguments(kind)
    loss = sum((result * result).sum() for result in run(kernel, *leaves))
    once = torch.autograd.grad(loss, leaves, retain_graph=True)
    for first, again in zip(once, torch.autograd.grad(loss, leaves)):
        assert torch.equal(first, again)


def test_arguments_and_gradients_given_are_left_as_they_were(kind):
    leaves, run = arguments(kind)
    before = [leaf.detach().clone() for leaf in leaves]
    results = run("packed", *leaves)
    given = [torch.randn_like(result) for result in results]
    kept = [gradient.clone() for gradient in given]
    torch.autograd.grad(results, leaves, given)
    assert all(torch.equal(a, b) for a, b in zip([*leaves, *given], [*before, *kept]))


def test_no_gradient_is_kept_without_need(bench, kind, kernel):
    layer, _ = bench.pair(kind, 3, 4)
    with use_kernel(kernel), torch.no_grad():
        assert not any(result.requires_grad for result in bench.run(layer, bench.leaf(4, 2, 3), lengths=[2, 4]))


def test_only_the_state_s_gradient(bench, kind, kernel):
    """Nothing but one result and one input take part."""
    ours, theirs = bench.pair(kind, 3, 4)
    x, state = torch.randn(4, 2, 3, dtype=torch.float64), bench.state(theirs, 2)
    with use_kernel(kernel):
        got = bench.run(ours, x, state, lengths=[2, 4])[1]
    bench.same(
        torch.autograd.grad(got.sum(), state),
        torch.autograd.grad(bench.alone(theirs, x, [2, 4], state)[1].sum(), state),
    )


@pytest.mark.parametrize("frozen", ["bias_ih_l0", "bias_hh_l0", "weight_ih_l0", "weight_hh_l0"])
def test_one_frozen_parameter_leaves_the_gradients_of_the_others(bench, kernel, kind, frozen):
    ours, theirs = bench.pair(kind, 3, 4, torch.float32)
    x, lengths = torch.randn(5, 2, 3), [5, 3]
    for layer in (ours, theirs):
        getattr(layer, frozen).requires_grad_(False)
    with use_kernel(kernel):
        got = bench.run(ours, x, lengths=lengths)
    expected = bench.alone(theirs, x, lengths, [torch.zeros_like(s) for s in bench.state(theirs, 2)])
    moving = [name for name, _ in ours.named_parameters() if name != frozen]
    bench.same(
        bench.gradients(got, [getattr(ours, name) for name in moving]),
        bench.gradients(expected, [getattr(theirs, name) for name in moving]),
    )
