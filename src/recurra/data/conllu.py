"""CoNLL-U, the format of Universal Dependencies (Nivre et al., LREC 2016): ten columns, comments, multi-word tokens."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from recurra.data.faults import Faults
from recurra.data.layout import Block, Gathering, Layout, TagColumns, TagNeed, column_number, confidence_text, line_end
from recurra.data.lines import read_lines
from recurra.errors import DataError, nearest

__all__ = ["ConlluLayout"]

_COLUMNS = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
_MISC = _COLUMNS.index("misc")
_NEVER_EMPTY = {_COLUMNS.index(name) for name in ("upos", "xpos", "head", "deprel")}  # elsewhere "_" says something
_NO_WORD = re.compile(r"[0-9]+[-.][0-9]+")  # 1-2, a multi-word token; 1.1, an empty node


class ConlluLayout(Layout):
    """A `.conllu` file; the words are the tokens. Multi-word tokens, empty nodes and comments are kept as they stand.

    Args:
        path: the file.
        token_column: name or number, from 1 or, from the last, -1, of the column with the token [default: form].
        tag_column: likewise of the one with the tag [default: upos]; "_" in it is a missing tag, but for lemma, feats,
            deps and misc, where it is a value.
        labels: whether tags are required.

    Raises:
        DataError: no such column.
    """

    remedy = "each word must have ten columns and the next number, with a blank line between sentences"
    form = "CoNLL-U"
    end = "\n\n"

    def __init__(
        self, path: Path, token_column: str | int | None, tag_column: str | int | None, labels: TagNeed
    ) -> None:
        self._path = path
        name = str(path)
        self._token = _position(name, "form" if token_column is None else token_column, "--token-column")
        self._tag = _position(name, "upos" if tag_column is None else tag_column, "--tag-column")
        if self._token == self._tag:
            raise DataError(f"{name}: column '{_COLUMNS[self._tag]}' is given as the token and as the tag; name two")
        super().__init__(name, TagColumns(_COLUMNS[self._token], _COLUMNS[self._tag]), labels == "required")

    def blocks(self, faults: Faults) -> Iterator[Block]:
        gathering, expected = Gathering(), 1
        for number, line in enumerate(read_lines(self._path, self.name), start=1):
            body = line_end(line)[0]
            if not body.strip():
                gathering.add(line, number)
                if gathering.rows:
                    yield gathering.block(self.tagged)
                    gathering, expected = Gathering(), 1
                continue
            fields = body.split("\t")
            if body.startswith("#") or (len(fields) == len(_COLUMNS) and _NO_WORD.fullmatch(fields[0])):
                gathering.add(line, number)
                continue
            if len(fields) != len(_COLUMNS):
                faults.add(f"line {number:,}", f"expected 10 columns separated by tabs, found {len(fields)}")
                gathering.add(line, number)
                expected += 1
                continue
            if fields[0] != str(expected):
                faults.add(f"line {number:,}", f"expected the word's number {expected}, found '{fields[0]}'")
            expected = int(fields[0]) + 1 if fields[0].isdecimal() else expected + 1
            gathering.add_token(line, number, fields[self._token], self._clean(fields[self._tag]))
        if gathering.records:
            yield gathering.block(self.tagged)

    def written(self, block: Block, tags: Sequence[str], confidences: Sequence[float] | None) -> str:
        records = list(block.records)
        for position, row in enumerate(block.rows):
            if "\t" in tags[position] or not tags[position]:
                raise DataError(f"{self.name}: the tag {tags[position]!r} cannot be written in columns")
            body, end = line_end(records[row])
            fields = body.split("\t")
            if fields[self._tag].strip() != tags[position]:
                fields[self._tag] = tags[position]
            if confidences is not None:
                kept = [item for item in fields[_MISC].split("|") if item != "_" and not item.startswith("Confidence=")]
                fields[_MISC] = "|".join([*kept, f"Confidence={confidence_text(confidences[position])}"])
            records[row] = "\t".join(fields) + end
        return "".join(records)

    def _clean(self, tag: str) -> str:
        tag = tag.strip()
        return "" if tag == "_" and self._tag in _NEVER_EMPTY else tag


def _position(name: str, column: str | int, option: str) -> int:
    if str(column).lower() in _COLUMNS:
        return _COLUMNS.index(str(column).lower())
    if not str(column).lstrip("-").isdigit():
        known = ", ".join(_COLUMNS)
        raise DataError(
            f"{name}: {option}: its columns are {known}; there is no column '{column}'"
            f"{nearest(str(column).lower(), _COLUMNS)}"
        )
    return column_number(name, column, len(_COLUMNS), option)
