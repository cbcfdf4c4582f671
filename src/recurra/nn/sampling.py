"""Choosing the next symbol of a text from the log-probabilities that a model gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from recurra.errors import SettingsError
from recurra.nn.ranges import check_integer, check_number

__all__ = ["Sampler"]

_WINDOW = 64


@dataclass(frozen=True)
class Sampler:
    r"""How the next symbol is drawn.

    Applied in this order, each to what the one before left:

    1. ``repetition_penalty`` :math:`\theta`: log p of each of the last ``window`` symbols times :math:`\theta`, once
       however often it is among them (Keskar et al., "CTRL: a conditional transformer language model for controllable
       generation", arXiv:1909.05858, which divides positive scores; log-probabilities are not positive).
    2. ``temperature`` T: p to the power of 1 / T. 0 is greedy: the most probable symbol, of equals the first.
    3. ``top_k``: only the k most probable symbols.
    4. ``top_p``: only the most probable symbols, as few as have together at least the share p of the probability that
       is left; at least one (Holtzman et al., "The curious case of neural text degeneration", ICLR 2020).

    Of equally probable symbols at the edge those with lower ids are kept. What is kept is scaled to sum to one.

    Args:
        temperature: T, 0 or more.
        top_k: k, at least 1; None keeps all.
        top_p: p, more than 0 and at most 1, which keeps all.
        repetition_penalty: theta, at least 1, which changes nothing.
        window: how many of the latest ids the penalty reads, so that a symbol costs the same however long the text.

    Raises:
        SettingsError: an option that is out of range, or without effect beside another.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    window: int = _WINDOW

    def __post_init__(self) -> None:
        check_number("temperature", self.temperature, lambda t: t >= 0, "a number of 0 (greedy) or more")
        check_number("top_p", self.top_p, lambda p: 0 < p <= 1, "a number above 0 and at most 1 (keeps all)")
        penalty = self.repetition_penalty
        check_number("repetition_penalty", penalty, lambda theta: theta >= 1, "a number of 1 (no penalty) or more")
        if self.top_k is not None:
            check_integer("top_k", self.top_k)
        check_integer("window", self.window)
        if self.temperature == 0 and (self.top_k is not None or self.top_p < 1):
            name = "top_k" if self.top_k is not None else "top_p"
            raise SettingsError(f"{name}: it has no effect with temperature 0, which takes the most probable symbol")
        if self.window != _WINDOW and penalty == 1:
            raise SettingsError("window: it has no effect without a repetition_penalty; set one above 1")

    def probabilities(self, log_probabilities: Tensor, recent: Sequence[int] = ()) -> Tensor:
        """The distribution that the next symbol is drawn from.

        Args:
            log_probabilities: [V], natural logarithms.
            recent: the ids of the text so far, the latest last.

        Returns:
            [V], float64, summing to one.
        """
        logs = self._penalised(log_probabilities, recent)
        if self.temperature == 0:
            return torch.zeros_like(logs).index_fill_(0, logs.argmax(), 1.0)
        scores = (logs - logs.max()) / self.temperature  # without the shift a low temperature would overflow
        if self.top_k is None and self.top_p == 1:
            return scores.softmax(0)
        ordered, ids = scores.sort(descending=True, stable=True)
        shares = ordered[: self.top_k].softmax(0)
        before = shares.cumsum(0) - shares
        before[0] = 0.0  # rounding must not lose the first
        kept = torch.where(before < self.top_p, shares, 0.0)
        return torch.zeros_like(scores).index_copy_(0, ids[: self.top_k], kept / kept.sum())

    def draw(
        self, log_probabilities: Tensor, recent: Sequence[int] = (), generator: torch.Generator | None = None
    ) -> int:
        """Draw the next symbol; see :meth:`probabilities`.

        >>> Sampler(temperature=0, repetition_penalty=2).draw(torch.tensor([0.7, 0.2, 0.1]).log(), recent=[0, 2])
        0
        """
        shares = self.probabilities(log_probabilities, recent)
        if self.temperature == 0:
            return int(shares.argmax())
        return int(torch.multinomial(shares, 1, generator=generator))

    def _penalised(self, log_probabilities: Tensor, recent: Sequence[int]) -> Tensor:
        """The log-probabilities, those of recent symbols lowered."""
        logs = log_probabilities.detach().double()
        if self.repetition_penalty == 1 or not len(recent):
            return logs
        ids = torch.tensor(list(recent[-self.window :]), device=logs.device)
        return logs.index_copy(0, ids, logs[ids] * self.repetition_penalty)
