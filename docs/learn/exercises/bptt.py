"""Exercise 2, backpropagation through time: write the way back of a simple recurrent layer.

Read first: neuron.md. Check yourself: python docs/learn/exercises/bptt.py
"""

from __future__ import annotations

import torch
from checking import run, same
from torch import Tensor

import recurra.nn


def gradient_of_w_hh(h: Tensor, w_hh: Tensor, direct: Tensor) -> Tensor:
    """The derivative of a loss by W_hh. The state before the first step is zero.

    Go from the last step to the first. Write delta_t for the derivative by what is inside the tanh at step t: what the
    loss says directly at t and what comes back from t + 1 through W_hh, times the slope of the tanh. Then sum up
    delta_t times h_{t-1}.

    Args:
        h: the states, [T, H].
        w_hh: [H, H].
        direct: the derivative of the loss by each output, without what goes through later steps, [T, H].

    Returns:
        [H, H].
    """
    return None  # write this


def check(gradient_of_w_hh=gradient_of_w_hh) -> None:
    """Compare with autograd."""
    torch.manual_seed(0)
    layer, direct = recurra.nn.RNN(3, 4), torch.randn(6, 4)
    output, _ = layer(torch.randn(6, 3))
    output.backward(direct)
    h, w_hh = output.detach(), layer.weight_hh_l0.detach()

    def mistaken(through=w_hh.T, slopes=1 - h**2, shift=1) -> Tensor:
        delta, total = torch.zeros(4), torch.zeros(4, 4)
        for t in reversed(range(6)):
            delta = (direct[t] + through @ delta) * slopes[t]
            if t - shift >= 0:
                total += torch.outer(delta, h[t - shift])
        return total

    mistakes = {
        "what comes back from the step after is missing": mistaken(through=torch.zeros(4, 4)),
        "the slope of the tanh, 1 - h², is missing": mistaken(slopes=torch.ones(6, 4)),
        "back through W_hh goes with its transpose, W_hhᵀ": mistaken(through=w_hh),
        "delta_t belongs with the state before the step, h_{t-1}, and not with h_t": mistaken(shift=0),
        "it is transposed: row k is of the weights into unit k": mistaken().T,
    }
    same("the gradient", gradient_of_w_hh(h, w_hh, direct), layer.weight_hh_l0.grad, mistakes)


if __name__ == "__main__":
    run(check)
