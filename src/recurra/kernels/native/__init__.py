"""The recurrence at the machine's limit: the loop over time in C++ (recurrence.cpp), called on data pointers.

The library knows nothing of torch. How forward, backward and the products over all tokens fit together stands in
:mod:`recurra.kernels.recurrence`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from recurra.errors import ShapeError
from recurra.kernels import recurrence
from recurra.kernels.cells import CELLS, State
from recurra.kernels.layout import Layout
from recurra.kernels.native import loader
from recurra.kernels.native.checks import checked, strided, widened, written
from recurra.kernels.native.precision import Products, asks_for_bfloat16, precision
from recurra.kernels.noise import NO_NOISE, Noise
from recurra.kernels.recurrence import Gone, Loops, Run
from recurra.kernels.weights import Weights

__all__ = [
    "CELL_NUMBERS",
    "LOOPS",
    "LOOPS_BFLOAT16",
    "Products",
    "asks_for_bfloat16",
    "layer",
    "precision",
    "refusal",
    "variant",
]


class _Loop(NamedTuple):
    """One row of the table: a cell's number in recurrence.cpp, and whether its last gate takes W_hh h apart.

    Then that gate has a bias of its own in the loop, and the gradients of W_ih x and W_hh h differ.
    """

    number: int
    apart: bool = False


_CELLS = {"rnn_tanh": _Loop(0), "rnn_relu": _Loop(1), "lstm": _Loop(2), "gru": _Loop(3, apart=True)}
CELL_NUMBERS = {cell: loop.number for cell, loop in _CELLS.items()}


def layer(
    cell: str,
    data: Tensor,
    layout: Layout,
    weights: Sequence[Weights],
    states: Sequence[State],
    noises: Sequence[Noise] = (NO_NOISE, NO_NOISE),
) -> tuple[Tensor, list[State]]:
    """Run one layer in each of its directions; arguments and results as in :func:`recurra.kernels.reference.layer`.

    What :func:`refusal` refuses is not for it.
    """
    loops = LOOPS_BFLOAT16 if precision(cell, asks_for_bfloat16(data)).bfloat16 else LOOPS
    if data.dtype == torch.float32 or torch.is_autocast_enabled("cpu"):
        return recurrence.layer(loops, cell, data, layout, weights, states, noises)
    wide = recurrence.in_float32(data, weights, states)
    output, finals = recurrence.layer(loops, cell, wide[0], layout, wide[1], wide[2], noises)
    return output.to(data.dtype), [tuple(part.to(data.dtype) for part in final) for final in finals]


def refusal(cell: str, data: Tensor, weights: Sequence[Weights], noises: Sequence[Noise]) -> str | None:
    """Why this kernel cannot run a layer, or None when it can."""
    if cell not in _CELLS:
        return f"it does not know the cell {cell}"
    if weights[0].gain_ih is not None:
        return "it has no layer norm"
    if weights[0].weight_hr is not None and cell != "lstm":
        return f"it projects the state of an LSTM, not that of {cell}"
    noise = [part for each in noises for part in (each.state, *(each.zoneout or ())) if part is not None]
    if any(part.requires_grad for part in noise):
        return "it gives no gradient to noise"
    given = (data, *(part for weight in weights for part in weight), *noise)
    for tensor in (part for part in given if part is not None):
        if type(tensor) not in (Tensor, torch.nn.Parameter) or tensor.layout != torch.strided:
            return f"it takes plain dense tensors, not {type(tensor).__name__} ({tensor.layout})"
        if tensor.device.type != "cpu":
            return f"it runs on the CPU, not on {tensor.device.type}"
        is_cast = torch.is_autocast_enabled("cpu") and tensor.dtype == torch.float16
        if tensor.dtype not in (torch.float32, torch.bfloat16) and not is_cast:
            return f"it computes in float32 or bfloat16, not in {tensor.dtype}"
    return f"it is {loader.why_not()}" if loader.library() is None else None


def variant() -> str | None:
    """The instruction set that is used: avx512bf16, avx512, avx2 or plain; None where nothing was built."""
    library = loader.library()
    return None if library is None else library.variant


def _forward(run: Run, data: Tensor, *, bfloat16: bool) -> tuple[Tensor, State, tuple[Tensor, ...]]:
    bias, own_bias = _biases(run)
    sums = _multiply(data, run.weights.weight_ih.t(), bias, bfloat16=bfloat16)
    call = _Call(run, len(data), bfloat16)
    gates, hidden, size = CELLS[run.cell].gates, call.hidden, call.size
    in_place = gates == 1 and run.noise.zoneout is None
    output = sums if in_place else sums.new_empty(len(data), size)
    extra = sums.new_empty(len(data), hidden) if run.keep and gates > 1 else None
    final = tuple(part.clone(memory_format=torch.contiguous_format) for part in run.state)
    call.give("gates", sums, len(data), gates * hidden)
    call.give("bias", own_bias, hidden)
    call.give("extra", extra, len(data), hidden)
    call.give("output", output, len(data), size)
    call.give_fed(output)
    if run.weights.weight_hr is not None:
        call.give("hidden", sums.new_empty(run.layout.batch, hidden), run.layout.batch, hidden)
    call.give_states("last", final)
    call.run("recurra_forward")
    return output, final, () if in_place else (sums,) if extra is None else (sums, extra)


def _backward(
    run: Run, output: Tensor, kept: list[Tensor], grad: Tensor, final: tuple[Tensor, ...], *, bfloat16: bool
) -> Gone:
    tokens, gates = len(output), CELLS[run.cell].gates
    call = _Call(run, tokens, bfloat16)
    from_input = output.new_empty(tokens, gates * call.hidden)
    from_state = torch.empty_like(from_input) if _CELLS[run.cell].apart else from_input
    before, projection = torch.empty_like(output), None
    carried = tuple(part.clone(memory_format=torch.contiguous_format) for part in final)
    kept = kept or [output]
    if len(kept) != min(gates, 2):
        raise ShapeError(f"expected {min(gates, 2)} tensors kept for the way back, got {len(kept)}")
    for name, part, width in zip(("gates", "extra"), kept, (gates * call.hidden, call.hidden)):
        call.give(name, part, tokens, width)
    call.give("output", output, tokens, call.size)
    call.give_grad(grad, tokens)
    call.give_states("carry", carried)
    call.give("from_input", from_input, tokens, gates * call.hidden)
    call.give("from_state", from_state, tokens, gates * call.hidden)
    call.give("before", before, tokens, call.size)
    if run.weights.weight_hr is not None:
        projection = torch.empty_like(output), output.new_empty(tokens, call.hidden)
        call.give("projected", projection[0], tokens, call.size)
        call.give("hidden", projection[1], tokens, call.hidden)
    if bfloat16:
        call.give_room("fed", 2 * run.layout.batch * gates, call.hidden)
        call.give_room("first_fed", run.layout.batch, call.size)
    call.run("recurra_backward")
    return Gone(from_input, from_state, before, carried, projection)


def _multiply(a: Tensor, b: Tensor, bias: Tensor | None = None, *, bfloat16: bool) -> Tensor:
    """A b, and + bias on each row; with `bfloat16` of A and b rounded to it."""
    library = loader.library()
    assert library is not None, "refused before"
    a, b = strided(a), strided(b)
    if a.shape[1] != b.shape[0]:
        raise ShapeError(f"expected {b.shape[0]} columns to multiply by, got {a.shape[1]}")
    if bias is not None:
        checked("bias", bias, (b.shape[1],))
    c = a.new_empty(a.shape[0], b.shape[1])
    threads = loader.threads()
    scratch = a.new_empty(threads * library.functions.recurra_scratch_size())
    product = loader.Product(
        *(a.shape[0], b.shape[1], b.shape[0]),
        *(a.data_ptr(), *a.stride(), b.data_ptr(), *b.stride()),
        *(None if bias is None else bias.data_ptr(), c.data_ptr(), scratch.data_ptr()),
        *(threads, bfloat16, loader.team()),
    )
    library.functions.recurra_multiply(ctypes.byref(product))
    return c


LOOPS, LOOPS_BFLOAT16 = (
    Loops(partial(_forward, bfloat16=yes), partial(_backward, bfloat16=yes), partial(_multiply, bfloat16=yes))
    for yes in (False, True)
)


def _biases(run: Run) -> tuple[Tensor | None, Tensor | None]:
    """What to add to W_ih x before the loop, and what the loop adds to its last gate's W_hh h."""
    bias_ih, bias_hh = run.weights.bias_ih, run.weights.bias_hh
    if bias_ih is None or bias_hh is None:
        return None, None
    if not _CELLS[run.cell].apart:
        return bias_ih + bias_hh, None
    first = len(bias_hh) - run.weights.weight_hh.shape[1]
    return torch.cat([bias_ih[:first] + bias_hh[:first], bias_ih[first:]]), written(bias_hh[first:]).contiguous()


