"""A diagnosis on a terminal: the verdicts first, then a table of the layers and how far back the model looks."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape

from recurra.diagnose.diagnosis import Diagnosis, Verdict
from recurra.diagnose.diagnosis_words import (
    MARKS,
    context_sentence,
    excess,
    layer_row,
    measured_sentence,
    no_layers_sentence,
)
from recurra.show import print_titled, say

__all__ = ["print_diagnosis"]

_COLOURS = {"problem": "bold red", "note": "bold yellow", "good": "bold green"}
_COLUMNS = ("", "reach", "Lyap.", "sing.", "½-life", "closed", "open", "dead", "sat.")
_LEGEND = (
    "reach: steps back after which the gradient is below a hundredth · Lyap.: the largest Lyapunov exponent, nats a "
    "step; below zero a difference dies out · sing.: the largest singular value of W_hh · ½-life: half-life in steps, "
    "by the median unit · closed, open: % of gates below 0.1, above 0.9 · dead: % of units that hardly vary · sat.: % "
    "of steps with |h| above 0.95"
)
_BAR = 24  # letters


def print_diagnosis(found: Diagnosis, console: Console) -> None:
    """Print all but the curves, which the page has."""
    say(console, measured_sentence(found))
    for verdict in found.verdicts:
        _print_verdict(verdict, console)
    console.print()
    if not found.layers:
        if not found.verdicts:
            say(console, no_layers_sentence(found))
        return
    print_titled(console, "Layers", _COLUMNS, list(map(layer_row, found.layers)))
    say(console, _LEGEND, "dim")
    if found.context is not None and found.context.steps:
        console.print()
        bars = [("█" * round(_BAR * share)).ljust(_BAR, "·") for share in excess(found.context)]
        rows: list[tuple[str, ...]] = [
            (f"{steps:,}", f"{loss:.4f}", f"{round(loss - found.context.whole, 4) + 0.0:+.4f}", bar)
            for steps, loss, bar in zip(found.context.steps, found.context.losses, bars)
        ]
        rows.append(("from the beginning", f"{found.context.whole:.4f}", "", ""))
        title = f"Mean loss by how many {found.unit} the network sees, the present one included"
        print_titled(console, title, (found.unit, "loss", "more", ""), rows)
        say(console, context_sentence(found.context, found.unit))
    if found.clipped:
        shares = ", ".join(f"{100 * share:.0f}" for share in found.clipped)
        say(console, f"\nSteps of training whose gradient was clipped, by epoch: {shares} %")


def _print_verdict(verdict: Verdict, console: Console) -> None:
    mark = f"[{_COLOURS[verdict.level]}]{MARKS[verdict.level]}[/]"
    console.print(f"\n{mark} [bold]{escape(verdict.kind)}[/]: {escape(verdict.sentence)}", soft_wrap=True)
    if verdict.reason:
        say(console, f"  why:     {verdict.reason}", "dim")
    if verdict.remedy:
        say(console, f"  remedy:  {verdict.remedy}")
    if verdict.command:
        say(console, f"  command: {verdict.command}")
