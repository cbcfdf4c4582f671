"""Functions timed in turns."""

from __future__ import annotations

from recurra.timing import interleaved


def test_turns_are_taken() -> None:
    order: list[str] = []
    runs = {name: lambda name=name: order.append(name) for name in "abc"}
    taken = interleaved(runs, rounds=3, repeats=2)
    assert "".join(order) == "aabbccccbbaaaabbcc"
    assert {name: len(times) for name, times in taken.items()} == {"a": 3, "b": 3, "c": 3}
    assert len(interleaved(runs, rounds=9, seconds=0.0)["a"]) == 2
