"""One step at a time: a sequence that arrives while it is answered."""

from __future__ import annotations

import copy
import statistics
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

import recurra.nn
from recurra.bench import onnx_layer
from recurra.bench.plan import CELLS, Plan, Size
from recurra.bench.results import RECURRA, Row
from recurra.errors import CheckFailed, SettingsError
from recurra.timing import interleaved

__all__ = ["LAYER", "ONNX", "ONNX_INT8", "PRECISIONS", "READ", "STEPPED", "stream_rows", "way_of"]

LAYER, STEPPED, READ = "nn layer", "nn cells", "reading"
ONNX, ONNX_INT8 = "onnxruntime", "onnxruntime int8"
PRECISIONS = {"float32": 4, "bfloat16": 2, "int8": 1}  # bytes of a weight
_CHECKED_STEPS = 50
_REPEATS = 20
_ROW = 256
# of each precision of recurra's step: the largest difference from float64, relative to the largest output
_ALLOWED = {"float32": 1e-4, "bfloat16": 0.05, "int8": 0.2}

Step = Callable[[Tensor, Any], tuple[Tensor, Any]]


def stream_rows(cells: list[str], plan: Plan) -> Iterator[Row]:
    """Yield a row for each cell and size: the seconds of one step.

    Raises:
        CheckFailed: an output differs from `torch.nn`'s by more than is allowed.
    """
    for cell in cells:
        for size in plan.streams:
            yield _row(cell, size, plan)


def way_of(precision: str, way: str = RECURRA) -> str:
    """What recurra's step with weights of a precision, or the reading of them, is called."""
    return way if precision == "float32" else f"{way} {precision}"


def _row(cell: str, size: Size, plan: Plan) -> Row:
    # layers made inside inference_mode would have weights that cannot tell of their changes
    theirs = getattr(nn, CELLS[cell])(size.input, size.hidden, num_layers=size.layers)
    ours = getattr(recurra.nn, CELLS[cell])(size.input, size.hidden, num_layers=size.layers)
    ours.load_state_dict(theirs.state_dict())
    with torch.inference_mode():
        return _measured(cell, size, plan, theirs, ours)


def _measured(cell: str, size: Size, plan: Plan, theirs: Any, ours: Any) -> Row:
    x, left_out = torch.randn(size.batch, size.input), {}
    steps: dict[str, Step] = {}
    for precision in PRECISIONS:
        try:
            ours.step(x, precision=precision)
            steps[way_of(precision)] = _ours(ours, precision)
        except SettingsError as error:
            left_out[way_of(precision)] = str(error)
    steps |= {LAYER: _layer(theirs), STEPPED: _cells(theirs)}
    try:
        steps[ONNX] = onnx_layer.step_of(theirs, cell)
        if cell == "lstm":
            steps[ONNX_INT8] = onnx_layer.step_of(theirs, cell, quantised=True)
        else:
            left_out[ONNX_INT8] = "for it quantises LSTM alone"
    except ImportError as error:
        left_out[ONNX] = f"for {error.name} is not installed"
    differences = _differences(cell, size, steps, theirs)
    runs: dict[str, Callable[[], object]] = {way: _carried(step, x) for way, step in steps.items()}
    weights = sum(weight.numel() for weight in theirs.parameters() if weight.dim() == 2)
    reads = {precision: _reads(weights * number // 4) for precision, number in PRECISIONS.items()}
    all_reads = {f"{precision} {how}": read for precision, of in reads.items() for how, read in of.items()}
    times = interleaved({**runs, **all_reads}, plan.rounds, plan.seconds, _REPEATS)
    kept = {way: times[way] for way in runs}
    for precision, of in reads.items():
        kept[way_of(precision, READ)] = min((times[f"{precision} {how}"] for how in of), key=statistics.median)
    return Row(cell, size, "step", kept, 2.0 * size.batch * weights, size.batch, differences, left_out)


def _ours(layer: Any, precision: str) -> Step:
    return lambda x, state: layer.step(x, state, precision=precision)


def _layer(layer: nn.Module) -> Step:
    def step(x: Tensor, state: Any) -> tuple[Tensor, Any]:
        output, state = layer(x.unsqueeze(0), state)
        return output.squeeze(0), state

    return step


def _cells(layer: Any) -> Step:
    """The same layers as a chain of `nn.LSTMCell` or its like."""
    kind = getattr(nn, f"{type(layer).__name__}Cell")
    chain = []
    for number in range(layer.num_layers):
        cell = kind(layer.input_size if number == 0 else layer.hidden_size, layer.hidden_size)
        cell.load_state_dict({name: getattr(layer, f"{name}_l{number}") for name in cell.state_dict()})
        chain.append(cell)

    def step(x: Tensor, states: Any) -> tuple[Tensor, Any]:
        found = []
        for cell, state in zip(chain, states or [None] * len(chain)):
            state = cell(x, state)
            x = state[0] if isinstance(state, tuple) else state
            found.append(state)
        return x, found

    return step


def _carried(step: Step, x: Tensor) -> Callable[[], None]:
    """A step that goes on from the state of the one before."""
    state: Any = None

    def run() -> None:
        nonlocal state
        state = step(x, state)[1]

    return run


def _reads(numbers: int) -> dict[str, Callable[[], object]]:
    """Ways to read so many numbers of float32 once."""
    flat = torch.randn(numbers)
    rows = flat[: numbers // _ROW * _ROW].view(-1, _ROW)
    vector = torch.ones(_ROW)
    return {"sum": flat.sum, "dot": lambda: flat.dot(flat), "mv": lambda: rows.mv(vector)}


def _differences(cell: str, size: Size, steps: dict[str, Step], theirs: Any) -> dict[str, float]:
    """The largest difference of each way from float64 over some steps, relative to the largest output."""
    inputs = torch.randn(_CHECKED_STEPS, size.batch, size.input)
    exact = copy.deepcopy(theirs).double()(inputs.double())[0]
    differences = {}
    for way, step in steps.items():
        state, largest = None, 0.0
        for x, right in zip(inputs, exact):
            output, state = step(x, state)
            largest = max(largest, float((output - right).abs().max().nan_to_num(torch.inf)))
        differences[way] = largest / float(exact.abs().max())
    for precision, allowed in _ALLOWED.items():
        way = way_of(precision)
        if differences.get(way, 0.0) > allowed:
            raise CheckFailed(
                f"{cell} {size}, one step at a time: {way} differs from torch.nn by {differences[way]:.1e}, "
                f"where at most {allowed:.0e} is allowed; the run ends"
            )
    return differences
