"""What stands for a layout of packed rows inside torch.compile and torch.export, where no length is known yet."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

__all__ = ["Padded"]


class Padded(NamedTuple):
    """Does what :class:`Layout` does for tensors that stay padded, [T, B, ...], with lengths known only at run time.

    Attributes:
        lengths: [B] int64.
    """

    lengths: Tensor

    @property
    def batch(self) -> int:
        """B."""
        return self.lengths.shape[0]

    def pack(self, padded: Tensor, batch_first: bool) -> Tensor:
        """Bring [T, B, ...] or [B, T, ...] to [T, B, ...]."""
        return padded.transpose(0, 1) if batch_first else padded

    def unpack(self, values: Tensor, time: int, batch_first: bool) -> Tensor:
        """Bring [T, B, ...] to [T, B, ...] or [B, T, ...]."""
        return values.transpose(0, 1) if batch_first else values

    def spread(self, values: Tensor) -> Tensor:
        """Repeat what each sequence has, [B, ...], at each of its steps: [1, B, ...]."""
        return values.unsqueeze(0)

    def sort(self, values: Tensor, dim: int) -> Tensor:
        """Leave the sequences in their order."""
        return values

    def unsort(self, values: Tensor, dim: int) -> Tensor:
        """Leave the sequences in their order."""
        return values
