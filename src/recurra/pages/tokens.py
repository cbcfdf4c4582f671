"""The pieces of a text, coloured: by what each did to an answer, or by a share of the strongest colour."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import ArrayLike

from recurra.signs import SIGNS

__all__ = ["TOKEN_LEGEND", "gaps", "influence_tokens", "places", "seen", "shaded_token", "signed"]

TOKEN_LEGEND = (
    '<p class="legend"><span class="token for" style="--a:.7"><span>blue, solid line, +</span></span> speaks for the '
    'answer given &nbsp; <span class="token against" style="--a:.7"><span>orange, dotted line, &minus;</span></span> '
    'speaks against it &nbsp; <span class="token unknown"><span>dashed box</span></span> never learnt, read as '
    "unknown. The stronger the colour, the larger a piece's share.</p>"
)
_SIGNS = SIGNS | {10: "↵"}
_SAYS = {"for": "speaks for the answer", "against": "speaks against it", "unknown": "unknown to the model"}


def signed(value: float, form: str = "+.2f") -> str:
    """A number with its sign, as HTML.

    >>> signed(-0.5)
    '&minus;0.50'
    """
    return f"{value:{form}}".replace("-", "&minus;")


def places(values: ArrayLike, least: int = 3) -> int:
    """Decimal places of some numbers: so many at least, and more where all are so small that they would be lost.

    NaN stands for a number that is not there.

    >>> places([1.5, -0.2]), places([0.0004, 0.00001])
    (3, 6)
    """
    largest = float(np.nan_to_num(np.abs(np.asarray(values, dtype=float))).max(initial=0.0))
    return least if not 0 < largest < 0.1 else least - 1 - math.floor(math.log10(largest))


def seen(piece: str) -> str:
    """A piece of text as it can be seen: line ends, control characters, which no XML holds, and spaces have signs.

    A space between two letters, as in a time or a class of two words, is seen as it is.

    >>> seen(" a"), seen("16:00 to 17:00")
    ('·a', '16:00 to 17:00')
    """
    begun = piece.translate(_SIGNS).lstrip(" ")
    before, within = len(piece) - len(begun), begun.rstrip(" ")
    return "·" * before + within + "·" * (len(begun) - len(within))


def gaps(text: str, pieces: Sequence[str]) -> list[str]:
    """What stands in a text before each of its T pieces and behind the last, T + 1.

    Where a piece is not found in it, a space stands between all, or nothing where pieces have spaces of their own
    or are single letters.

    >>> gaps("a film, again", ["a", "film", "again"]), gaps("", ["a", "film"])
    (['', ' ', ', ', ''], ['', ' ', ''])
    """
    found, position = [], 0
    for piece in pieces:
        start = text.find(piece, position)
        if start < 0:
            spelt = all(len(piece) == 1 for piece in pieces) or any(" " in (piece[:1], piece[-1:]) for piece in pieces)
            gap = "" if spelt else " "
            return ["", *([gap] * (len(pieces) - 1)), ""]
        found.append(text[position:start])
        position = start + len(piece)
    return [*found, text[position:]]


def influence_tokens(text: str, pieces: Sequence[str], influences: ArrayLike, known: Sequence[bool]) -> str:
    """The pieces of a text, each coloured by its influence and with the number beneath it, as HTML.

    Args:
        text: where they are from; what stands between them is shown too, or a space where they are not found in it.
        pieces: T of them.
        influences: on one answer, [T].
        known: whether the model knows each.
    """
    values = np.asarray(influences, dtype=float)
    largest, form = float(np.abs(values).max(initial=0.0)) or 1.0, f"+.{places(values, 2)}f"
    between = gaps(text, pieces)
    written = []
    for gap, piece, value, is_known in zip(between, pieces, values.tolist(), known):
        side = "for" if value > 0 else "against"
        kind = side if is_known else f"{side} unknown" if value else "unknown"
        number = signed(value, form) if is_known or value else "?"
        says = "; ".join(_SAYS[each] for each in kind.split())
        name = escape(piece)
        written.append(
            f'{escape(gap)}<span class="token {kind}" style="--a:{abs(value) / largest:.2f}" '
            f'title="{name}: {number}, {says}"><span>{name}</span><small>{number}</small></span>'
        )
    return "".join([*written, escape(between[-1])])


def shaded_token(piece: str, share: float, style: str, says: str) -> str:
    """A piece of a passage, shaded by a share of the strongest colour; a line's end is shown and ends the line.

    Args:
        piece: as it stands in the text.
        share: of the strongest colour, from 0 to 1.
        style: classes of the page's style sheet.
        says: what is told of it when it is pointed at.
    """
    shown = '<span class="end">&crarr;</span>' if piece == "\n" else escape(piece)
    title = f"{escape(seen(piece))}: {escape(says)}"
    after = "\n" if piece == "\n" else ""
    return f'<span class="{style}" style="--a:{min(1.0, max(0.0, share)):.2f}" title="{title}">{shown}</span>{after}'
