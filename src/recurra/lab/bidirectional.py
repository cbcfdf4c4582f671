"""What a state knows of the symbols before and after it: nets that read forward, backward and both ways.

Schuster, Paliwal, "Bidirectional recurrent neural networks", IEEE Transactions on Signal Processing 45, 1997; Graves,
Schmidhuber, "Framewise phoneme classification with bidirectional LSTM", Neural Networks 18, 2005.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import matplotlib
import torch
from torch import Tensor, nn
from torch.nn import functional

from recurra.lab.experiment import Figure, Outcome
from recurra.lab.spread import Spread, draw_spread
from recurra.lab.training import fit_small, seeded, unseen
from recurra.nn import LSTM
from recurra.pages.drawing import INK, LEGEND, SETTINGS, new_axes, to_svg

__all__ = ["READINGS", "Reader", "accuracies", "reader_of_size", "run", "symbols_at"]

READINGS = ("forward", "backward", "bidirectional")
_STYLES = {"forward": "gru", "backward": "rnn", "bidirectional": "lstm"}
_SYMBOLS, _REACH, _STEPS, _BATCH = 4, 8, 40, 32
_CHANCE = 1 / _SYMBOLS
_LEARNT = 0.9  # from here on a lead calls a symbol known


class Reader(nn.Module):
    """An LSTM over symbols that names, at each step, the symbols at each offset from -reach to +reach.

    Args:
        reading: one of :data:`READINGS`.
        hidden_size: H, of each direction.
        reach: R, the furthest offset.
    """

    def __init__(self, reading: str, hidden_size: int, reach: int = _REACH) -> None:
        super().__init__()
        self.reading, self.reach = reading, reach
        both = reading == "bidirectional"
        self.recurrent = LSTM(_SYMBOLS, hidden_size, bidirectional=both)
        self.output = nn.Linear((2 if both else 1) * hidden_size, (2 * reach + 1) * _SYMBOLS)

    def forward(self, symbols: Tensor) -> Tensor:
        """From symbols [T, B] to logits [T, B, 2 * R + 1, V]."""
        x = functional.one_hot(symbols, _SYMBOLS).float()
        outputs = self.recurrent(x.flip(0))[0].flip(0) if self.reading == "backward" else self.recurrent(x)[0]
        return cast(Tensor, self.output(outputs).unflatten(2, (2 * self.reach + 1, _SYMBOLS)))


def reader_of_size(reading: str, parameters: int, reach: int = _REACH) -> Reader:
    """The largest reader that has no more than so many parameters.

    >>> sum(parameter.numel() for parameter in reader_of_size("bidirectional", 23000).parameters())
    22772
    """
    directions = 2 if reading == "bidirectional" else 1
    heads = (2 * reach + 1) * _SYMBOLS

    def count(hidden: int) -> int:
        return directions * 4 * hidden * (_SYMBOLS + hidden + 2) + (directions * hidden + 1) * heads

    return Reader(reading, max(size for size in range(1, parameters) if count(size) <= parameters), reach)


def symbols_at(symbols: Tensor, reach: int) -> Tensor:
    """The symbols at each offset from each step, [T, B, 2 * R + 1]; -100 where the sequence does not reach.

    >>> symbols_at(torch.tensor([[1], [2], [3]]), 1)[:, 0].tolist()
    [[-100, 1, 2], [1, 2, 3], [2, 3, -100]]
    """
    around = functional.pad(symbols, (0, 0, reach, reach), value=-100)
    return around.unfold(0, 2 * reach + 1, 1)


def run(seed: int, quick: bool, tell: Callable[[str], None]) -> Outcome:
    """Train the three with equal parameters on random symbols, and ask them for what is before and after."""
    seeds, steps, parameters = (1, 30, 4000) if quick else (3, 600, 23000)
    found: dict[str, list[list[float]]] = {reading: [] for reading in READINGS}
    sizes = {}
    for number in range(seed, seed + seeds):
        for reading in READINGS:
            tell(f"bidirectional: seed {number}, {reading}: {steps} steps")
            with seeded(number):
                model = reader_of_size(reading, parameters)
            sizes[reading] = (model.recurrent.hidden_size, sum(part.numel() for part in model.parameters()))
            _train(model, steps, number)
            found[reading].append(accuracies(model, number))
    return _outcome(found, sizes)


def _train(model: Reader, steps: int, seed: int) -> None:
    def batch_loss(generator: torch.Generator) -> Tensor:
        symbols = torch.randint(_SYMBOLS, (_STEPS, _BATCH), generator=generator)
        return functional.cross_entropy(model(symbols).flatten(0, 2), symbols_at(symbols, model.reach).flatten())

    fit_small(model, batch_loss, steps, 5e-3, clip=1.0, seed=seed)


@torch.no_grad()
def accuracies(model: Reader, seed: int, sequences: int = 256) -> list[float]:
    """The share of symbols named right at each offset, [2 * R + 1], on new sequences."""
    generator = unseen(seed)
    symbols = torch.randint(_SYMBOLS, (_STEPS, sequences), generator=generator)
    wanted = symbols_at(symbols, model.reach)
    right = (model(symbols).argmax(3) == wanted).sum((0, 1)).double()
    return cast(list[float], (right / (wanted >= 0).sum((0, 1))).tolist())


def _outcome(found: Mapping[str, Sequence[Sequence[float]]], sizes: Mapping[str, tuple[int, int]]) -> Outcome:
    spreads = {reading: [Spread.of(values) for values in zip(*found[reading])] for reading in READINGS}
    reach = len(spreads["forward"]) // 2
    ahead = {reading: _mean(spreads[reading][reach + 1 :]) for reading in READINGS}
    before = {reading: _mean(spreads[reading][:reach]) for reading in READINGS}
    return Outcome(
        _lead(ahead, before, reach),
        [
            (
                f"{100 * ahead['forward']:.1f} %",
                f"of the next {reach} symbols named by the forward net; guessing: 25 %",
            ),
            (f"{100 * ahead['bidirectional']:.1f} %", "by the bidirectional one"),
            (f"{100 * before['forward']:.1f} %", f"of the last {reach} symbols named by the forward net"),
            (f"{100 * before['bidirectional']:.1f} %", "by the bidirectional one"),
        ],
        [_figure(spreads, reach)],
        ["offset", *(f"{reading}, %" for reading in READINGS)],
        [
            [_signed(place - reach), *(spreads[reading][place].percent() for reading in READINGS)]
            for place in range(2 * reach + 1)
        ],
        _explanation(sizes),
        {
            "offsets": list(range(-reach, reach + 1)),
            "chance": _CHANCE,
            "hidden_size": {reading: sizes[reading][0] for reading in READINGS},
            "parameters": {reading: sizes[reading][1] for reading in READINGS},
            "accuracy_by_seed": found,
        },
    )


def _signed(offset: int) -> str:
    return f"{offset:+d}" if offset else "0"


def _mean(spreads: Sequence[Spread]) -> float:
    return sum(spread.mean for spread in spreads) / len(spreads)


def _lead(ahead: Mapping[str, float], before: Mapping[str, float], reach: int) -> str:
    """What was found, in words that follow the numbers."""
    first = (
        f"Of the next {reach} symbols the forward net names {100 * ahead['forward']:.1f} %, where guessing gives "
        f"{100 * _CHANCE:.0f} %, and the bidirectional net {100 * ahead['bidirectional']:.1f} % with as many "
        f"parameters; of the last {reach}, {100 * before['forward']:.1f} and {100 * before['bidirectional']:.1f} %."
    )
    if abs(ahead["forward"] - _CHANCE) > 0.02:
        return first + " That the forward net is not at chance means that something is amiss."
    if ahead["bidirectional"] < _LEARNT:
        return first + " The bidirectional net has not learnt all that it could know."
    price = before["forward"] - before["bidirectional"]
    if price > 0.005:
        return (
            first + f" Each of its directions has the smaller state, which costs {100 * price:.1f} points of the past."
        )
    return first + " That each of its directions has the smaller state costs it nothing here."


def _explanation(sizes: Mapping[str, tuple[int, int]]) -> list[str]:
    listed = ", ".join(f"{reading} {hidden} ({count:,})" for reading, (hidden, count) in sizes.items())
    return [
        f"The sequences are {_STEPS} symbols long, each symbol one of {_SYMBOLS} by chance, so that none says anything "
        f"of another. At each step t the net is asked for the symbols at t - {_REACH} to t + {_REACH}, each by a "
        "softmax of its own over the state. Symbols by chance make the question one of what the state can know at all: "
        "in real text the next word can be guessed from those before, and a forward net would do better than chance.",
        "The state of a forward net is h_t = f(x_t, h_(t-1)), a function of x_1 to x_t. It can tell the past as far as "
        "it remembers, and of x_(t+1) it knows nothing: in expectation it is right one time in four, however it is "
        "trained. A backward net is its mirror, h_t = f(x_t, h_(t+1)). A bidirectional net has both side by side, "
        "[h_t forward; h_t backward] (Schuster, Paliwal 1997).",
        "All have about as many parameters, by the size of the state of each direction (and parameters in all): "
        f"{listed}. The bidirectional net pays for its second direction with a smaller state in each, and so may "
        "remember less of each side. It wins where labels hang on what follows, as in tagging words or phonemes "
        "(Graves, Schmidhuber 2005), and cannot be used where the future is not there yet: a stream, a forecast, the "
        "next word. A forward net that may answer d steps late also knows d steps of the future.",
    ]


def _figure(spreads: Mapping[str, Sequence[Spread]], reach: int) -> Figure:
    offsets = list(range(-reach, reach + 1))
    with matplotlib.rc_context(SETTINGS):
        figure, axes = new_axes(5.6, 4.2)
        for reading in READINGS:
            of_hundred = [Spread(*(100 * value for value in spread)) for spread in spreads[reading]]
            draw_spread(axes, offsets, of_hundred, _STYLES[reading], reading)
        axes.axhline(100 * _CHANCE, color=INK, linewidth=1, linestyle=(0, (1, 3)))
        axes.set_ylim(0, 104)
        axes.set_xticks(offsets[::2], [_signed(offset) for offset in offsets[::2]])
        axes.set_xlabel("offset of the symbol asked for: past left, future right")
        axes.set_ylabel("right answers, %")
        axes.legend(ncols=3, loc="lower left", bbox_to_anchor=(0, 1.0), **LEGEND)
        drawing = to_svg(figure, "recurra lab bidirectional: which symbols before and after a step its state can name")
    return Figure(
        "by-offset",
        drawing,
        "How often each net names the symbol that is so many steps before (left of 0) or after (right of it) the step "
        "that it is at. The dotted line is guessing. Bands: from the least to the largest of the seeds.",
    )
