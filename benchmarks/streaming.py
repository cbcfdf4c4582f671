"""Time one step of one sequence: recurra against torch.nn, onnxruntime, and the time to read the weights.

    python benchmarks/streaming.py --out benchmarks/results/streaming.md

"reading" sums as many bytes as a precision's weights have, with torch: the least that a step can take whose weights do
not stay in a core's own cache. Errors are the largest differences of 200 outputs from torch.nn in float64, relative to
the largest output.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import torch
from streaming_onnx import onnx_step, write_onnx, write_quantised
from timing import report
from torch import Tensor, nn

import recurra.nn
from recurra.bench.table import markdown_table
from recurra.bench.timing import interleaved, machine_line
from recurra.nn.streaming import Precision

STEPS = 200
BATCH = 10  # steps that are timed together
PRECISIONS: dict[Precision, int] = {"float32": 4, "bfloat16": 2, "int8": 1}  # bytes of a weight


class Size(NamedTuple):
    """One row: the layer, L, and H, which is also I."""

    kind: str
    layers: int
    hidden: int

    def __str__(self) -> str:
        return f"{self.kind} {self.layers} x {self.hidden}"


SIZES = [Size("LSTM", 1, 256), Size("LSTM", 2, 512), Size("GRU", 1, 256), Size("GRU", 2, 512)]

State = Any  # h, or (h, c)
Times = dict[str, list[float]]
Step = Callable[[Tensor, State], tuple[Tensor, State]]


class Problem:
    """A layer, a stream of inputs, and the ways to take a step."""

    def __init__(self, size: Size, folder: Path, threads: int) -> None:
        torch.manual_seed(0)
        self.size = size
        self.theirs = getattr(nn, size.kind)(size.hidden, size.hidden, size.layers)
        self.ours = getattr(recurra.nn, size.kind)(size.hidden, size.hidden, size.layers)
        self.ours.load_state_dict(self.theirs.state_dict())
        self.x = torch.randn(STEPS, 1, size.hidden)
        path = folder / f"{size.kind}-{size.layers}-{size.hidden}.onnx"
        write_onnx(self.theirs, path)
        write_quantised(path, path.with_suffix(".int8.onnx"))
        self.steps: dict[str, Step] = {f"recurra {name}": self._ours(name) for name in PRECISIONS}
        self.steps |= {"nn.LSTM / nn.GRU": self._theirs, "nn.*Cell": self._cells()}
        self.steps["onnxruntime float32"] = self._onnx(onnx_step(path, threads))
        self.steps["onnxruntime int8"] = self._onnx(onnx_step(path.with_suffix(".int8.onnx"), threads))

    def zero_state(self) -> State:
        """The state before the first step, as torch's layers take it."""
        zeros = torch.zeros(self.size.layers, 1, self.size.hidden)
        return (zeros, zeros) if self.size.kind == "LSTM" else zeros

    def outputs(self, step: Step) -> Tensor:
        """What a way of stepping gives over the whole stream."""
        state, outputs = self.zero_state(), []
        for x_t in self.x:
            output, state = step(x_t, state)
            outputs.append(output)
        return torch.stack(outputs).view(STEPS, -1).double()

    def errors(self) -> dict[str, float]:
        """The largest difference of each way from float64, relative to the largest output."""
        exact = getattr(nn, self.size.kind)(self.size.hidden, self.size.hidden, self.size.layers, dtype=torch.float64)
        exact.load_state_dict(self.theirs.state_dict())
        expected = exact(self.x.double())[0].view(STEPS, -1)
        largest = expected.abs().max()
        return {name: float((self.outputs(step) - expected).abs().max() / largest) for name, step in self.steps.items()}

    def runs(self) -> dict[str, Callable[[], object]]:
        """Several steps of each way, and as many readings of as many bytes as the weights have."""
        weights = sum(parameter.numel() for parameter in self.theirs.parameters())
        runs: dict[str, Callable[[], object]] = {name: self._several(step) for name, step in self.steps.items()}
        for precision, size in PRECISIONS.items():
            runs[f"reading {precision}"] = _reading(torch.randn(weights * size // 4))
        return runs

    def _several(self, step: Step) -> Callable[[], object]:
        start, inputs = self.zero_state(), list(self.x[:BATCH])

        def run() -> None:
            state = start
            for x_t in inputs:
                _, state = step(x_t, state)

        return run

    def _ours(self, precision: Precision) -> Step:
        def step(x_t: Tensor, state: State) -> tuple[Tensor, State]:
            found: tuple[Tensor, State] = self.ours.step(x_t, state, precision)
            return found

        return step

    def _theirs(self, x_t: Tensor, state: State) -> tuple[Tensor, State]:
        found: tuple[Tensor, State] = self.theirs(x_t[None], state)
        return found

    def _cells(self) -> Step:
        size = self.size
        cells = [getattr(nn, f"{size.kind}Cell")(size.hidden, size.hidden) for _ in range(size.layers)]
        for number, cell in enumerate(cells):
            cell.load_state_dict({name: getattr(self.theirs, f"{name}_l{number}") for name in cell.state_dict()})

        def step(x_t: Tensor, state: State) -> tuple[Tensor, State]:
            if not isinstance(state, list):  # the first one; then each cell has its own
                state = list(zip(*state)) if isinstance(state, tuple) else list(state)
            states = []
            for cell, own in zip(cells, state):
                states.append(cell(x_t, own))
                x_t = states[-1][0] if isinstance(own, tuple) else states[-1]
            return x_t, states

        return step

    def _onnx(self, run: Callable[..., list[Any]]) -> Step:
        def step(x_t: Tensor, state: State) -> tuple[Tensor, State]:
            if not isinstance(state, list):  # the first one; then arrays go round as onnxruntime gives them
                state = [part.numpy() for part in (state if isinstance(state, tuple) else (state,))]
            y, *states = run(x_t.numpy()[None], *state)
            return torch.from_numpy(y), states

        return step


def _reading(values: Tensor) -> Callable[[], object]:
    def run() -> None:
        for _ in range(BATCH):
            values.sum()

    return run


def measure(size: Size, threads: int, rounds: int, seconds: float, folder: Path) -> tuple[Times, dict[str, float]]:
    """Measure one row of the tables: all times in microseconds a step, and the errors."""
    torch.set_num_threads(threads)
    problem = Problem(size, folder, threads)
    errors = problem.errors()
    runs = problem.runs()
    for run in runs.values():
        run()
    taken = interleaved(runs, rounds, seconds)
    print(f"{size}, {threads} threads: {len(taken['nn.*Cell'])} rounds", flush=True)
    return {name: [1e6 * each / BATCH for each in times] for name, times in taken.items()}, errors


def table(measured: dict[tuple[Size, int], Times], statistic: Callable[[list[float]], float]) -> str:
    """Write one statistic of all the rows."""
    rows = []
    for (size, threads), taken in measured.items():
        times = {name: statistic(each) for name, each in taken.items()}
        ours, names = times["recurra float32"], list(times)
        ratios = times["onnxruntime float32"] / ours, ours / times["reading float32"]
        rows.append(
            [str(size), str(threads), *(f"{time:.1f}" for time in times.values()), *map("{:.2f}".format, ratios)]
        )
    ratio_names = ["onnxruntime / recurra, float32", "recurra / reading, float32"]
    return markdown_table(["layer", "threads", *names, *ratio_names], rows)


def first_decile(times: list[float]) -> float:
    """What a tenth of the rounds stayed below."""
    return statistics.quantiles(times, n=10, method="inclusive")[0]


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200, help=f"times that each way takes {BATCH} steps")
    parser.add_argument("--seconds", type=float, default=60, help="begin no further round of a row after so long")
    parser.add_argument("--threads", default="1,2", help="numbers of threads, with commas")
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    arguments = parser.parse_args()
    measured: dict[tuple[Size, int], Times] = {}
    errors: dict[Size, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            for threads in map(int, arguments.threads.split(",")):
                found = measure(size, threads, arguments.rounds, arguments.seconds, Path(folder))
                measured[size, threads], errors[size] = found
    error_rows = [[str(size), *(f"{error:.1e}" for error in found.values())] for size, found in errors.items()]
    report(
        [
            "# One step of one sequence",
            f"{machine_line()}, onnxruntime {version('onnxruntime')}. Microseconds a step, of up to {arguments.rounds} "
            f"interleaved rounds of {BATCH} steps; I = H. The int8 of onnxruntime is its dynamic quantisation, which "
            "leaves a GRU in float32.",
            "Medians:",
            table(measured, statistics.median),
            "First deciles, which other work on the machine disturbs less:",
            table(measured, first_decile),
            f"Largest error of {STEPS} outputs, relative to the largest output, against float64:",
            markdown_table(["layer", *errors[SIZES[0]]], error_rows),
        ],
        arguments.out,
    )


if __name__ == "__main__":
    main()