class _Call:
    """The arguments of one call, each checked before its address is taken, and kept alive until the call is over.

    Attributes:
        hidden: H.
        size: S, of h: P with a projection, else H.
    """

    def __init__(self, run: Run, tokens: int, bfloat16: bool) -> None:
        loop, layout, cell = _CELLS[run.cell], run.layout, CELLS[run.cell]
        weight, project = run.weights.weight_hh, run.weights.weight_hr
        self.size, self.hidden = weight.shape[1], weight.shape[1] if project is None else project.shape[1]
        if int(layout.starts[-1]) != tokens:
            raise ShapeError(f"{tokens} tokens do not fit a layout of {int(layout.starts[-1])} tokens")
        if len(run.state) != cell.states:
            raise ShapeError(f"state: expected {cell.states} tensors for {run.cell}, got {len(run.state)}")
        library = loader.library()
        assert library is not None, "refused before"
        self.functions = library.functions
        self.task = loader.Task(
            steps=len(layout.batch_sizes),
            batch=layout.batch,
            units=self.hidden,
            size=self.size,
            starts=layout.starts.data_ptr(),
            cell=loop.number,
            reverse=run.backwards,
            threads=loader.threads(),
            keep=run.keep,
            bfloat16=bfloat16,
            team=loader.team(),
        )
        self.held: list[Tensor] = [layout.starts]
        self.shapes = ((layout.batch, self.size), (layout.batch, self.hidden))  # of the state's tensors
        self._give_matrix("weight", "panels", weight, cell.gates, self.hidden, self.size)
        if project is not None:
            self._give_matrix("project", "project_panels", project, 1, self.size, self.hidden)
        self.give_states("first", tuple(written(part).contiguous() for part in run.state))
        self._give_noise(run.noise, tokens, cell.states)

    def give(self, name: str, tensor: Tensor | None, *shape: int) -> None:
        """Pass a dense float32 tensor of this shape, or none."""
        if tensor is None:
            return
        if not tensor.is_contiguous():
            raise ShapeError(f"{name}: expected a contiguous tensor, got strides {tensor.stride()}")
        self._give(name, tensor, shape)

    def give_states(self, name: str, parts: tuple[Tensor, ...]) -> None:
        """Pass a tensor for each of the state's."""
        for letter, part, shape in zip("hc", parts, self.shapes):
            self.give(f"{name}_{letter}", part, *shape)

    def give_fed(self, output: Tensor) -> None:
        """Pass where what W_hh is fed goes: arrays of their own where a mask or rounding changes h on its way."""
        if self.task.bfloat16:
            self.give_room("fed", len(output), self.size)
            self.give_room("first_fed", self.task.batch, self.size)
        elif self.task.mask:
            self.give("fed", torch.empty_like(output), *output.shape)
            self.give("first_fed", output.new_empty(self.shapes[0]), *self.shapes[0])
        else:
            self.task.fed, self.task.first_fed = self.task.output, self.task.first_h

    def give_room(self, name: str, rows: int, width: int) -> None:
        """Pass room for rows of pairs of bfloat16."""
        pairs = (width + 1) // 2
        self.give(name, torch.empty(rows, pairs, dtype=torch.float32, device="cpu"), rows, pairs)

    def give_grad(self, grad: Tensor, tokens: int) -> None:
        """Pass the gradient of the output, which may be some columns of a wider one."""
        grad = written(grad)
        if grad.stride(1) != 1 or grad.stride(0) < self.size:
            grad = grad.contiguous()
        self._give("grad", grad, (tokens, self.size))
        self.task.grad_stride = grad.stride(0)

    def _give_matrix(self, name: str, panels: str, matrix: Tensor, gates: int, rows: int, columns: int) -> None:
        self.give(name, written(matrix).contiguous(), gates * rows, columns)
        room = self.functions.recurra_panel_size(rows, columns, gates)
        self.give(panels, matrix.new_empty(room), room)

    def _give_noise(self, noise: Noise, tokens: int, states: int) -> None:
        if noise.state is not None:
            self.give("mask", widened(noise.state).contiguous(), *self.shapes[0])
        if noise.zoneout is None:
            return
        if len(noise.zoneout) != states:
            raise ShapeError(f"zoneout: expected {states} tensors, as the state has, got {len(noise.zoneout)}")
        for letter, share, (_, width) in zip("hc", noise.zoneout, self.shapes):
            name, share = f"zoneout_{letter}", checked(f"zoneout of {letter}", widened(share), (tokens, width))
            is_one_row = share.stride(0) == 0
            share = (share[:1] if is_one_row else share).contiguous()
            self._give(name, share, tuple(share.shape))
            setattr(self.task, f"{name}_stride", 0 if is_one_row else width)

    def _give(self, name: str, tensor: Tensor, shape: tuple[int, ...]) -> None:
        setattr(self.task, name, checked(name, tensor, shape).data_ptr())
        self.held.append(tensor)

    def run(self, function: str) -> None:
        """Call a function of the library; other Python threads run meanwhile."""
        getattr(self.functions, function)(ctypes.byref(self.task))
