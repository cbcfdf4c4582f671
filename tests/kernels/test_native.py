"""The compiled kernel: every variant beside torch.nn, threads, forks, strange values, and what it must refuse."""

from __future__ import annotations

import logging
import os
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

import recurra.nn
from recurra.errors import SettingsError, ShapeError
from recurra.kernels import Layout, explain, native, use_kernel
from recurra.kernels.native import loader

pytestmark = pytest.mark.skipif(native.variant() is None, reason="the native kernels were not built here")


@pytest.fixture
def pair(bench, kind):
    """A layer and torch's, in float32, of any size."""
    return lambda width, size, **options: bench.pair(kind, width, size, torch.float32, **options)


def leaf(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, requires_grad=True)


@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no-bias"])
@pytest.mark.parametrize("both", [False, True], ids=["one-way", "both-ways"])
@pytest.mark.parametrize(
    ("width", "size", "lengths"),
    [
        (3, 1, [4]),
        (1, 17, [3, 6, 1, 6]),
        (5, 16, [2, 0, 5]),
        (7, 50, [1, 3, 2, 0, 3, 5, 5, 2, 4, 1, 5, 5, 3, 2, 5, 1, 4]),
        (300, 33, [3, 2]),
    ],
    ids=["one", "odd", "even", "many", "wide"],
)
def test_equals_torch_on_each_sequence_alone(bench, variant, pair, width, size, lengths, both, bias):
    ours, theirs = pair(width, size, num_layers=2, bidirectional=both, bias=bias)
    x = leaf(max(lengths) + 1, len(lengths), width)
    assert {choice.kernel for choice in explain(ours, x, lengths)} == {"native"}
    bench.check(ours, theirs, x, lengths, bench.state(theirs, len(lengths)), "native")


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(
    kind=st.sampled_from(["rnn_tanh", "lstm", "gru"]),
    variant=st.sampled_from(loader.VARIANTS),
    lengths=st.lists(st.integers(0, 6), min_size=1, max_size=20),
    width=st.integers(1, 40),
    size=st.integers(1, 70),
    threads=st.integers(1, 3),
)
def test_any_shape(bench, kind, variant, lengths, width, size, threads):
    assume(bench.runs_here(variant))
    ours, theirs = bench.pair(kind, width, size, torch.float32)
    torch.set_num_threads(threads)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECURRA_NATIVE", variant)
        x = leaf(max(lengths), len(lengths), width)
        bench.check(ours, theirs, x, lengths, bench.state(theirs, len(lengths)), "native")


def everything(bench, layer, x, lengths, state=None):
    """Results and gradients in one list."""
    with use_kernel("native"):
        results = bench.run(layer, x, state, lengths=lengths)
        return [*results, *bench.gradients(results, [x, *layer.parameters()])]


@pytest.mark.parametrize(
    ("size", "lengths"), [(40, [5, 1, 3, 0, 5, 2, 2]), (260, [6]), (260, [4, 1, 6])], ids=["rows", "units", "both"]
)
def test_threads_change_nothing(bench, variant, pair, size, lengths):
    """Few sequences and many units: the threads divide the units, and wait for one another."""
    ours, _ = pair(20, size, bidirectional=True)
    x = leaf(6, len(lengths), 20)
    runs = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        runs.append(everything(bench, ours, x, lengths))
    assert all(torch.equal(a, b) for run in runs[1:] for a, b in zip(run[:-4], runs[0]))
    for run in runs[1:]:
        bench.same(run, runs[0])


def test_company_changes_no_bit(bench, variant, pair):
    """Every sum is taken in the same order, however the rows fall into tiles."""
    ours, _ = pair(9, 35, num_layers=2, bidirectional=True)
    lengths = [7, 2, 5, 1, 7, 6, 3, 4, 4, 7, 2]
    x = torch.randn(7, len(lengths), 9)
    with use_kernel("native"), torch.no_grad():
        together, *_ = bench.run(ours, x, lengths=lengths)
        for index, length in enumerate(lengths):
            alone, *_ = bench.run(ours, x[:length, index : index + 1])
            assert torch.equal(alone[:, 0], together[:length, index])


@pytest.mark.parametrize("poison", [float("nan"), float("inf"), -float("inf")])
def test_poison_stays_in_its_own_sequence(bench, variant, pair, poison):
    ours, theirs = pair(3, 18, bidirectional=True)
    x = torch.randn(6, 9, 3)
    with use_kernel("native"):
        clean = bench.run(ours, x, lengths=[6, 2, 4, 1, 6, 5, 3, 3, 6])
        x[1, 4] = poison
        dirty = bench.run(ours, x, lengths=[6, 2, 4, 1, 6, 5, 3, 3, 6])
    others = [index for index in range(9) if index != 4]
    for a, b in zip(clean, dirty):
        assert torch.equal(a[:, others], b[:, others])
    alone = bench.run(theirs, x[:, 4:5])
    for a, b in zip(dirty, alone):
        assert torch.equal(a[:, 4:5].isnan(), b.isnan())


