"""Symbols or vectors in, one vector for each sequence out: embedding, recurrence, pooling."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from recurra.config import ClassifyModelConfig
from recurra.config.sections import GATED
from recurra.errors import SettingsError, nearest
from recurra.kernels.layout import Layout
from recurra.nn.options import Extras
from recurra.nn.pooling import Pooling
from recurra.nn.recurrent import GRU, LSTM, RNN
from recurra.nn.stack import Recurrent
from recurra.vocabulary import PADDING, UNKNOWN

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = [
    "SequenceEncoder",
    "VectorEncoder",
    "drop_symbols",
    "make_embedding",
    "make_recurrent",
    "make_tied_embedding",
    "read_tied",
    "start_from",
]


def make_recurrent(
    cell: str,
    input_size: int,
    hidden_size: int,
    *,
    num_layers: int = 1,
    dropout: float = 0.0,
    bidirectional: bool = False,
    **extras: Unpack[Extras],
) -> Recurrent:
    """Make recurrent layers of the cell of a name.

    Args:
        cell: ``"lstm"``, ``"gru"``, ``"rnn"`` or ``"rnn_relu"``.
        input_size: I.
        hidden_size: H.
        num_layers: L.
        dropout: between layers; where there is only one, there is nothing to drop.
        bidirectional: whether a second net reads from each sequence's end.
        **extras: the options of :class:`recurra.nn.options.Extras`; `chrono_steps` makes ``init="chrono"``, but of a
            cell without gates nothing.

    Raises:
        SettingsError: a cell that is unknown, or an argument out of range.
    """
    makers: dict[str, Callable[..., Recurrent]] = {
        "lstm": LSTM,
        "gru": GRU,
        "rnn": RNN,
        "rnn_relu": partial(RNN, nonlinearity="relu"),
    }
    if cell not in makers:
        raise SettingsError(f"cell: expected one of {', '.join(makers)}, got {cell!r}{nearest(cell, makers)}")
    between = dropout if num_layers > 1 else 0.0
    if cell not in GATED:
        extras.pop("chrono_steps", None)
    return makers[cell](
        input_size,
        hidden_size,
        num_layers=num_layers,
        dropout=between,
        bidirectional=bidirectional,
        init="careful" if extras.get("chrono_steps") is None else "chrono",
        **extras,
    )


def make_embedding(vocabulary_size: int, embedding_size: int) -> nn.Embedding:
    """Make an embedding [V, E] that begins uniform in +-0.05, with zeros for padding, which stay."""
    embedding = nn.Embedding(vocabulary_size, embedding_size, padding_idx=PADDING)
    nn.init.uniform_(embedding.weight, -0.05, 0.05)
    nn.init.zeros_(embedding.weight[PADDING])
    return embedding


def make_tied_embedding(vocabulary_size: int, embedding_size: int) -> nn.Embedding:
    """Make an embedding [V, E] whose weights serve a softmax as well (:class:`recurra.nn.softmax.FullSoftmax`).

    As one matrix then serves both, it is drawn small, with variance 1 / E, and :func:`read_tied` makes what layers read
    of it sqrt(E) times as large (Vaswani et al., "Attention is all you need", NeurIPS 2017, section 3.4): without that
    the first hundreds of steps learn next to nothing.
    """
    embedding = make_embedding(vocabulary_size, embedding_size)
    nn.init.normal_(embedding.weight, std=1 / math.sqrt(embedding_size))
    nn.init.zeros_(embedding.weight[PADDING])
    return embedding


def read_tied(embedding: nn.Embedding, ids: Tensor) -> Tensor:
    """What layers read of ids [...] in an embedding of :func:`make_tied_embedding`: [..., E]."""
    return math.sqrt(embedding.embedding_dim) * cast(Tensor, embedding(ids))


def drop_symbols(ids: Tensor, p: float) -> Tensor:
    """Make each id that of the unknown symbol with probability p, which also teaches that symbol its vector.

    "Word dropout": Iyyer et al., "Deep unordered composition rivals syntactic methods for text classification", ACL
    2015.
    """
    return ids.masked_fill(torch.rand(ids.shape, device=ids.device) < p, UNKNOWN)


@torch.no_grad()
def start_from(weights: Mapping[str, Tensor], embedding: nn.Embedding, recurrent: Recurrent) -> None:
    """Give a network the embeddings and recurrent weights of a language model with the same V, E, H and L.

    A second direction, and what a layer reads of the second direction below it, stay as they were drawn.

    Args:
        weights: of the language model, by name.
        embedding: [V, E].
        recurrent: of the same cell.
    """
    embedding.weight.copy_(weights["embedding.weight"])
    for name, parameter in recurrent.named_parameters():
        if f"recurrent.{name}" in weights:
            given = weights[f"recurrent.{name}"]
            parameter[..., : given.shape[-1]] = given


class VectorEncoder(nn.Module):
    """Encode sequences of vectors as one vector each: recurrence and pooling, with dropout behind both.

    The vectors are packed first, so that nothing behind them ever sees padding. With the cell ``"feedforward"`` they
    are pooled as they are and go through `num_layers` rectified layers: a bag of vectors.

    Args:
        input_size: I, the size of a vector.
        config: sizes, cell, depth, directions, dropout and pooling.
    """

    def __init__(self, input_size: int, config: ClassifyModelConfig) -> None:
        super().__init__()
        self._add_layers(input_size, config)

    def _add_layers(self, input_size: int, config: ClassifyModelConfig) -> None:
        self.dropout = nn.Dropout(config.dropout)
        self.recurrent: Recurrent | None = None
        self.feedforward: nn.Module | None = None
        if config.cell == "feedforward":
            self.pooling = Pooling(config.pooling, input_size)
            sizes = [input_size, *[config.hidden_size] * config.num_layers]
            layers = [(nn.Linear(i, o), nn.ReLU(), nn.Dropout(config.dropout)) for i, o in pairwise(sizes)]
            self.feedforward = nn.Sequential(*(part for layer in layers for part in layer))
            self.output_size = config.hidden_size
        else:
            self.recurrent = make_recurrent(
                config.cell,
                input_size,
                config.hidden_size,
                num_layers=config.num_layers,
                chrono_steps=config.chrono_steps,
                dropout=config.dropout,
                bidirectional=config.bidirectional,
            )
            self.output_size = self.recurrent.num_directions * self.recurrent.output_size
            self.pooling = Pooling(config.pooling, self.output_size)

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Encode a batch.

        Args:
            values: vectors, [B, T, I], padded with anything.
            lengths: [B], zero allowed.

        Returns:
            [B, F] with F = `output_size`.
        """
        layout = Layout.from_lengths(lengths)
        return self.encode_vectors(layout.pack(values, batch_first=True), layout)

    def encode_vectors(self, vectors: Tensor, layout: Layout) -> Tensor:
        """Encode packed vectors [N, I] as [B, F]; what is before them can be taken apart with it."""
        if self.feedforward is None:
            return layout.unsort(self._encode_recurrent(vectors, layout), 0)
        return layout.unsort(cast(Tensor, self.feedforward(self.pooling(vectors, layout))), 0)

    def attention(self, vectors: Tensor, layout: Layout) -> Tensor | None:
        """The share of each step in what packed vectors [N, I] are pooled to, [B, T]; None without attention."""
        if self.pooling.kind != "attention":
            return None
        outputs = vectors if self.recurrent is None else self.recurrent.forward_packed(vectors, layout)[0]
        return layout.unsort(self.pooling.weights(outputs, layout).squeeze(2), 1).t()

    def _encode_recurrent(self, vectors: Tensor, layout: Layout) -> Tensor:
        assert self.recurrent is not None
        outputs, state = self.recurrent.forward_packed(vectors, layout)
        last = state[0][-self.recurrent.num_directions :]
        return cast(Tensor, self.dropout(self.pooling(outputs, layout, last)))


class SequenceEncoder(VectorEncoder):
    """Encode sequences of ids as one vector each: an embedding, and what a :class:`VectorEncoder` makes of it.

    In training a share of the symbols is read as unknown, see :func:`drop_symbols`, and embeddings are dropped too.

    Args:
        vocabulary_size: V.
        config: sizes, cell, depth, directions, dropout and pooling.
    """

    def __init__(self, vocabulary_size: int, config: ClassifyModelConfig) -> None:
        nn.Module.__init__(self)  # and not the encoder's: the embedding is the first that is drawn
        self.embedding = make_embedding(vocabulary_size, config.embedding_size)
        self.word_dropout = config.word_dropout
        self._add_layers(config.embedding_size, config)

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
            ids = drop_symbols(ids, self.word_dropout)
        return self.encode_vectors(self.dropout(self.embedding(ids)), layout)

    def load_vectors(self, ids: Tensor, values: Tensor) -> None:
        """Set the embeddings of some symbols: ids [K], values [K, E]."""
        with torch.no_grad():
            self.embedding.weight[ids] = values
