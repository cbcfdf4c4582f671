"""Where each step of each sequence lies in a packed tensor, which holds the N valid tokens of a batch and no padding.

Rows are ordered by time first and by descending length second, as in `torch.nn.utils.rnn.PackedSequence`: the
sequences that still run at a step are always the first rows of that step.

    lengths 2, 3, 1      sequence 1: a b c     packed:  a d f | b e | c        batch_sizes: 3, 2, 1
                         sequence 0: d e
                         sequence 2: f
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from recurra.errors import ShapeError

__all__ = ["Layout"]


class Layout:
    """The arrangement of a batch of sequences as packed rows.

    Attributes:
        batch_sizes: how many sequences still run at each of the T steps, descending.
        batch: B, the number of sequences, those of length zero included.
        order: [B], the original position of each sequence in sorted order; None when already sorted.
        inverse: [B], the sorted position of each original sequence; None when already sorted.
    """

    def __init__(self, batch_sizes: list[int], batch: int, order: Tensor | None, inverse: Tensor | None) -> None:
        self.batch_sizes = batch_sizes
        self.batch = batch
        self.order = order
        self.inverse = inverse

    @classmethod
    def full(cls, time: int, batch: int) -> Layout:
        """The layout of a batch in which every sequence has all T steps."""
        return cls([batch] * time if batch else [], batch, None, None)

    @classmethod
    def from_lengths(cls, lengths: Tensor) -> Layout:
        """The layout of sequences with these lengths.

        Args:
            lengths: [B] integers >= 0, in any order.
        """
        lengths = lengths.detach().to("cpu", torch.int64)
        ordered, order = lengths.sort(descending=True, stable=True)
        longest = int(ordered[0]) if len(ordered) else 0
        running = torch.bincount(ordered, minlength=longest + 1).flip(0).cumsum(0).flip(0)[1:]
        if torch.equal(ordered, lengths):
            return cls(running.tolist(), len(lengths), None, None)
        return cls(running.tolist(), len(lengths), order, order.argsort())

    @cached_property
    def starts(self) -> Tensor:
        """[T + 1], the packed row at which each step begins, and N."""
        return torch.tensor([0, *self.batch_sizes], device="cpu").cumsum(0)

    @property
    def tokens(self) -> int:
        """N, the number of packed rows."""
        return sum(self.batch_sizes)

    @property
    def is_full(self) -> bool:
        """Whether all sequences have all steps."""
        return not self.batch_sizes or self.batch_sizes[-1] == self.batch

    def sorted_lengths(self) -> Tensor:
        """[B], the lengths in descending order."""
        sizes = torch.tensor([*self.batch_sizes, 0], device="cpu")
        counts = sizes[:-1] - sizes[1:]  # how many sequences end after each step
        steps = torch.arange(1, len(sizes), device="cpu").repeat_interleave(counts).flip(0)
        return torch.cat([steps, steps.new_zeros(self.batch - len(steps))])

    def last_rows(self) -> Tensor:
        """The packed row of the last step of each sequence that is not empty, in sorted order."""
        lengths = self.sorted_lengths()[: self.batch_sizes[0] if self.batch_sizes else 0]
        return self.starts[lengths - 1] + torch.arange(len(lengths), device="cpu")

    @cached_property
    def row_positions(self) -> tuple[Tensor, Tensor]:
        """The step and the original sequence of each packed row, [N] each."""
        sizes = torch.tensor(self.batch_sizes, dtype=torch.int64, device="cpu")
        steps = torch.arange(len(sizes), device="cpu").repeat_interleave(sizes)
        starts = torch.cat([sizes.new_zeros(1), sizes.cumsum(0)[:-1]]) if len(sizes) else sizes
        sequences = torch.arange(int(sizes.sum()), device="cpu") - starts[steps]
        return steps, sequences if self.order is None else self.order[sequences]

    def pack(self, padded: Tensor, batch_first: bool) -> Tensor:
        """Take the valid tokens out of a padded tensor, [T, B, ...] or [B, T, ...], as [N, ...]."""
        time, batch = (padded.shape[1], padded.shape[0]) if batch_first else padded.shape[:2]
        if len(self.batch_sizes) > time or self.batch != batch:
            fits = f"{self.batch} sequences and {len(self.batch_sizes)} steps"
            raise ShapeError(f"a layout of {fits} does not fit {tuple(padded.shape)}")
        if self.is_full and len(self.batch_sizes) == time:
            return (padded.transpose(0, 1) if batch_first else padded).flatten(0, 1)
        packed: Tensor = _Gather.apply(padded.flatten(0, 1), self._flat_index(time, batch_first).to(padded.device))  # type: ignore[no-untyped-call]
        return packed

    def unpack(self, packed: Tensor, time: int, batch_first: bool) -> Tensor:
        """Lay packed rows out as a padded tensor, [T, B, ...] or [B, T, ...], with zeros in the padding."""
        if self.is_full and len(self.batch_sizes) == time:
            padded: Tensor = packed.unflatten(0, (time, self.batch))
            return padded.transpose(0, 1) if batch_first else padded
        shape = (self.batch, time) if batch_first else (time, self.batch)
        index = self._flat_index(time, batch_first).to(packed.device)
        laid_out: Tensor = _Scatter.apply(packed, index, self.batch * time).unflatten(0, shape)  # type: ignore[no-untyped-call]
        return laid_out

    def unpack_sorted(self, packed: Tensor) -> Tensor:
        """Lay packed rows out as [T, B, ...] with the sequences in sorted order and zeros in the padding."""
        return Layout(self.batch_sizes, self.batch, None, None).unpack(packed, len(self.batch_sizes), False)

    def spread(self, values: Tensor) -> Tensor:
        """Repeat what each sequence has, [B, ...], for each of its tokens, [N, ...]."""
        _, sequences = self.row_positions
        return values.index_select(0, sequences.to(values.device))

    def sort(self, values: Tensor, dim: int) -> Tensor:
        """Bring a dimension of B from the original into the sorted order."""
        return values if self.order is None else values.index_select(dim, self.order.to(values.device))

    def unsort(self, values: Tensor, dim: int) -> Tensor:
        """Bring a dimension of B from the sorted into the original order."""
        return values if self.inverse is None else values.index_select(dim, self.inverse.to(values.device))

    def _flat_index(self, time: int, batch_first: bool) -> Tensor:
        steps, sequences = self.row_positions
        return sequences * time + steps if batch_first else steps * self.batch + sequences


class _Gather(torch.autograd.Function):
    """Select distinct rows. The backward copies where `index_select` would add, which is several times slower."""

    generate_vmap_rule = True

    @staticmethod
    def forward(rows: Tensor, index: Tensor) -> Tensor:
        return rows.index_select(0, index)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        rows, index = inputs
        ctx.save_for_backward(index)
        ctx.save_for_forward(index)
        ctx.rows = rows.shape[0]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (index,) = ctx.saved_tensors
        return _Scatter.apply(grads[0], index, ctx.rows), None  # type: ignore[no-untyped-call]

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        (index,) = ctx.saved_tensors
        return _Gather.apply(tangents[0], index)  # type: ignore[no-untyped-call,no-any-return]


class _Scatter(torch.autograd.Function):
    """Put rows at distinct places of a tensor of zeros."""

    generate_vmap_rule = True

    @staticmethod
    def forward(rows: Tensor, index: Tensor, size: int) -> Tensor:
        return rows.new_zeros(size, *rows.shape[1:]).index_copy(0, index, rows)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, index, ctx.size = inputs
        ctx.save_for_backward(index)
        ctx.save_for_forward(index)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (index,) = ctx.saved_tensors
        return _Gather.apply(grads[0], index), None, None  # type: ignore[no-untyped-call]

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        (index,) = ctx.saved_tensors
        return _Scatter.apply(tangents[0], index, ctx.size)  # type: ignore[no-untyped-call,no-any-return]
