"""The training loop: what callbacks are told, what the seed decides, which weights are left, what may end it."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from recurra.batch import Batch
from recurra.config import make_run_config
from recurra.data import Splits, Texts
from recurra.errors import RecurraError, SettingsError
from recurra.kernels import native
from recurra.tasks.base import Loss, Validation
from recurra.tasks.classify import Classify
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


def make(kind: type[Classify] = Classify, **options: object) -> Classify:
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, rng.integers(1, 7))) for _ in range(22)]
    labels = ["pos" if text.count("good") > text.count("bad") else "neg" for text in texts]
    splits = Splits(Texts.from_lists(texts[:16], labels[:16]), Texts.from_lists(texts[16:], labels[16:]), None)
    return kind.from_splits(make_run_config("classify", data="memory", **{**SMALL, **options}), splits)


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
    """A task whose validation scores, and their standard error, are given for each epoch."""

    script: Sequence[float] = ()
    standard_error = 0.0

    def validate(self) -> Validation:
        self.seen = [*getattr(self, "seen", []), weights(self)]
        return Validation(1.0, self.script[len(self.seen) - 1], self.standard_error)


def scripted(script: Sequence[float], standard_error: float = 0.0, **options: object) -> Scripted:
    task = make(Scripted, epochs=len(script), **options)
    assert isinstance(task, Scripted)
    task.script, task.standard_error = script, standard_error
    return task


def weights(task: Classify) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in task.network.state_dict().items()}


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first)


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
    task = scripted([0.5, 0.9, 0.7])
    progress = train(task)
    assert progress.best_epoch == 2
    assert [record.best for record in progress.history] == [True, True, False]
    assert [(record.valid_score, record.valid_loss) for record in progress.history] == [(0.5, 1), (0.9, 1), (0.7, 1)]
    assert same(weights(task), task.seen[1])
    assert not same(weights(task), task.seen[2])
    assert same(progress.best, task.seen[1])
    assert not task.network.training


@pytest.mark.parametrize(
    ("scores", "standard_error", "best"),
    [
        ([0.5, 0.75, 0.75, 0.5], 0.0, [1, 2, 3]),
        ([0.5, 0.75, 0.625, 0.5], 0.125, [1, 2, 3]),
        ([0.75, 0.6875, 0.625, 0.5625], 0.125, [1, 2, 3]),
        ([0.75, 0.5, 0.25, 0.625], 0.125, [1, 4]),
        ([0.75, 0.625, 0.875, 0.5], 0.0, [1, 3]),
    ],
    ids=["the last of equals", "one error below", "not one error below the one before", "kept again", "no error"],
)
def test_the_latest_epoch_within_a_standard_error_of_the_highest_is_kept(scores, standard_error, best):
    task = scripted(scores, standard_error)
    progress = train(task)
    assert [record.epoch for record in progress.history if record.best] == best
    assert progress.best_epoch == best[-1]
    assert same(weights(task), task.seen[best[-1] - 1])


@pytest.mark.parametrize(("batch_size", "epochs"), [(16, 50), (1, 50)])
def test_a_run_that_is_not_told_has_enough_epochs(batch_size, epochs):
    notes = Notes(stop_after=1)
    task = make(epochs=None, batch_size=batch_size)
    train(task, callbacks=[notes])
    assert notes.told[0] == ("start", epochs, task.steps())


@pytest.mark.parametrize(("steps", "epochs"), [(1, 50), (24, 50), (25, 48), (217, 6), (400, 3), (10_000, 3)])
def test_enough_epochs_make_1200_steps(steps, epochs, monkeypatch):
    task = make(epochs=None)
    monkeypatch.setattr(task, "steps", lambda: steps)
    assert task.epochs() == epochs


def test_patience_that_outlasts_a_run_that_is_not_told_its_epochs_is_refused():
    with pytest.raises(SettingsError, match=r"'patience' \(49\) would have no effect: there are 50 epochs"):
        train(make(epochs=None, patience=49))


@pytest.mark.parametrize(
    ("patience", "scores", "epochs"),
    [
        (1, [0.5, 0.4, 0.6, 0.7], 2),
        (2, [0.5, 0.4, 0.6, 0.5, 0.5, 0.9], 5),
        (2, [0.5, 0.6, 0.7, 0.8, 0.9], 5),
        (3, [0.5, 0.4, 0.4, 0.4, 0.9], 4),
        (2, [0.5, 0.5, 0.5, 0.5, 0.9], 3),
    ],
    ids=["one", "from the last gain", "never", "three", "an equal is no gain"],
)
@pytest.mark.parametrize("standard_error", [0.0, 0.3])
def test_patience_counts_from_the_last_gain(patience, scores, epochs, standard_error):
    notes = Notes()
    progress = train(scripted(scores, standard_error, patience=patience), callbacks=[notes])
    assert len(progress.history) == len(notes.epochs) == epochs


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
    assert task.validate()[:2] == (best.valid_loss, best.valid_score)


class Broken(Classify):
    """A task whose loss is no number from the third step of the second epoch on."""

    def loss(self, network: nn.Module, batch: Batch, carried: object = None) -> Loss:
        self.steps_done = getattr(self, "steps_done", 0) + 1
        factor = math.inf if self.steps_done >= 7 else 1.0
        return Loss(super().loss(network, batch).value * factor)


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
        def loss(self, network: nn.Module, batch: Batch, carried: object = None) -> Loss:
            loss = super().loss(network, batch).value
            return Loss(loss + (loss - loss.detach()).abs().sqrt())  # adds 0, whose gradient is infinite or 0 / 0

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
    task, ctrl_c = scripted([0.8, 0.6, 0.9]), CtrlC(2 if step is None else 3, step)
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


def test_training_makes_the_model_better():
    task = make(epochs=30, learning_rate=0.05)
    notes = Notes()
    train(task, callbacks=[notes])
    assert notes.epochs[-1].loss < 0.1 < 0.6 < notes.epochs[0].loss


def test_training_with_products_of_bfloat16_keeps_weights_and_loss_in_float32():
    task, plain = make(precision="bfloat16", epochs=2), make(epochs=2)
    seen: set[tuple[bool, torch.dtype]] = set()
    task.network.register_forward_hook(
        lambda network, inputs, output: seen.add((torch.is_autocast_enabled("cpu") and network.training, output.dtype))
    )
    bfloat16, float32 = train(task), train(plain)
    assert (True, torch.bfloat16) in seen  # training
    assert (False, torch.float32) in seen  # validation
    assert {parameter.dtype for parameter in task.network.parameters()} == {torch.float32}
    got, expected = bfloat16.history[0].loss, float32.history[0].loss
    assert got != expected
    assert got == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize(
    ("cell", "variant", "said"),
    [
        ("rnn_relu", None, "a relu network loses its accuracy in bfloat16"),
        ("gru", "none", "the native kernels are switched off by RECURRA_NATIVE"),
        ("feedforward", "none", None),
    ],
)
def test_where_the_recurrence_keeps_float32_it_is_said(monkeypatch, caplog, cell, variant, said):
    if variant:
        monkeypatch.setenv("RECURRA_NATIVE", variant)
    elif native.variant() is None:
        pytest.skip("the native kernels were not built here")
    options = {"bidirectional": True} if cell != "feedforward" else {}
    task = make(precision="bfloat16", epochs=1, cell=cell, **options)
    with caplog.at_level(logging.WARNING, "recurra"):
        train(task)
    messages = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    if said is None:
        assert messages == []
    else:
        assert messages == [f"option 'precision' (bfloat16): the recurrence keeps float32 products: {said}"]
