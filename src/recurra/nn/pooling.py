"""From outputs at every step to one vector for each sequence, reading valid tokens only."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from recurra.kernels.layout import Layout

__all__ = ["Pooling"]


class Pooling(nn.Module):
    r"""Pool packed outputs by their final state, mean, maximum or attention.

    Attention is a softmax over the steps of a learned score: :math:`a_t \propto \exp(w \cdot \tanh(W y_t))` (Yang et
    al., "Hierarchical attention networks", NAACL 2016). A sequence of length zero gives zeros, but for `final`, which
    gives its initial state.

    Args:
        kind: ``"final"``, ``"mean"``, ``"max"`` or ``"attention"``.
        size: F, the size of an output.
    """

    def __init__(self, kind: Literal["final", "mean", "max", "attention"], size: int) -> None:
        super().__init__()
        self.kind = kind
        if kind == "attention":
            self.hidden = nn.Linear(size, size)
            self.score = nn.Linear(size, 1, bias=False)

    def forward(self, outputs: Tensor, layout: Layout, final: Tensor | None = None) -> Tensor:
        """Pool.

        Args:
            outputs: [N, F], packed.
            layout: how the rows are arranged.
            final: [D, B, H], the last layer's final state in sorted order, for ``"final"``.

        Returns:
            [B, F] in sorted order.
        """
        if self.kind == "final":
            assert final is not None
            return torch.cat(list(final), dim=-1)
        time = len(layout.batch_sizes)
        if time == 0:
            return outputs.new_zeros(layout.batch, outputs.shape[1])
        lengths = layout.sorted_lengths().to(outputs.device)
        if self.kind == "mean":
            summed = layout.unpack_sorted(outputs).sum(0)
            return summed / lengths.clamp(min=1).unsqueeze(1)
        if self.kind == "attention":
            return (self.weights(outputs, layout) * layout.unpack_sorted(outputs)).sum(0)
        beyond = (torch.arange(time, device=outputs.device).unsqueeze(1) >= lengths).unsqueeze(2)  # [T, B, 1]
        largest = layout.unpack_sorted(outputs).masked_fill(beyond, -torch.inf).max(dim=0).values
        return largest.masked_fill((lengths == 0).unsqueeze(1), 0.0)

    def weights(self, outputs: Tensor, layout: Layout) -> Tensor:
        """How much of its attention each sequence gives to each step, [T, B, 1] in sorted order, of outputs [N, F]."""
        scores: Tensor = self.score(torch.tanh(self.hidden(outputs)))  # [N, 1]
        lengths = layout.sorted_lengths().to(outputs.device)
        beyond = (torch.arange(len(layout.batch_sizes), device=outputs.device).unsqueeze(1) >= lengths).unsqueeze(2)
        lowest = torch.finfo(scores.dtype).min  # not -inf, which would make a sequence of length zero NaN
        return layout.unpack_sorted(scores).masked_fill(beyond, lowest).softmax(dim=0).masked_fill(beyond, 0.0)
