"""The task: logits that know no company, the loss and the validation scores by hand, and what a text becomes."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from torch import nn

from recurra.batch import make_batch
from recurra.config import CONFIGS, make_run_config
from recurra.data import Splits, Texts
from recurra.errors import DataError
from recurra.tasks import TASKS, Task
from recurra.tasks.classify import Classify
from recurra.vocabulary import Vocabulary

SMALL = {"embedding_size": 4, "hidden_size": 4, "dropout": 0.0, "word_dropout": 0.0, "min_count": 1, "batch_size": 3}
TEXTS = ["good film", "bad", "a good plot", "bad bad film", "so so", "", "good", "not so good a film"]
LABELS = ["pos", "neg", "pos", "neg", "mid", "mid", "pos", "neg"]
KINDS = [(c, p) for c in ("lstm", "gru", "rnn", "rnn_relu") for p in ("final", "mean", "max", "attention")]
KINDS += [("feedforward", p) for p in ("mean", "max", "attention")]


def make(texts: list[str] = TEXTS, labels: list[str] = LABELS, **options: object) -> Classify:
    train = Texts.from_lists(texts, labels, name="training")
    valid = Texts.from_lists(["good", "bad film", "so unseen"], ["pos", "neg", "pos"])
    return Classify.from_splits(
        make_run_config("classify", data="memory", **{**SMALL, **options}), Splits(train, valid, None)
    )


def logits(task: Classify, texts: list[str], extra: int = 0) -> torch.Tensor:
    """Logits of texts in one batch, padded `extra` steps further than needed."""
    batch = make_batch(task.vocabulary.encode(texts))
    values = nn.functional.pad(batch.values, (0, extra), value=5)
    with torch.no_grad():
        return task.network.eval()(values, batch.lengths)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize(("cell", "pooling"), KINDS)
def test_a_text_alone_has_the_logits_it_has_in_company(cell, pooling, layers):
    task = make(cell=cell, pooling=pooling, num_layers=layers)
    for parameter in task.network.parameters():
        nn.init.normal_(parameter)  # as large as after training: the fresh ones hide differences
    together = logits(task, TEXTS)
    assert together.std(0).min() > 1e-2
    for index, text in enumerate(TEXTS):
        torch.testing.assert_close(logits(task, [text])[0], together[index], rtol=1e-5, atol=1e-5)
    order = [4, 7, 0, 5, 2, 6, 1, 3]
    moved = logits(task, [TEXTS[index] for index in order], extra=3)
    torch.testing.assert_close(moved, together[order], rtol=1e-5, atol=1e-5)


def test_the_one_table_of_tasks():
    assert TASKS["classify"] is Classify
    assert [task.name for task in TASKS.values()] == list(TASKS)
    assert set(TASKS) <= set(CONFIGS)
    assert all(issubclass(task, Task) for task in TASKS.values())


def test_classes_are_sorted_and_counted():
    task = make()
    assert task.classes == ["mid", "neg", "pos"]
    assert task.label_counts == [2, 3, 3]
    assert task.data is not None
    assert task.data.train.labels is not None
    assert [task.classes[number] for number in task.data.train.labels] == LABELS
    assert task.network.output.weight.shape == (3, 8)


def test_vocabulary_is_learnt_from_the_training_texts_alone():
    assert "unseen" not in make().vocabulary.symbols()
    assert "plot" in make().vocabulary.symbols()


def test_batches_hold_each_example_once_and_know_their_labels():
    task = make()
    expected = sorted(zip(map(tuple, task.vocabulary.encode(TEXTS)), LABELS))
    for epoch in (1, 2):
        batches = list(task.batches(epoch))
        assert len(batches) == task.steps() == 3
        seen = [
            (tuple(values[:length].tolist()), task.classes[label])
            for batch in batches
            for values, length, label in zip(*batch)
        ]
        assert sorted(seen) == expected


@pytest.mark.parametrize("weights", ["none", "balanced"])
def test_loss_is_the_cross_entropy_of_torch(weights):
    task = make(class_weights=weights)
    counts = torch.tensor([2.0, 3.0, 3.0])
    balance = None if weights == "none" else 8 / (3 * counts)
    for batch in task.batches(1):
        found, carried = task.loss(task.network, batch)
        assert carried is None
        scores = task.network(batch.values, batch.lengths)
        torch.testing.assert_close(found, nn.CrossEntropyLoss(weight=balance)(scores, batch.labels))
        of_true = -scores.log_softmax(1)[range(len(batch.labels)), batch.labels]
        shares = torch.ones_like(of_true) if balance is None else balance[batch.labels]
        torch.testing.assert_close(found, (of_true * shares).sum() / shares.sum())


def test_gradient_reaches_every_parameter():
    task = make(num_layers=2, pooling="attention")
    nn.init.normal_(task.network.encoder.embedding.weight)
    sum(task.loss(task.network, batch).value for batch in task.batches(1)).backward()
    for name, parameter in task.network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name


def test_validate_by_hand():
    task = make()
    for parameter in task.network.parameters():
        nn.init.normal_(parameter)
    scores = logits(task, ["good", "bad film", "so unseen"]).double()
    true = [task.classes.index(name) for name in ("pos", "neg", "pos")]
    expected = -sum(row.log_softmax(0)[number].item() for row, number in zip(scores, true)) / 3
    found = task.validate()
    assert found.loss == pytest.approx(expected, rel=1e-5)
    share = sum(int(row.argmax()) == number for row, number in zip(scores, true)) / 3
    assert found.score == pytest.approx(share)
    assert found.standard_error == pytest.approx((share * (1 - share) / 3) ** 0.5)
    assert 0 < share < 1


@pytest.mark.parametrize("size", [1, 2, 100])
def test_probabilities_keep_the_order_and_the_mode(size):
    task = make(dropout=0.5)
    task.network.train()
    texts = ["so so", "", "not so good a film", "bad"]
    found = task.probabilities(task.encode(Texts.from_lists(texts)), batch_size=size)
    assert task.network.training
    expected = logits(task, texts).softmax(1).numpy()
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-6)


@pytest.mark.parametrize("cell", ["gru", "feedforward"])
def test_pretrained_vectors_are_in_the_rows_of_their_words(tmp_path, cell):
    path = tmp_path / "vectors.txt"
    path.write_text("film 1 2 3 4 5 6\nunseen 9 9 9 9 9 9\ngood -1 -2 -3 -4 -5 -6\n")
    options = {name: value for name, value in SMALL.items() if name != "embedding_size"}
    splits = Splits(Texts.from_lists(TEXTS, LABELS), Texts.from_lists(["good"], ["pos"]), None)
    config = make_run_config("classify", data="memory", cell=cell, vectors=str(path), **options)
    task = Classify.from_splits(config, splits)
    weight = task.network.encoder.embedding.weight.detach()
    rows = {symbol: weight[number].tolist() for number, symbol in enumerate(task.vocabulary.symbols())}
    assert rows["film"] == [1, 2, 3, 4, 5, 6]
    assert rows["good"] == [-1, -2, -3, -4, -5, -6]
    assert all(max(map(abs, row)) <= 0.05 for symbol, row in rows.items() if symbol not in ("film", "good"))
    assert task.config.model.embedding_size == 6
    again = Classify.restore(
        task.config, {"tokenizer.json": Vocabulary.from_json(task.vocabulary.to_json())}, task.facts()
    )
    again.network.load_state_dict(task.network.state_dict())  # the file of vectors is not needed any more


def test_max_length_cuts_training_texts_and_new_ones():
    task = make(max_length=2)
    assert task.data is not None
    assert task.data.train.lengths.max() == 2
    assert task.data.train.truncated == 3
    longer, shorter = task.encode(Texts.from_lists(["bad film good", "bad film"]))
    assert longer.tolist() == shorter.tolist()


def test_the_seed_decides_the_fresh_weights():
    first, again, other = (make(seed=seed).network.state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["encoder.embedding.weight"], other["encoder.embedding.weight"])


def test_restore_makes_the_same_task():
    task = make(cell="gru")
    again = Classify.restore(
        task.config, {"tokenizer.json": Vocabulary.from_json(task.vocabulary.to_json())}, task.facts()
    )
    again.network.load_state_dict(task.network.state_dict())
    assert again.facts() == task.facts()
    assert (again.data, again.columns) == (None, task.columns)
    assert torch.equal(logits(again, TEXTS), logits(task, TEXTS))


def test_labels_of_new_texts_are_taken_where_there_are_some():
    task = make()
    labelled = task.encode(Texts.from_lists(["good", "bad"], ["pos", "neg"]))
    assert labelled.labels is not None
    assert labelled.labels.tolist() == [2, 1]
    assert task.encode(Texts.from_lists(["good"])).labels is None


def test_texts_without_any_symbol_are_refused():
    with pytest.raises(DataError, match="training: no text has a single symbol; is the text column the right one"):
        make(["", " "], ["neg", "pos"])


def test_what_was_read_is_said(caplog):
    with caplog.at_level(logging.INFO, logger="recurra"):
        make(max_length=2)
    assert "train: 8 texts, 12 tokens, 0.0 % unknown, 1 empty texts, kept, 3 texts cut to 2 tokens" in caplog.text
    assert "valid: 3 texts, 5 tokens, 20.0 % unknown" in caplog.text


def test_an_absurdly_long_text_is_kept_and_said(caplog):
    long = "good " * 5001
    with caplog.at_level(logging.WARNING, logger="recurra"):
        task = make([*TEXTS, long], [*LABELS, "pos"])
    assert "train: the longest text has 5,001 tokens; --max-length cuts such texts" in caplog.text
    assert task.data is not None
    assert task.data.train.lengths.max() == 5001
