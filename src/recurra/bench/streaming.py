"""One step at a time: a sequence that arrives while it is answered."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

import recurra.nn
from recurra.bench import onnx_layer
from recurra.bench.plan import CELLS, Plan, Size
from recurra.bench.results import RECURRA, Row
from recurra.bench.timing import interleaved
from recurra.errors import CheckFailed, SettingsError

__all__ = ["LAYER", "ONNX", "READ", "STEPPED", "stream_rows"]

LAYER, STEPPED, ONNX, READ = "nn layer", "nn cells", "onnxruntime", "reading the weights"
_CHECKED_STEPS = 8
_REPEATS = 20
# of each precision of recurra's step: the largest difference from torch's layer, relative to its largest output
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


def way_of(precision: str) -> str:
    """What recurra's step with weights of a precision is called."""
    return RECURRA if precision == "float32" else f"{RECURRA} {precision}"


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
    for precision in _ALLOWED:
        try:
            ours.step(x, precision=precision)
            steps[way_of(precision)] = _ours(ours, precision)
        except SettingsError as error:
            left_out[way_of(precision)] = str(error)
    steps |= {LAYER: _layer(theirs), STEPPED: _cells(theirs)}
    try:
        steps[ONNX] = onnx_layer.step_of(theirs, cell)
    except ImportError as error:
        left_out[ONNX] = f"{error.name} is not installed"
    differences = _differences(cell, size, steps)
    runs: dict[str, Callable[[], object]] = {way: _carried(step, x) for way, step in steps.items()}
    reads = _reads(theirs)
    times = interleaved({**runs, **reads}, plan.rounds, plan.seconds, _REPEATS)
    fastest = min(reads, key=lambda name: statistics.median(times[name]))
    kept = {way: times[way] for way in runs} | {READ: times[fastest]}
    weights = sum(w.numel() for w in theirs.parameters() if w.dim() == 2)
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


def _reads(layer: nn.Module) -> dict[str, Callable[[], object]]:
    """Ways to read all matrices once."""
    flat = torch.cat([weight.flatten() for weight in layer.parameters() if weight.dim() == 2])
    square = flat[: len(flat) // 512 * 512].view(-1, 512) if len(flat) >= 512 else flat.unsqueeze(0)
    vector = torch.ones(square.shape[1])
    return {"sum": flat.sum, "dot": lambda: flat.dot(flat), "mv": lambda: square.mv(vector)}


def _differences(cell: str, size: Size, steps: dict[str, Step]) -> dict[str, float]:
    """The largest difference of each way from torch's layer over some steps, relative to the largest output."""
    inputs = torch.randn(_CHECKED_STEPS, size.batch, size.input)
    outputs = {}
    for way, step in steps.items():
        state, found = None, []
        for x in inputs:
            output, state = step(x, state)
            found.append(output.float())
        outputs[way] = torch.stack(found)
    right = outputs.pop(LAYER)
    differences = {way: float((output - right).abs().max() / right.abs().max()) for way, output in outputs.items()}
    for precision, allowed in _ALLOWED.items():
        way = way_of(precision)
        if way in differences and not differences[way] <= allowed:
            raise CheckFailed(
                f"{cell} {size}, one step at a time: {way} differs from torch.nn by {differences[way]:.1e}, "
                f"where at most {allowed:.0e} is allowed; the run ends"
            )
    return differences
