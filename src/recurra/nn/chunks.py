"""Long sequences in pieces, with the state carried over: truncated backpropagation, and evaluation in little memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from recurra.errors import SettingsError, ShapeError
from recurra.nn.lengths import Lengths, checked_lengths
from recurra.nn.run import RecurrentRun

__all__ = ["Chunk", "truncated"]

_Carried = Tensor | tuple[Tensor, ...]


class Chunk(NamedTuple):
    """What a layer made of a few steps of a batch.

    Attributes:
        output: [K, B, D * H], or [B, K, D * H] with ``batch_first``; K steps, less in the last chunk.
        lengths: [B], how many of the K steps are valid, 0 for a sequence that has ended.
        state: after these steps, in the form of ``hx``; that of a sequence that has ended is the one at its end.
        steps: which steps of the input these are, to cut targets with: ``targets[chunk.steps]``.
    """

    output: Tensor
    lengths: Tensor
    state: _Carried
    steps: slice


def truncated(
    layer: RecurrentRun,
    input: Tensor,
    steps: int,
    lengths: Lengths | None = None,
    hx: _Carried | None = None,
) -> Iterator[Chunk]:
    """Run a layer over a padded batch in chunks of `steps` steps, each from the state that the last one left.

    The outputs and the states are those of one call over all steps. Gradients do not cross from a chunk to the one
    before, so memory is that of one chunk: truncated backpropagation through time (Williams, Peng, "An efficient
    gradient-based algorithm for on-line training of recurrent network trajectories", Neural Computation 2, 1990). Each
    chunk runs when it is asked for, by the parameters of that moment, and draws its own dropout masks.

    The chunks end with the longest sequence, so that none is without valid steps; there is one even if all are empty.

    Args:
        layer: of one direction, called with ``hx`` and ``lengths``.
        input: [T, B, I], [B, T, I] with ``batch_first``, or [T, I].
        steps: K.
        lengths: [B], as for the layer; None when all sequences have T steps.
        hx: the state before the first step, as for the layer.

    Raises:
        SettingsError: `steps` is not a positive integer, or the layer is bidirectional.
        ShapeError: the input is a `PackedSequence`, or the lengths do not fit.

    >>> from recurra.nn import LSTM
    >>> lstm = LSTM(3, 4)
    >>> for chunk in truncated(lstm, torch.randn(50, 2, 3), 20, lengths=[50, 30]):
    ...     chunk.output.square().sum().backward()  # then a step of the optimiser
    ...     print(chunk.steps, chunk.lengths.tolist())
    slice(0, 20, None) [20, 20]
    slice(20, 40, None) [20, 10]
    slice(40, 50, None) [10, 0]
    """
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise SettingsError(f"steps: expected a positive integer, got {steps!r}")
    if not isinstance(layer, RecurrentRun):
        given = f"{type(layer).__name__} of {type(layer).__module__}"
        raise SettingsError(f"layer: expected RNN, LSTM or GRU of recurra.nn, got {given}")
    if layer.bidirectional:
        raise SettingsError(
            "layer: the second net of a bidirectional layer reads from the end, so that no chunk can be run before "
            "those behind it; use one direction, or one call over all steps"
        )
    if isinstance(input, PackedSequence):
        raise ShapeError("input: expected a padded tensor and lengths, got a PackedSequence (see pad_packed_sequence)")
    if input.dim() not in (2, 3):
        raise ShapeError(f"input: expected 2 (unbatched) or 3 dimensions, got {input.dim()}: {tuple(input.shape)}")
    time_dim = 1 if layer.batch_first and input.dim() == 3 else 0
    batch, time = (1 if input.dim() == 2 else input.shape[1 - time_dim]), input.shape[time_dim]
    checked = torch.full((batch,), time, device="cpu") if lengths is None else checked_lengths(lengths, batch, time)
    return _chunks(layer, input, steps, checked, hx, time_dim)


def _chunks(
    layer: RecurrentRun, input: Tensor, steps: int, lengths: Tensor, state: _Carried | None, time_dim: int
) -> Iterator[Chunk]:
    longest = int(lengths.max()) if len(lengths) else 0
    for start in range(0, max(longest, 1), steps):
        end = min(start + steps, longest)
        here = (lengths - start).clamp(0, end - start)
        output, state = layer(input.narrow(time_dim, start, end - start), state, lengths=here)
        yield Chunk(output, here, state, slice(start, end))
        state = tuple(part.detach() for part in state) if isinstance(state, tuple) else state.detach()
