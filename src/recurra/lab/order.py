"""Reviews in which only the order of the words decides, and reviews in which it does not: who needs to read in order?

The bag of embeddings: Iyyer, Manjunatha, Boyd-Graber, Daumé, "Deep unordered composition rivals syntactic methods for
text classification", ACL 2015. Recurrence: Elman, "Finding structure in time", Cognitive Science 14, 1990.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import matplotlib
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from recurra.config import ClassifyModelConfig
from recurra.lab.experiment import Figure, Outcome
from recurra.lab.reviews import PLAIN, Reviews, read_reviews
from recurra.lab.spread import Spread
from recurra.lab.training import fit_small, seeded
from recurra.nn.classifier import TextClassifier
from recurra.nn.encoder import drop_symbols, make_embedding
from recurra.pages.drawing import INK, LEGEND, SETTINGS, STYLES, new_axes, to_svg

__all__ = ["NETS", "ByPosition", "make_net", "right_answers", "run"]

NETS = ("bag", "by position", "rnn", "gru", "lstm")
_RECURRENT = ("rnn", "gru", "lstm")
_STYLES = {"bag": "baseline", "by position": "feedforward", "rnn": "rnn", "gru": "gru", "lstm": "lstm"}
_PLACES = 24  # the longest review has 23 tokens
_SIZE, _DROPOUT, _UNKNOWN = 64, 0.3, 0.1
_BATCH, _RATE = 32, 2e-3


class ByPosition(nn.Module):
    """A feed-forward net that sees the order: each position of the text has weights of its own.

    Args:
        vocabulary_size: V.
        size: E, of embeddings.
        hidden_size: H.
    """

    def __init__(self, vocabulary_size: int, size: int, hidden_size: int) -> None:
        super().__init__()
        self.embedding = make_embedding(vocabulary_size, size)
        self.dropout = nn.Dropout(_DROPOUT)
        self.hidden = nn.Linear(_PLACES * size, hidden_size)
        self.output = nn.Linear(hidden_size, 2)

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Score the classes: ids [B, T] and lengths [B] in, logits [B, 2] out; the embedding of padding is zeros."""
        inside = torch.arange(values.shape[1]) < lengths.unsqueeze(1)
        ids = drop_symbols(values, _UNKNOWN) if self.training else values
        vectors = self.dropout(self.embedding(ids)) * inside.unsqueeze(2)
        flat = functional.pad(vectors, (0, 0, 0, _PLACES - values.shape[1])).flatten(1)
        return cast(Tensor, self.output(self.dropout(torch.relu(self.hidden(flat)))))


