"""The translator's network against the definition, one sentence and one symbol at a time in torch's own cells."""

from __future__ import annotations

from itertools import chain
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from recurra.batch import PairBatch, make_pair_batch
from recurra.config import TranslateModelConfig
from recurra.errors import SettingsError, ShapeError
from recurra.nn import softmax
from recurra.nn.translation import TranslationNetwork
from recurra.vocabulary import END, UNKNOWN

E, H, S, V = 3, 4, 11, 9  # the sizes; S and V symbols
CELLS = {"lstm": torch.lstm_cell, "gru": torch.gru_cell, "rnn": torch.rnn_tanh_cell, "rnn_relu": torch.rnn_relu_cell}
CONFIGS: dict[str, dict[str, object]] = {
    "none": {"attention": "none"},
    "none-gru-deep": {"attention": "none", "cell": "gru", "num_layers": 2, "bidirectional": False},
    "general": {},
    "general-deep-shared": {"num_layers": 2, "shared": True},
    "dot-projected": {"attention": "dot", "cell": "gru"},
    "dot-one-way": {"attention": "dot", "cell": "rnn", "bidirectional": False},
    "additive-rectified": {"attention": "additive", "cell": "rnn_relu"},
    "gru-to-lstm": {"attention": "additive", "cell": "gru", "decoder_cell": "lstm"},
    "lstm-to-gru": {"cell": "lstm", "decoder_cell": "gru", "num_layers": 2},
    "multihead": {"attention": "multihead", "heads": 2},
    "fed": {"input_feeding": True},
    "fed-deep-gru": {"input_feeding": True, "cell": "gru", "num_layers": 2, "attention": "additive"},
    "covered": {"attention": "additive", "coverage": True},
    "covered-general-fed": {"coverage": True, "input_feeding": True},
    "copying": {"copying": True},
    "copying-all": {"attention": "additive", "copying": True, "coverage": True, "input_feeding": True},
    "copying-multihead": {"attention": "multihead", "heads": 2, "copying": True, "coverage": True, "cell": "gru"},
}
# a source without symbols, and one with unknown symbols of which one comes twice
SOURCES = [[3, 4, 5], [], [1, 6, 1, 1], [7]]
COPIES = [[3, 4, 5], [], [V, 6, V + 1, V], [7]]
TARGETS = [[3, 5, 5, END], [4, END], [6, 3, 7, 4, 8, END], [END]]
COPYING_TARGETS = [[3, 5, 5, END], [4, END], [6, V + 1, V, 4, UNKNOWN, END], [7, END]]


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def make(name: str, dropout: float = 0.0) -> TranslationNetwork:
    options = {key: value for key, value in CONFIGS[name].items() if key != "shared"}
    config = TranslateModelConfig(embedding_size=E, hidden_size=H, dropout=dropout, **options)
    shared = "shared" in CONFIGS[name] or config.copying
    network = TranslationNetwork(V if shared else S, V, config, shared).double()
    for parameter in network.parameters():  # biases and what coverage adds begin with zeros, which would hide faults
        torch.nn.init.normal_(parameter, std=0.7)
    return network


def make_batch(name: str, sampling: float = 0.0) -> PairBatch:
    if "copying" not in CONFIGS[name]:
        return make_pair_batch(SOURCES, TARGETS, sampling=sampling)
    return make_pair_batch(SOURCES, COPYING_TARGETS, COPIES, sampling, target_size=V)


class Steps(NamedTuple):
    """p [T, V + extra], the weights [T, S] and the sum of what coverage finds."""

    p: Tensor
    weights: Tensor | None
    coverage: Tensor


