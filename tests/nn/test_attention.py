"""Each kind of attention against its formula, written as loops over sentences, queries and positions, and torch's."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from recurra.errors import SettingsError, ShapeError
from recurra.nn import additive
from recurra.nn.attention import Attended, Attention, Memory, coverage_loss

LENGTHS = [4, 1, 0, 5, 2]
B, T, S, M, HEADS = len(LENGTHS), 3, 6, 6, 3
KINDS = ["additive", "dot", "general", "multihead"]
both = pytest.mark.parametrize("coverage", [False, True], ids=["plain", "coverage"])
each_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def make(kind: Any, coverage: bool = False, dtype: torch.dtype = torch.float64) -> Attention:
    """With a query of another size than the memory's where that may be, and no parameter at its start."""
    attention = Attention(kind, query_size(kind), M, HEADS if kind == "multihead" else 1, coverage).to(dtype)
    for parameter in attention.parameters():
        nn.init.normal_(parameter)
    return attention


def query_size(kind: str) -> int:
    return M if kind == "dot" else 4


def draw(kind: str, coverage: bool = False, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor | None]:
    """Queries [B, T, Q], values [B, S, M] and what was covered [B, T, S]."""
    query = torch.randn(B, T, query_size(kind), dtype=dtype, requires_grad=True)
    values = torch.randn(B, S, M, dtype=dtype, requires_grad=True)
    return query, values, torch.rand(B, T, S, dtype=dtype, requires_grad=True) if coverage else None


def attend(attention: Attention, query: Tensor, values: Tensor, covered: Tensor | None = None) -> Attended:
    return attention(query, attention.prepare(values, LENGTHS), covered)


def score(attention: Attention, head: int, q: Tensor, m: Tensor, c: Tensor | None) -> Tensor:
    """Of one query [Q], one value [M] and what its position had before."""
    extra = 0.0 if c is None else attention.coverage * c
    get = attention.get_parameter
    if attention.kind == "additive":
        hidden = get("to_query.weight") @ q + get("to_query.bias") + get("to_keys.weight") @ m + extra
        return get("to_score.weight")[0] @ torch.tanh(hidden)
    if attention.kind == "dot":
        plain = sum(x * y for x, y in zip(q, m))
    elif attention.kind == "general":
        plain = q @ get("to_keys.weight") @ m / math.sqrt(len(q))
    else:
        own = rows(head)
        plain = (get("to_query.weight")[own] @ q) @ (get("to_keys.weight")[own] @ m) / math.sqrt(M / HEADS)
    return plain + (0.0 if c is None else extra[head])


def rows(head: int) -> slice:
    return slice(head * M // HEADS, (head + 1) * M // HEADS)


def one_query(attention: Attention, q: Tensor, values: Tensor, covered: Tensor | None) -> tuple[Tensor, Tensor]:
    """The context [M] and the weights [S'] of one query over the values [S', M] of one sentence alone."""
    contexts, weights = [], []
    for head in range(attention.heads):
        scores = [score(attention, head, q, m, None if covered is None else covered[i]) for i, m in enumerate(values)]
        shares = torch.stack([s.exp() for s in scores])
        weights.append(shares / shares.sum())
        seen = values
        if attention.kind == "multihead":
            seen = [attention.get_parameter("to_values.weight")[rows(head)] @ m for m in values]
        contexts.append(sum(a * v for a, v in zip(weights[-1], seen)))
    context = torch.cat(contexts)
    if attention.kind == "multihead":
        context = attention.get_parameter("to_context.weight") @ context
    return context, sum(weights) / len(weights)


def by_hand(
    attention: Attention, query: Tensor, values: Tensor, covered: Tensor | None = None, in_order: bool = False
) -> Attended:
    contexts, weights = query.new_zeros(B, T, M), query.new_zeros(B, T, S)
    for b, length in enumerate(LENGTHS):
        before = query.new_zeros(length)
        for t in range(T if length else 0):
            known = before if in_order else None if covered is None else covered[b, t, :length]
            contexts[b, t], found = one_query(attention, query[b, t], values[b, :length], known)
            weights[b, t, :length] = found
            before = before + found
    return Attended(contexts, weights)


def assert_same(got: Attended, right: Attended, wanted: list[Tensor], tolerance: float = 1e-12) -> None:
    """Results and the gradients of a weighting of both."""
    for mine, theirs in zip(got, right, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=tolerance, atol=tolerance)
    weightings = [torch.randn_like(part) for part in right]
    losses = [sum((part * by).sum() for part, by in zip(found, weightings)) for found in (got, right)]
    gradients = [torch.autograd.grad(loss, wanted, materialize_grads=True) for loss in losses]
    for mine, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=100 * tolerance, atol=100 * tolerance)


