"""Which kernel is forced, and what listens to which one runs."""

from __future__ import annotations

import os
from contextvars import ContextVar
from typing import NamedTuple

__all__ = ["FORCED", "NOTED", "Choice", "forced", "note"]


class Choice(NamedTuple):
    """The kernel that runs a layer, and the reason in plain words."""

    kernel: str
    why: str


FORCED: ContextVar[str | None] = ContextVar("recurra_kernel", default=None)
NOTED: ContextVar[list[Choice] | None] = ContextVar("recurra_choices", default=None)


def forced() -> str | None:
    """The name of the kernel that the context or the environment forces, if any."""
    return FORCED.get() or os.environ.get("RECURRA_KERNEL") or None


def note(choice: Choice) -> None:
    """Tell :func:`recurra.kernels.explain`, where one listens, what runs a layer."""
    noted = NOTED.get()
    if noted is not None:
        noted.append(choice)
