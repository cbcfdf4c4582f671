"""Tags that mark spans: the schemes BIO, IOB1 and BIOES, what each allows, and what spans a sentence's tags mean.

A tag is O, outside of any span, or a prefix and a type, as B-PER. With X and Y for two types::

    BIO    (IOB2; Sang, Veenstra, EACL 1999)  B-X I-X I-X   B-X   a span begins with B-
    IOB1   (Ramshaw, Marcus, WVLC 1995)       I-X I-X I-X   B-X   B- only right after another span of the same type
    BIOES  (Ratinov, Roth, CoNLL 2009)        B-X I-X E-X   S-X   E- ends a longer span, S- is a span of one token

BIOES is also read in the letters of BILOU, where L- is E- and U- is S-. A prefix without a type, as B, is a tag of
the type "".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from recurra.errors import DataError

__all__ = [
    "SCHEMES",
    "Scheme",
    "Span",
    "all_tags",
    "convert",
    "detect_scheme",
    "faults",
    "legal_moves",
    "spans_of",
    "type_of",
]

Scheme = Literal["BIO", "IOB1", "BIOES"]
SCHEMES: tuple[Scheme, ...] = get_args(Scheme)

_PREFIXES: dict[Scheme, str] = {"BIO": "BI", "IOB1": "BI", "BIOES": "BIES"}
_LETTERS = {**dict(zip("BIES", "BIES")), "L": "E", "U": "S"}


class Span(NamedTuple):
    """A span of a sentence: its type, its first token, and the token after its last."""

    type: str
    start: int
    stop: int


class _Tag(NamedTuple):
    """A tag taken apart: one of the prefixes O B I E S, and a type."""

    prefix: str
    type: str


def detect_scheme(sentences: Iterable[Sequence[str]]) -> Scheme | None:
    """Return the scheme that the tags of some sentences are written in, or None if they mark no spans.

    Tags mark spans if each is O or has a prefix, all with a type or all without, and at least one begins with B or I,
    or stands beside O. Any E or S makes them BIOES; between BIO and IOB1 the one with fewer faults is returned.

    >>> detect_scheme([["B-PER", "I-PER", "O"], ["O", "B-LOC"]])
    'BIO'
    >>> detect_scheme([["I-PER", "I-PER", "O"]])
    'IOB1'
    >>> detect_scheme([["DET", "NOUN", "VERB"]]) is None
    True
    """
    seen: set[str] = set()
    wrong: dict[Scheme, int] = {"BIO": 0, "IOB1": 0}
    possible = True
    for tags in sentences:
        new = set(tags) - seen
        possible = possible and all(_parsed(tag) is not None for tag in new)
        if not possible:
            return None
        seen |= new
        for scheme in wrong:
            wrong[scheme] += len(faults(tags, scheme))
    marks = [tag for tag in map(_parsed, seen) if tag is not None and tag.prefix != "O"]
    prefixes = {tag.prefix for tag in marks}
    if len({tag.type == "" for tag in marks}) != 1 or not ("O" in seen or prefixes & {"B", "I"}):
        return None
    if prefixes & {"E", "S"}:
        return "BIOES"
    return "BIO" if wrong["BIO"] <= wrong["IOB1"] else "IOB1"


def faults(tags: Sequence[str], scheme: Scheme) -> list[tuple[int, str]]:
    """Return the positions, from 0, at which a sentence's tags break the rules of a scheme, and what is wrong there.

    >>> faults(["O", "I-PER", "I-LOC"], "BIO")[0]
    (1, 'I-PER after O: a span begins with B-')
    """
    found = []
    before: str | None = None
    for position, tag in enumerate(tags):
        objection = _objection(before, tag, scheme)
        if objection is not None:
            found.append((position, objection))
        before = tag
    objection = _objection(before, None, scheme)
    if objection is not None:
        found.append((len(tags) - 1, objection))
    return found


def convert(tags: Sequence[str], source: Scheme, target: Scheme) -> list[str]:
    """Return the tags, in another scheme, that mark the same spans.

    Nothing is lost: converted back, tags without faults are what they were (of BILOU, in the letters of BIOES). Tags
    with faults are understood as :func:`spans_of` does, and come back without.

    Raises:
        DataError: a tag is none of the source scheme.

    >>> convert(["I-PER", "I-PER", "B-PER", "O"], "IOB1", "BIOES")
    ['B-PER', 'E-PER', 'S-PER', 'O']
    """
    converted = ["O"] * len(tags)
    before = Span("", 0, -1)
    for span in spans_of(tags, source):
        marks = ["I"] * (span.stop - span.start)
        if target != "IOB1" or (before.type == span.type and before.stop == span.start):
            marks[0] = "B"
        if target == "BIOES":
            marks[-1] = "S" if len(marks) == 1 else "E"
        converted[span.start : span.stop] = [f"{mark}-{span.type}" if span.type else mark for mark in marks]
        before = span
    return converted


def spans_of(tags: Sequence[str], scheme: Scheme) -> list[Span]:
    """Return the spans that a sentence's tags mark, in order.

    Tags with faults are understood as the evaluation script of CoNLL-2000 (Sang, Buchholz 2000) does: an I- or E- with
    nothing of its type before it begins a span, and a span without its E- ends before the next tag.

    Raises:
        DataError: a tag is none of the scheme.

    >>> spans_of(["B-PER", "I-PER", "O", "I-LOC"], "BIO")
    [Span(type='PER', start=0, stop=2), Span(type='LOC', start=3, stop=4)]
    """
    found: list[Span] = []
    start = 0
    before = _Tag("O", "")
    for position, text in enumerate(tags):
        tag = _of_scheme(text, scheme)
        begins = tag.prefix in "BS" or before.prefix in "OES" or before.type != tag.type
        if before.prefix != "O" and (tag.prefix == "O" or begins):
            found.append(Span(before.type, start, position))
        if begins:
            start = position
        before = tag
    if before.prefix != "O":
        found.append(Span(before.type, start, len(tags)))
    return found


def all_tags(types: Iterable[str], scheme: Scheme) -> list[str]:
    """Return the tags with which a scheme marks spans of some types, and O; sorted.

    >>> all_tags(["LOC"], "BIOES")
    ['B-LOC', 'E-LOC', 'I-LOC', 'O', 'S-LOC']
    """
    tags = {f"{prefix}-{type_}" if type_ else prefix for type_ in types for prefix in _PREFIXES[scheme]}
    return sorted(tags | {"O"})


def type_of(tag: str) -> str | None:
    """Return the type of a tag of a scheme, None of O.

    >>> type_of("B-PER"), type_of("O")
    ('PER', None)
    """
    return None if tag == "O" else tag.partition("-")[2]


def legal_moves(tags: Sequence[str], scheme: Scheme) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which of K tags may begin a sentence, which may end one, and which may follow which.

    Returns:
        begin [K], end [K], follow [K, K]: `follow[i, j]` says whether tag j may stand right after tag i.

    Raises:
        DataError: a tag is none of the scheme.
    """
    for tag in tags:
        _of_scheme(tag, scheme)
    begin = [_objection(None, tag, scheme) is None for tag in tags]
    end = [_objection(tag, None, scheme) is None for tag in tags]
    follow = [[_objection(before, after, scheme) is None for after in tags] for before in tags]
    return np.array(begin, bool), np.array(end, bool), np.array(follow, bool).reshape(len(tags), len(tags))


