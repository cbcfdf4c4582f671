"""Language modelling against loops written with torch alone, and its batches by what they must be."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from recurra.errors import DataError, SettingsError
from recurra.tasks import running_text
from recurra.tasks.language_model import ModelLanguage
from recurra.train import Callback, StepRecord, train
from recurra.vocabulary import END, PADDING, UNKNOWN

Make = Callable[..., ModelLanguage]


class ByHand(nn.Module):
    """The network in torch.nn, with the same weights."""

    def __init__(self, task: ModelLanguage) -> None:
        super().__init__()
        told, state = task.config.model, {n: v.clone() for n, v in task.network.state_dict().items()}
        makers = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN, "rnn_relu": nn.RNN}
        extra = {"nonlinearity": "relu"} if told.cell == "rnn_relu" else {}
        sizes = (told.embedding_size, told.hidden_size, told.num_layers)
        self.embedding = nn.Embedding.from_pretrained(state["embedding.weight"], freeze=False, padding_idx=PADDING)
        self.recurrent = makers[told.cell](*sizes, **extra)
        names = {n.removeprefix("recurrent."): v for n, v in state.items() if n.startswith("recurrent.")}
        self.recurrent.load_state_dict(names)
        self.projection = nn.Identity()
        if "projection.weight" in state:
            self.projection = nn.Linear(told.hidden_size, told.embedding_size)
            self.projection.load_state_dict({k: state[f"projection.{k}"] for k in ("weight", "bias")})
        self.weight = self.embedding.weight if told.tied else nn.Parameter(state["softmax.own_weight"])
        self.bias = nn.Parameter(state["softmax.bias"])
        self.to(state["softmax.bias"].dtype)

    def forward(self, ids: Tensor, state: Any = None) -> tuple[Tensor, Tensor, Any]:
        """Logits [T, B, V], outputs [T, B, H] and state after ids [T, B]."""
        outputs, state = self.recurrent(self.embedding.embedding_dim**0.5 * self.embedding(ids), state)
        return nn.functional.linear(self.projection(outputs), self.weight, self.bias), outputs, state


def detached(state: Any) -> Any:
    return tuple(part.detach() for part in state) if isinstance(state, tuple) else state.detach()


class Notes(Callback):
    """Keeps the records, and the weights after the last epoch."""

    def __init__(self, task: ModelLanguage) -> None:
        self.task, self.steps, self.last = task, [], {}  # type: ignore[var-annotated]

    def on_step(self, record: StepRecord) -> None:
        self.steps.append((record.loss, record.gradient_norm))

    def on_epoch(self, record: Any) -> None:
        self.last = {name: value.detach().clone() for name, value in self.task.network.state_dict().items()}


@pytest.mark.parametrize(
    "options",
    [
        {"cell": "lstm"},
        {"cell": "lstm", "tied": False},
        {"cell": "lstm", "embedding_size": 4},
        {"cell": "gru", "tied": False, "embedding_size": 4},
        {"cell": "rnn"},
        {"cell": "rnn_relu"},
        {"cell": "lstm", "activation": 2.0, "temporal_activation": 3.0},
        {"cell": "gru", "temporal_activation": 3.0},
        {"cell": "lstm", "steps": 1},
    ],
    ids=str,
)
def test_training_is_that_of_a_loop_by_hand(language_model: Make, options: dict[str, Any]) -> None:
    task = language_model(optimizer="sgd", learning_rate=2.0, clip_norm=0.1, schedule="constant", **options)
    net, notes, settings = ByHand(task), Notes(task), task.config.train
    assert task.data is not None
    ids = np.array(task.data.train.ids)
    train(task, callbacks=[notes])
    optimizer, expected = torch.optim.SGD(net.parameters(), 2.0), []
    for epoch in (1, 2):
        usable = (len(ids) - 1) // 3  # of each of the three pieces
        if usable >= 20 * settings.steps:
            usable = (len(ids) - 1 - settings.steps) // 3
        first = first_of(task, epoch)
        pieces = torch.from_numpy(np.stack([ids[first + k * usable :][: usable + 1] for k in range(3)])).long().t()
        state = None
        for begin in range(0, usable, settings.steps):
            end = min(begin + settings.steps, usable)
            logits, outputs, state = net(pieces[begin:end], state)
            state = detached(state)
            loss = nn.functional.cross_entropy(logits.flatten(0, 1), pieces[begin + 1 : end + 1].flatten())
            loss = loss + settings.activation * outputs.square().mean()
            if end - begin > 1:
                loss = loss + settings.temporal_activation * (outputs[1:] - outputs[:-1]).square().mean()
            optimizer.zero_grad()
            loss.backward()
            norm = nn.utils.clip_grad_norm_(net.parameters(), settings.clip_norm)
            optimizer.step()
            expected.append((loss.item(), norm.item()))
    np.testing.assert_allclose(notes.steps, expected, rtol=2e-4, atol=1e-5)
    assert any(norm > settings.clip_norm for _, norm in expected)
    torch.testing.assert_close(notes.last["embedding.weight"], net.embedding.weight.data, rtol=0, atol=2e-5)
    torch.testing.assert_close(notes.last["softmax.bias"], net.bias.data, rtol=0, atol=2e-5)
    for name, value in net.recurrent.state_dict().items():
        torch.testing.assert_close(notes.last[f"recurrent.{name}"], value, rtol=0, atol=2e-5)


def first_of(task: ModelLanguage, epoch: int) -> int:
    """Where the text begins in an epoch: the one place where its first batch stands."""
    assert task.data is not None
    ids = np.array(task.data.train.ids)
    batches = list(task.batches(epoch))
    read = np.concatenate([batch.values.numpy() for batch in batches], axis=1).reshape(-1)
    places = [place for place in range(len(ids) - len(read)) if (ids[place : place + len(read)] == read).all()]
    assert len(places) == 1
    return places[0]


@pytest.mark.parametrize(("lines", "options"), [(60, {}), (400, {}), (60, {"batch_size": 1}), (9, {"steps": 70})])
def test_batches(language_model: Make, lines: int, options: dict[str, Any]) -> None:
    # Symbols that are all different tell where each was read.
    task = language_model([f"w{number}" for number in range(lines)], **options)
    assert task.data is not None
    ids, told = np.array(task.data.train.ids), task.config.train
    firsts = set()
    for epoch in range(1, 13):
        batches = list(task.batches(epoch))
        assert len(batches) == task.steps()
        assert {batch.values.shape for batch in batches[:-1]} <= {(told.batch_size, told.steps)}
        for batch in batches:
            assert batch.lengths.tolist() == [batch.values.shape[1]] * told.batch_size
            torch.testing.assert_close(batch.values[:, 1:], batch.labels[:, :-1])
        for before, after in pairwise(batches):  # the state carried on is that of the symbols just before
            torch.testing.assert_close(before.labels[:, -1], after.values[:, 0])
        predicted = np.concatenate([batch.labels.numpy() for batch in batches], axis=1).reshape(-1)
        place = int(np.argmax(ids == batches[0].values[0, 0].item()))
        if batches[0].values[0, 0] == END:
            place = int(np.argmax(ids == batches[0].values[0, 1].item())) - 1
        np.testing.assert_array_equal(predicted, ids[place + 1 : place + 1 + len(predicted)])  # each once, in order
        assert len(predicted) > len(ids) - 1 - told.batch_size - told.steps
        firsts.add(place)
        again = list(task.batches(epoch))
        assert all(torch.equal(one.values, other.values) for one, other in zip(batches, again))
    if lines == 400:
        assert len(firsts) > 3
        other = language_model([f"w{n}" for n in range(lines)], seed=1)
        differ = [not torch.equal(next(other.batches(n)).values, next(task.batches(n)).values) for n in range(1, 13)]
        assert any(differ)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn", "rnn_relu"])
def test_log_probabilities_are_torchs_symbol_by_symbol(language_model: Make, cell: str) -> None:
    task = language_model(cell=cell)
    assert task.data is not None
    ids, net, state, before = np.array(task.data.train.ids), ByHand(task), None, END
    expected = []
    with torch.no_grad():
        for id_ in ids.tolist():
            logits, _, state = net(torch.tensor([[before]]), state)
            expected.append(logits.log_softmax(-1)[0, 0, id_].item())
            before = id_
    np.testing.assert_allclose(task.log_probabilities(ids), expected, rtol=0, atol=1e-5)


def test_the_adaptive_softmax_is_scored_as_it_is_distributed(language_model: Make) -> None:
    task = language_model([f"w{n}" for n in range(7000)], softmax="adaptive", tied=False)
    ids = np.array([5, 5500, END, 700, UNKNOWN, 3000], np.int32)
    before = torch.tensor([[END, *ids[:-1]]]).long()
    with torch.no_grad():
        outputs, _ = task.network.read(before)
        all_of_them = task.network.log_probabilities(outputs[:, 0])
    torch.testing.assert_close(all_of_them.exp().sum(1), torch.ones(6))
    np.testing.assert_allclose(task.log_probabilities(ids), all_of_them[range(6), ids.tolist()], atol=1e-5)
    with pytest.raises(SettingsError, match="adaptive softmax: it saves time from about"):
        language_model(softmax="adaptive")


def test_reading_in_chunks_is_reading_at_once(language_model: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    task = language_model()
    assert task.data is not None
    at_once = task.log_probabilities(task.data.train.ids)
    monkeypatch.setattr(running_text, "_CHUNK", 5)
    np.testing.assert_allclose(task.log_probabilities(task.data.train.ids), at_once, rtol=0, atol=1e-6)


def test_a_long_text_is_read_in_pieces(language_model: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    task = language_model()
    assert task.data is not None
    ids = np.array(task.data.train.ids)
    whole = task.log_probabilities(ids)
    monkeypatch.setattr(running_text, "_STREAM", len(ids) // 3)
    found = task.log_probabilities(ids)
    size = math.ceil(len(ids) / 3)
    np.testing.assert_allclose(found[:size], whole[:size], atol=1e-6)
    assert len(found) == len(ids)
    second = task.log_probabilities(np.concatenate([ids[size - 1 : size], ids[size : 2 * size]]))[1:]
    # a piece knows the symbol before it, but not what was before that
    net = ByHand(task)
    with torch.no_grad():
        logits, _, _ = net(torch.from_numpy(ids[size - 1 : 2 * size - 1].astype(np.int64))[:, None])
    expected = logits.log_softmax(-1)[range(size), 0, ids[size : 2 * size].tolist()]
    np.testing.assert_allclose(found[size : 2 * size], expected, atol=1e-5)
    assert not np.allclose(found[size : 2 * size], second, atol=1e-6)


def test_validation_is_the_mean_over_the_text(language_model: Make) -> None:
    task = language_model()
    assert task.data is not None
    found = task.log_probabilities(task.data.valid.ids)
    valid = task.validate()
    assert valid.loss == pytest.approx(-found.mean())
    assert valid.score == -valid.loss
    assert valid.standard_error == pytest.approx(found.std() / math.sqrt(len(found)))
    assert task.shown(-2.0) == f"{math.exp(2):.2f}"
    assert task.shown(-1e9)


def test_a_line_alone_is_that_line_in_a_batch(language_model: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    task = language_model()
    texts = ["a b c d e f g", "", "h", "zzz a", "a\nb", "b b b b b b b b b b b b"]
    together = task.surprise(texts)
    monkeypatch.setattr(running_text, "_AT_ONCE", 14)
    for found in (task.surprise(texts), [task.surprise([text])[0] for text in texts]):
        for one, other in zip(together, found, strict=True):
            assert one["text"] == other["text"]
            assert [token["token"] for token in one["tokens"]] == [token["token"] for token in other["tokens"]]
            np.testing.assert_allclose(
                [token["log_probability"] for token in one["tokens"]],
                [token["log_probability"] for token in other["tokens"]],
                atol=1e-6,
            )
    assert task.surprise([]) == []


def test_surprise_is_the_log_probability_of_a_text_by_itself(language_model: Make) -> None:
    task = language_model()
    (found,) = task.surprise(["a zzz\nb"])
    ids = task.vocabulary.encode(["a zzz b"])[0]
    expected = task.log_probabilities(np.array([ids[0], UNKNOWN, END, ids[2], END], np.int32))
    assert [token["token"] for token in found["tokens"]] == ["a", "zzz", "\n", "b", "\n"]
    assert [token.get("known", True) for token in found["tokens"]] == [True, False, True, True, True]
    np.testing.assert_allclose([token["log_probability"] for token in found["tokens"]], expected, atol=1e-6)
    assert found["log_probability"] == pytest.approx(expected.sum())
    assert found["perplexity"] == pytest.approx(math.exp(-expected.mean()))


def test_predict_writes_a_line_of_json_for_each_text(language_model: Make, tmp_path: Any) -> None:
    task = language_model()
    (tmp_path / "in.txt").write_text("a b\n\nzzz\n")
    answers = [json.loads(line) for chunk in task.predict([str(tmp_path / "in.txt")]) for line in chunk.splitlines()]
    assert answers == task.surprise(["a b", "", "zzz"])


def test_half_of_a_surrogate_pair_is_refused(language_model: Make) -> None:
    with pytest.raises(DataError, match="a text holds half of a surrogate pair"):
        language_model().surprise(["a", "b\ud800"])


def by_hand_learning(task: ModelLanguage, ids: np.ndarray, rate: float) -> list[float]:
    net, state, found = ByHand(task), None, []
    optimizer = torch.optim.SGD(net.parameters(), rate)
    steps = max(1, task.config.train.steps // 4)
    before, after = torch.tensor([END, *ids[:-1].tolist()]), torch.tensor(ids.tolist())
    for start in range(0, len(ids), steps):
        targets = after[start : start + steps]
        logits, _, state = net(before[start : start + steps, None], state)
        state = detached(state)
        logs = logits[:, 0].log_softmax(-1)[range(len(targets)), targets]
        found += logs.tolist()
        optimizer.zero_grad()
        (-logs.mean()).backward()
        nn.utils.clip_grad_norm_(net.parameters(), task.config.train.clip_norm)
        optimizer.step()
    return found


@pytest.mark.parametrize("options", [{"steps": 20}, {"cell": "gru", "tied": False, "steps": 3}], ids=str)
def test_dynamic_evaluation_is_that_of_a_loop_by_hand(language_model: Make, options: dict[str, Any]) -> None:
    task = language_model(**options)
    assert task.data is not None
    ids = np.array(task.data.valid.ids)
    kept = copy.deepcopy(task.network.state_dict())
    found = task.log_probabilities(ids, dynamic=0.5)
    np.testing.assert_allclose(found, by_hand_learning(task, ids, 0.5), rtol=0, atol=1e-5)
    assert all(torch.equal(value, kept[name]) for name, value in task.network.state_dict().items())
    assert not any(parameter.grad is not None for parameter in task.network.parameters())


def test_dynamic_evaluation_scores_before_it_learns(language_model: Make) -> None:
    task = language_model(steps=20)
    ids = np.array([5, 6, 7, 8, 9, 5, 6, 7, 8, 9], np.int32)
    other = np.array([5, 6, 7, 8, 9, 5, 6, 7, 8, END], np.int32)
    one, two = (task.log_probabilities(text, dynamic=0.5) for text in (ids, other))
    np.testing.assert_array_equal(one[:-1], two[:-1])
    np.testing.assert_allclose(one[:5], task.log_probabilities(ids)[:5], atol=1e-6)


def test_dynamic_evaluation_helps_where_a_text_repeats_itself(
    language_model: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = language_model(steps=20)
    task.network.double()  # in float32 two orders of adding drift apart over so many steps
    ids = np.tile(np.array([5, 6, 5, 7, END], np.int32), 60)
    monkeypatch.setattr(running_text, "_STREAM", 50)  # which must not divide a text that is learnt from
    plain, learning = task.log_probabilities(ids), task.log_probabilities(ids, dynamic=1.0)
    assert learning.mean() > plain.mean() + 0.5
    np.testing.assert_allclose(learning, by_hand_learning(task, ids, 1.0), atol=1e-8)
