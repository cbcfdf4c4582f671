"""What `recurra explain` has found about one input: what moved each answer, how it formed, what the units did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["EXPLAIN", "Explained", "Forming", "LayerStates", "as_json"]

EXPLAIN = "recurra explain"  # the command


@dataclass(frozen=True)
class Forming:
    """The answer as it stood after some first pieces.

    Attributes:
        read: how many pieces had been read.
        answer: what the model would have said.
        value: how sure it was (a probability), or what it forecast: :class:`Explained` tells which.
    """

    read: int
    answer: str
    value: float


@dataclass(frozen=True)
class LayerStates:
    """One direction of one layer while it read the input.

    Attributes:
        name: as a reader finds it, such as "encoder, layer 1, backwards".
        cell: a key of :data:`recurra.kernels.cells.CELLS`.
        pieces: what was read at each of its steps, T of them.
        values: by what they are: "h", "c" and the gates by their names, [T, H] each.
        order: units, the most active first: by how much h varies over the steps, [H].
    """

    name: str
    cell: str
    pieces: Sequence[str]
    values: Mapping[str, NDArray[np.float32]]
    order: NDArray[np.int64]


@dataclass(frozen=True)
class Explained:
    """One input explained: A answers (a class, or a tag, symbol or forecast each), T pieces.

    Attributes:
        task: name of the task.
        source: the input as it was given.
        pieces: tokens, symbols, steps or frames, as they are shown, [T].
        known: whether the vocabulary knows each; True where there is none.
        is_text: whether the pieces are of a text; else they are steps of a series or frames of a recording.
        truncated: pieces at the end that the model was not given.
        answers: what is explained, as shown, [A]; for a language model the symbols that came.
        names: what each answer is called beside others, such as a tag behind its token, [A].
        whole: the answers as one text, where they are the symbols of one; else empty.
        surprise: whether the answers are the symbols that came, and the scores how little they surprised.
        told: of each answer how it is said in one line, such as "positive (97.3 %)", [A].
        scores: of each answer what the influences add up to, [A].
        unit: of scores and influences, such as "log-odds", "nats" or the series' own.
        start: score of each answer where all pieces are replaced by the neutral one, [A].
        influences: of each piece on each answer by integrated gradients, [A, T]; from `start` to `scores`.
        gap: by how much they miss it, [A].
        left_out: how much each score falls when a piece is left out, [A, T]; NaN for pieces of little influence on
            inputs so long that leaving out each would take too long.
        attention: where the model looked for each answer, [A, T]; None where it has no attention.
        forming: the answer after each number of pieces; empty where it forms piece by piece anyway.
        probable: whether its values are probabilities; else they are forecasts.
        layers: gates, cell and hidden states.
    """

    task: str
    source: str
    pieces: Sequence[str]
    known: Sequence[bool]
    is_text: bool
    truncated: int
    answers: Sequence[str]
    names: Sequence[str]
    whole: str
    surprise: bool
    told: Sequence[str]
    scores: NDArray[np.float64]
    unit: str
    start: NDArray[np.float64]
    influences: NDArray[np.float64]
    gap: NDArray[np.float64]
    left_out: NDArray[np.float64]
    attention: NDArray[np.float64] | None
    forming: Sequence[Forming]
    probable: bool
    layers: Sequence[LayerStates]


def as_json(explained: Explained) -> dict[str, Any]:
    """All of it as JSON can hold it, by the names of the attributes; states and gates are rounded to 6 places."""
    found = {"made_by": EXPLAIN} | {field.name: getattr(explained, field.name) for field in fields(explained)}
    for name in ("scores", "start", "influences", "gap", "left_out"):
        found[name] = found[name].tolist()
    for name in ("pieces", "known", "answers", "names", "told"):
        found[name] = list(found[name])
    found["attention"] = None if explained.attention is None else explained.attention.tolist()
    found["forming"] = [vars(one) for one in explained.forming]
    found["layers"] = [
        {
            "name": layer.name,
            "cell": layer.cell,
            "pieces": list(layer.pieces),
            "values": {name: np.round(part.astype(np.float64), 6).tolist() for name, part in layer.values.items()},
            "order": layer.order.tolist(),
        }
        for layer in explained.layers
    ]
    return found
