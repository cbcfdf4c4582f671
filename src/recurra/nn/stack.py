"""What RNN, LSTM and GRU share: parameters, how they are drawn, and what disturbs them in training."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from recurra.errors import SettingsError
from recurra.kernels.cells import CELLS, State
from recurra.kernels.layout import Layout
from recurra.kernels.noise import Noise
from recurra.kernels.padded import Padded
from recurra.kernels.weights import Weights
from recurra.nn import streaming
from recurra.nn.initialisation import draw_parameter, set_chrono_bias, set_forget_bias
from recurra.nn.options import DEFAULTS, Extras, Init, checked_extras
from recurra.nn.regularisation import draw_mask, draw_zoneout, drop_by_sequence
from recurra.nn.run import RecurrentRun
from recurra.nn.streaming import Precision

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Recurrent"]


class Recurrent(RecurrentRun):
    """What RNN, LSTM and GRU share.

    Parameters are named and laid out as in `torch.nn` (``weight_ih_l0``, ``weight_hh_l0_reverse``, ...), so a
    ``state_dict`` of the torch layer loads as it is. What is beyond torch's layers is said by keyword, see
    :class:`recurra.nn.options.Extras`; each option has an attribute of its name.
    """

    input_dropout: float
    recurrent_dropout: float
    output_dropout: float
    weight_dropout: float
    zoneout: float | tuple[float, float]
    layer_norm: bool
    forget_bias: float | None
    chrono_steps: int | None
    learn_initial_state: bool
    connections: Literal["residual", "highway"] | None

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
        init: Init = "careful",
        **extras: Unpack[Extras],
    ) -> None:
        super().__init__()
        _check_arguments(input_size, hidden_size, num_layers, dropout, proj_size, init)
        for name, value in checked_extras(cell, hidden_size, num_layers, bias, init, **extras).items():
            setattr(self, name, value)
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
        for name, shape in self._shapes().items():
            self.register_parameter(name, nn.Parameter(torch.empty(*shape, device=device, dtype=dtype)))
        self.reset_parameters()

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of each parameter, in the order of torch, whose layers have only the first kinds."""
        shapes: dict[str, tuple[int, ...]] = {}
        outer = self.num_directions * self.output_size
        for layer in range(self.num_layers):
            for end in self._ends(layer):
                own = self._direction_shapes(outer if layer else self.input_size)
                shapes |= {f"{name}_{end}": shape for name, shape in own.items()}
            if layer and self.connections == "highway":
                shapes[f"weight_gate_l{layer}"] = (outer, outer)
                if self.bias:
                    shapes[f"bias_gate_l{layer}"] = (outer,)
        if self.learn_initial_state:
            rows = self.num_layers * self.num_directions
            shapes |= {name: (rows, size) for name, size in zip(("h_0", "c_0"), self._state_sizes())}
        return shapes

    def _direction_shapes(self, width: int) -> dict[str, tuple[int, ...]]:
        rows = CELLS[self.cell].gates * self.hidden_size
        shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, width), "weight_hh": (rows, self.output_size)}
        if self.bias:
            shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
        if self.proj_size:
            shapes["weight_hr"] = (self.proj_size, self.hidden_size)
        if self.layer_norm:
            shapes |= {"gain_ih": (rows,), "gain_hh": (rows,)}
            if self.cell == "lstm":
                shapes |= {"gain_c": (self.hidden_size,)} | ({"bias_c": (self.hidden_size,)} if self.bias else {})
        return shapes

    def reset_parameters(self) -> None:
        """Draw new parameters.

        ``init="careful"``: Xavier uniform W_ih (Glorot, Bengio 2010) and orthogonal W_hh (Saxe et al. 2014), each over
        the stacked gates as one matrix, as Keras does it; zero biases, but 1 for an LSTM's forget gate (Jozefowicz et
        al. 2015). All gates together then keep the length of h. The other custom, an orthogonal block for each gate,
        makes W_hh sqrt(G) times larger.
        ``init="chrono"``: the same, but the biases of the gates that keep the state are drawn for ranges of up to
        ``chrono_steps`` steps T: an LSTM's forget gate has log U(1, T - 1) and its input gate the negative of it; a
        GRU's gate z, with which torch keeps the state, has log U(1, T - 1) (Tallec, Ollivier, "Can recurrent neural
        networks warp time?", ICLR 2018).
        ``init="torch"``: all uniform in +-1/sqrt(H), as `torch.nn`.

        In each, gains start at 1, a learnt initial state at 0, and a highway's gate with bias -1.
        """
        for name, parameter in self.named_parameters():
            draw_parameter(name, parameter, self.init, self.hidden_size)
        if self.bias:
            for layer in range(self.num_layers):
                for end in self._ends(layer):
                    self._set_gate_biases(getattr(self, f"bias_ih_{end}"), getattr(self, f"bias_hh_{end}"))

    def _set_gate_biases(self, bias_ih: Tensor, bias_hh: Tensor) -> None:
        if self.init == "chrono":
            assert self.chrono_steps is not None
            set_chrono_bias(self.cell, bias_ih, self.chrono_steps)
        elif self.cell == "lstm" and (self.forget_bias is not None or self.init == "careful"):
            set_forget_bias(bias_ih, bias_hh, 1.0 if self.forget_bias is None else self.forget_bias)

    def _weights(self, end: str) -> Weights:
        weights = super()._weights(end)
        if not (self.training and self.weight_dropout):
            return weights
        return weights._replace(weight_hh=nn.functional.dropout(weights.weight_hh, self.weight_dropout))

    def _prepare(self, layer: int, data: Tensor, layout: Layout | Padded) -> Tensor:
        data = super()._prepare(layer, data, layout)
        return drop_by_sequence(data, layout, self.input_dropout) if self.training and self.input_dropout else data

    def _noise(self, data: Tensor, layout: Layout | Padded) -> Noise:
        mask = zoneout = None
        if self.training and self.recurrent_dropout:
            mask = draw_mask(data, layout.batch, self.output_size, self.recurrent_dropout)
        rates = self.zoneout if isinstance(self.zoneout, tuple) else (self.zoneout, self.zoneout)
        if any(rates):
            sizes = self._state_sizes()
            zoneout = tuple(draw_zoneout(data, size, rate, self.training) for size, rate in zip(sizes, rates))
        return Noise(mask, zoneout)

    def _is_noisy(self) -> bool:
        return bool(self.zoneout) or bool(self.training and self.recurrent_dropout)

    def _connect(self, layer: int, below: Tensor, output: Tensor) -> Tensor:
        if layer == 0 or self.connections is None:
            return output
        if self.connections == "residual":
            return below + output
        bias = getattr(self, f"bias_gate_l{layer}", None)
        gate = torch.sigmoid(nn.functional.linear(below, getattr(self, f"weight_gate_l{layer}"), bias))
        return below + gate * (output - below)  # no lerp: under autocast the three differ in dtype

    def _finish(self, data: Tensor, layout: Layout | Padded) -> Tensor:
        return drop_by_sequence(data, layout, self.output_dropout) if self.training and self.output_dropout else data

    def _initial_state(self, batch: int, like: Tensor) -> State:
        if not self.learn_initial_state:
            return super()._initial_state(batch, like)
        names = ("h_0", "c_0")[: CELLS[self.cell].states]
        return tuple(getattr(self, name).unsqueeze(1).repeat(1, batch, 1) for name in names)

    def step(
        self, x_t: Tensor, state: Tensor | tuple[Tensor, ...] | None = None, precision: Precision = "float32"
    ) -> tuple[Tensor, Tensor | tuple[Tensor, ...]]:
        """Run one time step of one or a few sequences; step after step gives what the whole sequence gives.

        The weights are packed at the first call, and again when a parameter was replaced or changed, except in place
        through its ``.data``, of which torch tells nobody. What the native kernel cannot run goes through the ordinary
        forward; so does, for its gradients, an input or a state that requires them. No other call has gradients.

        Args:
            x_t: [B, I], or [I] for one sequence.
            state: of the form that the layer returns, [L, B, H] or [L, H]; when None the learned initial state, or
                zeros. It is not changed.
            precision: of the weights: ``"float32"``, or ``"bfloat16"`` or ``"int8"`` to read a half or a quarter of the
                bytes; see :class:`recurra.kernels.native.stream.PackedStack`.

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
            "init": "careful",
            **DEFAULTS,
        }
        shown = [f"{name}={getattr(self, name)!r}" for name, value in defaults.items() if getattr(self, name) != value]
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
    if init not in ("careful", "torch", "chrono"):
        raise SettingsError(f"init: expected 'careful', 'torch' or 'chrono', got {init!r}")
    if dropout and num_layers == 1:
        warnings.warn("dropout works between layers, and there is only one: it has no effect", stacklevel=4)
