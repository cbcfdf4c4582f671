"""ROUGE: how much of a reference text an answer has, in words, pairs of words, and words in order.

Lin, "ROUGE: A package for automatic evaluation of summaries", Text Summarization Branches Out, 2004.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from rapidfuzz.distance import LCSseq

__all__ = ["Rouge", "rouge"]


class Rouge(NamedTuple):
    """F1 of single words, of pairs of words, and of the longest common subsequence, each from 0 to 1."""

    unigrams: float
    bigrams: float
    subsequence: float


def rouge(answer: str, references: Sequence[str]) -> Rouge:
    """Compare an answer with its references; of several each measure takes the one that is best for it.

    Words are runs of letters (with their accents) and digits of any script, in lower case; they are not stemmed. F1 is
    twice what both have, over what the one and the other have; it is 0 where neither has any. A script without spaces
    has runs as long as its phrases, of which ROUGE says little.

    >>> rouge("The cat sat.", ["the cat ran", "on it the cat sat down"])
    Rouge(unigrams=0.6666666666666666, bigrams=0.5714285714285714, subsequence=0.6666666666666666)
    """
    ours = _words(answer)
    found = [_compared(ours, _words(reference)) for reference in references]
    return Rouge(*map(max, zip(*found)))


def _compared(ours: list[str], theirs: list[str]) -> Rouge:
    unigrams, bigrams = (
        (Counter(ours) & Counter(theirs)).total(),
        (Counter(pairwise(ours)) & Counter(pairwise(theirs))).total(),
    )
    words = len(ours) + len(theirs)
    pairs = max(0, len(ours) - 1) + max(0, len(theirs) - 1)
    return Rouge(_f1(unigrams, words), _f1(bigrams, pairs), _f1(LCSseq.similarity(ours, theirs), words))


def _f1(common: int, both: int) -> float:
    """2PR / (P + R) of the precision P = common / ours and the recall R = common / theirs, ours + theirs being both."""
    return 2 * common / both if both else 0.0


class _Kept(dict[int, int]):
    """Each letter, mark and digit as it is, by its code, and anything else as a space."""

    def __missing__(self, code: int) -> int:
        self[code] = code if unicodedata.category(chr(code))[0] in "LMN" else ord(" ")
        return self[code]


_KEPT = _Kept()


def _words(text: str) -> list[str]:
    return text.lower().translate(_KEPT).split()
