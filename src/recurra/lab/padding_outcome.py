"""What the experiment on padding has found, in words, figures and a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import matplotlib

from recurra.lab.experiment import Figure, Outcome
from recurra.lab.spread import Spread, draw_spread
from recurra.pages.drawing import LEGEND, SETTINGS, new_panels, to_svg

__all__ = ["ADDED", "NAMES", "WAYS", "Leak", "outcome"]

ADDED = (0, 1, 2, 4, 8, 16, 32, 64)
WAYS = ("leaky", "exact")
NAMES = {"leaky": "out[:, -1]", "exact": "lengths="}
_STYLES = {"leaky": "gru", "exact": "lstm"}


class Leak(NamedTuple):
    """What padding does to the answers of one model; lists are by the steps of padding added.

    Attributes:
        mean_change: of the probability of "positive", against that of the text alone.
        largest_change: likewise.
        flipped: the share of texts whose answer is another.
        accuracy: the share of right answers.
        backward_change: how far the reverse direction's state at the first word has moved, beside its norm.
        batch_change: the largest difference of a text's probability in batches put together anew.
        batch_flipped: the share of texts that get both answers in these.
        batch_accuracy: the share of right answers in these.
    """

    mean_change: list[float]
    largest_change: list[float]
    flipped: list[float]
    accuracy: list[float]
    backward_change: list[float]
    batch_change: float
    batch_flipped: float
    batch_accuracy: float


def outcome(leaks: Mapping[str, Sequence[Leak]], texts: int) -> Outcome:
    """Put together what the page shows; the leaks are by way, one of each seed."""
    leaky, exact = leaks["leaky"], leaks["exact"]
    flips = Spread.of(leak.flipped[-1] for leak in leaky)
    batched = Spread.of(leak.batch_flipped for leak in leaky)
    moved = max(max(*leak.largest_change, leak.batch_change) for leak in exact)
    return Outcome(
        _lead(leaks),
        [
            (f"{100 * batched.mean:.1f} %", f"of {texts} reviews get both answers from out[:, -1], by their batch"),
            (f"{100 * flips.mean:.1f} %", f"get the other answer with {ADDED[-1]} steps of padding"),
            (f"{max(max(leak.largest_change) for leak in leaky):.2f}", "largest change of a probability, out[:, -1]"),
            (_small(moved), "largest change of a probability, lengths="),
        ],
        [_by_padding(leaks), _accuracies(leaks)],
        _HEADINGS,
        [_row(leaky, exact, place) for place in range(len(ADDED))],
        _explanation(leaky, exact),
        {
            "padding_added": list(ADDED),
            "texts": texts,
            "by_seed": {way: [leak._asdict() for leak in found] for way, found in leaks.items()},
        },
    )


_HEADINGS = (
    "padding added",
    "out[:, -1]: mean change",
    "largest",
    "flipped, %",
    "accuracy, %",
    "reverse state moved, %",
    "lengths=: largest change",
    "accuracy, %",
)


def _lead(leaks: Mapping[str, Sequence[Leak]]) -> str:
    """What was found, in words that follow the numbers."""
    leaky, exact = leaks["leaky"], leaks["exact"]
    batched = Spread.of(leak.batch_flipped for leak in leaky)
    flips = Spread.of(leak.flipped[-1] for leak in leaky)
    lost = Spread.of(leak.accuracy[0] - leak.accuracy[-1] for leak in leaky)
    moved = max(max(*leak.largest_change, leak.batch_change) for leak in exact)
    if max(batched.high, flips.high) > 0:
        first = (
            f"Read at out[:, -1], {batched.percent()} % of the reviews get one answer in one batch and the other in "
            f"another, and {flips.percent()} % change theirs with {ADDED[-1]} steps of padding, which "
            + (f"costs {lost.percent()} points of accuracy" if lost.mean > 0 else "costs no accuracy on average")
            + ". "
        )
    else:
        first = "Read at out[:, -1], no review changed its answer with its padding in this run, against expectation. "
    steady = all(not any(leak.flipped) and not leak.batch_flipped for leak in exact)
    second = f"With lengths= the largest change of a probability is {_small(moved)}, and " + (
        "no answer changes." if steady else "some answers do change, against expectation."
    )
    return first + second


def _row(leaky: Sequence[Leak], exact: Sequence[Leak], place: int) -> list[str]:
    def mean(leaks: Sequence[Leak], name: str) -> float:
        return Spread.of(getattr(leak, name)[place] for leak in leaks).mean

    return [
        str(ADDED[place]),
        f"{mean(leaky, 'mean_change'):.3f}",
        f"{max(leak.largest_change[place] for leak in leaky):.3f}",
        *(f"{100 * mean(leaky, name):.1f}" for name in ("flipped", "accuracy", "backward_change")),
        _small(max(leak.largest_change[place] for leak in exact)),
        f"{100 * mean(exact, 'accuracy'):.1f}",
    ]


def _small(number: float) -> str:
    """A number that may be nothing.

    >>> _small(0.0), _small(1.2e-7)
    ('0', '1.2e-07')
    """
    return f"{number:.1e}" if number else "0"


def _explanation(leaky: Sequence[Leak], exact: Sequence[Leak]) -> list[str]:
    wrong, right = (Spread.of(leak.batch_accuracy for leak in leaks) for leaks in (leaky, exact))
    lasting = (
        f"A net trained so can learn to live with the padding of its training batches. In batches as large as those, "
        f"put together by chance, {wrong.percent()} % are right by out[:, -1] and {right.percent()} % with lengths="
    )
    lasting += (
        ": nothing looks amiss there, and this is why the mistake lasts."
        if right.mean - wrong.mean < _SOUND
        else ": here the mistake shows even there."
    )
    lasting += (
        " Another padding is what it meets later: one text at a time in service, a longer neighbour, a larger batch."
    )
    return [*_EXPLANATION[:2], lasting, *_EXPLANATION[2:]]


_SOUND = 0.03  # what a net may lose of its accuracy, and still look sound: a convention

_EXPLANATION = (
    "Texts of one batch are padded to the length of the longest. out[:, -1] of a batch is the output at its last "
    "position, which is padding for every text but the longest: the forward direction has gone on from the end of the "
    "text through the padding, h_(t+1) = f(W_ih x_pad + W_hh h_t + b), and each step moves the state although nothing "
    "is there to be read, since b and W_hh h_t are not zero. How many steps it goes on is decided by the longest "
    "neighbour. padding_idx only makes x_pad zero.",
    "The reverse direction fares worse. At the last position it has read one step only: padding, or the last word of "
    "the longest text. Half of what the classifier reads thus says next to nothing. And when the reverse direction "
    "comes to the text, it has the state that the padding left, not zeros. How far that still moves its state at the "
    "first word, the whole text later, stands in the table as a share of the norm of that state.",
    "The right way is to tell the lengths: recurra.nn.LSTM(...)(x, lengths=lengths), whose h_n is the state at each "
    "text's true end, in the reverse direction at its first word. torch's pack_padded_sequence gives the same numbers. "
    "Both models begin with the same weights and see the same batches; only what is read differs.",
)


def _by_padding(leaks: Mapping[str, Sequence[Leak]]) -> Figure:
    with matplotlib.rc_context(SETTINGS):
        figure, (change, flipped) = new_panels(5.6, 6.4, 2)
        for way in WAYS:
            of_change = [Spread.of(values) for values in zip(*(leak.mean_change for leak in leaks[way]))]
            of_flips = [Spread.of(100 * v for v in values) for values in zip(*(leak.flipped for leak in leaks[way]))]
            draw_spread(change, _places(), of_change, _STYLES[way], NAMES[way])
            draw_spread(flipped, _places(), of_flips, _STYLES[way], NAMES[way])
        change.set_ylabel("mean change of probability")
        flipped.set_ylabel("answers that flip, %")
        flipped.set_xticks(_places(), [str(steps) for steps in ADDED])
        flipped.set_xlabel("steps of padding added to each text")
        change.legend(ncols=2, loc="lower left", bbox_to_anchor=(0, 1.0), **LEGEND)
        drawing = to_svg(figure, "recurra lab padding: how answers change with padding, read wrong and read right")
    return Figure(
        "by-padding",
        drawing,
        "Above, how far the probability of each test review moves on average when padding is added to it; below, the "
        "share of reviews that get the other answer. A right model is a line at zero. Bands: from the least to the "
        "largest of the seeds.",
    )


def _accuracies(leaks: Mapping[str, Sequence[Leak]]) -> Figure:
    with matplotlib.rc_context(SETTINGS):
        figure, (axes,) = new_panels(5.6, 4.6, 1)
        for way in WAYS:
            found = [Spread.of(100 * v for v in values) for values in zip(*(leak.accuracy for leak in leaks[way]))]
            draw_spread(axes, _places(), found, _STYLES[way], NAMES[way])
        axes.set_xticks(_places(), [str(steps) for steps in ADDED])
        axes.set_xlabel("steps of padding added to each text")
        axes.set_ylabel("right answers, %")
        axes.legend(ncols=2, loc="lower left", bbox_to_anchor=(0, 1.0), **LEGEND)
        drawing = to_svg(figure, "Accuracy by padding, read wrong and read right")
    return Figure(
        "accuracy",
        drawing,
        "The share of right answers on the same reviews. Half is guessing. Bands: from the least to the largest of the "
        "seeds.",
    )


def _places() -> list[float]:
    """Where each amount of padding stands, so that doubling it is one step and 0 has a place."""
    return [math.log2(steps) + 1 if steps else 0.0 for steps in ADDED]
