"""The errors recurra raises, each with the exit code the command line ends with.

RecurraError                  1   anything below
├── SettingsError             2   an option or key that is unknown, out of range, or without effect in this run
├── DataError                 3   a file that is missing, malformed, or cannot be learnt from
├── ModelDirectoryError       4   a model directory that is missing, unfinished, damaged, foreign, or too new
├── OutputError               5   a place that cannot be written: in use, full, not permitted
├── MissingExtraError         6   an optional library that is not installed
├── ShapeError                7   tensors or lengths that do not fit together (also a ValueError)
└── CheckFailed               8   `recurra check` or `recurra bench` found wrong answers
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "CheckFailed",
    "DataError",
    "MissingExtraError",
    "ModelDirectoryError",
    "OutputError",
    "RecurraError",
    "SettingsError",
    "ShapeError",
    "nearest",
]


class RecurraError(Exception):
    """The root of recurra's errors; the message says what was expected, what was found, and the remedy."""

    exit_code = 1


class SettingsError(RecurraError, ValueError):
    """An option or key that is unknown, out of range, or without effect in this run."""

    exit_code = 2


class DataError(RecurraError, ValueError):
    """Data that is missing, malformed, or cannot be learnt from."""

    exit_code = 3


class ModelDirectoryError(RecurraError):
    """A model directory that is missing, unfinished, damaged, foreign, or too new."""

    exit_code = 4


class OutputError(RecurraError):
    """A place that cannot be written: in use, full, or not permitted."""

    exit_code = 5


class MissingExtraError(RecurraError, ImportError):
    """An optional library that is not installed."""

    exit_code = 6

    def __init__(self, purpose: str, extra: str) -> None:
        super().__init__(f"{purpose} needs an optional library; install it with: pip install 'recurra[{extra}]'")


class ShapeError(RecurraError, ValueError):
    """Tensors or lengths that do not fit together."""

    exit_code = 7


class CheckFailed(RecurraError):
    """An invariant that does not hold on this model."""

    exit_code = 8


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``", did you mean 'x'?"`` for the closest known name, or an empty string when none is close.

    >>> nearest("hiden_size", ["hidden_size", "dropout"])
    ", did you mean 'hidden_size'?"
    """
    found = difflib.get_close_matches(name, list(known), n=1)
    return f", did you mean '{found[0]}'?" if found else ""
