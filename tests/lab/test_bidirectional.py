"""What the state of a net can and cannot know, whatever its weights."""

from __future__ import annotations

import pytest
import torch

from recurra.lab.bidirectional import READINGS, Reader, accuracies, reader_of_size, run, symbols_at
from recurra.lab.bidirectional import _lead as lead
from recurra.lab.experiment import Outcome


@pytest.fixture(scope="module")
def quick() -> Outcome:
    return run(2, True, lambda _: None)


@pytest.mark.parametrize("reading", READINGS)
def test_which_steps_a_state_depends_on(reading: str) -> None:
    torch.manual_seed(0)
    reader = Reader(reading, 5, reach=2)
    symbols = torch.randint(4, (9, 1))
    other = symbols.clone()
    other[4] = (other[4] + 1) % 4
    moved = (reader(symbols) != reader(other)).flatten(1).any(1).tolist()
    before, after = reading != "forward", reading != "backward"
    assert moved == [before] * 4 + [True] + [after] * 4


def test_what_is_asked_for() -> None:
    symbols = torch.randint(4, (12, 3))
    wanted = symbols_at(symbols, 3)
    for step in range(12):
        for offset in range(-3, 4):
            inside = 0 <= step + offset < 12
            expected = symbols[step + offset] if inside else torch.full((3,), -100)
            assert torch.equal(wanted[step, :, offset + 3], expected)


@pytest.mark.parametrize("reading", READINGS)
def test_the_largest_net_of_so_many_parameters(reading: str) -> None:
    reader = reader_of_size(reading, 5000)
    larger = Reader(reading, reader.recurrent.hidden_size + 1)
    counts = [sum(parameter.numel() for parameter in net.parameters()) for net in (reader, larger)]
    assert counts[0] <= 5000 < counts[1]


def test_the_future_is_chance_and_the_rest_is_not(quick: Outcome) -> None:
    found = quick.numbers["accuracy_by_seed"]
    reach = quick.numbers["offsets"][-1]
    assert found["forward"][0][reach + 1 :] == pytest.approx([0.25] * reach, abs=0.02)  # five deviations of 10,000
    assert found["backward"][0][:reach] == pytest.approx([0.25] * reach, abs=0.02)
    assert found["bidirectional"][0][reach - 1] > 0.3 < found["bidirectional"][0][reach + 1]
    sizes = quick.numbers["parameters"]
    assert max(sizes.values()) < 1.05 * min(sizes.values())


def test_accuracy_of_a_net_that_knows_the_present() -> None:
    reader = Reader("forward", 1, reach=1)
    with torch.no_grad():
        for parameter in reader.parameters():
            parameter.zero_()  # so that it always names the first of four symbols
    assert accuracies(reader, seed=0) == pytest.approx([0.25] * 3, abs=0.02)


def test_the_same_seed_gives_the_same_numbers(quick: Outcome) -> None:
    assert run(2, True, lambda _: None).numbers == quick.numbers


def test_the_answer_follows_the_numbers() -> None:
    assert "costs 2.0 points" in lead(
        {"forward": 0.25, "bidirectional": 0.97}, {"forward": 1.0, "bidirectional": 0.98}, 8
    )
    assert "costs it nothing" in lead(
        {"forward": 0.25, "bidirectional": 0.97}, {"forward": 0.9, "bidirectional": 0.98}, 8
    )
    assert "has not learnt" in lead({"forward": 0.25, "bidirectional": 0.5}, {"forward": 1.0, "bidirectional": 0.98}, 8)
    assert "amiss" in lead({"forward": 0.5, "bidirectional": 0.97}, {"forward": 1.0, "bidirectional": 0.98}, 8)
