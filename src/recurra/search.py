"""The best texts that a decoder can write for some sentences: greedy, by beam search, or drawn. It knows no network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from recurra.errors import SettingsError, ShapeError
from recurra.hypotheses import Books, Hypothesis, Running, Search
from recurra.nn.choosing import Choose, Draws, best_of_all, likeliest
from recurra.vocabulary import END

__all__ = ["Decoder", "Hypothesis", "Search", "search"]

State = TypeVar("State")


class Decoder(Protocol[State]):
    """A network that has read B sentences and writes K hypotheses of a text for each; all its tensors on one device.

    A sentence's numbers depend on nothing but that sentence and the ids of the hypothesis so far. The state belongs to
    the decoder; the search only hands on the latest one, and each once.
    """

    def start(self, hypotheses: int) -> State:
        """The state before the first symbol, of K = `hypotheses` alike for each sentence."""

    def step(self, ids: Tensor, state: State) -> tuple[Tensor, Tensor | None, State]:
        """Read one symbol of each hypothesis.

        Args:
            ids: [B, K], the latest symbol of each, END before the first. A place without a hypothesis has any id.
            state: what the latest call gave.

        Returns:
            The natural log-probabilities of the next symbol [B, K, V], at most 0, with the ids of the vocabulary
            first; the attention weights [B, K, S] that they were made with, summing to one over the source and zero
            behind it, or None; the state. V and S stay as they are from step to step.
        """

    def reorder(self, state: State, parents: Tensor) -> State:
        """The state in which hypothesis k of sentence b goes on from hypothesis `parents` [B, K][b, k] of the same."""

    def keep(self, state: State, sentences: Tensor) -> tuple[Decoder[State], State]:
        """The decoder and the state of some of the sentences alone.

        Args:
            state: what the latest call gave.
            sentences: [B'], the indices, rising, of those to keep; at least one.
        """


@torch.inference_mode()
def search(
    decoder: Decoder[State], source_lengths: Tensor, options: Search, seeds: Sequence[int] | None = None
) -> list[list[Hypothesis]]:
    """The best hypotheses of each sentence, the best first; draws in the order of drawing.

    What a sentence gets does not depend on the others. Sentences that are done leave the batch.

    Args:
        decoder: has read the sentences.
        source_lengths: [B], symbols of each, on the device of the decoder; 0 is allowed.
        options: how to search.
        seeds: with a sampler one for each sentence, which makes its draws the same in any batch; None without.

    Returns:
        `n_best` for each; fewer where no more have a probability.

    Raises:
        SettingsError: a beam larger than the vocabulary, a coverage penalty without attention weights, or seeds that
            are missing or have no effect.
        ShapeError: numbers of lengths, seeds, log-probabilities that do not fit together.
        RecurraError: no symbol has a probability: NaN, or all minus infinity.
    """
    if source_lengths.dim() != 1 or source_lengths.is_floating_point():
        raise ShapeError(f"source_lengths: expected integers [B], got {source_lengths.dtype} {source_lengths.shape}")
    choose: Choose = likeliest if options.beam == 1 else best_of_all
    if options.sampler is not None:
        choose = Draws(options.sampler, seeds, len(source_lengths))
    elif seeds is not None:
        raise SettingsError("seeds: they have no effect without a sampler; leave them out")
    return _search(decoder, source_lengths.long(), options, choose) if len(source_lengths) else []


def _search(decoder: Decoder[State], lengths: Tensor, options: Search, choose: Choose) -> list[list[Hypothesis]]:
    running = Running.begin(lengths, options)
    books = Books(running, options)
    ids, state = torch.full_like(running.totals, END, dtype=torch.int64), decoder.start(options.hypotheses)
    while True:
        logs, weights, state = decoder.step(ids, state)
        _check_step(logs, weights, running, options)
        choice = choose(logs, running.totals, running.free, running.sentences)
        running = books.note(running, choice, weights)
        going = books.promising(running)
        if not len(going):
            return books.best()
        if len(going) < len(running.sentences):
            running = running.keep(going)
            decoder, state = decoder.keep(state, going)
        if choice.parents is not None:
            state = decoder.reorder(state, choice.parents[going])
        ids = choice.ids[going]


def _check_step(logs: Tensor, weights: Tensor | None, running: Running, options: Search) -> None:
    if logs.dim() != 3 or logs.shape[:2] != running.totals.shape:
        expected = (*running.totals.shape, "V")
        raise ShapeError(f"log-probabilities of the decoder: expected {expected}, got {tuple(logs.shape)}")
    if options.beam > logs.shape[2]:
        raise SettingsError(
            f"beam: expected at most the size of the vocabulary, {logs.shape[2]}, got {options.beam}; narrow the beam"
        )
    if options.coverage_penalty and weights is None:
        raise SettingsError("coverage_penalty: it needs attention weights, and this network has none; leave it at 0")
