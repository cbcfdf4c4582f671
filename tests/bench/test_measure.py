"""What is measured: the same problem for all ways, wrong answers found, slow ways left out."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from typer.testing import Result

import recurra.nn
from recurra.bench import limits, measure, onnx_layer, plan, problem, run, split, streaming
from recurra.bench.plan import Plan, Size
from recurra.bench.problem import Problem
from recurra.bench.results import PACKED, PADDED, RECURRA, Row
from recurra.errors import CheckFailed
from recurra.kernels import Choice, use_kernel

Cli = Callable[..., Result]


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_the_operations_are_those_that_torch_counts(smallest: Plan, cell: str) -> None:
    """`torch.utils.flop_counter` sees each product of the plain loop; the backward has twice as many."""
    from torch.utils.flop_counter import FlopCounterMode

    for size in smallest.sizes:
        found = Problem(cell, size)
        with use_kernel("reference"), torch.no_grad(), FlopCounterMode(display=False) as counter:
            found.ours(found.x, lengths=found.lengths)
        assert found.flops(backward=False) == counter.get_total_flops()
        assert found.flops() == 3 * found.flops(backward=False)


def test_the_parts_of_a_step_have_all_its_operations(smallest: Plan) -> None:
    found = Problem("gru", smallest.split)
    work = split._work(found)
    assert sum(flops for flops, _ in work.values()) == found.flops()


def test_all_ways_have_the_same_weights_and_data(smallest: Plan) -> None:
    found = Problem("lstm", smallest.sizes[0])
    assert found.difference(RECURRA) < 1e-5
    assert found.difference(RECURRA, backward=False) < 1e-5
    full = Problem("gru", smallest.sizes[1])
    torch.testing.assert_close(full.train(PADDED), full.train(PACKED))


@pytest.mark.parametrize("wrong", [1.01, float("nan")])
def test_a_wrong_answer_ends_the_run(smallest: Plan, wrong: float, monkeypatch: pytest.MonkeyPatch) -> None:
    right = Problem._forward
    monkeypatch.setattr(Problem, "_forward", lambda self, way: right(self, way) * (wrong if way == RECURRA else 1.0))
    with pytest.raises(CheckFailed, match=r"lstm 3, 5, 1, both, 4, 6: recurra differs from torch.nn packed by (1|nan)"):
        run.run_bench(smallest, ["lstm"])


def test_a_wrong_gradient_ends_the_run(smallest: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Problem("lstm", smallest.sizes[0])
    found.ours.weight_hh_l0.register_hook(lambda grad: grad * 1.01)
    assert found.difference(RECURRA, backward=False) < 1e-5
    with pytest.raises(CheckFailed, match="at most 1e-04 is allowed"):
        found.difference(RECURRA)


@pytest.mark.parametrize(
    ("choice", "runs"),
    [
        (Choice("native", "compiled for this processor (avx512bf16), bfloat16 products"), True),
        (Choice("native", "compiled for this processor (avx2), float32 products: avx2 has none of bfloat16"), False),
        (Choice("packed", "torch operations"), False),
    ],
)
def test_bfloat16_runs_where_the_kernel_says_so(
    smallest: Plan, choice: Choice, runs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(problem, "explain", lambda layer, x, lengths: [choice])
    assert Problem("lstm", smallest.sizes[0]).runs_in_bfloat16() is runs


def test_slow_ways_are_left_out_from_a_size_on(smallest: Plan) -> None:
    sizes = [Size(3, 4, 1, 1, 2, steps) for steps in (5, 10, 20)]
    patient = list(measure.series_rows("gru", sizes, smallest))
    assert all(set(found.times) == {RECURRA, PACKED, PADDED} and not found.left_out for found in patient)
    first, second, third = measure.series_rows("gru", sizes, replace(smallest, patience=0.0))
    assert set(first.times) == {RECURRA, PACKED, PADDED}
    assert set(second.times) == set(third.times) == {RECURRA}
    assert third.differences[RECURRA] < 1e-5  # the outputs are compared nevertheless
    assert re.fullmatch(r"from 3, 4, 1, one, 2, 10 on, where one run would take about \d+ s", third.left_out[PACKED])


def test_the_packed_way_is_expected_to_take_the_square() -> None:
    before, after = (Problem("lstm", Size(4, 4, 1, 1, 2, steps, full=True)) for steps in (10, 20))
    row = Row("lstm", before.size, "native", {PACKED: [1.0], PADDED: [1.0]}, before.flops(), before.tokens)
    assert measure._left_out(row, after, patience=5.0) == {}
    assert measure._left_out(row, after, patience=3.0) == {
        PACKED: "from 4, 4, 1, one, 2, 20 (all full) on, where one run would take about 4 s"
    }
    assert set(measure._left_out(row, after, patience=1.0)) == {PACKED, PADDED}


def test_the_shapes_of_the_products() -> None:
    shapes = limits.layer_shapes("gru", Size(3, 5, 2, 2, 4, 6), tokens=7)
    assert set(map(str, shapes)) == {
        *("[4, 5] x [5, 15]", "[15, 7] x [7, 5]"),  # one step, and the gradient of W_hh
        *("[7, 3] x [3, 15]", "[7, 15] x [15, 3]", "[15, 7] x [7, 3]"),
        *("[7, 10] x [10, 15]", "[7, 15] x [15, 10]", "[15, 7] x [7, 10]"),
    }


def test_the_step_is_timed_and_its_functions_are_put_back(smallest: Plan) -> None:
    found = Problem("lstm", smallest.split)
    if found.choices()[0].kernel != "native":
        pytest.skip("the native kernel was not built")
    library = split.loader.library()
    assert library is not None
    before = dict(vars(library.functions))
    parts = split.split_step(found, rounds=2, seconds=0.0)
    assert [part.name for part in parts][-2:] == ["the rest", "all"]
    assert sum(part.seconds for part in parts[:-1]) == pytest.approx(parts[-1].seconds)
    assert all(part.seconds > 0 for part in parts if part.flops)
    assert before.items() <= vars(library.functions).items()
    assert set(split.own_products(found, 1)) == {
        f"recurra, {name}, lstm 3, 5, 2, both, 4, 6" for name in ("product W_ih x", "products of the gradients")
    }


def test_the_share_of_the_system(smallest: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 3 s of the process and 1 s of the system within it."""
    readings = iter([os.times_result((1.0, 1.0, 0.0, 0.0, 0.0)), os.times_result((4.0, 2.0, 0.0, 0.0, 9.0))])
    monkeypatch.setattr(split.os, "times", readings.__next__)
    assert split.system_share(Problem("rnn", smallest.split), steps=1) == pytest.approx(0.25)


