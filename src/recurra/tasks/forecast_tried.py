"""Windows of series as something that JSON can hold, to try a forecaster on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recurra.batch import Window, WindowBatch, make_window_batch
from recurra.nn.forecasting import WindowSizes

__all__ = ["TRIED", "as_batch", "padded_windows", "random_windows"]

TRIED = 64  # windows


def as_batch(sequences: Sequence[list[Any]], sizes: WindowSizes, horizon: int) -> WindowBatch:
    """Put windows that are lists side by side, with a future of zeros, which no forecast looks at.

    Args:
        sequences: of each the past [T, C], the covariates [T, P + A], those known ahead [H, A] and the static ones [S].
        sizes: C, P + A, A and S.
        horizon: H.
    """
    columns = (sizes.variables, sizes.covariates, sizes.ahead)
    targets = np.zeros((horizon, sizes.variables), np.float32)
    windows = []
    for *rows, static in sequences:
        past, covariates, ahead = (
            np.array(part, np.float32).reshape(len(part), size) for part, size in zip(rows, columns, strict=True)
        )
        windows.append(Window(past, covariates, ahead, np.array(static, np.float32), targets))
    return make_window_batch(windows)


def padded_windows(batch: WindowBatch, steps: int) -> WindowBatch:
    """Put noise behind the pasts of windows, the same each time: a sound model never reads it."""
    chance = torch.Generator().manual_seed(0)

    def widened(values: Tensor) -> Tensor:
        return torch.cat([values, torch.randn(len(values), steps, values.shape[2], generator=chance)], dim=1)

    return batch._replace(past=widened(batch.past), covariates=widened(batch.covariates))


def random_windows(sizes: WindowSizes, window: int, horizon: int, counts: bool) -> list[list[Any]]:
    """Draw windows of 1 to `window` steps, the same ones each time.

    Args:
        sizes: of their parts.
        window: most steps of a past.
        horizon: H.
        counts: whether the past are counts.
    """
    chance = np.random.default_rng(0)
    found = []
    for steps in chance.integers(1, window + 1, TRIED).tolist():
        shapes = ((steps, sizes.variables), (steps, sizes.covariates), (horizon, sizes.ahead), (sizes.static,))
        parts = [chance.standard_normal(shape).round(4) for shape in shapes]
        if counts:
            parts[0] = chance.poisson(3.0, shapes[0]).astype(float)
        found.append([part.tolist() for part in parts])
    return found
