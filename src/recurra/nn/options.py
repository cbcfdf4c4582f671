"""What recurra's layers can be told beyond what torch's take: one dictionary type, its defaults and its checks."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypedDict, TypeVar

from recurra.errors import SettingsError, nearest
from recurra.kernels.cells import CELLS

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["DEFAULTS", "Extras", "Init", "checked_extras", "shows_extras"]

Init = Literal["careful", "torch", "chrono"]
_Constructor = TypeVar("_Constructor", bound=Callable[..., None])


class Extras(TypedDict, total=False):
    r"""What RNN, LSTM and GRU take by keyword beyond what torch's layers take.

    Dropout here is *variational*: one mask is drawn for each sequence and call, the same at all its steps, and what
    is kept is scaled by 1 / (1 - p) (Gal, Ghahramani, "A theoretically grounded application of dropout in recurrent
    neural networks", NeurIPS 2016). Torch's own ``dropout``, between layers, is drawn anew for each step. In evaluation
    nothing is drawn. The final state is that of the recurrence, before `output_dropout` and `connections`.

    Attributes:
        input_dropout: p in 0..1, for the input of each layer.
        recurrent_dropout: p in 0..1, for h on its way to W_hh.
        output_dropout: p in 0..1, for the outputs of the last layer.
        weight_dropout: p in 0..1, for the numbers of W_hh, drawn anew for each call; the parameters stay as they are
            (Merity, Keskar, Socher, "Regularizing and optimizing LSTM language models", ICLR 2018).
        zoneout: share of the units whose state stays as it was, drawn anew for each step; of an LSTM a pair for (h, c),
            or one for both. In evaluation each unit takes the mean: z * old + (1 - z) * new (Krueger et al., "Zoneout:
            regularizing RNNs by randomly preserving hidden activations", ICLR 2017).
        layer_norm: whether W_ih x and W_hh h are normalised over all G * H numbers, and an LSTM's c on its way to h;
            parameters ``gain_ih_l0``, ``gain_hh_l0``, ``gain_c_l0`` and ``bias_c_l0``, the biases being those of the
            norms (Ba, Kiros, Hinton, "Layer normalization", arXiv:1607.06450).
        forget_bias: what an LSTM's forget gate has as the sum of its two biases at the start; 1 with
            ``init="careful"``.
        chrono_steps: T_max, about the longest range, in steps, that ``init="chrono"`` is to span.
        learn_initial_state: whether the state before the first step, where none is given, is learnt: parameters
            ``h_0`` [L * D, H] and ``c_0``, zeros at the start; [L * D, P] for h with a projection.
        connections: ``"residual"`` adds to what a layer gives what came from the layer below, before any dropout (He
            et al., "Deep residual learning", CVPR 2016); ``"highway"`` mixes the two by a gate, y = g * layer + (1 - g)
            * below with g = sigmoid(W below + b), parameters ``weight_gate_l1`` and ``bias_gate_l1``, which is -1 at
            the start (Srivastava, Greff, Schmidhuber, "Highway networks", arXiv:1505.00387). The first layer, which
            reads the input and not a layer, has none.
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


DEFAULTS: Extras = {
    "input_dropout": 0.0,
    "recurrent_dropout": 0.0,
    "output_dropout": 0.0,
    "weight_dropout": 0.0,
    "zoneout": 0.0,
    "layer_norm": False,
    "forget_bias": None,
    "chrono_steps": None,
    "learn_initial_state": False,
    "connections": None,
}


def shows_extras(constructor: _Constructor) -> _Constructor:
    """Have `help` and editors show each of :class:`Extras` in a constructor's signature."""
    signature = inspect.signature(constructor)
    kept = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    extras = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=d) for name, d in DEFAULTS.items()]
    constructor.__signature__ = signature.replace(parameters=[*kept, *extras])  # type: ignore[attr-defined]
    return constructor


def checked_extras(
    cell: str, hidden_size: int, num_layers: int, bias: bool, init: Init, **extras: Unpack[Extras]
) -> Extras:
    """Return the options with defaults in place of those not given.

    Raises:
        SettingsError: an option that is unknown, out of range, or without effect on such a layer.
    """
    for name in extras:
        if name not in DEFAULTS:
            raise SettingsError(f"unknown option '{name}'{nearest(name, DEFAULTS)} (there are {', '.join(DEFAULTS)})")
    full: Extras = {**DEFAULTS, **extras}
    for name in ("input_dropout", "recurrent_dropout", "output_dropout", "weight_dropout"):
        _check_share(name, full[name])  # type: ignore[literal-required]
    for name in ("layer_norm", "learn_initial_state"):
        if not isinstance(full[name], bool):  # type: ignore[literal-required]
            raise SettingsError(f"{name}: expected True or False, got {full[name]!r}")  # type: ignore[literal-required]
    if full["layer_norm"] and hidden_size == 1:
        raise SettingsError("layer_norm: a norm over one number is always zero; hidden_size must be at least 2")
    if full["connections"] not in (None, "residual", "highway"):
        raise SettingsError(f"connections: expected 'residual', 'highway' or None, got {full['connections']!r}")
    if full["connections"] and num_layers == 1:
        raise SettingsError("connections: they are between layers, and there is only one; set num_layers to 2 or more")
    full["zoneout"] = _checked_zoneout(cell, full["zoneout"])
    _check_bias_options(cell, bias, init, full["forget_bias"], full["chrono_steps"])
    return full


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_share(name: str, value: Any) -> None:
    if not _is_number(value) or not 0 <= value < 1:
        raise SettingsError(f"{name}: expected a number from 0 to less than 1, got {value!r}")


def _checked_zoneout(cell: str, zoneout: Any) -> float | tuple[float, float]:
    if not isinstance(zoneout, tuple | list):
        _check_share("zoneout", zoneout)
        return float(zoneout)
    if CELLS[cell].states == 1:
        raise SettingsError(f"zoneout: only an LSTM has a pair of states (h, c); expected one number, got {zoneout!r}")
    if len(zoneout) != 2:
        raise SettingsError(f"zoneout: expected a number or a pair for (h, c), got {zoneout!r}")
    for share in zoneout:
        _check_share("zoneout", share)
    return (float(zoneout[0]), float(zoneout[1])) if any(zoneout) else 0.0


def _check_bias_options(cell: str, bias: bool, init: Init, forget_bias: Any, chrono_steps: Any) -> None:
    if forget_bias is not None:
        if cell != "lstm":
            raise SettingsError(f"forget_bias: only an LSTM has a forget gate, and this layer's cell is {cell}")
        if not _is_number(forget_bias) or not math.isfinite(forget_bias):
            raise SettingsError(f"forget_bias: expected a number, got {forget_bias!r}")
        if init == "chrono":
            raise SettingsError("forget_bias: init='chrono' draws the forget gate's bias; give one or the other")
        if not bias:
            raise SettingsError("forget_bias: without biases (bias=False) it has no effect")
    if init != "chrono":
        if chrono_steps is not None:
            raise SettingsError(f"chrono_steps: it has no effect with init={init!r}; set init='chrono'")
        return
    if CELLS[cell].gates == 1:
        raise SettingsError("init: 'chrono' draws the biases of gates, and a simple cell has none; use LSTM or GRU")
    if not bias:
        raise SettingsError("init: 'chrono' draws biases, and there are none (bias=False)")
    if isinstance(chrono_steps, bool) or not isinstance(chrono_steps, int) or chrono_steps < 3:
        raise SettingsError(
            f"chrono_steps: init='chrono' needs the longest range in steps, an integer of at least 3, "
            f"got {chrono_steps!r}"
        )
