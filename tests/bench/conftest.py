"""The smallest run."""

from __future__ import annotations

import pytest

from recurra.bench import plan
from recurra.bench.plan import Plan, Size


@pytest.fixture
def smallest() -> Plan:
    """A run of a second or two, in every part."""
    return Plan(
        name="quick",
        sizes=(Size(3, 5, 1, 2, 4, 6), Size(4, 256, 1, 1, 2, 3, full=True)),
        streams=(Size(6, 6, 2, 1, 1, 1),),
        series={
            "time": (Size(3, 4, 1, 1, 2, 5), Size(3, 4, 1, 1, 2, 10)),
            "batch": (Size(3, 4, 1, 1, 1, 5), Size(3, 4, 1, 1, 2, 5)),
            "hidden": (Size(4, 4, 1, 1, 2, 5), Size(8, 8, 1, 1, 2, 5)),
        },
        split=Size(3, 5, 2, 2, 4, 6),
        square=32,
        rounds=2,
        seconds=0.0,
        patience=60.0,
    )


@pytest.fixture
def tiny(smallest: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make --quick the smallest run."""
    monkeypatch.setattr(plan, "QUICK", smallest)
