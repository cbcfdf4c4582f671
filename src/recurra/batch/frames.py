"""Sequences of numbers -> batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recurra.batch.ids import pad_ids
from recurra.errors import ShapeError

__all__ = ["FrameBatch", "TranscriptBatch", "make_frame_batch", "make_transcript_batch", "pad_frames"]


class FrameBatch(NamedTuple):
    """Sequences of frames and, for training, their labels.

    Attributes:
        values: [B, T, F], padded at the end.
        lengths: [B], on the CPU.
        labels: [B], or None.
    """

    values: Tensor
    lengths: Tensor
    labels: Tensor | None

    def to(self, device: torch.device) -> FrameBatch:
        """Move the values and labels to a device."""
        return FrameBatch(self.values.to(device), self.lengths, None if self.labels is None else self.labels.to(device))


class TranscriptBatch(NamedTuple):
    """Sequences of frames, and the symbols that each is to become.

    Attributes:
        values: [B, T, F], padded at the end.
        lengths: [B], in frames, on the CPU.
        targets: [B, S], ids, padded at the end.
        target_lengths: [B], on the CPU.
    """

    values: Tensor
    lengths: Tensor
    targets: Tensor
    target_lengths: Tensor

    def to(self, device: torch.device) -> TranscriptBatch:
        """Move all but the lengths to a device."""
        return self._replace(values=self.values.to(device), targets=self.targets.to(device))


def make_frame_batch(sequences: Sequence[NDArray[np.float32]], labels: NDArray[np.int64] | None = None) -> FrameBatch:
    """Put sequences of frames [T, F] side by side.

    Raises:
        ShapeError: sequences whose frames differ in size.

    >>> batch = make_frame_batch([np.ones((2, 3), np.float32), np.ones((1, 3), np.float32)])
    >>> batch.values.shape, batch.lengths.tolist()
    (torch.Size([2, 2, 3]), [2, 1])
    """
    values, lengths = pad_frames(sequences)
    return FrameBatch(values, lengths, None if labels is None else torch.from_numpy(labels))


def make_transcript_batch(
    sequences: Sequence[NDArray[np.float32]], targets: Sequence[NDArray[np.int32]]
) -> TranscriptBatch:
    """Put sequences of frames [T, F] and the ids of their transcripts side by side.

    Raises:
        ShapeError: sequences whose frames differ in size, or another number of transcripts.
    """
    if len(sequences) != len(targets):
        raise ShapeError(f"targets: expected {len(sequences)}, as many as sequences, got {len(targets)}")
    return TranscriptBatch(*pad_frames(sequences), *pad_ids(targets))


def pad_frames(sequences: Sequence[NDArray[np.float32]]) -> tuple[Tensor, Tensor]:
    """Sequences [T, F] as one tensor [B, T, F] with zeros at the end, and their lengths [B].

    Raises:
        ShapeError: none, or frames that differ in size.
    """
    sizes = {frames.shape[1:] for frames in sequences}
    if len(sizes) != 1 or len(size := sizes.pop()) != 1:
        raise ShapeError(f"sequences: expected frames [T, F] of one size, got {[f.shape for f in sequences][:5]}")
    lengths = np.array([len(frames) for frames in sequences], dtype=np.int64)
    values = np.zeros((len(sequences), lengths.max(), *size), dtype=np.float32)
    values[np.arange(values.shape[1]) < lengths[:, np.newaxis]] = np.concatenate(sequences)
    return torch.from_numpy(values), torch.from_numpy(lengths)
