"""Explain one answer of a model: what moved it, how it formed, and what the units did meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from recurra.diagnose.explained import Explained, LayerStates
from recurra.diagnose.integrated_gradients import Influences, integrate_closely
from recurra.diagnose.layers import layer_name
from recurra.diagnose.reading import Reading, undisturbed
from recurra.diagnose.readings import READINGS
from recurra.errors import DataError, SettingsError
from recurra.kernels.trace import Trace, traced
from recurra.tasks.base import Task

__all__ = ["explain", "explain_reading"]

_STEPS_AT_ONCE = 16_384
_WORK = 3e11  # products with recurrent weights while pieces are left out: some ten seconds on one core
_FEWEST_LEFT_OUT = 40  # as many as the tables show
_REMEDY = "train again with a smaller --learning-rate"


def explain(task: Task, given: str, item: int = 1, **reading: Any) -> Explained:
    """Explain what a model answers to one input, as `recurra predict` would.

    A piece that says nothing is the unknown symbol of a classifier or tagger of texts, the zero vector of a language
    model or translator, the mean of the training data of a series or recording.

    Args:
        task: with its network.
        given: a text or a file.
        item: which text, sentence, series or recording of a file, from 1; `source` names it.
        reading: how a file is read, options among those of the task's `reading`.

    Raises:
        DataError: the input is missing, malformed or empty, or the network answers with what is no number.
        SettingsError: an option without effect.

    >>> from recurra.tasks import TASKS
    >>> sorted(set(TASKS) - set(READINGS))
    []
    """
    if task.name not in READINGS:
        raise SettingsError(f"explain: expected a model of {', '.join(READINGS)}, found one of {task.name}")
    if item < 1:
        raise SettingsError(f"item: expected a whole number from 1, got {item!r}")
    _require_numbers(task.network)
    told = task.chosen(task.reading, **reading)
    with undisturbed(task.network):
        return explain_reading(task.name, READINGS[task.name](task, given, item, told))


def explain_reading(name: str, reading: Reading) -> Explained:
    """Measure all that :class:`Explained` holds of an input.

    Args:
        name: of the task.
        reading: the input; its network is as :func:`undisturbed` makes it.

    Raises:
        DataError: the network answers with what is no number.
    """
    found = integrate_closely(reading)
    if not (np.isfinite(found.scores).all() and np.isfinite(found.values).all()):
        raise DataError(f"explain: the network's answer is no number (NaN or infinite); {_REMEDY}")
    return Explained(
        task=name,
        source=reading.source,
        pieces=reading.pieces,
        known=reading.known,
        is_text=reading.is_text,
        truncated=reading.truncated,
        answers=reading.answers,
        names=reading.names or reading.answers,
        whole=reading.whole,
        surprise=reading.surprise,
        told=reading.told,
        scores=found.scores,
        unit=reading.unit,
        start=found.start,
        influences=found.values,
        gap=found.gap,
        left_out=_left_out(reading, found),
        attention=reading.attention,
        forming=reading.forming(),
        probable=reading.probable,
        layers=list(_layers(reading)),
    )


def _require_numbers(network: nn.Module) -> None:
    wrong = sum(int((~weights.isfinite()).sum()) for weights in network.parameters())
    if wrong:
        raise DataError(
            f"explain: the network's answer is no number: {wrong:,} of its weights are NaN or infinite; {_REMEDY}"
        )


@torch.no_grad()
def _left_out(reading: Reading, influences: Influences) -> NDArray[np.float64]:
    """How much each score falls without each piece, [A, P].

    Where all pieces would take too long, those with the most influence on any answer are left out, and the others have
    NaN.
    """
    steps = torch.arange(len(reading.vectors))
    of_piece = torch.from_numpy(reading.piece_of)
    affordable = max(_FEWEST_LEFT_OUT, int(_WORK / reading.work()))
    strongest = np.argsort(-np.abs(influences.values).max(axis=0, initial=0.0), kind="stable")[:affordable]
    found = np.full((len(reading.pieces), len(influences.scores)), np.nan)
    for some in torch.from_numpy(np.sort(strongest)).split(max(1, _STEPS_AT_ONCE // max(1, len(steps)))):
        without = of_piece != some.unsqueeze(1)  # [B, T]
        if reading.removable:
            kept = steps.expand(len(some), -1)[without].view(len(some), -1).to(reading.vectors.device)
            answered = reading.scores(reading.vectors[kept], kept)
        else:
            is_read = without.unsqueeze(2).to(reading.vectors.device)
            answered = reading.score(torch.where(is_read, reading.vectors, reading.start))
        found[some.numpy()] = answered.double().cpu().numpy()
    falls: NDArray[np.float64] = influences.scores[:, np.newaxis] - found.T
    return falls


@torch.no_grad()
def _layers(reading: Reading) -> Iterator[LayerStates]:
    """Gates and states of each direction of each recurrent layer, the layers in the order in which they run."""
    with traced() as traces:
        reading.score(reading.vectors.unsqueeze(0))
    calls: dict[int, list[Trace]] = {}  # a layer that is called step by step has a trace of each call
    for trace in traces:
        calls.setdefault(id(trace.weights.weight_hh), []).append(trace)
    for of_layer in calls.values():
        if any(trace.steps for trace in of_layer):
            yield _states(layer_name(reading.network, of_layer[0]), of_layer, reading)


def _states(name: str, traces: Sequence[Trace], reading: Reading) -> LayerStates:
    steps = [step for trace in traces for _, step in sorted(trace.steps.items())]
    values = {part: [step.after[number] for step in steps] for number, part in zip(range(len(steps[0].after)), "hc")}
    values |= {gate: [step.gates[gate] for step in steps] for gate in steps[0].gates}
    arrays = {part: torch.cat(rows).float().cpu().numpy() for part, rows in values.items()}
    order = np.argsort(-arrays["h"].std(axis=0), kind="stable")
    return LayerStates(name, traces[0].cell, list(reading.read_at(name, len(steps))), arrays, order)
