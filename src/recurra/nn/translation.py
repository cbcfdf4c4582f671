"""The network of a translator: source symbols in, the probability of each target symbol out."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from recurra.batch import PairBatch
from recurra.config import TranslateModelConfig
from recurra.errors import SettingsError, ShapeError
from recurra.kernels.cells import CELLS
from recurra.kernels.layout import Layout
from recurra.nn.attention import coverage_loss
from recurra.nn.decoder import Decoded, Decoder, DecoderState, Encoding
from recurra.nn.encoder import make_tied_embedding, read_tied
from recurra.nn.source_encoder import SourceEncoder
from recurra.nn.step_loop import decode_by_steps
from recurra.vocabulary import END, PADDING

__all__ = ["Scored", "TranslationNetwork"]


class Scored(NamedTuple):
    """What the network makes of a batch.

    Attributes:
        loss: mean cross entropy of the target symbols in nats and, with coverage, what that adds; a scalar.
        coverage: of that, the part of coverage, or None.
    """

    loss: Tensor
    coverage: Tensor | None


class TranslationNetwork(nn.Module):
    """An encoder of the source, a bridge, and a decoder of the target with or without attention.

    The target is read whole in one call of the recurrence where no step depends on what attention found before, and
    step by step with input feeding or where the decoder reads symbols of its own.

    Args:
        source_size: number of source symbols; as many as target symbols with `shared` or copying.
        target_size: V, number of target symbols.
        config: cells, sizes, depth, dropout, attention and what goes with it.
        shared: whether both sides have one set of embeddings; with copying they do in any case.

    Raises:
        SettingsError: two sizes where there is one vocabulary, or no attention where something needs it.
    """

    def __init__(self, source_size: int, target_size: int, config: TranslateModelConfig, shared: bool) -> None:
        super().__init__()
        _check_settings(source_size, target_size, config, shared or config.copying)
        size = config.hidden_size
        memory_size = size if config.attention == "dot" or not config.bidirectional else 2 * size
        self.decoder = Decoder(target_size, memory_size, config)
        self.encoder = SourceEncoder(config, CELLS[self.decoder.recurrent.cell].states)
        self.source_embedding: nn.Embedding | None = None  # one module in two places would be saved twice
        if not (shared or config.copying):
            self.source_embedding = make_tied_embedding(source_size, config.embedding_size)

    def forward(self, batch: PairBatch, label_smoothing: float = 0.0) -> Scored:
        """Score the targets of a batch, which are given to the decoder but for the share that it reads from itself.

        Args:
            batch: sources and targets.
            label_smoothing: share of the target probability spread over all symbols; without effect with copying.
        """
        encoding, layout, targets, decoded = self._decode(batch, batch.sampling)
        loss = self.decoder.loss(decoded, targets, layout, encoding, label_smoothing)
        if not self.decoder.has_coverage:
            return Scored(loss, None)
        assert decoded.weights is not None
        coverage = coverage_loss(decoded.weights, batch.lengths)
        return Scored(loss + coverage, coverage)

    @torch.no_grad()
    def score(self, batch: PairBatch) -> Tensor:
        """The log-probability in nats of each target symbol given those before it, [B, T], zeros in the padding."""
        encoding, layout, targets, decoded = self._decode(batch, sampling=0.0)
        logs = self.decoder.score(decoded, targets, layout, encoding)
        return layout.unpack(logs, batch.targets.shape[1], batch_first=True)

    def _decode(self, batch: PairBatch, sampling: float) -> tuple[Encoding, Layout, Tensor, Decoded]:
        """The sources encoded, the targets packed, and what the decoder makes of them."""
        encoding = self.encode(batch.sources, batch.source_lengths, batch.copies, batch.extra)
        layout = Layout.from_lengths(batch.lengths)
        targets = layout.pack(batch.targets, batch_first=True)
        return encoding, layout, targets, self.decode(batch.targets, layout, encoding, sampling)

    def decode(self, targets: Tensor, layout: Layout, encoding: Encoding, sampling: float = 0.0) -> Decoded:
        """What the decoder makes of the symbols before each of some targets, which are given to it.

        Args:
            targets: [B, T], padded at the end.
            layout: how they are arranged.
            encoding: of the sources.
            sampling: share of the symbols that the decoder reads from itself.
        """
        begun = torch.cat([targets.new_full((len(targets), 1), END), targets[:, :-1]], 1)
        ids = layout.pack(begun, batch_first=True)
        if self.decoder.input_feeding or sampling:
            return decode_by_steps(self.decoder, ids, layout, encoding, sampling)
        decoded: Decoded = self.decoder(ids, layout, encoding)
        return decoded

    def encode(self, values: Tensor, lengths: Tensor, copies: Tensor | None = None, extra: int = 0) -> Encoding:
        """Read sources.

        Args:
            values: ids, [B, S], padded with anything.
            lengths: [B], zero allowed.
            copies: with copying, the symbols as ids of the target vocabulary, see :class:`recurra.batch.PairBatch`.
            extra: the largest number of unknown symbols of a source.

        Raises:
            ShapeError: copies without copying, or none with it, or of another shape.
        """
        copying = self.decoder.gate is not None
        if (copies is not None) != copying or (copies is not None and copies.shape != values.shape):
            expected = f"{list(values.shape)} as values" if copying else "None, as this network does not copy"
            raise ShapeError(f"copies: expected {expected}, got {None if copies is None else list(copies.shape)}")
        layout = Layout.from_lengths(lengths)
        vectors = self.embed_sources(layout.pack(values, batch_first=True))
        return self.encode_vectors(vectors, layout, values.shape[1], lengths, copies, extra)

    def encode_vectors(
        self,
        vectors: Tensor,
        layout: Layout,
        size: int,
        lengths: Tensor,
        copies: Tensor | None = None,
        extra: int = 0,
    ) -> Encoding:
        """Read sources by what the encoder reads of their symbols.

        Args:
            vectors: [N, E], packed.
            layout: how they are arranged.
            size: S.
            lengths: [B].
            copies: as of :meth:`encode`.
            extra: likewise.
        """
        outputs, state = self.encoder(vectors, layout)
        attention = self.decoder.attention
        if attention is None:
            return Encoding(None, state, None, 0)
        memory = attention.prepare(layout.unpack(outputs, size, batch_first=True), lengths)
        if copies is not None:
            copies = copies.masked_fill(~memory.mask, PADDING)
        return Encoding(memory, state, copies, extra)

    def embed_sources(self, ids: Tensor) -> Tensor:
        """What the encoder reads of source ids [...]: [..., E]."""
        return read_tied(self.decoder.embedding if self.source_embedding is None else self.source_embedding, ids)

    def start(self, encoding: Encoding, hypotheses: int) -> DecoderState:
        """The state of K hypotheses of each sentence before the first symbol, which is the end."""
        return self.decoder.start(encoding, hypotheses)

    @torch.no_grad()
    def step(self, ids: Tensor, state: DecoderState, encoding: Encoding) -> tuple[Tensor, Tensor | None, DecoderState]:
        """Read one symbol of each of K hypotheses of B sentences.

        Args:
            ids: [B, K]; those outside the vocabulary are read as the unknown symbol.
            state: after the symbols before.
            encoding: of the sources.

        Returns:
            The log-probabilities of the next symbol [B, K, V + extra], the weights of attention [B, K, S] or None
            without attention, and the state after the symbol. All without gradient.
        """
        decoded, state = self.decoder.step(ids, state, encoding)
        logs = self.decoder.log_probabilities(decoded, encoding.copies, encoding.extra)
        return logs.unflatten(0, ids.shape), decoded.weights, state


def _check_settings(source_size: int, target_size: int, config: TranslateModelConfig, one_vocabulary: bool) -> None:
    if one_vocabulary and source_size != target_size:
        raise SettingsError(
            f"source_size: expected {target_size}, as target_size, for the one vocabulary of shared embeddings and of "
            f"copying, got {source_size}"
        )
    for name in ("input_feeding", "coverage", "copying"):
        if config.attention == "none" and getattr(config, name):
            raise SettingsError(f"{name}: expected an attention to work with, got attention 'none'; choose another one")
