"""Windows of series -> batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recurra.batch.frames import pad_frames
from recurra.errors import ShapeError

__all__ = ["Window", "WindowBatch", "make_window_batch"]


class Window(NamedTuple):
    """What is read of a series, and what comes after; float32, in scaled units.

    Attributes:
        past: [T, C], the C variables to be forecast, up to now.
        covariates: [T, P + A], what is known of the same steps: P columns known up to now alone, then A known ahead.
        ahead: [H, A], what is known of the H steps to come.
        static: [S], what the series is.
        targets: [H, C], what the variables became, or None.
    """

    past: NDArray[np.float32]
    covariates: NDArray[np.float32]
    ahead: NDArray[np.float32]
    static: NDArray[np.float32]
    targets: NDArray[np.float32] | None


class WindowBatch(NamedTuple):
    """Windows side by side; T may differ among them, H may not.

    Attributes:
        past: [B, T, C], padded at the end.
        covariates: [B, T, P + A], padded at the end.
        ahead: [B, H, A].
        static: [B, S].
        targets: [B, H, C], or None.
        lengths: [B], of the past, on the CPU; at least 1.
    """

    past: Tensor
    covariates: Tensor
    ahead: Tensor
    static: Tensor
    targets: Tensor | None
    lengths: Tensor

    def to(self, device: torch.device) -> WindowBatch:
        """Move all but the lengths to a device."""
        targets = None if self.targets is None else self.targets.to(device)
        past, covariates, ahead, static = (part.to(device) for part in self[:4])
        return WindowBatch(past, covariates, ahead, static, targets, self.lengths)


def make_window_batch(windows: Sequence[Window]) -> WindowBatch:
    """Put windows side by side.

    Raises:
        ShapeError: none, windows that do not fit together, or one without a past.
    """
    past, lengths = pad_frames([window.past for window in windows])
    covariates, others = pad_frames([window.covariates for window in windows])
    if not lengths.all() or lengths.tolist() != others.tolist():
        raise ShapeError(
            f"windows: expected a past of at least one step and as many covariates, got {lengths.tolist()}"
        )
    ahead, static = (torch.from_numpy(np.stack([getattr(w, name) for w in windows])) for name in ("ahead", "static"))
    known = [window.targets for window in windows if window.targets is not None]
    targets = torch.from_numpy(np.stack(known)) if len(known) == len(windows) else None
    return WindowBatch(past, covariates, ahead, static, targets, lengths)
