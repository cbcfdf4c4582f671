"""How the parameters of recurrent layers are drawn."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from recurra.nn.options import Init

__all__ = ["draw_parameter", "set_chrono_bias", "set_forget_bias"]

_ONES = ("gain_",)
_ZEROS = ("h_0", "c_0", "bias_c_")
GATE_BIAS = -1.0  # a highway starts by passing on most of what comes from below


def draw_parameter(name: str, parameter: Tensor, init: Init, hidden_size: int) -> None:
    """Draw one parameter, called by its name in the layer; see :meth:`recurra.nn.stack.Recurrent.reset_parameters`."""
    bound = 1 / math.sqrt(hidden_size)
    if name.startswith(_ONES):
        nn.init.ones_(parameter)
    elif name.startswith(_ZEROS):
        nn.init.zeros_(parameter)
    elif name.startswith("bias_gate"):
        nn.init.constant_(parameter, GATE_BIAS)
    elif init == "torch":
        nn.init.uniform_(parameter, -bound, bound)
    elif name.startswith("weight_hh"):
        nn.init.orthogonal_(parameter)
    elif name.startswith("weight"):
        nn.init.xavier_uniform_(parameter)
    else:
        nn.init.zeros_(parameter)


@torch.no_grad()
def set_forget_bias(bias_ih: Tensor, bias_hh: Tensor, value: float) -> None:
    """Make the two biases of an LSTM's forget gate, in biases [4H], add up to a value."""
    hidden = len(bias_ih) // 4
    bias_ih[hidden : 2 * hidden] = value
    bias_hh[hidden : 2 * hidden] = 0.0


@torch.no_grad()
def set_chrono_bias(cell: str, bias_ih: Tensor, steps: int) -> None:
    """Draw the biases of the gates that keep the state so that their time scales are spread over 1..steps.

    LSTM: the forget gate's is log U(1, steps - 1), the input gate's its negative. GRU: the gate z, with which torch
    keeps the state, has log U(1, steps - 1).
    """
    hidden = len(bias_ih) // {"lstm": 4, "gru": 3}[cell]
    drawn = torch.empty_like(bias_ih[:hidden]).uniform_(1, steps - 1).log_()
    bias_ih[hidden : 2 * hidden] = drawn
    if cell == "lstm":
        bias_ih[:hidden] = -drawn
