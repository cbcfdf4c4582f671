"""Characters <-> ids: how words are spelt, for a network that reads their characters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from recurra.vocabulary import UNKNOWN

__all__ = ["character_count", "learn_characters", "spell"]

_FIRST = UNKNOWN + 1


def learn_characters(words: Iterable[str]) -> str:
    """Return the characters that occur in several of some distinct words, the most frequent first.

    One that occurs in a single word is unknown, which teaches what "unknown" means.

    >>> learn_characters(["to", "two", "be"])
    'ot'
    """
    counts = Counter(character for word in words for character in set(normalize("NFC", word)))
    return "".join(sorted((c for c, count in counts.items() if count > 1), key=lambda c: (-counts[c], c)))


def character_count(characters: str) -> int:
    """Return how many ids there are: of the known characters, of unknown ones, and of padding."""
    return _FIRST + len(characters)


def spell(words: Sequence[str], characters: str) -> list[NDArray[np.int32]]:
    """Return the character ids of each word.

    >>> [ids.tolist() for ids in spell(["to", "be"], "ot")]
    [[3, 2], [1, 1]]
    """
    numbers = {character: number for number, character in enumerate(characters, start=_FIRST)}
    spelt = [[numbers.get(character, UNKNOWN) for character in normalize("NFC", word)] for word in words]
    return [np.array(ids, np.int32) for ids in spelt]
