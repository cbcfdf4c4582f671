"""How an exercise is checked: an answer beside the right one, and in words what is wrong with it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

__all__ = ["Wrong", "run", "same"]


class Wrong(Exception):
    """What is wrong with an answer, in words."""


def same(what: str, found: Any, expected: Any, mistakes: Mapping[str, Any] | None = None) -> None:
    """Compare an answer with the right one.

    Args:
        what: the answer, as a message names it.
        found: the answer.
        expected: the right one: a tensor, or a number.
        mistakes: common ones: what to say, and the answer that one gets by it.

    Raises:
        Wrong: they differ.

    >>> same("the sum", 4, 4)
    >>> same("the sum", 3, 4, {"the last number is left out": 3})
    Traceback (most recent call last):
    ...
    checking.Wrong: the sum: the last number is left out
    """
    if found is None:
        raise Wrong(f"{what}: nothing is returned yet; write the function, and return the answer")
    if not isinstance(found, Tensor | int | float):
        raise Wrong(f"{what}: expected {_kind(expected)}, found {_kind(found)}")
    answer, right = _tensor(found), _tensor(expected)
    if answer.shape != right.shape:
        raise Wrong(f"{what}: expected the shape {list(right.shape)}, found {list(answer.shape)}")
    if not bool(answer.isfinite().all()):
        raise Wrong(f"{what}: there is a NaN or an infinity in it")
    if _close(answer, right):
        return
    for words, wrong in (mistakes or {}).items():
        if _tensor(wrong).shape == answer.shape and _close(answer, _tensor(wrong)):
            raise Wrong(f"{what}: {words}")
    flat = int((answer - right).abs().argmax())
    place = [int(index) for index in torch.unravel_index(torch.tensor(flat), right.shape)]
    at = f" at {place}" if place else ""
    raise Wrong(f"{what}: expected{at} {right.flatten()[flat]:.4g}, found {answer.flatten()[flat]:.4g}")


def run(check: Callable[[], None]) -> None:
    """Check an exercise as a program: print what is wrong and end with 1, or say that it is right."""
    try:
        check()
    except Wrong as wrong:
        print(f"Not yet. {wrong}.")
        sys.exit(1)
    print("Right.")


def _kind(value: Any) -> str:
    return "a tensor" if isinstance(value, Tensor) else f"a value of type {type(value).__name__}"


def _tensor(value: Any) -> Tensor:
    return torch.as_tensor(value, dtype=torch.float64).detach()


def _close(answer: Tensor, right: Tensor) -> bool:
    return torch.allclose(answer, right, rtol=1e-4, atol=1e-5)
