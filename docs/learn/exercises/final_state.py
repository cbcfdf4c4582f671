"""Exercise 6, bidirectional layers: read the final state off padded outputs.

Read first: bidirectional.md. Check yourself: python docs/learn/exercises/final_state.py
"""

from __future__ import annotations

import torch
from checking import run, same
from torch import Tensor

import recurra.nn


def final_state(output: Tensor, lengths: Tensor) -> Tensor:
    """For each sequence the forward net's last state and the backward net's last state, side by side.

    Args:
        output: of a bidirectional layer, [T, B, 2H]: the forward net's H numbers, then the backward net's.
        lengths: [B], from 1 to T.

    Returns:
        [B, 2H].
    """
    return None  # write this


def check(final_state=final_state) -> None:
    """Compare with the h_n of recurra.nn.GRU."""
    torch.manual_seed(0)
    lengths = torch.tensor([4, 7, 1, 6])
    with torch.no_grad():
        output, h_n = recurra.nn.GRU(3, 2, bidirectional=True)(torch.randn(7, 4, 3), lengths=lengths)
    rows = torch.arange(4)
    ends, begins = output[lengths - 1, rows], output[0]
    mistakes = {
        "the last row of the box is padding for all but the longest sequence": output[-1],
        "the forward half is from the last row of the box; take it at length - 1": torch.cat(
            [output[-1, :, :2], begins[:, 2:]], dim=1
        ),
        "the backward net ends at the first step; at length - 1 it has read one step only": ends,
        "the forward net at step 0 has read one step only; its end is at length - 1": begins,
        "the backward half comes first; the forward half should": torch.cat([begins[:, 2:], ends[:, :2]], dim=1),
    }
    same("the final state", final_state(output, lengths), torch.cat([h_n[0], h_n[1]], dim=1), mistakes)


if __name__ == "__main__":
    run(check)
