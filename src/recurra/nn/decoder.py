"""Target symbols, one after the other: embedding, recurrence, attention, and the probability of the next symbol."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from recurra.config import TranslateModelConfig
from recurra.kernels.cells import State
from recurra.kernels.layout import Layout
from recurra.nn.attention import Attention, Memory
from recurra.nn.copying import CopyGate, copy_distribution, log_probabilities_of, mixed_of_targets
from recurra.nn.encoder import make_recurrent, make_tied_embedding, read_tied
from recurra.nn.regularisation import drop_by_sequence
from recurra.nn.softmax import FullSoftmax
from recurra.vocabulary import UNKNOWN

__all__ = ["Decoded", "Decoder", "DecoderState", "Encoding"]


class Encoding(NamedTuple):
    """What the encoder made of B sources.

    Attributes:
        memory: what attention looks at, or None without attention.
        state: that the decoder begins with, tensors [L, B, H].
        copies: with copying, the sources as ids of the target vocabulary, [B, S]; padding in their padding.
        extra: the largest number of unknown symbols of a source.
    """

    memory: Memory | None
    state: State
    copies: Tensor | None
    extra: int

    def keep(self, sentences: Tensor) -> Encoding:
        """Those of some sentences, by their numbers [B']."""
        sentences = sentences.to(self.state[0].device)
        memory = None if self.memory is None else Memory(*(part.index_select(0, sentences) for part in self.memory))
        state = tuple(part.index_select(1, sentences) for part in self.state)
        copies = None if self.copies is None else self.copies.index_select(0, sentences)
        return Encoding(memory, state, copies, self.extra)


class DecoderState(NamedTuple):
    """Where K hypotheses of each of B sentences are.

    Attributes:
        hidden: state of the recurrent layers, tensors [L, B * K, H].
        fed: with input feeding, what was attended to before, [B * K, E].
        covered: with coverage, the sum of the weights of attention so far, [B, K, S].
    """

    hidden: State
    fed: Tensor | None
    covered: Tensor | None

    def reorder(self, parents: Tensor) -> DecoderState:
        """The state in which each hypothesis goes on from another of its sentence: their numbers, [B, K']."""
        batch, most = len(parents), self.hidden[0].shape[1] // max(len(parents), 1)
        rows = (torch.arange(batch, device=parents.device).unsqueeze(1) * most + parents).flatten()
        covered = None
        if self.covered is not None:
            covered = self.covered.flatten(0, 1).index_select(0, rows).unflatten(0, parents.shape)
        return DecoderState(
            tuple(part.index_select(1, rows) for part in self.hidden),
            None if self.fed is None else self.fed.index_select(0, rows),
            covered,
        )

    def keep(self, sentences: Tensor, hypotheses: int) -> DecoderState:
        """That of some sentences, by their numbers [B'], with K hypotheses each."""
        rows = (sentences.unsqueeze(1) * hypotheses + torch.arange(hypotheses, device=sentences.device)).flatten()
        return DecoderState(
            tuple(part.index_select(1, rows) for part in self.hidden),
            None if self.fed is None else self.fed.index_select(0, rows),
            None if self.covered is None else self.covered.index_select(0, sentences),
        )


class Decoded(NamedTuple):
    """What the decoder made of some symbols, those of several steps or hypotheses.

    Attributes:
        vectors: of the symbols, [N, E].
        hidden: outputs of the recurrent layers, [N, H].
        context: what attention found, [N, M], or None without it.
        attentional: what the softmax reads, [N, E].
        weights: of attention, [B, T, S] or, of hypotheses, [B, K, S]; None without it.
    """

    vectors: Tensor
    hidden: Tensor
    context: Tensor | None
    attentional: Tensor
    weights: Tensor | None

    def rows(self, index: Tensor) -> Decoded:
        """Those of some sentences, where there is one step or hypothesis of each, by their numbers [B']."""
        return Decoded(
            self.vectors[index],
            self.hidden[index],
            None if self.context is None else self.context[index],
            self.attentional[index],
            None if self.weights is None else self.weights[index],
        )


class Decoder(nn.Module):
    r"""Recurrent layers that read the symbol before, attention by what they give, and a softmax.

    .. math:: \tilde h_t = W [c_t; h_t] + b

    of the context c and the output h goes to the softmax (Luong, Pham, Manning, EMNLP 2015, but without their tanh: as
    the softmax's weights are the embeddings, it would bound the logits, and French to English was learnt far more
    slowly with it, 2.16 against 1.97 nats after three epochs of 24,000 pairs). Without attention there is no c, and the
    state that the decoder begins with is all it has of the source (Sutskever, Vinyals, Le, "Sequence to sequence
    learning with neural networks", NeurIPS 2014). With input feeding the first layer also reads the last
    :math:`\tilde h`, zeros at first.

    Dropout is variational: on what each layer reads and on what the softmax reads, alike at all steps of a target.

    Args:
        vocabulary_size: V.
        memory_size: M, of what attention looks at.
        config: sizes, cell, depth, dropout, attention and what goes with it.
    """

    def __init__(self, vocabulary_size: int, memory_size: int, config: TranslateModelConfig) -> None:
        super().__init__()
        size, hidden_size = config.embedding_size, config.hidden_size
        self.dropout = config.dropout
        self.input_feeding = config.input_feeding
        self.embedding = make_tied_embedding(vocabulary_size, size)
        self.recurrent = make_recurrent(
            config.decoder_cell or config.cell,
            2 * size if config.input_feeding else size,
            hidden_size,
            num_layers=config.num_layers,
            chrono_steps=config.chrono_steps,
            input_dropout=config.dropout,
        )
        self.attention: Attention | None = None
        context_size = 0
        if config.attention != "none":
            heads = config.heads if config.attention == "multihead" else 1
            self.attention = Attention(config.attention, hidden_size, memory_size, heads, config.coverage)
            context_size = self.attention.context_size
        self.combine = nn.Linear(context_size + hidden_size, size)
        self.gate = CopyGate(context_size, hidden_size, size) if config.copying else None
        self.softmax = FullSoftmax(vocabulary_size, size, tied_to=self.embedding)

    @property
    def has_coverage(self) -> bool:
        """Whether attention knows where it has looked."""
        return self.attention is not None and self.attention.coverage is not None

    def embed(self, ids: Tensor) -> Tensor:
        """What is read of ids [...]: [..., E]; a symbol outside the vocabulary is read as the unknown one."""
        return read_tied(self.embedding, ids.masked_fill(ids >= self.embedding.num_embeddings, UNKNOWN))

    def forward(self, ids: Tensor, layout: Layout, encoding: Encoding) -> Decoded:
        """Read whole targets in one call of the recurrence, which needs a decoder without input feeding.

        Args:
            ids: what each step reads, packed, [N].
            layout: how they are arranged.
            encoding: of the sources.
        """
        vectors = self.embed(ids)
        state = tuple(layout.sort(part, 1) for part in encoding.state)
        hidden, _ = self.recurrent.forward_packed(vectors, layout, state)
        if self.attention is None:
            return Decoded(vectors, hidden, None, self.attentional(hidden, None), None)
        assert encoding.memory is not None
        query = layout.unpack(hidden, len(layout.batch_sizes), batch_first=True)
        context, weights = self.attention.in_order(query, encoding.memory)
        context = layout.pack(context, batch_first=True)
        return Decoded(vectors, hidden, context, self.attentional(hidden, context), weights)

    def attentional(self, hidden: Tensor, context: Tensor | None) -> Tensor:
        """From outputs [..., H] and contexts [..., M] to what the softmax reads, [..., E]."""
        combined: Tensor = self.combine(hidden if context is None else torch.cat([context, hidden], -1))
        return combined

    def loss(self, decoded: Decoded, targets: Tensor, layout: Layout, encoding: Encoding, smoothing: float) -> Tensor:
        """The mean cross entropy of packed targets [N] in nats, a scalar; with copying there is no smoothing."""
        attentional = decoded.attentional
        if self.training and self.dropout:
            attentional = drop_by_sequence(attentional, layout, self.dropout)
        if self.gate is None:
            return self.softmax.loss(attentional, targets, smoothing)
        known = targets.masked_fill(targets >= self.softmax.vocabulary_size, UNKNOWN)
        logs = log_probabilities_of(known, self.softmax, attentional)
        return -self.with_copies(decoded, logs, targets, layout, encoding).mean()

    @torch.no_grad()
    def score(self, decoded: Decoded, targets: Tensor, layout: Layout, encoding: Encoding) -> Tensor:
        """The log-probability of packed targets, [N], without gradient."""
        known = targets.masked_fill(targets >= self.softmax.vocabulary_size, UNKNOWN)
        logs = self.softmax.token_log_probabilities(decoded.attentional, known)
        return logs if self.gate is None else self.with_copies(decoded, logs, targets, layout, encoding)

    def with_copies(
        self, decoded: Decoded, logs: Tensor, targets: Tensor, layout: Layout, encoding: Encoding
    ) -> Tensor:
        """The log-probabilities of packed targets, [N], from those that the vocabulary gives them."""
        assert decoded.weights is not None
        assert encoding.copies is not None
        wanted = layout.unpack(targets, decoded.weights.shape[1], batch_first=True)
        is_target = encoding.copies.unsqueeze(1) == wanted.unsqueeze(2)
        weights = layout.pack((decoded.weights * is_target).sum(2), batch_first=True)
        gates = self._gates(decoded, layout.pack(decoded.weights.sum(2) > 0, batch_first=True))
        return mixed_of_targets(*gates, logs, targets, weights, self.softmax.vocabulary_size)

    def _gates(self, decoded: Decoded, copyable: Tensor) -> tuple[Tensor, Tensor]:
        assert self.gate is not None
        assert decoded.context is not None
        gates: tuple[Tensor, Tensor] = self.gate(decoded.context, decoded.hidden, decoded.vectors, copyable)
        return gates

    def log_probabilities(self, decoded: Decoded, copies: Tensor | None, extra: int) -> Tensor:
        """Those of all symbols next, [B * K, V + extra], from what was made of K hypotheses of each sentence."""
        logs = self.softmax.log_probabilities(decoded.attentional)
        if self.gate is None:
            return logs
        assert decoded.weights is not None
        assert copies is not None
        shape = decoded.weights.shape[:2]
        gates = self._gates(decoded, decoded.weights.flatten(0, 1).sum(1) > 0)
        generated, copied = (part.view(shape) for part in gates)
        logs = logs.unflatten(0, shape)
        return copy_distribution(generated, copied, logs, decoded.weights, copies, extra).flatten(0, 1)

    def start(self, encoding: Encoding, hypotheses: int) -> DecoderState:
        """The state before the first symbol, of K hypotheses of each sentence."""
        hidden = tuple(part.repeat_interleave(hypotheses, 1) for part in encoding.state)
        fed = covered = None
        if self.input_feeding:
            fed = hidden[0].new_zeros(hidden[0].shape[1], self.embedding.embedding_dim)
        if self.has_coverage:
            assert encoding.memory is not None
            batch, source = encoding.memory.mask.shape
            covered = hidden[0].new_zeros(batch, hypotheses, source)
        return DecoderState(hidden, fed, covered)

    @torch.no_grad()
    def step(self, ids: Tensor, state: DecoderState, encoding: Encoding) -> tuple[Decoded, DecoderState]:
        """Read one symbol of each hypothesis, ids [B, K], without gradient."""
        vectors = self.embed(ids.flatten())
        data = vectors if state.fed is None else torch.cat([vectors, state.fed], 1)
        hidden, after = self.recurrent.step(data, state.hidden)
        after = after if isinstance(after, tuple) else (after,)
        context = weights = covered = None
        if self.attention is not None:
            assert encoding.memory is not None
            found = self.attention(hidden.view(*ids.shape, -1), encoding.memory, state.covered)
            context, weights = found.context.flatten(0, 1), found.weights
            covered = None if state.covered is None else state.covered + weights
        attentional = self.attentional(hidden, context)
        fed = None if state.fed is None else attentional
        return Decoded(vectors, hidden, context, attentional, weights), DecoderState(after, fed, covered)
