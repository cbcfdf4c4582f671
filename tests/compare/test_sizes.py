"""Networks of as many parameters, counted beside torch's own layers, and how long an epoch takes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import torch

from recurra.compare.sizes import FirstSteps, epoch_seconds, matched_size, parameter_count, with_network
from recurra.config import make_run_config
from recurra.tasks import TASKS, Task
from recurra.train import StepRecord, train

LAYERS: dict[str, Any] = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}


@pytest.fixture(scope="module")
def reference(reviews_csv: Path, small: dict[str, Any]) -> Task:
    return TASKS["classify"].from_data(make_run_config("classify", data=str(reviews_csv), **small, cell="lstm"))


def by_torch(task: Task, cell: str, hidden: int) -> int:
    """The parameters of a classifier with torch's layers: embedding, two directions, a linear map to two classes."""
    embedding = torch.nn.Embedding(len(task.vocabulary), 8)
    if cell == "feedforward":
        parts = [embedding, torch.nn.Linear(8, hidden), torch.nn.Linear(hidden, 2)]
    else:
        parts = [embedding, LAYERS[cell](8, hidden, bidirectional=True), torch.nn.Linear(2 * hidden, 2)]
    return sum(parameter.numel() for part in parts for parameter in part.parameters())


@pytest.mark.parametrize("cell", [*LAYERS, "feedforward"])
def test_no_other_size_is_nearer(cell: str, reference: Task) -> None:
    wanted = parameter_count(reference)
    assert wanted == by_torch(reference, "lstm", 8)
    found = matched_size(reference, cell, wanted)
    distances = {size: abs(by_torch(reference, cell, size) - wanted) for size in range(1, 150)}
    assert found.parameters == by_torch(reference, cell, found.hidden_size)
    assert distances[found.hidden_size] == min(distances.values())
    assert found.hidden_size == (8 if cell == "lstm" else found.hidden_size)


def test_fewer_than_any_network_has_gives_one_unit(reference: Task) -> None:
    assert matched_size(reference, "gru", 1).hidden_size == 1


def test_the_same_data_serve_another_network(reference: Task) -> None:
    other = with_network(reference, "gru", 3)
    (layer,) = (module for module in other.network.modules() if type(module).__name__ == "GRU")
    assert layer.hidden_size == 3
    assert train(other, None, []).history[-1].epoch == 2
    with_first = next(iter(reference.batches(1))).values
    assert torch.equal(next(iter(other.batches(1))).values, with_first)


def test_an_epoch_is_told_by_its_first_steps(reference: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    task = with_network(reference, "rnn", 2)
    plain = FirstSteps.on_step

    def slowly(self: FirstSteps, record: StepRecord) -> None:
        time.sleep(0.02)
        plain(self, record)

    monkeypatch.setattr(FirstSteps, "on_step", slowly)
    assert task.steps() == 2
    assert 0.04 <= epoch_seconds(task) < 1.0


def test_enough_steps_are_enough(reference: Task) -> None:
    steps = FirstSteps(steps=1)
    steps.run(with_network(reference, "rnn", 2))
    assert len(steps.ends) == 2  # the beginning, and one step
    whole = FirstSteps(steps=99)
    whole.run(with_network(reference, "rnn", 2))
    assert len(whole.ends) == 3  # an epoch of two steps
