"""The sections of the report on language modelling: findings in, the pieces of HTML that its template asks for out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from recurra.demo.language_figures import activity_figure, learning_figure
from recurra.demo.language_findings import LanguageReport, comparison_sentence, next_language_commands
from recurra.diagnose.states import MOVED, Activity
from recurra.language_scores import KNESER_NEY
from recurra.pages.pieces import Parts, changes_sentence, dot, fact_rows, settings_rows, tiles
from recurra.pages.tokens import seen, shaded_token, signed

__all__ = ["LANGUAGE_SECTIONS"]

_SURPRISING = 8
_DARKEST = 14.0  # bits


def overview(report: LanguageReport) -> Parts:
    """The first sentences and the four large numbers."""
    ours, counts = report.scores["model"], report.scores["baselines"][KNESER_NEY]
    name = report.config.model.cell.upper()
    numbers = [
        (f"{ours['perplexity']['value']:.1f}", f"{name}: perplexity on unseen text<br>95 % interval {_range(ours)}"),
        (f"{counts['perplexity']['value']:.1f}", f"5-grams on the same text<br>95 % interval {_range(counts)}"),
        (f"{ours['bits_per_character']:.2f}", "bits that a character costs the model; a plain file has 8"),
        (f"{report.seconds:.0f} s", "for training, scores and this page"),
    ]
    symbols = report.config.vocabulary.tokens
    kinds = {"bpe": "pieces of words, from single letters to whole ones, found by their frequency (byte pairs)"}
    return {
        "lead": f"A small {name} network learnt to go on with documentation, one symbol after the other, from "
        f"nothing but examples. {escape(comparison_sentence(report))}",
        "tiles": tiles(numbers),
        **{part: f"{size:,}" for part, size in report.sizes.items()},
        "docstrings": f"{report.docstrings:,}",
        "modules": f"{report.modules:,}",
        "symbols_note": f"Symbols are {kinds.get(symbols, symbols)}; the end of a line is one too. The test text has "
        f"{report.scores['symbols']:,} of them, {report.scores['symbols'] / report.scores['lines']:.0f} a line.",
    }


def scores(report: LanguageReport) -> Parts:
    """The table of scores, and in words how the model compares."""
    style = report.config.model.cell
    rows = [_score_row(style.upper(), style, report.scores["model"])]
    rows += [_score_row(name, "baseline", found) for name, found in report.scores["baselines"].items()]
    return {
        "comparison": escape(comparison_sentence(report)),
        "cost": f"The model has {report.metrics['parameters']:,} parameters; it took {report.seconds_training:.0f} "
        "seconds from the text to the finished model, scores included.",
        "score_rows": "".join(rows),
    }


def _score_row(name: str, style: str, found: Mapping[str, Any]) -> str:
    cells = "".join(f"<td>{found[unit]:.3f}</td>" for unit in ("nats", "bits_per_character"))
    main = "" if style == "baseline" else ' class="main"'
    perplexity = f"<td>{found['perplexity']['value']:,.2f}<small>{_range(found)}</small></td>"
    return f"<tr{main}><td>{dot(style)}{escape(name)}</td>{perplexity}{cells}</tr>"


def curve(report: LanguageReport) -> Parts:
    """The loss over the steps of training."""
    baselines = {name: found["nats"] for name, found in report.scores["baselines"].items()}
    title = "Loss over the steps of training, in training and validation, beside the baselines"
    best = report.history[report.metrics["best_epoch"] - 1]
    return {
        "curve_note": f"{len(report.losses):,} steps in {len(report.history)} passes over the training text; the model "
        f"after pass {best['epoch']} is kept, with {best['valid_loss']:.3f} nats a symbol on the validation text.",
        "curve_figure": learning_figure(report.losses, report.history, baselines, report.config.model.cell, title),
    }


def samples(report: LanguageReport) -> Parts:
    """Made-up texts: those of one prompt side by side, by temperature."""
    prompts = list(dict.fromkeys(sample.prompt for sample in report.samples))
    rows = []
    for prompt in prompts:
        texts = "".join(
            f'<div><h3>Temperature {sample.temperature:g}</h3><pre class="made"><b>{escape(prompt)}</b>'
            f'{escape(sample.text)}<span class="soft">&hellip;</span></pre></div>'
            for sample in report.samples
            if sample.prompt == prompt
        )
        rows.append(f'<div class="three">{texts}</div>')
    return {"samples": "".join(rows)}


def surprise(report: LanguageReport) -> Parts:
    """A passage of the held-out text with each symbol shaded, and the symbols that surprised most."""
    passage = report.passage
    bits = np.array([each.bits for each in passage])
    shown = "".join(
        shaded_token(
            each.token, each.bits / _DARKEST, "tok", f"{each.bits:.1f} bits; to the 5-grams {each.of_counts:.1f}"
        )
        for each in passage
    )
    rows = []
    for index in np.argsort(-bits, kind="stable")[:_SURPRISING].tolist():
        before, after = (
            _joined(passage[part]) for part in (slice(max(0, index - 7), index), slice(index + 1, index + 4))
        )
        place = f"{escape(before)}<mark>{escape(seen(passage[index].token))}</mark>{escape(after)}"
        rows.append(
            f"<tr><td><code>{escape(seen(passage[index].token))}</code></td>"
            f'<td class="place"><code>{place}</code></td>'
            f"<td>{bits[index]:.1f}</td><td>{passage[index].of_counts:.1f}</td></tr>"
        )
    mean = np.mean([each.of_counts for each in passage])
    legend = "".join(shaded_token(f" {value} ", value / _DARKEST, "tok", f"{value} bits") for value in (0, 2, 4, 8, 14))
    return {
        "passage_note": f"The first whole paragraphs of the test text, read by themselves: {len(passage)} symbols, on "
        f"average {bits.mean():.2f} bits each (to the 5-grams {mean:.2f}).",
        "passage": shown,
        "surprise_legend": f"Bits: {legend} &nbsp; One bit is a fair choice between two, 10 bits one among 1,024.",
        "surprising_rows": "".join(rows),
    }


def following(report: LanguageReport) -> Parts:
    """What may come after each prompt."""
    tables = []
    for prompt, likely in report.prompted:
        rows = "".join(
            f"<tr><td><code>{escape(seen(each.text))}</code></td>"
            f'<td class="bar" style="--a:{each.probability:.3f}">{100 * each.probability:.1f} %</td></tr>'
            for each in likely
        )
        tables.append(f"<div><h3><code>{escape(prompt)}</code>…</h3><table><tbody>{rows}</tbody></table></div>")
    return {"prompted": "".join(tables)}


def state(report: LanguageReport) -> Parts:
    """The most active units over a line, and units that follow something."""
    activity = report.activity
    title = (
        f"Values of the {len(activity.units)} most active units of the model after each symbol of the text: "
        f"{_joined_tokens(activity.tokens)}"
    )
    rows = "".join(
        f"<tr><td>{escape(each.feature)}</td><td>{each.unit}</td><td>{signed(each.chosen)}</td>"
        f"<td><b>{signed(each.found)}</b></td><td>{signed(each.chance)}</td></tr>"
        for each in report.followers
    )
    followed = [each for each in report.followers if abs(each.found) > max(0.3, 3 * abs(each.chance))]
    return {
        "units": f"{report.config.model.hidden_size:,}",
        "activity_note": f"Below are the {len(activity.units)} units of the last layer whose values vary the most over "
        "the test text, along some of its symbols; those that hold a value the longest stand first.",
        "activity_width": str(120 + 20 * len(activity.tokens)),
        "activity_figure": activity_figure(activity, title),
        "moved": f"{MOVED:,}",
        "follower_rows": rows,
        "follower_note": _follower_note(len(followed)),
        "followed": "".join(
            f"<h3>Unit {each.unit}: {escape(each.feature)} ({signed(each.found)})</h3>{_followed(each.activity)}"
            for each in followed
        ),
    }


def _follower_note(count: int) -> str:
    if not count:
        return (
            "No unit follows any of these clearly: none has a correlation beyond ±0.3 and three times that by chance."
        )
    return (
        "The units shown below have a correlation beyond ±0.3 in the second half, and three times that by chance. "
        "Each is shown on the lines of the second half on which the property varies the most, coloured by the unit's "
        "value after each symbol: blue above its mean, orange and dotted below."
    )


def _followed(activity: Activity) -> str:
    values = activity.values[0]
    centred = values - values.mean()
    shares = centred / (np.abs(centred).max() or 1.0)
    pieces = [
        shaded_token(token, abs(float(share)), "tok high" if share > 0 else "tok low", f"{value:+.2f}")
        for token, share, value in zip(activity.tokens, shares, values)
    ]
    return f'<p class="passage">{"".join(pieces)}</p>'


def made(report: LanguageReport) -> Parts:
    """Settings, facts of the run, and what to try next."""
    return {
        "made_note": f"{escape(changes_sentence(report.config))} It learnt on one thread. The text and the model lie "
        "beside this page.",
        "settings_rows": settings_rows(report.config, report.metrics["epochs"]),
        "run_rows": fact_rows(report.facts),
        "commands": escape("\n".join(next_language_commands(report))),
    }


LANGUAGE_SECTIONS: list[Callable[[LanguageReport], Parts]] = [
    overview,
    scores,
    curve,
    samples,
    surprise,
    following,
    state,
    made,
]


def _joined(passage: Sequence[Any]) -> str:
    return _joined_tokens([each.token for each in passage])


def _joined_tokens(tokens: Sequence[str]) -> str:
    return "".join(tokens).replace("\n", "↵")


def _range(found: Mapping[str, Any]) -> str:
    return f"{found['perplexity']['low']:.1f} to {found['perplexity']['high']:.1f}"
