"""The page of a comparison, made only of what was measured."""

from __future__ import annotations

from html import escape

from recurra.compare.advice import RULES, Choice, advice, choose
from recurra.compare.figures import curves_figure, scores_figure, time_figure
from recurra.compare.findings import Comparison
from recurra.compare.show import cost_cells, equality_sentence, next_commands
from recurra.compare.statistics import Mean
from recurra.pages.frame import make_page, mark
from recurra.pages.pieces import changes_sentence, dot, fact_rows, section, settings_rows, tiles
from recurra.tasks.headline import Headline

__all__ = ["MARK", "render"]

_GENERATOR = "recurra compare"
MARK = mark(_GENERATOR)  # what tells that a page was made by the command
_DIFFERENT = ["cell", "hidden_size", "epochs"]


def render(found: Comparison) -> str:
    """Make the page."""
    chosen, headline, one = choose(found), found.scored.headline, len(found.plan.seeds) == 1
    numbers = [
        (escape(chosen.advised), _leads(chosen) if one else "what the measurements advise"),
        (
            headline.shown(found.score(chosen.advised).value),
            f"its {escape(headline.name)}, {_mean_of(len(found.plan.seeds))}",
        ),
        (headline.shown(found.baselines[chosen.baseline].value), f"{escape(chosen.baseline)}, the best baseline"),
        (f"{found.seconds:,.0f} s", f"for {len(found.runs)} runs and this page"),
    ]
    parts = {
        "lead": f"{escape(_listed(found.plan.cells))}, each trained on the same data with the same "
        f"{_seeds(len(found.plan.seeds))}. {escape(equality_sentence(found))}",
        "tiles": tiles(numbers),
        "made_note": f"All runs share these settings but the cell and what was made equal. "
        f"{escape(changes_sentence(found.config, _DIFFERENT))} Each learnt on one thread.",
        "settings_rows": settings_rows(found.config, 0, _DIFFERENT),
        "run_rows": fact_rows(
            {f"epochs of {cell}": found.epochs(cell) for cell in found.plan.cells} | dict(found.facts)
        ),
        "commands": escape("\n".join(next_commands(found))),
    }
    sections = _choice(found) + _table(found) + _curves(found) + _method(found)
    return make_page(_GENERATOR, f"Cells compared: {escape(found.plan.task)}", parts, sections)


def _choice(found: Comparison) -> str:
    said = "".join(f"<p>{escape(sentence)}</p>" for sentence in advice(found))
    figure = f"<figure>{scores_figure(found)}<figcaption>{_of_seeds(found)}</figcaption></figure>"
    return section("choice", "What to choose, and why", f'<div class="two"><div>{said}</div>{figure}</div>')


def _table(found: Comparison) -> str:
    headline = found.scored.headline
    heads = (
        *(
            f"{headline.name}{headline.unit}<small>{_over_seeds(found)}</small>",
            "kept model<small>95 % over examples</small>",
        ),
        *("hidden size", "parameters", f"trained<small>{escape(found.scored.unit)}/s</small>"),
        *("answered<small>sequences/s</small>", "training<small>MiB</small>"),
        "gradient lag<small>steps</small>",
    )
    advised, main = choose(found).advised, ' class="main"'
    rows = [
        f"<tr{main * (cell == advised)}><td>{dot(cell)}{escape(cell)}</td>"
        f"<td>{_spread(headline, found.score(cell))}</td><td>{_kept(found, cell)}</td>"
        f"{''.join(f'<td>{escape(each)}</td>' for each in cost_cells(found, cell))}</tr>"
        for cell in found.plan.cells
    ]
    rows += [
        f"<tr><td>{dot('baseline')}{escape(name)}</td><td>{_spread(headline, mean)}</td>{'<td></td>' * 7}</tr>"
        for name, mean in found.baselines.items()
    ]
    head = "".join(f"<th>{each}</th>" for each in ("", *heads))
    table = f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    return section("table", "Scores and what they cost", f"{table}{_notes(found)}")


def _notes(found: Comparison) -> str:
    """What the columns of the table are."""
    part = found.scored.part
    rounds = len(next(iter(found.costs.values())).answer_seconds)
    notes = (
        f"Scores are on the {part} examples. Over seeds: the mean of the runs, with the interval of Student's t; a "
        "seed draws the first weights, the order of the examples and, where the data are not divided already, which of "
        "them are held out. Over examples: the run of the best validation score, whose model is kept "
        f"({found.scored.interval}).",
        "Parameters: of the whole network, with the first seed. Trained: median over all epochs. Answered: "
        f"{found.sequences:,} sequences of the data, 32 side by side, the models in turns, the median of {rounds} "
        "rounds; what the network itself gives, without a search for the best translation or transcript.",
        "Training MiB: the most resident memory in the first 20 steps of a fresh process that read the data, Python "
        "and torch included; in brackets what the steps added.",
        "Gradient lag: after how many steps, as the layer reads them, the gradient of the loss with respect to the "
        "state is below a hundredth of what it is where the loss speaks; in the last layer that reads the sequences, "
        "forwards, of the kept model, on validation examples. &gt;: it is not, within so many steps.",
    )
    return "".join(f'<p class="note">{note}</p>' for note in notes)


def _spread(headline: Headline, mean: Mean) -> str:
    small = "" if mean.width is None else f"<small>{' to '.join(map(headline.number, mean.width))}</small>"
    return f"{headline.number(mean.value)}{small}"


def _kept(found: Comparison, cell: str) -> str:
    headline, run = found.scored.headline, found.kept[cell]
    bounds = "".join(
        f"{word} {headline.number(run.score[bound])}"
        for word, bound in ((",", "low"), (" to", "high"))
        if bound in run.score
    )
    return f"{headline.number(run.score['value'])}<small>seed {run.seed}{bounds}</small>"


def _curves(found: Comparison) -> str:
    figures = "".join(
        f"<figure>{curves_figure(found, over_seconds)}<figcaption>{caption}</figcaption></figure>"
        for over_seconds, caption in (
            (False, "After each epoch: mean, and from the lowest to the highest of the seeds; upwards is better."),
            (True, "The same over the seconds of training, validation left out; their mean over the seeds."),
        )
    )
    against = (
        f"<figure>{time_figure(found)}<figcaption>The score that came of it, {_with_interval(found)}, "
        "against the median time of a run.</figcaption></figure>"
    )
    body = f'<div class="two">{figures}</div>\n<h3>Score against time</h3>\n{against}'
    return section("curves", "Learning", body)


def _method(found: Comparison) -> str:
    rules = "".join(f"<li>{escape(rule)}</li>" for rule in RULES)
    return section("rules", "How the choice is made", f"<ol>{rules}</ol>")


def _listed(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _leads(chosen: Choice) -> str:
    return f"{'leads' if len(chosen.tied) == 1 else 'first named of the best'}, by this one run only"


def _over_seeds(found: Comparison) -> str:
    return "one seed" if len(found.plan.seeds) == 1 else "95 % over seeds"


def _of_seeds(found: Comparison) -> str:
    if len(found.plan.seeds) == 1:
        return "The score of one seed."
    return f"Mean {_with_interval(found)}; each small line is a seed."


def _with_interval(found: Comparison) -> str:
    return "of one seed" if len(found.plan.seeds) == 1 else "with its 95 % interval over the seeds"


def _mean_of(count: int) -> str:
    return "with one seed" if count == 1 else f"mean of {count} seeds"


def _seeds(count: int) -> str:
    return "seed" if count == 1 else f"{count} seeds"
