"""The training loop against one written by hand with torch alone, and all that may end it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from recurra.batch import Batch, make_batch
from recurra.config import make_run_config
from recurra.data import Splits, Texts
from recurra.errors import RecurraError
from recurra.tasks import Classify
from recurra.train import Callback, EpochRecord, Progress, StepRecord, train

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


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def make(kind: type[Classify] = Classify, **options: object) -> Classify:
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, rng.integers(1, 7))) for _ in range(22)]
    labels = ["pos" if text.count("good") > text.count("bad") else "neg" for text in texts]
    splits = Splits(Texts.from_lists(texts[:16], labels[:16]), Texts.from_lists(texts[16:], labels[16:]), None)
    return kind.from_splits(make_run_config(data="memory", **{**SMALL, **options}), splits)


class Notes(Callback):
    """Writes down all that it is told."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.told: list[tuple[object, ...]] = []
        self.steps: list[StepRecord] = []
        self.epochs: list[EpochRecord] = []
        self.stop_after = stop_after

    def on_start(self, epochs: int, steps: int) -> None:
        self.told.append(("start", epochs, steps))

    def on_step(self, record: StepRecord) -> None:
        self.told.append(("step", record.epoch, record.step))
        self.steps.append(record)

    def on_epoch(self, record: EpochRecord) -> bool | None:
        self.told.append(("epoch", record.epoch))
        self.epochs.append(record)
        return record.epoch == self.stop_after

    def on_end(self) -> None:
        self.told.append(("end",))


class Scripted(Classify):
    """A task whose validation scores are given: a pair (accuracy, loss) for each epoch."""

    script: Sequence[tuple[float, float]] = ()

    def validate(self) -> dict[str, float]:
        self.seen = getattr(self, "seen", [])
        score, loss = self.script[len(self.seen)]
        self.seen.append({name: value.clone() for name, value in self.network.state_dict().items()})
        return {"loss": loss, "accuracy": score}


def scripted(script: Sequence[tuple[float, float]], **options: object) -> Scripted:
    task = make(Scripted, epochs=len(script), **options)
    assert isinstance(task, Scripted)
    task.script = script
    return task


def weights(task: Classify) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in task.network.state_dict().items()}


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first)


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
    last: dict[str, Tensor] = {}

    class KeepLast(Callback):
        def on_epoch(self, record: EpochRecord) -> None:
            last.update(renamed(weights(task)))

    notes = Notes()
    train(task, callbacks=[notes, KeepLast()])
    expected = train_by_hand(task, net)
    got = [(record.loss, record.gradient_norm, record.learning_rate) for record in notes.steps]
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
    for name, value in net.state_dict().items():
        torch.testing.assert_close(last[name], value, rtol=0, atol=1e-6)
    assert any(norm > clip_norm for _, norm, _ in expected) == (clip_norm == 0.05)
    for record, half in zip(notes.epochs, (expected[:4], expected[4:])):
        losses, norms, rates = zip(*half)
        assert record.loss == pytest.approx(np.mean(losses), rel=1e-5)
        assert record.gradient_norm == pytest.approx(np.mean(norms), rel=1e-4)
        assert record.clipped_share == np.mean([norm > clip_norm for norm in norms])
        assert record.learning_rate == pytest.approx(rates[-1])


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [1.0] * 8),
        ("linear", [1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8]),
        ("cosine", [(1 + math.cos(math.pi * k / 8)) / 2 for k in range(8)]),
    ],
)
def test_learning_rate_of_each_step(schedule, expected):
    notes = Notes()
    train(make(schedule=schedule, epochs=2, learning_rate=0.5), callbacks=[notes])
    assert [record.learning_rate for record in notes.steps] == pytest.approx([0.5 * share for share in expected])


def test_callbacks_are_told_all_in_order():
    notes, others = Notes(), Notes()
    progress = train(make(epochs=2), callbacks=[notes, others])
    epochs = [[*(("step", epoch, step) for step in range(1, 5)), ("epoch", epoch)] for epoch in (1, 2)]
    assert notes.told == [("start", 2, 4), *epochs[0], *epochs[1], ("end",)]
    assert notes.told == others.told
    assert progress.history == notes.epochs
    assert not progress.interrupted


