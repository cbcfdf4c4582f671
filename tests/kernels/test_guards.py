"""What must not reach a pointer: tensors without memory, defaults of torch that were changed, tensors left out."""

from __future__ import annotations

import pytest
import torch

from recurra.errors import ShapeError
from recurra.kernels import native, use_kernel
from recurra.kernels.native import loader


@pytest.fixture
def pair(bench, kind):
    return bench.pair(kind, 3, 18, torch.float32, num_layers=2, bidirectional=True)


@pytest.mark.parametrize("kernel", ["native", "packed"])
def test_zeros_without_memory(bench, kind, pair, kernel):
    """Torch keeps a tensor of zeros that it made itself without any memory."""
    ours, theirs = pair
    zeros = torch._efficientzerotensor
    x, state = torch.randn(4, 2, 3), [torch.zeros(4, 2, 18) for _ in bench.state(theirs, 2)]
    with use_kernel(kernel):
        got = bench.run(ours, zeros(4, 2, 3), lengths=[2, 4])
        bench.same(bench.run(ours, x, [zeros(4, 2, 18) for _ in state]), bench.run(theirs, x, state))
        bench.same(got, bench.run(ours, torch.zeros(4, 2, 3), lengths=[2, 4]))
        output = bench.run(ours, x.requires_grad_())[0]
        (gradient,) = torch.autograd.grad(output, x, zeros(*output.shape))
    assert not gradient.any()


@torch.no_grad()
@pytest.mark.parametrize("kernel", ["native", "packed", "library"])
def test_the_default_device_is_another(bench, pair, kernel):
    ours, theirs = pair
    x, lengths = torch.randn(4, 3, 3), [2, 4, 0]
    expected = bench.alone(theirs, x, lengths, [torch.zeros(4, 3, 18) for _ in bench.state(theirs, 3)])
    with torch.device("meta"), use_kernel(kernel):
        got = bench.run(ours, x, lengths=lengths)
    bench.same(got, expected)


@torch.no_grad()
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "int8"])
def test_a_step_while_the_default_device_is_another(bench, kind, precision):
    if native.variant() is None and precision != "float32":
        pytest.skip("the native kernels were not built here")
    ours, theirs = bench.pair(kind, 3, 18, torch.float32)
    x = torch.randn(2, 3)
    with torch.device("meta"):
        output, _ = ours.step(x, precision=precision)
    expected = theirs(x.unsqueeze(0))[0].squeeze(0)
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-6 if precision == "float32" else 0.02)


def test_the_default_type_is_another(bench, kind, pair):
    ours, _ = pair
    x = torch.randn(4, 2, 3)

    def run():
        with torch.autocast("cpu", torch.bfloat16), use_kernel("native"):
            results = bench.run(ours, x, lengths=[2, 4])
        return [*results, *bench.gradients(results, list(ours.parameters()))]

    expected = run()
    torch.set_default_dtype(torch.float64)
    try:
        got = run()
    finally:
        torch.set_default_dtype(torch.float32)
    assert [result.dtype for result in got] == [result.dtype for result in expected]


@pytest.mark.skipif(native.variant() is None, reason="the native kernels were not built here")
@pytest.mark.parametrize("change", [lambda kept: kept[:-1], lambda kept: [part[:, 1:] for part in kept]])
@pytest.mark.parametrize(("cell", "gates"), [("lstm", 4), ("gru", 3)])
def test_what_was_kept_for_the_way_back_must_be_whole(cell, gates, change):
    weights = [torch.randn(gates * 18, 3), torch.randn(gates * 18, 18)]
    states = [torch.zeros(2, 18)] * (2 if cell == "lstm" else 1)
    given = cell, False, torch.randn(4, 2, 3), torch.tensor([2, 4]), [0, 1], weights, states, [], []
    results = torch.ops.recurra.layer(*given, True)
    grads, (output, *kept) = results[: 1 + len(states)], results[1 + len(states) :]
    with pytest.raises(ShapeError, match="expected"):
        torch.ops.recurra.layer_backward(*given, [output, *change(kept[:2])], grads)


def test_a_library_of_another_machine_is_passed_over(tmp_path, monkeypatch):
    monkeypatch.setattr(loader, "_FOLDER", tmp_path)
    assert loader._usable() == []
    (tmp_path / "plain.so").write_bytes(b"of another machine")
    assert loader._usable() == []
