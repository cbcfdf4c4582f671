"""What the experiments measure, against formulas."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from recurra.lab import clipping_runs
from recurra.lab.clipping import show
from recurra.lab.clipping_runs import CLIP, Found, Plan, Run, read_characters, train
from recurra.lab.copy import COPYING, SYMBOLS, copy_batch, per_step
from recurra.lab.eigenvalues import held_at, measure
from recurra.lab.gaps import CONTENDERS, Budget, try_all
from recurra.lab.memory import ADDING, adding_batch
from recurra.lab.page import Finished
from recurra.lab.training import Course

TINY = Budget(hidden=4, updates=4, learning_rate=0.01, gaps=(6,))


@pytest.mark.parametrize("size", [0.5, 1.0, 1.5])
def test_a_linear_gradient_is_the_eigenvalue_to_the_power_of_the_lag(size: float) -> None:
    flow = measure(size, 0.0, seed=1, hidden=8, lags=30)
    torch.testing.assert_close(flow.relative, size ** torch.arange(31, dtype=torch.float64))
    assert flow.counts.tolist() == [32] * 31


def test_inputs_bend_tanh_and_the_gradient_is_smaller() -> None:
    small, large = (measure(1.2, drive, seed=1, hidden=8, lags=30).relative for drive in (0.1, 0.5))
    assert large[-1] < small[-1] < 1.2**30
    assert torch.equal(measure(1.2, 0.1, seed=1, hidden=8, lags=30).relative, small)


def test_the_eigenvalue_that_holds() -> None:
    assert held_at([0.5, 1.0, 1.5], [0.5**50, 1.0, 1.5**50]) == pytest.approx(1.0)
    assert held_at([1.0, 1.2], [math.exp(-1), math.exp(3)]) == pytest.approx(1.05)
    assert held_at([0.5, 0.7], [0.1, 0.2]) is None


def test_the_eigenvalues_found(quick: dict[str, Finished]) -> None:
    numbers = quick["eigenvalues"].outcome.numbers
    assert numbers["largest_relative_error_of_theory"] < 1e-12
    assert numbers["eigenvalue_that_holds"]["input_deviation_0"] == pytest.approx(1.0)
    assert numbers["eigenvalue_that_holds"]["input_deviation_0.1"] > 1.05
    rows = {row[0]: row[1] for row in quick["eigenvalues"].outcome.rows}
    assert rows["0.5"] == str(math.floor(math.log(100) / math.log(2)) + 1)
    assert (rows["0.9"], rows["1"], rows["1.5"]) == ("44", "never", "never")


def test_a_batch_of_the_adding_problem() -> None:
    x, sums = adding_batch(9, 500, torch.Generator().manual_seed(0))
    numbers, marks = x.unbind(2)
    assert x.shape == (9, 500, 2)
    assert marks[:4].sum(0).eq(1).all()
    assert marks[4:].sum(0).eq(1).all()
    assert set(marks.argmax(0).tolist()) == {0, 1, 2, 3}
    torch.testing.assert_close(torch.where(marks == 1, numbers, 0.0).sum(0), sums)


def test_what_is_got_by_answering_the_mean() -> None:
    _, sums = adding_batch(4, 200_000, torch.Generator().manual_seed(0))
    assert ADDING.loss(torch.ones(1, len(sums), 1), sums).item() == pytest.approx(ADDING.blind, rel=0.01)
    assert ADDING.blind == pytest.approx(1 / 6)


def test_a_batch_of_the_copy_task() -> None:
    x, symbols = copy_batch(7, 3, torch.Generator().manual_seed(0))
    shown = x.argmax(2)
    assert x.shape == (7 + 2 * SYMBOLS, 3, 10)
    assert x.sum(2).eq(1).all()
    assert torch.equal(shown[:SYMBOLS], symbols)
    assert shown[SYMBOLS : SYMBOLS + 7].eq(8).all()
    assert shown[SYMBOLS + 7].eq(9).all()
    assert shown[SYMBOLS + 8 :].eq(8).all()
    answers = torch.zeros(SYMBOLS, 3, 8)
    assert COPYING.loss(answers, symbols).item() == pytest.approx(math.log(8)) == pytest.approx(COPYING.blind)


def test_the_loss_over_all_steps(quick: dict[str, Finished]) -> None:
    assert per_step(math.log(8), 100) == pytest.approx(SYMBOLS * math.log(8) / (100 + 2 * SYMBOLS))
    numbers = quick["copy"].outcome.numbers
    assert numbers["chance_over_all_steps"]["10"] == pytest.approx(math.log(8) / 4)
    for trial in numbers["trials"]:
        assert trial["loss_over_all_steps"] == pytest.approx(per_step(trial["loss"], trial["gap"]))


@pytest.mark.parametrize("problem", [ADDING, COPYING])
def test_trials_follow_from_the_seed(problem: object) -> None:
    def errors(seed: int) -> list[float]:
        return [trial.error for trial in try_all("x", problem, TINY, seed, lambda _: None).trials]

    assert errors(1) == errors(1) != errors(2)


def test_the_contenders_are_what_they_are_called() -> None:
    made = {each.name: each.make(2, 16, 40) for each in CONTENDERS}
    forget = slice(16, 32)
    biases = {
        name: layer.get_parameter("bias_ih_l0") + layer.get_parameter("bias_hh_l0") for name, layer in made.items()
    }
    assert biases["LSTM"][forget].tolist() == [1.0] * 16
    assert biases["LSTM forget bias 0"][forget].tolist() == [0.0] * 16
    for name in ("LSTM chrono", "GRU chrono"):
        assert 0 <= biases[name][forget].min() < biases[name][forget].max() <= math.log(39)
    assert {type(layer).__name__ for layer in made.values()} == {"RNN", "GRU", "LSTM"}


def test_the_reach_is_the_longest_gap_below_a_tenth() -> None:
    found = try_all("x", ADDING, TINY._replace(gaps=(6, 8, 10)), 0, lambda _: None)
    errors = {6: ADDING.blind / 20, 8: ADDING.blind / 11, 10: ADDING.blind / 9}
    first = CONTENDERS[0]
    trials = [t._replace(error=errors[t.gap] if t.contender is first else 1.0) for t in found.trials]
    reached = found._replace(trials=trials).reached()
    assert reached.pop(first.name) == 8
    assert set(reached.values()) == {0}
    assert found._replace(trials=trials).missed() == ""
    errors |= {6: 1.0}
    broken = [t._replace(error=errors[t.gap] if t.contender is first else 1.0) for t in trials]
    assert found._replace(trials=broken).missed() == " Shorter ones that were not learnt in this run: RNN at 6."


def test_characters_and_what_their_frequencies_know() -> None:
    characters = read_characters()
    windows = characters.draw(characters.train, 4, torch.Generator().manual_seed(0))
    assert windows.shape == (51, 4)
    counts = torch.bincount(characters.train, minlength=characters.kinds).double() + 1
    said = counts.log().expand(len(characters.test), -1)
    assert characters.blind == pytest.approx(cross_entropy(said, characters.test).item())


@pytest.mark.parametrize("clip", [None, CLIP])
def test_trainings_follow_from_the_seed(clip: float | None) -> None:
    characters = read_characters()
    first, again = (train(characters, "relu", 0.1, clip, 5, 4) for _ in range(2))
    assert first == again
    assert first.error < 10


def test_without_clipping_the_rectified_cell_overflows(quick: dict[str, Finished]) -> None:
    runs = quick["clipping"].outcome.numbers["runs"]
    fast = [run for run in runs if run["cell"] == "relu" and run["learning_rate"] == 1.0]
    assert all(run["nan_at_update"] is not None for run in fast if run["clip"] is None)
    assert all(run["nan_at_update"] is None for run in fast if run["clip"] == CLIP)


def test_how_trainings_are_counted() -> None:
    course = Course([1.0], [1.0], None)
    errors = {None: [math.inf, 4.0, 2.0, 2.5], CLIP: [1.0, 1.5, 2.0, 3.5]}
    runs = [
        Run(cell, rate, clip, 0, course, errors[clip][2 * number + place])
        for clip in errors
        for number, cell in enumerate(clipping_runs.CELLS)
        for place, rate in enumerate((0.1, 1.0))
    ]
    found = Found(runs, Plan((0.1, 1.0), 1, 1), blind=3.0)
    assert found.lost(None) == (1, 1)
    assert found.lost(CLIP) == (0, 1)
    assert found.best(None) == (2.0, "tanh", 0.1)
    assert found.best(CLIP) == (1.0, "relu", 0.1)
    lead = show(found).lead
    assert (
        "frequencies: rectified, none without clipping and 1 with it; tanh, 1 without clipping and 0.1 with"
        in (show(found).explanation[-1])
    )
    assert "to 2.00 nats a character without clipping, by the tanh cell at learning rate 0.1, and" in lead
    assert lead.endswith("to 1.00 with it, by the rectified cell at learning rate 0.1.")
