"""What is said of the examples of a run once they are read: how many, how long, and what is unusual about them."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["say_what_was_read"]

_log = logging.getLogger("recurra")
_LONG = 5_000  # tokens; an example of so many is worth a word, for its cost


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
    if longest >= _LONG:
        _log.warning("%s: the longest %s has %s tokens; %s", part, kind.removesuffix("s"), f"{longest:,}", remedy)
