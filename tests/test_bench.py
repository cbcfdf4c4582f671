"""recurra bench: the arithmetic of its tables by hand-made times, its options, and a run of the smallest sizes."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from rich.console import Console
from typer.testing import Result

import recurra.nn
from recurra.bench import files, limits, measure, onnx_layer, plan, problem, run, split, streaming, table, timing
from recurra.bench.plan import Plan, Size
from recurra.bench.problem import Problem
from recurra.bench.results import PACKED, PADDED, RECURRA, RECURRA_BF16, Part, Results, Row, exponent
from recurra.errors import CheckFailed, SettingsError
from recurra.kernels import Choice, use_kernel

Cli = Callable[..., Result]

TINY = Plan(
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
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make --quick the smallest run."""
    monkeypatch.setattr(plan, "QUICK", TINY)


def row(cell: str = "lstm", hidden: int = 256, flops: float = 12e9, **times: list[float]) -> Row:
    named = {"recurra": RECURRA, "half": RECURRA_BF16, "packed": PACKED, "padded": PADDED}
    return Row(cell, Size(8, hidden, 1, 1, 2, 4), "native", {named[k]: v for k, v in times.items()}, flops, 6)


def hand_made() -> Results:
    """Times of which every figure of the tables can be worked out on paper."""
    results = Results(TINY, ["lstm"], timing.machine(), "a machine")
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
    assert (
        "| lstm: 8, 256, 1, one, 2, 4 | native | 200 | 100 | 800 | 200 | 4.00 | 1.00 | 75 % | 60 | 50 % | - | 1 | ± 269 % |"
    ) in page
    assert "| rnn: 8, 256, 1, one, 2, 4 | native | 100 | - | 100 | 200 | 1.00 | 2.00 | 150 % | 120 | 100 % | - | 1 | - |" in page
    assert "| loop | 500.00 | 50 % | 60 | 2 | 50 % |" in page
    assert "| Python | 500.00 | 50 % | - | - | - |" in page
    assert "load average 0.50 before, 1.50 after; other processes took - cores meanwhile" in page
    assert "Made by `recurra bench --quick --threads 1 --cells lstm`." in page


def test_a_part_beside_the_roofline() -> None:
    assert Part("memory", 2.0, flops=1.0, bytes=8.0).share(peak=10.0, bandwidth=5.0) == pytest.approx(0.8)
    assert Part("unknown", 2.0).share(1.0, 1.0) is None


def test_turns_are_taken() -> None:
    order: list[str] = []
    runs = {name: lambda name=name: order.append(name) for name in "abc"}
    taken = timing.interleaved(runs, rounds=3, repeats=2)
    assert "".join(order) == "aabbccccbbaaaabbcc"
    assert {name: len(times) for name, times in taken.items()} == {"a": 3, "b": 3, "c": 3}
    assert len(timing.interleaved(runs, rounds=9, seconds=0.0)["a"]) == 2


def test_threads_are_put_back() -> None:
    before = torch.get_num_threads()
    with pytest.raises(ZeroDivisionError), timing.threads_set(2):
        assert torch.get_num_threads() == 2
        raise ZeroDivisionError
    assert torch.get_num_threads() == before


def test_the_load_of_others_leaves_out_this_process() -> None:
    load = timing.Load()
    for _ in range(200):
        torch.randn(100, 100).mm(torch.randn(100, 100))
    found = load.until_now()
    assert set(found) == {"before", "after", "cores_of_others"}
    others = found["cores_of_others"]
    assert others is None or 0 <= others <= (os.cpu_count() or 1) + 0.5  # clock ticks are coarse


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_the_operations_are_those_that_torch_counts(cell: str) -> None:
    """`torch.utils.flop_counter` sees each product of the plain loop, forward and backward."""
    from torch.utils.flop_counter import FlopCounterMode

    for size in TINY.sizes:
        found = Problem(cell, size)
        with use_kernel("reference"), FlopCounterMode(display=False) as counter:
            found.infer(RECURRA)
        assert found.flops(backward=False) == counter.get_total_flops()
        assert found.flops() == 3 * found.flops(backward=False)


