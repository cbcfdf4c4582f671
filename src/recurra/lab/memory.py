"""The adding problem: what two marked numbers of a sequence add up to, by how long the sequence is.

Hochreiter, Schmidhuber, "Long short-term memory", Neural Computation 9, 1997, experiment 4; in the form of Le, Jaitly,
Hinton, "A simple way to initialize recurrent networks of rectified linear units", arXiv:1504.00941.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from recurra.lab.experiment import Outcome
from recurra.lab.gaps import Budget, Problem, Trials, longest_sentence, try_all

__all__ = ["ADDING", "adding_batch", "run"]

_FULL = Budget(hidden=32, updates=1000, learning_rate=0.01, gaps=(10, 25, 50, 100, 200))
_QUICK = Budget(hidden=16, updates=20, learning_rate=0.01, gaps=(10, 20))


def adding_batch(steps: int, batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw sequences [T, B, 2] of numbers uniform in 0..1 and marks, and the sums of the two marked numbers [B].

    One mark is in the first half of the steps and one in the second.
    """
    numbers, marks = torch.rand(steps, batch, generator=generator), torch.zeros(steps, batch)
    of = torch.arange(batch)
    marks[torch.randint(0, steps // 2, (batch,), generator=generator), of] = 1
    marks[torch.randint(steps // 2, steps, (batch,), generator=generator), of] = 1
    return torch.stack([numbers, marks], dim=2), (numbers * marks).sum(0)


def _squared(answers: Tensor, sums: Tensor) -> Tensor:
    return (answers[0, :, 0] - sums).square().mean()


ADDING = Problem(
    inputs=2,
    outputs=1,
    answers=1,
    batch=adding_batch,
    loss=_squared,
    steps=lambda gap: gap,
    blind=2 / 12,  # answering 1 always: the variance of the sum of two numbers that are uniform in 0..1
)


def run(seed: int, quick: bool, tell: Callable[[str], None]) -> Outcome:
    """Train each network at each length."""
    return _outcome(try_all("memory", ADDING, _QUICK if quick else _FULL, seed, tell))


def _outcome(found: Trials) -> Outcome:
    budget, reached = found.budget, found.reached()
    lead = (
        f"After {budget.updates:,} updates these add two numbers with less than a tenth of the error of answering 1 "
        f"always: {longest_sentence(reached, 'steps')}.{found.missed()}"
    )
    curve_gap = budget.gaps[-2]
    return Outcome(
        lead,
        [(str(reached[name]), f"steps: the longest sequence learnt by {name}") for name in ("RNN", "LSTM")]
        + [(str(reached[name]), f"steps: {name}") for name in ("LSTM chrono", "GRU")],
        [
            found.by_gap("mean squared error", "steps of the sequence", "The adding problem: error by length"),
            found.curves(curve_gap, "mean squared error", f"The adding problem at {curve_gap} steps: error by update"),
        ],
        found.headings(),
        found.rows(),
        _explanation(found),
        found.numbers(),
    )


def _explanation(found: Trials) -> list[str]:
    budget = found.budget
    return [
        "Each step shows a number between 0 and 1 and a mark. Two numbers are marked, one in the first half of the "
        "sequence and one in the second; at the end the network says their sum. Who answers 1 always, the mean, has a "
        "mean squared error of 2/12 = 0.1667, the variance of a sum of two such numbers. To do better, a number must "
        "be kept for half of the sequence at least, on average for three quarters.",
        "A simple layer writes its whole state anew at each step, and the gradient that could teach it to keep a "
        "number is multiplied by W_hh and the slope of tanh at each (see recurra lab eigenvalues). The cell state of "
        "an LSTM is multiplied by its forget gate f alone, and the state of a GRU by its gate z: where these are near "
        "1, number and gradient last.",
        "How near they are at the start decides how soon the rest is learnt. A forget gate whose bias is 0 starts at "
        "1/2 and halves all it holds at each step. With recurra's bias of 1 (Jozefowicz, Zaremba, Sutskever, ICML "
        "2015) it starts at 0.73. The chrono initialisation draws the biases so that the units' memories are spread "
        "over 1 to T steps (Tallec, Ollivier, ICLR 2018).",
        f"Every network has {budget.hidden} units in one layer, and one go: Adam with learning rate "
        f"{budget.learning_rate:g}, {budget.updates:,} batches of 32 new sequences, gradients clipped at 1, one seed. "
        "Another learning rate, more training or another seed can move where each fails; what was not learnt here is "
        "not shown to be impossible.",
    ]
