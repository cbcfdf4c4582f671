"""Probabilities of a pointer-generator where a part of them is nothing, or too small for its type."""

from __future__ import annotations

import math

import pytest
import torch

from recurra.nn import softmax
from recurra.nn.copying import CopyGate, copy_distribution, log_probabilities_of, mixed_of_targets
from recurra.nn.softmax import FullSoftmax

HALF = math.log(0.5)


def test_targets_by_hand():
    logs = torch.tensor([0.2, 0.2, 0.9]).log()
    weights = torch.tensor([0.0, 0.4, 0.4])
    generated = torch.full((3,), HALF)
    found = mixed_of_targets(generated, generated, logs, torch.tensor([3, 3, 5]), weights, size=5)
    torch.testing.assert_close(found.exp(), torch.tensor([0.1, 0.3, 0.2]))  # the last one can only be copied


@pytest.mark.parametrize("target", [3, 7], ids=["known", "only in the source"])
def test_improbable_symbols_keep_a_finite_loss_and_gradient(target):
    logs, weights = torch.tensor([-1e4], requires_grad=True), torch.tensor([0.0], requires_grad=True)
    score = torch.tensor([200.0], requires_grad=True)
    gates = torch.nn.functional.logsigmoid(score), torch.nn.functional.logsigmoid(-score)
    found = mixed_of_targets(*gates, logs, torch.tensor([target]), weights, size=5)
    gradients = torch.autograd.grad(found.sum(), (logs, weights, score), materialize_grads=True)
    assert all(part.isfinite().all() for part in (found, *gradients))
    assert gradients[0].item() == (1.0 if target < 5 else 0.0)


def test_distribution_by_hand():
    from_vocabulary = torch.tensor([[[0.1, 0.2, 0.3, 0.4]]]).log()
    weights = torch.tensor([[[0.5, 0.2, 0.3, 0.0]]])  # the last place is padding
    gates = torch.tensor([[0.75]]).log(), torch.tensor([[0.25]]).log()
    found = copy_distribution(*gates, from_vocabulary, weights, torch.tensor([[5, 3, 5, 0]]), extra=3)
    right = [0.075, 0.15, 0.225, 0.3 + 0.05, 0.0, 0.25 * 0.8, 0.0]
    torch.testing.assert_close(found.exp().flatten(), torch.tensor(right))


def test_without_a_source_all_is_generated():
    gate = CopyGate(2, 2, 2)
    generated, copied = gate(torch.zeros(2, 2), torch.ones(2, 2), torch.ones(2, 2), torch.tensor([True, False]))
    torch.testing.assert_close(generated[:1].exp() + copied[:1].exp(), torch.ones(1))
    assert (generated[1].item(), copied[1].item()) == (0.0, -math.inf)
    generated.sum().backward()
    assert gate.score.weight.grad.isfinite().all()


@pytest.mark.parametrize("rows", [3, 100])
def test_log_probabilities_in_pieces(rows, monkeypatch):
    torch.manual_seed(0)
    monkeypatch.setattr(softmax, "_LOGITS", 5 * rows)
    monkeypatch.setattr(softmax, "_LEAST_ROWS", 1)
    layer, hidden, targets = FullSoftmax(5, 4), torch.randn(10, 4, requires_grad=True), torch.randint(5, (10,))
    found = log_probabilities_of(targets, layer, hidden)
    right = torch.log_softmax(hidden @ layer.weight.T + layer.bias, 1)[torch.arange(10), targets]
    torch.testing.assert_close(found, right)
    wanted, scale = (hidden, layer.own_weight, layer.bias), torch.randn(10)
    for ours, theirs in zip(*(torch.autograd.grad((logs * scale).sum(), wanted) for logs in (found, right))):
        torch.testing.assert_close(ours, theirs)