def test_the_parts_of_a_step_have_all_its_operations() -> None:
    found = Problem("gru", TINY.split)
    work = split._work(found)
    assert sum(flops for flops, _ in work.values()) == found.flops()


def test_all_ways_have_the_same_weights_and_data() -> None:
    found = Problem("lstm", TINY.sizes[0])
    assert found.difference(RECURRA) < 1e-5
    assert found.difference(RECURRA, backward=False) < 1e-5
    full = Problem("gru", TINY.sizes[1])
    torch.testing.assert_close(full.train(PADDED), full.train(PACKED))


@pytest.mark.parametrize("wrong", [1.01, float("nan")])
def test_a_wrong_answer_ends_the_run(wrong: float, monkeypatch: pytest.MonkeyPatch) -> None:
    right = Problem._forward
    monkeypatch.setattr(
        Problem, "_forward", lambda self, way: right(self, way) * (wrong if way == RECURRA else 1.0)
    )
    with pytest.raises(CheckFailed, match=r"lstm 3, 5, 1, both, 4, 6: recurra differs from torch.nn packed by (1|nan)"):
        run.run_bench(TINY, ["lstm"])


def test_a_wrong_gradient_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Problem("lstm", TINY.sizes[0])
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
    choice: Choice, runs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(problem, "explain", lambda layer, x, lengths: [choice])
    assert Problem("lstm", TINY.sizes[0]).runs_in_bfloat16() is runs


def test_slow_ways_are_left_out_from_a_size_on() -> None:
    sizes = [Size(3, 4, 1, 1, 2, steps) for steps in (5, 10, 20)]
    patient = list(measure.series_rows("gru", sizes, TINY))
    assert all(set(found.times) == {RECURRA, PACKED, PADDED} and not found.left_out for found in patient)
    first, second, third = measure.series_rows("gru", sizes, replace(TINY, patience=0.0))
    assert set(first.times) == {RECURRA, PACKED, PADDED}
    assert set(second.times) == set(third.times) == {RECURRA}
    assert third.differences[RECURRA] < 1e-5  # the outputs are compared nevertheless
    assert re.fullmatch(r"from 3, 4, 1, one, 2, 10 on, where one run would take about \d+ s", third.left_out[PACKED])


def test_the_shapes_of_the_products() -> None:
    shapes = limits.layer_shapes("gru", Size(3, 5, 2, 2, 4, 6), tokens=7)
    assert set(map(str, shapes)) == {
        *("[4, 5] x [5, 15]", "[15, 7] x [7, 5]"),  # one step, and the gradient of W_hh
        *("[7, 3] x [3, 15]", "[7, 15] x [15, 3]", "[15, 7] x [7, 3]"),
        *("[7, 10] x [10, 15]", "[7, 15] x [15, 10]", "[15, 7] x [7, 10]"),
    }


def test_the_step_is_timed_and_its_functions_are_put_back() -> None:
    found = Problem("lstm", TINY.split)
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


def test_without_the_native_kernel_no_step_is_taken_apart() -> None:
    with use_kernel("packed"):
        results = run.run_bench(replace(TINY, streams=()), ["rnn"])
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


def test_a_wrong_step_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def step(layer: Any, x: torch.Tensor, state: Any = None, precision: str = "float32") -> Any:
        return torch.zeros(len(x), layer.hidden_size), None

    monkeypatch.setattr(recurra.nn.GRU, "step", step)
    with pytest.raises(CheckFailed, match=r"gru 6, 6, .*one step at a time: recurra differs from torch.nn by 1.0e\+00"):
        list(streaming.stream_rows(["gru"], TINY))


