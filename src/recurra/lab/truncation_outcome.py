"""What the experiment on truncated backpropagation has found, in words, figures and a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import matplotlib
from matplotlib.axes import Axes

from recurra.lab.experiment import Figure, Outcome
from recurra.lab.spread import Spread
from recurra.pages.drawing import INK, LEGEND, SETTINGS, STYLES, new_panels, to_svg

__all__ = ["CHANCE", "SYMBOLS", "Course", "Plan", "outcome"]

SYMBOLS = 4
CHANCE = 1 / SYMBOLS
LEARNT = 0.9  # from this share of right answers on a lag is called learnt


class Plan(NamedTuple):
    """What is trained.

    Attributes:
        pieces: the truncation lengths, in steps, ascending.
        lags: of streams whose questions all have one lag.
        longest: streams of mixed lags have those from 1 to this.
        updates: of each training.
        seeds: how many.
        symbols: in each update: streams times steps.
    """

    pieces: tuple[int, ...]
    lags: tuple[int, ...]
    longest: int
    updates: int
    seeds: int
    symbols: int


class Course(NamedTuple):
    """Shares of right answers after training with one seed and one truncation length, by lag.

    Attributes:
        seed: of all.
        piece: the truncation length.
        alone: trained on streams of that lag only.
        together: of one net, trained on streams of all lags.
        reset: of the same net, if its state is thrown away between the pieces.
    """

    seed: int
    piece: int
    alone: Mapping[int, float]
    together: Mapping[int, float]
    reset: Mapping[int, float]


def outcome(plan: Plan, courses: Sequence[Course]) -> Outcome:
    """Put together what the page shows."""
    alone = {piece: _by_lag(courses, piece, "alone") for piece in plan.pieces}
    together = {piece: _by_lag(courses, piece, "together") for piece in plan.pieces}
    reset = {piece: _by_lag(courses, piece, "reset") for piece in plan.pieces}
    within = [alone[piece][lag].mean for piece in plan.pieces for lag in plan.lags if lag < piece]
    beyond = [alone[piece][lag].mean for piece in plan.pieces for lag in plan.lags if lag >= piece]
    mixed = _beyond(together, reset, plan)
    tiles = [
        (_percent(within), "right where the lag is within the truncation, on streams of one lag"),
        (_percent(beyond), f"where it is not; guessing gives {100 * CHANCE:.0f} %"),
    ]
    if mixed is not None:
        tiles += [
            (
                f"{100 * mixed.carried:.1f} %",
                f"at lags {mixed.piece} to {plan.longest}, with pieces of {mixed.piece} and mixed lags",
            ),
            (f"{100 * mixed.reset:.1f} %", "there, if the state does not go on from piece to piece"),
        ]
    return Outcome(
        _lead(alone, plan, mixed),
        tiles,
        [_lines(alone, together, plan)],
        ["pieces of", *(f"lag {lag} alone, %" for lag in plan.lags), "mixed, beyond the piece, %"],
        [_row(piece, alone[piece], together[piece], plan) for piece in plan.pieces],
        _explanation(plan),
        {
            "plan": plan._asdict(),
            "chance": CHANCE,
            "courses": [course._asdict() for course in courses],
        },
    )


class _Beyond(NamedTuple):
    """The least piece with which a net for mixed lags learns what is beyond the piece.

    Attributes:
        piece: its length.
        carried: right answers beyond the piece.
        reset: the same where the state is thrown away between pieces.
        furthest: right answers at the longest lag.
    """

    piece: int
    carried: float
    reset: float
    furthest: float


def _by_lag(courses: Sequence[Course], piece: int, kind: str) -> dict[int, Spread]:
    chosen: list[Mapping[int, float]] = [getattr(course, kind) for course in courses if course.piece == piece]
    return {lag: Spread.of(each[lag] for each in chosen) for lag in chosen[0]}


def _mean_beyond(found: Mapping[int, Spread], piece: int) -> float | None:
    beyond = [spread.mean for lag, spread in found.items() if lag >= piece]
    return sum(beyond) / len(beyond) if beyond else None


def _beyond(
    together: Mapping[int, Mapping[int, Spread]], reset: Mapping[int, Mapping[int, Spread]], plan: Plan
) -> _Beyond | None:
    for piece in plan.pieces:
        carried, without = _mean_beyond(together[piece], piece), _mean_beyond(reset[piece], piece)
        if carried is not None and without is not None and carried >= LEARNT:
            return _Beyond(piece, carried, without, together[piece][plan.longest].mean)
    return None


def _lead(alone: Mapping[int, Mapping[int, Spread]], plan: Plan, mixed: _Beyond | None) -> str:
    """What was found, in words that follow the numbers."""
    within = [(piece, lag) for piece in plan.pieces for lag in plan.lags if lag < piece]
    beyond = [(piece, lag) for piece in plan.pieces for lag in plan.lags if lag >= piece]
    learnt = sum(alone[piece][lag].mean >= LEARNT for piece, lag in within)
    leaked = [(piece, lag) for piece, lag in beyond if alone[piece][lag].mean >= LEARNT]
    best_piece, best_lag = max(beyond, key=lambda pair: alone[pair[0]][pair[1]].mean)
    said = (
        f"On streams of one lag, {learnt} of the {len(within)} pairs whose lag is shorter than the piece were learnt "
        f"({100 * LEARNT:.0f} % right or more), and {len(leaked)} of the {len(beyond)} whose lag is as long or longer: "
        f"at best {100 * alone[best_piece][best_lag].mean:.1f} %, at lag {best_lag} with pieces of {best_piece}, where "
        f"guessing gives {100 * CHANCE:.0f} %. "
    )
    if mixed is None:
        return said + f"On streams of mixed lags{', too,' * (not leaked)} no net learnt what lies beyond its piece."
    return said + (
        f"On streams of mixed lags, pieces of {mixed.piece} teach a net to hold a symbol beyond the piece: "
        f"{100 * mixed.carried:.1f} % right at lags {mixed.piece} to {plan.longest} with the state carried on, "
        f"{100 * mixed.furthest:.1f} % at {plan.longest}, and {100 * mixed.reset:.1f} % without the state."
    )


def _row(piece: int, alone: Mapping[int, Spread], together: Mapping[int, Spread], plan: Plan) -> list[str]:
    beyond = _mean_beyond(together, piece)
    shown = [alone[lag].whole() + (" *" if lag < piece else "") for lag in plan.lags]
    return [str(piece), *shown, "none are" if beyond is None else f"{100 * beyond:.1f}"]


def _percent(shares: Sequence[float]) -> str:
    return f"{100 * sum(shares) / len(shares):.1f} %"


def _explanation(plan: Plan) -> list[str]:
    return [
        f"The streams are of {SYMBOLS} symbols by chance. One is marked, and k steps later, the lag, it is asked for; "
        "the symbols between are to be ignored, and then the next is marked. The net is an LSTM that reads the "
        f"streams in pieces of n steps, with {plan.symbols:,} symbols to an update, as n steps of {plan.symbols:,} / n "
        f"streams, so that every n has as many symbols and as many updates, {plan.updates}. In the table a star marks "
        "the pairs in which the lag is within the piece.",
        "Backpropagation through time over the whole of a stream would need all of it in memory. Truncated to pieces, "
        "the state of the last step goes on to the next piece, but is detached: the loss is E_t(h_t(h_(t-1)(... "
        "h_(t-n)))), and the derivative of h_(t-n) with respect to the parameters and all before it counts as zero "
        "(Williams, Peng 1990). Where k >= n, no question ever lies in one piece with the symbol that it asks for, and "
        "no gradient says that this symbol was worth keeping. Where k < n, n - k of n questions do: with k near n few, "
        "and learning is slow.",
        "The estimate is biased, and not by chance: however long one trains, what lies beyond the piece has no say "
        "(Tallec, Ollivier 2017, who draw the lengths of the pieces and weight the gradients so that the mean is "
        "right). What the state still holds of earlier symbols it holds by luck, as the recurrence does before any "
        "training, and what the output layer finds there it can use.",
        "But what is learnt within a piece may hold beyond it. With mixed lags, the short ones teach the net to put a "
        "marked symbol into a cell and to leave it there until it is asked for, and a cell that is left alone for a "
        "few steps can be left alone for many. For that the state has to go on from piece to piece, in training and "
        "after it. So carry the state, detach it, and make the pieces longer than the lags that matter, or at least "
        "than the shortest from which the rule can be seen.",
    ]


_DASHES = ("-", (0, (5, 2)), (0, (3, 2)), (0, (1, 1.5)), (0, (5, 2, 1, 2)), "-")
_LINES = (*(STYLES[name].light for name in ("baseline", "feedforward", "gru", "rnn", "lstm")), INK)
_MARKERS = ("v", "D", "s", "^", "o", "*")


def _lines(
    alone: Mapping[int, Mapping[int, Spread]], together: Mapping[int, Mapping[int, Spread]], plan: Plan
) -> Figure:
    with matplotlib.rc_context(SETTINGS):
        figure, panels = new_panels(5.6, 7.2, 2)
        for axes, found, title in (
            (panels[0], alone, "a net for each lag, on streams of that lag"),
            (panels[1], together, f"a net for all lags, on streams of lags 1 to {plan.longest}"),
        ):
            _draw(axes, found)
            axes.set_title(title, loc="left", fontsize=12)
        panels[0].legend(
            ncols=6, loc="lower left", bbox_to_anchor=(-0.06, 1.1), **LEGEND, title="steps in a piece", alignment="left"
        )
        panels[1].set_xlabel("lag: how many steps ago the symbol was")
        drawing = to_svg(figure, "recurra lab truncation: right answers by lag, for each length of truncation")
    return Figure(
        "by-lag",
        drawing,
        "Each line is a truncation length. Above, each point is a net of its own: right as long as the lag is shorter "
        "than the piece, at chance (dotted) from there on, if truncation is what decides. Below, each line is one net, "
        "asked at all lags. Means of the seeds.",
    )


def _draw(axes: Axes, found: Mapping[int, Mapping[int, Spread]]) -> None:
    for place, (piece, by_lag) in enumerate(found.items()):
        line = _LINES[place]
        means = [100 * spread.mean for spread in by_lag.values()]
        axes.plot(
            list(by_lag),
            means,
            color=line,
            linestyle=_DASHES[place],
            marker=_MARKERS[place],
            markersize=6,
            label=str(piece),
        )
    axes.axhline(100 * CHANCE, color=INK, linewidth=1, linestyle=(0, (1, 3)))
    axes.set_ylim(0, 104)
    axes.set_ylabel("right answers, %")
