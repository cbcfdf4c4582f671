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
from torch.autograd import forward_ad

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
        self._flat_indices: dict[tuple[int, bool], Tensor] = {}

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
        return _gather(padded.flatten(0, 1), self._flat_index(time, batch_first).to(padded.device))

    def unpack(self, packed: Tensor, time: int, batch_first: bool) -> Tensor:
        """Lay packed rows out as a padded tensor, [T, B, ...] or [B, T, ...], with zeros in the padding."""
        if self.is_full and len(self.batch_sizes) == time:
            padded: Tensor = packed.unflatten(0, (time, self.batch))
            return padded.transpose(0, 1) if batch_first else padded
        shape = (self.batch, time) if batch_first else (time, self.batch)
        index = self._flat_index(time, batch_first).to(packed.device)
        laid_out: Tensor = _scatter(packed, index, self.batch * time).unflatten(0, shape)
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
        key = (time, batch_first)
        if key not in self._flat_indices:
            steps, sequences = self.row_positions
            self._flat_indices[key] = sequences * time + steps if batch_first else steps * self.batch + sequences
        return self._flat_indices[key]


def _is_transformed() -> bool:
    """Whether derivatives are taken in a way that only torch's own operations know: torch.func, forward mode."""
    return bool(torch._C._are_functorch_transforms_active()) or forward_ad._current_level >= 0


def _gather(rows: Tensor, index: Tensor) -> Tensor:
    """Select distinct rows."""
    if _is_transformed():
        return rows.index_select(0, index)
    gathered: Tensor = _Gather.apply(rows, index)  # type: ignore[no-untyped-call]
    return gathered


def _scatter(rows: Tensor, index: Tensor, size: int) -> Tensor:
    """Put rows at distinct places of a tensor of zeros."""
    if _is_transformed():
        return rows.new_zeros(size, *rows.shape[1:]).index_copy(0, index, rows)
    scattered: Tensor = _Scatter.apply(rows, index, size)  # type: ignore[no-untyped-call]
    return scattered


class _Gather(torch.autograd.Function):
    """The backward copies where that of `index_select` would add, which is several times slower."""

    # without a setup_context: with one, torch looks at the signature at each call, which takes as long as a small layer
    @staticmethod
    def forward(ctx: Any, rows: Tensor, index: Tensor) -> Tensor:
        ctx.save_for_backward(index)
        ctx.rows = rows.shape[0]
        return rows.index_select(0, index)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (index,) = ctx.saved_tensors
        return _scatter(grads[0], index, ctx.rows), None


class _Scatter(torch.autograd.Function):
    """The way back of :class:`_Gather`, and the other way round."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, index: Tensor, size: int) -> Tensor:
        ctx.save_for_backward(index)
        return rows.new_zeros(size, *rows.shape[1:]).index_copy_(0, index, rows)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (index,) = ctx.saved_tensors
        return _gather(grads[0], index), None, None
