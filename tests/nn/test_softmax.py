"""The softmaxes against torch's losses and against dense distributions put together by the definition."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from recurra.errors import SettingsError, ShapeError
from recurra.nn import softmax
from recurra.nn.softmax import AdaptiveSoftmax, FullSoftmax, linear_cross_entropy

V, E, N = 23, 5, 40
CUTOFFS = (6, 11, 22)
MAKERS: dict[str, Callable[..., FullSoftmax | AdaptiveSoftmax]] = {
    "full": FullSoftmax,
    "adaptive": lambda *sizes: AdaptiveSoftmax(*sizes, cutoffs=CUTOFFS),
}


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch):
    """Several chunks, and clusters, with few numbers."""
    torch.manual_seed(0)
    monkeypatch.setattr(softmax, "_LOGITS", 8 * V)
    monkeypatch.setattr(softmax, "_LEAST_ROWS", 7)
    monkeypatch.setattr(softmax, "_LEAST_VOCABULARY", 4)


def draw(rows: int = N, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Hidden numbers [N, E] and targets [N]."""
    return torch.randn(rows, E, dtype=dtype, requires_grad=True), torch.randint(V, (rows,))


def make(kind: str, dtype: torch.dtype = torch.float64, tied: bool = False) -> FullSoftmax | AdaptiveSoftmax:
    embedding = nn.Embedding(V, E) if tied else None
    layer = MAKERS[kind](V, E, embedding).to(dtype)
    for parameter in layer.parameters():
        nn.init.normal_(parameter)
    return layer


def dense(layer: FullSoftmax | AdaptiveSoftmax, hidden: Tensor) -> Tensor:
    """log p [N, V], symbol by symbol from the definition."""
    scores = (hidden @ layer.weight.T + layer.bias).exp()
    if isinstance(layer, FullSoftmax):
        return (scores / scores.sum(1, keepdim=True)).log()
    clusters = (hidden @ layer.cluster_weight.T + layer.cluster_bias).exp()
    total = scores[:, : CUTOFFS[0]].sum(1) + clusters.sum(1)
    columns = [scores[:, v] / total for v in range(CUTOFFS[0])]
    for number, (start, stop) in enumerate(zip(CUTOFFS, (*CUTOFFS[1:], V))):
        within = scores[:, start:stop].sum(1)
        columns += [clusters[:, number] / total * scores[:, v] / within for v in range(start, stop)]
    return torch.stack(columns, 1).log()


def gradients(loss: Tensor, *wanted: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad(loss, wanted, materialize_grads=True)


@pytest.mark.parametrize("rows", [1, 7, 8, 9, N])
@pytest.mark.parametrize("kind", MAKERS)
def test_is_the_definition(kind, rows):
    layer = make(kind)
    hidden, targets = draw(rows)
    exact = dense(layer, hidden)
    of_targets = exact[torch.arange(rows), targets]
    torch.testing.assert_close(layer.log_probabilities(hidden), exact)
    torch.testing.assert_close(layer.token_log_probabilities(hidden, targets), of_targets)
    loss = layer.loss(hidden, targets)
    torch.testing.assert_close(loss, -of_targets.mean())
    wanted = [hidden, *layer.parameters()]
    for got, right in zip(gradients(loss, *wanted), gradients(-of_targets.mean(), *wanted), strict=True):
        torch.testing.assert_close(got, right)
    with torch.no_grad():
        torch.testing.assert_close(layer.loss(hidden, targets), loss)


@pytest.mark.parametrize("kind", MAKERS)
def test_sums_to_one(kind):
    hidden, _ = draw()
    logs = make(kind).log_probabilities(hidden)
    torch.testing.assert_close(logs.exp().sum(1), torch.ones(N, dtype=torch.float64))


@pytest.mark.parametrize("kind", MAKERS)
def test_gradients_numerically(kind):
    layer, (hidden, targets) = make(kind), draw(9)
    names = [name for name, _ in layer.named_parameters()]

    def loss(hidden: Tensor, *parameters: Tensor) -> Tensor:
        return torch.func.functional_call(Loss(layer), {f"layer.{n}": p for n, p in zip(names, parameters)}, hidden)

    class Loss(nn.Module):
        def __init__(self, layer: nn.Module) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, hidden: Tensor) -> Tensor:
            return 3 * self.layer.loss(hidden, targets)  # what comes after scales the gradients

    assert torch.autograd.gradcheck(loss, (hidden, *layer.parameters()))


