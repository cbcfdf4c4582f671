"""The arithmetic of the tables, by hand-made times."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Callable

import pytest
import torch
from rich.console import Console
from typer.testing import Result

from recurra.bench import plan, table, timing
from recurra.bench.plan import Size
from recurra.bench.results import PACKED, PADDED, RECURRA, RECURRA_BF16, Part, Results, Row, exponent

Cli = Callable[..., Result]


def row(cell: str = "lstm", hidden: int = 256, flops: float = 12e9, **times: list[float]) -> Row:
    named = {"recurra": RECURRA, "half": RECURRA_BF16, "packed": PACKED, "padded": PADDED}
    return Row(cell, Size(8, hidden, 1, 1, 2, 4), "native", {named[k]: v for k, v in times.items()}, flops, 6)


def hand_made() -> Results:
    """Times of which every figure of the tables can be worked out on paper."""
    results = Results(plan.QUICK, ["lstm"], timing.machine(), "a machine")
    results.training = [
        row(recurra=[0.2, 0.1, 0.3], half=[0.1], packed=[0.8, 0.4, 9.0], padded=[0.1, 0.3, 0.2]),
        row("rnn", recurra=[0.1], packed=[0.1], padded=[0.2]),
    ]
    results.inference = [row(recurra=[0.1], packed=[0.3], padded=[0.2])]
    results.products = {"float32": {"torch.mm a": 50e9, "torch.mm b": 80e9, "recurra, product": 120e9}}
    results.bandwidth = {"copy, memory": 10e9, "read, cache": 90e9}
    results.split = {"lstm": [Part("loop", 0.5, 30e9, 1e9), Part("Python", 0.5), Part("all", 1.0)]}
    results.load = {"before": 0.5, "after": 1.5, "cores_of_others": None}
    results.finished = True
    return results


def test_a_row() -> None:
    first = hand_made().training[0]
    assert (first.median(RECURRA), first.median("nobody"), first.rounds) == (0.2, None, 1)
    assert first.ratio(PACKED) == pytest.approx(4)
    assert first.ratio(PADDED) == pytest.approx(1)
    assert first.ratio(RECURRA, RECURRA_BF16) == pytest.approx(2)
    assert first.ratio("nobody") is None
    assert first.rate() == pytest.approx(60e9)
    assert first.spread(RECURRA) == pytest.approx(0.05 / 0.2)  # quartiles 0.15 and 0.25
    assert first.spread(RECURRA_BF16) is None


def test_the_summary() -> None:
    results = hand_made()
    summary = results.summary()
    assert summary["training: nn packed / recurra"] == pytest.approx({"mean": 2.0, "least": 1.0, "most": 4.0})
    assert summary["inference: nn padded / recurra"] == pytest.approx({"mean": 2.0, "least": 2.0, "most": 2.0})
    assert summary["training: recurra / recurra bfloat16, H >= 256"]["mean"] == pytest.approx(2)
    # 60 GFLOP/s: the simple network does not count
    assert summary["share of the matrix-product limit, H >= 256"] == {RECURRA: pytest.approx(0.75), RECURRA_BF16: None}
    assert summary["share of the fastest product of all, H >= 256"] == {RECURRA: pytest.approx(0.5)}
    assert (results.limit(), results.peak(), results.memory()) == (80e9, 120e9, 10e9)
    assert results.limit("bfloat16") is None


def test_the_power_of_t() -> None:
    rows = [
        Row("lstm", Size(1, 1, 1, 1, 1, t), "native", {RECURRA: [t / 7], PACKED: [0.1 * t**2]}, 1.0, t)
        for t in (10, 20, 50)
    ]
    assert exponent(rows, RECURRA) == pytest.approx(1)
    assert exponent(rows, PACKED) == pytest.approx(2)
    assert exponent(rows, PADDED) is None
    assert exponent(rows[:1], RECURRA) is None


def test_the_tables_in_markdown() -> None:
    page = table.markdown(hand_made())
    assert "| training: nn packed / recurra | 2.00 (1.00 to 4.00) |" in page
    lstm, rnn = (line for line in page.splitlines() if "native" in line and "| native | 100 | 300" not in line)
    assert lstm.startswith(
        "| lstm: 8, 256, 1, one, 2, 4 | native | 200 | 100 | 800 | 200 | 4.00 | 1.00 | 75 % | 60 | 50 % "
    )
    assert lstm.endswith("| - | 1 | ± 269 % |")
    assert rnn.startswith(
        "| rnn: 8, 256, 1, one, 2, 4 | native | 100 | - | 100 | 200 | 1.00 | 2.00 | 150 % | 120 | 100 % "
    )
    assert rnn.endswith("| - | 1 | - |")
    assert "| loop | 500.00 | 50 % | 60 | 2 | 50 % |" in page
    assert "| Python | 500.00 | 50 % | - | - | - |" in page
    assert "load average 0.50 before, 1.50 after; other processes took - cores meanwhile" in page
    assert "Made by `recurra bench --quick --threads 1 --cells lstm`." in page


@pytest.mark.parametrize("width", [60, 80, 110, 160])
def test_a_terminal_of_any_width_loses_nothing(width: int) -> None:
    text = io.StringIO()
    table.print_results(Console(file=text, width=width, force_terminal=True, color_system=None), hand_made())
    printed = text.getvalue()
    assert "…" not in printed
    (row,) = (line for line in printed.splitlines() if re.search(r"200 +100 +800 +200 +4.00 +1.00", line))
    assert row.split()[-2:] == ["75", "%"]  # the last column


def test_a_part_beside_the_roofline() -> None:
    assert Part("memory", 2.0, flops=1.0, bytes=8.0).share(peak=10.0, bandwidth=5.0) == pytest.approx(0.8)
    assert Part("unknown", 2.0).share(1.0, 1.0) is None


def test_threads_are_put_back() -> None:
    before = torch.get_num_threads()
    with contextlib.suppress(ZeroDivisionError), timing.threads_set(2):
        assert torch.get_num_threads() == 2
        raise ZeroDivisionError
    assert torch.get_num_threads() == before


def test_the_load_of_others_leaves_out_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 10 s the cores were busy for 8 in all, 3 of them by this process: others kept half a core busy."""
    clocks = {"_busy_seconds": iter([100.0, 108.0]), "_own_seconds": iter([1.0, 4.0])}
    for name, readings in clocks.items():
        monkeypatch.setattr(timing, name, readings.__next__)
    monkeypatch.setattr(timing.time, "perf_counter", iter([50.0, 60.0]).__next__)
    assert timing.Load().until_now()["cores_of_others"] == pytest.approx(0.5)


def test_the_load_is_told_or_unknown() -> None:
    found = timing.Load().until_now()
    assert set(found) == {"before", "after", "cores_of_others"}
    assert all(value is None or value >= 0 for value in found.values())
