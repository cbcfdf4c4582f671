"""The page of an experiment, made only of what its run has found, and the page that leads to all of them."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

from recurra.lab.experiment import Experiment, Figure, Outcome
from recurra.pages.frame import make_page
from recurra.pages.pieces import fact_rows, section, tiles

__all__ = ["Finished", "render", "render_index"]

_QUICK = "This was a quick run, to see that the experiment works: its numbers are those of too little training."


class Finished(NamedTuple):
    """An experiment that was run.

    Attributes:
        experiment: which.
        outcome: what it has shown.
        seed: of everything random.
        quick: whether it did the least.
        seconds: that it took.
        machine: where, by :func:`recurra.pages.surroundings.machine`.
        out: the folder of its files.
    """

    experiment: Experiment
    outcome: Outcome
    seed: int
    quick: bool
    seconds: float
    machine: dict[str, str]
    out: Path

    @property
    def command(self) -> str:
        """What was typed to have it run."""
        options = f"{self.experiment.generator} --seed {self.seed}"
        return f"{options} --quick" if self.quick else options


def render(made: Finished) -> str:
    """Make the page of an experiment."""
    found = made.outcome
    lead = f"{escape(found.lead)} <b>{_QUICK}</b>" if made.quick else escape(found.lead)
    sections = [
        section("question", "The question", f"<p>{escape(made.experiment.question)}</p>{_figures(found.figures)}"),
        section("numbers", "The numbers", _table(found.headings, found.rows)),
        section("why", "Why it is so", "".join(f"<p>{escape(text)}</p>" for text in found.explanation)),
    ]
    facts = {"seed": str(made.seed), "took": f"{made.seconds:.1f} seconds", **made.machine}
    parts = {
        "lead": lead,
        "tiles": tiles([(escape(number), escape(what)) for number, what in found.tiles]),
        "made_note": "All numbers are of one run of one command; the same seed gives the same numbers on the same "
        f"machine: <code>{escape(made.command)}</code>",
        "settings_rows": "",
        "run_rows": fact_rows(facts),
        "commands": _next_commands(made),
    }
    return make_page(made.experiment.generator, escape(made.experiment.heading), parts, "".join(sections))


def render_index(answered: Sequence[tuple[Experiment, str]], finished: Sequence[Finished]) -> str:
    """Make the page that leads to those of some experiments, and says what each has found.

    Args:
        answered: experiments whose pages stand beside it, each with its lead.
        finished: those of the run that has just ended, one at least.
    """
    cards = [
        section(
            each.name,
            f'<a href="{each.name}.html">{escape(each.heading)}</a>',
            f'<p class="soft">{escape(each.question)}</p><p>{escape(lead)}</p>',
        )
        for each, lead in answered
    ]
    took = sum(made.seconds for made in finished)
    names = ", ".join(made.experiment.name for made in finished)
    parts = {
        "lead": "What recurrent networks can remember and learn: each question is answered by a run of one command.",
        "tiles": "",
        "made_note": f"The last run was of {escape(names)}; each page tells how it was made itself.",
        "settings_rows": "",
        "run_rows": fact_rows({"seed": str(finished[0].seed), "took": f"{took:.1f} seconds", **finished[0].machine}),
        "commands": "\n".join(["recurra lab all", *(each.generator for each, _ in answered)]),
    }
    return make_page("recurra lab", "The classic experiments", parts, "".join(cards))


def _figures(figures: Sequence[Figure]) -> str:
    """Two side by side where there is room; one by itself is larger."""
    drawn = "".join(
        f"<figure>{figure.drawing}<figcaption>{escape(figure.caption)}</figcaption></figure>" for figure in figures
    )
    return f'<div class="{"two" if len(figures) > 1 else "large"}">{drawn}</div>'


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    body = "".join(f"<tr>{_cells(row)}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cells(row: Sequence[str]) -> str:
    """Of a row; a number such as 1e-16 is not divided at its sign."""
    first, *others = map(escape, row)
    return f"<td>{first}</td>" + "".join(f'<td style="white-space:nowrap">{cell}</td>' for cell in others)


def _next_commands(made: Finished) -> str:
    """The same with another seed, and the experiments that follow it."""
    from recurra.lab import EXPERIMENTS

    names = list(EXPERIMENTS)
    place = names.index(made.experiment.name) if made.experiment.name in names else -1
    others = [*names[place + 1 :], *names[: max(place, 0)]][:3]
    again = f"{made.experiment.generator} --seed {made.seed + 1}"
    lines = [(again, "whether it was chance"), *((EXPERIMENTS[n].generator, EXPERIMENTS[n].heading) for n in others)]
    width = max(len(command) for command, _ in lines)
    return "\n".join(escape(f"{command.ljust(width)}   # {what}") for command, what in lines)
