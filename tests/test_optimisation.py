"""Optimizers, schedules and averaged weights against arithmetic by hand and algorithm 1 of Merity et al. 2018."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.optim import Optimizer

from recurra.config import TrainConfig, make_run_config
from recurra.data import Splits, Texts
from recurra.optimisation import (
    averaged_weights,
    averaging_start,
    learning_rate,
    make_optimizer,
    set_averaging_start,
    set_learning_rate,
)
from recurra.tasks.base import Validation
from recurra.tasks.classify import Classify
from recurra.train import Callback, EpochRecord, StepRecord, train

RATES = [0.5, 0.25, 0.125, 0.5, 0.0625, 0.25, 0.125]


def literally(losses: Sequence[float], n: int) -> int | None:
    """Algorithm 1 as it is printed, with an epoch of L steps as the unit: logs, t, and T > 0 once it is triggered."""
    logs: list[float] = []
    t = T = 0  # noqa: N806  the paper's names
    for k, v in enumerate(losses, 1):
        if T == 0:
            if t > n and v > min(logs[index] for index in range(t - n)):
                T = k  # noqa: N806
            logs.append(v)
            t += 1
    return T or None


@pytest.mark.parametrize(
    ("losses", "nonmonotone", "start"),
    [
        ([], 1, None),
        ([5, 4, 3, 2, 1], 1, None),
        ([1, 2], 1, None),
        ([1, 2, 3], 1, 3),
        ([3, 1, 2, 2, 2], 1, 4),
        ([3, 1, 2, 2, 2], 2, 5),
        ([3, 1, 2, 2, 2], 3, None),
        ([1, 1, 1, 1, 1, 1, 1], 1, None),
        ([5, 4, 4.5, 4.5, 4.2, 3, 2], 2, 5),
        ([2, 3, 3, 1, 0], 1, 3),
        ([6, 5, 4, 3, 2, 1, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5], 5, 12),
    ],
    ids=["nothing", "falling", "too early", "at once", "one", "two", "three", "equals", "late", "for good", "five"],
)
def test_averaging_starts_where_algorithm_1_does(losses, nonmonotone, start):
    assert averaging_start(losses, nonmonotone) == start == literally(losses, nonmonotone)


@given(st.lists(st.integers(0, 6), max_size=25), st.integers(1, 6))
def test_averaging_starts_where_algorithm_1_does_on_any_curve(losses, nonmonotone):
    found = averaging_start(losses, nonmonotone)
    assert found == literally(losses, nonmonotone)
    if found is not None:  # more epochs do not move it, which a resumed run relies on
        assert {averaging_start(losses[:end], nonmonotone) for end in range(found, len(losses) + 1)} == {found}
        assert averaging_start(losses[: found - 1], nonmonotone) is None


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [1.0] * 8),
        ("linear", [1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8]),
        ("cosine", [(1 + math.cos(math.pi * k / 8)) / 2 for k in range(8)]),
    ],
)
def test_learning_rate_of_each_step(schedule, expected):
    told = TrainConfig(schedule=schedule, learning_rate=0.5)
    rates = [learning_rate(told, 2, 4, epoch, step) for epoch in (1, 2) for step in range(4)]
    assert rates == pytest.approx([0.5 * share for share in expected])


class Point(nn.Module):
    """Weights that are drawn to zero: the gradient of half their square is the weights themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([8.0, -4.0, 1.0]))
        self.untouched = nn.Parameter(torch.tensor([3.0]))  # as an embedding that no batch has; it gets no gradient

    def walk(self, optimizer: Optimizer, rates: Sequence[float]) -> Iterator[Tensor]:
        for rate in rates:
            set_learning_rate(optimizer, rate)
            optimizer.zero_grad()
            (self.weight.square().sum() / 2).backward()
            optimizer.step()
            yield self.weight.detach().clone()


def by_hand(rates: Sequence[float], decay: float) -> list[Tensor]:
    """The weights after each step of SGD: all are scaled by one less the step size times gradient and decay."""
    shares = np.cumprod([1 - rate * (1 + decay) for rate in rates])
    return [torch.tensor([8.0, -4.0, 1.0]) * float(share) for share in shares]


@pytest.mark.parametrize("optimizer", ["sgd", "nt-asgd"])
@pytest.mark.parametrize("decay", [0.0, 0.25])
def test_sgd_takes_the_steps_of_arithmetic(optimizer, decay):
    """Each with its own learning rate: torch's ASGD by itself takes that of the step before."""
    net = Point()
    made = make_optimizer(net, TrainConfig(optimizer=optimizer, weight_decay=decay))
    for found, expected in zip(net.walk(made, RATES), by_hand(RATES, decay), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=0)
    assert net.untouched.item() == 3


def test_adamw_is_that_of_torch():
    net, other = Point(), Point()
    made = make_optimizer(net, TrainConfig(learning_rate=0.1, weight_decay=0.2))
    theirs = torch.optim.AdamW(other.parameters(), 0.1, weight_decay=0.2)
    for ours, expected in zip(net.walk(made, RATES), other.walk(theirs, RATES), strict=True):
        torch.testing.assert_close(ours, expected)