def test_tokens_are_counted_within_an_epoch():
    notes, task = Notes(), make(epochs=2)
    train(task, callbacks=[notes])
    for epoch in (1, 2):
        expected = np.cumsum([int(batch.lengths.sum()) for batch in task.batches(epoch)]).tolist()
        assert [record.tokens for record in notes.steps if record.epoch == epoch] == expected
    for record in notes.epochs:
        assert record.tokens_per_second * record.seconds == pytest.approx(expected[-1])


@pytest.mark.parametrize("place", [0, 1])
def test_a_callback_can_stop_the_run_and_all_are_told_before(place):
    callbacks = [Notes(), Notes()]
    callbacks[place].stop_after = 2
    progress = train(make(epochs=5), callbacks=callbacks)
    assert len(progress.history) == 2
    for notes in callbacks:
        assert notes.told[-2:] == [("epoch", 2), ("end",)]


def test_the_best_epoch_is_left_in_the_network():
    task = scripted([(0.5, 1.0), (0.9, 0.8), (0.7, 0.1)])
    progress = train(task)
    assert progress.best_epoch == 2
    assert [record.best for record in progress.history] == [True, True, False]
    assert [(record.valid_score, record.valid_loss) for record in progress.history] == list(task.script)
    assert same(weights(task), task.seen[1])
    assert not same(weights(task), task.seen[2])
    assert same(progress.best, task.seen[1])
    assert not task.network.training


@pytest.mark.parametrize(
    ("script", "best"),
    [
        ([(0.5, 1.0), (0.5, 0.9), (0.5, 0.95)], 2),
        ([(0.5, 1.0), (0.5, 1.0), (0.5, 1.0)], 1),
        ([(0.5, 0.1), (0.6, 9.0), (0.5, 0.1)], 2),
        ([(0.5, math.nan), (0.4, 0.1), (0.6, 0.2)], 3),
    ],
    ids=["tie broken by loss", "the first of equals", "score before loss", "loss that is no number"],
)
def test_which_epoch_is_the_best(script, best):
    task = scripted(script)
    assert train(task).best_epoch == best
    assert same(weights(task), task.seen[best - 1])


@pytest.mark.parametrize(
    ("patience", "scores", "epochs"),
    [
        (1, [0.5, 0.4, 0.6, 0.7], 2),
        (2, [0.5, 0.4, 0.6, 0.5, 0.5, 0.9], 5),
        (2, [0.5, 0.6, 0.7, 0.8, 0.9], 5),
        (3, [0.5, 0.4, 0.4, 0.4, 0.9], 4),
    ],
)
def test_patience(patience, scores, epochs):
    notes = Notes()
    progress = train(scripted([(score, 1.0) for score in scores], patience=patience), callbacks=[notes])
    assert len(progress.history) == len(notes.epochs) == epochs
    assert progress.best_epoch == int(np.argmax(scores[:epochs])) + 1


def test_the_seed_decides_all():
    options = {"dropout": 0.5, "word_dropout": 0.3}
    results = []
    for seed in (1, 1, 2):
        task = make(seed=seed, **options)
        torch.rand(seed)  # whatever was drawn before does not matter
        notes = Notes()
        train(task, callbacks=[notes])
        results.append((weights(task), [record.loss for record in notes.steps]))
    assert same(results[0][0], results[1][0])
    assert results[0][1] == results[1][1]
    assert not same(results[0][0], results[2][0])


def test_random_numbers_drawn_between_epochs_change_nothing():
    class Draws(Callback):
        def on_start(self, epochs: int, steps: int) -> None:
            torch.rand(3)

        def on_epoch(self, record: EpochRecord) -> None:
            torch.rand(3)
            np.random.rand(3)

    results = []
    for callbacks in ([], [Draws()]):
        task = make(dropout=0.5)
        train(task, callbacks=callbacks)
        results.append(weights(task))
    assert same(*results)


