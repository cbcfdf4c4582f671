"""Formulas become MathML when the site is built, which browsers show by themselves: no script, nothing fetched."""

from __future__ import annotations

import html
import re
from typing import Any

# What pymdownx.arithmatex makes of $...$ and $$...$$.
FORMULA = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.DOTALL)


def as_mathml(page: str) -> str:
    """Turn each formula of a page into MathML."""
    from latex2mathml.converter import convert

    def turned(match: re.Match[str]) -> str:
        kind, opening, formula = match.groups()
        known = html.unescape(formula).replace("{aligned}", "{align*}")  # the same, and the converter knows it
        drawn = convert(known, display="block" if opening == "[" else "inline")
        if "<mi>&</mi>" in drawn or "<mi>\\" in drawn:
            raise ValueError(f"a formula has what the converter does not know: {formula}")
        return f'<{kind} class="formula">{drawn}</{kind}>'

    return FORMULA.sub(turned, page)


def on_page_content(html: str, *, page: Any, config: Any, files: Any) -> str:
    """Do so on every page."""
    return as_mathml(html)
