"""Numbers that an option takes, checked by its name."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from recurra.errors import SettingsError

__all__ = ["check_integer", "check_number"]


def check_number(name: str, value: Any, in_range: Callable[[float], bool], expected: str) -> None:
    """Check that an option is a finite number in its range.

    Raises:
        SettingsError: it is not; the message names the option, what was expected, and the value.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not in_range(value):
        raise SettingsError(f"{name}: expected {expected}, got {value!r}")


def check_integer(name: str, value: Any) -> None:
    """Check that an option is an integer of at least 1; errors as :func:`check_number`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise SettingsError(f"{name}: expected an integer of at least 1, got {value!r}")
