"""What RNN, LSTM and GRU share: parameters, and how they are drawn."""

from __future__ import annotations

import math
import warnings
from typing import Literal

import torch
from torch import Tensor, nn

from recurra.errors import SettingsError
from recurra.kernels.cells import CELLS
from recurra.nn import streaming
from recurra.nn.run import RecurrentRun
from recurra.nn.streaming import Precision
from recurra.nn.uncompiled import uncompiled

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

    @uncompiled
    def step(
        self, x_t: Tensor, state: Tensor | tuple[Tensor, ...] | None = None, precision: Precision = "float32"
    ) -> tuple[Tensor, Tensor | tuple[Tensor, ...]]:
        """Run one time step of one or a few sequences; step after step gives what the whole sequence gives.

        The weights are packed at the first call, and again when a parameter was replaced or changed in place, except
        through its ``.data``, of which torch tells nobody. What the native kernel cannot run goes through the ordinary
        forward; so does, for its gradients, an input or a state that requires them. No other call has gradients.

        Args:
            x_t: [B, I], or [I] for one sequence.
            state: of the form that the layer returns, [L, B, H] or [L, H]; zeros when None. It is not changed.
            precision: of the weights: ``"float32"``, or ``"bfloat16"`` or ``"int8"`` to read a half or a quarter of the
                bytes; see :class:`recurra.kernels.native.step.PackedStack`.

        Returns:
            The output [B, H] or [H] of the last layer, and the new state.

        Raises:
            SettingsError: the layer is bidirectional, or the precision is unknown or has no kernel here.
            ShapeError: tensors that do not fit together.

        >>> from recurra.nn import LSTM
        >>> lstm, state = LSTM(4, 8), None
        >>> for x_t in torch.randn(5, 1, 4):
        ...     output, state = lstm.step(x_t, state)
        >>> output.shape
        torch.Size([1, 8])
        """
        if self.bidirectional:
            raise SettingsError("step: a bidirectional layer reads from the end, which a stream has not reached yet")
        output, final = streaming.step(self, x_t, state, precision)
        return output, final if len(final) > 1 else final[0]

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