def run_cell(layer, suffix: str, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    weights = [getattr(layer, f"{part}_{suffix}") for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    after = CELLS[layer.cell.removesuffix("_tanh")](x, state if len(state) > 1 else state[0], *weights)
    return after if isinstance(after, tuple) else (after,)


def encode(network: TranslationNetwork, source: list[int]) -> tuple[Tensor, list[tuple[Tensor, ...]]]:
    """Memory [S, M], and the state the decoder begins with: for each layer tensors [1, H]."""
    encoder, embedding = network.encoder, network.source_embedding or network.decoder.embedding
    layer = encoder.recurrent
    xs = [E**0.5 * embedding.weight[symbol : symbol + 1] for symbol in source]
    finals = []
    for number in range(layer.num_layers):
        outputs, final = [], []
        for suffix in (f"l{number}", f"l{number}_reverse")[: layer.num_directions]:
            state = tuple(torch.zeros(1, H, dtype=torch.float64) for _ in range(2 if layer.cell == "lstm" else 1))
            made = []
            for x in reversed(xs) if "reverse" in suffix else xs:
                state = run_cell(layer, suffix, x, state)
                made.append(state[0])
            outputs.append(made[::-1] if "reverse" in suffix else made)
            final.append(state)
        xs = [torch.cat(parts, 1) for parts in zip(*outputs)]
        finals.append([torch.cat(parts, 1) for parts in zip(*final)])
    bridged = []
    for number, final in enumerate(finals):
        parts = [final[min(tensor, len(final) - 1)] for tensor in range(len(encoder.bridge.layers))]
        linears = [layers[number] for layers in encoder.bridge.layers]
        bridged.append(tuple(torch.tanh(part @ w.weight.T + w.bias) for part, w in zip(parts, linears)))
    memory = torch.cat(xs) if xs else torch.zeros(0, layer.num_directions * H, dtype=torch.float64)
    return encoder.projection(memory), bridged


def attend(attention, query: Tensor, memory: Tensor, covered: Tensor) -> tuple[Tensor, Tensor]:
    """Context [M] and weights [S]."""
    if not len(memory):
        return memory.new_zeros(attention.context_size), memory.new_zeros(0)
    if attention.kind == "multihead":  # which has a test of its own
        ready = attention.prepare(memory.unsqueeze(0), [len(memory)])
        found = attention(query.view(1, 1, H), ready, None if attention.coverage is None else covered.view(1, 1, -1))
        return found.context.flatten(), found.weights.flatten()
    extra = 0.0 if attention.coverage is None else covered.unsqueeze(1) * attention.coverage
    if attention.kind == "additive":
        inner = query @ attention.to_query.weight.T + attention.to_query.bias + memory @ attention.to_keys.weight.T
        scores = (torch.tanh(inner + extra) @ attention.to_score.weight.T).squeeze(1)
    else:
        keys = memory if attention.kind == "dot" else memory @ attention.to_keys.weight.T / H**0.5
        scores = keys @ query + (extra if isinstance(extra, float) else extra.squeeze(1))
    weights = scores.exp() / scores.exp().sum()
    return weights @ memory, weights


def by_hand(network: TranslationNetwork, source: list[int], target: list[int], copies: list[int], extra: int) -> Steps:
    """The decoder reads the end and then the target."""
    decoder = network.decoder
    memory, state = encode(network, source)
    covered = memory.new_zeros(len(memory))
    fed = memory.new_zeros(1, E)
    chances, all_weights, coverage = [], [], memory.new_zeros(())
    for symbol in [END, *target[:-1]]:
        read = UNKNOWN if symbol >= V else symbol
        vector = E**0.5 * decoder.embedding.weight[read : read + 1]
        x = torch.cat([vector, fed], 1) if decoder.input_feeding else vector
        for number, before in enumerate(state):
            state[number] = run_cell(decoder.recurrent, f"l{number}", x, before)
            x = state[number][0]
        found = [x]
        if decoder.attention is not None:
            context, weights = attend(decoder.attention, x[0], memory, covered)
            coverage = coverage + torch.minimum(weights, covered).sum()
            covered = covered + weights
            all_weights.append(weights)
            found = [context.unsqueeze(0), x]
        fed = torch.cat(found, 1) @ decoder.combine.weight.T + decoder.combine.bias
        scores = (fed @ decoder.embedding.weight.T + decoder.softmax.bias).exp()
        p = torch.cat([(scores / scores.sum())[0], fed.new_zeros(extra)])
        if decoder.gate is not None and source:
            generated = torch.sigmoid(decoder.gate.score(torch.cat([*found, vector], 1))).squeeze()
            places = torch.nn.functional.one_hot(torch.tensor(copies), V + extra).double()
            p = generated * p + (1 - generated) * (weights @ places)
        chances.append(p)
    return Steps(torch.stack(chances), torch.stack(all_weights) if all_weights else None, coverage)


def all_by_hand(network: TranslationNetwork, batch: PairBatch) -> list[Steps]:
    targets = TARGETS if batch.copies is None else COPYING_TARGETS
    rows = zip(SOURCES, targets, COPIES)
    return [by_hand(network, source, target, copies, batch.extra) for source, target, copies in rows]


def of_targets(found: list[Steps], targets: list[list[int]]) -> list[Tensor]:
    return [steps.p[torch.arange(len(target)), target].log() for steps, target in zip(found, targets)]


@pytest.mark.parametrize("name", CONFIGS)
def test_is_the_definition_with_its_gradients(name):
    network, batch = make(name), make_batch(name)
    found = all_by_hand(network, batch)
    logs = of_targets(found, TARGETS if batch.copies is None else COPYING_TARGETS)
    scores = network.score(batch)
    assert not scores.requires_grad
    for row, right in zip(scores, logs):
        torch.testing.assert_close(row[: len(right)], right.detach())
        assert (row[len(right) :] == 0).all()
    right = -torch.cat(logs).mean()
    coverage = sum(steps.coverage for steps in found) / batch.lengths.sum()
    got = network(batch)
    if "coverage" in CONFIGS[name]:
        torch.testing.assert_close(got.coverage, coverage)
        right = right + coverage
    else:
        assert got.coverage is None
    torch.testing.assert_close(got.loss, right)
    with torch.no_grad():
        torch.testing.assert_close(network(batch).loss, right)
    names, parameters = zip(*network.named_parameters())
    for which, ours, theirs in zip(
        names,
        torch.autograd.grad(got.loss, parameters, materialize_grads=True),
        torch.autograd.grad(right, parameters, materialize_grads=True),
    ):
        torch.testing.assert_close(ours, theirs, msg=lambda text, which=which: f"{which}: {text}")


@pytest.mark.parametrize("name", CONFIGS)
def test_step_after_step_is_the_definition(name):
    """Two hypotheses of each sentence: its own target, and that of the sentence behind it."""
    network, batch = make(name), make_batch(name)
    targets = TARGETS if batch.copies is None else COPYING_TARGETS
    others = [[min(symbol, V - 1) for symbol in target] for target in (*targets[1:], targets[0])]
    encoding = network.encode(batch.sources, batch.source_lengths, batch.copies, batch.extra)
    state, steps = network.start(encoding, 2), 6
    rows = [[END, *(target + [END] * steps)[: steps - 1]] for pair in zip(targets, others) for target in pair]
    ids = torch.tensor(rows).view(len(SOURCES), 2, steps)
    logs, weights = [], []
    for t in range(steps):
        found, looked, state = network.step(ids[:, :, t], state, encoding)
        assert not found.requires_grad
        logs.append(found)
        weights.append(looked)
    for sentence, hypotheses in enumerate(zip(targets, others)):
        source, copies = SOURCES[sentence], COPIES[sentence]
        for k, target in enumerate(hypotheses):
            right = by_hand(network, source, target, copies, batch.extra)
            got = torch.stack([found[sentence, k] for found in logs[: len(target)]])
            torch.testing.assert_close(got, right.p.log().detach())
            if right.weights is None:
                assert weights[0] is None
            else:
                looked = torch.stack([found[sentence, k, : len(source)] for found in weights[: len(target)]])
                torch.testing.assert_close(looked, right.weights.detach())


@pytest.mark.parametrize("name", CONFIGS)
def test_padding_and_company_do_not_matter(name):
    network, batch = make(name), make_batch(name)
    scores = network.score(batch)

    def widened(values: Tensor, lengths: Tensor, size: int) -> Tensor:
        wide = torch.randint(size, (len(values), values.shape[1] + 3))
        is_token = torch.arange(values.shape[1]) < lengths.unsqueeze(1)
        wide[:, : values.shape[1]][is_token] = values[is_token]
        return wide

    size = V if network.source_embedding is None else S
    noisy = batch._replace(
        sources=widened(batch.sources, batch.source_lengths, size),
        targets=widened(batch.targets, batch.lengths, V),
        copies=None if batch.copies is None else widened(batch.copies, batch.source_lengths, 100 * V),
    )
    torch.testing.assert_close(network.score(noisy)[:, : scores.shape[1]], scores)
    torch.testing.assert_close(network(noisy).loss, network(batch).loss)
    ids, found = torch.tensor([[3], [4], [5], [6]]), []
    for pairs in (batch, noisy):
        encoding = network.encode(pairs.sources, pairs.source_lengths, pairs.copies, pairs.extra)
        found.append(network.step(ids, network.start(encoding, 1), encoding)[0])
    torch.testing.assert_close(*found)
    for number, (source, length) in enumerate(zip(batch.source_lengths, batch.lengths)):
        copies = None if batch.copies is None else batch.copies[number : number + 1, :source]
        alone = batch._replace(
            sources=batch.sources[number : number + 1, :source],
            source_lengths=batch.source_lengths[number : number + 1],
            targets=batch.targets[number : number + 1, :length],
            lengths=batch.lengths[number : number + 1],
            copies=copies,
        )
        torch.testing.assert_close(network.score(alone)[0], scores[number, :length])


@pytest.mark.parametrize("name", ["copying", "copying-all", "copying-multihead"])
def test_a_distribution_over_known_and_unknown_symbols(name, monkeypatch):
    monkeypatch.setattr(softmax, "_LOGITS", 4 * V)
    monkeypatch.setattr(softmax, "_LEAST_ROWS", 3)  # several pieces: the gradients are computed again
    network, batch = make(name), make_batch(name)
    encoding = network.encode(batch.sources, batch.source_lengths, batch.copies, batch.extra)
    logs, _, _ = network.step(torch.tensor([[3], [4], [5], [6]]), network.start(encoding, 1), encoding)
    assert logs.shape == (4, 1, V + 2)
    torch.testing.assert_close(logs.exp().sum(2), torch.ones(4, 1, dtype=torch.float64))
    assert (logs[[0, 1, 3], :, V:] == -torch.inf).all()  # symbols of another sentence
    right = -torch.cat(of_targets(all_by_hand(network, batch), COPYING_TARGETS)).mean()
    got = network(batch)
    loss = got.loss if got.coverage is None else got.loss - got.coverage
    torch.testing.assert_close(loss, right)
    weight = network.decoder.embedding.weight
    torch.testing.assert_close(torch.autograd.grad(loss, weight), torch.autograd.grad(right, weight))


def test_smoothing_is_that_of_torch():
    network, batch = make("general"), make_batch("general")
    found = all_by_hand(network, batch)
    logits = torch.cat([steps.p.log() for steps in found])
    right = torch.nn.functional.cross_entropy(logits, torch.tensor(list(chain(*TARGETS))), label_smoothing=0.2)
    torch.testing.assert_close(network(batch, 0.2).loss, right)
    copying, pairs = make("copying"), make_batch("copying")
    assert copying(pairs, 0.2).loss == copying(pairs, 0.0).loss


def test_keep_drops_sentences():
    network, batch = make("copying-all"), make_batch("copying-all")
    encoding = network.encode(batch.sources, batch.source_lengths, batch.copies, batch.extra)
    ids, kept = torch.tensor([[3, 4], [4, 4], [5, 6], [6, 3]]), torch.tensor([3, 2])
    _, _, state = network.step(ids, network.start(encoding, 2), encoding)
    logs, _, _ = network.step(ids, state, encoding)
    fewer, _, _ = network.step(ids[kept], state.keep(kept, 2), encoding.keep(kept))
    torch.testing.assert_close(fewer, logs[kept])
    parents = torch.tensor([[1, 0], [0, 0], [1, 1], [0, 1]])
    swapped, _, _ = network.step(ids.gather(1, parents), state.reorder(parents), encoding)
    torch.testing.assert_close(swapped, logs.gather(1, parents.unsqueeze(2).expand(-1, -1, V + 2)))


@pytest.mark.parametrize("name", ["general", "fed", "copying"])
def test_weights_are_in_the_state_once(name):
    network = make(name)
    weights = network.state_dict()
    assert len({value.data_ptr() for value in weights.values()}) == len(weights)
    assert ("source_embedding.weight" in weights) == (name != "copying")
    with torch.no_grad():
        other = make(name)
    other.load_state_dict(weights)
    assert torch.equal(other.score(make_batch(name)), network.score(make_batch(name)))


@pytest.mark.parametrize("options", [{}, {"input_feeding": True}, {"attention": "none"}], ids=str)
def test_learns_to_write_backwards(options):
    config = TranslateModelConfig(embedding_size=24, hidden_size=32, dropout=0.0, **options)
    network = TranslationNetwork(9, 9, config, shared=True)
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-2)
    sources = torch.randint(3, 9, (32, 4)).tolist()
    batch = make_pair_batch(sources, [[*source[::-1], END] for source in sources])
    for _ in range(40):
        loss = network(batch).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.2


def test_learns_to_copy_what_it_does_not_know():
    """Each target is the one unknown symbol of its source, of which the vocabulary says nothing."""
    config = TranslateModelConfig(embedding_size=16, hidden_size=16, dropout=0.0, copying=True)
    network = TranslationNetwork(9, 9, config, shared=True)
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-2)
    sources = torch.randint(3, 9, (64, 5))
    places = torch.randint(5, (64, 1))
    copies = sources.scatter(1, places, 9).tolist()
    sources = sources.scatter(1, places, UNKNOWN).tolist()
    batch = make_pair_batch(sources, [[9, END]] * 64, copies, target_size=9)
    for _ in range(40):
        loss = network(batch).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.1


def test_copies_that_do_not_fit():
    network, batch = make("copying"), make_batch("copying")
    with pytest.raises(ShapeError, match=r"copies: expected \[4, 4\] as values, got None"):
        network(batch._replace(copies=None))
    with pytest.raises(ShapeError, match=r"copies: expected \[4, 4\] as values, got \[4, 3\]"):
        network(batch._replace(copies=batch.copies[:, 1:]))
    with pytest.raises(ShapeError, match=r"copies: expected None, as this network does not copy, got \[4, 4\]"):
        make("general")(batch)


def test_settings_that_do_not_fit():
    with pytest.raises(SettingsError, match=r"source_size: expected 9, as target_size, .* got 8"):
        TranslationNetwork(8, 9, TranslateModelConfig(), shared=True)
    with pytest.raises(SettingsError, match=r"source_size: expected 9, as target_size, .* got 8"):
        TranslationNetwork(8, 9, TranslateModelConfig(copying=True), shared=False)
    for name in ("input_feeding", "coverage", "copying"):
        with pytest.raises(SettingsError, match=f"{name}: expected an attention to work with, got attention 'none'"):
            TranslationNetwork(9, 9, TranslateModelConfig(attention="none", **{name: True}), shared=True)
