"""What clipping the gradient saves: the same training with and without it, at several learning rates.

Pascanu, Mikolov, Bengio, "On the difficulty of training recurrent neural networks", ICML 2013.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from recurra.lab.clipping_runs import BATCH, CELLS, CLIP, HIDDEN, STEPS, TEST, Found, Plan, read_characters, train
from recurra.lab.experiment import Figure, Outcome
from recurra.pages.drawing import INK, LEGEND, SETTINGS, STYLES, new_panels, to_svg

__all__ = ["run", "show"]

_FULL = Plan((0.03, 0.1, 0.3, 1.0, 3.0), 4, 600)
_QUICK = Plan((0.3, 1.0), 2, 25)
_WAYS = {None: "baseline", CLIP: "lstm"}  # and how each is drawn
_DRAWN = ("tanh", 1.0)  # the cell and learning rate whose training is drawn step by step


def run(seed: int, quick: bool, tell: Callable[[str], None]) -> Outcome:
    """Train with and without clipping, each rate from the same seeds on the same batches."""
    plan, characters = (_QUICK if quick else _FULL), read_characters()
    runs = []
    for cell, (name, _) in CELLS.items():
        for rate in plan.rates:
            for clip in _WAYS:
                tried = [train(characters, cell, rate, clip, seed + more, plan.updates) for more in range(plan.seeds)]
                lost = sum(each.course.diverged is not None for each in tried)
                way = f"clipped at {clip}" if clip else "not clipped"
                tell(f"clipping: {name}, learning rate {rate:g}, {way}: {lost} of {len(tried)} ended in NaN")
                runs += tried
    return show(Found(runs, plan, characters.blind))


def show(found: Found) -> Outcome:
    """Tell what the trainings have shown."""
    count = len(found.of(None))
    (nan, worse), (clipped_nan, clipped_worse) = found.lost(None), found.lost(CLIP)
    (loss, way), (clipped_loss, clipped_way) = _best(found, None), _best(found, CLIP)
    lead = (
        f"Of {count} trainings without clipping {nan} ended in NaN, and {worse} more knew less in the end than the "
        f"frequencies of the characters; of the same {count} with gradients clipped at {CLIP}, {clipped_nan} and "
        f"{clipped_worse}. At best they came to {loss} nats a character without clipping, {way}, and to {clipped_loss} "
        f"with it, {clipped_way}."
    )
    return Outcome(
        lead,
        [
            (f"{nan} of {count}", "trainings ended in NaN without clipping"),
            (f"{clipped_nan} of {count}", "trainings ended in NaN with clipping"),
            (loss, f"nats a character at best without, {way}"),
            (clipped_loss, f"nats a character at best with, {clipped_way}"),
        ],
        [_by_rate(found), _curves(found)],
        ["cell, learning rate", "NaN", "NaN, clipped", "loss", "loss, clipped", "updates clipped %"],
        [_row(found, cell, rate) for cell in CELLS for rate in found.plan.rates],
        _explanation(found),
        _numbers(found),
    )


def _best(found: Found, clip: float | None) -> tuple[str, str]:
    """The least median loss of a way, and of which cell and learning rate it is, in words."""
    loss, cell, rate = found.best(clip)
    return f"{loss:.2f}", f"by the {CELLS[cell][0]} cell at learning rate {rate:g}"


def _row(found: Found, cell: str, rate: float) -> list[str]:
    ways = [found.of(clip, cell, rate) for clip in _WAYS]
    lost = [f"{sum(run.course.diverged is not None for run in runs)} of {len(runs)}" for runs in ways]
    errors = [median(run.error for run in runs) for runs in ways]
    share = median(run.course.clipped(CLIP) for run in ways[1])
    shown = ["none" if math.isinf(error) else f"{error:.2f}" for error in errors]
    return [f"{CELLS[cell][0]}, {rate:g}", *lost, *shown, f"{100 * share:.0f}"]


def _numbers(found: Found) -> dict[str, Any]:
    return {
        "clip": CLIP,
        "hidden_size": HIDDEN,
        "steps": STEPS,
        "batch_size": BATCH,
        "updates": found.plan.updates,
        "loss_by_frequencies": found.blind,
        "eigenvalues_at_start": {cell: size for cell, (_, size) in CELLS.items()},
        "runs": [
            {
                "cell": run.cell,
                "learning_rate": run.rate,
                "clip": run.clip,
                "seed": run.seed,
                "loss": run.error,
                "nan_at_update": run.course.diverged,
                "share_of_updates_above_clip": run.course.clipped(CLIP),
                "median_norm": median(run.course.norms),
                "training_losses": [float(piece.mean()) for piece in _pieces(run.course.losses)],
            }
            for run in found.runs
        ],
    }


def _pieces(values: Sequence[float]) -> list[Any]:
    return np.array_split(np.asarray(values), min(30, len(values)))


def _named(clip: float | None) -> str:
    return f"clipped at {clip}" if clip else "not clipped"


def _by_rate(found: Found) -> Figure:
    """Draw the loss by learning rate: a point each seed, a line through the medians; NaN stands at the top."""
    top = 2 * max([found.blind, *(run.error for run in found.runs if math.isfinite(run.error))])
    with matplotlib.rc_context(SETTINGS):
        figure, panels = new_panels(5.6, 6.4, 2)
        for axes, (cell, (name, size)) in zip(panels, CELLS.items()):
            for shift, (clip, style) in zip((0.96, 1.04), _WAYS.items()):
                drawn: Mapping[str, Any] = {"color": STYLES[style].light, "marker": STYLES[style].marker}
                at = [rate * shift for rate in found.plan.rates]
                errors = [[run.error for run in found.of(clip, cell, rate)] for rate in found.plan.rates]
                axes.plot(at, [_or_nan(median(of)) for of in errors], linewidth=2, label=_named(clip), **drawn)
                for x, of in zip(at, errors):
                    axes.plot([x] * len(of), [_or_nan(e) for e in of], ls="", markersize=4, alpha=0.6, **drawn)
                    lost = sum(map(math.isinf, of))
                    if lost:
                        axes.plot([x], [top], ls="", color=STYLES[style].light, marker="x", markersize=8)
                        axes.annotate(f"{lost} NaN", (x, top), (6, -4), textcoords="offset points", fontsize=10)
            axes.axhline(found.blind, color=INK, linewidth=1, linestyle=(0, (1, 3)))
            axes.set_xscale("log")
            axes.set_xlim(found.plan.rates[0] / 1.4, found.plan.rates[-1] * 1.8)  # room for what is said beside a cross
            axes.set_xticks(found.plan.rates)
            _plain_log(axes.xaxis)
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            _plain_log(axes.yaxis)
            axes.set_title(f"{name}, eigenvalues of W_hh {size:g} at the start", loc="right", fontsize=12)
            axes.set_ylabel("nats a character")
        panels[-1].set_xlabel("learning rate")
        panels[0].legend(ncols=1, loc="center left", **LEGEND)
        drawing = to_svg(figure, "The loss by learning rate, with and without clipping")
    return Figure(
        "by-rate",
        drawing,
        f"The loss on {TEST} windows of texts that were not trained on: each seed, and the medians as a line. A cross "
        "at the top tells how many trainings ended in NaN. The dotted line is the loss of one who knows the "
        "frequencies of the characters alone.",
    )


def _plain_log(axis: Axis) -> None:
    """Write the numbers of a logarithmic axis as numbers, not as powers."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _or_nan(error: float) -> float:
    return error if math.isfinite(error) else math.nan


