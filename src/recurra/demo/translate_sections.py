"""The sections of the report on translation: findings in, the pieces of HTML that its template asks for out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein

from recurra.demo.classify_figures import Score
from recurra.demo.translate_figures import by_length_figure, losses_figure
from recurra.demo.translate_findings import (
    ATTENTION,
    FIXED,
    TranslateReport,
    comparison_sentences,
    next_translate_commands,
)
from recurra.diagnose.alignment import alignment_figure
from recurra.pages.pieces import Parts, changes_sentence, dot, fact_rows, settings_rows, tiles

__all__ = ["TRANSLATE_SECTIONS"]

_SYMBOL = 26  # pixels across a picture of an alignment
_MARGIN = 120  # of it
_OWN = ("attention", "data", "valid", "test")  # settings in which the models differ, or that the page tells elsewhere


def overview(report: TranslateReport) -> Parts:
    """The first sentences and the four large numbers."""
    within, beyond = report.ranges().items()
    sentences = comparison_sentences(report)
    numbers = [_tile(report, ATTENTION, *within), _tile(report, FIXED, *within), _tile(report, ATTENTION, *beyond)]
    return {
        "lead": "Two networks learnt to write lists of numbers and days in figures from the same lists in words. One "
        "must keep the whole list in a vector of fixed size; the other may look back at the words: <em>attention</em>. "
        f"{escape(sentences[0])}",
        "tiles": tiles([*numbers, (f"{report.seconds:.0f} s", "for both trainings, their scores and this page")]),
        **{part: f"{size:,}" for part, size in report.sizes.items()},
        "longest": f"{report.longest}",
        "most": f"{report.items.max()}",
        "vector": f"{report.runs[FIXED].config.model.hidden_size:,}",
        "first_words": escape(report.sources[report.looked_at[0][0]]),
        "first_figures": escape(report.answers[FIXED].right[report.looked_at[0][0]]),
    }


def _tile(report: TranslateReport, name: str, items: str, among: NDArray[np.bool_]) -> tuple[str, str]:
    found = report.answers[name].exact(among)
    model = escape(report.runs[name].name)
    return f"{_percent(found)} %", f"{model}: lists of {items} without a mistake<br>95 % interval {_range(found)}"


def bottleneck(report: TranslateReport) -> Parts:
    """Right answers by the length of the list, as a figure, in words and as a table."""
    lengths = np.unique(report.items).tolist()
    shares = {
        name: {
            length: Score(run.name, run.style, **report.answers[name].exact(report.of_length(length)))
            for length in lengths
        }
        for name, run in report.runs.items()
    }
    what = "lists without a mistake"
    title = f"Share of {what} by the number of items, with 95 % intervals, with attention and with a fixed vector"
    errors = {name: f"<th>{_dotted(report, name)}</th>" for name in report.answers}
    return {
        "by_length_figure": by_length_figure(shares, report.longest, what, title),
        "comparison": "".join(f"<p>{escape(sentence)}</p>" for sentence in comparison_sentences(report)),
        "length_heads": "".join([*(errors[name] for name in report.runs), *errors.values()]),
        "right_columns": f"{len(report.runs)}",
        "error_columns": f"{len(errors)}",
        "length_rows": "".join(_length_row(report, length) for length in lengths),
    }


def _length_row(report: TranslateReport, length: int) -> str:
    among = report.of_length(length)
    right = [report.answers[name].exact(among) for name in report.runs]
    errors = [answers.item_error(among) for answers in report.answers.values()]
    cells = [
        f'<td class="heat" style="--a:{found["value"]:.2f}" title="95 % interval {_range(found)}">'
        f"{100 * found['value']:.0f}</td>"
        for found in right
    ]
    cells += [f'<td title="95 % interval {_range(found)}">{100 * found["value"]:.0f}</td>' for found in errors]
    name = f"{length}" if length <= report.longest else f'{length}&nbsp;<small class="inline">longer</small>'
    return (
        f"<tr><td>{name}</td><td>{report.symbols[among].mean():.0f}</td><td>{among.sum():,}</td>{''.join(cells)}</tr>"
    )


def scores(report: TranslateReport) -> Parts:
    """The models beside the baselines, on lists as long as those of training and on longer ones."""
    heads = "".join(f"<th>{escape(items)} items</th>" for items in report.ranges())
    return {
        "range_heads": heads + heads,
        "score_rows": "".join(_score_row(report, name) for name in report.answers),
    }


def _score_row(report: TranslateReport, name: str) -> str:
    answers, run = report.answers[name], report.runs.get(name)
    found = [answers.exact(among) for among in report.ranges().values()]
    found += [answers.item_error(among) for among in report.ranges().values()]
    cells = "".join(f"<td>{_percent(share)}<small>{_range(share)}</small></td>" for share in found)
    costs = ("&ndash;", "&ndash;") if run is None else (f"{run.metrics['parameters']:,}", f"{run.seconds:.1f}")
    main = ' class="main"' if name == ATTENTION else ""
    return f"<tr{main}><td>{_dotted(report, name)}</td>{cells}{''.join(f'<td>{cost}</td>' for cost in costs)}</tr>"


def alignments(report: TranslateReport) -> Parts:
    """From which words each figure was written, for some lists of the test."""
    shown = []
    for number, found in report.looked_at:
        items, right = int(report.items[number]), report.answers[ATTENTION].right[number]
        longer = ", longer than any in training" if items > report.longest else ""
        verdict = "right" if found.text.split() == right.split() else f"wrong; right is {right}"
        assert found.alignment is not None
        title = f"Attention of each character of “{found.text}” over the words of “{report.sources[number]}”"
        width = _MARGIN + _SYMBOL * len(found.source_tokens)
        shown.append(
            f"<h3>{items} items{longer}: {escape(verdict)}</h3>"
            f'<figure class="alignment wide" style="--width:{width}px" tabindex="0">'
            f"{alignment_figure(found.source_tokens, found.tokens, found.alignment, title)}</figure>"
        )
    return {"alignments": "".join(shown)}


def answers(report: TranslateReport) -> Parts:
    """Some lists of the test, and what each model made of them."""
    return {"answers": "".join(_side_by_side(report, number) for number in report.side_by_side)}


def _side_by_side(report: TranslateReport, number: int) -> str:
    right = report.answers[ATTENTION].right[number]
    rows = [("in words", escape(report.sources[number])), ("right", f"<code>{escape(right)}</code>")]
    for name in report.runs:
        rows.append((_dotted(report, name), _marked(report.answers[name].texts[number], right)))
    written = "".join(f"<tr><td>{what}</td><td>{text}</td></tr>" for what, text in rows)
    longer = " (longer than any in training)" if report.items[number] > report.longest else ""
    heading = f"<h3>{_counted(int(report.items[number]))}{longer}</h3>"
    return f'{heading}<table class="beside"><tbody>{written}</tbody></table>'


def _marked(text: str, right: str) -> str:
    """An answer with its wrong items marked, a sign where one is missing, and the number of mistakes."""
    written, wanted = text.split(), right.split()
    pieces: list[str] = []
    for edit in Levenshtein.opcodes(written, wanted):
        own = written[edit.src_start : edit.src_end]
        if edit.tag == "equal":
            pieces += map(escape, own)
        elif edit.tag == "insert":  # what the answer would need
            pieces += ['<mark title="missing">&#9251;</mark>'] * (edit.dest_end - edit.dest_start)
        else:
            pieces += [f"<mark>{escape(item)}</mark>" for item in own]
    mistakes = Levenshtein.distance(written, wanted)
    said = "right" if not mistakes else f"{mistakes} wrong or missing"
    return f'<code>{" ".join(pieces)}</code> <small class="inline">{said}</small>'


def curve(report: TranslateReport) -> Parts:
    """The losses over the steps of training."""
    steps = len(report.runs[ATTENTION].losses)
    kept = "; ".join(
        f"{run.name}, epoch {(best := run.metrics['best_epoch'])}, {run.history[best - 1]['valid_loss']:.3f} nats a "
        "symbol on the validation lists"
        for run in report.runs.values()
    )
    title = "Losses of both models over the steps of training, in training and validation"
    return {
        "curve_note": f"{steps:,} steps each, in {len(report.runs[ATTENTION].history)} passes over the same training "
        f"lists. What is kept: {escape(kept)}.",
        "curve_figure": losses_figure([*report.runs.values()], title),
    }


def made(report: TranslateReport) -> Parts:
    """Settings, facts of the run, and what to try next."""
    run = report.runs[ATTENTION]
    kind = escape(run.config.model.attention)
    return {
        "made_note": f"{escape(changes_sentence(run.config, _OWN))} The two models differ in the attention alone: "
        f"{kind}, or none. They learnt on one thread. Their directories and the lists, as TSV, lie beside this page.",
        "settings_rows": settings_rows(run.config, run.metrics["epochs"], _OWN),
        "run_rows": fact_rows(report.facts),
        "commands": escape("\n".join(next_translate_commands(report))),
    }


TRANSLATE_SECTIONS: list[Callable[[TranslateReport], Parts]] = [
    overview,
    bottleneck,
    scores,
    alignments,
    answers,
    curve,
    made,
]


def _dotted(report: TranslateReport, name: str) -> str:
    """The name of a model or a baseline, with the mark of its colour."""
    run = report.runs.get(name)
    return dot("baseline" if run is None else run.style) + escape(name if run is None else run.name)


def _counted(items: int) -> str:
    return f"{items} items" if items > 1 else "1 item"


def _percent(share: Mapping[str, float]) -> str:
    return f"{100 * share['value']:.1f}"


def _range(share: Mapping[str, float]) -> str:
    return f"{100 * share['low']:.1f} to {100 * share['high']:.1f}"
