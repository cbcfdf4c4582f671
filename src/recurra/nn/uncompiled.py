"""Keep `torch.compile` out of code whose shapes are new at every call."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch
from torch._compile import _disable_dynamo

__all__ = ["uncompiled"]

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def uncompiled(function: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """Make `torch.compile` break its graph at a function and run it as it is.

    A batch's layout is a list of sizes, so the compiler would start anew for every new set of lengths.
    """
    # `torch.compiler.disable` would import the compiler here, a second's work
    outside = _disable_dynamo(function)

    @functools.wraps(function)
    def run(*arguments: _Arguments.args, **options: _Arguments.kwargs) -> _Result:
        return outside(*arguments, **options) if torch.compiler.is_compiling() else function(*arguments, **options)

    return run
