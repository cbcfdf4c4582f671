"""The loop over steps against one call of the recurrence, and against the network's own single steps."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from recurra.batch import PairBatch, make_pair_batch
from recurra.config import TranslateModelConfig
from recurra.kernels.trace import traced
from recurra.nn import decoder, step_loop, translation
from recurra.nn.translation import TranslationNetwork
from recurra.vocabulary import END

V = 12
SOURCES = [[3, 4, 5], [], [6, 7], [1, 8, 1]]
COPIES = [[3, 4, 5], [], [6, 7], [V, 8, V + 1]]
TARGETS = [[5, 4, END], [4, 6, 7, 8, END], [7, END], [V + 1, 8, V, 9, END]]


def make(dropout: float = 0.0, **options: object) -> TranslationNetwork:
    torch.manual_seed(0)
    config = TranslateModelConfig(embedding_size=4, hidden_size=6, dropout=dropout, **options)
    network = TranslationNetwork(V, V, config, shared=True).double()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return network


def make_batch(network: TranslationNetwork, sampling: float = 0.0) -> PairBatch:
    if network.decoder.gate is not None:
        return make_pair_batch(SOURCES, TARGETS, COPIES, sampling, target_size=V)
    known = [[symbol if symbol < V else 3 for symbol in target] for target in TARGETS]
    return make_pair_batch(SOURCES, known, sampling=sampling)


@pytest.mark.parametrize(
    "options",
    [
        {"attention": "none"},
        {"attention": "none", "cell": "gru", "num_layers": 3},
        {"num_layers": 2},
        {"attention": "additive", "coverage": True, "cell": "rnn"},
        {"attention": "multihead", "heads": 2, "cell": "rnn_relu"},
        {"attention": "dot", "copying": True, "coverage": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_is_one_call_of_the_recurrence(options, dropout, monkeypatch):
    network = make(dropout, **options)
    batch, found = make_batch(network), []
    for by_steps in (False, True):
        if by_steps:
            monkeypatch.setattr(
                type(network.decoder),
                "forward",
                lambda self, ids, layout, encoding: step_loop.decode_by_steps(self, ids, layout, encoding, 0.0),
            )
        torch.manual_seed(1)  # the same masks of dropout
        loss = network(batch).loss
        found.append((loss, *torch.autograd.grad(loss, list(network.parameters()))))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_its_steps_are_noted_as_those_of_one_call(cell, monkeypatch):
    network, notes = make(cell=cell, num_layers=2).eval(), []
    batch = make_batch(network)
    for by_steps in (False, True):
        if by_steps:
            monkeypatch.setattr(
                type(network.decoder),
                "forward",
                lambda self, ids, layout, encoding: step_loop.decode_by_steps(self, ids, layout, encoding, 0.0),
            )
        with traced() as traces:
            loss = network(batch).loss
        decoded = traces[-2:]
        steps = [trace.steps[t] for trace in decoded for t in range(len(trace.steps))]
        parts = [part for step in steps for part in (*step.said, *step.after)]
        reached = torch.autograd.grad(loss, parts, materialize_grads=True)
        gates = [gate for step in steps for _, gate in sorted(step.gates.items())]
        notes.append([*gates, *(part for step in steps for part in (*step.before, *step.after)), *reached])
        assert [trace.cell for trace in decoded] == [cell] * 2
        assert [len(step.after[0]) for step in steps] == [4, 4, 3, 2, 2] * 2
    for one, other in zip(*notes, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("dropped", ["symbol", "fed"])
def test_dropout_of_what_is_fed(dropped, monkeypatch):
    """Masks that drop all of one part of what the first layer reads are as if it had no weights for that part."""
    network = make(0.5, input_feeding=True)
    batch, size = make_batch(network), network.decoder.embedding.embedding_dim
    part = slice(0, size) if dropped == "symbol" else slice(size, None)
    monkeypatch.setattr(decoder, "drop_by_sequence", lambda data, layout, p: data)
    network.encoder.recurrent.input_dropout = network.encoder.recurrent.output_dropout = 0.0
    masks = torch.ones(4, 2 * size, dtype=torch.float64)
    masks[:, part] = 0.0
    monkeypatch.setattr(step_loop, "draw_mask", lambda like, rows, width, p: masks)
    loss = network(batch).loss
    network.eval()
    assert abs(network(batch).loss - loss) > 1e-6
    with torch.no_grad():
        network.decoder.recurrent.weight_ih_l0[:, part] = 0.0
    torch.testing.assert_close(network(batch).loss, loss)


def test_is_used_only_where_needed(monkeypatch):
    calls = []
    plain = translation.decode_by_steps
    monkeypatch.setattr(translation, "decode_by_steps", lambda *given: calls.append(given[-1]) or plain(*given))
    network = make()
    network(make_batch(network))
    network.score(make_batch(network, sampling=0.5))
    assert calls == []
    network(make_batch(network, sampling=0.5))
    assert calls == [0.5]
    fed = make(input_feeding=True)
    fed.score(make_batch(fed))
    assert calls == [0.5, 0.0]


def sampled_by_hand(network: TranslationNetwork, batch: PairBatch, reads_own: Tensor) -> Tensor:
    """log p of the targets [B, T] where step t of sentence b reads its own symbol if reads_own [T, B] says so."""
    encoding = network.encode(batch.sources, batch.source_lengths, batch.copies, batch.extra)
    state = network.start(encoding, 1)
    ids, logs = torch.full((len(batch.targets), 1), END), []
    for t in range(batch.targets.shape[1]):
        found, _, state = network.step(ids, state, encoding)
        logs.append(found.squeeze(1).gather(1, batch.targets[:, t : t + 1]))
        if t + 1 < batch.targets.shape[1]:
            ids = torch.where(reads_own[t + 1].unsqueeze(1), found.argmax(2), batch.targets[:, t : t + 1])
    return torch.cat(logs, 1)


@pytest.mark.parametrize("sampling", [0.5, 1.0])
@pytest.mark.parametrize(
    "options",
    [{}, {"attention": "none"}, {"input_feeding": True, "num_layers": 2}, {"copying": True, "coverage": True}],
    ids=str,
)
def test_reads_its_own_symbols(options, sampling, monkeypatch):
    network = make(**options)
    batch = make_batch(network, sampling)
    sizes, order = [4, 4, 3, 2, 2], [1, 3, 0, 2]  # of the steps, by falling length
    drawn = torch.rand(sum(sizes))
    monkeypatch.setattr(torch, "rand", lambda *shape, device: drawn)
    got = network(batch)
    reads_own = torch.zeros(5, 4, dtype=torch.bool)
    for t, part in enumerate(drawn.split(sizes)):
        reads_own[t, order[: len(part)]] = part < sampling
    is_target = torch.arange(5) < batch.lengths.unsqueeze(1)
    right = -sampled_by_hand(network, batch, reads_own)[is_target].mean()
    loss = got.loss if got.coverage is None else got.loss - got.coverage
    torch.testing.assert_close(loss, right)
    given = network(batch._replace(sampling=0.0)).loss
    assert abs(given - got.loss) > 1e-6  # it does read other symbols
    gradients = torch.autograd.grad(got.loss, list(network.parameters()))
    assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("options", [{}, {"input_feeding": True}, {"copying": True, "coverage": True}], ids=str)
def test_autocast(options):
    network = make(0.3, **options).float()
    batch = make_batch(network)
    with torch.autocast("cpu", torch.bfloat16):
        for sampling in (0.0, 0.5):
            loss = network(batch._replace(sampling=sampling)).loss
            assert loss.dtype == torch.float32
            loss.backward()
    network.eval()
    exact = network.score(batch)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(network.score(batch), exact, rtol=0.1, atol=0.1)
