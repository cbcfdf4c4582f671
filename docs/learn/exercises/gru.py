"""Exercise 5, the GRU: write one step in torch's convention.

Read first: gru.md. Check yourself: python docs/learn/exercises/gru.py
"""

from __future__ import annotations

import torch
from checking import run, same
from torch import Tensor

import recurra.nn


def step(x: Tensor, h: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor) -> Tensor:
    """The state after a step: h' = (1 - z) n + z h, with the reset gate applied after the product with W_hn.

    Args:
        x: [I].
        h: [H].
        w_ih: of the gates r, z, n, [3H, I]; `w_ih.chunk(3)` divides them.
        w_hh: likewise, [3H, H].
        b_ih: likewise, [3H].
        b_hh: likewise, [3H].

    Returns:
        [H].
    """
    return None  # write this


def check(step=step) -> None:
    """Compare with recurra.nn.GRU."""
    torch.manual_seed(0)
    layer, x, h = recurra.nn.GRU(3, 4), torch.randn(3), torch.randn(4).tanh()
    with torch.no_grad():
        layer.bias_ih_l0.normal_()
        layer.bias_hh_l0.normal_()
        _, h_n = layer(x.unsqueeze(0), h.unsqueeze(0))
    weights = [parameter.detach() for parameter in layer.parameters()]
    same("the state", step(x, h, *weights), h_n[0], _mistakes(x, h, *weights))


def _mistakes(x: Tensor, h: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor) -> dict[str, Tensor]:
    from_input, from_state = (w_ih @ x + b_ih).chunk(3), (w_hh @ h + b_hh).chunk(3)
    r, z = (torch.sigmoid(from_input[k] + from_state[k]) for k in range(2))
    n = torch.tanh(from_input[2] + r * from_state[2])
    before = torch.tanh(from_input[2] + w_hh.chunk(3)[2] @ (r * h) + b_hh.chunk(3)[2])
    whole = torch.tanh(from_input[2] + from_state[2])
    no_bias = torch.tanh(from_input[2] + r * (from_state[2] - b_hh.chunk(3)[2]) + b_hh.chunk(3)[2])
    exchanged = torch.tanh(from_input[2] + z * from_state[2])
    return {
        "z and 1 - z are exchanged; in torch's convention z = 1 keeps the old state": (1 - z) * h + z * n,
        "r is applied to h before the product; torch applies it after, r * (W_hn h + b_hn)": (1 - z) * before + z * h,
        "the reset gate is not used": (1 - z) * whole + z * h,
        "the reset gate must also reach the bias b_hn: r * (W_hn h + b_hn)": (1 - z) * no_bias + z * h,
        "r and z are exchanged; the blocks are in the order r, z, n": (1 - r) * exchanged + r * h,
    }


if __name__ == "__main__":
    run(check)
