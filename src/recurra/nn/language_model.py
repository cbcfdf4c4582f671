"""The network of a language model: symbols in, the probability of each next symbol out."""

from __future__ import annotations

import math
from typing import NamedTuple

from torch import Tensor, nn

from recurra.config import LanguageModelNetworkConfig
from recurra.kernels.cells import State
from recurra.nn.encoder import make_recurrent, make_tied_embedding, read_tied
from recurra.nn.regularisation import draw_mask
from recurra.nn.softmax import AdaptiveSoftmax, FullSoftmax

__all__ = ["LanguageModelNetwork", "Reading"]

_LARGE = 10_000  # symbols from which on clusters of the rare ones save more than they cost


class Reading(NamedTuple):
    """What the network makes of some steps.

    Attributes:
        loss: mean negative log-probability of the targets in nats, a scalar.
        outputs: of the recurrent layers, [T, B, H].
        dropped: the same with dropout, as the output layer read them.
        state: after the last step, tensors [L, B, H].
    """

    loss: Tensor
    outputs: Tensor
    dropped: Tensor
    state: State


class LanguageModelNetwork(nn.Module):
    """Embeddings, recurrent layers of one direction, and a softmax over the vocabulary.

    Dropout is variational: one mask for all steps of a call (Gal, Ghahramani, NeurIPS 2016). With `tied` the output
    layer's weights are the embeddings (Press, Wolf, "Using the output embedding to improve language models", EACL
    2017), which :func:`recurra.nn.encoder.make_tied_embedding` draws for that; a linear layer stands before it where
    their size is not H. A `word_dropout` share of the symbols has zeros for an embedding, the same ones at all steps of
    a call, and `weight_dropout` drops recurrent weights (Merity, Keskar, Socher, "Regularizing and optimizing LSTM
    language models", ICLR 2018).

    Args:
        vocabulary_size: V; ids are sorted by frequency.
        config: sizes, cell, depth, dropouts and the kind of softmax.
    """

    def __init__(self, vocabulary_size: int, config: LanguageModelNetworkConfig) -> None:
        super().__init__()
        self.dropout = config.dropout
        self.word_dropout = config.word_dropout
        self.embedding = make_tied_embedding(vocabulary_size, config.embedding_size)
        self.recurrent = make_recurrent(
            config.cell,
            config.embedding_size,
            config.hidden_size,
            num_layers=config.num_layers,
            chrono_steps=config.chrono_steps,
            input_dropout=config.dropout,
            weight_dropout=config.weight_dropout,
        )
        size = config.embedding_size if config.tied else config.hidden_size
        self.projection = nn.Identity() if size == config.hidden_size else nn.Linear(config.hidden_size, size)
        kind = config.softmax
        if kind == "auto":
            kind = "adaptive" if vocabulary_size >= _LARGE else "full"
        made = AdaptiveSoftmax if kind == "adaptive" else FullSoftmax
        tied_to = self.embedding if config.tied else None
        self.softmax: AdaptiveSoftmax | FullSoftmax = made(vocabulary_size, size, tied_to=tied_to)

    def forward(self, values: Tensor, targets: Tensor, state: State | None = None) -> Reading:
        """Read some steps and score what came next.

        Args:
            values: ids, [B, T].
            targets: the id after each, [B, T].
            state: after the steps before these, tensors [L, B, H]; zeros when None.
        """
        outputs, state = self.read(values, state)
        dropped = self._drop(outputs)
        flat = self.projection(dropped.flatten(0, 1))
        return Reading(self.softmax.loss(flat, targets.t().flatten()), outputs, dropped, state)

    def score(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The log-probability in nats of targets [B, T] after outputs [T, B, H], as [T, B], without gradient."""
        flat = self.projection(outputs.flatten(0, 1))
        return self.softmax.token_log_probabilities(flat, targets.t().flatten()).view(outputs.shape[:2])

    def read(self, values: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Run the recurrent layers: ids [B, T] in, outputs [T, B, H] and the state after them out."""
        hx = None if state is None else state if len(state) > 1 else state[0]
        outputs, final = self.recurrent(self.embed(values.t()), hx)
        return outputs, final if isinstance(final, tuple) else (final,)

    def log_probabilities(self, outputs: Tensor) -> Tensor:
        """The log-probability of each next symbol, [N, V], after outputs [N, H]."""
        return self.softmax.log_probabilities(self.projection(outputs))

    def step(self, ids: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Read one symbol of each sequence, ids [B]; the log-probabilities of the next [B, V], and the new state."""
        hx = None if state is None else state if len(state) > 1 else state[0]
        output, final = self.recurrent.step(self.embed(ids), hx)
        return self.log_probabilities(output), final if isinstance(final, tuple) else (final,)

    def embed(self, ids: Tensor) -> Tensor:
        """What the layers read of ids [...]: [..., E]."""
        vectors = read_tied(self.embedding, ids)
        if not (self.training and self.word_dropout):
            return vectors
        kept = draw_mask(vectors, self.embedding.num_embeddings, 1, self.word_dropout)
        return vectors * kept[ids]

    def starting_weights(self) -> dict[str, Tensor]:
        """The weights by name, for a network that reads its embeddings as they are: they are scaled."""
        weights = self.state_dict()
        scale = math.sqrt(self.embedding.embedding_dim)
        return {**weights, "embedding.weight": scale * weights["embedding.weight"]}

    def _drop(self, outputs: Tensor) -> Tensor:
        if not (self.training and self.dropout):
            return outputs
        return outputs * draw_mask(outputs, outputs.shape[1], outputs.shape[2], self.dropout)