@both
@each_kind
def test_is_the_formula(kind, coverage):
    attention = make(kind, coverage)
    query, values, covered = draw(kind, coverage)
    right = by_hand(attention, query, values, covered)
    wanted = [query, values, *attention.parameters(), *([] if covered is None else [covered])]
    assert_same(attend(attention, query, values, covered), right, wanted)


@each_kind
def test_in_order_is_the_formula_with_what_came_before(kind):
    attention = make(kind, coverage=True)
    query, values, _ = draw(kind)
    got = attention.in_order(query, attention.prepare(values, LENGTHS))
    assert_same(got, by_hand(attention, query, values, in_order=True), [query, values, *attention.parameters()])


@each_kind
def test_in_order_is_stepping_with_a_sum(kind):
    attention = make(kind, coverage=True)
    query, values, _ = draw(kind)
    memory = attention.prepare(values, LENGTHS)
    covered, found = torch.zeros(B, 1, S, dtype=torch.float64), []
    for t in range(T):
        found.append(attention(query[:, t : t + 1], memory, covered))
        covered = covered + found[-1].weights
    for part, steps in zip(attention.in_order(query, memory), zip(*found)):
        torch.testing.assert_close(part, torch.cat(steps, dim=1), rtol=1e-13, atol=1e-13)


@each_kind
def test_in_order_without_coverage_is_forward(kind):
    attention = make(kind)
    query, values, _ = draw(kind)
    memory = attention.prepare(values, LENGTHS)
    for got, right in zip(attention.in_order(query, memory), attention(query, memory)):
        assert torch.equal(got, right)


@each_kind
def test_coverage_that_is_not_given_is_zero_and_starts_without_effect(kind):
    attention = make(kind, coverage=True)
    query, values, covered = draw(kind, coverage=True)
    left_out, zero = (attend(attention, query, values, given) for given in (None, torch.zeros_like(covered)))
    assert torch.equal(left_out.weights, zero.weights)
    assert not torch.allclose(attend(attention, query, values, covered).weights, zero.weights)
    assert not Attention(kind, M, M, coverage=True).coverage.any()


def test_multihead_is_that_of_torch():
    attention = Attention("multihead", M, M, HEADS).double()
    theirs = nn.MultiheadAttention(M, HEADS, bias=False, batch_first=True).double()
    with torch.no_grad():
        ours = (attention.to_query, attention.to_keys, attention.to_values)
        for mine, right in zip(ours, theirs.in_proj_weight.chunk(3)):
            mine.weight.copy_(right)
        attention.to_context.weight.copy_(theirs.out_proj.weight)
    query, values = torch.randn(B, T, M, dtype=torch.float64), torch.randn(B, S, M, dtype=torch.float64)
    lengths = torch.tensor([4, 1, 6, 5, 2])  # torch's has no answer for an empty source
    got = attention(query, attention.prepare(values, lengths))
    for mine, right in zip(got, theirs(query, values, values, key_padding_mask=torch.arange(S) >= lengths[:, None])):
        torch.testing.assert_close(mine, right, rtol=1e-12, atol=1e-12)


