"""docs/quadratic-backward.md: what its code prints is the square that it speaks of."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "quadratic-backward.md"
BLOCKS = dict(re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL))


def test_the_numbers_are_those_of_the_explanation() -> None:
    """A whole [N, 4 H] of float32 for each of T steps, and a few more tensors for the states."""
    theirs, ours = BLOCKS["text"].split("recurra\n")
    lines = re.findall(r"T = +(\d+), N = +(\d+): +(\d+) tensors, +([\d.]+) MiB", theirs)
    assert len(lines) == 4
    for time, tokens, count, size in lines:
        assert int(time) <= int(count) < int(time) + 10
        assert abs(float(size) - int(time) * int(tokens) * 4 * 32 * 4 / 2**20) < 0.1
    assert ours.count(" 0 tensors,    0.0 MiB") == 4