def test_a_run_from_end_to_end(tiny: None, cli: Cli, tmp_path: Path) -> None:
    result = cli("bench", "--quick", "--threads", "1", "--out", tmp_path / "new" / "bench")
    assert result.exit_code == 0, result.output
    assert "training: nn packed / recurra" in result.stdout
    assert "lstm: 3, 5, 1, both, 4, 6" in result.stdout
    assert "…" not in result.stdout
    folder = tmp_path / "new" / "bench"
    assert sorted(path.name for path in folder.iterdir()) == ["bench.json", "bench.md", "bench.png"]
    found = json.loads((folder / "bench.json").read_text())
    assert {"machine", "load", "summary", "limit", "products", "bandwidth", "split", "finished"} < set(found)
    assert found["finished"] is True
    assert found["machine"]["threads"] == 1
    assert [(entry["cell"], entry["time"]) for entry in found["training"]] == [
        (cell, time) for cell in ("lstm", "gru", "rnn") for time in (6, 3)
    ]
    for part in ("training", "inference", "streaming"):
        for entry in found[part]:
            assert all(0 < seconds for seconds in entry["median_seconds"].values())
            assert {RECURRA} <= set(entry["seconds"])
            assert entry["differences"][RECURRA] < 1e-4
    assert {name: len(rows) for name, rows in found["series"].items()} == {"time": 2, "batch": 2, "hidden": 2}
    assert {READ for entry in found["streaming"] for READ in entry["seconds"]} >= {streaming.READ, streaming.LAYER}
    page = (folder / "bench.md").read_text()
    assert "## Streaming: one step at a time, B = 1" in page
    assert "inexact" in page
    with Image.open(folder / "bench.png") as drawing:
        drawing.load()
        assert drawing.width >= 1200
        assert drawing.getpixel((2, 2)) == drawing.getpixel((drawing.width - 3, 2))
        assert drawing.convert("RGB").getpixel((2, 2)) == (255, 255, 255)
    assert (folder / "bench.png").stat().st_size < 150_000


def test_nothing_is_written_unless_asked(tiny: None, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = cli("-q", "bench", "--quick", "--cells", "rnn", "--threads", "1")
    assert (result.exit_code, result.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_leaves_what_was_measured(
    tiny: None, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(cell: str, sizes: object, plan: object) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "series_rows", interrupted)
    result = cli("bench", "--quick", "--cells", "lstm", "--out", tmp_path)
    assert result.exit_code == 130
    assert "stopped by Ctrl-C" in result.stderr
    assert "this is what had been measured by then" in result.stdout
    found = json.loads((tmp_path / "bench.json").read_text())
    assert (found["finished"], len(found["training"]), found["series"]) == (False, 2, {})
    assert Image.open(io.BytesIO((tmp_path / "bench.png").read_bytes())).size


def test_ctrl_c_before_the_first_row_leaves_nothing(
    tiny: None, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(cells: object, plan: object) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "layer_rows", interrupted)
    result = cli("bench", "--quick", "--out", tmp_path)
    assert result.exit_code == 130
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "said", "code"),
    [
        (["--quik"], "No such option: --quik", 2),
        (["--cells", "lstn"], "option 'cells': expected some of lstm, gru, rnn with commas between them, found 'lstn', "
         "did you mean 'lstm'?", 2),
        (["--cells", ""], "found ''", 2),
        (["--cells", "gru,gru"], "option 'cells': 'gru' is named twice", 2),
        (["--threads", "0"], "0 is not in the range x>=1", 2),
        (["--quick", "--full"], "--quick measures the least and --full the most: give one of them", 2),
        (["--quick", "--out", "file/below"], "cannot be written: Not a directory", 5),
    ],
)
def test_bad_options(
    options: list[str], said: str, code: int, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    result = cli("bench", *options)
    assert said in re.sub(r"[\s│]+", " ", result.output)
    assert result.exit_code == code


def test_the_plans() -> None:
    assert plan.chosen_plan(False, False) is plan.DEFAULT
    assert plan.chosen_plan(True, False) is plan.QUICK
    assert plan.chosen_plan(False, True).sizes == plan.SIZES
    assert {size.time for size in plan.FULL.series["time"]} >= {50, 5000}
    assert {size.batch for size in plan.FULL.series["batch"]} >= {1, 256}
    assert {size.hidden for size in plan.FULL.series["hidden"]} >= {16, 1024}
    with pytest.raises(SettingsError, match="give one of them"):
        plan.chosen_plan(True, True)


def test_a_narrow_terminal_loses_nothing() -> None:
    text = io.StringIO()
    table.print_results(Console(file=text, width=60, force_terminal=True), hand_made())
    assert "…" not in text.getvalue()


def test_a_folder_that_cannot_be_written_is_told_at_once(tmp_path: Path) -> None:
    files.prepare(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []
