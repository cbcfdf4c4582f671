"""The decoder step by step, for what one call of the recurrence cannot do: to read what it has just found."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import linear

from recurra.kernels.cells import CELLS, State
from recurra.kernels.layout import Layout
from recurra.kernels.trace import begin_trace
from recurra.nn.attention import Memory
from recurra.nn.decoder import Decoded, Decoder, Encoding
from recurra.nn.regularisation import draw_mask

__all__ = ["decode_by_steps"]


def decode_by_steps(decoder: Decoder, ids: Tensor, layout: Layout, encoding: Encoding, sampling: float) -> Decoded:
    """Read targets step by step; where that is not needed, the same as a call of the decoder.

    What does not depend on a step before is computed for all steps together: the products of the symbols' vectors, the
    keys of attention, and all that comes after the loop. The loop goes over the targets by falling length and leaves
    out those that have ended.

    Args:
        decoder: with or without input feeding.
        ids: what each step is given to read, packed, [N].
        layout: how they are arranged.
        encoding: of the sources.
        sampling: the probability with which a step reads what the decoder itself finds most probable after the step
            before, without gradient through that choice (Bengio, Vinyals, Jaitly, Shazeer, "Scheduled sampling for
            sequence prediction with recurrent neural networks", NeurIPS 2015).
    """
    if layout.order is not None:
        encoding = encoding.keep(layout.order)
    loop = _Loop(decoder, layout, encoding)
    vectors = decoder.embed(ids)
    sentences = torch.cat([torch.arange(running) for running in layout.batch_sizes])
    inputs = loop.from_vectors(vectors, sentences).split(layout.batch_sizes)
    own: list[Tensor] = []
    if sampling:
        drawn = torch.rand(len(ids), device=ids.device) < sampling
        own = [rows.nonzero().squeeze(1) for rows in drawn.split(layout.batch_sizes)]
    at = _At.before_the_first(decoder, encoding)
    done: list[Decoded] = []
    for read, from_vectors in zip(vectors.split(layout.batch_sizes), inputs):
        if own and done:
            made, at = loop.step(*loop.with_own(read, from_vectors, done[-1], own[len(done)]), at.first(len(read)))
        else:
            made, at = loop.step(read, from_vectors, at.first(len(read)))
        done.append(made)
    return _joined(done, layout)


def _joined(steps: list[Decoded], layout: Layout) -> Decoded:
    """All steps packed, but the weights of attention, [B, T, S]."""
    contexts = [step.context for step in steps if step.context is not None]
    found = [step.weights for step in steps if step.weights is not None]
    return Decoded(
        torch.cat([step.vectors for step in steps]),
        torch.cat([step.hidden for step in steps]),
        torch.cat(contexts) if contexts else None,
        torch.cat([step.attentional for step in steps]),
        layout.unpack(torch.cat(found).squeeze(1), len(steps), batch_first=True) if found else None,
    )


class _At(NamedTuple):
    """Where the loop is: the sentences that still run, by falling length of their targets.

    Attributes:
        hidden: state of each layer, tensors [B, H].
        fed: with input feeding, what was attended to before, [B, E].
        covered: with coverage, the sum of the weights so far, [B, 1, S].
        memory: what attention looks at.
    """

    hidden: list[State]
    fed: Tensor | None
    covered: Tensor | None
    memory: Memory | None

    @classmethod
    def before_the_first(cls, decoder: Decoder, encoding: Encoding) -> _At:
        state = decoder.start(encoding, hypotheses=1)
        return cls(list(zip(*(part.unbind() for part in state.hidden))), state.fed, state.covered, encoding.memory)

    def first(self, running: int) -> _At:
        """Without the sentences that have ended."""
        if running == len(self.hidden[0][0]):
            return self
        hidden = [tuple(part[:running] for part in state) for state in self.hidden]
        fed = None if self.fed is None else self.fed[:running]
        covered = None if self.covered is None else self.covered[:running]
        memory = None if self.memory is None else Memory(*(part[:running] for part in self.memory))
        return _At(hidden, fed, covered, memory)


class _Loop:
    """What is the same at all steps: weights, masks of dropout, the sentences."""

    def __init__(self, decoder: Decoder, layout: Layout, encoding: Encoding) -> None:
        recurrent, size = decoder.recurrent, decoder.embedding.embedding_dim
        self.decoder, self.encoding = decoder, encoding
        self.cell = CELLS[recurrent.cell].step
        self.weights = [recurrent._weights(f"l{layer}") for layer in range(recurrent.num_layers)]
        self.of_vectors, self.of_fed = self.weights[0].weight_ih.split([size, recurrent.input_size - size], 1)
        self.traces = [begin_trace(recurrent.cell, weights, layout, backwards=False) for weights in self.weights]
        self.masks: list[Tensor] = []
        if decoder.training and decoder.dropout:
            like, below = encoding.state[0], [weights.weight_ih.shape[1] for weights in self.weights]
            drawn = [draw_mask(like, layout.batch, width, decoder.dropout) for width in below]
            self.masks = [layout.sort(mask, 0) for mask in drawn]

    def from_vectors(self, vectors: Tensor, sentences: Tensor) -> Tensor:
        """What vectors [N, E] of some sentences, by their numbers [N], add to the gates of the first layer."""
        if self.masks:
            vectors = vectors * self.masks[0][:, : vectors.shape[1]].index_select(0, sentences.to(vectors.device))
        return linear(vectors, self.of_vectors, self.weights[0].bias_ih)

    def with_own(self, vectors: Tensor, inputs: Tensor, before: Decoded, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Read in some rows what the decoder finds most probable, not what is given."""
        if not len(rows):
            return vectors, inputs
        with torch.no_grad():
            copies = None if self.encoding.copies is None else self.encoding.copies[rows]
            ids = self.decoder.log_probabilities(before.rows(rows), copies, self.encoding.extra).argmax(1)
        own = self.decoder.embed(ids)
        return vectors.index_copy(0, rows, own), inputs.index_copy(0, rows, self.from_vectors(own, rows))

    def step(self, vectors: Tensor, inputs: Tensor, at: _At) -> tuple[Decoded, _At]:
        """One step of the sentences that still run."""
        if at.fed is not None:
            fed = at.fed * self.masks[0][: len(at.fed), vectors.shape[1] :] if self.masks else at.fed
            inputs = torch.addmm(inputs, fed, self.of_fed.t())
        hidden, output = self._layers(inputs, at.hidden)
        context, weights, covered = None, None, at.covered
        if self.decoder.attention is not None:
            context, weights = self.decoder.attention(output.unsqueeze(1), at.memory, covered)
            context = context.squeeze(1)
            covered = None if covered is None else covered + weights
        attentional = self.decoder.attentional(output, context)
        after = _At(hidden, None if at.fed is None else attentional, covered, at.memory)
        return Decoded(vectors, output, context, attentional, weights), after

    def _layers(self, inputs: Tensor, before: list[State]) -> tuple[list[State], Tensor]:
        """The states after a step, and the output of the last layer."""
        after: list[State] = []
        output = inputs
        for layer, (weights, state) in enumerate(zip(self.weights, before)):
            if layer:
                below = output * self.masks[layer][: len(output)] if self.masks else output
                inputs = linear(below, weights.weight_ih, weights.bias_ih)
            from_state = linear(state[0], weights.weight_hh, weights.bias_hh)
            after.append(self.cell(inputs, from_state, state))
            trace = self.traces[layer]
            said = after[-1] if trace is None else trace.note(len(trace.steps), inputs, from_state, state, after[-1])
            output = said[0]
        return after, output