@pytest.mark.parametrize("scale", [1e-20, 1e-4, 3.0, 100.0, 1e30])
def test_gates_small_and_saturated(variant, pair, kind, scale):
    """Beside double precision; near zero a tanh keeps its relative accuracy."""
    ours, theirs = pair(1, 16)
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.zero_()
        theirs.weight_ih_l0.normal_()
        ours.load_state_dict(theirs.state_dict())
        x = torch.randn(1, 50, 1) * scale
        with use_kernel("native"):
            got, _ = ours(x)
        expected, _ = theirs.double()(x.double())
    # a GRU takes 1 - z, which for z near 1 is as inexact as z
    torch.testing.assert_close(got.double(), expected, rtol=4e-6, atol=1e-7 if kind == "gru" else 1e-37)


def test_backward_given_columns_of_a_wider_gradient_or_one_number(bench, variant, pair):
    ours, theirs = pair(4, 18)
    x = leaf(5, 3, 4)
    with use_kernel("native"):
        output = bench.run(ours, x)[0]
    expected = bench.run(theirs, x)[0]
    for grad in (
        torch.randn(5, 3, 40)[..., 7:25],
        torch.ones(()).expand(5, 3, 18),
        torch.randn(18, 3, 5).permute(2, 1, 0),
    ):
        got = torch.autograd.grad(output, [x, *ours.parameters()], grad, retain_graph=True)
        bench.same(got, torch.autograd.grad(expected, [x, *theirs.parameters()], grad, retain_graph=True))


def test_weights_and_states_that_are_views(bench, variant, kind):
    """Transposed weights, as of a parametrization, and a state cut out of a larger tensor."""
    ours, theirs = bench.pair(kind, 6, 18, torch.float32)
    for name in ("weight_ih_l0", "weight_hh_l0"):
        setattr(ours, name, nn.Parameter(getattr(ours, name).detach().t().contiguous().t()))
    for name in ("bias_ih_l0", "bias_hh_l0"):
        setattr(ours, name, nn.Parameter(getattr(ours, name).detach().unsqueeze(1).repeat(1, 2)[:, 0]))
    state = tuple(torch.randn(1, 3, 40)[..., 2:20].requires_grad_() for _ in bench.state(theirs, 3))
    bench.check(ours, theirs, leaf(5, 3, 6), [2, 5, 4], state, "native")


def test_arguments_are_left_as_they_were(bench, variant, pair):
    ours, theirs = pair(4, 18)
    x, state = leaf(5, 3, 4), bench.state(theirs, 3)
    before = [tensor.detach().clone() for tensor in (x, *state, *ours.parameters())]
    first = everything(bench, ours, x, [2, 5, 4], state)
    again = everything(bench, ours, x, [2, 5, 4], state)
    assert all(torch.equal(a, b) for a, b in zip(first, again))
    assert all(torch.equal(a, b) for a, b in zip(before, (x, *state, *ours.parameters())))


def test_inference_equals_training(bench, variant, pair):
    ours, _ = pair(4, 18, bidirectional=True)
    x = torch.randn(5, 3, 4)
    with use_kernel("native"):
        trained = bench.run(ours, x, lengths=[2, 5, 4])
        with torch.no_grad():
            plain = bench.run(ours, x, lengths=[2, 5, 4])
        with torch.inference_mode():
            inferred = bench.run(ours, x, lengths=[2, 5, 4])
    assert all(torch.equal(a, b) and torch.equal(a, c) for a, b, c in zip(trained, plain, inferred))


def test_called_from_several_python_threads_at_once(bench, pair):
    ours, _ = pair(20, 70, bidirectional=True)
    batches = [(torch.randn(9, 7, 20), torch.randint(0, 10, (7,)).tolist()) for _ in range(8)]
    torch.set_num_threads(2)

    def run(batch):
        return everything(bench, ours, batch[0].clone().requires_grad_(), batch[1])

    expected = [run(batch) for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        for got, wanted in zip(pool.map(run, batches), expected):
            bench.same(got, wanted)


def test_forced_by_the_environment(bench, monkeypatch):
    monkeypatch.setenv("RECURRA_KERNEL", "native")
    layer, _ = bench.pair("gru", 3, 4, torch.float32)
    assert explain(layer, torch.randn(5, 2, 3)) == [("native", "forced")]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_fork_after_threads_were_used(bench, pair):
    ours, _ = pair(20, 260)
    x = torch.randn(6, 1, 20)
    torch.set_num_threads(2)
    with use_kernel("native"), torch.no_grad():
        expected, *_ = bench.run(ours, x)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                status = 0 if loader.threads() == 1 and torch.equal(bench.run(ours, x)[0], expected) else 2
            finally:
                os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_what_it_refuses_goes_elsewhere_and_is_said(bench):
    layer, _ = bench.pair("lstm", 3, 4)
    with use_kernel("native"):
        (choice,) = explain(layer, torch.randn(5, 2, 3, dtype=torch.float64), [5, 2])
    assert choice.kernel == "packed"
    assert "the native kernel was forced, but it computes in float32 or bfloat16, not in torch.float64" in choice.why
    projected, _ = bench.pair("lstm", 3, 4, proj_size=2)
    with use_kernel("native"):
        (choice,) = explain(projected, torch.randn(5, 2, 3, dtype=torch.float64))
    assert (choice.kernel, "packed: it has no projection" in choice.why) == ("library", True)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.half(), "float32 or bfloat16, not in torch.float16"),
        (lambda t: t.to("meta"), "on the CPU, not on meta"),
        (lambda t: t.to_sparse(), "plain dense tensors"),
    ],
    ids=["half", "meta", "sparse"],
)
def test_refusals(bench, change, said):
    layer, _ = bench.pair("gru", 3, 4, torch.float32)
    assert said in str(native.refusal("gru", change(torch.randn(5, 3)), [layer._weights("l0")], []))


