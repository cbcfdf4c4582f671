"""A score of several seeds: their mean and from where to where they go, as text and as a line in a figure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes

from recurra.pages.drawing import STYLES

__all__ = ["Spread", "draw_spread"]


class Spread(NamedTuple):
    """The mean, the least and the largest of the values of several seeds."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Of one value of each seed, at least one.

        >>> Spread.of([0.5, 0.75, 1.0])
        Spread(mean=0.75, low=0.5, high=1.0)
        """
        found = list(values)
        return cls(sum(found) / len(found), min(found), max(found))

    def percent(self) -> str:
        """The shares as percent.

        >>> Spread(0.75, 0.5, 1.0).percent()
        '75.0 (50.0 to 100.0)'
        """
        return f"{100 * self.mean:.1f} ({100 * self.low:.1f} to {100 * self.high:.1f})"

    def whole(self) -> str:
        """The same without decimals, for which a table of many has no room.

        >>> Spread(0.254, 0.24, 0.26).whole()
        '25 (24 to 26)'
        """
        return f"{100 * self.mean:.0f} ({100 * self.low:.0f} to {100 * self.high:.0f})"


def draw_spread(axes: Axes, x: Sequence[float], found: Sequence[Spread], style: str, label: str) -> None:
    """Draw the means as a line with markers, and a band from the least to the largest.

    Args:
        axes: where to.
        x: of each value.
        found: at each x.
        style: of :data:`recurra.pages.drawing.STYLES`.
        label: in the legend.
    """
    drawn = STYLES[style]
    means, lows, highs = (list(part) for part in zip(*found))
    axes.fill_between(x, lows, highs, color=drawn.light, alpha=0.18, linewidth=0)
    axes.plot(x, means, color=drawn.light, marker=drawn.marker, markersize=6, linewidth=2, label=label)
