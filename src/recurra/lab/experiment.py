"""What an experiment of the lab is: a question, a way to run it, and what it has shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Experiment", "Figure", "Outcome"]


@dataclass(frozen=True)
class Figure:
    """A drawing as SVG of :func:`recurra.pages.drawing.to_svg`, and what is said below it, as text."""

    name: str
    drawing: str
    caption: str


@dataclass(frozen=True)
class Outcome:
    """What a run has shown.

    Attributes:
        lead: the answer in a sentence or two, with the numbers that were measured; text.
        tiles: up to four large numbers, each with what it is; text.
        figures: the first is the one that answers the question.
        headings: of the table of results.
        rows: of that table, the same numbers as in the figures; text.
        explanation: paragraphs, why it is so; text, the equations in plain letters.
        numbers: all that was measured, for JSON.
    """

    lead: str
    tiles: Sequence[tuple[str, str]]
    figures: Sequence[Figure]
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    explanation: Sequence[str]
    numbers: Mapping[str, Any]


@dataclass(frozen=True)
class Experiment:
    """One command of the lab.

    Attributes:
        name: on the command line, such as "eigenvalues".
        heading: of its page.
        question: in a sentence.
        minutes: about how long it takes on one core.
        run: does it all: takes the seed, whether to be quick (under 20 seconds, to see that it works) and a function
            that is told in a line what goes on; what it returns follows from the seed alone.
    """

    name: str
    heading: str
    question: str
    minutes: float
    run: Callable[[int, bool, Callable[[str], None]], Outcome]

    @property
    def generator(self) -> str:
        """The command that runs it."""
        return f"recurra lab {self.name}"