@pytest.mark.parametrize("start", [1, 2, 3])
def test_the_average_is_the_mean_of_the_weights_after_each_step_since_it_began(start):
    """Epochs of two steps; the validation losses trigger the average after epoch `start`."""
    told = TrainConfig(optimizer="nt-asgd", nonmonotone=1)
    losses = {1: [2.0, 1.0, 1.5], 2: [2.0, 1.0, 1.5, 1.5], 3: [1.0, 1.0, 1.0, 1.0, 2.0]}[start]
    first = {1: None, 2: 4, 3: 5}[start]
    assert averaging_start(losses, 1) == first
    rates = [0.5, 0.25] * 4
    net, seen, expected = Point(), [], by_hand(rates * 2, 0.0)
    made = make_optimizer(net, told)
    for epoch in range(1, 9):
        set_averaging_start(made, losses[: epoch - 1], told, steps=2)
        seen += list(net.walk(made, rates[:2]))
        began = None if first is None or epoch <= first else 2 * first
        with averaged_weights(made):
            average = net.weight.detach().clone()
        mean = expected[2 * epoch - 1] if began is None else torch.stack(expected[began : 2 * epoch]).mean(0)
        torch.testing.assert_close(average, mean, rtol=1e-5, atol=1e-7)
        assert torch.equal(net.weight, seen[-1])  # the weights that go on learning are those of SGD
    for found, step in zip(seen, expected, strict=True):
        torch.testing.assert_close(found, step, rtol=1e-5, atol=1e-9)


def averaging() -> tuple[Point, Optimizer]:
    """Weights whose average is another than they are."""
    told, net = TrainConfig(optimizer="nt-asgd", nonmonotone=1), Point()
    made = make_optimizer(net, told)
    list(net.walk(made, RATES[:1]))
    set_averaging_start(made, [1.0, 2.0, 3.0], told, steps=0)
    list(net.walk(made, RATES[1:]))
    return net, made


def test_averaged_weights_are_swapped_back_also_after_an_error():
    net, made = averaging()
    before = net.weight.detach().clone()
    inside = []

    def fails() -> None:
        with averaged_weights(made):
            inside.append(net.weight.detach().clone())
            raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            fails()
        assert torch.equal(net.weight, before)
        assert net.untouched.item() == 3
    assert torch.equal(*inside)
    assert not torch.equal(inside[0], before)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "nt-asgd"])
def test_without_an_average_the_weights_stay(optimizer):
    told, net = TrainConfig(optimizer=optimizer, learning_rate=0.1), Point()
    made = make_optimizer(net, told)
    set_averaging_start(made, [3.0, 2.0], told, steps=1)
    for expected in net.walk(made, RATES):
        with averaged_weights(made):
            assert torch.equal(net.weight, expected)


class Scripted(Classify):
    """A task whose validation losses are given; each epoch is better than all before."""

    script: Sequence[float] = ()
    validated = 0

    def validate(self) -> Validation:
        self.validated += 1
        return Validation(self.script[self.validated - 1], self.validated / 10, 0.0)


class Weights(Callback):
    """Keeps the weights after each step."""

    def __init__(self, task: Classify) -> None:
        self.task = task
        self.seen: dict[tuple[int, int], dict[str, Tensor]] = {}
        self.epochs: list[EpochRecord] = []

    def on_step(self, record: StepRecord) -> None:
        state = self.task.network.state_dict()
        self.seen[record.epoch, record.step] = {name: value.clone() for name, value in state.items()}

    def on_epoch(self, record: EpochRecord) -> None:
        self.epochs.append(record)


def make_scripted(script: Sequence[float], optimizer: str, **options: object) -> Scripted:
    texts = ["good film", "bad", "a good plot", "bad bad film", "so good", "so bad a plot", "good", "bad film"]
    parts = Texts.from_lists(texts, ["pos", "neg"] * 4), Texts.from_lists(["good", "bad"], ["pos", "neg"])
    small = {"embedding_size": 3, "hidden_size": 3, "dropout": 0.0, "batch_size": 3, "device": "cpu"}
    config = make_run_config(
        "classify", data="memory", epochs=len(script), optimizer=optimizer, learning_rate=2.0, **small, **options
    )
    task = Scripted.from_splits(config, Splits(*parts, None))
    assert isinstance(task, Scripted)
    task.script = script
    return task


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_a_run_leaves_the_average_since_it_began(schedule):
    task = make_scripted([1.0, 2.0, 3.0, 4.0, 5.0], "nt-asgd", nonmonotone=1, schedule=schedule)
    notes = Weights(task)
    progress = train(task, callbacks=[notes])
    assert progress.best_epoch == 5
    assert task.steps() == 3
    since = [notes.seen[epoch, step] for epoch in (4, 5) for step in (1, 2, 3)]  # it began after epoch 3
    plain = Weights(make_scripted([1.0] * 5, "sgd", schedule=schedule))
    train(plain.task, callbacks=[plain])
    for name, value in task.network.state_dict().items():
        mean = torch.stack([state[name] for state in since]).mean(0)
        torch.testing.assert_close(value, mean, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(progress.best[name], value)
        torch.testing.assert_close(notes.seen[5, 3][name], plain.seen[5, 3][name], rtol=1e-5, atol=1e-6)
    assert not torch.equal(value, since[-1][name])
    assert [record.learning_rate for record in notes.epochs] == [record.learning_rate for record in plain.epochs]


def test_a_run_that_does_not_get_to_averaging_leaves_the_weights_of_sgd():
    task, plain = make_scripted([1.0, 2.0, 3.0], "nt-asgd", nonmonotone=5), make_scripted([1.0, 2.0, 3.0], "sgd")
    for one in (task, plain):
        assert train(one).best_epoch == 3
    for name, value in task.network.state_dict().items():
        torch.testing.assert_close(value, plain.network.state_dict()[name], rtol=1e-5, atol=1e-6)
