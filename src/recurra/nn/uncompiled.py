"""Keep `torch.compile` out of code whose shapes are new at every call."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch
from torch._compile import _disable_dynamo

from recurra.kernels import native

__all__ = ["has_native", "uncompiled"]

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
        # a compiler that gave up at a transform of torch.func would come back for the functions inside, and fail
        if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
            return outside(*arguments, **options)
        return function(*arguments, **options)

    return run


def has_native() -> bool:
    """Whether the native kernels were built and run here; `torch.compile` asks once and takes it for a constant."""
    return native.variant() is not None


has_native._dynamo_marked_constant = True  # type: ignore[attr-defined]  # what torch.compiler.assume_constant_result does
