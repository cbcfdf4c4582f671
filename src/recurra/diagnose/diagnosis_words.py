"""What a diagnosis says in words and in a table, the same on a terminal and on a page."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from recurra.diagnose.diagnosis import Context, Diagnosis, LayerDiagnosis

__all__ = [
    "MARKS",
    "WITHIN",
    "context_sentence",
    "excess",
    "layer_row",
    "measured_sentence",
    "no_layers_sentence",
    "reach_of",
]

_WHICH_LOSS = (
    "It is the loss of training on the sequences measured, each batch read from the initial state; what evaluate "
    "prints is of all examples."
)
WITHIN = "within 1 % of it or of all that context gains"  # the loss of a context that is enough
MARKS = {"problem": "✖ problem", "note": "! note", "good": "✔ good"}  # a sign and a word, so that no colour is needed


def measured_sentence(found: Diagnosis) -> str:
    """What was read for the diagnosis."""
    if not len(found.lengths):
        return f"No sequence was measured of {found.data}."
    lengths = np.array(found.lengths)
    many = "1 sequence" if len(lengths) == 1 else f"{len(lengths):,} sequences"
    shortest, longest = int(lengths.min()), int(lengths.max())
    others = [length for length in found.left_out if length]
    rest = (
        f" Left out, as they would take too long: {len(others):,}, the longest with {max(others):,} steps."
        if others
        else ""
    )
    if shortest == longest:
        how_long = "1 step" if longest == 1 else f"{longest:,} {found.unit}"
        each = " each" if len(lengths) > 1 else ""
        return f"Measured on {many} of {found.data}: {how_long}{each}.{rest}"
    spread = f"{shortest:,} to {longest:,} {found.unit}, median {np.median(lengths):g}"
    return f"Measured on {many} of {found.data}: {spread}.{rest}"


def no_layers_sentence(found: Diagnosis) -> str:
    """Why there is nothing to measure in a network without a recurrent layer."""
    return (
        f"The model of the task {found.task} has no recurrent layer: it does not read in order, so that there is no "
        "gradient through time, no gate and no state to measure."
    )


def reach_of(layer: LayerDiagnosis) -> str:
    """After how many steps the gradient is below a hundredth of that at lag 0."""
    if not bool(layer.flow.relative.any()):
        return "no gradient"
    reach = layer.flow.reach()
    return f"> {len(layer.flow.norms) - 1}" if reach is None else str(reach)


def layer_row(layer: LayerDiagnosis) -> tuple[str, ...]:
    """Name, reach, largest Lyapunov exponent and singular value, median half-life, and shares of gates and units, %.

    The shares: of gates nearly closed and nearly open over all units and steps, of dead units, and of steps at which
    |h| is saturated.
    """
    units = layer.units
    exponents = layer.exponents[layer.exponents.isfinite()]
    half_life = None if units.half_life is None else float(units.half_life.double().median())
    return (
        layer.name,
        reach_of(layer),
        f"{float(exponents.max()):+.3f}" if len(exponents) else "-",
        f"{float(layer.singular.max()):.2f}" if layer.singular.numel() else "-",
        "-" if half_life is None else "∞" if math.isinf(half_life) else f"{half_life:.1f}",
        _share([float(gate.mean()) for gate in units.closed.values()]),
        _share([float(gate.mean()) for gate in units.open.values()]),
        f"{100 * float(units.dead.double().mean()):.0f}",
        f"{100 * float(units.saturated.mean()):.0f}",
    )


def context_sentence(context: Context, unit: str) -> str:
    """How far back the model really looks, and which loss tells it."""
    needed = f"{context.needed or max(context.steps, default=0):,}"
    found = (
        f"With none of the context lengths tried is the loss as from the beginning, {context.whole:.4f}, {WITHIN}: the "
        f"model uses more than {needed} {unit}."
        if context.needed is None
        else f"With a context of {needed} ({unit}, the present one included) the loss is as from the beginning, "
        f"{context.whole:.4f}, {WITHIN}: what lies further back changes little."
    )
    return f"{found} {_WHICH_LOSS}"


def excess(context: Context) -> list[float]:
    """By how much the loss of each context length is above that from the beginning, as shares of the largest.

    Where even the largest is below a twentieth of the loss, shares of that, so that chance is not drawn large.
    """
    above = [max(0.0, loss - context.whole) for loss in context.losses]
    largest = max([*above, 0.05 * abs(context.whole)])
    return [value / largest if largest > 0 else 0.0 for value in above]


def _share(means: Sequence[float]) -> str:
    return f"{100 * sum(means) / len(means):.0f}" if means else "-"
