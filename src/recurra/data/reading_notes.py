"""What is said of the examples of a run once they are read: how many, how long, and what is unusual about them."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["one_of", "say_series_read", "say_what_was_read"]

_log = logging.getLogger("recurra")
_LONG = 5_000  # tokens or steps; an example of so many is worth a word, for its cost


def say_what_was_read(
    part: str, lengths: NDArray[np.int64], unknown: int, *, kind: str, remedy: str, notes: Sequence[str] = ()
) -> None:
    """Log how much a part of the data holds, and warn of long examples.

    Args:
        part: what it is for, such as "train".
        lengths: the tokens of each example, [n].
        unknown: how many tokens the vocabulary does not know.
        kind: what the examples are, as "texts".
        remedy: what can be done about long ones.
        notes: what else there is to say.
    """
    tokens, empty, longest = int(lengths.sum()), int((lengths == 0).sum()), int(lengths.max(initial=0))
    said = [f"{tokens:,} tokens", f"{100 * unknown / max(1, tokens):.1f} % unknown"]
    said += [f"{empty:,} empty {kind}, kept"] if empty else []
    _log.info("%s: %s %s, %s", part, f"{len(lengths):,}", kind, ", ".join([*said, *notes]))
    _warn_of_long(part, longest, "tokens", kind, remedy)


def say_series_read(part: str, lengths: NDArray[np.int64], channels: int) -> None:
    """Log how many series a part of the data holds, and warn of long ones.

    Args:
        part: what it is for, such as "train".
        lengths: the steps of each, [n].
        channels: the numbers of a step.
    """
    shortest, longest = int(lengths.min()), int(lengths.max())
    steps = f"{longest:,}" if shortest == longest else f"{shortest:,} to {longest:,}"
    _log.info("%s: %s series of %s steps, %s channels", part, f"{len(lengths):,}", steps, channels)
    _warn_of_long(part, longest, "steps", "series", "they are slow to learn from; thin them out")


def _warn_of_long(part: str, longest: int, unit: str, kind: str, remedy: str) -> None:
    if longest >= _LONG:
        _log.warning("%s: the longest %s has %s %s; %s", part, one_of(kind), f"{longest:,}", unit, remedy)


def one_of(kind: str) -> str:
    """Return what one example is called, from what many are called.

    >>> one_of("texts"), one_of("series")
    ('text', 'series')
    """
    return kind if kind == "series" else kind.removesuffix("s")
