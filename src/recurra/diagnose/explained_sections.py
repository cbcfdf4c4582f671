"""The page of an explanation: what was found in, HTML out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape

import numpy as np

from recurra.diagnose.explained import EXPLAIN, Explained
from recurra.diagnose.explained_words import (
    answer_lines,
    changes,
    completeness,
    cut,
    few_left_out,
    number,
    of_interest,
    strongest,
    surprises,
)
from recurra.pages.frame import make_page
from recurra.pages.pieces import fact_rows, section, tiles
from recurra.pages.tokens import TOKEN_LEGEND, gaps, influence_tokens, places, seen, shaded_token

__all__ = ["explained_page"]

_TOLD, _SHOWN, _ROWS = 40, 8, 60
_DARKEST = 14.0  # bits
_CELLS = (
    "Full blue cells are positive, flat orange ones negative; the stronger the colour, the larger. All "
    "numbers are in <code>explanation.json</code>."
)
_Figures = Mapping[str, str]


def explained_page(found: Explained, figures: _Figures, model: str, facts: Mapping[str, str]) -> str:
    """Make the page.

    Args:
        found: the explanation.
        figures: SVG by the names of :func:`recurra.diagnose.explained_figures.explained_figures`.
        model: the model directory.
        facts: of the run and the machine.
    """
    sections = [_answer(found), _influences(found, figures)]
    if "attention.svg" in figures:
        sections.append(_attention(figures))
    if len(found.forming) > 1:
        sections.append(_forming(found, figures))
    sections.append(_states(found, figures))
    given = escape(found.source if len(found.source) <= 120 else f"{found.source[:119]}…")
    parts = {
        "lead": f"Why the model <code>{escape(model)}</code> answers “{given}” as it does: what each piece did to the "
        "answer, how the answer formed, and what the units did meanwhile.",
        "tiles": tiles(_numbers(found)),
        "made_note": "All numbers lie beside this page in <code>explanation.json</code>, the figures as SVG files.",
        "settings_rows": "",
        "run_rows": fact_rows({"model": model, "task": found.task, **facts}),
        "commands": escape(f"recurra predict {model} INPUT\nrecurra diagnose {model}"),
    }
    return make_page(EXPLAIN, "Explanation of an answer", parts, "\n".join(sections))


def _numbers(found: Explained) -> list[tuple[str, str]]:
    missed = float(np.abs(found.gap).max(initial=0.0))
    last = (f"{missed:.2g}", f"by which the influences miss the answer at most ({escape(found.unit)})")
    if len(found.answers) == 1:
        decimals = places(np.array([found.scores[0], found.start[0]]))
        return [
            (_html(found.scores[0], decimals), f"{escape(found.unit)}: the answer {escape(found.answers[0])}"),
            (_html(found.start[0], decimals), "where nothing is said"),
            (f"{len(found.pieces):,}", "pieces read"),
            last,
        ]
    numbers = [(f"{len(found.answers):,}", "answers"), (f"{len(found.pieces):,}", "pieces read")]
    if found.surprise and len(found.answers):
        numbers.append((f"{surprises(found).mean():.2f}", "bits of surprise, on average"))
    return [*numbers, last]


def _answer(found: Explained) -> str:
    lines = answer_lines(found)[: 0 if found.surprise else _TOLD]
    body = f"<p><b>{' &middot; '.join(map(escape, lines))}</b></p>" if lines else ""
    if found.whole and len(found.answers) > 1:
        body = f"<p><b>{escape(found.whole)}</b></p>"
    if found.truncated:
        body += f"<p>{cut(found)}</p>"
    if found.surprise:
        body += _surprise(found)
    elif len(found.told) > _TOLD and not found.whole:
        body += f'<p class="soft">{_TOLD} of {len(found.told):,} answers; the JSON file has all.</p>'
    return section("answer", "How much each symbol surprised" if found.surprise else "The answer", body)


def _surprise(found: Explained) -> str:
    shown = []
    for gap, answer, bits in zip(gaps("", found.answers), found.answers, surprises(found).tolist()):
        shown.append(escape(gap) + shaded_token(answer, bits / _DARKEST, "tok", f"{bits:.1f} bits"))
    legend = "".join(shaded_token(f" {value} ", value / _DARKEST, "tok", f"{value} bits") for value in (0, 2, 4, 8, 14))
    return f'<p class="legend">Bits: {legend}</p><p class="passage">{"".join(shown)}</p>'


def _influences(found: Explained, figures: _Figures) -> str:
    if not found.pieces or not len(found.answers):
        return section("influences", "What moved the answer", "<p>The model read no piece, or gave no answer.</p>")
    told = f"<p>{escape(completeness(found))} {few_left_out(found)}</p>"
    body = _one(found, figures) if len(found.answers) == 1 else _several(found, figures)
    method = (
        "<p><small>Integrated gradients (Sundararajan, Taly, Yan, ICML 2017) along the straight way from an input that "
        "says nothing. Influences describe this model, not the world.</small></p>"
    )
    return section("influences", "What moved the answer", told + body + method)


def _one(found: Explained, figures: _Figures) -> str:
    tokens = ""
    if found.is_text:
        row = influence_tokens(found.source, found.pieces, found.influences[0], found.known)
        tokens = f'{TOKEN_LEGEND}<p class="tokens">{row}</p>'
    caption = (
        "Above the line what speaks for the answer, below it what speaks against. By integrated gradients, and by how "
        "much the score falls when the piece is left out; where the two differ, pieces act together."
    )
    return tokens + _scrolled(figures, "explanation.svg", caption) + _table(found)


def _table(found: Explained) -> str:
    values = found.influences[0]
    kept = sorted(strongest(values, _ROWS)) if len(values) > _ROWS else range(len(values))
    if not kept:
        return f'<p class="note">None of {len(values):,} pieces has an influence on the answer.</p>'
    attention = found.attention is not None
    decimals = places(values), places(found.left_out[0])
    heads = "<th>piece</th><th>integrated gradients</th><th>left out</th>" + ("<th>attention</th>" if attention else "")
    rows = []
    for place in kept:
        cells = [_html(values[place], decimals[0]), _html(found.left_out[0, place], decimals[1])]
        cells += [f"{found.attention[0, place]:.3f}"] if found.attention is not None else []
        numbers = "".join(f"<td>{cell}</td>" for cell in cells)
        rows.append(f"<tr><td><code>{escape(seen(found.pieces[place]))}</code></td>{numbers}</tr>")
    few = f'<p class="note">The {len(kept)} strongest of {len(values):,}.</p>' if len(kept) < len(values) else ""
    return f'<div class="wide"><table><thead><tr>{heads}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>{few}'


def _several(found: Explained, figures: _Figures) -> str:
    body = ""
    if found.is_text:
        chosen, lines = of_interest(found, _SHOWN), answer_lines(found)
        few = "" if len(chosen) == len(found.answers) else f" The {len(chosen)} answers that moved furthest are shown."
        if found.surprise:
            few = f" The {len(chosen)} symbols that surprised most are shown."
        rows = "".join(
            f'<div class="example"><p><small><b>{escape(lines[place])}</b></small></p><p class="tokens">'
            f"{influence_tokens(found.source, found.pieces, found.influences[place], found.known)}</p></div>"
            for place in chosen
        )
        body = f"{TOKEN_LEGEND}<p>{few}</p>{rows}"
    gradients = _scrolled(
        figures,
        "explanation.svg",
        f"Influence by integrated gradients of each piece (column) on each answer (row). {_CELLS}",
    )
    left_out = _scrolled(
        figures, "left-out.svg", "By how much the score of each answer falls when the piece is left out."
    )
    return f"{body}<h3>Integrated gradients</h3>{gradients}<h3>Left out</h3>{left_out}"


def _attention(figures: _Figures) -> str:
    caption = "The darker a cell, the more of the attention that led to the answer (row) was on the piece (column)."
    return section("attention", "Where it looked", _scrolled(figures, "attention.svg", caption))


def _forming(found: Explained, figures: _Figures) -> str:
    kept = changes(found.forming)
    rows = "".join(
        f'<tr><td>{one.read:,}</td><td class="place">{escape(one.answer)}</td><td>{_sure(found, one.value)}</td></tr>'
        for one in kept
    )
    caption = "Read where the answer turns for the last time: what came later did not change it."
    if not found.probable:
        caption = "What is forecast of the next step after each piece: read from where on it has found the course."
    figure = f"<figure>{figures['forming.svg']}<figcaption>{caption}</figcaption></figure>"
    table = (
        '<div class="wide"><table><thead><tr><th>pieces read</th><th class="place">answer</th><th></th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )
    return section("forming", "The answer as it forms", f'<div class="two">{figure}{table}</div>')


def _sure(found: Explained, value: float) -> str:
    return f"{100 * value:.1f} %" if found.probable else ""


def _states(found: Explained, figures: _Figures) -> str:
    drawn = "".join(
        f"<h3>{escape(layer.name)}</h3>"
        + _scrolled(
            figures, f"states-{order}.svg", "Units by their number, the most active first; time from left to right."
        )
        for order, layer in enumerate(found.layers, 1)
        if f"states-{order}.svg" in figures
    )
    read = (
        "The units whose hidden state varies the most. A cell state that keeps its colour over many steps carries "
        "something along; a forget or update gate that is full there is what keeps it, and where it fades the unit "
        f"forgets. {_CELLS} The strongest colour is 1 for gates, and the largest value for states."
    )
    body = (
        f"<p>{read}</p>{drawn}"
        if drawn
        else "<p>The model has no recurrent layer, or read nothing: there are no states.</p>"
    )
    return section("states", "Gates and states over time", body)


def _scrolled(figures: _Figures, name: str, caption: str) -> str:
    """A figure as wide as its input is long."""
    if name not in figures:
        return ""
    box = re.search(r'viewBox="0 0 ([\d.]+)', figures[name])
    width = float(box[1]) if box is not None else 400.0
    return (
        f'<figure><div class="wide alignment" style="--width:{width:.0f}px">{figures[name]}</div>'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _html(value: float, decimals: int = 3) -> str:
    return number(value, decimals).replace("-", "&minus;")
