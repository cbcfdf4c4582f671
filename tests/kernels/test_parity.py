"""Outputs, states and every gradient equal torch.nn's with the same weights, whatever kernel runs."""

from __future__ import annotations

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from recurra.kernels import use_kernel


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize(("width", "size", "lengths"), [(3, 1, [4]), (5, 17, [3, 6, 1, 6])], ids=["one", "odd"])
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no-bias"])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("both", [False, True], ids=["one-way", "both-ways"])
def test_equals_torch_on_each_sequence_alone(bench, kernel, kind, both, layers, bias, width, size, lengths, dtype):
    options = {"num_layers": layers, "bias": bias, "bidirectional": both}
    ours, theirs = bench.pair(kind, width, size, dtype, **options)
    x = bench.leaf(max(lengths) + 1, len(lengths), width, dtype=dtype)
    bench.check(ours, theirs, x, lengths, bench.state(theirs, len(lengths)), kernel)


@pytest.mark.parametrize("lengths", [None, [6, 6, 6]])
@pytest.mark.parametrize("given", [True, False], ids=["state", "no-state"])
def test_full_batch_equals_torch_unpadded(bench, kernel, kind, given, lengths):
    ours, theirs = bench.pair(kind, 4, 5, num_layers=2, bidirectional=True)
    x = bench.leaf(6, 3, 4)
    state = bench.state(theirs, 3) if given else None
    with use_kernel(kernel):
        got = bench.run(ours, x, state, lengths=lengths)
    expected = bench.run(theirs, x, state)
    bench.same(got, expected)
    wanted = [x, *(state or ())]
    bench.same(
        bench.gradients(got, [*wanted, *ours.parameters()]),
        bench.gradients(expected, [*wanted, *theirs.parameters()]),
    )


@pytest.mark.parametrize("lengths", [[5, 2, 3], [5, 5, 5]])
def test_batch_first(bench, kernel, kind, lengths):
    ours, theirs = bench.pair(kind, 4, 3, bidirectional=True, batch_first=True)
    x, state = bench.leaf(3, 5, 4), bench.state(theirs, 3)
    packed = pack_padded_sequence(x, torch.tensor(lengths), batch_first=True, enforce_sorted=False)
    output, *finals = bench.run(theirs, packed, state)
    expected = (pad_packed_sequence(output, batch_first=True)[0], *finals)
    with use_kernel(kernel):
        got = bench.run(ours, x, state, lengths=lengths)
    bench.same(got, expected)
    bench.same(bench.gradients(got, [x, *state]), bench.gradients(expected, [x, *state]))


@pytest.mark.parametrize("given", [True, False], ids=["state", "no-state"])
@pytest.mark.parametrize("batch_first", [False, True])
def test_unbatched(bench, kernel, kind, batch_first, given):
    ours, theirs = bench.pair(kind, 4, 3, num_layers=2, bidirectional=True, batch_first=batch_first)
    x, state = bench.leaf(5, 4), bench.state(theirs, None) if given else None
    with use_kernel(kernel):
        got, shorter = bench.run(ours, x, state), bench.run(ours, x, state, lengths=[3])
    expected = bench.run(theirs, x, state)
    bench.same(got, expected)
    bench.same(bench.gradients(got, [x]), bench.gradients(expected, [x]))
    assert shorter[0].shape == expected[0].shape
    bench.same((shorter[0][:3], *shorter[1:]), bench.run(theirs, x[:3], state))
    assert not shorter[0][3:].any()


def packed_anew(x: torch.Tensor, lengths: list[int], enforce_sorted: bool) -> torch.nn.utils.rnn.PackedSequence:
    return pack_padded_sequence(x, torch.tensor(lengths), enforce_sorted=enforce_sorted)


