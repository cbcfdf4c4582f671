"""What a comparison prints: the scores, what they cost, and what to choose."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from rich.console import Console

from recurra.compare.advice import advice, choose
from recurra.compare.findings import Comparison
from recurra.compare.memory import Memory
from recurra.compare.statistics import Mean
from recurra.pages.surroundings import print_closing
from recurra.show import print_table
from recurra.tables import ScoreTable
from recurra.tasks.headline import Headline

__all__ = ["cost_cells", "equality_sentence", "next_commands", "print_comparison", "with_bounds", "with_spread"]

_NEAR = 0.05  # parameters that differ by more are not called equal: a convention


def print_comparison(found: Comparison, console: Console) -> None:
    """Print the tables, the advice, where the report is, and what to try next."""
    print_table(console, _score_table(found))
    print_table(console, _cost_table(found))
    said = [equality_sentence(found), "", *advice(found)]
    print_closing(console, said, found.out, found.seconds, next_commands(found))


def with_spread(headline: Headline, mean: Mean) -> str:
    """A mean over the seeds and its interval, without the unit."""
    value = headline.number(mean.value)
    return value if mean.width is None else f"{value} ({' to '.join(map(headline.number, mean.width))})"


def with_bounds(headline: Headline, score: Mapping[str, float]) -> str:
    """A score and its interval over examples, without the unit."""
    value = headline.number(score["value"])
    if "low" not in score:
        return value
    return f"{value} ({headline.number(score['low'])} to {headline.number(score['high'])})"


def equality_sentence(found: Comparison) -> str:
    """Say what was made equal, with the numbers that were reached."""
    sizes = found.sizes
    if found.plan.equal == "time":
        cut = sum(run.cut for run in found.runs)
        stopped = "was stopped before its" if cut == 1 else "were stopped before their"
        ended = f"; {cut} of {len(found.runs)} runs {stopped} last epoch, to keep to the time" if cut else ""
        used = ", ".join(
            f"{cell} {_epochs(found, cell)} in {found.training_seconds(cell):,.1f} s" for cell in found.plan.cells
        )
        return f"Equal time: {found.budget:,.1f} s of training for each run, as whole epochs go into it: {used}{ended}."
    first = found.plan.cells[0]
    others = ", ".join(
        f"{cell} {size.parameters:,} ({_percent_off(size.parameters, sizes[first].parameters)})"
        for cell, size in sizes.items()
        if cell != first
    )
    told = f"{first} has {sizes[first].parameters:,}; as near as can be {others}."
    far = [cell for cell, size in sizes.items() if abs(size.parameters / sizes[first].parameters - 1) > _NEAR]
    if not far:
        return f"Equal parameters: {told}"
    return (
        f"Parameters are not equal: {told} More than {100 * _NEAR:.0f} % off: {', '.join(far)}. To bring them nearer, "
        "take a larger --hidden-size, or name the cell of most parameters first in --cells."
    )


def _epochs(found: Comparison, cell: str) -> str:
    count = found.epochs(cell)
    return f"{count} epoch" if count == "1" else f"{count} epochs"


def _percent_off(found: int, wanted: int) -> str:
    return f"{100 * (found / wanted - 1):+.2f} %"


def cost_cells(found: Comparison, cell: str) -> list[str]:
    """Of a cell: hidden size, parameters, training speed, answers a second, memory, gradient lag; as text."""
    cost, size = found.costs[cell], found.sizes[cell]
    return [
        f"{size.hidden_size:,}",
        f"{size.parameters:,}",
        f"{found.training_speed(cell):,.0f}",
        f"{found.answer_speed(cell):,.0f}",
        "-" if cost.memory is None else _mebibytes(cost.memory),
        "-" if cost.lag is None else str(cost.lag),
    ]


def _mebibytes(memory: Memory) -> str:
    peak = f"{memory.peak / 2**20:,.0f}"
    return peak if memory.before is None else f"{peak} ({(memory.peak - memory.before) / 2**20:+,.0f})"


def _score_table(found: Comparison) -> ScoreTable:
    headline, seeds = found.scored.headline, len(found.plan.seeds)
    rows: list[tuple[str, ...]] = [
        (
            cell,
            with_spread(headline, found.score(cell)),
            f"{with_bounds(headline, found.kept[cell].score)}, seed {found.kept[cell].seed}",
        )
        for cell in found.plan.cells
    ]
    rows += [(name, with_spread(headline, mean), "") for name, mean in found.baselines.items()]
    better = "higher" if headline.higher else "lower"
    title = f"{headline.name}{headline.unit} of the {found.scored.part} examples, {better} is better"
    over_seeds = "one seed" if seeds == 1 else f"mean of {seeds} seeds\n(95 % over seeds)"
    columns = ("", over_seeds, "kept model\n(95 % over examples)")
    return ScoreTable(title, columns, rows)


def _cost_table(found: Comparison) -> ScoreTable:
    unit = found.scored.unit
    columns = (
        *("", "hidden\nsize", "para-\nmeters", f"trained\n{unit}/s", "answered\nseq./s", "training\nMiB"),
        "gradient\nlag",
    )
    rows: list[tuple[str, ...]] = [(cell, *cost_cells(found, cell)) for cell in found.plan.cells]
    return ScoreTable("what it costs", columns, rows)


def next_commands(found: Comparison) -> Sequence[str]:
    """Commands to try with the kept models."""
    model = shlex.quote(str(found.out / choose(found).advised))
    return [f"recurra check {model}", f"recurra evaluate {model} my-own-data"]
