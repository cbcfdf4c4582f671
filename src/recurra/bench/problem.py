"""One batch of sequences of unequal length, and the ways to run it through a layer with the same weights.

recurra            recurra.nn with lengths=, by the kernel that it chooses by itself
recurra bfloat16   the same under autocast, where the native kernel multiplies in bfloat16
nn packed          torch.nn on a PackedSequence: the same results
nn padded          torch.nn on the padded tensor: results that depend on the padding; for comparison of speed alone
"""

from __future__ import annotations

import contextlib
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import recurra.nn
from recurra.bench.plan import CELLS, Size
from recurra.bench.results import PACKED, PADDED, RECURRA, RECURRA_BF16
from recurra.errors import CheckFailed
from recurra.kernels import Choice, explain
from recurra.kernels.cells import CELLS as EQUATIONS

__all__ = ["ALLOWED", "Problem"]

# relative differences from the packed way that end the run: no time without right answers
ALLOWED = {RECURRA: 1e-4, RECURRA_BF16: 0.05}


class Problem:
    """A batch, the two layers with the same weights, and the ways to run them.

    Args:
        cell: lstm, gru or rnn (tanh).
        size: lengths are drawn evenly from T/4..T, the first is T.

    >>> problem = Problem("gru", Size(3, 5, 1, 2, 4, 8))
    >>> problem.train("recurra").shape
    torch.Size([8, 4, 10])
    """

    def __init__(self, cell: str, size: Size) -> None:
        generator = torch.Generator().manual_seed(0)
        self.cell, self.size = cell, size
        options: dict[str, Any] = {"num_layers": size.layers, "bidirectional": size.directions == 2}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.theirs = getattr(nn, CELLS[cell])(size.input, size.hidden, **options)
        self.ours = getattr(recurra.nn, CELLS[cell])(size.input, size.hidden, **options)
        self.ours.load_state_dict(self.theirs.state_dict())
        self.lengths = torch.randint(max(size.time // 4, 1), size.time + 1, (size.batch,), generator=generator)
        self.lengths[0] = size.time
        if size.full:
            self.lengths.fill_(size.time)
        self.x = torch.randn(size.time, size.batch, size.input, generator=generator).requires_grad_()
        real = (torch.arange(size.time).unsqueeze(1) < self.lengths).unsqueeze(2)
        self.grad = torch.randn(size.time, size.batch, size.directions * size.hidden, generator=generator) * real
        self.tokens = int(self.lengths.sum())

    def train(self, way: str) -> Tensor:
        """Run forward and backward; the gradients stay on the batch and the layer."""
        self._layer(way).zero_grad()
        self.x.grad = None
        output = self._forward(way)
        output.backward(self.grad.to(output.dtype))
        return output.detach()

    def infer(self, way: str) -> Tensor:
        """Run forward alone."""
        with torch.inference_mode():
            return self._forward(way)

    def choices(self, way: str = RECURRA) -> list[Choice]:
        """The kernel of each of recurra's layers, and why."""
        with _precision(way):
            return explain(self.ours, self.x, self.lengths)

    def runs_in_bfloat16(self) -> bool:
        """Whether the native kernel multiplies in bfloat16 under autocast."""
        return all(
            choice.kernel == "native" and "bfloat16 products" in choice.why for choice in self.choices(RECURRA_BF16)
        )

    def difference(self, way: str, backward: bool = True) -> float:
        """The largest difference of a way from the packed one, relative to the largest value of each tensor.

        Args:
            way: recurra's, in float32 or bfloat16.
            backward: compare the gradients of the batch and of every parameter too, not the outputs alone.

        Raises:
            CheckFailed: it is more than :data:`ALLOWED`.
        """
        pairs = zip(self._results(way, backward), self._results(PACKED, backward))
        found = max(float((a.float() - b).abs().max() / b.abs().max()) for a, b in pairs)
        if not found <= ALLOWED[way]:  # nor is a NaN
            raise CheckFailed(
                f"{self.cell} {self.size}: {way} differs from torch.nn packed by {found:.1e}, where at most "
                f"{ALLOWED[way]:.0e} is allowed; a wrong answer's time is worth nothing, so the run ends"
            )
        return found

    def flops(self, backward: bool = True) -> float:
        """Floating point operations of the matrix products over valid tokens."""
        size, width, total = self.size, self.size.input, 0
        for _ in range(size.layers):
            total += size.directions * EQUATIONS[self.ours.cell].gates * size.hidden * (width + size.hidden)
            width = size.directions * size.hidden
        return (6.0 if backward else 2.0) * total * self.tokens  # multiply and add; once forward, twice backward

    def _forward(self, way: str) -> Tensor:
        if way == PACKED:
            sequence = pack_padded_sequence(self.x, self.lengths, enforce_sorted=False)
            return pad_packed_sequence(self.theirs(sequence)[0], total_length=self.size.time)[0]
        if way == PADDED:
            return self.theirs(self.x)[0]  # type: ignore[no-any-return]
        with _precision(way):
            return self.ours(self.x, lengths=self.lengths)[0]  # type: ignore[no-any-return]

    def _layer(self, way: str) -> nn.Module:
        return self.theirs if way in (PACKED, PADDED) else self.ours  # type: ignore[no-any-return]

    def _results(self, way: str, backward: bool) -> list[Tensor]:
        if not backward:
            return [self.infer(way)]
        output = self.train(way)
        gradients = [self.x.grad, *(parameter.grad for parameter in self._layer(way).parameters())]
        return [output, *(gradient.clone() for gradient in gradients if gradient is not None)]


def _precision(way: str) -> contextlib.AbstractContextManager[object]:
    return torch.autocast("cpu", torch.bfloat16) if way == RECURRA_BF16 else contextlib.nullcontext()
