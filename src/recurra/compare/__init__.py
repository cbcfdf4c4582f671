"""Cells compared on somebody's data: as many parameters or as much time, several seeds, and what to choose."""

from recurra.compare.plan import Plan, make_plan
from recurra.compare.run import numbers, run_compare
from recurra.compare.show import print_comparison

__all__ = ["Plan", "make_plan", "numbers", "print_comparison", "run_compare"]