@lru_cache(maxsize=65_536)
def _parsed(tag: str) -> _Tag | None:
    """Return a tag taken apart, or None if it cannot be one of a scheme."""
    if tag == "O":
        return _Tag("O", "")
    prefix, dash, type_ = tag.partition("-")
    if prefix not in _LETTERS or (dash and not type_):
        return None
    return _Tag(_LETTERS[prefix], type_)


def _of_scheme(tag: str, scheme: Scheme) -> _Tag:
    parsed = _parsed(tag)
    if parsed is None or parsed.prefix not in "O" + _PREFIXES[scheme]:
        raise DataError(f"expected tags of the scheme {scheme} ({_described(scheme)}), found '{tag}'")
    return parsed


def _described(scheme: Scheme) -> str:
    return "O " + " ".join(f"{prefix}-TYPE" for prefix in _PREFIXES[scheme])


@lru_cache(maxsize=65_536)
def _objection(before: str | None, after: str | None, scheme: Scheme) -> str | None:
    """Return what a scheme has against one tag after another (None: the sentence's begin or end), if anything."""
    left = _Tag("O", "") if before is None else _parsed(before)
    right = _Tag("O", "") if after is None else _parsed(after)
    if right is None or right.prefix not in "O" + _PREFIXES[scheme]:
        return f"'{after}' is no tag of {scheme} ({_described(scheme)})"
    if left is None or left.prefix not in "O" + _PREFIXES[scheme]:
        return None  # that tag has been objected to already
    move = f"{after} at the begin of the sentence" if before is None else f"{after} after {before}"
    if after is None:
        move = f"{before} at the end of the sentence"
    continues = left.prefix in ("B", "I") and left.type == right.type
    if scheme == "IOB1":
        if right.prefix == "B" and not continues:
            return f"{move}: a span begins with I-, but for one right after another of its type"
        return None
    if right.prefix in ("I", "E") and not continues:
        return f"{move}: a span begins with B-" + (" or S-" if scheme == "BIOES" else "")
    if scheme == "BIOES" and left.prefix in ("B", "I") and right.prefix not in ("I", "E"):
        return f"{move}: a span of several tokens ends with E-"
    return None
