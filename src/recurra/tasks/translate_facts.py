"""What a translator learns from its training pairs beside symbols and weights."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from recurra.character_profile import Profile
from recurra.hypotheses import MOST_RATIO
from recurra.tasks.translate_examples import PairExamples

__all__ = ["TranslateFacts", "learn_facts"]

_BEYOND = 10  # symbols that the search allows beyond the ratio
_SPARE = 1.2  # how much longer than in training a translation may be for its source


@dataclass(frozen=True)
class TranslateFacts:
    """What a translator knows beside its settings and its symbols.

    Attributes:
        columns: the names of the source and the target column of the training data.
        pairs: how many it was trained on.
        max_ratio: symbols that a translation may have for each of its source, so that all of training had room.
        source_profile: which characters the source side has, fields of :class:`recurra.character_profile.Profile`.
        target_profile: those of the target side.
    """

    columns: tuple[str, str]
    pairs: int
    max_ratio: float
    source_profile: dict[str, Any]
    target_profile: dict[str, Any]


def learn_facts(train: PairExamples) -> TranslateFacts:
    """Learn them from the training pairs."""
    sources, targets = train.encoded.sources.lengths, train.encoded.targets.lengths
    ratios = (targets - _BEYOND) / np.maximum(sources, 1)
    return TranslateFacts(
        columns=(train.pairs.sources.columns.text, train.pairs.targets.columns.text),
        pairs=len(train),
        max_ratio=min(MOST_RATIO, math.ceil(10 * _SPARE * max(1.0, float(ratios.max(initial=0.0)))) / 10),
        source_profile=asdict(Profile.of(train.sources())),
        target_profile=asdict(Profile.of(train.targets())),
    )
