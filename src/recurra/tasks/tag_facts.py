"""What a tagger learns from its training sentences beside words and weights."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import torch

from recurra.data.encoded_tags import EncodedSentences
from recurra.data.tag_splits import TagSplits, known_tags
from recurra.data.tagged_load import TagFormat
from recurra.errors import DataError, SettingsError
from recurra.nn.crf import Moves
from recurra.spans import Scheme, legal_moves
from recurra.tasks.base import Start

__all__ = ["TagData", "TagFacts", "learn_tags", "require_words"]

_log = logging.getLogger("recurra")


@dataclass(frozen=True)
class TagData:
    """The encoded sentences of a run."""

    train: EncodedSentences
    valid: EncodedSentences
    test: EncodedSentences | None


@dataclass(frozen=True)
class TagFacts:
    """What a tagger knows beside its settings and its words.

    Attributes:
        tags: the K tags, sorted.
        counts: how often training has each, [K].
        scheme: in which they mark spans; None where they mark none.
        characters: those that are known, the most frequent first.
        format: the form of the training file; None for lists in memory.
    """

    tags: list[str]
    counts: list[int]
    scheme: Scheme | None
    characters: str
    format: TagFormat | None

    def moves(self) -> Moves | None:
        """Which tags may follow which; None where all may."""
        if self.scheme is None:
            return None
        return Moves(*map(torch.from_numpy, legal_moves(self.tags, self.scheme)))


def learn_tags(splits: TagSplits) -> TagFacts:
    """Learn all but the characters from the training sentences, and say what will choose the epochs.

    Raises:
        DataError: training has a single tag.
    """
    train = splits.train
    counts, scheme, tags = train.tag_counts(), train.scheme(), known_tags(train)
    if len(counts) < 2:
        only = ", ".join(f"'{tag}' ({count:,} tokens)" for tag, count in counts.items())
        raise DataError(
            f"{train.name}: expected at least two different tags in the training sentences, found one: {only}; "
            f"add sentences with others, or name another --tag-column"
        )
    _log.info("epochs are chosen by %s", "token accuracy" if scheme is None else "span F1")
    return TagFacts(tags, [counts.get(tag, 0) for tag in tags], scheme, "", splits.format)


def require_words(start: Start | None, named: str | None) -> None:
    """Require that a language model to start from, if there is one, is of words.

    Raises:
        SettingsError: it is of another kind.
    """
    if start is not None and start.vocabulary_config.tokens not in ("words", "spaces"):
        raise SettingsError(
            f"option 'init_from' ({named}): expected a language model whose tokens are words or spaces, as embeddings "
            f"of words are needed, found one of {start.vocabulary_config.tokens}"
        )