def _curves(found: Found) -> Figure:
    """Draw loss and norm over the updates of one training with clipping and without."""
    cell, rate = _DRAWN
    with matplotlib.rc_context(SETTINGS):
        figure, (upper, lower) = new_panels(5.6, 6.4, 2)
        for clip, style in _WAYS.items():
            course = found.of(clip, cell, rate)[0].course
            drawn: Mapping[str, Any] = {"color": STYLES[style].light, "linewidth": 1.4}
            upper.plot(course.losses, label=_named(clip), ls="-" if clip else (0, (4, 2)), **drawn)
            lower.plot(course.norms, ls="-" if clip else (0, (4, 2)), **drawn)
        upper.axhline(found.blind, color=INK, linewidth=1, linestyle=(0, (1, 3)))
        lower.axhline(CLIP, color=INK, linewidth=1, linestyle=(0, (1, 3)))
        for axes, what in ((upper, "nats a character"), (lower, "norm of the gradient")):
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            _plain_log(axes.yaxis)
            axes.set_ylabel(what)
        lower.set_xlabel("updates")
        upper.legend(ncols=2, loc="lower left", bbox_to_anchor=(-0.06, 1.0), **LEGEND)
        drawing = to_svg(figure, f"Loss and norm of the gradient by update, {cell} at learning rate {rate:g}")
    return Figure(
        "curves",
        drawing,
        f"One training of the {CELLS[cell][0]} cell at learning rate {rate:g}, the first seed: the loss of each batch "
        "(dotted: the frequencies alone) and the norm of its gradient before any clipping (dotted: the threshold).",
    )


def _explanation(found: Found) -> list[str]:
    rates = {cell: [_shown(found.largest_rate(clip, cell)) for clip in (None, CLIP)] for cell in CELLS}
    largest = "; ".join(
        f"{CELLS[cell][0]}, {plain} without clipping and {clipped} with it" for cell, (plain, clipped) in rates.items()
    )
    return [*_EXPLANATION, f"The largest learning rate whose median loss is below that of the frequencies: {largest}."]


def _shown(rate: float | None) -> str:
    return "none" if rate is None else f"{rate:g}"


_EXPLANATION = (
    "A simple layer of 64 units reads the bundled reviews character by character, in windows of 50, and learns to say "
    "the next one, by plain stochastic gradient descent. Two cells: the rectified one, whose states nothing bounds, "
    "starts with eigenvalues of modulus 1; that of tanh starts at 1.5. Each learning rate is tried from the same seeds "
    "on the same batches, with the gradient as it is and with its norm scaled down to 0.5 wherever it is larger.",
    "The loss of a recurrent net has cliffs: where an eigenvalue passes 1, the state some tens of steps later, and "
    "with it the gradient, changes by orders of magnitude (Pascanu, Mikolov, Bengio 2013). One step along such a "
    "gradient leads far from all that was learnt. The rectified cell can then overflow, and everything is NaN; tanh "
    "bounds the states, so that the loss stays a number longer, but the next steps are as long and lead as far.",
    "Clipping keeps the direction of a step and bounds its length to the learning rate times the threshold. It costs "
    "something where it is not needed, since it makes steps shorter: compare the smallest learning rates. What it can "
    "save are the larger ones.",
    "As long as every step is clipped, each has the same length, the learning rate times the threshold, and only the "
    "direction of the gradient is used: the two numbers are to be chosen together.",
)