@pytest.mark.parametrize("kind", MAKERS)
def test_tied_to_an_embedding(kind):
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(V, E)
            self.softmax = MAKERS[kind](V, E, self.embedding)

    model = Model().double()
    model = copy.deepcopy(model)
    assert model.softmax.weight is model.embedding.weight
    assert len(list(model.parameters())) == (2 if kind == "full" else 4)
    ids, targets = torch.randint(V, (N,)), torch.randint(V, (N,))
    loss = model.softmax.loss(model.embedding(ids).tanh(), targets)
    exact = -dense(model.softmax, model.embedding.weight[ids].tanh())[torch.arange(N), targets].mean()
    torch.testing.assert_close(loss, exact)
    (got,), (right,) = (gradients(value, model.embedding.weight) for value in (loss, exact))
    torch.testing.assert_close(got, right)


def test_is_torchs_adaptive_softmax():
    layer = make("adaptive")
    theirs = nn.AdaptiveLogSoftmaxWithLoss(E, V, list(CUTOFFS), div_value=1, head_bias=True).double()
    with torch.no_grad():
        theirs.head.weight.copy_(torch.cat([layer.weight[: CUTOFFS[0]], layer.cluster_weight]))
        theirs.head.bias.copy_(torch.cat([layer.bias[: CUTOFFS[0]], layer.cluster_bias]))
        layer.bias[CUTOFFS[0] :] = 0.0  # theirs has none there
        for tail, start, stop in zip(theirs.tail, CUTOFFS, (*CUTOFFS[1:], V)):
            tail[0].weight.copy_(torch.eye(E))
            tail[1].weight.copy_(layer.weight[start:stop])
    hidden, targets = draw()
    torch.testing.assert_close(layer.log_probabilities(hidden), theirs.log_prob(hidden))
    torch.testing.assert_close(layer.loss(hidden, targets), theirs(hidden, targets).loss)
    torch.testing.assert_close(layer.token_log_probabilities(hidden, targets), theirs(hidden, targets).output.detach())


def test_a_cluster_without_targets_has_no_gradient():
    layer, (hidden, _) = make("adaptive"), draw()
    targets = torch.randint(0, CUTOFFS[1], (N,))  # of the head and the first cluster
    (gradient,) = gradients(layer.loss(hidden, targets), layer.weight)
    assert (gradient[: CUTOFFS[1]] != 0).all()
    assert (gradient[CUTOFFS[1] :] == 0).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_is_torchs_cross_entropy(dtype):
    hidden, targets = draw(dtype=dtype)
    weight, bias = (torch.randn(*shape, dtype=dtype).requires_grad_() for shape in ((V, E), (V,)))
    loss = linear_cross_entropy(hidden, weight, bias, targets)
    exact = functional.cross_entropy(functional.linear(hidden.double(), weight.double(), bias.double()), targets)
    assert loss.dtype == torch.float32
    near = {"rtol": 1e-5, "atol": 1e-6} if dtype == torch.float32 else {"rtol": 2e-2, "atol": 2e-3}
    torch.testing.assert_close(loss, exact.float(), **near)
    wanted = (hidden, weight, bias)
    for got, right in zip(gradients(loss, *wanted), gradients(exact, *wanted)):
        assert got.dtype == dtype
        torch.testing.assert_close(got, right, **near)


@pytest.mark.parametrize("smoothing", [0.1, 1.0])
@pytest.mark.parametrize("rows", [1, 8, N])
def test_smoothing_is_that_of_torch(rows, smoothing):
    layer, (hidden, targets) = make("full"), draw(rows)
    loss = layer.loss(hidden, targets, smoothing)
    logits = functional.linear(hidden, layer.weight, layer.bias)
    exact = functional.cross_entropy(logits, targets, label_smoothing=smoothing)
    torch.testing.assert_close(loss, exact)
    wanted = [hidden, *layer.parameters()]
    for got, right in zip(gradients(3 * loss, *wanted), gradients(3 * exact, *wanted), strict=True):
        torch.testing.assert_close(got, right)
    with torch.no_grad():
        torch.testing.assert_close(layer.loss(hidden, targets, smoothing), exact)
    divided = linear_cross_entropy(hidden, layer.weight, layer.bias, targets, 2 * rows, smoothing)
    torch.testing.assert_close(divided, exact / 2)


