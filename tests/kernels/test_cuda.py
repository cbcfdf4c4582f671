"""The layers on a GPU: lengths honoured, results and gradients those of each sequence alone on the CPU."""

from __future__ import annotations

import copy

import pytest
import torch

from recurra.kernels import explain

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU that torch can use")


@pytest.mark.parametrize("lengths", [[5, 5, 5], [2, 5, 0, 3]], ids=["full", "ragged"])
@pytest.mark.parametrize("both", [False, True], ids=["one-way", "both-ways"])
def test_equals_each_sequence_alone(bench, kind, lengths, both):
    ours, theirs = bench.pair(kind, 4, 6, num_layers=2, bidirectional=both)
    x, state = bench.leaf(5, len(lengths), 4), bench.state(theirs, len(lengths))
    there = copy.deepcopy(ours).cuda()
    near_x, near_state = x.detach().cuda().requires_grad_(), [s.detach().cuda().requires_grad_() for s in state]
    assert {choice.kernel for choice in explain(there, near_x, lengths)} == {"library"}
    got = bench.run(there, near_x, near_state, lengths=lengths)
    gradients = bench.gradients([part.cpu() for part in got], [near_x, *near_state, *there.parameters()])
    expected = bench.alone(theirs, x, lengths, state)
    bench.same([part.cpu() for part in got], expected)
    bench.same([part.cpu() for part in gradients], bench.gradients(expected, [x, *state, *theirs.parameters()]))


def test_lengths_on_the_gpu(bench):
    ours, _ = bench.pair("gru", 4, 6)
    x, lengths = torch.randn(5, 3, 4, dtype=torch.float64), torch.tensor([2, 5, 3])
    expected = bench.run(ours, x, lengths=lengths)
    got = bench.run(ours.cuda(), x.cuda(), lengths=lengths.cuda())
    bench.same([part.cpu() for part in got], expected)
