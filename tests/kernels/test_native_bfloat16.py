"""Products of bfloat16 in the compiled kernel: beside a plain loop that rounds the same numbers, and beside float64."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from recurra.kernels import explain, native, use_kernel
from recurra.kernels.cells import CELLS
from recurra.kernels.native import loader


def has_bfloat16() -> bool:
    library = loader.library()
    return library is not None and library.bfloat16


needs_bfloat16 = pytest.mark.skipif(not has_bfloat16(), reason="this processor or build has no products of bfloat16")
KINDS = ("rnn_tanh", "lstm", "gru")  # a relu network stays with float32
MANY = [7, 2, 5, 0, 7, 6, 3, 4, 4, 7, 2]


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def direction(bench: Any, cell: str, x: Tensor, weights: Sequence[Tensor], state: list[Tensor], backwards: bool) -> Any:
    """One sequence [T, I] through one direction of one layer: the outputs and the final state."""
    weight_ih, weight_hh, bias_ih, bias_hh = weights
    outputs: list[Any] = [None] * len(x)
    for t in reversed(range(len(x))) if backwards else range(len(x)):
        from_input = bench.rounded_product(x[t : t + 1], weight_ih) + bias_ih
        from_state = bench.rounded_product(state[0], weight_hh) + bias_hh
        state = list(CELLS[cell].step(from_input, from_state, tuple(state)))
        outputs[t] = state[0]
    return torch.cat(outputs) if outputs else x.new_zeros(0, weight_hh.shape[1]), state


def plain(bench: Any, layer: Any, x: Tensor, lengths: Sequence[int], state: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Each sequence alone through the layers, in float64."""
    outputs, finals = [], []
    for index, length in enumerate(lengths):
        data, final = x[:length, index], []
        for number in range(layer.num_layers):
            parts = []
            for way, end in enumerate(("", "_reverse")[: layer.num_directions]):
                names = [f"{name}_l{number}{end}" for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
                row = number * layer.num_directions + way
                own = [s[row, index : index + 1] for s in state]
                part, after = direction(bench, layer.cell, data, [getattr(layer, n) for n in names], own, way == 1)
                parts.append(part)
                final.append(after)
            data = torch.cat(parts, 1)
        outputs.append(torch.cat([data, data.new_zeros(len(x) - length, data.shape[1])]))
        finals.append([torch.cat(column) for column in zip(*final)])
    return torch.stack(outputs, 1), *(torch.stack(parts, 1) for parts in zip(*finals))


def run(bench: Any, layer: Any, x: Tensor, lengths: Any = None, state: Any = None) -> list[Tensor]:
    """Results and gradients of the native kernel under autocast."""
    with use_kernel("native"), torch.autocast("cpu", torch.bfloat16):
        results = bench.run(layer, x, state, lengths=lengths)
    wanted = [x, *(state or ()), *layer.parameters()]
    return [*results, *bench.gradients(results, wanted)]


def differences(bench: Any, kind: str, width: int, size: int, lengths: Sequence[int], **options: Any) -> list[float]:
    """Between the kernel and the plain loop, relative to the largest number of each result and gradient."""
    ours, theirs = bench.pair(kind, width, size, torch.float32, **options)
    x = bench.leaf(max(lengths) + 1, len(lengths), width, dtype=torch.float32)
    state = bench.state(theirs, len(lengths))
    got = run(bench, ours, x, lengths, state)
    ours = ours.double()
    x64, state64 = x.detach().double().requires_grad_(), [s.detach().double().requires_grad_() for s in state]
    expected = plain(bench, ours, x64, lengths, state64)
    gradients = bench.gradients(expected, [x64, *state64, *ours.parameters()])
    assert {result.dtype for result in got} == {torch.float32}
    pairs = [(g.detach(), e.detach()) for g, e in zip(got, [*expected, *gradients])]
    return [float((g - e).abs().max() / (e.abs().max() + 1e-30)) for g, e in pairs]


@needs_bfloat16
@pytest.mark.parametrize("both", [False, True], ids=["one-way", "both-ways"])
@pytest.mark.parametrize(
    ("width", "size", "lengths"),
    [(3, 1, [4]), (1, 17, [3, 6, 1, 6]), (5, 16, [2, 0, 5]), (7, 37, [1, 3, 0, 3, 2]), (601, 33, [2, 1])],
    ids=["one", "odd", "even", "many", "wide"],
)
def test_equals_a_plain_loop_that_rounds_what_enters_each_product(bench, kind, width, size, lengths, both):
    """No more than float32 lies between them, unless a number falls on the other side of a tie, as here none does."""
    assert max(differences(bench, kind, width, size, lengths, bidirectional=both)) < 1e-5


@needs_bfloat16
@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(
    kind=st.sampled_from(KINDS),
    lengths=st.lists(st.integers(0, 4), min_size=1, max_size=9),
    width=st.integers(1, 40),
    size=st.integers(1, 40),
    threads=st.integers(1, 3),
)
def test_any_shape(bench, kind, lengths, width, size, threads):
    """Where one number of many rounds to the other side, it moves what it reaches by a bfloat16's last place."""
    torch.set_num_threads(threads)
    assert max(differences(bench, kind, width, size, lengths)) < 2e-3


@needs_bfloat16
@pytest.mark.parametrize("size", [64, 250])
def test_stays_near_float64(bench, kind, size):
    """Within a hundredth, over 50 steps: the state itself is never rounded."""
    ours, theirs = bench.pair(kind, 30, size, num_layers=2, bidirectional=True)
    x, lengths = bench.leaf(50, 3, 30), [50, 20, 35]
    zero = tuple(torch.zeros(4, 3, size, dtype=torch.float64) for _ in range(2 if kind == "lstm" else 1))
    expected = bench.alone(theirs, x, lengths, zero)
    expected = [*expected, *bench.gradients(expected, [x, *theirs.parameters()])]
    got = run(bench, ours.float(), x.detach().float().requires_grad_(), lengths)
    for g, e in zip(got, expected):
        assert float(((g - e).norm() / e.norm()).detach()) < 0.01


@needs_bfloat16
def test_parameters_and_data_in_bfloat16(bench, kind):
    """The same as under autocast with these numbers in float32; only what comes out is rounded."""
    wide, _ = bench.pair(kind, 9, 21, torch.float32, bidirectional=True)
    ours = copy.deepcopy(wide).to(torch.bfloat16)
    wide.load_state_dict(ours.state_dict())
    x = bench.leaf(7, len(MANY), 9, dtype=torch.bfloat16)
    x32 = x.detach().float().requires_grad_()
    with use_kernel("native"):
        assert [choice.why for choice in explain(ours, x, MANY)] == ["forced, bfloat16 products"]
        results = bench.run(ours, x, lengths=MANY)
        with torch.autocast("cpu", torch.bfloat16):
            expected = bench.run(wide, x32, lengths=MANY)
    assert all(torch.equal(a, b.bfloat16()) for a, b in zip(results, expected))
    grad = torch.randn_like(results[0])
    gradients = torch.autograd.grad(results[0], [x, *ours.parameters()], grad)
    wanted = torch.autograd.grad(expected[0], [x32, *wide.parameters()], grad.float())
    assert {gradient.dtype for gradient in gradients} == {torch.bfloat16}
    assert all(torch.equal(a, b.bfloat16()) for a, b in zip(gradients, wanted))


@needs_bfloat16
def test_company_changes_no_bit(bench, kind):
    ours, _ = bench.pair(kind, 9, 35, torch.float32, num_layers=2, bidirectional=True)
    x = torch.randn(7, len(MANY), 9)
    with use_kernel("native"), torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        together, *_ = bench.run(ours, x, lengths=MANY)
        for index, length in enumerate(MANY):
            alone, *_ = bench.run(ours, x[:, index : index + 1], lengths=[length])
            assert torch.equal(alone[:, 0], together[:, index])


@needs_bfloat16
@pytest.mark.parametrize(
    ("size", "lengths"), [(40, [5, 1, 3, 0, 5, 2, 2]), (261, [6]), (260, [4, 1, 6])], ids=["rows", "units", "both"]
)
def test_threads_change_nothing(bench, kind, size, lengths):
    ours, _ = bench.pair(kind, 20, size, torch.float32, bidirectional=True)
    x = bench.leaf(6, len(lengths), 20, dtype=torch.float32)
    runs = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        runs.append(run(bench, ours, x, lengths))
    for other in runs[1:]:
        bench.same(other, runs[0])


@needs_bfloat16
@pytest.mark.parametrize("poison", [float("nan"), float("inf"), 3.4e38])
def test_poison_stays_in_its_own_sequence(bench, kind, poison):
    """The largest floats round to infinity."""
    ours, _ = bench.pair(kind, 3, 17, torch.float32, bidirectional=True)
    x, lengths = torch.randn(6, 9, 3), [6, 2, 4, 1, 6, 5, 3, 3, 6]
    with use_kernel("native"), torch.autocast("cpu", torch.bfloat16):
        clean = bench.run(ours, x, lengths=lengths)
        x[1, 4] = poison
        dirty = bench.run(ours, x, lengths=lengths)
    others = [index for index in range(9) if index != 4]
    for a, b in zip(clean, dirty):
        assert torch.equal(a[:, others], b[:, others])
        assert not torch.equal(a[:, 4], b[:, 4])
    if poison != poison:
        assert dirty[0][1, 4].isnan().all()


@needs_bfloat16
def test_inference_equals_training(bench, kind):
    ours, _ = bench.pair(kind, 4, 19, torch.float32, bidirectional=True)
    x = torch.randn(5, 3, 4)
    with use_kernel("native"), torch.autocast("cpu", torch.bfloat16):
        trained = bench.run(ours, x, lengths=[2, 5, 4])
        with torch.no_grad():
            plain = bench.run(ours, x, lengths=[2, 5, 4])
    assert all(torch.equal(a, b) for a, b in zip(trained, plain))


@needs_bfloat16
def test_said_without_being_forced(bench):
    layer, _ = bench.pair("gru", 3, 4, torch.float32)
    x = torch.randn(5, 2, 3)
    with torch.autocast("cpu", torch.bfloat16):
        (choice,) = explain(layer, x, [5, 2])
    assert choice == ("native", f"compiled for this processor ({native.variant()}), bfloat16 products")
    assert "bfloat16" not in explain(layer, x, [5, 2])[0].why.replace("avx512bf16", "")


@pytest.mark.skipif(native.variant() is None, reason="the native kernels were not built here")
@pytest.mark.parametrize("kind", ["rnn_relu", "lstm"])
def test_float32_products_where_bfloat16_does_not_serve(bench, kind, monkeypatch):
    """A relu network, and a library without such products: the same bits as in float32, and the reason is said."""
    if kind == "lstm":
        monkeypatch.setenv("RECURRA_NATIVE", "plain")
    said = {"rnn_relu": "a relu network loses its accuracy in bfloat16", "lstm": "plain has none of bfloat16"}[kind]
    layer, _ = bench.pair(kind, 3, 18, torch.float32)
    x = bench.leaf(5, 2, 3, dtype=torch.float32)
    with use_kernel("native"):
        expected = bench.run(layer, x, lengths=[5, 2])
        with torch.autocast("cpu", torch.bfloat16):
            (choice,) = explain(layer, x, [5, 2])
    got = run(bench, layer, x, [5, 2])
    assert choice == ("native", f"forced, float32 products: {said}")
    gradients = bench.gradients(expected, [x, *layer.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(got, [*expected, *gradients]))


@pytest.mark.skipif(native.variant() is None, reason="the native kernels were not built here")
def test_autocast_to_float16_stays_with_float32(bench):
    layer, _ = bench.pair("gru", 3, 4, torch.float32)
    with use_kernel("native"), torch.autocast("cpu", torch.float16):
        assert explain(layer, torch.randn(5, 2, 3)) == [("native", "forced")]