@pytest.mark.parametrize("kind", MAKERS)
def test_autocast(kind):
    layer, (hidden, targets) = make(kind, torch.float32), draw(dtype=torch.float32)
    exact = layer.loss(hidden, targets)
    with torch.autocast("cpu", torch.bfloat16):
        loss, logs = layer.loss(hidden, targets), layer.log_probabilities(hidden)
        tokens = layer.token_log_probabilities(hidden, targets)
    assert loss.dtype == logs.dtype == tokens.dtype == torch.float32
    assert loss != exact  # rounded
    torch.testing.assert_close(-tokens.mean(), loss.detach())
    torch.testing.assert_close(tokens, logs[torch.arange(N), targets].detach(), rtol=1e-2, atol=1e-2)
    torch.testing.assert_close(logs.exp().sum(1), torch.ones(N), rtol=1e-5, atol=1e-5)
    wanted = [hidden, *layer.parameters()]
    for got, right in zip(gradients(loss, *wanted), gradients(exact, *wanted)):
        assert got.dtype == torch.float32
        torch.testing.assert_close(got, right, rtol=5e-2, atol=5e-3)
    with torch.autocast("cpu", torch.bfloat16):  # which leaves float64 as it is
        layer, (hidden, targets) = make(kind), draw()
        torch.testing.assert_close(layer.loss(hidden, targets), -dense(layer, hidden)[range(N), targets].mean())


@pytest.mark.parametrize("kind", MAKERS)
def test_improbable_targets_keep_a_finite_loss(kind):
    layer = make(kind, torch.float32)
    hidden, targets = torch.full((N, E), 1e3, requires_grad=True), torch.arange(N) % V
    loss = layer.loss(hidden, targets)
    right = -layer.log_probabilities(hidden)[range(N), targets].mean()
    assert right > 500  # e^-500 is not a float32
    torch.testing.assert_close(loss, right)
    assert all(gradient.isfinite().all() for gradient in gradients(loss, hidden, *layer.parameters()))


def test_backward_twice_and_scaled():
    layer, (hidden, targets) = make("full"), draw()
    loss = layer.loss(hidden, targets)
    (first,) = torch.autograd.grad(loss / 4, hidden, retain_graph=True)
    (second,) = torch.autograd.grad(loss, hidden, retain_graph=True)
    (third,) = torch.autograd.grad(loss / 4, hidden)
    torch.testing.assert_close(first, second / 4)
    assert torch.equal(first, third)


def test_never_has_all_logits(monkeypatch):
    largest = []
    plain = torch.log_softmax
    monkeypatch.setattr(torch, "log_softmax", lambda x, *more: largest.append(x.numel()) or plain(x, *more))
    layer, (hidden, targets) = make("full"), draw(200)
    layer.loss(hidden, targets).backward()
    layer.token_log_probabilities(hidden, targets)
    assert max(largest) == 8 * V


@pytest.mark.parametrize("kind", MAKERS)
def test_rows_that_do_not_fit(kind):
    layer, (hidden, targets) = make(kind), draw()
    for call in (layer.loss, layer.token_log_probabilities):
        with pytest.raises(ShapeError, match=r"hidden: expected \[N, 5\], got \[40, 4\]"):
            call(hidden[:, 1:], targets)
        with pytest.raises(ShapeError, match=r"targets: expected \[40\], one for each row of hidden, got \[39\]"):
            call(hidden, targets[1:])
        with pytest.raises(ShapeError, match="targets: expected at least one token, got none"):
            call(hidden[:0], targets[:0])
        with pytest.raises((RuntimeError, IndexError)):
            call(hidden, targets + V)


@pytest.mark.parametrize("kind", MAKERS)
def test_embedding_of_other_sizes(kind):
    message = (
        r"tied_to: expected an embedding of 23 symbols \(vocabulary_size\) by 5 numbers \(hidden_size\), got 23 by 4"
    )
    with pytest.raises(SettingsError, match=message):
        MAKERS[kind](V, E, nn.Embedding(V, 4))


@pytest.mark.parametrize("cutoffs", [(), (0, 4), (4, 4), (6, 4), (4, V), (-1,)])
def test_bad_cutoffs(cutoffs):
    with pytest.raises(SettingsError, match="cutoffs: expected ascending ids from 1 to 22"):
        AdaptiveSoftmax(V, E, cutoffs=cutoffs)


def test_default_cutoffs(monkeypatch):
    assert AdaptiveSoftmax(33278, 1).cutoffs == [2079, 9983]
    monkeypatch.setattr(softmax, "_LEAST_VOCABULARY", 1000)
    assert AdaptiveSoftmax(1000, 1).cutoffs == [62, 300]
    with pytest.raises(SettingsError, match="saves time from about 1000 symbols on, and this vocabulary has 999"):
        AdaptiveSoftmax(999, 1)