@both
@each_kind
def test_gradients_by_differences(kind, coverage):
    attention = make(kind, coverage)
    query, values, covered = draw(kind, coverage)
    given = [query, values, *([] if covered is None else [covered])]
    parameters = dict(attention.named_parameters())

    def compute(*inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        tensors, replaced = inputs[: len(given)], dict(zip(parameters, inputs[len(given) :]))
        return tuple(torch.func.functional_call(_Both(attention), {f"of.{n}": p for n, p in replaced.items()}, tensors))

    torch.autograd.gradcheck(compute, [*given, *parameters.values()], fast_mode=True)


class _Both(nn.Module):
    def __init__(self, of: Attention) -> None:
        super().__init__()
        self.of = of

    def forward(self, query: Tensor, values: Tensor, covered: Tensor | None = None) -> Iterator[Tensor]:
        memory = self.of.prepare(values, LENGTHS)
        return iter([*self.of(query, memory, covered), *self.of.in_order(query, memory)])


@both
@each_kind
def test_an_empty_source_gives_zeros(kind, coverage):
    attention = make(kind, coverage)
    query, values, covered = draw(kind, coverage)
    found = [attend(attention, query, values, covered), attention.in_order(query, attention.prepare(values, LENGTHS))]
    empty = LENGTHS.index(0)
    for got in found:
        assert not got.context[empty].any()
        assert not got.weights[empty].any()
        given = [query, values, *([] if covered is None else [covered])]
        wanted = [*given, *attention.parameters()]
        with torch.autograd.set_detect_anomaly(True):  # which stops at a NaN on the way, seen at the end or not
            gradients = torch.autograd.grad(sum(part.square().sum() for part in got), wanted, materialize_grads=True)
        assert all(gradient.isfinite().all() for gradient in gradients)
        assert not any(gradient[empty].any() for gradient in gradients[: len(given)])


@both
@each_kind
@pytest.mark.parametrize(("batch", "steps", "source"), [(2, 3, 0), (2, 0, 3), (2, 0, 0), (0, 2, 3)])
def test_nothing_to_attend_to_or_with(kind, coverage, batch, steps, source):
    attention = make(kind, coverage)
    query = torch.randn(batch, steps, query_size(kind), dtype=torch.float64, requires_grad=True)
    memory = attention.prepare(torch.randn(batch, source, M, dtype=torch.float64), [source] * batch)
    for got in (attention(query, memory), attention.in_order(query, memory)):
        assert got.context.shape == (batch, steps, M)
        assert got.weights.shape == (batch, steps, source)
        assert not got.context.any()
        (gradient,) = torch.autograd.grad(got.context.sum(), query, materialize_grads=True)
        assert not gradient.any()


@pytest.mark.parametrize("noise", [1e30, torch.inf, torch.nan])
@both
@each_kind
def test_noise_in_the_padding_changes_nothing(kind, coverage, noise):
    attention = make(kind, coverage)
    query, values, _ = draw(kind)
    padded = values.detach().clone()
    for sentence, length in zip(padded, LENGTHS):
        sentence[length:] = noise
    padded.requires_grad_()
    results = [attention.in_order(query, attention.prepare(given, LENGTHS)) for given in (values, padded)]
    for got, right in zip(*results):
        assert torch.equal(got, right)
    wanted = [(given, query, *attention.parameters()) for given in (values, padded)]
    gradients = [torch.autograd.grad(r.context.square().sum(), w) for r, w in zip(results, wanted)]
    for got, right in zip(*gradients):
        assert torch.equal(got, right)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])
@both
@each_kind
def test_a_sentence_alone_is_the_sentence_in_a_batch(kind, coverage, dtype, tolerance):
    torch.manual_seed(1)
    attention = Attention(kind, query_size(kind), M, HEADS if kind == "multihead" else 1, coverage).to(dtype)
    query, values, _ = draw(kind, dtype=dtype)
    together = attention.in_order(query, attention.prepare(values, LENGTHS))
    for b, length in enumerate(LENGTHS):
        memory = attention.prepare(values[b : b + 1, :length], [length])
        alone = attention.in_order(query[b : b + 1], memory)
        torch.testing.assert_close(together.context[b], alone.context[0], rtol=tolerance, atol=tolerance)
        torch.testing.assert_close(together.weights[b, :, :length], alone.weights[0], rtol=tolerance, atol=tolerance)
        assert not together.weights[b, :, length:].any()


@each_kind
def test_scores_far_apart_are_no_matter(kind):
    attention = make(kind, dtype=torch.float32)
    query, values, _ = draw(kind, dtype=torch.float32)
    got = attend(attention, query * 1e4, values * 1e4)
    assert got.context.isfinite().all()
    torch.testing.assert_close(got.weights.sum(2), (torch.tensor(LENGTHS) > 0).float().unsqueeze(1).expand(B, T))


@pytest.mark.parametrize("at_once", [2**23, 1])
@both
@each_kind
def test_under_autocast_the_weights_are_float32(monkeypatch, kind, coverage, at_once):
    monkeypatch.setattr(additive, "_NUMBERS", at_once)
    attention = Attention(kind, query_size(kind), M, HEADS if kind == "multihead" else 1, coverage)
    query, values, _ = draw(kind, dtype=torch.float32)
    right = attention.in_order(query, attention.prepare(values, LENGTHS))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = attention.in_order(query, attention.prepare(values, LENGTHS))
    assert got.weights.dtype == torch.float32
    torch.testing.assert_close(got.weights.sum(2), (torch.tensor(LENGTHS) > 0).float().unsqueeze(1).expand(B, T))
    torch.testing.assert_close(got.weights, right.weights, rtol=0.05, atol=0.02)
    torch.testing.assert_close(got.context.float(), right.context, rtol=0.05, atol=0.05)
    wanted = [query, values, *attention.parameters()]
    for gradient in torch.autograd.grad(got.context.float().square().sum() + got.weights.square().sum(), wanted):
        assert gradient.isfinite().all()


