"""Exercise 4: nothing is ever forgotten, and only the signal opens the input gate."""

from __future__ import annotations

import torch

import recurra.nn


def remember(lstm: recurra.nn.LSTM) -> None:
    """Set, in place, the weights of an LSTM with I = H = 1, which are all zero."""
    i, f, g, o = range(4)
    with torch.no_grad():
        lstm.weight_ih_l0[i], lstm.bias_ih_l0[i] = 20.0, -10.0  # open on a 1, closed on a 0
        lstm.bias_ih_l0[f] = 10.0  # after 300 steps 99 % are left
        lstm.bias_ih_l0[g] = 10.0  # what is written is 1
        lstm.bias_ih_l0[o] = 10.0  # shown always
