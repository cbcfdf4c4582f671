"""Words in, one tag for each out: embedding, characters, recurrence, and a softmax or a CRF."""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from recurra.batch import TokenBatch
from recurra.config import ModelConfig
from recurra.errors import SettingsError, ShapeError
from recurra.kernels.layout import Layout
from recurra.nn.crf import CRF, Moves
from recurra.nn.encoder import SequenceEncoder, drop_symbols, make_embedding, make_recurrent
from recurra.nn.regularisation import drop_by_sequence
from recurra.nn.stack import Recurrent

__all__ = ["TaggerNetwork"]


class TaggerNetwork(nn.Module):
    """Tag every word of a sequence.

    A word is an embedding and, by option, what recurrent layers read in its characters from both ends, so that words
    never seen are not all alike (Lample et al., "Neural architectures for named entity recognition", NAACL 2016). Each
    distinct word of a batch is read once. With the cell ``"feedforward"`` words go through `num_layers` rectified
    layers, each by itself, and characters are a bag: the order of words then says nothing.

    Dropout is variational, the same numbers at every word of a sentence: on what each layer reads and on what the last
    one gives. Word dropout, see :func:`recurra.nn.encoder.drop_symbols`, leaves the characters as they are.

    Args:
        vocabulary_size: V.
        tags: K.
        cell: ``"lstm"``, ``"gru"``, ``"rnn"``, ``"rnn_relu"`` or ``"feedforward"``.
        embedding_size: of a word's vector.
        hidden_size: H, for each direction.
        num_layers: L.
        bidirectional: whether a second net reads from the end.
        dropout: share of values dropped.
        word_dropout: share of words read as unknown in training.
        character_vocabulary: number of characters; 0 for none.
        character_embedding_size: of a character's vector.
        character_hidden_size: for each direction.
        crf: whether the tags are a chain (:class:`recurra.nn.crf.CRF`) or each by itself (softmax).
        moves: which tags may follow which, for the chain.

    Raises:
        SettingsError: an argument out of range or without effect.
    """

    def __init__(
        self,
        vocabulary_size: int,
        tags: int,
        *,
        cell: str,
        embedding_size: int,
        hidden_size: int,
        num_layers: int,
        bidirectional: bool,
        dropout: float,
        word_dropout: float,
        character_vocabulary: int,
        character_embedding_size: int,
        character_hidden_size: int,
        crf: bool,
        moves: Moves | None,
    ) -> None:
        super().__init__()
        if moves is not None and not crf:
            raise SettingsError("moves: only a CRF knows of moves; set crf to True")
        self.dropout = dropout
        self.word_dropout = word_dropout
        self.embedding = make_embedding(vocabulary_size, embedding_size)
        self.characters: SequenceEncoder | None = None
        size = embedding_size
        if character_vocabulary:
            self.characters = _character_encoder(
                character_vocabulary, cell, character_embedding_size, character_hidden_size
            )
            size += self.characters.output_size
        self.recurrent: Recurrent | None = None
        self.feedforward: nn.ModuleList | None = None
        if cell == "feedforward":
            sizes = [size, *[hidden_size] * num_layers]
            self.feedforward = nn.ModuleList(nn.Linear(i, o) for i, o in pairwise(sizes))
            size = hidden_size
        else:
            self.recurrent = make_recurrent(
                cell,
                size,
                hidden_size,
                num_layers=num_layers,
                bidirectional=bidirectional,
                input_dropout=dropout,
                output_dropout=dropout,
            )
            size = self.recurrent.num_directions * hidden_size
        self.output = nn.Linear(size, tags)
        self.crf = CRF(tags, moves) if crf else None

    def forward(self, batch: TokenBatch) -> tuple[Tensor, Layout]:
        """Score every tag of every token.

        Returns:
            The emissions [N, K], packed, and how their rows are arranged.

        Raises:
            ShapeError: a batch with characters where the network reads none, or the other way round.
        """
        layout = Layout.from_lengths(batch.lengths)
        vectors = self._embed(batch, layout)
        if self.recurrent is not None:
            outputs, _ = self.recurrent.forward_packed(vectors, layout)
        else:
            assert self.feedforward is not None
            outputs = self._drop(vectors, layout)
            for layer in self.feedforward:
                outputs = self._drop(torch.relu(layer(outputs)), layout)
        return cast(Tensor, self.output(outputs)), layout

    def loss(self, batch: TokenBatch) -> Tensor:
        """-log p of the labels, per token: of each by itself, or of each sequence as a whole; 0 without tokens."""
        assert batch.labels is not None
        emissions, layout = self(batch)
        labels = layout.pack(batch.labels, batch_first=True)
        if self.crf is not None:
            summed = self.crf.negative_log_likelihood(emissions, layout, labels).sum()
        else:
            summed = nn.functional.cross_entropy(emissions, labels, reduction="sum")
        return summed / max(len(labels), 1)

    @torch.no_grad()
    def answer(self, batch: TokenBatch) -> tuple[Tensor, Tensor]:
        """Tag, as in evaluation if the module is in it.

        Returns:
            The tags and the probability of each, [B, T], zeros in the padding; with a CRF the tags are the most
            probable path, and the probability is that of a tag over all paths.
        """
        emissions, layout = self(batch)
        if self.crf is not None:
            tags, probabilities = self.crf.decode(emissions, layout), self.crf.marginals(emissions, layout)
        else:
            precise = torch.promote_types(emissions.dtype, torch.float32)  # under autocast they are in bfloat16
            tags, probabilities = emissions.argmax(1), emissions.softmax(1, dtype=precise)
        confidences = probabilities.gather(1, tags.unsqueeze(1)).squeeze(1)
        time = batch.values.shape[1]
        return layout.unpack(tags, time, batch_first=True), layout.unpack(confidences, time, batch_first=True)

    def load_vectors(self, ids: Tensor, values: Tensor) -> None:
        """Set the embeddings of some words: ids [K], values [K, E]."""
        with torch.no_grad():
            self.embedding.weight[ids] = values

    def _embed(self, batch: TokenBatch, layout: Layout) -> Tensor:
        ids = layout.pack(batch.values, batch_first=True)
        if self.training and self.word_dropout:
            ids = drop_symbols(ids, self.word_dropout)
        vectors = cast(Tensor, self.embedding(ids))
        if (self.characters is None) != (batch.characters is None):
            has, lacks = ("batch", "network") if self.characters is None else ("network", "batch")
            raise ShapeError(f"characters: the {has} has some, the {lacks} has none; give both or neither")
        if self.characters is None or batch.characters is None:
            return vectors
        values, lengths, of_token = batch.characters
        spelt = self.characters(values, lengths).index_select(0, layout.pack(of_token, batch_first=True))
        return torch.cat([vectors, spelt], dim=1)

    def _drop(self, data: Tensor, layout: Layout) -> Tensor:
        return drop_by_sequence(data, layout, self.dropout) if self.training and self.dropout else data


def _character_encoder(vocabulary_size: int, cell: str, embedding_size: int, hidden_size: int) -> SequenceEncoder:
    """Read words by the final states of both directions, without dropout: it comes on what is read."""
    config = ModelConfig.model_validate(
        {
            "cell": cell,
            "embedding_size": embedding_size,
            "hidden_size": hidden_size,
            "dropout": 0.0,
            "word_dropout": 0.0,
            "pooling": "mean" if cell == "feedforward" else "final",
        }
    )
    return SequenceEncoder(vocabulary_size, config)
