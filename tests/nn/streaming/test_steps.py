"""Streaming: step after step, and chunk after chunk, give what `torch.nn` gives over the whole sequence."""

from __future__ import annotations

import pytest
import torch

from recurra.kernels import native
from recurra.kernels.native.stream import PRECISIONS

needs_native = pytest.mark.skipif(native.variant() is None, reason="the native kernels were not built here")


@needs_native
@torch.no_grad()
@pytest.mark.parametrize(
    ("width", "size", "layers", "batch", "bias"),
    [(3, 1, 1, 1, True), (1, 17, 2, 2, True), (5, 33, 3, 7, False), (64, 50, 2, 40, True), (6, 64, 3, 1, False)],
)
def test_step_after_step_equals_torch(streams, variant, kind, width, size, layers, batch, bias):
    ours, theirs = streams.make(kind, width, size, num_layers=layers, bias=bias)
    x, state = torch.randn(5, batch, width), streams.first_state(kind, layers, batch, size)
    streams.assert_same(streams.stream(ours, x, state), streams.whole(theirs, x, state))
    streams.assert_same(streams.stream(ours, x), streams.whole(theirs, x))
    assert streams.is_native(ours)


@torch.no_grad()
def test_one_sequence_without_a_batch(streams, kind):
    ours, theirs = streams.make(kind, 3, 9, num_layers=2)
    x = torch.randn(5, 3)
    streams.assert_same(streams.stream(ours, x), streams.whole(theirs, x))


@needs_native
@torch.no_grad()
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("batch", [1, 9])
def test_threads_change_nothing(streams, variant, kind, precision, batch):
    """300 units: the threads divide them, and meet after each layer."""
    ours, _ = streams.make(kind, 20, 300, num_layers=3)
    x, runs = torch.randn(4, batch, 20), []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        runs.append(streams.stream(ours, x, None, precision))
    assert all(torch.equal(a, b) for run in runs[1:] for a, b in zip(run, runs[0]))


@needs_native
@torch.no_grad()
@pytest.mark.parametrize("precision", PRECISIONS)
def test_company_changes_no_bit(streams, variant, kind, precision):
    ours, _ = streams.make(kind, 9, 35, num_layers=2)
    x = torch.randn(4, 11, 9)
    together = streams.stream(ours, x, None, precision)
    for index in range(11):
        alone = streams.stream(ours, x[:, index : index + 1], None, precision)
        assert all(torch.equal(a[:, 0], t[:, index]) for a, t in zip(alone, together))


def rounded_to_bfloat16(matrix):
    return matrix.bfloat16().float()


def rounded_to_int8(matrix):
    scale = matrix.abs().amax(1, keepdim=True) / 127
    return (matrix / scale).round().clamp(-127, 127) * scale


@needs_native
@torch.no_grad()
@pytest.mark.parametrize(
    ("precision", "rounded", "tolerance"),
    [("bfloat16", rounded_to_bfloat16, 1e-5), ("int8", rounded_to_int8, 1e-3)],  # int8: inputs of 16 bits
)
@pytest.mark.parametrize(("width", "size", "batch"), [(3, 1, 2), (7, 33, 9), (66, 50, 1)])
def test_fewer_bits_are_the_rounded_weights(streams, variant, kind, precision, rounded, tolerance, width, size, batch):
    ours, theirs = streams.make(kind, width, size, num_layers=2)
    for name, parameter in theirs.named_parameters():
        if name.startswith("weight"):
            parameter.copy_(rounded(parameter))
    x, state = torch.randn(6, batch, width), streams.first_state(kind, 2, batch, size)
    streams.assert_same(streams.stream(ours, x, state, precision), streams.whole(theirs, x, state), tolerance)
    assert streams.is_native(ours, precision)


