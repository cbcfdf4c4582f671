"""Exercise 3, vanishing and exploding gradients: how far a gradient reaches, and clipping.

Read first: gradients.md. Check yourself: python docs/learn/exercises/jacobians.py
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from checking import Wrong, run, same
from torch import Tensor

import recurra.nn
from recurra.diagnose.flow import gradient_by_lag
from recurra.kernels.trace import traced


def reach(eigenvalue: float, share: float) -> int:
    """The first lag at which the gradient of a linear layer is below a share of that at lag 0.

    Args:
        eigenvalue: of W_hh, larger than 0 and less than 1.
        share: larger than 0 and less than 1.
    """
    return None  # write this


def clipped(gradients: Sequence[Tensor], bound: float) -> list[Tensor]:
    """Gradients, shortened by one common factor where their joint norm is above a bound.

    Args:
        gradients: of any shapes.
        bound: of the norm of all of them together, as if they were one long vector.
    """
    return None  # write this


def check(reach=reach, clipped=clipped) -> None:
    """Compare with the gradient of a layer, and with torch's clipping."""
    _check_reach(reach)
    _check_clipped(clipped)


def _check_reach(reach) -> None:
    for eigenvalue, share in ((0.3, 0.2), (0.5, 0.01), (0.7, 0.01), (0.9, 0.1)):
        layer = recurra.nn.RNN(1, 1, nonlinearity="relu")  # its numbers are positive: nothing is rectified
        with torch.no_grad():
            for parameter, value in zip(layer.parameters(), (1.0, eigenvalue, 0.0, 0.0)):
                parameter.fill_(value)
        with traced() as traces:
            _, h_n = layer(torch.ones(60, 1, 1))
        expected = gradient_by_lag(h_n.sum(), traces[0]).reach(share)
        mistakes = {
            "that is one too few; there the gradient is not yet below the share": expected - 1,
            "that is one too many; the lag before is below the share already": expected + 1,
        }
        same(f"reach({eigenvalue}, {share})", reach(eigenvalue, share), expected, mistakes)


def _check_clipped(clipped) -> None:
    torch.manual_seed(0)
    for size, bound in ((10.0, 1.0), (0.01, 1.0)):
        gradients = [size * torch.randn(3, 2), size * torch.randn(4)]
        parameters = [torch.nn.Parameter(torch.zeros_like(gradient)) for gradient in gradients]
        for parameter, gradient in zip(parameters, gradients):
            parameter.grad = gradient.clone()
        torch.nn.utils.clip_grad_norm_(parameters, bound)
        found = clipped([gradient.clone() for gradient in gradients], bound)
        if found is not None and len(found) != len(gradients):
            raise Wrong(f"clipped: expected {len(gradients)} gradients, found {len(found)}")
        norm = torch.cat([gradient.flatten() for gradient in gradients]).norm()
        for number, gradient in enumerate(gradients):
            mistakes = {
                "each is shortened by a factor of its own, which turns the direction; take one norm for all": (
                    gradient * min(1.0, bound / gradient.norm().item())
                ),
                "a gradient that is short enough must stay as it is": gradient * bound / norm,
                "numbers are cut one by one, which turns the direction": gradient.clamp(-bound, bound),
            }
            what = f"clipped, gradient {number} of a joint norm of {norm:.2g}, bound {bound:g}"
            same(what, None if found is None else found[number], parameters[number].grad, mistakes)


if __name__ == "__main__":
    run(check)