@pytest.mark.parametrize(
    ("lengths", "enforce_sorted"), [([5, 3, 3, 1], True), ([3, 5, 1, 3], False), ([5, 3, 3, 1], False)]
)
def test_packed_sequence_in_and_out(bench, kernel, kind, lengths, enforce_sorted):
    ours, theirs = bench.pair(kind, 4, 3, num_layers=2, bidirectional=True)
    x, state = bench.leaf(5, 4, 4), bench.state(theirs, 4)
    # packed anew for each layer: a graph that two results share can be gone through only once
    expected_packed, *expected = bench.run(theirs, packed_anew(x, lengths, enforce_sorted), state)
    with use_kernel(kernel):
        got_packed, *got = bench.run(ours, packed_anew(x, lengths, enforce_sorted), state)
        by_lengths, *by_lengths_final = bench.run(ours, x, state, lengths=lengths)
    assert type(got_packed) is type(expected_packed)
    for mine, its in zip(got_packed[1:], expected_packed[1:]):
        assert (mine is its is None) or torch.equal(mine, its)
    bench.same((got_packed.data, *got), (expected_packed.data, *expected))
    wanted = [x, *state]
    as_padded = (pad_packed_sequence(expected_packed)[0], *expected)
    bench.same((by_lengths, *by_lengths_final), as_padded)
    expected_gradients = bench.gradients(as_padded, wanted)
    bench.same(bench.gradients((by_lengths, *by_lengths_final), wanted), expected_gradients)
    bench.same(bench.gradients((pad_packed_sequence(got_packed)[0], *got), wanted), expected_gradients)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("lengths", [[3, 6, 1, 0], [6, 6, 6, 6]])
def test_projection(bench, kernel, both, layers, lengths):
    ours, theirs = bench.pair("lstm", 4, 5, num_layers=layers, bidirectional=both, proj_size=2)
    x = bench.leaf(6, 4, 4)
    bench.check(ours, theirs, x, lengths, bench.state(theirs, 4), kernel)


def test_projection_by_the_kernel_of_choice(bench):
    ours, theirs = bench.pair("lstm", 4, 5, proj_size=2)
    x, state = bench.leaf(6, 3, 4), bench.state(theirs, 3)
    bench.same(bench.run(ours, x, state, lengths=[2, 6, 4]), bench.alone(theirs, x, [2, 6, 4], state))


def test_large_full_batch_by_the_kernel_of_choice(bench):
    ours, theirs = bench.pair("lstm", 8, 512, torch.float32)
    x = bench.leaf(3, 2, 8, dtype=torch.float32)
    got, expected = bench.run(ours, x), bench.run(theirs, x)
    bench.same(got, expected)
    bench.same(
        bench.gradients(got, [x, *ours.parameters()]),
        bench.gradients(expected, [x, *theirs.parameters()]),
    )


@pytest.mark.parametrize("convert", [list, tuple, torch.tensor, lambda v: torch.tensor(v, dtype=torch.int32)])
def test_lengths_in_every_form(bench, convert):
    ours, theirs = bench.pair("gru", 4, 3)
    x, state = bench.leaf(5, 3, 4), bench.state(theirs, 3)
    bench.same(bench.run(ours, x, state, lengths=convert([2, 5, 3])), bench.alone(theirs, x, [2, 5, 3], state))


def test_views_and_frozen_parts(bench, kind):
    """Not contiguous, some parameters frozen, no gradient of the input wanted: the rest is as before."""
    ours, theirs = bench.pair(kind, 4, 3)
    x, state = torch.randn(4, 3, 5, dtype=torch.float64).permute(2, 1, 0), bench.state(theirs, 3)
    for layer in (ours, theirs):
        layer.weight_hh_l0.requires_grad_(False)
    got, expected = (bench.run(ours, x, state, lengths=[2, 5, 3]), bench.alone(theirs, x, [2, 5, 3], state))
    bench.same(
        bench.gradients(got, [ours.weight_ih_l0, ours.bias_hh_l0]),
        bench.gradients(expected, [theirs.weight_ih_l0, theirs.bias_hh_l0]),
    )