@needs_native
@torch.no_grad()
def test_zero_weights_and_zero_inputs(streams, variant, kind):
    ours, theirs = streams.make(kind, 4, 18)
    for layer in (ours, theirs):
        layer.weight_ih_l0[5] = 0
        layer.weight_hh_l0.zero_()
    for precision, tolerance in zip(PRECISIONS, (1e-5, 1e-2, 1e-2)):
        zeros = torch.zeros(2, 1, 4)
        streams.assert_same(streams.stream(ours, zeros, None, precision), streams.whole(theirs, zeros), 1e-6)
        x = torch.randn(2, 3, 4)
        streams.assert_same(streams.stream(ours, x, None, precision), streams.whole(theirs, x), tolerance)


@needs_native
@torch.no_grad()
@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_poison_stays_in_its_own_sequence(streams, variant, kind, poison):
    ours, theirs = streams.make(kind, 3, 18)
    x = torch.randn(3, 9, 3)
    clean = {precision: streams.stream(ours, x, None, precision) for precision in PRECISIONS}
    x[1, 4] = poison
    others = [index for index in range(9) if index != 4]
    for precision in PRECISIONS:
        dirty = streams.stream(ours, x, None, precision)
        assert all(torch.equal(d[:, others], c[:, others]) for d, c in zip(dirty, clean[precision]))
        if precision == "int8":
            assert dirty[0][1:, 4].isnan().all()
        else:
            assert torch.equal(dirty[0].isnan(), streams.whole(theirs, x)[0].isnan())


@needs_native
@torch.no_grad()
@pytest.mark.parametrize("precision", PRECISIONS)
def test_weights_that_are_not_finite(streams, variant, precision):
    ours, theirs = streams.make("rnn_tanh", 3, 18)
    for layer in (ours, theirs):
        layer.weight_ih_l0[2, 1] = float("nan")
        layer.weight_hh_l0[7, 3] = float("inf")
    x = torch.randn(1, 2, 3)
    got, expected = streams.stream(ours, x, None, precision)[0], streams.whole(theirs, x)[0]
    assert torch.equal(got.isnan(), expected.isnan()) or precision == "int8"
    assert got[0, :, 2].isnan().all()
    assert got[0, :, [0, 1, 3, 4, 5, 6, *range(8, 18)]].isfinite().all()


@torch.no_grad()
@pytest.mark.parametrize("batch_first", [False, True])
def test_chunks_with_carried_state_equal_the_whole(streams, kind, batch_first):
    ours, theirs = streams.make(kind, 3, 18, num_layers=2, batch_first=batch_first)
    x = torch.randn(9, 4, 3)
    expected, final, *_ = (lambda output, state: (output, *streams.parts(state)))(
        *theirs(x.transpose(0, 1) if batch_first else x)
    )
    state, outputs = None, []
    for chunk in x.split([2, 1, 5, 1]):
        output, state = ours(chunk.transpose(0, 1) if batch_first else chunk, state)
        outputs.append(output)
    streams.assert_same((torch.cat(outputs, 1 if batch_first else 0), streams.parts(state)[0]), (expected, final))
    streams.assert_same(streams.stream(ours, x)[:1], (expected.transpose(0, 1) if batch_first else expected,))


@torch.no_grad()
@pytest.mark.parametrize("k", [1, 3, 6])
def test_chunks_with_lengths_equal_each_sequence_alone(streams, kind, k):
    """A sequence that ends within the first chunk has length zero in the second, and keeps its state."""
    ours, theirs = streams.make(kind, 3, 18, num_layers=2)
    lengths = torch.tensor([7, 2, 0, 3, 6])
    x = torch.randn(7, 5, 3)
    first, state = ours(x[:k], lengths=lengths.clamp(max=k))
    second, state = ours(x[k:], state, lengths=(lengths - k).clamp(min=0))
    together = torch.cat([first, second])
    for index, length in enumerate(lengths.tolist()):
        assert not together[length:, index].any()
        if length:
            output, *final = streams.whole(theirs, x[:length, index : index + 1])
            streams.assert_same((together[:length, index],), (output[:, 0],))
            streams.assert_same([part[:, index] for part in streams.parts(state)], [part[:, 0] for part in final])
