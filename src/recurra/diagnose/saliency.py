"""How much each token moved the answer: integrated gradients over the embeddings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recurra.kernels.layout import Layout
from recurra.nn.classifier import TextClassifier
from recurra.tasks.classify import Classify
from recurra.vocabulary import UNKNOWN, Token

__all__ = ["Explanation", "token_influences"]

_STEPS = 256
_TOKENS_AT_ONCE = 16_384


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
    network = task.network
    was_training = network.training
    network.eval()
    try:
        with torch.no_grad():
            embedding = network.encoder.embedding.weight.detach()
            vectors = embedding[torch.tensor([token.id for token in tokens], dtype=torch.int64)]  # [T, E]
            start = embedding[UNKNOWN].expand_as(vectors)
            logits = _logits(network, torch.stack([vectors, start], dim=1))
        answer = int(logits[0].argmax())
        margin, start_margin = _margins(logits.double(), answer).tolist()
        influences = _integrate(network, vectors, start, answer, steps)
    finally:
        network.train(was_training)
    return Explanation(
        text,
        tokens,
        influences,
        task.classes[answer],
        dict(zip(task.classes, logits[0].softmax(dim=-1).tolist())),
        margin,
        start_margin,
        float(influences.sum()) - (margin - start_margin),
        len(found) - len(tokens),
    )


def _integrate(network: TextClassifier, vectors: Tensor, start: Tensor, answer: int, steps: int) -> NDArray[np.float64]:
    """The influence of each token: its change, times the mean gradient on the straight way from start to text."""
    mean = torch.zeros(vectors.shape, dtype=torch.float64)
    if not len(vectors):
        return np.zeros(0)
    shares = (torch.arange(steps, dtype=vectors.dtype, device=vectors.device) + 0.5) / steps
    for some in shares.split(max(1, _TOKENS_AT_ONCE // len(vectors))):
        with torch.enable_grad():
            points = (start.unsqueeze(1) + some.view(1, -1, 1) * (vectors - start).unsqueeze(1)).requires_grad_()
            total = _margins(_logits(network, points), answer).sum()
            (gradient,) = torch.autograd.grad(total, points)  # [T, points, E]
        mean += gradient.double().sum(1).cpu() / steps
    influences: NDArray[np.float64] = ((vectors - start).double().cpu() * mean).sum(1).numpy()
    return influences


def _logits(network: TextClassifier, vectors: Tensor) -> Tensor:
    """Score texts of equal length from their embeddings [T, B, E]: logits [B, C]."""
    time, batch, _ = vectors.shape
    return network.from_vectors(vectors.flatten(0, 1), Layout.full(time, batch))


def _margins(logits: Tensor, answer: int) -> Tensor:
    """Log-odds of one class against all others, [B]."""
    others = torch.cat([logits[:, :answer], logits[:, answer + 1 :]], dim=1)
    return logits[:, answer] - others.logsumexp(dim=1)
