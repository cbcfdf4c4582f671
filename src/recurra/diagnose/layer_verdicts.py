"""Verdicts about recurrent layers: whether gradients vanish or explode, and units are stuck or dead."""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import median
from typing import Any

from recurra.diagnose.case import FALLEN, Case, percent, steps
from recurra.diagnose.diagnosis import LayerDiagnosis, Verdict

__all__ = ["dead", "exploding", "saturated", "vanishing"]

_GROWN = 10.0
_STUCK = 0.9  # of the steps
_MANY = 0.25  # of the units
_OBSERVED = 50  # steps in all, before a unit that hardly varied is called dead


def vanishing(case: Case) -> Iterator[Verdict]:
    """The gradient falls long before a sequence is over."""
    fallen = [(layer.flow.reach(FALLEN), layer) for layer in case.long]
    short = [(reach, layer) for reach, layer in fallen if reach is not None and 2 * reach < median(layer.lengths)]
    if not short:
        return
    reach, layer = min(short, key=lambda pair: pair[0])
    others = f" (and no sooner in {len(short) - 1} more layer{'s' * (len(short) > 2)})" if len(short) > 1 else ""
    far = "What stands further back is hardly learnt from."
    level: Any = "problem"
    if not _speaks_once(layer):
        level = "note"
        far = "The loss speaks at many steps and so teaches what is near; what is further back is hardly learnt from."
    remedy, command = _longer_reach(case, once=level == "problem")
    yield Verdict(
        "vanishing",
        level,
        f"In {layer.name} the gradient falls to a hundredth after {steps(reach)}{others}; the sequences "
        f"have {median(layer.lengths):g} (median). {far}",
        "A hundredth of an update is lost in the noise between batches; less than half of the sequence is then within "
        "reach. It is a problem where the loss speaks at one step only, and all must be carried there.",
        remedy,
        command,
    )


def _longer_reach(case: Case, once: bool) -> tuple[str, str]:
    """What lets gradients reach further, and the command, the likeliest first.

    Gates that begin open learn more slowly what is near, so that they are told of only where the loss speaks once.
    """
    options = case.options
    tried: list[tuple[bool, str, str, dict[str, Any]]] = [
        (case.simple, "A gated cell keeps what a simple one forgets.", "lstm", case.gated()),
        (
            getattr(options, "attention", "") == "none",
            "Attention looks at each step directly.",
            "attention",
            {"attention": "general"},
        ),
        (
            getattr(options, "pooling", "") == "final",
            "Pooling over all steps is a short way back to each of them.",
            "max",
            {"pooling": "max"},
        ),
        (
            not getattr(options, "bidirectional", True),
            "A second net that reads from the end halves the distance.",
            "bidirectional",
            {"bidirectional": True},
        ),
        (
            once and not case.simple and options.chrono_steps is None,
            "Gates that begin open let gradients through from the start (chrono initialisation; `recurra lab memory` "
            "shows what it does).",
            "chrono",
            {"chrono_steps": max(3, *(length for layer in case.long for length in layer.lengths))},
        ),
    ]
    for applies, remedy, suffix, changes in tried:
        command = case.again(suffix, **changes) if applies else ""
        if command:
            return remedy, command
    return "Shorter sequences, or more examples in which what is far back matters, teach a longer memory.", ""


def exploding(case: Case) -> Iterator[Verdict]:
    """The gradient grows on its way back, or differences of the state grow."""
    grown = [(float(layer.flow.relative.max()), layer) for layer in case.long]
    most, layer = max(grown, key=lambda pair: pair[0], default=(0.0, None))
    if layer is not None and most > _GROWN:
        lag = int(layer.flow.relative.argmax())
        remedy, changes = _calmer(case)
        yield Verdict(
            "exploding",
            "problem",
            f"In {layer.name} the gradient is {most:.3g} times as large {steps(lag)} back as where the loss speaks.",
            "Beyond ten times, a step of training follows what is far back, and clipping scales all else away.",
            remedy,
            case.again("calmer", **changes),
        )
        return
    chaotic = [layer for layer in case.long if len(layer.exponents) and _over_a_sequence(layer) > math.log(_GROWN)]
    if chaotic:
        layer = max(chaotic, key=_over_a_sequence)
        remedy, changes = _calmer(case)
        yield Verdict(
            "chaotic",
            "note",
            f"In {layer.name} a small difference of the state grows by {float(layer.exponents[0]):.3f} nats a step "
            f"(largest Lyapunov exponent): {math.exp(min(_over_a_sequence(layer), 700)):.3g} times over a sequence.",
            "Small differences, noise too, grow more than tenfold over a median sequence.",
            remedy,
            case.again("calmer", **changes),
        )