def test_without_the_native_kernel_no_step_is_taken_apart(smallest: Plan) -> None:
    with use_kernel("packed"):
        results = run.run_bench(replace(smallest, streams=()), ["rnn"])
    assert results.split == {}
    assert results.training[0].kernel == "packed"
    assert "No training step was taken apart: forced." in results.notes


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_onnxruntime_runs_the_same_layer(cell: str) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    layer = getattr(torch.nn, plan.CELLS[cell])(5, 7, num_layers=2)
    step, x, state = onnx_layer.step_of(layer, cell), torch.randn(4, 3, 5), None
    with torch.inference_mode():
        expected, _ = layer(x)
        for given, right in zip(x, expected):
            output, state = step(given, state)
            torch.testing.assert_close(output, right)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_the_cells_are_the_layer(cell: str) -> None:
    layer = getattr(torch.nn, plan.CELLS[cell])(5, 7, num_layers=2)
    step, x, state = streaming._cells(layer), torch.randn(4, 3, 5), None
    with torch.inference_mode():
        for given, right in zip(x, layer(x)[0]):
            output, state = step(given, state)
            torch.testing.assert_close(output, right)


def test_a_wrong_step_ends_the_run(smallest: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    def step(layer: Any, x: torch.Tensor, state: Any = None, precision: str = "float32") -> Any:
        return torch.zeros(len(x), layer.hidden_size), None

    monkeypatch.setattr(recurra.nn.GRU, "step", step)
    with pytest.raises(CheckFailed, match=r"gru 6, 6, .*one step at a time: recurra differs from torch.nn by 1.0e\+00"):
        list(streaming.stream_rows(["gru"], smallest))