def make_net(name: str, vocabulary_size: int) -> nn.Module:
    """Make one of :data:`NETS`: ids [B, T] and lengths [B] in, logits [B, 2] out."""
    if name == "by position":
        return ByPosition(vocabulary_size, _SIZE, _SIZE // 3)
    config = ClassifyModelConfig.model_validate(
        {
            "cell": "feedforward" if name == "bag" else name,
            "embedding_size": _SIZE,
            "hidden_size": _SIZE,
            "bidirectional": False,
            "pooling": "mean" if name == "bag" else "final",
            "dropout": _DROPOUT,
            "word_dropout": _UNKNOWN,
        }
    )
    return TextClassifier(vocabulary_size, 2, config)


def run(seed: int, quick: bool, tell: Callable[[str], None]) -> Outcome:
    """Train each net on all reviews, and test it on those with twins and on the plain ones."""
    seeds, steps = (1, 25) if quick else (3, 800)
    train, test, vocabulary_size = read_reviews()
    right: dict[str, list[Tensor]] = {name: [] for name in NETS}
    parameters = {}
    for number in range(seed, seed + seeds):
        for name in NETS:
            tell(f"order: seed {number}, {name}: {steps} steps on {len(train.labels):,} reviews")
            with seeded(number):
                net = make_net(name, vocabulary_size)
                _train(net, train, steps, number)
            parameters[name] = sum(p.numel() for p in net.parameters()) - vocabulary_size * _SIZE
            right[name].append(right_answers(net, test))
    return _outcome(right, test, parameters)


def _train(net: nn.Module, train: Reviews, steps: int, seed: int) -> None:
    def batch_loss(generator: torch.Generator) -> Tensor:
        some = train.take(torch.randint(len(train.labels), (_BATCH,), generator=generator))
        return functional.cross_entropy(net(some.values, some.lengths), some.labels)

    fit_small(net, batch_loss, steps, _RATE, clip=1.0, seed=seed)


@torch.no_grad()
def right_answers(net: nn.Module, test: Reviews) -> Tensor:
    """Which of the reviews a net gets right, [B]."""
    return cast(Tensor, net.eval()(test.values, test.lengths).argmax(1) == test.labels)


def _outcome(right: Mapping[str, Sequence[Tensor]], test: Reviews, parameters: Mapping[str, int]) -> Outcome:
    kinds = [*sorted(set(test.kinds.tolist()) - {PLAIN}), PLAIN]
    is_plain = test.kinds == PLAIN
    twins = {name: _spread(found, ~is_plain) for name, found in right.items()}
    plain = {name: _spread(found, is_plain) for name, found in right.items()}
    by_kind = {name: [_spread(found, test.kinds == kind) for kind in kinds] for name, found in right.items()}
    best = max(_RECURRENT, key=lambda name: twins[name].mean)
    return Outcome(
        _lead(twins, plain),
        [
            (f"{100 * twins['bag'].mean:.1f} %", f"of {int((~is_plain).sum())} twins right by a bag of embeddings"),
            (f"{100 * twins['by position'].mean:.1f} %", "by a feed-forward net with weights for each position"),
            (f"{100 * twins[best].mean:.1f} %", f"by the best recurrent net ({best.upper()})"),
            (f"{100 * plain['bag'].mean:.1f} %", f"of {int(is_plain.sum())} plain reviews right by the bag"),
        ],
        [_overview(twins, plain), _kinds(by_kind, kinds)],
        ["reviews", "number", *(f"{name}, %" for name in NETS)],
        [
            ["all twins", str(int((~is_plain).sum())), *(twins[name].whole() for name in NETS)],
            *(
                [kind, str(int((test.kinds == kind).sum())), *(by_kind[name][place].whole() for name in NETS)]
                for place, kind in enumerate(kinds)
            ),
        ],
        _explanation(parameters),
        {
            "kinds": {kind: int((test.kinds == kind).sum()) for kind in kinds},
            "parameters_without_embeddings": dict(parameters),
            "accuracy_by_seed": {
                name: {kind: [_accuracy(one, test.kinds == kind) for one in found] for kind in kinds}
                for name, found in right.items()
            },
            "twins_by_seed": {name: [_accuracy(one, ~is_plain) for one in found] for name, found in right.items()},
        },
    )


def _accuracy(right: Tensor, chosen: NDArray[np.bool_]) -> float:
    return right[torch.from_numpy(chosen)].double().mean().item()


def _spread(found: Sequence[Tensor], chosen: NDArray[np.bool_]) -> Spread:
    return Spread.of(_accuracy(right, chosen) for right in found)


def _lead(twins: Mapping[str, Spread], plain: Mapping[str, Spread]) -> str:
    """What was found, in words that follow the numbers."""
    best = max(_RECURRENT, key=lambda name: twins[name].mean)
    said = (
        f"Of the reviews in which only the order of the words decides, a bag of embeddings gets "
        f"{100 * twins['bag'].mean:.1f} % right, a feed-forward net with weights for each position "
        f"{twins['by position'].percent()} % and the best recurrent net, {best.upper()}, {twins[best].percent()} %. "
    )
    if twins[best].low <= twins["by position"].high:
        said += "The recurrent net is not clearly better than the feed-forward one in this run, against expectation. "
    behind = [name for name in _RECURRENT if twins[name].mean < twins["by position"].mean]
    if behind:
        listed = " and ".join(f"{name.upper()} {100 * twins[name].mean:.1f} %" for name in behind)
        said += f"Not every recurrent net beats the feed-forward one: {listed}. "
    return said + _of_plain(100 * plain[best].mean, 100 * plain["bag"].mean, twins[best].mean > twins["bag"].mean)


def _of_plain(best: float, bag: float, ahead: bool) -> str:
    """Which of the best recurrent net and the bag is ahead on plain reviews, by more than a point of a hundred.

    Where the recurrent net is `ahead` on the twins, it may be so here, too.
    """
    if best - bag > 1:
        return f"On plain reviews{', too,' if ahead else ''} it is ahead of the bag: {best:.1f} against {bag:.1f} %."
    found = "better" if bag - best > 1 else "about as good"
    return f"On plain reviews, where the words themselves decide, the bag is {found}: {bag:.1f} % against {best:.1f} %."


def _explanation(parameters: Mapping[str, int]) -> list[str]:
    listed = ", ".join(f"{name} {count:,}" for name, count in parameters.items())
    return [
        "Three quarters of the bundled reviews are twins: two reviews of the same words in another order, one positive "
        "and one negative. The words of 'I expected a boring series and got a thrilling one' are also those of its "
        "opposite. In the plain reviews the words themselves decide.",
        "A bag of embeddings computes f((x_1 + ... + x_T) / T), and a sum does not know the order of its terms. So it "
        "gives both twins the same answer and is right on exactly one of the two: 50 %, whatever it has learnt. A "
        "recurrent net computes h_t = f(x_t, h_(t-1)), in which the order of the words is the order of the functions.",
        "It is not that a feed-forward net cannot see order. One that reads W_1 x_1 + ... + W_T x_T, with weights of "
        "its own for each position, can; but what it learns of a word at position 3 says nothing of the same word at "
        "position 5, so that each thing has to be learnt as often as there are positions, from as many examples. The "
        "recurrent net has one set of weights for all positions (Elman 1990). Parameters beside the embeddings, which "
        f"all nets have alike: {listed}; the net by position has few hidden units, to have no more than the LSTM.",
        "Where counting suffices, a bag is hard to beat: it has less to learn and trains faster (Iyyer and others "
        "2015). So look first at what a bag scores; only what is above it is won by reading in order. The range of "
        "each score is that of the seeds, which differ in the first weights, the dropout and the batches; the test "
        "reviews are the same.",
    ]


def _overview(twins: Mapping[str, Spread], plain: Mapping[str, Spread]) -> Figure:
    with matplotlib.rc_context(SETTINGS):
        figure, axes = new_axes(5.6, 4.4)
        for row, name in enumerate(reversed(NETS)):
            style = STYLES[_STYLES[name]]
            for found, height, filled in ((twins[name], 0.16, True), (plain[name], -0.16, False)):
                mean, low, high = (100 * share for share in found)
                axes.plot([low, high], [row + height] * 2, color=style.light, linewidth=3, solid_capstyle="butt")
                face = style.light if filled else "none"
                axes.plot(
                    [mean], [row + height], color=style.light, marker=style.marker, markersize=9, markerfacecolor=face
                )
                axes.annotate(
                    f"{'twins' if filled else 'plain'} {mean:.1f}",
                    (high, row + height),
                    (8, 0),
                    textcoords="offset points",
                    va="center",
                    fontsize=10,
                )
        axes.axvline(50, color=INK, linewidth=1, linestyle=(0, (1, 3)))
        axes.set_yticks(range(len(NETS)), list(reversed(NETS)))
        axes.set_xlim(40, 119)
        axes.set_xticks(range(40, 101, 10))
        axes.set_xlabel("right answers, %")
        drawing = to_svg(figure, "recurra lab order: accuracy on reviews whose order decides and on plain ones")
    return Figure(
        "overview",
        drawing,
        "Filled: reviews with a twin of the same words, where only the order decides. Open: plain reviews. The bars go "
        "from the least to the largest of the seeds; the dotted line is guessing.",
    )


def _kinds(by_kind: Mapping[str, Sequence[Spread]], kinds: Sequence[str]) -> Figure:
    with matplotlib.rc_context(SETTINGS):
        figure, axes = new_axes(5.6, 6.8)
        for number, name in enumerate(NETS):
            style = STYLES[_STYLES[name]]
            means = [100 * spread.mean for spread in by_kind[name]]
            rows = [
                row + 0.14 * (number - 2) for row in range(len(kinds))
            ]  # one above the other, lest one hide another
            axes.plot(means, rows, color=style.light, marker=style.marker, markersize=6, linestyle="", label=name)
        axes.set_yticks(range(len(kinds)), list(kinds))
        axes.invert_yaxis()
        axes.axvline(50, color=INK, linewidth=1, linestyle=(0, (1, 3)))
        axes.set_xlabel("right answers, %")
        axes.legend(ncols=5, loc="lower left", bbox_to_anchor=(-0.32, 1.0), **LEGEND)
        drawing = to_svg(figure, "Accuracy by what turns the verdict of a review")
    return Figure(
        "kinds",
        drawing,
        "The same by what turns the verdict, such as a negation or a comparison: means of the seeds, over 36 reviews "
        "of each kind with twins, so that a single review is 3 %. Plain reviews, last, have no twins.",
    )
