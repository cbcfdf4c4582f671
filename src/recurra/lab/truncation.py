"""Truncated backpropagation through time: streams whose answers lie further back than the gradient goes.

Williams, Peng, "An efficient gradient-based algorithm for on-line training of recurrent network trajectories", Neural
Computation 2, 1990; Tallec, Ollivier, "Unbiasing truncated backpropagation through time", arXiv 1705.08209, 2017.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from recurra.lab.experiment import Outcome
from recurra.lab.training import fit_small, seeded, unseen
from recurra.lab.truncation_outcome import SYMBOLS, Course, Plan, outcome
from recurra.nn import LSTM

__all__ = ["Recaller", "Stream", "accuracies", "draw_stream", "run", "train"]

_IGNORED = -100  # where nothing is asked
_FULL = Plan(pieces=(1, 2, 4, 8, 16, 32), lags=(1, 2, 4, 8, 16), longest=24, updates=400, seeds=3, symbols=1024)
_QUICK = Plan(pieces=(2, 8), lags=(1, 4), longest=8, updates=40, seeds=1, symbols=256)
_HIDDEN, _RATE = 24, 1e-2

State = tuple[Tensor, Tensor]


class Stream(NamedTuple):
    """Streams in which, time and again, a marked symbol is asked for some steps later.

    Attributes:
        inputs: [T, B, V + 2]: the symbol, whether it is to be remembered, whether it is asked for.
        answers: [T, B], what is asked for; -100 where nothing is.
        lags: [T, B], how many steps before the symbol was marked.
    """

    inputs: Tensor
    answers: Tensor
    lags: Tensor


def draw_stream(steps: int, streams: int, lags: Sequence[int], generator: torch.Generator) -> Stream:
    """Draw streams; the next symbol is marked in the step after one was asked for, so that one is held at a time.

    Args:
        steps: T.
        streams: B.
        lags: from which that of each question is drawn.
        generator: of all that is random, also of where in a stream its first question is.
    """
    questions = steps // (min(lags) + 1) + 2
    lag = torch.tensor(lags)[torch.randint(len(lags), (questions, streams), generator=generator)]
    begun = torch.randint(max(lags) + 1, (streams,), generator=generator)
    marked = functional.pad((lag + 1).cumsum(0)[:-1], (0, 0, 1, 0)) - begun
    inside = (marked >= 0) & (marked + lag < steps)
    of_stream = torch.arange(streams).expand(questions, streams)[inside]
    marked, lag = marked[inside], lag[inside]
    symbols = torch.randint(SYMBOLS, (steps, streams), generator=generator)
    flags = torch.zeros(steps, streams, 2)
    flags[marked, of_stream, 0] = 1
    flags[marked + lag, of_stream, 1] = 1
    answers, lags_of = torch.full((steps, streams), _IGNORED), torch.zeros(steps, streams, dtype=torch.int64)
    answers[marked + lag, of_stream] = symbols[marked, of_stream]
    lags_of[marked + lag, of_stream] = lag
    return Stream(torch.cat([functional.one_hot(symbols, SYMBOLS).float(), flags], 2), answers, lags_of)


class Recaller(nn.Module):
    """An LSTM that names, at each step, the symbol asked for."""

    def __init__(self, hidden_size: int = _HIDDEN) -> None:
        super().__init__()
        self.recurrent = LSTM(SYMBOLS + 2, hidden_size)
        self.output = nn.Linear(hidden_size, SYMBOLS)

    def forward(self, inputs: Tensor, state: State | None) -> tuple[Tensor, State]:
        """From inputs [T, B, V + 2] and a state to logits [T, B, V] and the state after them."""
        outputs, after = self.recurrent(inputs, state)
        return self.output(outputs), after


def run(seed: int, quick: bool, tell: Callable[[str], None]) -> Outcome:
    """Train with each truncation: on streams of one lag, for each lag, and on streams of all lags."""
    plan = _QUICK if quick else _FULL
    courses = []
    for number in range(seed, seed + plan.seeds):
        for piece in plan.pieces:
            tell(
                f"truncation: seed {number}, pieces of {piece}: lags {', '.join(map(str, plan.lags))}, and all together"
            )
            alone: dict[int, float] = {}
            for lag in plan.lags:
                alone |= accuracies(_trained(piece, [lag], plan, number), _asked([lag], number))
            lags = range(1, plan.longest + 1)
            model, stream = _trained(piece, lags, plan, number), _asked(lags, number)
            courses.append(Course(number, piece, alone, accuracies(model, stream), accuracies(model, stream, piece)))
    return outcome(plan, courses)


def _trained(piece: int, lags: Sequence[int], plan: Plan, seed: int) -> Recaller:
    with seeded(seed):
        model = Recaller()
    train(model, piece, lags, plan.updates, plan.symbols // piece, seed)
    return model


def _asked(lags: Sequence[int], seed: int) -> Stream:
    return draw_stream(600, 64, lags, unseen(seed))


def train(model: Recaller, piece: int, lags: Sequence[int], updates: int, streams: int, seed: int) -> None:
    """Train by truncated backpropagation: pieces of T steps, whose first state is the last of the piece before.

    That state is detached: it goes on, and no gradient goes back through it.

    Args:
        model: trained in place.
        piece: T.
        lags: of the questions.
        updates: pieces.
        streams: B.
        seed: of the streams.
    """
    stream = draw_stream(updates * piece, streams, lags, torch.Generator().manual_seed(seed))
    pieces = iter(zip(stream.inputs.split(piece), stream.answers.split(piece)))
    state: State | None = None

    def batch_loss(_: torch.Generator) -> Tensor:
        nonlocal state
        inputs, answers = next(pieces)
        logits, (h, c) = model(inputs, state)
        state = (h.detach(), c.detach())
        asked = max(1, int((answers != _IGNORED).sum()))  # a piece in which nothing is asked teaches nothing
        return functional.cross_entropy(logits.flatten(0, 1), answers.flatten(), reduction="sum") / asked

    fit_small(model, batch_loss, updates, _RATE, clip=1.0, seed=seed)


@torch.no_grad()
def accuracies(model: Recaller, stream: Stream, reset_every: int | None = None) -> dict[int, float]:
    """The share of right answers by lag; with `reset_every` the state is thrown away after each so many steps."""
    state: State | None = None
    chosen = []
    for inputs in stream.inputs.split(reset_every or len(stream.inputs)):
        logits, state = model(inputs, None if reset_every else state)
        chosen.append(logits.argmax(2))
    right = torch.cat(chosen) == stream.answers
    lags = stream.lags[stream.answers != _IGNORED].unique().tolist()
    return {lag: right[stream.lags == lag].double().mean().item() for lag in lags}