def _over_a_sequence(layer: LayerDiagnosis) -> float:
    return float(layer.exponents[0]) * median(layer.lengths)


def _calmer(case: Case) -> tuple[str, dict[str, Any]]:
    if case.simple:
        return "The gates of an LSTM bound what goes back through its cell.", case.gated()
    train = case.model.task.config.train
    return (
        "Clip to a smaller norm, and learn more slowly.",
        {"clip_norm": train.clip_norm / 4, "learning_rate": _third(train.learning_rate)},
    )


def _third(rate: float) -> float:
    """A third of a learning rate, as one would write it: to two digits."""
    return float(f"{rate / 3:.2g}")


def saturated(case: Case) -> Iterator[Verdict]:
    """Units or gates that are stuck at their ends."""
    bounded = [layer for layer in case.found.layers if layer.cell != "rnn_relu"]
    stuck = [(float((layer.units.saturated > _STUCK).double().mean()), layer) for layer in bounded]
    share, layer = max(stuck, key=lambda pair: pair[0], default=(0.0, None))
    rate = _third(case.model.task.config.train.learning_rate)
    if layer is not None and share >= _MANY:
        yield Verdict(
            "saturated",
            "problem",
            f"{percent(share)} of the units of {layer.name} are saturated: |h| is above 0.95 at nine steps of ten.",
            "There the derivative of tanh is below a tenth, so that such a unit hardly learns. Good models have some, "
            "which count or note; a quarter is more.",
            "Learn more slowly, so that weights do not grow so far.",
            case.again("slower", learning_rate=rate),
        )
    shut = [
        (float((layer.units.closed[gate] > _STUCK).double().mean()), gate, layer)
        for layer in case.found.layers
        for gate in layer.units.closed
    ]
    share, gate, layer = max(shut, key=lambda found: found[0], default=(0.0, "", None))
    if layer is not None and share >= _MANY:
        yield Verdict(
            "saturated",
            "note",
            f"Gate {gate} of {percent(share)} of the units of {layer.name} is shut: below 0.1 at nine steps of ten.",
            "A quarter of the units is more than a few that have specialised. Units whose forget or update gate is "
            "shut keep nothing; units whose input or output gate is shut take nothing in or tell nothing.",
            "Where more memory is wanted, learn more slowly.",
            case.again("slower", learning_rate=rate),
        )


def dead(case: Case) -> Iterator[Verdict]:
    """Units that say nothing."""
    observed = [layer for layer in case.found.layers if sum(layer.lengths) >= _OBSERVED]
    dead = [(float(layer.units.dead.double().mean()), layer) for layer in observed]
    share, layer = max(dead, key=lambda pair: pair[0], default=(0.0, None))
    if layer is None or not share:
        return
    count, units = int(layer.units.dead.sum()), len(layer.units.dead)
    relu = layer.cell == "rnn_relu"
    yield Verdict(
        "dead",
        "problem" if share >= _MANY else "note",
        f"{count:,} of {units:,} units of {layer.name} are dead: over all steps h varies by less than a thousandth.",
        "A thousandth is lost beside other units, which vary by some tenths. A few do no harm; a quarter of the units "
        "are weights that cost time and say nothing.",
        "A rectifier that never opens gets no gradient; tanh does." if relu else "A smaller state would do.",
        case.again("lstm", **case.gated()) if relu else _smaller(case, layer, max(1, units - count)),
    )


def _smaller(case: Case, layer: LayerDiagnosis, units: int) -> str:
    """The command that trains with a state of so many units where a layer has its own."""
    of_characters = layer.name.startswith("characters")
    return case.again("smaller", **{"character_hidden_size" if of_characters else "hidden_size": units})


def _speaks_once(layer: LayerDiagnosis) -> bool:
    """Whether the loss is told at one step of each sequence, from which all must be carried back."""
    sequences = sum(length > 0 for length in layer.lengths)
    return float(layer.flow.counts[0]) <= sequences
