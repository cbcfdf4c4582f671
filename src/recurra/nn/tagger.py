"""Words in, one tag for each out: embedding, characters, recurrence, and a softmax or a CRF."""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from recurra.batch import TokenBatch
from recurra.config import ClassifyModelConfig, TagModelConfig
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
        config: cell, sizes, depth, directions, dropout, and whether there are characters and a CRF.
        character_vocabulary: number of characters; without effect where the network reads none.
        moves: which tags may follow which, for the CRF.

    Raises:
        SettingsError: an argument out of range or without effect.
    """

    def __init__(
        self,
        vocabulary_size: int,
        tags: int,
        config: TagModelConfig,
        *,
        character_vocabulary: int = 0,
        moves: Moves | None = None,
    ) -> None:
        super().__init__()
        if moves is not None and not config.crf:
            raise SettingsError("moves: only a CRF knows of moves; set crf to True")
        self.dropout = config.dropout
        self.word_dropout = config.word_dropout
        self.embedding = make_embedding(vocabulary_size, config.embedding_size)
        self.characters = _character_encoder(character_vocabulary, config) if config.characters else None
        size = config.embedding_size + (0 if self.characters is None else self.characters.output_size)
        self.recurrent: Recurrent | None = None
        self.feedforward: nn.ModuleList | None = None
        if config.cell == "feedforward":
            sizes = [size, *[config.hidden_size] * config.num_layers]
            self.feedforward = nn.ModuleList(nn.Linear(i, o) for i, o in pairwise(sizes))
            size = config.hidden_size
        else:
            self.recurrent = make_recurrent(
                config.cell,
                size,
                config.hidden_size,
                num_layers=config.num_layers,
                chrono_steps=config.chrono_steps,
                bidirectional=config.bidirectional,
                input_dropout=config.dropout,
                output_dropout=config.dropout,
            )
            size = self.recurrent.num_directions * config.hidden_size
        self.output = nn.Linear(size, tags)
        self.crf = CRF(tags, moves) if config.crf else None

    def forward(self, batch: TokenBatch) -> tuple[Tensor, Layout]:
        """Score every tag of every token.

        Returns:
            The emissions [N, K], packed, and how their rows are arranged.

        Raises:
            ShapeError: a batch with characters where the network reads none, or the other way round.
        """
        layout = Layout.from_lengths(batch.lengths)
        return self.from_vectors(self.embed(batch, layout), layout), layout

    def from_vectors(self, vectors: Tensor, layout: Layout) -> Tensor:
        """The emissions [N, K], packed, from what stands for each token, [N, I], packed."""
        if self.recurrent is not None:
            outputs, _ = self.recurrent.forward_packed(vectors, layout)
        else:
            assert self.feedforward is not None
            outputs = self._drop(vectors, layout)
            for layer in self.feedforward:
                outputs = self._drop(torch.relu(layer(outputs)), layout)
        return cast(Tensor, self.output(outputs))

    def loss(self, emissions: Tensor, layout: Layout, labels: Tensor) -> Tensor:
        """-log p of the labels, per token: of each by itself, or of each sequence as a whole; 0 without tokens.

        Args:
            emissions: [N, K], of :meth:`forward`.
            layout: likewise.
            labels: [B, T], padded with anything.
        """
        packed = layout.pack(labels, batch_first=True)
        if self.crf is not None:
            summed = self.crf.negative_log_likelihood(emissions, layout, packed).sum()
        else:
            summed = nn.functional.cross_entropy(emissions, packed, reduction="sum")
        return summed / max(len(packed), 1)

    @torch.no_grad()
    def probabilities(self, emissions: Tensor, layout: Layout) -> Tensor:
        """The probability of each tag at each token, [N, K], packed; with a CRF over all paths."""
        if self.crf is not None:
            return self.crf.marginals(emissions, layout)
        precise = torch.promote_types(emissions.dtype, torch.float32)  # under autocast they are in bfloat16
        return emissions.softmax(1, dtype=precise)

    @torch.no_grad()
    def answer(self, emissions: Tensor, layout: Layout) -> tuple[Tensor, Tensor]:
        """Choose the tags.

        Returns:
            The tags and the probability of each, [N], packed; with a CRF the tags are the most probable path, and the
            probability is that of a tag over all paths.
        """
        probabilities = self.probabilities(emissions, layout)
        tags = probabilities.argmax(1) if self.crf is None else self.crf.decode(emissions, layout)
        return tags, probabilities.gather(1, tags.unsqueeze(1)).squeeze(1)

    def load_vectors(self, ids: Tensor, values: Tensor) -> None:
        """Set the embeddings of some words: ids [K], values [K, E]."""
        with torch.no_grad():
            self.embedding.weight[ids] = values

    def embed(self, batch: TokenBatch, layout: Layout) -> Tensor:
        """What stands for each token, [N, I], packed: its embedding and, behind it, what its characters say."""
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


def _character_encoder(vocabulary_size: int, config: TagModelConfig) -> SequenceEncoder:
    """Read words by the final states of both directions, without dropout: it comes on what is read."""
    of_characters = ClassifyModelConfig(
        cell=config.cell,
        embedding_size=config.character_embedding_size,
        hidden_size=config.character_hidden_size,
        dropout=0.0,
        word_dropout=0.0,
        pooling="mean" if config.cell == "feedforward" else "final",
    )
    return SequenceEncoder(vocabulary_size, of_characters)
