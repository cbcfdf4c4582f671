"""The gradient by lag of a simple recurrent layer whose W_hh has eigenvalues of one chosen size.

Bengio, Simard, Frasconi, "Learning long-term dependencies with gradient descent is difficult", IEEE Transactions on
Neural Networks 5, 1994; Pascanu, Mikolov, Bengio, "On the difficulty of training recurrent neural networks", ICML 2013.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import matplotlib
import torch
from torch import Tensor

from recurra.diagnose.flow import Flow, gradient_by_lag
from recurra.kernels.trace import traced
from recurra.lab.experiment import Figure, Outcome
from recurra.nn import RNN
from recurra.pages.drawing import INK, LEGEND, SETTINGS, STYLES, new_axes, new_panels, to_svg

__all__ = ["held_at", "measure", "run"]

_SIZES = (0.5, 0.7, 0.9, 1.0, 1.1, 1.3, 1.5)
_FINE = tuple(round(0.5 + 0.05 * place, 2) for place in range(21))
_DRIVES = (0.0, 0.1, 0.3)  # the deviation of W_ih x; without input the slope of tanh is exactly 1: a linear layer
_HIDDEN, _BATCH, _LAGS = 64, 32, 50


def run(seed: int, quick: bool, tell: Callable[[str], None]) -> Outcome:
    """Measure the gradient for each size of eigenvalue, at rest and at work."""
    sizes = _SIZES if quick else _FINE
    flows: dict[tuple[float, float], list[float]] = {}
    for drive in _DRIVES:
        tell(f"eigenvalues: {len(sizes)} sizes of eigenvalue with inputs of deviation {drive:g}")
        for size in sizes:
            flows[drive, size] = measure(size, drive, seed).relative.tolist()
    return _outcome(flows, sizes)


def measure(size: float, drive: float, seed: int, hidden: int = _HIDDEN, lags: int = _LAGS) -> Flow:
    """The gradient by lag, up to `lags`, of a loss that hears the last state of a tanh layer, in double precision.

    W_hh is `size` times a random orthogonal matrix, so that all its eigenvalues have that modulus and all its singular
    values are equal to it: no direction is favoured. The loss is a random linear function of the last state.

    Args:
        size: the modulus of the eigenvalues.
        drive: the deviation of what the input adds to each unit at each step; 0 leaves the state at zero.
        seed: of the matrix, the inputs and the loss.
        hidden: H.
        lags: K, one less than the steps of each sequence.
    """
    generator = torch.Generator().manual_seed(seed)
    layer = RNN(hidden, hidden, dtype=torch.float64)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
        layer.get_parameter("weight_ih_l0").copy_(torch.eye(hidden))
        layer.get_parameter("weight_hh_l0").copy_(size * _orthogonal(hidden, generator))
    x = drive * torch.randn(lags + 1, _BATCH, hidden, dtype=torch.float64, generator=generator)
    heard = torch.randn(_BATCH, hidden, dtype=torch.float64, generator=generator)
    with traced() as traces:
        _, h_n = layer(x)
    return gradient_by_lag((h_n[0] * heard).sum(), traces[0])


def _orthogonal(size: int, generator: torch.Generator) -> Tensor:
    drawn = torch.randn(size, size, dtype=torch.float64, generator=generator)
    return torch.nn.init.orthogonal_(drawn, generator=generator)


def _outcome(flows: dict[tuple[float, float], list[float]], sizes: Sequence[float]) -> Outcome:
    last = len(next(iter(flows.values()))) - 1
    error = max(abs(found / size**lag - 1) for size in sizes for lag, found in enumerate(flows[0.0, size]))
    half, hold, more = (flows[0.0, size][last] for size in (0.5, 1.0, 1.5))
    holding = {drive: held_at(sizes, [flows[drive, size][last] for size in sizes]) for drive in _DRIVES}
    lead = (
        f"{last} steps back, the gradient of a linear layer is {_power(half)} times what it was where the eigenvalues "
        f"of W_hh are 0.5, {hold:.3g} times at 1 and {_power(more)} times at 1.5: the eigenvalue to the power of the "
        f"lag. With inputs of deviation {_DRIVES[1]:g}, tanh bends, and the eigenvalue that holds the gradient is "
        f"{_shown(holding[_DRIVES[1]])}; with {_DRIVES[2]:g}, {_shown(holding[_DRIVES[2]])}."
    )
    numbers: dict[str, Any] = {
        "lags": list(range(last + 1)),
        "largest_relative_error_of_theory": error,
        "eigenvalue_that_holds": {f"input_deviation_{drive:g}": found for drive, found in holding.items()},
        "gradients": [
            {
                "eigenvalue": size,
                "input_deviation": drive,
                "relative_norm_by_lag": norms,
                "theory_by_lag": [size**lag for lag in range(last + 1)],
            }
            for (drive, size), norms in flows.items()
        ],
    }
    return Outcome(
        lead,
        [
            (_power(half), f"of the gradient is left after {last} steps at eigenvalue 0.5"),
            (_power(more), f"times as large after {last} steps at eigenvalue 1.5"),
            (_shown(holding[_DRIVES[1]]), f"the eigenvalue that holds it with inputs of deviation {_DRIVES[1]:g}"),
            (f"{error:.0e}", "largest relative difference of measurement and formula, linear"),
        ],
        [_by_lag(flows), _by_size(flows, sizes)],
        ["eigenvalue", "steps to 1/100, linear", f"linear, lag {last}", f"formula, lag {last}"]
        + [f"tanh, input {drive:g}" for drive in _DRIVES[1:]],
        [_row(flows, size, last) for size in _SIZES],
        _EXPLANATION,
        numbers,
    )


def held_at(sizes: Sequence[float], left: Sequence[float]) -> float | None:
    """The eigenvalue at which what is left of the gradient is 1, between those measured by its logarithm; or None.

    >>> held_at([0.5, 1.5], [1e-3, 1e3])
    1.0
    """
    for (low, below), (high, above) in pairwise(zip(sizes, left)):
        if below <= 1 <= above:
            share = math.log(below) / (math.log(below) - math.log(above)) if above > below else 0.0
            return low + share * (high - low)
    return None


def _shown(size: float | None) -> str:
    return "none up to 1.5" if size is None else f"{size:.2f}"


def _row(flows: dict[tuple[float, float], list[float]], size: float, last: int) -> list[str]:
    reach = next((str(lag) for lag, left in enumerate(flows[0.0, size]) if left < 0.01), "never")
    shown = [_power(flows[0.0, size][last]), _power(size**last), *(_power(flows[d, size][last]) for d in _DRIVES[1:])]
    return [f"{size:g}", reach, *shown]


_EXPLANATION = (
    "A simple recurrent layer computes h_t = tanh(W_ih x_t + W_hh h_(t-1)). The gradient that arrives at h_(t-k) is "
    "that at h_t, multiplied k times by the transpose of W_hh and by the slope of tanh, 1 - h^2, at the step passed.",
    "Without input the state stays at zero, where the slope of tanh is exactly 1: the layer is linear. W_hh is here a "
    "number lambda times a random orthogonal matrix, so that every eigenvalue has modulus lambda, and so has every "
    "singular value. Each step multiplies the norm by lambda; k steps, by lambda^k. Below 1 it vanishes, at 1 it "
    "holds, above 1 it explodes (Bengio, Simard, Frasconi 1994).",
    "With inputs the units leave zero, and the slope of tanh is below 1. Eigenvalues below 1 thus suffice for the "
    "gradient to vanish; one above 1 is needed for it to explode, but does not suffice (Pascanu, Mikolov, Bengio "
    "2013): the larger the inputs, the more saturated the units, and the larger the eigenvalue that holds.",
    "For a general W_hh, whose singular values differ, the eigenvalues say how the gradient ends and the singular "
    "values how it may begin: it can grow at first although it vanishes in the end.",
)


def _power(number: float) -> str:
    """A number of any size in a few characters.

    >>> _power(0.25), _power(8.9e-16), _power(6.4e8)
    ('0.25', '8.9e-16', '6.4e+08')
    """
    return f"{number:.2g}" if 0.001 <= number < 1000 else f"{number:.1e}"


def _style(size: float) -> str:
    return "lstm" if size < 1 else "gru" if size > 1 else "baseline"


def _by_lag(flows: dict[tuple[float, float], list[float]]) -> Figure:
    with matplotlib.rc_context(SETTINGS):
        figure, panels = new_panels(5.6, 6.4, 2)
        for axes, drive in zip(panels, _DRIVES):
            for size in _SIZES:
                norms = flows[drive, size]
                axes.plot(norms, color=STYLES[_style(size)].light, linewidth=2)
                axes.plot([size**lag for lag in range(len(norms))], color=INK, linewidth=1, linestyle=(0, (1, 3)))
                axes.annotate(f"{size:g}", (len(norms) - 1, norms[-1]), (5, 0), textcoords="offset points", va="center")
            axes.set_yscale("log")
            name = f"tanh, inputs of deviation {drive:g}" if drive else "linear (no input)"
            axes.set_title(name, loc="left", fontsize=12)
            axes.set_ylabel("gradient / that at lag 0")
        panels[-1].set_xlabel("lag: steps back in time")
        drawing = to_svg(
            figure, "recurra lab eigenvalues: the gradient by lag, for eigenvalues of W_hh from 0.5 to 1.5"
        )
    return Figure(
        "by-lag",
        drawing,
        "The norm of the gradient of the loss with respect to the state so many steps back, beside that at the last "
        "step. The number at each line is the modulus of the eigenvalues; dotted, the eigenvalue to the power of the "
        "lag. Linear, measurement and formula are one line.",
    )


def _by_size(flows: dict[tuple[float, float], list[float]], sizes: Sequence[float]) -> Figure:
    styles = dict(zip(_DRIVES, ("baseline", "lstm", "gru")))
    with matplotlib.rc_context(SETTINGS):
        figure, axes = new_axes(5.6, 4.0)
        for drive in _DRIVES:
            label = f"tanh, input {drive:g}" if drive else "linear (no input)"
            style = STYLES[styles[drive]]
            last = [flows[drive, size][-1] for size in sizes]
            axes.plot(sizes, last, color=style.light, marker=style.marker, markersize=5, linewidth=2, label=label)
        axes.axhline(1.0, color=INK, linewidth=1, linestyle=(0, (1, 3)))
        axes.set_yscale("log")
        axes.set_xlabel("modulus of the eigenvalues of W_hh")
        axes.set_ylabel(f"gradient at lag {_LAGS}")
        axes.legend(ncols=2, loc="lower left", bbox_to_anchor=(-0.06, 1.0), **LEGEND)
        drawing = to_svg(figure, f"The gradient {_LAGS} steps back, by eigenvalue and input")
    return Figure(
        "by-eigenvalue",
        drawing,
        f"What is left of the gradient {_LAGS} steps back. The dotted line is a gradient that holds: without input it "
        "is crossed at 1, with larger inputs at larger eigenvalues.",
    )
