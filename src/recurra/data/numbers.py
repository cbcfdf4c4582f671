"""Text -> numbers."""

from __future__ import annotations

import polars as pl

__all__ = ["are_numbers", "mostly_numbers", "numbers_in"]

_MISSING = ("", "nan", "na", "n/a", "null", "none")
_TRUTH = {"true": "1", "false": "0"}


def numbers_in(values: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Return the numbers that strings mean, and which strings mean none.

    Args:
        values: strings, [n]. An empty one, NaN, NA, N/A, null and none are a missing number; true is 1, false is 0.

    Returns:
        Float64 with null where missing, [n]; and truth values, [n], true where there is text that is no number.

    >>> numbers, faulty = numbers_in(pl.Series(["1.5", " NaN", None, "3,5", "inf"]))
    >>> numbers.to_list(), faulty.to_list()
    ([1.5, None, None, None, inf], [False, False, False, True, False])
    """
    numbers = values.cast(pl.Float64, strict=False).fill_nan(None)
    rest = (numbers.is_null() & values.is_not_null()).arg_true()
    if not rest.len():
        return numbers, numbers.is_null() & False
    text = values.gather(rest).str.strip_chars().str.to_lowercase()
    found = text.replace(_TRUTH).cast(pl.Float64, strict=False).fill_nan(None)
    faulty = pl.repeat(False, values.len(), eager=True).scatter(rest, found.is_null() & ~text.is_in(_MISSING))
    return numbers.scatter(rest, found), faulty


def are_numbers(values: pl.Series) -> pl.Series:
    """Return which strings are numbers; missing ones are none."""
    return numbers_in(values)[0].is_not_null()


def mostly_numbers(values: pl.Series) -> bool:
    """Return whether strings hold more numbers than other text; missing ones do not count."""
    numbers, faulty = numbers_in(values)
    return int(numbers.count()) > int(faulty.sum())
