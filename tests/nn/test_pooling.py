"""Each kind of pooling against a plain loop over each sequence alone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from recurra.kernels.layout import Layout
from recurra.nn import LSTM
from recurra.nn.pooling import Pooling

LENGTHS = [3, 0, 5, 1, 5]
SIZE = 4


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def pooled(pooling: Pooling, padded: Tensor, lengths: list[int]) -> Tensor:
    """Pool a padded batch [B, T, F] and give the results in its order."""
    layout = Layout.from_lengths(torch.tensor(lengths))
    return layout.unsort(pooling(layout.pack(padded, batch_first=True), layout), 0)


def alone(pooling: Pooling, rows: Tensor) -> Tensor:
    """Pool one sequence [T, F] by the definition."""
    if not len(rows):
        return rows.new_zeros(rows.shape[1])
    if pooling.kind == "mean":
        return sum(rows) / len(rows)
    if pooling.kind == "max":
        return torch.stack([max(column) for column in rows.T])
    hidden, score = pooling.hidden, pooling.score
    scores = torch.stack([score.weight[0] @ torch.tanh(hidden.weight @ row + hidden.bias) for row in rows])
    shares = torch.exp(scores - scores.max())
    return sum(share * row for share, row in zip(shares / shares.sum(), rows))


@pytest.mark.parametrize("lengths", [LENGTHS, [4, 4], [5, 3, 1], [0, 0], [1]])
@pytest.mark.parametrize("kind", ["mean", "max", "attention"])
def test_is_that_of_each_sequence_alone(kind, lengths):
    pooling = Pooling(kind, SIZE).double()
    padded = torch.randn(len(lengths), max(lengths), SIZE, dtype=torch.float64) - 2  # so that 0 would be the maximum
    padded.requires_grad_()
    got = pooled(pooling, padded, lengths)
    expected = torch.stack([alone(pooling, rows[:length]) for rows, length in zip(padded, lengths)])
    torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)
    if not any(lengths):
        return
    weighting = torch.randn_like(got)
    wanted = [padded, *pooling.parameters()]
    gradients, exact = (torch.autograd.grad((result * weighting).sum(), wanted) for result in (got, expected))
    for gradient, right in zip(gradients, exact):
        torch.testing.assert_close(gradient, right, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("noise", [1e6, torch.inf, torch.nan])
@pytest.mark.parametrize("kind", ["mean", "max", "attention"])
def test_noise_in_the_padding_changes_nothing(kind, noise):
    pooling = Pooling(kind, SIZE)
    padded = torch.randn(len(LENGTHS), 7, SIZE)
    noisy = padded.clone()
    for row, length in zip(noisy, LENGTHS):
        row[length:] = noise
    assert torch.equal(pooled(pooling, noisy, LENGTHS), pooled(pooling, padded, LENGTHS))


@pytest.mark.parametrize("apart", [200.0, 2000.0])
def test_attention_ignores_how_large_the_scores_of_others_are(apart):
    """One sequence's scores lie far below another's: a softmax that shared their maximum would underflow."""
    pooling = Pooling("attention", 1)
    with torch.no_grad():
        pooling.hidden.weight.fill_(1.0)
        pooling.hidden.bias.fill_(0.0)
        pooling.score.weight.fill_(apart)
    low, high = torch.tensor([-3.0, -2.0, -2.5]), torch.tensor([3.0, 2.0, 2.5])
    expected = [alone(pooling, rows.unsqueeze(1)) for rows in (low, high)]
    for order in ([0, 1], [1, 0]):
        padded = torch.stack([(low, high)[index] for index in order]).unsqueeze(2)
        got = pooled(pooling, padded, [3, 3])
        for row, index in zip(got, order):
            torch.testing.assert_close(row, expected[index])
            torch.testing.assert_close(row, pooled(pooling, (low, high)[index].view(1, 3, 1), [3])[0])
        assert all(abs(row) > 1.9 for row in got)


def test_attention_of_an_empty_sequence_has_a_gradient_that_is_a_number():
    pooling = Pooling("attention", SIZE)
    padded = torch.randn(2, 3, SIZE, requires_grad=True)
    pooled(pooling, padded, [0, 3]).sum().backward()
    for tensor in (padded, *pooling.parameters()):
        assert tensor.grad is not None
        assert tensor.grad.isfinite().all()
    assert not padded.grad[0].any()


def test_final_state_is_that_of_both_directions():
    """The state after each sequence's last step forwards, beside the state after its first step backwards."""
    ours, theirs = LSTM(3, SIZE, bidirectional=True), nn.LSTM(3, SIZE, bidirectional=True)
    ours.load_state_dict(theirs.state_dict())
    lengths = [2, 5, 1]
    padded = torch.randn(3, 5, 3)
    layout = Layout.from_lengths(torch.tensor(lengths))
    outputs, (h_n, _) = ours.forward_packed(layout.pack(padded, batch_first=True), layout)
    got = layout.unsort(Pooling("final", 2 * SIZE)(outputs, layout, h_n), 0)
    for row, sequence, length in zip(got, padded, lengths):
        output, _ = theirs(sequence[:length])
        torch.testing.assert_close(row, torch.cat([output[-1, :SIZE], output[0, SIZE:]]))


def test_only_attention_learns():
    assert [len(list(Pooling(kind, 3).parameters())) for kind in ("final", "mean", "max", "attention")] == [0, 0, 0, 3]
