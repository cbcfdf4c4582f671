"""Symbols in, one vector for each sequence out: embedding, recurrence, pooling."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from recurra.config import ClassifyModelConfig
from recurra.kernels.layout import Layout
from recurra.nn.pooling import Pooling
from recurra.nn.recurrent import GRU, LSTM, RNN
from recurra.nn.stack import Recurrent
from recurra.vocabulary import PADDING, UNKNOWN

__all__ = ["SequenceEncoder", "make_recurrent"]


def make_recurrent(config: ClassifyModelConfig, input_size: int) -> Recurrent:
    """Make the recurrent layers that a configuration names."""
    makers: dict[str, Callable[..., Recurrent]] = {
        "lstm": LSTM,
        "gru": GRU,
        "rnn": RNN,
        "rnn_relu": partial(RNN, nonlinearity="relu"),
    }
    between = config.dropout if config.num_layers > 1 else 0.0
    return makers[config.cell](
        input_size,
        config.hidden_size,
        num_layers=config.num_layers,
        dropout=between,
        bidirectional=config.bidirectional,
    )


class SequenceEncoder(nn.Module):
    """Encode sequences of ids as one vector each.

    The ids are packed first, so that nothing behind them ever sees padding. With the cell ``"feedforward"`` the
    embeddings are pooled as they are and go through `num_layers` rectified layers: a bag of embeddings.

    In training a share of the symbols is read as unknown ("word dropout", Iyyer et al., "Deep unordered composition
    rivals syntactic methods for text classification", ACL 2015), which also teaches the unknown symbol its vector.

    Args:
        vocabulary_size: V.
        config: sizes, cell, depth, directions, dropout and pooling.
    """

    def __init__(self, vocabulary_size: int, config: ClassifyModelConfig) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, config.embedding_size, padding_idx=PADDING)
        nn.init.uniform_(self.embedding.weight, -0.05, 0.05)
        nn.init.zeros_(self.embedding.weight[PADDING])
        self.dropout = nn.Dropout(config.dropout)
        self.word_dropout = config.word_dropout
        self.recurrent: Recurrent | None = None
        self.feedforward: nn.Module | None = None
        if config.cell == "feedforward":
            self.pooling = Pooling(config.pooling, config.embedding_size)
            sizes = [config.embedding_size, *[config.hidden_size] * config.num_layers]
            layers = [(nn.Linear(i, o), nn.ReLU(), nn.Dropout(config.dropout)) for i, o in pairwise(sizes)]
            self.feedforward = nn.Sequential(*(part for layer in layers for part in layer))
            self.output_size = config.hidden_size
        else:
            self.recurrent = make_recurrent(config, config.embedding_size)
            self.output_size = self.recurrent.num_directions * self.recurrent.output_size
            self.pooling = Pooling(config.pooling, self.output_size)

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Encode a batch.

        Args:
            values: ids, [B, T], padded with anything.
            lengths: [B], zero allowed.

        Returns:
            [B, F] with F = `output_size`.
        """
        layout = Layout.from_lengths(lengths)
        ids = layout.pack(values, batch_first=True)
        if self.training and self.word_dropout:
            ids = ids.masked_fill(torch.rand(ids.shape, device=ids.device) < self.word_dropout, UNKNOWN)
        return self.encode_vectors(self.embedding(ids), layout)

    def encode_vectors(self, vectors: Tensor, layout: Layout) -> Tensor:
        """Encode packed embeddings [N, E] as [B, F]; what is before the embedding can be taken apart with it."""
        vectors = self.dropout(vectors)
        if self.feedforward is None:
            return layout.unsort(self._encode_recurrent(vectors, layout), 0)
        return layout.unsort(cast(Tensor, self.feedforward(self.pooling(vectors, layout))), 0)

    def _encode_recurrent(self, vectors: Tensor, layout: Layout) -> Tensor:
        assert self.recurrent is not None
        outputs, state = self.recurrent.forward_packed(vectors, layout)
        last = state[0][-self.recurrent.num_directions :]
        return cast(Tensor, self.dropout(self.pooling(outputs, layout, last)))

    def load_vectors(self, ids: Tensor, values: Tensor) -> None:
        """Set the embeddings of some symbols: ids [K], values [K, E]."""
        with torch.no_grad():
            self.embedding.weight[ids] = values
