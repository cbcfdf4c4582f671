"""The equations of the recurrent cells: one pure function each, and the table that lists them.

A step takes what the input and the previous state contribute to the gates, both computed by the caller, and returns
the new state. Gates are stacked along the last dimension in torch's order.

Dimensions, here and in the whole package: B batch, T time, N valid tokens in a batch (the sum of the lengths),
I input, H hidden, G gates of a cell, L layers, D directions, V vocabulary, C classes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["CELLS", "Cell", "State", "gru", "gru_gates", "lstm", "lstm_gates", "rnn_relu", "rnn_tanh"]

State = tuple[Tensor, ...]


def rnn_tanh(from_input: Tensor, from_state: Tensor, state: State) -> State:
    r"""Elman's simple recurrent cell.

    .. math:: h' = \tanh(W_{ih} x + b_{ih} + W_{hh} h + b_{hh})

    Elman, "Finding structure in time", Cognitive Science 14, 1990.

    Args:
        from_input: W_ih x + b_ih, [B, H].
        from_state: W_hh h + b_hh, [B, H].
        state: (h,), [B, H].
    """
    return (torch.tanh(from_input + from_state),)


def rnn_relu(from_input: Tensor, from_state: Tensor, state: State) -> State:
    r"""The simple cell with a rectifier.

    .. math:: h' = \max(0, W_{ih} x + b_{ih} + W_{hh} h + b_{hh})

    Le, Jaitly, Hinton, "A simple way to initialize recurrent networks of rectified linear units", arXiv:1504.00941.

    Args:
        from_input: W_ih x + b_ih, [B, H].
        from_state: W_hh h + b_hh, [B, H].
        state: (h,), [B, H].
    """
    return (torch.relu(from_input + from_state),)


def lstm(
    from_input: Tensor, from_state: Tensor, state: State, squash: Callable[[Tensor], Tensor] = torch.tanh
) -> State:
    r"""Long short-term memory with a forget gate.

    .. math::
        i, f, o &= \sigma(W_{ih} x + b_{ih} + W_{hh} h + b_{hh}) \\
        g &= \tanh(W_{ih} x + b_{ih} + W_{hh} h + b_{hh}) \\
        c' &= f \odot c + i \odot g \\
        h' &= o \odot \tanh(c')

    Hochreiter, Schmidhuber, "Long short-term memory", Neural Computation 9, 1997; the forget gate: Gers, Schmidhuber,
    Cummins, "Learning to forget", Neural Computation 12, 2000.

    Args:
        from_input: W_ih x + b_ih for the gates i, f, g, o, [B, 4H].
        from_state: W_hh h + b_hh for the gates i, f, g, o, [B, 4H].
        state: (h, c), each [B, H].
        squash: what c goes through on its way to h; a layer-normalised cell has a norm before the tanh.
    """
    i, f, g, o = lstm_gates(from_input, from_state)
    _, c = state
    c = f * c + i * g
    h = o * squash(c)
    return h, c


def lstm_gates(from_input: Tensor, from_state: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The gates i, f, g, o of :func:`lstm`, [B, H] each."""
    i, f, g, o = (from_input + from_state).chunk(4, dim=-1)
    return torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)


def gru(from_input: Tensor, from_state: Tensor, state: State) -> State:
    r"""Gated recurrent unit, in the variant that resets after the product, as torch and cuDNN have it.

    .. math::
        r, z &= \sigma(W_{ih} x + b_{ih} + W_{hh} h + b_{hh}) \\
        n &= \tanh(W_{in} x + b_{in} + r \odot (W_{hn} h + b_{hn})) \\
        h' &= (1 - z) \odot n + z \odot h

    Cho et al., "Learning phrase representations using RNN encoder-decoder", EMNLP 2014.

    Args:
        from_input: W_ih x + b_ih for the gates r, z, n, [B, 3H].
        from_state: W_hh h + b_hh for the gates r, z, n, [B, 3H].
        state: (h,), [B, H].
    """
    _, z, n = gru_gates(from_input, from_state)
    (h,) = state
    return ((1 - z) * n + z * h,)


def gru_gates(from_input: Tensor, from_state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The gates r, z, n of :func:`gru`, [B, H] each."""
    input_r, input_z, input_n = from_input.chunk(3, dim=-1)
    state_r, state_z, state_n = from_state.chunk(3, dim=-1)
    r = torch.sigmoid(input_r + state_r)
    z = torch.sigmoid(input_z + state_z)
    return r, z, torch.tanh(input_n + r * state_n)


class Cell(NamedTuple):
    """One row of the table: a cell's step, how many gates it stacks, how many tensors its state has, and its gates.

    Attributes:
        step: one of the functions above.
        gates: G.
        states: 2 with a c, else 1.
        names: of the gates, in order; none of a simple cell, whose one gate is its state.
        squashed: the function that gives them.
    """

    step: Callable[..., State]
    gates: int
    states: int
    names: str = ""
    squashed: Callable[[Tensor, Tensor], tuple[Tensor, ...]] = lambda from_input, from_state: ()

    def activations(self, from_input: Tensor, from_state: Tensor) -> dict[str, Tensor]:
        """The gates by their names, [B, H] each."""
        return dict(zip(self.names, self.squashed(from_input, from_state)))


CELLS: dict[str, Cell] = {
    "rnn_tanh": Cell(rnn_tanh, gates=1, states=1),
    "rnn_relu": Cell(rnn_relu, gates=1, states=1),
    "lstm": Cell(lstm, gates=4, states=2, names="ifgo", squashed=lstm_gates),
    "gru": Cell(gru, gates=3, states=1, names="rzn", squashed=gru_gates),
}
