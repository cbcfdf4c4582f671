"""SpecAugment: in training, parts of a recording are hidden, so that a network learns to do without any one of them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from recurra.errors import SettingsError

__all__ = ["SpecAugment"]

_MOST_FRAMES = 70


class SpecAugment(nn.Module):
    """Hide stretches of time and ranges of frequency in training; in evaluation change nothing.

    Each mask has a width drawn uniformly from none to a most, and then a place drawn uniformly: in time the most is 70
    frames and a fifth of the recording, in frequency 15 of 80 bands, and of other numbers the same share. These are the
    widths of policy SM of Park et al., "SpecAugment", Interspeech 2019; its warping of time, which gained least there,
    is left out. Masks may overlap. Hidden numbers become 0, the mean of normalised features.

    Args:
        time_masks: stretches of time, at least 0, for each recording.
        frequency_masks: ranges of the F numbers of a frame, at least 0, for each recording.

    Raises:
        SettingsError: a number below zero.
    """

    def __init__(self, time_masks: int, frequency_masks: int) -> None:
        super().__init__()
        for name, value in (("time_masks", time_masks), ("frequency_masks", frequency_masks)):
            if value < 0:
                raise SettingsError(f"{name}: expected an integer of at least 0, got {value!r}")
        self.time_masks = time_masks
        self.frequency_masks = frequency_masks

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Hide parts of recordings [B, T, F] with lengths [B] in frames, each by masks of its own; return a copy.

        What is drawn does not depend on the padding: masks lie within each recording's own length.
        """
        if not self.training:
            return values
        lengths = lengths.to(values.device)
        numbers = lengths.new_full(lengths.shape, values.shape[2])
        most_frames, most_numbers = (lengths // 5).clamp(max=_MOST_FRAMES), numbers * 15 // 80
        hidden_time = _draw_masks(self.time_masks, values.shape[1], lengths, most_frames)
        hidden_numbers = _draw_masks(self.frequency_masks, values.shape[2], numbers, most_numbers)
        return values.masked_fill(hidden_time.unsqueeze(2) | hidden_numbers.unsqueeze(1), 0.0)

    def extra_repr(self) -> str:
        """The numbers of masks."""
        return f"time_masks={self.time_masks}, frequency_masks={self.frequency_masks}"


def _draw_masks(count: int, size: int, lengths: Tensor, most: Tensor) -> Tensor:
    """Which of `size` places are hidden, [B, size], by `count` masks of at most `most` [B] within `lengths` [B]."""
    drawn = torch.rand(2, count, len(lengths), device=lengths.device)
    width = (drawn[0] * (most + 1)).long()
    first = (drawn[1] * (lengths - width + 1)).long()
    places = torch.arange(size, device=lengths.device)
    return ((places >= first.unsqueeze(2)) & (places < (first + width).unsqueeze(2))).any(0)
