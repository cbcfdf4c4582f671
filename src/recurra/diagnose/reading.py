"""One input as a network reads it, and what is asked of the answer: all that `recurra explain` measures with."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recurra.diagnose.explained import Forming
from recurra.diagnose.layers import named_layers
from recurra.errors import DataError

__all__ = ["Reading", "blocks", "log_odds", "percent", "require_some", "undisturbed"]

_MOST_PIECES = 60  # of steps or frames, which have no names: more are not read by anyone


@dataclass(frozen=True)
class Reading:
    """An input in T steps of I numbers, shown as P pieces, and A answers.

    Attributes:
        source: the input as it was given.
        pieces: as they are shown, [P].
        known: whether the vocabulary knows each; True where there is none.
        is_text: whether they are of a text; else of steps or frames.
        truncated: pieces at the end that the model was not given.
        network: that reads it.
        vectors: what the network reads, [T, I].
        start: what says nothing, in the place of each step, [T, I].
        piece_of: the piece that each step belongs to, ascending, [T].
        removable: whether a piece is left out by taking it away; else it is replaced by what says nothing.
        scores: of the answers, [B, A], from B variants of the input: their vectors, [B, T', I], and the numbers of the
            steps that these are, ascending, [B, T'], as some may have been taken away. It can be differentiated.
        answers: as they are shown, [A].
        told: each in one line, [A].
        unit: of the scores.
        read_at: what is read at each step of a recurrent layer, told its name and how many steps it takes.
        forming: the answer after each number of pieces.
        probable: whether the values of that are probabilities; else they are forecasts.
        attention: where the network looks for each answer, [A, P]; None where it has no attention.
        names: what each answer is called beside others, [A]; empty where it is the answer itself.
        whole: the answers as one text, where they are the symbols of one.
        surprise: whether the answers are the symbols that came, and their scores log-probabilities.
    """

    source: str
    pieces: Sequence[str]
    known: Sequence[bool]
    is_text: bool
    truncated: int
    network: nn.Module
    vectors: Tensor
    start: Tensor
    piece_of: NDArray[np.int64]
    removable: bool
    scores: Callable[[Tensor, Tensor], Tensor]
    answers: Sequence[str]
    told: Sequence[str]
    unit: str
    read_at: Callable[[str, int], Sequence[str]]
    forming: Callable[[], Sequence[Forming]] = field(default=list)
    probable: bool = True
    attention: NDArray[np.float64] | None = None
    names: Sequence[str] = ()
    whole: str = ""
    surprise: bool = False

    def score(self, variants: Tensor) -> Tensor:
        """The scores [B, A] of variants of the whole input, [B, T, I]."""
        steps = torch.arange(variants.shape[1], device=variants.device)
        return self.scores(variants, steps.expand(len(variants), -1))

    def work(self) -> float:
        """What one variant takes: products with the weights of recurrent layers, over all steps."""
        layers = {id(layer.module): layer.module for layer in named_layers(self.network)}
        weights = sum(each.numel() for module in layers.values() for each in module.parameters())
        return float(max(1, weights) * max(1, len(self.vectors)))

    def to_pieces(self, of_steps: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum what belongs to the steps of each piece: [A, T] to [A, P]."""
        summed = np.zeros((len(of_steps), len(self.pieces)))
        np.add.at(summed.T, self.piece_of, of_steps.T)
        return summed


@contextlib.contextmanager
def undisturbed(network: nn.Module) -> Iterator[None]:
    """Neither dropout nor gradients of the weights, which are costly and not asked for; all is as before afterwards."""
    training, learning = network.training, [each for each in network.parameters() if each.requires_grad]
    network.eval()
    try:
        with torch.inference_mode(False):
            for parameter in learning:
                parameter.requires_grad_(False)
            yield
    finally:
        for parameter in learning:
            parameter.requires_grad_(True)
        network.train(training)


def log_odds(logits: Tensor, classes: Tensor) -> Tensor:
    """Log-odds of one class against all others: logits [..., C] and numbers of classes [...] in, [...] out."""
    chosen = classes.unsqueeze(-1)
    others = logits.scatter(-1, chosen, -torch.inf)
    return logits.gather(-1, chosen).squeeze(-1) - others.logsumexp(-1)


def blocks(steps: int, multiple: int = 1, most: int = _MOST_PIECES) -> NDArray[np.int64]:
    """Gather steps into blocks of one size, the last one shorter: the number of the block of each step.

    Args:
        steps: how many.
        multiple: that the size of a block is of.
        most: blocks at most.

    >>> blocks(7, most=3).tolist()
    [0, 0, 0, 1, 1, 1, 2]
    """
    size = multiple * max(1, math.ceil(steps / (most * multiple)))
    return np.arange(steps) // size


def percent(probability: float) -> str:
    """A probability as it is told, which is never none and never all: rounding would claim it.

    >>> percent(0.123), percent(1.0), percent(1e-9)
    ('12.3 %', 'over 99.9 %', 'below 0.1 %')
    """
    if probability >= 0.9995:
        return "over 99.9 %"
    return "below 0.1 %" if probability < 0.0005 else f"{100 * probability:.1f} %"


def require_some(count: int, given: str, what: str) -> None:
    """Require that there is something to explain.

    Raises:
        DataError: there is nothing.
    """
    if not count:
        raise DataError(f"explain: expected {what}, found none in {given!r}; there is nothing to explain")
