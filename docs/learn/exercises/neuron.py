"""Exercise 1, the recurrent neuron: write the loop of a simple recurrent layer.

Read first: neuron.md. Check yourself: python docs/learn/exercises/neuron.py
"""

from __future__ import annotations

import torch
from checking import run, same
from torch import Tensor

import recurra.nn


def states(x: Tensor, w_ih: Tensor, w_hh: Tensor, b: Tensor) -> Tensor:
    """The states of a layer at each step: h_t = tanh(W_ih x_t + W_hh h_{t-1} + b), from a state of zeros.

    Args:
        x: [T, I].
        w_ih: [H, I].
        w_hh: [H, H].
        b: [H].

    Returns:
        [T, H].
    """
    return None  # write this


def check(states=states) -> None:
    """Compare with recurra.nn.RNN."""
    torch.manual_seed(0)
    layer, x = recurra.nn.RNN(3, 4), torch.randn(6, 3)
    w_ih, w_hh, b = layer.weight_ih_l0.detach(), layer.weight_hh_l0.detach(), torch.randn(4)
    with torch.no_grad():
        layer.bias_ih_l0.copy_(b)
        expected, _ = layer(x)

    def mistaken(squash=torch.tanh, w_hh=w_hh) -> Tensor:
        h, found = torch.zeros(4), []
        for x_t in x:
            h = squash(w_ih @ x_t + w_hh @ h + b)
            found.append(h)
        return torch.stack(found)

    mistakes = {
        "the tanh is missing": mistaken(squash=lambda a: a),
        "each step begins with a state of zeros; carry the state on": mistaken(w_hh=torch.zeros(4, 4)),
        "W_hh is transposed; row k of it makes the new state of unit k": mistaken(w_hh=w_hh.T),
    }
    same("the states", states(x, w_ih, w_hh, b), expected, mistakes)


if __name__ == "__main__":
    run(check)