def test_guards_before_the_pointers(bench):
    """Called past the layer, with tensors that do not belong together."""
    layer, _ = bench.pair("lstm", 3, 4, torch.float32)
    weights, layout, state = [layer._weights("l0")], Layout.full(5, 2), (torch.zeros(2, 4), torch.zeros(2, 4))
    data = torch.randn(10, 3)
    for bad, said in (
        ((data[:9], layout, weights, [state]), "9 tokens do not fit a layout of 10"),
        ((data, layout, weights, [(state[0], torch.zeros(2, 3))]), r"first_c: expected \(2, 4\)"),
        ((data, layout, weights, [(state[0], torch.zeros(1, 4))]), r"first_c: expected \(2, 4\)"),
        ((data, layout, weights, [(state[0].double(), state[1])]), "float64"),
        ((data[:, :2], layout, weights, [state]), "3 columns to multiply by, got 2"),
        ((data, layout, [weights[0]._replace(bias_ih=torch.zeros(1), bias_hh=torch.zeros(1))], [state]), "bias"),
        ((data, layout, [weights[0]._replace(weight_hh=torch.zeros(16, 5))], [state]), r"weight: expected \(20, 5\)"),
    ):
        with pytest.raises(ShapeError, match=said):
            native.layer("lstm", *bad)


def test_switched_off(bench, monkeypatch):
    monkeypatch.setenv("RECURRA_NATIVE", "none")
    layer, _ = bench.pair("gru", 3, 4, torch.float32)
    (choice,) = explain(layer, torch.randn(5, 2, 3))
    assert choice.kernel == "packed"
    assert "switched off by RECURRA_NATIVE" in choice.why


def test_unknown_variant(monkeypatch):
    monkeypatch.setenv("RECURRA_NATIVE", "avx1024")
    with pytest.raises(SettingsError, match="unknown variant 'avx1024'"):
        native.variant()


def test_not_built_is_said_once(monkeypatch, tmp_path, caplog, bench):
    monkeypatch.setattr(loader, "_FOLDER", tmp_path)
    loader._load.cache_clear()
    try:
        with caplog.at_level(logging.WARNING, "recurra"):
            layer, _ = bench.pair("gru", 3, 4, torch.float32)
            choices = [explain(layer, torch.randn(5, 2, 3))[0] for _ in range(3)]
    finally:
        loader._load.cache_clear()
    assert {choice.kernel for choice in choices} == {"packed"}
    assert "native: it is not built" in choices[0].why
    assert [record.message for record in caplog.records] == [
        "The native kernels were not built (no C++ compiler at install time); slower ones run instead."
    ]


def test_explain_names_every_layer_and_draws_no_numbers():
    layer = recurra.nn.LSTM(3, 4, num_layers=3, dropout=0.5)
    before = torch.get_rng_state()
    choices = explain(layer, torch.randn(4, 2, 3), [4, 1])
    assert [choice.kernel for choice in choices] == ["native"] * 3
    torch.randn(4, 2, 3)
    after = torch.get_rng_state()
    torch.set_rng_state(before)
    torch.randn(4, 2, 3), torch.randn(4, 2, 3)
    assert torch.equal(torch.get_rng_state(), after)


@pytest.mark.parametrize(
    ("kind", "size", "batch", "lengths", "trains", "kernel"),
    [
        ("lstm", 16, 8, None, False, "library"),
        ("lstm", 16, 8, None, True, "native"),
        ("lstm", 16, 7, None, False, "native"),
        ("lstm", 16, 8, [5] * 7 + [4], False, "native"),
        ("gru", 16, 8, None, False, "native"),
        ("lstm", 800, 8, None, False, "native"),
    ],
)
def test_full_lstms_go_to_onednn_where_no_gradient_is_wanted(bench, kind, size, batch, lengths, trains, kernel):
    layer, theirs = bench.pair(kind, 3, size, torch.float32)
    x = torch.randn(5, batch, 3)
    with torch.set_grad_enabled(trains):
        assert explain(layer, x, lengths)[0].kernel == kernel
        if lengths is None:
            bench.same(bench.run(layer, x), bench.run(theirs, x))
