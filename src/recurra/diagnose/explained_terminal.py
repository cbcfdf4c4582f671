"""An explanation on a terminal: coloured text, tables of influences, and the states of some units as lines of bars."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.text import Text

from recurra.diagnose.case import steps
from recurra.diagnose.explained import Explained
from recurra.diagnose.explained_words import (
    answer_lines,
    changes,
    completeness,
    cut,
    few_left_out,
    number,
    of_interest,
    spark,
    states_of_unit,
    strongest,
    surprises,
)
from recurra.diagnose.reading import percent
from recurra.pages.tokens import gaps, places, seen
from recurra.show import print_titled, say

__all__ = ["print_explained"]

_WEAK, _MIDDLE, _STRONG = 0.1, 0.4, 0.75  # shares of the largest influence: below the first there is no colour
_STYLES = {
    True: ("blue", "black on bright_blue", "bold black on bright_blue"),
    False: ("yellow underline", "black on yellow underline", "bold black on yellow underline"),
}
_KEY = "blue: for the answer · yellow, underlined: against it · [in brackets]: unknown to the model"
_ROWS, _LINES, _UNITS, _STEPS, _STRONGEST, _DRAWN = 40, 20, 5, 60, 4, 4
_WIDE = 6  # answers whose influences stand beside each other
_SURPRISING = (2, 6, 10)  # bits


def print_explained(found: Explained, console: Console) -> None:
    """Print what moved each answer, how it formed, and what the most active units did."""
    say(console, f"{found.task}: {_shortened(found.source, 300)}")
    answer = found.told[0] if len(found.told) == 1 else found.whole
    if answer:
        say(console, answer, "bold")
    if found.truncated:
        say(console, cut(found))
    if not found.pieces or not len(found.answers):
        say(console, "There is nothing to explain: the model read no piece, or gave no answer.")
        return
    if found.surprise:
        _print_surprise(found, console)
    console.print()
    if len(found.answers) == 1:
        _print_one(found, console)
    else:
        _print_several(found, console)
    console.print()
    say(console, completeness(found))
    if few_left_out(found):
        say(console, few_left_out(found))
    _print_forming(found, console)
    _print_units(found, console)


def _print_one(found: Explained, console: Console) -> None:
    """The one answer: its coloured text or line of bars, and a row of numbers for each piece."""
    values, left_out = found.influences[0], found.left_out[0]
    if found.is_text:
        console.print(_coloured(found, values), soft_wrap=True)
        say(console, _KEY, "dim")
    else:
        _print_bars(values, console)
    kept = sorted(strongest(values, _ROWS)) if len(values) > _ROWS else list(range(len(values)))
    if not kept:
        say(console, f"None of {len(values):,} pieces has an influence on {found.answers[0]}.", "bold")
        return
    few = "" if len(kept) == len(values) else f", the {len(kept)} strongest of {len(values):,} (--json has all)"
    names, columns = ["piece", "influence", "left out"], [values, left_out]
    decimals = [places(values), places(left_out)]
    if found.attention is not None:
        names, columns, decimals = [*names, "attention"], [*columns, found.attention[0]], [*decimals, 3]
    rows: list[tuple[str, ...]] = [
        (seen(found.pieces[place]), *(number(each[place], size) for each, size in zip(columns, decimals)))
        for place in kept
    ]
    print_titled(console, f"Influence on {found.answers[0]} ({found.unit}){few}", names, rows)


def _print_several(found: Explained, console: Console) -> None:
    """A line for each answer with the pieces that moved it most; all numbers where they stand beside each other."""
    decimals = places(found.influences)
    if len(found.answers) <= _WIDE and len(found.pieces) <= _ROWS:
        rows: list[tuple[str, ...]] = [
            (seen(piece), *(number(value, decimals) for value in found.influences[:, place]))
            for place, piece in enumerate(found.pieces)
        ]
        names = ["piece", *(_shortened(answer.replace("\n", "↵"), 14) for answer in found.names)]
        print_titled(console, f"Influence on each answer ({found.unit})", names, rows)
    chosen = of_interest(found, _LINES)
    few = "" if len(chosen) == len(found.answers) else f", {len(chosen)} of {len(found.answers):,} (--json has all)"
    say(console, f"What moved each answer most{few}:", "bold")
    lines = answer_lines(found)
    for place in chosen:
        values, line = found.influences[place], Text(f"  {_shortened(lines[place], 60)}", style="bold")
        line.append("  ", style="not bold")
        for piece in strongest(values, _STRONGEST):
            line.append(f" {seen(found.pieces[piece])}", style=_style(values[piece], 1e-300))
            line.append(f" {number(values[piece], decimals)} ", style="not bold")
        if found.attention is not None:
            most = int(found.attention[place].argmax())
            looked = f" looked at {seen(found.pieces[most])} ({percent(float(found.attention[place, most]))})"
            line.append(looked, style="not bold dim")
        console.print(line, soft_wrap=True)
    if not found.is_text:
        for place in of_interest(found, _DRAWN):
            say(console, f"\n{lines[place]}", "bold")
            _print_bars(found.influences[place], console)


def _print_bars(values: NDArray[np.float64], console: Console) -> None:
    """The influences of steps as a line of bars, and beneath each its sign."""
    largest = float(np.abs(values).max(initial=0.0)) or 1.0
    signs = "".join("+" if value > 0 else "-" if value < 0 else " " for value in values)
    say(console, f"  influence  {spark(np.abs(values), 0.0, largest)}")
    say(console, f"  sign       {signs}")


def _print_surprise(found: Explained, console: Console) -> None:
    bits = surprises(found)
    line = Text()
    between = gaps("", found.answers)
    for gap, answer, value in zip(between, found.answers, bits.tolist()):
        level = sum(value >= limit for limit in _SURPRISING)
        style = ("", *_STYLES[False])[level]
        line.append(gap)
        line.append(answer if answer == "\n" else seen(answer) if style else answer, style=style)
    console.print(line, soft_wrap=True)
    low, middle, high = _SURPRISING
    told = f"mean surprise {bits.mean():.2f} bits · marked from {low}, {middle} and {high} bits"
    say(console, told, "dim")
    most = np.argsort(-bits, kind="stable")[:8].tolist()
    rows: list[tuple[str, ...]] = [(seen(found.answers[place]), f"{bits[place]:.1f}") for place in most]
    print_titled(console, "What surprised most", ["symbol", "bits"], rows)


def _print_forming(found: Explained, console: Console) -> None:
    if len(found.forming) < 2:
        return
    say(console, "\nThe answer as it formed, by the pieces read:", "bold")
    for one in changes(found.forming):
        last = found.pieces[one.read - 1] if 0 < one.read <= len(found.pieces) else ""
        told = f"{one.answer} ({100 * one.value:.1f} %)" if found.probable else one.answer
        say(console, f"  {one.read:>4} of {len(found.pieces)}  {seen(last)} → {told}")


def _print_units(found: Explained, console: Console) -> None:
    if not found.layers:
        say(console, "\nThe model has no recurrent layer: there are no gates and states.")
    for layer in found.layers:
        if not len(layer.pieces):
            continue
        say(console, f"\nMost active units of {layer.name}, h over {steps(len(layer.pieces))}:", "bold")
        for unit in layer.order[:_UNITS].tolist():
            values = states_of_unit(layer, unit, _STEPS)
            low, high = float(values.min()), float(values.max())
            say(console, f"  unit {unit:>4}  {spark(values, low, high)}  {low:+.2f} to {high:+.2f}")


def _coloured(found: Explained, values: NDArray[np.float64]) -> Text:
    largest, line = float(np.abs(values).max(initial=0.0)) or 1.0, Text()
    between: Sequence[str] = gaps(found.source, found.pieces)
    for gap, piece, value, known in zip(between, found.pieces, values.tolist(), found.known):
        line.append(gap)
        style = _style(value, largest)
        line.append(piece if known else f"[{piece}]", style=style if known else f"{style} italic")
    return line


def _style(value: float, largest: float) -> str:
    """How strongly a piece is coloured, and the mark that tells what speaks against the answer."""
    share = abs(value) / largest
    level = sum(share >= limit for limit in (_WEAK, _MIDDLE, _STRONG))
    return ("", *_STYLES[value > 0])[level]


def _shortened(text: str, most: int) -> str:
    """A text on one line, its end left out where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
