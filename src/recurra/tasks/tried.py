"""What a model is tried on by `recurra check` when nothing is named: its own training data, where they still are."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from recurra.batch import random_sequences
from recurra.config import RunConfig, TranslateConfig
from recurra.data import Texts, load_texts
from recurra.data.encoded import Encoded
from recurra.data.hub import is_hub
from recurra.data.pairs import load_pairs
from recurra.tasks.translate_examples import BothVocabularies, encode_examples
from recurra.vocabulary import END, UNKNOWN, Vocabulary

__all__ = ["another_end", "own_data", "sequences_of_pairs", "sequences_of_texts"]

_log = logging.getLogger("recurra")
_RANDOM = 64
_TRIED = 1_000  # symbols of a side of a pair


class _TextTask(Protocol):
    """A task whose examples are texts."""

    config: Any
    vocabulary: Vocabulary

    def encode(self, texts: Texts) -> Encoded: ...


def own_data(config: RunConfig, instead: str = "symbols") -> str | None:
    """Return the file of a model's training data, or None, which is logged, where it is not on this machine.

    Args:
        config: what the run was told.
        instead: what the model will be tried on then, at random.
    """
    own = config.data.data
    if not is_hub(own) and Path(own).exists():
        return own
    _log.info("the model's own data (%s) are not here: tried on random %s", own, instead)
    return None


def sequences_of_texts(
    task: _TextTask,
    source: str | None,
    columns: tuple[str, str],
    reading: Mapping[str, Any],
    own_reading: Mapping[str, Any] | None = None,
    most: int | None = None,
) -> list[list[int]]:
    """Return the ids of texts: of a source, of the training data's file, or else random ones.

    Args:
        task: what encodes them.
        source: the file; None for the task's own data.
        columns: of the text and the label in the training data, taken where the source has them.
        reading: how a source is read.
        own_reading: how the task's own data are read, where `reading` says nothing.
        most: symbols of a text that are kept [default: all].

    Raises:
        DataError: the source is at fault.
    """
    found = source or own_data(task.config)
    if found is None:
        return random_sequences(len(task.vocabulary), _RANDOM)
    told = reading if source else {**(own_reading or {}), **reading}
    encoded = task.encode(load_texts(found, labels="no", preferred=columns, **told))
    return [encoded[index][:most].tolist() for index in range(len(encoded))]


def sequences_of_pairs(
    config: TranslateConfig,
    vocabularies: BothVocabularies,
    source: str | None,
    columns: tuple[str, str],
    reading: Mapping[str, Any],
) -> list[tuple[list[int], list[int]]]:
    """Return the first 1,000 ids of both sides of pairs: of a source, of the training data's file, or else random ones.

    A symbol that only copying can write is unknown here.

    Args:
        config: what the run was told.
        vocabularies: of both sides.
        source: the file; None for the run's own data.
        columns: of the sources and the targets in the training data, taken where the source has them.
        reading: how a source is read.

    Raises:
        DataError: the source is at fault.
    """
    own = config.data
    found = source or own_data(config)
    if found is None:
        sources, targets = (random_sequences(len(vocabulary), _RANDOM) for vocabulary in vocabularies)
        return [(ids, [*target, END]) for ids, target in zip(sources, targets)]
    if source is None:
        reading = {"target": own.target, "delimiter": own.delimiter, "header": own.header, **reading}
    pairs = load_pairs(found, preferred=columns, **reading)
    encoded = encode_examples(config, pairs, vocabularies).encoded
    size = len(vocabularies.target)
    return [
        (
            encoded.sources[number][:_TRIED].tolist(),
            [id_ if id_ < size else UNKNOWN for id_ in encoded.targets[number][:_TRIED].tolist()],
        )
        for number in range(len(encoded))
    ]


def another_end(ids: Sequence[int], kept: int, vocabulary_size: int) -> list[int]:
    """Ids of which the first ones are kept, and each other is the next of the vocabulary.

    >>> another_end([5, 3, 9], 1, 10)
    [5, 4, 0]
    """
    return [*ids[:kept], *((id_ + 1) % vocabulary_size for id_ in ids[kept:])]
