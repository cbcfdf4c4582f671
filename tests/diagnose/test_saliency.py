"""Token influences: by hand on a linear model, by finite differences on others, and what they must add up to."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from recurra.config import make_run_config
from recurra.data import Splits, Texts
from recurra.diagnose import integrated_gradients, token_influences
from recurra.kernels.layout import Layout
from recurra.tasks import Classify
from recurra.vocabulary import UNKNOWN

SMALL = {"embedding_size": 5, "hidden_size": 6, "min_count": 1}  # dropout stays: an explanation must not see it
TEXTS = ["good film", "bad", "a good plot", "bad bad film", "so so", "not so good a film"]
TEXT = "not so good, a film"


def make(labels: list[str], spread: float = 1.0, **options: object) -> Classify:
    """A task whose weights are as large as after training: fresh ones are all but linear."""
    texts = Texts.from_lists(TEXTS, labels)
    task = Classify.from_splits(
        make_run_config("classify", data="memory", **{**SMALL, **options}), Splits(texts, texts, None)
    )
    generator = torch.Generator().manual_seed(3)
    for parameter in task.network.parameters():
        nn.init.normal_(parameter, std=spread, generator=generator)
    return task


def two(**options: object) -> Classify:
    return make(["pos", "neg", "pos", "neg", "neg", "pos"], **options)


def three(**options: object) -> Classify:
    return make(["pos", "neg", "pos", "neg", "mid", "mid"], **options)


def test_a_linear_model_by_hand():
    task = two(cell="feedforward", pooling="mean", embedding_size=2, hidden_size=2)
    encoder = task.network.encoder
    embeddings = torch.zeros(len(task.vocabulary), 2)
    (good,), (film,) = task.vocabulary.encode(["good", "film"])
    embeddings[good], embeddings[film], embeddings[UNKNOWN] = torch.tensor([[3.0, 1.0], [-1.0, 2.0], [1.0, 0.0]])
    with torch.no_grad():
        encoder.embedding.weight.copy_(embeddings)
        encoder.feedforward[0].weight.copy_(torch.tensor([[1.0, 2.0], [0.0, -1.0]]))
        encoder.feedforward[0].bias.fill_(50.0)  # so that the rectifier lets all through, and all is linear
        task.network.output.weight.copy_(torch.tensor([[1.0, 0.0], [2.0, 3.0]]))  # classes neg, pos
        task.network.output.bias.zero_()
    found = token_influences(task, "good film zebra", steps=4)
    # pos less neg weighs the hidden values (1, 3), so the embedding (1*1 + 3*0, 1*2 + 3*-1) = (1, -1); a third each
    # good: (3-1, 1-0).(1, -1) / 3 = 1/3; film: (-1-1, 2-0).(1, -1) / 3 = -4/3; zebra is unknown: nothing
    assert found.label == "pos"
    np.testing.assert_allclose(found.influences, [1 / 3, -4 / 3, 0], atol=1e-4)
    assert [token.text for token in found.tokens] == ["good", "film", "zebra"]
    assert [token.known for token in found.tokens] == [True, True, False]
    # 200 from the biases, and the unknown embedding (1, 0) in all three places gives 1
    assert found.start == pytest.approx(201.0, abs=1e-3)
    assert found.margin == pytest.approx(200.0, abs=1e-3)


KINDS = [(cell, pooling) for cell in ("lstm", "gru", "rnn") for pooling in ("final", "mean", "attention")]


@pytest.mark.parametrize(("cell", "pooling"), [*KINDS, ("feedforward", "mean")])
def test_finite_differences_give_the_same(cell, pooling):
    task = three(cell=cell, pooling=pooling, spread=0.5)
    found = token_influences(task, TEXT)
    network = copy.deepcopy(task.network).double().eval()
    weights = network.encoder.embedding.weight.detach()
    ids = torch.tensor(task.vocabulary.encode([TEXT])[0])
    change, start = weights[ids] - weights[UNKNOWN], weights[UNKNOWN].expand(len(ids), -1)
    answer = task.classes.index(found.label)

    def margin(vectors: torch.Tensor) -> float:
        logits = network.from_vectors(vectors, Layout.full(len(vectors), 1))[0].tolist()
        share = np.exp(logits[answer]) / np.exp(logits).sum()
        return float(np.log(share / (1 - share)))

    expected = np.zeros(len(ids))
    steps, tiny = 100, 1e-5
    with torch.no_grad():
        for step in range(steps):
            point = start + (step + 0.5) / steps * change
            for token in range(len(ids)):
                nudge = torch.zeros_like(point)
                nudge[token] = tiny * change[token]
                expected[token] += (margin(point + nudge) - margin(point - nudge)) / (2 * tiny) / steps
    assert np.abs(expected).max() > 0.02
    np.testing.assert_allclose(found.influences, expected, atol=5e-4)


@pytest.mark.parametrize("pooling", ["final", "mean", "max", "attention"])
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn", "rnn_relu"])
def test_the_influences_add_up_to_the_change_of_the_margin(cell, pooling):
    task = three(cell=cell, pooling=pooling, num_layers=2, spread=0.5)
    found = token_influences(task, TEXT)
    assert abs(found.margin - found.start) > 0.05
    assert found.influences.sum() == pytest.approx(found.margin - found.start, abs=0.02)
    assert found.gap == pytest.approx(found.influences.sum() - (found.margin - found.start), abs=1e-9)


def test_more_steps_close_the_gap():
    task = three(cell="lstm")
    gaps = [abs(token_influences(task, TEXT, steps=steps).gap) for steps in (1, 16, 512)]
    assert gaps[0] > 10 * gaps[2]
    assert gaps[1] > gaps[2]


def test_the_margin_and_probabilities_are_those_of_the_answer():
    task = three()
    found = token_influences(task, TEXT)
    (row,) = task.probabilities(task.encode(Texts.from_lists([TEXT])))
    assert found.label == task.classes[int(row.argmax())]
    np.testing.assert_allclose(list(found.probabilities.values()), row, atol=1e-6)
    assert list(found.probabilities) == task.classes
    share = float(row.max())
    assert found.margin == pytest.approx(np.log(share / (1 - share)), abs=1e-3)


def test_how_many_points_go_at_once_changes_nothing(monkeypatch):
    task = three()
    whole = token_influences(task, TEXT, steps=30)
    monkeypatch.setattr(integrated_gradients, "_STEPS_AT_ONCE", 13)  # two points of six tokens at a time
    pieces = token_influences(task, TEXT, steps=30)
    np.testing.assert_allclose(pieces.influences, whole.influences, atol=1e-5)


@pytest.mark.parametrize("cell", ["lstm", "feedforward"])
@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_text_has_an_answer_and_no_influences(cell, text):
    found = token_influences(two(cell=cell), text)
    assert found.tokens == []
    assert found.influences.shape == (0,)
    assert found.gap == 0
    assert found.margin == found.start
    assert sum(found.probabilities.values()) == pytest.approx(1, abs=1e-6)


def test_a_truncated_text_is_explained_as_far_as_it_is_read():
    task = two(max_length=3)
    found = token_influences(task, "good film, a plot")
    assert [token.text for token in found.tokens] == ["good", "film", ","]
    assert found.truncated == 2
    np.testing.assert_array_equal(found.influences, token_influences(task, "good film,").influences)


def test_the_network_is_left_as_it_was():
    task = two()
    task.network.train()
    with torch.inference_mode(False):
        token_influences(task, TEXT)
    assert task.network.training
    assert all(parameter.grad is None for parameter in task.network.parameters())
    np.testing.assert_array_equal(token_influences(task, TEXT).influences, token_influences(task, TEXT).influences)


def test_it_works_where_gradients_are_off():
    task = two()
    expected = token_influences(task, TEXT).influences
    with torch.no_grad():
        np.testing.assert_array_equal(token_influences(task, TEXT).influences, expected)
