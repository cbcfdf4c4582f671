"""What padding, order, company and pieces must not change; sequences of length zero, batches of none."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recurra.kernels import use_kernel


@st.composite
def batches(draw: st.DrawFn) -> dict:
    batch = draw(st.integers(1, 5))
    return {
        "kind": draw(st.sampled_from(["rnn_tanh", "rnn_relu", "lstm", "gru"])),
        "kernel": draw(st.sampled_from(["reference", "packed", "library", "native"])),
        "lengths": draw(st.lists(st.integers(0, 7), min_size=batch, max_size=batch)),
        "extra": draw(st.integers(0, 2)),
        "width": draw(st.integers(1, 5)),
        "size": draw(st.integers(1, 9)),
        "layers": draw(st.integers(1, 3)),
        "both": draw(st.booleans()),
        "bias": draw(st.booleans()),
    }


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(case=batches())
def test_any_shape_equals_each_sequence_alone(bench, case):
    ours, theirs = bench.pair(
        case["kind"],
        case["width"],
        case["size"],
        num_layers=case["layers"],
        bidirectional=case["both"],
        bias=case["bias"],
    )
    lengths = case["lengths"]
    x = bench.leaf(max(lengths) + case["extra"], len(lengths), case["width"])
    bench.check(ours, theirs, x, lengths, bench.state(theirs, len(lengths)), case["kernel"])


@pytest.mark.parametrize("both", [False, True])
def test_length_zero_passes_the_state_and_its_gradient(bench, kernel, kind, both):
    ours, theirs = bench.pair(kind, 3, 4, num_layers=2, bidirectional=both)
    x, state = bench.leaf(5, 3, 3), bench.state(theirs, 3)
    with use_kernel(kernel):
        output, *final = bench.run(ours, x, state, lengths=[4, 0, 2])
    assert not output[:, 1].any()
    for given_state, end in zip(state, final):
        assert torch.equal(end[:, 1], given_state[:, 1])
        (gradient,) = torch.autograd.grad(end[:, 1].sum(), given_state, retain_graph=True)
        assert torch.equal(gradient[:, 1], torch.ones_like(gradient[:, 1]))
        assert not gradient[:, [0, 2]].any()
    (gradient,) = torch.autograd.grad(output.sum() + sum(end.sum() for end in final), x)
    assert not gradient[:, 1].any()


@pytest.mark.parametrize(("time", "batch", "lengths"), [(0, 3, None), (0, 3, [0, 0, 0]), (5, 3, [0, 0, 0])])
def test_no_steps(bench, kernel, kind, time, batch, lengths):
    ours, theirs = bench.pair(kind, 3, 4, num_layers=2, bidirectional=True)
    x, state = bench.leaf(time, batch, 3), bench.state(theirs, batch)
    with use_kernel(kernel):
        output, *final = bench.run(ours, x, state, lengths=lengths)
    assert output.shape == (time, batch, 8)
    assert not output.any()
    bench.same(final, state)
    bench.same(bench.gradients(final, state), bench.gradients(state, state))


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("lengths", [None, []])
def test_no_sequences(bench, kernel, kind, batch_first, lengths):
    ours, theirs = bench.pair(kind, 3, 4, bidirectional=True, batch_first=batch_first)
    x = bench.leaf(*((0, 5) if batch_first else (5, 0)), 3)
    with use_kernel(kernel):
        output, *final = bench.run(ours, x, bench.state(theirs, 0), lengths=lengths)
    assert output.shape == ((0, 5, 8) if batch_first else (5, 0, 8))
    assert all(end.shape == (2, 0, 4) for end in final)
    assert bench.gradients([output], [x])[0].shape == x.shape


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
@pytest.mark.parametrize("batch_first", [False, True])
def test_padding_reaches_nothing(bench, kernel, kind, batch_first, poison):
    ours, _ = bench.pair(kind, 3, 4, num_layers=2, bidirectional=True, batch_first=batch_first)
    lengths = [2, 5, 0, 3]
    real = torch.arange(6) < torch.tensor(lengths)[:, None]
    real = (real if batch_first else real.t()).unsqueeze(-1)
    clean = bench.leaf(*real.shape[:2], 3)
    dirty = clean.detach().masked_fill(~real, poison).requires_grad_()
    with use_kernel(kernel):
        expected, got = (bench.run(ours, x, lengths=lengths) for x in (clean, dirty))
    for a, b in zip(got, expected):
        assert torch.equal(a, b)
    # what flows back from the padding of the output is poisoned too
    grads = [torch.ones_like(got[0]).masked_fill(~real, poison), *(torch.ones_like(end) for end in got[1:])]
    gradients = torch.autograd.grad(got, [dirty, *ours.parameters()], grads)
    plain = torch.autograd.grad(expected, [clean, *ours.parameters()], [torch.ones_like(r) for r in expected])
    for a, b in zip(gradients, plain):
        assert torch.equal(a, b)
    assert not gradients[0].masked_select(~real).any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_padded_further_reordered_or_alone(bench, kernel, kind, dtype):
    ours, _ = bench.pair(kind, 3, 17, dtype, num_layers=2, bidirectional=True)
    lengths, order = [4, 7, 1, 0, 7], [3, 1, 4, 0, 2]
    x = torch.randn(7, 5, 3, dtype=dtype)
    with use_kernel(kernel), torch.no_grad():
        output, *final = bench.run(ours, x, lengths=lengths)
        further = bench.run(ours, torch.cat([x, x]), lengths=lengths)
        reordered = bench.run(ours, x[:, order], lengths=[lengths[index] for index in order])
        bench.same((further[0][:7], *further[1:]), (output, *final))
        assert not further[0][7:].any()
        bench.same(reordered, (output[:, order], *(end[:, order] for end in final)))
        for index, length in enumerate(lengths):
            one = slice(index, index + 1)
            alone = bench.run(ours, x[:length, one])
            bench.same(alone, (output[:length, one], *(end[:, one] for end in final)))


@pytest.mark.parametrize("layers", [1, 3])
def test_in_pieces_with_carried_state(bench, kernel, kind, layers):
    ours, theirs = bench.pair(kind, 3, 4, num_layers=layers)
    x, state, lengths = bench.leaf(9, 3, 3), bench.state(theirs, 3), torch.tensor([9, 2, 5])
    with use_kernel(kernel):
        whole = bench.run(ours, x, state, lengths=lengths)
        pieces, carried = [], state
        for start in range(0, 9, 4):
            piece = x[start : start + 4]
            output, *carried = bench.run(ours, piece, carried, lengths=(lengths - start).clamp(0, len(piece)))
            pieces.append(output)
    together = (torch.cat(pieces), *carried)
    bench.same(together, whole)
    wanted = [x, *state, *ours.parameters()]
    bench.same(bench.gradients(together, wanted), bench.gradients(whole, wanted))
