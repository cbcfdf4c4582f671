"""The scheme of a file's tags: found, and everything that speaks against it reported together."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from recurra.data.faults import Faults, listed
from recurra.data.layout import Block, Layout
from recurra.errors import DataError
from recurra.spans import Scheme, detect_scheme, faults

__all__ = ["checked_scheme"]

_log = logging.getLogger("recurra")


@dataclass
class _Occurrence:
    """How often a tag occurs, and where it does so first."""

    count: int
    first: str


def checked_scheme(layout: Layout) -> Scheme | None:
    """Return the scheme that the tags of all sentences are written in, or None if they mark no spans.

    Raises:
        DataError: tags of several schemes, tags without prefix beside tags with one, or tags that break the rules of
            their scheme, listed together.
    """
    tags = _survey(layout)
    if detect_scheme([list(tags)]) is None:
        _refuse_bare(layout.name, tags)
        return None
    scheme = detect_scheme(block.tags for block in _sentences(layout))
    assert scheme is not None
    found = Faults(layout.name, "tag")
    for block in _sentences(layout):
        for position, what in faults(block.tags, scheme):
            found.add(layout.where(block, position), what)
    if scheme == "BIOES":
        _refuse_few_ends(layout.name, tags, found.total)
    found.raise_if_any(
        f"its tags are nearest to the scheme {scheme}, but these break its rules; correct them or, if several schemes "
        f"are mixed, write all tags in one"
    )
    _log.info("%s: its tags mark spans, in the scheme %s", layout.name, scheme)
    return scheme


def _sentences(layout: Layout) -> Iterator[Block]:
    for block in layout.blocks(Faults(layout.name)):
        if block.tokens:
            yield block


def _survey(layout: Layout) -> dict[str, _Occurrence]:
    tags: dict[str, _Occurrence] = {}
    for block in _sentences(layout):
        for position, tag in enumerate(block.tags):
            if tag in tags:
                tags[tag].count += 1
            else:
                tags[tag] = _Occurrence(1, layout.where(block, position))
    return tags


def _listed(tags: dict[str, _Occurrence]) -> str:
    return listed([f"'{tag}': {found.count:,}, the first at {found.first}" for tag, found in tags.items()])


def _refuse_bare(name: str, tags: dict[str, _Occurrence]) -> None:
    """Refuse tags without prefix beside tags with one; a few that look prefixed among others are names like any."""
    marks = [tag for tag in tags if tag != "O" and "-" in tag and detect_scheme([["O", tag]]) is not None]
    bare = {tag: found for tag, found in tags.items() if tag != "O" and tag not in marks}
    if marks and bare and ("O" in tags or len(marks) > len(bare)):
        raise DataError(
            f"{name}: expected tags that all mark spans, as '{marks[0]}' does, found tags without prefix:\n"
            f"{_listed(bare)}\ncorrect them, or name another --tag-column"
        )


def _refuse_few_ends(name: str, tags: dict[str, _Occurrence], broken: int) -> None:
    """Refuse tags that are BIO, or IOB1, but for a few with S- or E-."""
    ends = {tag: found for tag, found in tags.items() if tag[0] in "ESLU"}
    if sum(found.count for found in ends.values()) < broken:
        raise DataError(
            f"{name}: expected tags of one scheme, found most as in BIO ({broken:,} places would break the rules of "
            f"BIOES), and as in BIOES:\n{_listed(ends)}\nwrite all tags in one scheme"
        )
