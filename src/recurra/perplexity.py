"""Perplexity, of all that is scored by the probability of its symbols."""

from __future__ import annotations

import math

__all__ = ["perplexity"]

_MOST = 700.0  # nats, beyond which the exponential is no float


def perplexity(nats: float) -> float:
    """The perplexity of a mean negative log-probability in nats a symbol: exp of it, of 700 nats at the most.

    >>> round(perplexity(math.log(8)), 6)
    8.0
    """
    return math.exp(min(nats, _MOST))
