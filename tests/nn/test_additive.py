"""Additive scores in parts against the whole, and how much is in memory."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from recurra.nn import additive
from recurra.nn.additive import additive_scores
from recurra.nn.attention import Attention

B, T, S, A = 2, 3, 5, 4
ALL = B * T * S * A
coverages = pytest.mark.parametrize("coverage", [False, True], ids=["plain", "coverage"])


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many numbers there are within each part that is computed."""
    sizes: list[int] = []
    compute = additive._part

    def recorded(query: Tensor, keys: Tensor, *others: Tensor | None) -> Tensor:
        sizes.append(query.numel() * keys.shape[1])
        return compute(query, keys, *others)

    monkeypatch.setattr(additive, "_part", recorded)
    return sizes


def draw(coverage: bool) -> list[Tensor | None]:
    """Query, keys, weight, coverage and covered."""
    shapes = [(B, T, A), (B, S, A), (1, A), *([(A,), (B, T, S)] if coverage else [])]
    tensors = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    return [*tensors, *[None] * (5 - len(tensors))]


def by_hand(query: Tensor, keys: Tensor, weight: Tensor, coverage: Tensor | None, covered: Tensor | None) -> Tensor:
    scores = query.new_zeros(B, T, S)
    for b, t, i in torch.cartesian_prod(*(torch.arange(n) for n in (B, T, S))).tolist():
        within = query[b, t] + keys[b, i] + (0 if coverage is None else coverage * covered[b, t, i])
        scores[b, t, i] = weight[0] @ torch.tanh(within)
    return scores


@coverages
@pytest.mark.parametrize("numbers", [1, 3 * B * A, B * S * A - 1, B * S * A, 2 * B * S * A, ALL - 1, ALL])
def test_in_parts_is_the_whole(monkeypatch, parts, numbers, coverage):
    monkeypatch.setattr(additive, "_NUMBERS", numbers)
    given = draw(coverage)
    got, right = additive_scores(*given, all_steps=T), by_hand(*given)
    assert (len(parts) > 1) == (numbers < ALL)
    assert max(parts) <= max(numbers, B * A)
    assert sum(parts) == ALL
    torch.testing.assert_close(got, right, rtol=1e-13, atol=1e-13)
    wanted = [tensor for tensor in given if tensor is not None]
    weighting = torch.randn_like(right)
    gradients = [torch.autograd.grad((scores * weighting).sum(), wanted) for scores in (got, right)]
    for mine, theirs in zip(*gradients):
        torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-12)
    assert sum(parts) == (ALL if numbers == ALL else 2 * ALL)  # what is much is computed again, not kept


@pytest.mark.parametrize(("all_steps", "times"), [(T, 1), (T + 1, 2)])
def test_steps_of_other_calls_count(monkeypatch, parts, all_steps, times):
    monkeypatch.setattr(additive, "_NUMBERS", ALL)
    additive_scores(*draw(coverage=True), all_steps=all_steps).sum().backward()
    assert parts == [ALL] * times


@pytest.mark.parametrize(("numbers", "times"), [(ALL, 1), (ALL - 1, 2)])
def test_attention_in_order_counts_all_its_steps(monkeypatch, parts, numbers, times):
    monkeypatch.setattr(additive, "_NUMBERS", numbers)
    attention = Attention("additive", A, A, coverage=True)
    memory = attention.prepare(torch.randn(B, S, A), [S] * B)
    attention.in_order(torch.randn(B, T, A), memory).context.sum().backward()
    assert parts == [ALL // T] * T * times


def test_where_no_gradient_is_wanted_of_some_or_of_all(monkeypatch, parts):
    monkeypatch.setattr(additive, "_NUMBERS", 1)
    given = draw(coverage=True)
    given[1] = given[1].detach()
    wanted = [given[0], given[3]]
    scores = additive_scores(*given, all_steps=T), by_hand(*given)
    for mine, theirs in zip(*(torch.autograd.grad(part.sum(), wanted) for part in scores)):
        torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-12)
    parts.clear()
    with torch.no_grad():
        torch.testing.assert_close(additive_scores(*given, all_steps=T), scores[1], rtol=1e-13, atol=1e-13)
    assert sum(parts) == ALL


def test_a_source_of_thousands_of_tokens(parts):
    attention = Attention("additive", 2, 2)
    query, values = torch.randn(20, 50, 2, requires_grad=True), torch.randn(20, 5_000, 2, requires_grad=True)
    got = attention(query, attention.prepare(values, [5_000] * 19 + [0]))
    got.context.square().sum().backward()
    torch.testing.assert_close(got.weights[:-1].sum(2), torch.ones(19, 50))
    assert max(parts) <= 2**23 < sum(parts)
    assert all(tensor.grad.isfinite().all() for tensor in (query, values, *attention.parameters()))
