"""The copy task: symbols are shown, then nothing for a while, then they are to be said again.

Hochreiter, Schmidhuber, "Long short-term memory", Neural Computation 9, 1997; in the form of Arjovsky, Shah, Bengio,
"Unitary evolution recurrent neural networks", ICML 2016.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from recurra.lab.experiment import Outcome
from recurra.lab.gaps import Budget, Problem, Trials, longest_sentence, try_all

__all__ = ["COPYING", "SYMBOLS", "copy_batch", "run"]

SYMBOLS, _KINDS = 5, 8  # of papers 10 symbols of 8 kinds, and many times the training
_BLANK, _NOW = _KINDS, _KINDS + 1
_FULL = Budget(hidden=48, updates=2000, learning_rate=0.01, gaps=(5, 10, 20, 40))
_QUICK = Budget(hidden=16, updates=20, learning_rate=0.01, gaps=(5, 10))


def copy_batch(gap: int, batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw S symbols of 8 kinds, and show them: input [gap + 2 S, B, 10], each step one-hot, and the symbols [S, B].

    The symbols are followed by blanks, and S steps before the end by a sign that it is time to say them: from that step
    on, one is asked for at each.
    """
    symbols = torch.randint(0, _KINDS, (SYMBOLS, batch), generator=generator)
    shown = torch.full((gap + 2 * SYMBOLS, batch), _BLANK)
    shown[:SYMBOLS], shown[-SYMBOLS] = symbols, _NOW
    return one_hot(shown, _KINDS + 2).float(), symbols


def _cross_entropy(answers: Tensor, symbols: Tensor) -> Tensor:
    return cross_entropy(answers.flatten(0, 1), symbols.flatten())


COPYING = Problem(
    inputs=_KINDS + 2,
    outputs=_KINDS,
    answers=SYMBOLS,
    batch=copy_batch,
    loss=_cross_entropy,
    steps=lambda gap: gap + 2 * SYMBOLS,
    blind=math.log(_KINDS),
)


def per_step(loss: float, gap: int) -> float:
    """The measure of papers: a loss for each symbol as the mean over all steps, of which the others cost nothing."""
    return loss * SYMBOLS / (gap + 2 * SYMBOLS)


def run(seed: int, quick: bool, tell: Callable[[str], None]) -> Outcome:
    """Train each network at each gap."""
    return _outcome(try_all("copy", COPYING, _QUICK if quick else _FULL, seed, tell))


def _outcome(found: Trials) -> Outcome:
    budget, reached = found.budget, found.reached()
    lead = (
        f"After {budget.updates:,} updates these repeat {SYMBOLS} symbols with less than a tenth of the loss of "
        f"guessing: {longest_sentence(reached, 'blank steps')}.{found.missed()}"
    )
    curve_gap = budget.gaps[len(budget.gaps) // 2 - 1]
    what = "nats for each symbol"
    numbers = found.numbers()
    numbers["chance_over_all_steps"] = {str(gap): per_step(COPYING.blind, gap) for gap in budget.gaps}
    for trial in numbers["trials"]:
        trial["loss_over_all_steps"] = per_step(trial["loss"], trial["gap"])
    return Outcome(
        lead,
        [(str(reached[name]), f"blank steps: the longest gap learnt by {name}") for name in ("RNN", "LSTM")]
        + [(str(reached[name]), f"blank steps: {name}") for name in ("LSTM chrono", "GRU")],
        [
            found.by_gap(what, "blank steps between the symbols and their repetition", "The copy task: loss by gap"),
            found.curves(curve_gap, what, f"The copy task over {curve_gap} blank steps: loss by update"),
        ],
        found.headings(),
        found.rows(),
        _explanation(found),
        numbers,
    )


def _explanation(found: Trials) -> list[str]:
    budget = found.budget
    longest = budget.gaps[-1]
    return [
        f"{SYMBOLS} symbols of 8 kinds are shown, one a step, then blanks; then a sign, from which on the network says "
        f"the symbols again, in their order. Guessing costs ln 8 = {COPYING.blind:.4f} nats for each symbol. Papers "
        f"give the mean over all T + {2 * SYMBOLS} steps of a gap of T, where the blanks cost nothing once it is known "
        f"when to speak: guessing is then {SYMBOLS} ln 8 / (T + {2 * SYMBOLS}), at T = {longest} "
        f"{per_step(COPYING.blind, longest):.4f}; the file of numbers has both.",
        "The adding problem asks for one number to be kept, this one for all symbols and their order: each must stay "
        "untouched over the gap, and be said at its own step. Gates that stay near 1 keep them; which unit is to speak "
        "when must be learnt too.",
        "An orthogonal W_hh, with which recurra's layers start, turns the state at each step without loss as long as "
        "tanh is hardly bent. Each slope of tanh below 1 makes the gradient smaller, and the more so the longer the "
        "gap (Arjovsky, Shah, Bengio 2016 go on from there to unitary networks). A forget gate that starts at 1/2 "
        "halves what it holds at each step.",
        f"Every network has {budget.hidden} units in one layer, and one go: Adam with learning rate "
        f"{budget.learning_rate:g}, {budget.updates:,} batches of 32 new sequences, gradients clipped at 1, one seed; "
        "the loss is of the repeated symbols alone. Another learning rate, more training or another seed can move "
        "where each fails; what was not learnt here is not shown to be impossible.",
    ]
