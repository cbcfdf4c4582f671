"""How much each token moved the answer: integrated gradients over the embeddings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from recurra.diagnose.integrated_gradients import integrate
from recurra.diagnose.reading import undisturbed
from recurra.diagnose.readings.classify import read_text
from recurra.diagnose.readings.items import Given
from recurra.kernels.layout import Layout
from recurra.tasks.classify import Classify
from recurra.vocabulary import Token

__all__ = ["Explanation", "token_influences"]

_STEPS = 256


@dataclass(frozen=True)
class Explanation:
    """An answer, and each token's part in it.

    Attributes:
        text: what was explained.
        tokens: the T tokens that the model read; `known` is false where it saw the unknown symbol in a token's place.
        influences: of each token on the margin, [T], in log-odds; above zero it speaks for the answer, below against.
        label: the answer.
        probabilities: of each class.
        margin: log-odds of the answer against the rest.
        start: the margin when every token is unknown; the influences lead from here to `margin`.
        gap: sum of the influences, less `margin - start`: the error of the numerical integral.
        truncated: tokens at the end of the text that the model was not given.
    """

    text: str
    tokens: list[Token]
    influences: NDArray[np.float64]
    label: str
    probabilities: dict[str, float]
    margin: float
    start: float
    gap: float
    truncated: int


def token_influences(task: Classify, text: str, steps: int = _STEPS) -> Explanation:
    r"""Explain the answer to one text by integrated gradients (Sundararajan, Taly, Yan, ICML 2017).

    .. math:: \phi_t = (e_t - u) \cdot \int_0^1 \nabla_{e_t} m(u + a (e - u)) \, da

    with :math:`e_t` the embedding of token t, :math:`u` that of the unknown symbol, and :math:`m` the log-odds of the
    answer against all other classes. The start is the text with every token unknown, which a model has seen in training
    (`word_dropout`); a token that the vocabulary does not know has therefore no influence. The integral is a midpoint
    sum. The influences add up to the change of the margin but for `gap`.

    Args:
        task: with its trained network.
        text: may be empty; then there are no influences.
        steps: points of the sum; more make `gap` smaller.
    """
    found = task.vocabulary.tokens(text)
    tokens = found[: task.config.vocabulary.max_length]
    with undisturbed(task.network):
        reading = read_text(task, Given(text, text))
        influences = integrate(reading, steps)
        with torch.no_grad():
            vectors, layout = reading.vectors, Layout.full(len(tokens), 1)
            probabilities = task.network.from_vectors(vectors, layout)[0].softmax(dim=-1).tolist()
    return Explanation(
        text,
        tokens,
        influences.values[0],
        reading.answers[0],
        dict(zip(task.classes, probabilities)),
        float(influences.scores[0]),
        float(influences.start[0]),
        float(influences.gap[0]),
        reading.truncated,
    )
