"""What RNN, LSTM and GRU share: parameters, and how they are drawn."""

from __future__ import annotations

import math
import warnings
from typing import Literal

import torch
from torch import nn

from recurra.errors import SettingsError
from recurra.kernels.cells import CELLS
from recurra.nn.run import RecurrentRun

__all__ = ["Recurrent"]


class Recurrent(RecurrentRun):
    """What RNN, LSTM and GRU share: parameters, and how they are drawn.

    Parameters are named and laid out as in `torch.nn` (``weight_ih_l0``, ``weight_hh_l0_reverse``, ...), so a
    ``state_dict`` of the torch layer loads as it is.
    """

    def __init__(
        self,
        cell: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        init: Literal["careful", "torch"] = "careful",
    ) -> None:
        super().__init__()
        _check_arguments(input_size, hidden_size, num_layers, dropout, proj_size, init)
        self.cell = cell
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self.init = init
        rows = CELLS[cell].gates * hidden_size
        for layer in range(num_layers):
            width = input_size if layer == 0 else self.num_directions * self.output_size
            for end in self._ends(layer):
                shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, width), "weight_hh": (rows, self.output_size)}
                if bias:
                    shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
                if proj_size:
                    shapes["weight_hr"] = (proj_size, hidden_size)
                for name, shape in shapes.items():
                    parameter = nn.Parameter(torch.empty(*shape, device=device, dtype=dtype))
                    self.register_parameter(f"{name}_{end}", parameter)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new parameters.

        ``init="careful"``: Xavier uniform W_ih (Glorot, Bengio 2010) and orthogonal W_hh (Saxe et al. 2014), each over
        the stacked gates as one matrix; zero biases, but 1 for an LSTM's forget gate (Jozefowicz et al. 2015).
        ``init="torch"``: all uniform in +-1/sqrt(H), as `torch.nn`.
        """
        bound = 1 / math.sqrt(self.hidden_size)
        for name, parameter in self.named_parameters():
            if self.init == "torch":
                nn.init.uniform_(parameter, -bound, bound)
            elif name.startswith("weight_hh"):
                nn.init.orthogonal_(parameter)
            elif name.startswith("weight"):
                nn.init.xavier_uniform_(parameter)
            else:
                nn.init.zeros_(parameter)
                if self.cell == "lstm" and name.startswith("bias_ih"):
                    nn.init.ones_(parameter[self.hidden_size : 2 * self.hidden_size])

    def flatten_parameters(self) -> None:
        """Do nothing; code written for `torch.nn` may call it."""

    def extra_repr(self) -> str:
        """The arguments that are not at their default, as `torch.nn` prints them."""
        defaults = {
            "proj_size": 0,
            "num_layers": 1,
            "bias": True,
            "batch_first": False,
            "dropout": 0.0,
            "bidirectional": False,
        }
        shown = [f"{name}={getattr(self, name)}" for name, value in defaults.items() if getattr(self, name) != value]
        return ", ".join([str(self.input_size), str(self.hidden_size), *shown])


def _check_arguments(
    input_size: int, hidden_size: int, num_layers: int, dropout: float, proj_size: int, init: str
) -> None:
    for name, value, least in (
        ("input_size", input_size, 1),
        ("hidden_size", hidden_size, 1),
        ("num_layers", num_layers, 1),
        ("proj_size", proj_size, 0),
    ):
        if not isinstance(value, int) or value < least:
            raise SettingsError(f"{name}: expected an integer of at least {least}, got {value!r}")
    if isinstance(dropout, bool) or not 0 <= dropout <= 1:
        raise SettingsError(f"dropout: expected a number in 0..1, got {dropout!r}")
    if proj_size >= hidden_size:
        raise SettingsError(f"proj_size: expected less than hidden_size ({hidden_size}), got {proj_size}")
    if init not in ("careful", "torch"):
        raise SettingsError(f"init: expected 'careful' or 'torch', got {init!r}")
    if dropout and num_layers == 1:
        warnings.warn("dropout works between layers, and there is only one: it has no effect", stacklevel=4)