def test_training_draws_dropout_and_validation_does_not():
    losses = []
    for dropout in (0.0, 0.5):
        notes = Notes()
        train(make(dropout=dropout, epochs=1), callbacks=[notes])
        losses.append(notes.steps[0].loss)
    assert losses[0] != losses[1]
    task = make(dropout=0.5)
    progress = train(task)
    best = progress.history[progress.best_epoch - 1]
    assert task.validate() == {"loss": best.valid_loss, "accuracy": best.valid_score}


class Broken(Classify):
    """A task whose loss is no number from the third step of the second epoch on."""

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        self.steps_done = getattr(self, "steps_done", 0) + 1
        factor = math.inf if self.steps_done >= 7 else 1.0
        return super().loss(network, batch) * factor


def test_a_loss_that_is_no_number_ends_the_run():
    notes = Notes()
    with pytest.raises(RecurraError) as caught:
        train(make(Broken), callbacks=[notes])
    message = str(caught.value)
    assert message.startswith("the loss or its gradient is no longer a number (epoch 2, step 3): ")
    assert "train with a smaller --learning-rate" in message
    assert notes.told[-1] == ("end",)


def test_a_gradient_that_is_no_number_ends_the_run():
    class Root(Classify):
        def loss(self, network: nn.Module, batch: Batch) -> Tensor:
            loss = super().loss(network, batch)
            return loss + (loss - loss.detach()).abs().sqrt()  # adds 0, whose gradient is infinite or 0 / 0

    with pytest.raises(RecurraError, match=r"no longer a number \(epoch 1, step 1\)"):
        train(make(Root))


class CtrlC(Callback):
    """Interrupts a step, or the end of an epoch."""

    def __init__(self, epoch: int, step: int | None) -> None:
        self.at = (epoch, step)
        self.ended = False

    def on_step(self, record: StepRecord) -> None:
        if (record.epoch, record.step) == self.at:
            raise KeyboardInterrupt

    def on_epoch(self, record: EpochRecord) -> None:
        if (record.epoch, None) == self.at:
            raise KeyboardInterrupt

    def on_end(self) -> None:
        self.ended = True


@pytest.mark.parametrize("step", [1, 3, None])
def test_an_interrupted_run_ends_with_the_best_epoch_so_far(step):
    task, ctrl_c = scripted([(0.8, 1.0), (0.6, 1.0), (0.9, 1.0)]), CtrlC(2 if step is None else 3, step)
    progress = train(task, callbacks=[ctrl_c])
    assert progress.interrupted
    assert len(progress.history) == 2
    assert progress.best_epoch == 1
    assert same(weights(task), task.seen[0])
    assert not task.network.training
    assert ctrl_c.ended


def test_an_interrupt_before_the_first_epoch_is_passed_on():
    ctrl_c = CtrlC(1, 2)
    with pytest.raises(KeyboardInterrupt):
        train(make(), callbacks=[ctrl_c])
    assert ctrl_c.ended


def test_an_error_of_a_callback_is_passed_on_and_the_others_are_told_the_end():
    class Faulty(Callback):
        def on_step(self, record: StepRecord) -> None:
            raise RuntimeError("my own fault")

    notes = Notes()
    with pytest.raises(RuntimeError, match="my own fault"):
        train(make(), callbacks=[Faulty(), notes])
    assert notes.told[-1] == ("end",)


def test_progress_without_history_has_no_best_epoch():
    assert Progress().best_epoch == 0


def test_only_the_batches_of_the_task_are_seen():
    class Recorded(Classify):
        def batches(self, epoch: int) -> Iterator[Batch]:
            self.epochs = [*getattr(self, "epochs", []), epoch]
            yield make_batch([[2, 3]], np.array([0]))

        def steps(self) -> int:
            return 1

    task = make(Recorded, epochs=3)
    notes = Notes()
    train(task, callbacks=[notes])
    assert task.epochs == [1, 2, 3]
    assert [record.tokens for record in notes.steps] == [2, 2, 2]


def test_training_makes_the_model_better():
    task = make(epochs=30, learning_rate=0.05)
    notes = Notes()
    train(task, callbacks=[notes])
    assert notes.epochs[-1].loss < 0.1 < 0.6 < notes.epochs[0].loss
