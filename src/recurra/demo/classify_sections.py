"""The sections of the demo's report: findings in, the pieces of HTML that its template asks for out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recurra.baselines import BAG_OF_WORDS
from recurra.demo.classify_figures import Score, calibration_figure, curves_figure, scores_figure
from recurra.demo.classify_findings import MAIN, Example, Report, gain_sentence, next_commands
from recurra.diagnose.saliency import Explanation
from recurra.metrics import classification_scores
from recurra.pages.pieces import Parts, changes_sentence, dot, fact_rows, settings_rows, tiles
from recurra.pages.tokens import TOKEN_LEGEND, influence_tokens, signed

__all__ = ["SECTIONS"]


def overview(report: Report) -> Parts:
    """The first sentences, the four large numbers, and a pair of twins."""
    main = report.runs[MAIN]
    ours, bag = main.scores["model"]["accuracy"], main.scores["baselines"][BAG_OF_WORDS]["accuracy"]
    gain = main.scores["gain"]
    numbers = [
        (f"{_percent(ours)} %", f"{main.name}: right on the test reviews<br>95 % interval {_range(ours)}"),
        (f"{_percent(bag)} %", f"bag of words on the same reviews<br>95 % interval {_range(bag)}"),
        (_points(gain["value"]), f"points gained by reading in order<br>95 % interval {_points_range(gain)}"),
        (f"{report.seconds:.0f} s", f"for all {len(report.runs)} models, their scores and this page"),
    ]
    return {
        "lead": f"{escape(_listed([run.name for run in report.runs.values()]))} networks learnt from short reviews in "
        "which the order of the words decides. "
        f"{escape(gain_sentence(gain, f'The {main.name}', 'a bag of words'))}",
        "tiles": tiles(numbers),
        **{part: f"{size:,}" for part, size in report.sizes.items()},
        "twins": _twins(report),
    }


def _twins(report: Report) -> str:
    if not report.right:
        return ""
    first, second = report.right[0]
    lines = "".join(f"<p>“{escape(one.explanation.text)}” <b>{escape(one.label)}</b></p>" for one in (first, second))
    return (
        "<p>Most reviews come as <em>twins</em>: the same words in another order, with the opposite verdict. Whoever "
        f'only counts words must be wrong on one of the two.</p><div class="pair">{lines}</div>'
    )


def scores(report: Report) -> Parts:
    """The table and the figure of scores, and in words what the LSTM gains."""
    baselines = report.runs[MAIN].scores["baselines"]
    rows = [_model_row(report, cell) for cell in reversed(list(report.runs))]
    leads = {BAG_OF_WORDS: _gain(report.lead())}
    rows += [_score_row(name, "baseline", found, leads.get(name, ""), "", "") for name, found in baselines.items()]
    drawn = [_drawn(run.name, cell, run.scores["model"]) for cell, run in reversed(list(report.runs.items()))]
    drawn += [_drawn(name, "baseline", found) for name, found in baselines.items()]
    others = [(cell, run.name) for cell, run in reversed(list(report.runs.items())) if cell != MAIN]
    gains = [gain_sentence(report.runs[MAIN].scores["gain"], f"The {report.runs[MAIN].name}", "the bag of words")]
    gains += [gain_sentence(report.lead(cell), f"The {report.runs[MAIN].name}", f"the {name}") for cell, name in others]
    honest = (
        "The intervals tell what another draw of test reviews could change, each review drawn singly. They do not tell "
        "what another seed would change, nor do they hold for other texts: these reviews were written so that order "
        "decides, and ordinary reviews leave a bag of words more to go by."
    )
    return {
        "scores_figure": scores_figure(drawn, "Accuracy of each model on the test reviews, with 95 % intervals"),
        "gains": "".join(f"<p>{escape(text)}</p>" for text in gains) + f'<p class="soft">{honest}</p>',
        "score_rows": "".join(rows),
    }


def _model_row(report: Report, cell: str) -> str:
    run = report.runs[cell]
    lead = "" if cell == MAIN else _gain(report.lead(cell))
    parameters, seconds = f"{run.metrics['parameters']:,}", f"{run.seconds:.1f}"
    return _score_row(run.name, cell, run.scores["model"], lead, parameters, seconds)


def _score_row(name: str, style: str, found: Mapping[str, Any], lead: str, parameters: str, seconds: str) -> str:
    shares = "".join(
        f"<td>{_percent(found[key])}<small>{_range(found[key])}</small></td>" for key in ("accuracy", "macro_f1")
    )
    error = f"{100 * found['expected_calibration_error']:.1f}"
    cells = "".join(f"<td>{value or '&ndash;'}</td>" for value in (error, lead, parameters, seconds))
    main = ' class="main"' if style == MAIN else ""
    return f"<tr{main}><td>{dot(style)}{escape(name)}</td>{shares}{cells}</tr>"


def kinds(report: Report) -> Parts:
    """A table of accuracies: a row for each kind of review, a column for each model."""
    of_kind = np.array(report.kinds)
    columns = {cell: run.probabilities for cell, run in reversed(list(report.runs.items()))}
    heads = [f"<th>{dot(cell)}{escape(report.runs[cell].name)}</th>" for cell in columns]
    counted = {kind: int((of_kind == kind).sum()) for kind in sorted(set(report.kinds))}
    bag_right = report.is_right()
    hardest_first = sorted(counted, key=lambda kind: (bag_right[of_kind == kind].mean(), kind))
    rows = []
    for kind in hardest_first:
        among = of_kind == kind
        example = min((report.texts[index] for index in np.flatnonzero(among).tolist()), key=len)
        cells = [_kind_cell(report, among, probabilities) for probabilities in (*columns.values(), report.bag_of_words)]
        name = f"{escape(kind)}<small>{escape(example)}</small>"
        rows.append(f"<tr><th>{name}</th><td>{counted[kind]:,}</td>{''.join(cells)}</tr>")
    fewest = min(counted.values())
    return {
        "kind_heads": "".join(heads) + f"<th>{dot('baseline')}{BAG_OF_WORDS}</th>",
        "kind_rows": "".join(rows),
        "kind_note": f"With {fewest:,} reviews in the smallest kind, one review there is {100 / fewest:.1f} points: "
        "read small differences as chance.",
    }


def _kind_cell(report: Report, among: NDArray[np.bool_], probabilities: NDArray[np.float32]) -> str:
    found = classification_scores(report.labels[among], probabilities[among], report.classes)["accuracy"]
    shade = max(0.0, 2 * found["value"] - 1)
    number = f"{100 * found['value']:.0f}"
    return f'<td class="heat" style="--a:{shade:.2f}" title="95 % interval {_range(found)}">{number}</td>'


def curves(report: Report) -> Parts:
    """Accuracy and loss over the epochs."""
    histories = {cell: run.history for cell, run in report.runs.items()}
    names = {cell: run.name for cell, run in report.runs.items()}
    kept = ", ".join(f"{run.name} {run.metrics['best_epoch']}" for run in report.runs.values())
    return {
        "accuracy_figure": curves_figure(histories, names, False, "Validation accuracy of each model after each epoch"),
        "loss_figure": curves_figure(
            histories, names, True, "Training and validation loss of each model after each epoch"
        ),
        "best_epochs": "The epoch kept is the latest that the validation reviews cannot tell from the best: "
        f"{escape(kept)}.",
    }


def errors(report: Report) -> Parts:
    """The confusion matrix and the calibration of the model looked at closely."""
    run = report.runs[MAIN]
    found = run.scores["model"]
    confusion = np.array(found["confusion"])
    rows = []
    for number, (name, row) in enumerate(zip(report.classes, confusion)):
        shares = row / max(1, row.sum())
        cells = "".join(
            f'<td class="heat" style="--a:{share:.2f}">{"<b>" if number == column else ""}{count:,}'
            f"{'</b>' if number == column else ''}<small>{100 * share:.0f} %</small></td>"
            for column, (count, share) in enumerate(zip(row, shares))
        )
        rows.append(f"<tr><th>{escape(name)}</th>{cells}</tr>")
    right = int(np.trace(confusion))
    title = f"How often the {run.name} is right against how sure it is"
    return {
        "confusion_heads": "".join(f"<th>{escape(name)}</th>" for name in report.classes),
        "confusion_rows": "".join(rows),
        "confusion_note": f"{right:,} right, {confusion.sum() - right:,} wrong of {confusion.sum():,}.",
        "calibration_figure": calibration_figure(report.labels, run.probabilities, MAIN, title),
        "calibration_note": f"Calibration error, over 15 steps: {100 * found['expected_calibration_error']:.1f} %; "
        f"mean confidence {100 * run.probabilities.max(axis=1).mean():.1f} %, accuracy "
        f"{_percent(found['accuracy'])} %.",
    }


def examples(report: Report) -> Parts:
    """Right and wrong answers, with the influence of each token."""
    shown = [example.explanation for pair in report.right for example in pair]
    shown += [example.explanation for example in report.wrong]
    wrong = int((~report.is_right(MAIN)).sum())
    name = report.runs[MAIN].name
    right_note = f"There is no pair of twins of which the {name} answers both rightly."
    if report.right:
        chosen = f"the surest pair of each of {len(report.right)} kinds" if len(report.right) > 1 else "the surest pair"
        right_note = f"Twins, both answered rightly by the {name}: {chosen}."
    wrong_note = f"There is no wrong answer of the {name} on the test reviews."
    if report.wrong:
        wrong_note = f"Of its {wrong:,} wrong answers, the {len(report.wrong)} of which it is surest."
    return {
        "legend": TOKEN_LEGEND,
        "right_note": right_note,
        "right": "".join(f'<div class="pair">{_example(one)}{_example(two)}</div>' for one, two in report.right),
        "wrong_note": wrong_note,
        "wrong": "".join(map(_example, report.wrong)),
        "gap": f"{max((abs(one.gap) for one in shown), default=0.0):.2g}",
    }


def _example(example: Example) -> str:
    found = example.explanation
    sure = f"{min(99.9, 100 * found.probabilities[found.label]):.1f} %"  # never all sure: rounding up would claim it
    truth = "" if found.label == example.label else f", in truth <b>{escape(example.label)}</b>"
    return (
        f'<div class="example"><p class="tokens">{_tokens(found)}</p>'
        f"<p><small>answer <b>{escape(found.label)}</b> ({sure} sure){truth} · kind: "
        f"{escape(example.kind)} · bag of words says {escape(example.bag_of_words)}</small></p></div>"
    )


def _tokens(found: Explanation) -> str:
    """The tokens of a text, each with its influence beneath it, and what stands between them."""
    pieces, known = [token.text for token in found.tokens], [token.known for token in found.tokens]
    return influence_tokens(found.text, pieces, found.influences, known)


def made(report: Report) -> Parts:
    """Settings, facts of the run, and what to try next."""
    run = report.runs[MAIN]
    return {
        "made_note": "All models share these settings but the cell; a feedforward one has no direction. "
        f"{escape(changes_sentence(run.config, ['cell']))} Each learnt on one thread.",
        "settings_rows": settings_rows(run.config, run.metrics["epochs"], ["cell"]),
        "run_rows": fact_rows(report.facts),
        "commands": escape("\n".join(next_commands(report.out))),
    }


SECTIONS: list[Callable[[Report], Parts]] = [overview, scores, kinds, curves, errors, examples, made]


def _listed(names: list[str]) -> str:
    text = " and ".join([", ".join(names[:-1]), names[-1]])
    return text[0].upper() + text[1:]


def _drawn(name: str, style: str, found: Mapping[str, Any]) -> Score:
    return Score(name, style, *(found["accuracy"][key] for key in ("value", "low", "high")))


def _percent(found: Mapping[str, float]) -> str:
    return f"{100 * found['value']:.1f}"


def _range(found: Mapping[str, float]) -> str:
    return f"{100 * found['low']:.1f} to {100 * found['high']:.1f}"


def _points(share: float) -> str:
    return signed(100 * share, "+.1f")


def _points_range(found: Mapping[str, float]) -> str:
    return f"{_points(found['low'])} to {_points(found['high'])}"


def _gain(found: Mapping[str, float]) -> str:
    return f"{_points(found['value'])}<small>{_points_range(found)}</small>"
