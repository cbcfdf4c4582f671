"""The one number of a task's scores that models are compared by."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["ANY", "Headline"]

ANY = (0.0, math.inf)  # the limits of an error


class Headline(NamedTuple):
    """A score that a model and its baselines all have, and how it is shown.

    Attributes:
        name: as in a sentence, such as "accuracy".
        keys: where it is in "model", and in each of "baselines", of the scores of `evaluate`.
        higher: whether higher is better.
        unit: behind the number, such as " %", which makes percents of shares; or nothing.
        digits: behind the point.
        limits: between which it always lies.

    >>> Headline("accuracy", ("accuracy",)).shown(0.8754)
    '87.5 %'
    """

    name: str
    keys: tuple[str, ...]
    higher: bool = True
    unit: str = " %"
    digits: int = 1
    limits: tuple[float, float] = (0.0, 1.0)

    def of(self, scores: Mapping[str, Any]) -> dict[str, float]:
        """The value in the scores of a model or a baseline, with low and high where it has an interval."""
        found: Any = scores
        for key in self.keys:
            found = found[key]
        return dict(found)

    @property
    def factor(self) -> float:
        """What a value is multiplied by to be shown."""
        return 100.0 if self.unit == " %" else 1.0

    def number(self, value: float, signed: bool = False) -> str:
        """A value, or with `signed` a difference of two, without the unit."""
        return f"{self.factor * value:{'+' if signed else ''},.{self.digits}f}"

    def shown(self, value: float) -> str:
        """A value with its unit."""
        return self.number(value) + self.unit
