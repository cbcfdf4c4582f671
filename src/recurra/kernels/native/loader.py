"""Finds the compiled loops, one library for each instruction set, and the threads that they may use.

RECURRA_NATIVE names the variant to use (avx512bf16, avx512, avx2, plain), or none; without it the processor decides.
"""

from __future__ import annotations

import ctypes
import logging
import os
from ctypes import c_char_p, c_int32, c_int64, c_void_p
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch

from recurra.errors import SettingsError, nearest

__all__ = ["VARIANTS", "Library", "Parameters", "Product", "Stack", "Task", "library", "team", "threads", "why_not"]

VARIANTS = ("avx512bf16", "avx512", "avx2", "plain")
_FOLDER = Path(__file__).parent
_log = logging.getLogger("recurra")
_forked = False


class _Team(ctypes.Structure):
    _fields_ = [(name, c_void_p) for name in ("parallel", "number", "size")]


class Task(ctypes.Structure):
    """`RecurraTask` of recurrence.h, field by field."""

    _fields_ = [
        *((name, c_int64) for name in ("steps", "batch", "units", "size")),
        ("starts", c_void_p),
        *((name, c_int32) for name in ("cell", "reverse", "threads", "keep", "bfloat16")),
        *((name, c_void_p) for name in ("weight", "panels", "project", "project_panels", "hidden")),
        *((name, c_void_p) for name in ("mask", "fed", "first_fed", "zoneout_h", "zoneout_c")),
        *((name, c_int64) for name in ("zoneout_h_stride", "zoneout_c_stride")),
        *((name, c_void_p) for name in ("bias", "first_h", "first_c", "gates", "extra", "output")),
        *((name, c_void_p) for name in ("last_h", "last_c", "grad")),
        ("grad_stride", c_int64),
        *((name, c_void_p) for name in ("carry_h", "carry_c", "from_input", "from_state", "before", "projected")),
        ("team", _Team),
    ]


class Product(ctypes.Structure):
    """`RecurraProduct` of recurrence.h, field by field."""

    _fields_ = [
        *((name, c_int64) for name in ("rows", "columns", "length")),
        *(("a", c_void_p), ("a_row", c_int64), ("a_column", c_int64)),
        *(("b", c_void_p), ("b_row", c_int64), ("b_column", c_int64)),
        *((name, c_void_p) for name in ("bias", "c", "scratch")),
        *(("threads", c_int32), ("bfloat16", c_int32)),
        ("team", _Team),
    ]


class Stack(ctypes.Structure):
    """`RecurraStack` of stream.h, field by field."""

    _fields_ = [
        *((name, c_int64) for name in ("layers", "width", "units")),
        *((name, c_int32) for name in ("cell", "precision")),
        ("panels", c_void_p),
        ("turn", c_int64),
        ("team", _Team),
    ]


class Parameters(ctypes.Structure):
    """`RecurraParameters` of stream.h, field by field."""

    _fields_ = [(name, c_void_p) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]


class Library(NamedTuple):
    """A variant, its functions, and whether it has products of bfloat16."""

    variant: str
    functions: ctypes.CDLL
    bfloat16: bool


def library() -> Library | None:
    """The variant that RECURRA_NATIVE names, else the best that this processor runs; None where there is none.

    Raises:
        SettingsError: RECURRA_NATIVE names no variant, or one that was not built or that this processor cannot run.
    """
    return _load(os.environ.get("RECURRA_NATIVE", ""))


def why_not() -> str:
    """Why :func:`library` found none."""
    return "switched off by RECURRA_NATIVE" if os.environ.get("RECURRA_NATIVE") == "none" else "not built"


def threads() -> int:
    """How many threads a loop may use: as many as torch, but one in a forked process, where a pool is gone."""
    return 1 if _forked else torch.get_num_threads()


@cache
def _load(wanted: str) -> Library | None:
    if wanted == "none":
        return None
    if wanted and wanted not in VARIANTS:
        raise SettingsError(f"RECURRA_NATIVE: unknown variant '{wanted}'{nearest(wanted, [*VARIANTS, 'none'])}")
    usable = _usable()
    if not usable:
        if wanted:
            raise SettingsError(f"RECURRA_NATIVE: '{wanted}' was not built; install recurra where there is a compiler")
        _log.warning("The native kernels were not built (no C++ compiler at install time); slower ones run instead.")
        return None
    if wanted and wanted not in usable:
        raise SettingsError(f"RECURRA_NATIVE: '{wanted}' does not run here (there are {', '.join(usable)})")
    return _open(wanted or usable[0])


def _usable() -> list[str]:
    """The variants that were built, from this source, and that this processor runs, the best first."""
    if not _is_current("plain"):
        return []
    best = ctypes.CDLL(str(_path("plain"))).recurra_best_variant
    best.restype = c_char_p
    able = VARIANTS[VARIANTS.index(best().decode()) :]
    return [variant for variant in able if _is_current(variant)]


def _is_current(variant: str) -> bool:
    """Whether a library is there and has the structures of this version.

    In a source tree an old one may lie, or one of another machine that shares the tree.
    """
    try:
        interface = getattr(ctypes.CDLL(str(_path(variant))), "recurra_interface", lambda: 0)
    except OSError:
        return False
    sizes = [ctypes.sizeof(structure) for structure in (Task, Product, Stack)]
    return int(interface()) == (sizes[0] * 1000 + sizes[1]) * 1000 + sizes[2]


def _open(variant: str) -> Library:
    functions = ctypes.CDLL(str(_path(variant)))
    functions.recurra_panel_size.argtypes = [c_int64, c_int64, c_int32]
    functions.recurra_panel_size.restype = c_int64
    functions.recurra_scratch_size.restype = c_int64
    functions.recurra_bfloat16.restype = c_int32
    functions.recurra_stack_size.argtypes = [ctypes.POINTER(Stack)]
    functions.recurra_stack_size.restype = c_int64
    functions.recurra_pack_layer.argtypes = [ctypes.POINTER(Stack), c_int64, ctypes.POINTER(Parameters)]
    functions.recurra_step.argtypes = [c_void_p, c_int64, c_int32, *[c_void_p] * 6]
    functions.recurra_pack_layer.restype = functions.recurra_step.restype = None
    for name, argument in (("forward", Task), ("backward", Task), ("multiply", Product)):
        function = getattr(functions, f"recurra_{name}")
        function.argtypes, function.restype = [ctypes.POINTER(argument)], None
    return Library(variant, functions, bool(functions.recurra_bfloat16()))


def _path(variant: str) -> Path:
    return _FOLDER / f"{variant}.so"


@cache
def team() -> _Team:
    """The OpenMP runtime that torch itself is linked with, so that there is no second pool of threads."""
    runtime = ctypes.CDLL(torch._C.__file__)  # a name is looked up in all that torch depends on
    try:
        names = ("GOMP_parallel", "omp_get_thread_num", "omp_get_num_threads")
        return _Team(*(ctypes.cast(getattr(runtime, name), c_void_p) for name in names))
    except AttributeError:  # a torch built without OpenMP: one thread
        return _Team()


def _after_fork() -> None:
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
