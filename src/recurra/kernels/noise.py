"""What regularisation does inside the loop over time, drawn beforehand so that every kernel sees the same numbers."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

__all__ = ["NO_NOISE", "Noise"]


@dataclass(frozen=True)  # no tuple: autocast would take it apart and fail to put it together
class Noise:
    """What one direction of one layer is disturbed by.

    Attributes:
        state: [B, H] in sorted order, what h is multiplied by on its way to W_hh, the same at every step: recurrent
            dropout (Gal, Ghahramani, "A theoretically grounded application of dropout in recurrent neural networks",
            NeurIPS 2016). [B, P] with a projection.
        zoneout: for each tensor of the state, [N, H] in 0..1, the share of the state before a step that stays:
            new = share * old + (1 - share) * new (Krueger et al., "Zoneout", ICLR 2017). [N, P] for h with a
            projection.
    """

    state: Tensor | None = None
    zoneout: tuple[Tensor, ...] | None = None

    def __bool__(self) -> bool:
        return self.state is not None or self.zoneout is not None


NO_NOISE = Noise()
