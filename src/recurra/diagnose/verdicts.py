"""What the measurements of a model mean: verdicts in plain words, each with the reason of its threshold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from statistics import median

from recurra.checkpoint import SavedModel
from recurra.diagnose.case import FALLEN, Case, percent, steps
from recurra.diagnose.diagnosis import Diagnosis, Verdict
from recurra.diagnose.diagnosis_words import WITHIN
from recurra.diagnose.layer_verdicts import dead, exploding, saturated, vanishing
from recurra.diagnose.learnt import standing, weights_as_drawn

__all__ = ["judge"]

_CLIPPED = 0.5  # of the steps of training
_UNSOUND = {"untrained", "vanishing", "exploding", "chaotic", "saturated", "short"}
_LEVELS = ("problem", "note", "good")


def judge(found: Diagnosis, model: SavedModel) -> list[Verdict]:
    """Judge what was measured, the problems first; there is always a verdict."""
    case = Case(found, model)
    verdicts = [verdict for rule in _RULES for verdict in rule(case)]
    kinds = {verdict.kind for verdict in verdicts}
    if "untrained" in kinds:  # who has learnt nothing needs no context yet: that is no reason for another network
        verdicts = [replace(each, remedy="", command="") if each.kind == "context" else each for each in verdicts]
    if not kinds & _UNSOUND:
        verdicts += _sound(case)
    return sorted(verdicts, key=lambda verdict: _LEVELS.index(verdict.level))


def _learnt(case: Case) -> Iterator[Verdict]:
    trained = case.model.metrics.get("epochs") or 1
    epochs = max(10, 2 * int(trained))
    command = case.again("longer", epochs=epochs)
    if weights_as_drawn(case.model.task):
        # a run whose rate, or schedule of it, moved no weight would move none in more epochs either
        usual = case.again("longer", epochs=epochs, learning_rate=None)
        yield Verdict(
            "untrained",
            "problem",
            "The weights are as they were drawn: all that follows is of a network that has learnt nothing.",
            "They are within a thousandth of those that the seed draws; the first epoch alone moves them by far more.",
            "Train it, with the usual --learning-rate.",
            usual,
        )
        return
    stands = standing(case.model)
    if stands is None or not stands.ahead:
        return
    where = f"on the {stands.part} examples of its training"
    if not stands.beaten:
        weakest, score = stands.ahead[-1]
        yield Verdict(
            "untrained",
            "problem",
            f"The model is no better than its weakest baseline, '{weakest}': {stands.score} {stands.own} against "
            f"{score}, {where}. What is measured here is of a network that has learnt little.",
            "Who beats none of such simple answers has not learnt to use a memory, or there is nothing to remember.",
            "Train longer, or with another --learning-rate.",
            command,
        )
    else:
        best, score = stands.ahead[0]
        yield Verdict(
            "behind",
            "note",
            f"A simpler answer is as good or better: '{best}' has {stands.score} {score}, the model {stands.own}, "
            f"{where}.",
            "Where a baseline is not beaten, what the network remembers is of no use yet.",
            "Train longer, or on more data, or keep the simpler one.",
            command,
        )


def _feedforward(case: Case) -> Iterator[Verdict]:
    if not case.found.layers:
        yield Verdict(
            "feedforward",
            "note",
            "The model has no recurrent layer: it has no state, no gates and no gradient through time to measure.",
            "A feedforward model reads its input as a bag, or each part of it by itself.",
            "Where the order may matter, a recurrent one can tell.",
            case.again("lstm", cell="lstm"),
        )


def _short(case: Case) -> Iterator[Verdict]:
    if case.found.layers and not case.long:
        yield Verdict(
            "short",
            "note",
            f"No sequence has a second step ({case.found.unit}): nothing can be remembered or forgotten, and "
            "gradients, exponents and context have nothing to go back over.",
            "What is told of gates and units is of a first step alone.",
            "Diagnose it on longer sequences.",
        )


def _clipped(case: Case) -> Iterator[Verdict]:
    if not case.found.clipped:
        return
    share = sum(case.found.clipped) / len(case.found.clipped)
    norm = case.model.task.config.train.clip_norm
    if share > _CLIPPED:
        yield Verdict(
            "clipped",
            "note",
            f"{percent(share)} of the steps of training were clipped to a norm of {norm:g}.",
            "When most steps are clipped, all of these have one length, whatever the gradient says: the clipping sets "
            "the pace, not the loss. With SGD that is often meant.",
            "Allow a larger norm, and see whether the loss falls faster.",
            case.again("unclipped", clip_norm=4 * norm),
        )
    elif share == 0:
        yield Verdict(
            "clipped",
            "good",
            f"No step of training was clipped: gradients never had a norm above {norm:g}.",
            "Clipping is there for rare large gradients; none came.",
        )


def _context(case: Case) -> Iterator[Verdict]:
    context, unit = case.found.context, case.found.unit
    if context is None or not case.long or len(context.steps) < 2:  # with one, nothing is compared
        return
    longest, typical = context.steps[-1], median(case.found.lengths)
    reason = "1 % of the loss, or of all that context gains if that is more: what changes it less changes few answers."
    to_the_end = context.needed == longest and longest >= max(case.found.lengths) and len(context.steps) > 2
    if context.needed is None or to_the_end:
        yield Verdict(
            "context",
            "note",
            f"It looks back further than {context.steps[-2] if to_the_end else longest:,} {unit}: the loss still "
            f"falls there, to {context.whole:.4f}.",
            reason,
            *_further(case, longest),
        )
    elif context.needed == 1:
        command = case.again("feedforward", cell="feedforward")
        yield Verdict(
            "context",
            "note",
            f"Its recurrent layers look at no step but the present one: with a context of 1 the loss is "
            f"{context.losses[0]:.4f}, with all {context.whole:.4f}.",
            reason,
            "If the order does not matter here, a feedforward model is as good and faster." if command else "",
            command,
        )
    else:
        yield Verdict(
            "context",
            "note" if 4 * context.needed <= typical else "good",
            f"It really looks back {context.needed:,} {unit}: with so many its loss is as from the beginning, "
            f"{context.whole:.4f}, {WITHIN}; the sequences have {typical:g} (median).",
            reason,
        )


def _further(case: Case, longest: int) -> tuple[str, str]:
    train = case.model.task.config.train
    if hasattr(train, "steps") and train.steps < longest:
        return "Let gradients reach further back.", case.again("further", steps=longest)
    if getattr(case.options, "window", None):
        window = 2 * case.options.window
        return "Let it read a longer window.", case.again("further", window=window)
    return "", ""


def _sound(case: Case) -> Iterator[Verdict]:
    if not case.long:
        return
    reaches = [(layer.flow.reach(FALLEN), layer) for layer in case.long]
    known = [(reach, layer) for reach, layer in reaches if reach is not None]
    if known:
        reach, layer = min(known, key=lambda pair: pair[0])
        how = f"in {layer.name} the gradient is above a hundredth for {steps(reach)}, in others for longer"
        how = how if len(case.long) > 1 else f"the gradient is above a hundredth for {steps(reach)}"
    else:
        how = "no gradient falls to a hundredth within the sequences"
    yield Verdict(
        "sound",
        "good",
        f"Nothing is wrong with its memory: {how}; no layer explodes, is saturated or dead.",
        "No measurement is beyond its threshold.",
    )


_RULES: tuple[Callable[[Case], Iterator[Verdict]], ...] = (
    _learnt,
    _feedforward,
    _short,
    vanishing,
    exploding,
    saturated,
    dead,
    _clipped,
    _context,
)