@each_kind
def test_keeps_no_more_than_some_sentences(kind):
    """What a search does when others are done."""
    attention = make(kind)
    query, values, _ = draw(kind)
    memory = attention.prepare(values, LENGTHS)
    kept = torch.tensor([3, 0])
    got = attention(query[kept], Memory(*(part[kept] for part in memory)))
    for part, right in zip(got, attention(query, memory)):
        torch.testing.assert_close(part, right[kept], rtol=1e-13, atol=1e-13)


def coverage_by_hand(weights: Tensor, lengths: list[int]) -> Tensor:
    total = weights.new_zeros(())
    for sentence, length in zip(weights, lengths):
        for t in range(length):
            for i in range(weights.shape[2]):
                total = total + torch.minimum(sentence[t, i], sum(sentence[:t, i], start=weights.new_zeros(())))
    return total / max(sum(lengths), 1)


@pytest.mark.parametrize("noise", [0.5, torch.nan])
@pytest.mark.parametrize("lengths", [[3, 5, 1], [5, 0, 2], [0, 0, 0]])
def test_coverage_loss_is_the_formula(lengths, noise):
    weights = torch.rand(3, 5, 4, dtype=torch.float64)
    for sentence, length in zip(weights, lengths):
        sentence[length:] = noise
    weights.requires_grad_()
    losses = coverage_loss(weights, torch.tensor(lengths)), coverage_by_hand(weights, lengths)
    torch.testing.assert_close(*losses, rtol=1e-12, atol=1e-12)
    gradients = [torch.autograd.grad(loss, weights, materialize_grads=True)[0] for loss in losses if loss.requires_grad]
    torch.testing.assert_close(gradients[0], gradients[-1], rtol=1e-12, atol=1e-12)
    assert gradients[0].isfinite().all()


def test_coverage_loss_of_looking_once_and_of_looking_twice():
    once = torch.eye(4).unsqueeze(0)
    assert coverage_loss(once, [4]) == 0
    assert coverage_loss(once[:, [0, 0, 1, 1]], [4]) == 0.5
    assert coverage_loss(torch.zeros(2, 0, 3), [0, 0]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("aditive", 4, 6), r"kind: expected one of additive, dot, general, multihead, got 'aditive', did you mean"),
        (("additive", 0, 6), "query_size: expected at least 1, got 0"),
        (("additive", 4, -1), "memory_size: expected at least 1, got -1"),
        (("multihead", 4, 6, 0), "heads: expected at least 1, got 0"),
        (("dot", 4, 6), "'dot' compares a query of 4 numbers with a memory of 6, .*; use 'general', or a hidden_size"),
        (("multihead", 4, 6, 4), "heads: expected a number that divides 6, the size of the memory, got 4"),
    ],
)
def test_settings_that_do_not_fit(arguments, message):
    with pytest.raises(SettingsError, match=message):
        Attention(*arguments)


@each_kind
def test_tensors_that_do_not_fit(kind):
    attention = make(kind, coverage=True)
    query, values, covered = draw(kind, coverage=True)
    with pytest.raises(ShapeError, match=r"values: expected \[B, S, 6\], got \[5, 6, 5\]"):
        attention.prepare(values[:, :, 1:], LENGTHS)
    with pytest.raises(ShapeError, match="lengths: expected 0 to 6, got 0 to 7"):
        attention.prepare(values, [7, 0, 1, 2, 3])
    memory = attention.prepare(values, LENGTHS)
    for wrong in (query[0], query[1:], query[:, :, 1:]):
        for call in (attention, attention.in_order):
            with pytest.raises(ShapeError, match=rf"query: expected \[5, T, {query_size(kind)}\], got \["):
                call(wrong, memory)
    with pytest.raises(ShapeError, match=r"covered: expected \[5, 3, 6\], got \[5, 2, 6\]"):
        attention(query, memory, covered[:, 1:])
    with pytest.raises(SettingsError, match="covered: this attention has no coverage; make it with coverage=True"):
        make(kind)(query, memory, covered)


def test_lengths_of_targets_that_do_not_fit():
    with pytest.raises(ShapeError, match="lengths: expected 0 to 3, got 1 to 4"):
        coverage_loss(torch.zeros(2, 3, 5), [1, 4])
