"""The bottleneck of an encoder and a decoder: all of a sequence in one state, or attention to every step of it.

Cho, van Merriënboer, Bahdanau, Bengio, "On the properties of neural machine translation: encoder-decoder approaches",
SSST-8, 2014; Bahdanau, Cho, Bengio, "Neural machine translation by jointly learning to align and translate", ICLR 2015.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple, cast

import matplotlib
import torch
from matplotlib.axes import Axes
from matplotlib.ticker import MultipleLocator
from torch import Tensor

from recurra.batch import PairBatch
from recurra.config import TranslateModelConfig
from recurra.lab.experiment import Figure, Outcome
from recurra.lab.spread import Spread, draw_spread
from recurra.lab.training import fit_small, seeded, unseen
from recurra.nn.translation import TranslationNetwork
from recurra.pages.drawing import INK, LEGEND, SETTINGS, new_panels, to_svg
from recurra.vocabulary import END

__all__ = ["TASKS", "draw_pairs", "exact_share", "run", "write_again"]

TASKS = ("copy", "reverse")
_FIRST, _SYMBOLS = END + 1, 10
_EMBEDDING, _BATCH, _RATE = 32, 64, 5e-3
_HALF = 0.5  # the longest length at which so many are right is what a net is summed up by


class _Net(NamedTuple):
    name: str
    attention: Literal["none", "general"]
    hidden_size: int
    style: str


class _Plan(NamedTuple):
    nets: tuple[_Net, ...]
    longest: int
    lengths: tuple[int, ...]
    updates: int
    seeds: int
    tested: int


def _nets(small: int, large: int) -> tuple[_Net, ...]:
    """LSTMs of two sizes without attention, whose states h and c both reach the decoder, and one with it."""
    return (
        _Net(f"state of 2 x {small}", "none", small, "gru"),
        _Net(f"state of 2 x {large}", "none", large, "rnn"),
        _Net(f"attention, {small}", "general", small, "lstm"),
    )


_FULL = _Plan(_nets(48, 112), 14, (2, 4, 6, 8, 10, 12, 14, 18, 22), updates=500, seeds=3, tested=256)
_QUICK = _Plan(_nets(12, 24), 4, (2, 4, 6), updates=20, seeds=1, tested=32)


def draw_pairs(count: int, shortest: int, longest: int, task: str, generator: torch.Generator) -> PairBatch:
    """Draw sequences of symbols, and what is to be written of each: the same, or the same from the end.

    >>> pairs = draw_pairs(1, 3, 3, "reverse", torch.Generator().manual_seed(0))
    >>> pairs.sources.tolist(), pairs.targets.tolist()
    ([[12, 6, 3]], [[3, 6, 12, 2]])
    """
    lengths = torch.randint(shortest, longest + 1, (count,), generator=generator)
    most = int(lengths.max())
    drawn = torch.randint(_FIRST, _FIRST + _SYMBOLS, (count, most), generator=generator)
    places = torch.arange(most + 1)
    inside = places < lengths.unsqueeze(1)
    read = lengths.unsqueeze(1) - 1 - places if task == "reverse" else places.expand(count, -1)
    targets = drawn.gather(1, read.clamp(0, most - 1)) * inside
    targets[torch.arange(count), lengths] = END
    return PairBatch(drawn * inside[:, :most], lengths, targets, lengths + 1, None, 0, 0.0)


@torch.no_grad()
def write_again(network: TranslationNetwork, pairs: PairBatch) -> Tensor:
    """What a network writes, the most probable symbol each time, for as many steps as the targets have: ids [B, T]."""
    encoding = network.encode(pairs.sources, pairs.source_lengths)
    state = network.start(encoding, 1)
    ids, written = torch.full((len(pairs.sources), 1), END), []
    for _ in range(pairs.targets.shape[1]):
        logs, _, state = network.step(ids, state, encoding)
        ids = logs.argmax(2)
        written.append(ids)
    return torch.cat(written, 1)


def exact_share(written: Tensor, pairs: PairBatch) -> float:
    """The share of sequences written without a mistake and ended where they end."""
    beyond = torch.arange(written.shape[1]) >= pairs.lengths.unsqueeze(1)
    return ((written == pairs.targets) | beyond).all(1).double().mean().item()


def run(seed: int, quick: bool, tell: Callable[[str], None]) -> Outcome:
    """Train each net on each task, and have sequences of each length written again."""
    plan = _QUICK if quick else _FULL
    found: dict[tuple[str, str], list[list[float]]] = {(task, net.name): [] for task in TASKS for net in plan.nets}
    parameters = {}
    for number in range(seed, seed + plan.seeds):
        for task in TASKS:
            for net in plan.nets:
                tell(f"bottleneck: seed {number}, {task}, {net.name}: {plan.updates} updates")
                network = _trained(net, task, plan, number)
                parameters[net.name] = sum(parameter.numel() for parameter in network.parameters())
                found[task, net.name].append(_by_length(network, task, plan, number))
    return _outcome(found, parameters, plan)


def _trained(net: _Net, task: str, plan: _Plan, seed: int) -> TranslationNetwork:
    config = TranslateModelConfig(
        embedding_size=_EMBEDDING,
        hidden_size=net.hidden_size,
        attention=net.attention,
        bidirectional=False,
        dropout=0.0,
    )
    with seeded(seed):
        network = TranslationNetwork(_FIRST + _SYMBOLS, _FIRST + _SYMBOLS, config, shared=True)

    def batch_loss(generator: torch.Generator) -> Tensor:
        return cast(Tensor, network(draw_pairs(_BATCH, 2, plan.longest, task, generator)).loss)

    fit_small(network, batch_loss, plan.updates, _RATE, clip=1.0, seed=seed)
    return network.eval()


def _by_length(network: TranslationNetwork, task: str, plan: _Plan, seed: int) -> list[float]:
    generator = unseen(seed)
    pairs = [draw_pairs(plan.tested, length, length, task, generator) for length in plan.lengths]
    return [exact_share(write_again(network, some), some) for some in pairs]


def _outcome(
    found: Mapping[tuple[str, str], Sequence[Sequence[float]]], parameters: Mapping[str, int], plan: _Plan
) -> Outcome:
    spreads = {key: [Spread.of(values) for values in zip(*shares)] for key, shares in found.items()}
    small, large, attention = (net.name for net in plan.nets)
    at = plan.lengths.index(plan.longest)
    return Outcome(
        _lead(spreads, plan),
        [
            (
                _reach_text(spreads["copy", small], plan),
                f"symbols: at most, for half to be copied right from a {small} numbers",
            ),
            (_reach_text(spreads["copy", large], plan), f"from a {large}"),
            (_reach_text(spreads["copy", attention], plan), "with attention"),
            (f"{100 * spreads['copy', attention][at].mean:.0f} %", f"of {plan.longest} symbols copied with attention"),
        ],
        [_figure(spreads, plan)],
        ["length", *(f"{task}, {net.name}, %" for task in TASKS for net in plan.nets)],
        [
            [str(length), *(spreads[task, net.name][place].whole() for task in TASKS for net in plan.nets)]
            for place, length in enumerate(plan.lengths)
        ],
        _explanation(plan, parameters),
        {
            "lengths": list(plan.lengths),
            "trained_up_to": plan.longest,
            "parameters": dict(parameters),
            "exact_by_seed": [
                {"task": task, "net": name, "exact": [list(shares) for shares in each]}
                for (task, name), each in found.items()
            ],
        },
    )


def _reach(spreads: Sequence[Spread], plan: _Plan) -> int:
    """The longest length up to which, without a gap, half or more of the sequences are right; 0 for none."""
    reach = 0
    for length, spread in zip(plan.lengths, spreads):
        if spread.mean < _HALF:
            break
        reach = length
    return reach


def _reach_text(spreads: Sequence[Spread], plan: _Plan) -> str:
    reach = _reach(spreads, plan)
    return str(reach) if reach else f"below {plan.lengths[0]}"


def _lead(spreads: Mapping[tuple[str, str], Sequence[Spread]], plan: _Plan) -> str:
    """What was found, in words that follow the numbers."""
    small, large, attention = (net.name for net in plan.nets)
    at = plan.lengths.index(plan.longest)
    said = " ".join(
        f"Sequences to {task} are written without a mistake half of the time or more up to length "
        f"{_reach_text(spreads[task, small], plan)} from a {small} numbers (h and c), "
        f"{_reach_text(spreads[task, large], plan)} from a {large} "
        f"and {_reach_text(spreads[task, attention], plan)} with attention; at length {plan.longest} it is "
        f"{100 * spreads[task, small][at].mean:.0f}, {100 * spreads[task, large][at].mean:.0f} and "
        f"{100 * spreads[task, attention][at].mean:.0f} %."
        for task in TASKS
    )
    short = [
        task
        for task in TASKS
        if _reach(spreads[task, attention], plan) <= max(_reach(spreads[task, name], plan) for name in (small, large))
    ]
    if short:
        return f"{said} To {' and to '.join(short)}, attention does not reach further in this run, against expectation."
    beyond = [spreads[task, attention][-1].mean for task in TASKS]
    if max(beyond) < _HALF:
        said += f" But beyond the {plan.longest} symbols of training attention fails too."
    return said


def _explanation(plan: _Plan, parameters: Mapping[str, int]) -> list[str]:
    small, large = (net.hidden_size for net in plan.nets[:2])
    listed = "; ".join(f"{name}: {count:,}" for name, count in parameters.items())
    return [
        f"An encoder LSTM reads a sequence of up to {plan.longest} symbols, each one of {_SYMBOLS} by chance; a "
        "decoder LSTM is to write the same, or the same from the end, and then to stop. Symbols by chance cannot be "
        f"guessed: each holds log2 10 = 3.3 bits, and {plan.longest} of them {plan.longest * 3.32:.0f}. Each length is "
        f"tested on {plan.tested} new sequences, and one mistake makes a sequence wrong. Parameters of {listed}.",
        "The decoder begins with h = tanh(W h_S + b), of the encoder's last h_S, and with a c made of its last c_S in "
        "the same way (Bahdanau, Cho, Bengio 2015 begin theirs like this; Sutskever, Vinyals, Le 2014 hand the state "
        "over as it is). Without attention it has nothing else of the source, which has to go through two times "
        f"{small} or {large} numbers, however long it is. Cho and others (2014) found that translations get worse with "
        f"length, and took this for the cause. That 2 x {large} numbers have room for the bits is not enough: how to "
        "write them there, each symbol with its place, so that the decoder can read them off, has to be learnt. The "
        f"comparison is at {plan.updates} updates for each net; more may carry a state further.",
        "With attention the decoder has at each step t a context c_t = sum_i a_ti h_i, where the weights a_ti are a "
        "softmax over the positions i (Bahdanau, Cho, Bengio 2015) of scores s_t W h_i / sqrt(Q), where s_t has Q "
        "numbers (Luong, Pham, Manning 2015, but for the root). Every output h_i of the encoder stays at hand, the "
        "path from a symbol read to the same symbol written is short whatever the length, and the state only has to "
        "say where to look.",
        "Where to look still has to be learnt, and is learnt for the lengths of training: the lengths beyond the "
        "vertical line were never seen. Reversed, the first symbols to write are the last that were read, which makes "
        "it easier to begin (Sutskever and others 2014 reversed their sources for that).",
    ]


def _figure(spreads: Mapping[tuple[str, str], Sequence[Spread]], plan: _Plan) -> Figure:
    with matplotlib.rc_context(SETTINGS):
        figure, panels = new_panels(5.6, 6.8, len(TASKS))
        for axes, task in zip(panels, TASKS):
            for net in plan.nets:
                of_hundred = [Spread(*(100 * share for share in spread)) for spread in spreads[task, net.name]]
                draw_spread(axes, plan.lengths, of_hundred, net.style, net.name)
            _finish(axes, plan.longest)
            axes.annotate(task, (0.99, 0.9), xycoords="axes fraction", ha="right")
        panels[-1].set_xlabel("length of the sequence")
        panels[0].legend(ncols=2, loc="lower left", bbox_to_anchor=(-0.06, 1.0), **LEGEND)
        drawing = to_svg(figure, "recurra lab bottleneck: sequences written again without a mistake, by their length")
    return Figure(
        "by-length",
        drawing,
        "The share of sequences written again without a single mistake. To the right of the dotted line are lengths "
        "that no training sequence had. Bands: from the least to the largest of the seeds.",
    )


def _finish(axes: Axes, longest: int) -> None:
    axes.axvline(longest, color=INK, linewidth=1, linestyle=(0, (1, 3)))
    axes.set_ylim(-3, 104)
    axes.xaxis.set_major_locator(MultipleLocator(4))
    axes.set_ylabel("without a mistake, %")
