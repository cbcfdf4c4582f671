"""Lengths and packed sequences from outside, checked and turned into a :class:`recurra.kernels.Layout`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from recurra.errors import ShapeError
from recurra.kernels.layout import Layout
from recurra.kernels.padded import Padded

__all__ = ["Lengths", "are_packed", "checked_lengths", "layout_of", "packed_layout", "traced_layout"]

Lengths = Tensor | Sequence[int]


def checked_lengths(lengths: Lengths, batch: int, time: int) -> Tensor:
    """Return lengths as an int64 tensor [B] on the CPU.

    Raises:
        ShapeError: not one whole number in 0..T for each of the B sequences.
    """
    given = _one_for_each(torch.as_tensor(lengths, device="cpu"), batch)
    if batch and (int(given.min()) < 0 or int(given.max()) > time):
        raise ShapeError(f"lengths: expected 0 to {time}, got {int(given.min())} to {int(given.max())}")
    return given


def layout_of(lengths: Lengths | None, time: int, batch: int) -> Layout:
    """Return the layout of a padded batch; errors as :func:`checked_lengths`."""
    return Layout.full(time, batch) if lengths is None else Layout.from_lengths(checked_lengths(lengths, batch, time))


def traced_layout(lengths: Lengths | None, time: int, batch: int) -> Padded:
    """Return the same for a tracer, which does not know the values yet; the operator checks their range.

    Raises:
        ShapeError: not one whole number for each of the B sequences.
    """
    if lengths is None:
        return Padded(torch.full((batch,), time, device="cpu"))
    return Padded(_one_for_each(torch.as_tensor(lengths), batch).to("cpu"))


def _one_for_each(lengths: Tensor, batch: int) -> Tensor:
    """The lengths as int64, if they are whole numbers, one for each of the sequences."""
    is_whole = not (lengths.is_floating_point() or lengths.dtype == torch.bool or lengths.is_complex())
    if not is_whole and lengths.numel():  # an empty list becomes an empty tensor of floats
        raise ShapeError(f"lengths: expected whole numbers, got {lengths.dtype}")
    if lengths.dim() != 1 or lengths.shape[0] != batch:
        raise ShapeError(f"lengths: expected one for each of {batch} sequences, got shape {tuple(lengths.shape)}")
    return lengths.detach().to(torch.int64)


def are_packed(batch_sizes: Tensor, tokens: int) -> bool:
    """Whether these may be the batch sizes of a `PackedSequence` of so many rows: descending, and with that sum."""
    if batch_sizes.dtype != torch.int64 or batch_sizes.dim() != 1 or not len(batch_sizes):
        return False
    sizes = batch_sizes.tolist()
    return sizes[-1] >= 0 and sum(sizes) == tokens and sizes == sorted(sizes, reverse=True)


def packed_layout(sequence: PackedSequence) -> Layout:
    """Return the layout of a `PackedSequence`.

    Raises:
        ShapeError: its batch sizes are not those of a packed sequence.
    """
    if not are_packed(sequence.batch_sizes, len(sequence.data)):
        raise ShapeError(
            f"batch_sizes: expected descending integers that sum to {len(sequence.data)}, the packed rows, "
            f"got {sequence.batch_sizes.tolist()}; make the sequence by torch.nn.utils.rnn.pack_padded_sequence"
        )
    sizes = sequence.batch_sizes.tolist()
    return Layout(sizes, sizes[0], sequence.sorted_indices, sequence.unsorted_indices)
