"""The training loop against one written by hand with torch alone."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from recurra.batch import Batch
from recurra.config import make_run_config
from recurra.data import Splits, Texts
from recurra.tasks.classify import Classify
from recurra.train import Callback, EpochRecord, StepRecord, train

SMALL = {
    "embedding_size": 4,
    "hidden_size": 4,
    "dropout": 0.0,
    "word_dropout": 0.0,
    "min_count": 1,
    "batch_size": 4,
    "epochs": 3,
    "learning_rate": 0.01,
    "device": "cpu",
}
WORDS = ["good", "bad", "film", "plot", "not", "so", "a"]


def make(**options: object) -> Classify:
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, rng.integers(1, 7))) for _ in range(22)]
    labels = ["pos" if text.count("good") > text.count("bad") else "neg" for text in texts]
    splits = Splits(Texts.from_lists(texts[:16], labels[:16]), Texts.from_lists(texts[16:], labels[16:]), None)
    return Classify.from_splits(make_run_config("classify", data="memory", **{**SMALL, **options}), splits)


class Notes(Callback):
    """Keeps the records, and the weights after the last epoch."""

    def __init__(self, task: Classify) -> None:
        self.task = task
        self.steps: list[StepRecord] = []
        self.epochs: list[EpochRecord] = []
        self.last: dict[str, Tensor] = {}

    def on_step(self, record: StepRecord) -> None:
        self.steps.append(record)

    def on_epoch(self, record: EpochRecord) -> None:
        self.epochs.append(record)
        self.last = {name: value.detach().clone() for name, value in renamed(self.task.network.state_dict()).items()}


def renamed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a task's network under the names of the network below."""
    return {name.replace("encoder.", "").replace("recurrent.", "lstm."): value for name, value in state.items()}


class ByHand(nn.Module):
    """The default network in torch.nn: embedding, LSTM in both directions, maximum over time, a linear layer."""

    def __init__(self, vocabulary: int, classes: int, state: dict[str, Tensor]) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, 4, padding_idx=0)
        self.lstm = nn.LSTM(4, 4, bidirectional=True)
        self.output = nn.Linear(8, classes)
        self.load_state_dict(renamed(state))

    def forward(self, batch: Batch) -> Tensor:
        pooled = [
            self.lstm(self.embedding(ids[:length]))[0].amax(0) for ids, length in zip(batch.values, batch.lengths)
        ]
        return self.output(torch.stack(pooled))


def rate_by_formula(schedule: str, done: float) -> float:
    return {"constant": 1.0, "linear": 1 - done, "cosine": (1 + math.cos(math.pi * done)) / 2}[schedule]


def train_by_hand(task: Classify, net: ByHand) -> list[tuple[float, float, float]]:
    """Loss, gradient norm before clipping and learning rate of each step."""
    told = task.config.train
    optimizer = torch.optim.AdamW(net.parameters(), lr=told.learning_rate, weight_decay=told.weight_decay)
    steps, reported = task.steps(), []
    for epoch in range(1, told.epochs + 1):
        for step, batch in enumerate(task.batches(epoch)):
            rate = told.learning_rate * rate_by_formula(
                told.schedule, ((epoch - 1) * steps + step) / (told.epochs * steps)
            )
            optimizer.param_groups[0]["lr"] = rate
            loss = nn.functional.cross_entropy(net(batch), batch.labels)
            optimizer.zero_grad()
            loss.backward()
            norm = nn.utils.clip_grad_norm_(net.parameters(), told.clip_norm)
            optimizer.step()
            reported.append((loss.item(), norm.item(), rate))
    return reported


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
@pytest.mark.parametrize("clip_norm", [0.05, 5.0], ids=["clipped", "free"])
def test_a_run_is_that_of_a_loop_by_hand(schedule, clip_norm):
    task = make(schedule=schedule, clip_norm=clip_norm, epochs=2, weight_decay=0.1)
    net = ByHand(len(task.vocabulary), 2, task.network.state_dict())
    notes = Notes(task)
    train(task, callbacks=[notes])
    expected = train_by_hand(task, net)
    got = [(record.loss, record.gradient_norm, record.learning_rate) for record in notes.steps]
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
    for name, value in net.state_dict().items():
        torch.testing.assert_close(notes.last[name], value, rtol=0, atol=1e-6)
    assert any(norm > clip_norm for _, norm, _ in expected) == (clip_norm == 0.05)
    for record, half in zip(notes.epochs, (expected[:4], expected[4:])):
        losses, norms, rates = zip(*half)
        assert record.loss == pytest.approx(np.mean(losses), rel=1e-5)
        assert record.gradient_norm == pytest.approx(np.mean(norms), rel=1e-4)
        assert record.clipped_share == np.mean([norm > clip_norm for norm in norms])
        assert record.learning_rate == pytest.approx(rates[-1])
