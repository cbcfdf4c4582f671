"""How a classifier reads a text or a series, and the log-odds of its answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recurra.data.encoded_series import EncodedSeries
from recurra.diagnose.explained import Forming
from recurra.diagnose.reading import Reading, blocks, log_odds, percent, require_some
from recurra.diagnose.readings.items import Given, item_of, text_of_input
from recurra.inputs import chunks_of_inputs, series_of_inputs
from recurra.kernels.layout import Layout
from recurra.nn.classifier import SeriesClassifier, TextClassifier
from recurra.tasks.classification import Classification
from recurra.tasks.classify import Classify
from recurra.tasks.classify_series import ClassifySeries
from recurra.vocabulary import UNKNOWN

__all__ = ["read_classify", "read_text"]

_FORMING = 100  # first parts of an input that are answered


def read_classify(task: Classify | ClassifySeries, given: str, item: int, options: Mapping[str, Any]) -> Reading:
    """Read a text or a series, the item of that number of what is given."""
    if isinstance(task, ClassifySeries):
        return _read_series(task, given, item, options)
    reading = read_text(task, text_of_input(given, chunks_of_inputs([given], task.columns[0], **options), item))
    require_some(len(reading.pieces), given, "a text of at least one symbol")
    return reading


def read_text(task: Classify, given: Given) -> Reading:
    """Read a text, which may be empty; what says nothing is the unknown symbol, which training has seen by itself.

    A token that the vocabulary does not know has therefore no influence.
    """
    found = task.vocabulary.tokens(given.text)
    tokens = found[: task.config.vocabulary.max_length]
    embedding = task.network.encoder.embedding.weight.detach()
    ids = torch.tensor([token.id for token in tokens], dtype=torch.int64, device=embedding.device)
    shown = [token.text for token in tokens]

    def probabilities(lengths: Sequence[int]) -> NDArray[np.float32]:
        return task.probabilities(_Prefixes(np.array([token.id for token in tokens], np.int64), lengths))

    return _reading(
        task,
        source=given.source,
        pieces=shown,
        known=[token.known for token in tokens],
        is_text=True,
        truncated=len(found) - len(tokens),
        vectors=embedding[ids],
        start=embedding[UNKNOWN].expand(len(tokens), -1),
        piece_of=np.arange(len(tokens)),
        removable=True,
        shown=shown,
        probabilities=probabilities,
    )


def _read_series(task: ClassifySeries, given: str, item: int, options: Mapping[str, Any]) -> Reading:
    """Read a series; what says nothing is the mean of each channel over the training series."""
    found = (
        (series.name, id_, values)
        for series in series_of_inputs([given], task.trained, **options)
        for examples in [task.encode(series)]
        for values, id_ in zip(examples.values, examples.ids)
    )
    name, id_, values = item_of(found, item, given, "series")
    require_some(len(values), given, "a series of at least one step")
    return _reading_of_series(task, given if name == "argument" else f"series {item:,} of {given}, '{id_}'", values)


def _reading_of_series(task: ClassifySeries, source: str, values: NDArray[np.float32]) -> Reading:
    piece_of = blocks(len(values))
    vectors = torch.from_numpy(values).to(next(task.network.parameters()).device)

    def probabilities(lengths: Sequence[int]) -> NDArray[np.float32]:
        return task.probabilities(EncodedSeries([values[:length] for length in lengths], None, []))

    pieces = [_numbers(np.flatnonzero(piece_of == piece)) for piece in range(int(piece_of[-1]) + 1)]
    return _reading(
        task,
        source=source,
        pieces=pieces,
        known=[True] * len(pieces),
        is_text=False,
        truncated=0,
        vectors=vectors,
        start=torch.zeros_like(vectors),
        piece_of=piece_of,
        removable=False,
        shown=[str(number + 1) for number in range(len(values))],
        probabilities=probabilities,
    )


class _Prefixes:
    """The first symbols of a text, of several lengths, as encoded examples."""

    def __init__(self, ids: NDArray[np.int64], lengths: Sequence[int]) -> None:
        self._ids = ids
        self.lengths = np.array(lengths, dtype=np.int64)

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> NDArray[np.int64]:
        return self._ids[: self.lengths[index]]


def _reading(
    task: Classification,
    source: str,
    pieces: Sequence[str],
    known: Sequence[bool],
    is_text: bool,
    truncated: int,
    vectors: Tensor,
    start: Tensor,
    piece_of: NDArray[np.int64],
    removable: bool,
    shown: Sequence[str],
    probabilities: Callable[[Sequence[int]], NDArray[np.float32]],
) -> Reading:
    """What the reading of a text and that of a series share; `shown` are the steps, `probabilities` of first parts."""
    network = task.network
    assert isinstance(network, TextClassifier | SeriesClassifier)
    (found,) = probabilities([len(vectors)])
    answer = int(found.argmax())

    def scores(variants: Tensor, kept: Tensor) -> Tensor:
        packed, layout = _packed(variants)
        logits = network.output(network.encoder.encode_vectors(packed, layout)).double()
        return log_odds(logits, torch.full((len(variants),), answer, device=logits.device)).unsqueeze(1)

    with torch.no_grad():
        weights = network.encoder.attention(*_packed(vectors.unsqueeze(0))) if len(vectors) else None
    reading = Reading(
        source=source,
        pieces=pieces,
        known=known,
        is_text=is_text,
        truncated=truncated,
        network=network,
        vectors=vectors,
        start=start,
        piece_of=piece_of,
        removable=removable,
        scores=scores,
        answers=[task.classes[answer]],
        told=[f"{task.classes[answer]} ({percent(float(found[answer]))})"],
        unit="log-odds",
        read_at=lambda name, steps: shown,
        forming=lambda: _forming(task.classes, piece_of, probabilities),
    )
    return reading if weights is None else replace(reading, attention=reading.to_pieces(weights.double().cpu().numpy()))


def _forming(
    classes: Sequence[str],
    piece_of: NDArray[np.int64],
    probabilities: Callable[[Sequence[int]], NDArray[np.float32]],
) -> list[Forming]:
    """The most probable class after some numbers of pieces, evenly spaced, the first and the last among them."""
    ends = np.flatnonzero(np.diff(piece_of, append=-1)) + 1  # steps after each piece
    read = np.unique(np.linspace(1, len(ends), min(_FORMING, len(ends))).round().astype(int))
    rows = probabilities(ends[read - 1].tolist())
    return [Forming(int(count), classes[int(row.argmax())], float(row.max())) for count, row in zip(read, rows)]


def _packed(variants: Tensor) -> tuple[Tensor, Layout]:
    """Sequences of one length, [B, T, I], packed."""
    layout = Layout.full(variants.shape[1], len(variants))
    return variants.transpose(0, 1).flatten(0, 1), layout


def _numbers(steps: NDArray[np.int64]) -> str:
    """The steps of a block, counted from 1."""
    first, last = int(steps[0]) + 1, int(steps[-1]) + 1
    return str(first) if first == last else f"{first}-{last}"
