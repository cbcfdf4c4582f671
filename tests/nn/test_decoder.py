"""The decoder's state, its dropout, and its steps in the type that the native kernel runs."""

from __future__ import annotations

import pytest
import torch

from recurra.batch import make_pair_batch
from recurra.config import TranslateModelConfig
from recurra.nn.decoder import DecoderState
from recurra.nn.translation import TranslationNetwork
from recurra.vocabulary import END

V = 9
BATCH = make_pair_batch([[3, 4, 5], [6]], [[4, 5, 6, END], [7, 8, END]])


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def make(**options: object) -> TranslationNetwork:
    config = TranslateModelConfig(embedding_size=8, hidden_size=8, **options)
    return TranslationNetwork(V, V, config, shared=True)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("options", [{"attention": "none"}, {"input_feeding": True, "num_layers": 2}], ids=str)
def test_steps_in_float32_are_the_scores(cell, options):
    network = make(cell=cell, **options).eval()
    encoding = network.encode(BATCH.sources, BATCH.source_lengths)
    state, ids = network.start(encoding, 1), torch.full((2, 1), END)
    for t in range(3):
        logs, _, state = network.step(ids, state, encoding)
        ids = BATCH.targets[:, t : t + 1]
        right = network.score(BATCH)[:, t]
        torch.testing.assert_close(logs.squeeze(1).gather(1, ids).squeeze(1), right, rtol=1e-5, atol=1e-5)


def test_reorder_may_change_how_many_there_are():
    hidden, fed, covered = (
        torch.arange(8.0).view(1, 4, 2),
        torch.arange(4.0).view(4, 1),
        torch.arange(8.0).view(2, 2, 2),
    )
    state = DecoderState((hidden,), fed, covered).reorder(torch.tensor([[1, 1, 0], [0, 1, 0]]))
    assert state.fed.flatten().tolist() == [1, 1, 0, 2, 3, 2]
    assert state.hidden[0][0, :, 0].tolist() == [2, 2, 0, 4, 6, 4]
    assert state.covered.tolist() == [[[2, 3], [2, 3], [0, 1]], [[4, 5], [6, 7], [4, 5]]]
    plain = DecoderState((hidden,), None, None).reorder(torch.tensor([[1], [0]]))
    assert (plain.fed, plain.covered) == (None, None)
    kept = DecoderState((hidden,), fed, covered).keep(torch.tensor([1]), 2)
    assert kept.fed.flatten().tolist() == [2, 3]
    assert kept.hidden[0][0].tolist() == [[4, 5], [6, 7]]
    assert kept.covered.tolist() == [[[4, 5], [6, 7]]]


@pytest.mark.parametrize("options", [{}, {"input_feeding": True}], ids=str)
def test_dropout_is_alike_at_all_steps_of_a_target(options, monkeypatch):
    network = make(dropout=0.5, **options)
    read = []
    plain = network.decoder.softmax.loss
    monkeypatch.setattr(network.decoder.softmax, "loss", lambda x, *more: read.append(x) or plain(x, *more))
    first, second = network(BATCH).loss, network(BATCH).loss
    assert first != second
    dropped = read[0] == 0
    assert 0 < dropped.float().mean() < 1
    assert torch.equal(dropped[[0, 2, 4, 6]], dropped[[0, 0, 0, 0]])  # packed: steps of two, two, two, one
    assert torch.equal(dropped[[1, 3, 5]], dropped[[1, 1, 1]])
    assert not torch.equal(dropped[0], dropped[1])
    network.eval()
    assert network(BATCH).loss == network(BATCH).loss


def test_a_symbol_outside_the_vocabulary_is_read_as_unknown():
    decoder = make().decoder
    assert torch.equal(decoder.embed(torch.tensor([V, V + 7])), decoder.embed(torch.tensor([1, 1])))
