"""Tagged sentences that are objects of two lists, tokens and tags: lines of JSON, and lists in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from recurra.data.faults import Faults
from recurra.data.jsonlines import LineFault, kind_of_value, parse_object
from recurra.data.layout import Block, Layout, TagColumns, TagNeed, confidence_text, line_end
from recurra.data.lines import read_lines
from recurra.data.names import TAG_NAMES, TOKEN_NAMES
from recurra.data.tagged_names import found_name, known_or_error
from recurra.errors import DataError

__all__ = ["MemoryLayout", "ObjectsLayout"]

_PEEK = 100


class ObjectsLayout(Layout):
    """A `.jsonl` or `.ndjson` file: an object a line, with a list of tokens and a list of tags; other keys are kept.

    Args:
        path: the file.
        token_column: the key of the tokens [default: a well-known name, logged].
        tag_column: the key of the tags [default: a well-known name, logged]. Where tags are not wanted it may be new.
        labels: whether tags are required.

    Raises:
        DataError: no line holds anything, the first lines are malformed, or no such key.
    """

    remedy = "each line must be one JSON object with a list of tokens and, of the same length, a list of tags"
    form = "JSON lines"
    end = "\n"

    def __init__(self, path: Path, token_column: str | None, tag_column: str | None, labels: TagNeed) -> None:
        self._path = path
        name = str(path)
        keys = _first_keys(path, name, self.remedy)
        token = known_or_error(name, token_column, keys, "--token-column") or found_name(
            name, "token", keys, TOKEN_NAMES, "--token-column", (tag_column,)
        )
        assert token is not None
        if labels == "required" or tag_column is None:
            tag = known_or_error(name, tag_column, keys, "--tag-column") or found_name(
                name, "tag", keys, TAG_NAMES, "--tag-column" if labels == "required" else None, (token,)
            )
        else:
            tag = tag_column
        if tag == token:
            raise DataError(f"{name}: key '{token}' is given as the tokens and as the tags; name two keys")
        super().__init__(name, TagColumns(token, tag), labels == "required")

    def blocks(self, faults: Faults) -> Iterator[Block]:
        before: list[str] = []
        for number, line in enumerate(read_lines(self._path, self.name), start=1):
            before.append(line)
            if line.isspace():
                continue
            try:
                tokens, tags = self._lists(parse_object(line))
            except LineFault as fault:
                faults.add(f"line {number:,}", str(fault))
                continue
            yield Block(before, [], [number] * len(tokens), number, tokens, tags)
            before = []
        if before:
            yield Block(before, [], [], number, None, [])

    def written(self, block: Block, tags: Sequence[str], confidences: Sequence[float] | None) -> str:
        *before, line = block.records
        body, end = line_end(line)
        row = parse_object(body)
        key = self.columns.tag or "tags"
        if confidences is None and [str(tag).strip() for tag in row.get(key) or []] == list(tags) and key in row:
            return "".join(block.records)
        row[key] = list(tags)
        if confidences is not None:
            row["confidences"] = [float(confidence_text(confidence)) for confidence in confidences]
        return "".join(before) + json.dumps(row, ensure_ascii=False) + end

    def where(self, block: Block, token: int) -> str:
        return f"line {block.line:,}, token {token + 1:,}"

    def _lists(self, row: dict[str, Any]) -> tuple[list[str], list[str]]:
        tokens = _strings(row, self.columns.token)
        if not self.tagged:
            return tokens, []
        assert self.columns.tag is not None
        tags = [tag.strip() for tag in _strings(row, self.columns.tag)]
        if len(tags) != len(tokens):
            raise LineFault(f"expected as many tags as tokens, found {len(tokens):,} tokens and {len(tags):,} tags")
        return tokens, tags


class MemoryLayout(Layout):
    """Lists of tokens and, if they are known, of tags; written as lines of JSON.

    Raises:
        DataError: they are no lists of lists of strings, or differ in number.
    """

    remedy = "give each sentence as a list of tokens and, of the same length, a list of tags"
    form = "lists"
    end = "\n"

    def __init__(self, name: str, tokens: Sequence[Sequence[str]], tags: Sequence[Sequence[str]] | None) -> None:
        super().__init__(name, TagColumns("tokens", None if tags is None else "tags"), tags is not None)
        if tags is not None and len(tags) != len(tokens):
            raise DataError(
                f"{name}: expected tags for each of the {len(tokens):,} sentences, found {len(tags):,} lists of them"
            )
        self._rows = [{"tokens": _listed(row)} for row in tokens]
        for row, of_row in zip(self._rows, tags or []):
            row["tags"] = _listed(of_row)

    def blocks(self, faults: Faults) -> Iterator[Block]:
        for number, row in enumerate(self._rows, start=1):
            try:
                tokens = _strings(row, "tokens")
                tags = [tag.strip() for tag in _strings(row, "tags")] if self.tagged else []
            except LineFault as fault:
                faults.add(f"sentence {number:,}", str(fault))
                continue
            if self.tagged and len(tags) != len(tokens):
                faults.add(f"sentence {number:,}", f"found {len(tokens):,} tokens and {len(tags):,} tags")
                continue
            yield Block([""], [], [number] * len(tokens), number, tokens, tags)

    def written(self, block: Block, tags: Sequence[str], confidences: Sequence[float] | None) -> str:
        row: dict[str, Any] = {"tokens": block.tokens, "tags": list(tags)}
        if confidences is not None:
            row["confidences"] = [float(confidence_text(confidence)) for confidence in confidences]
        return json.dumps(row, ensure_ascii=False) + "\n"

    def where(self, block: Block, token: int) -> str:
        return f"sentence {block.line:,}, token {token + 1:,}"


def _first_keys(path: Path, name: str, remedy: str) -> list[str]:
    faults = Faults(name)
    keys: dict[str, None] = {}
    lines = 0
    for number, line in islice(enumerate(read_lines(path, name), start=1), _PEEK):
        if not line.isspace():
            lines += 1
            try:
                keys.update(dict.fromkeys(parse_object(line)))
            except LineFault as fault:
                faults.add(f"line {number:,}", str(fault))
    faults.raise_if_any(f"{remedy} (only the first {_PEEK} were looked at)")
    if not lines:
        raise DataError(f"{name}: expected sentences, found only empty lines")
    return list(keys)


def _strings(row: dict[str, Any], key: str) -> list[str]:
    if key not in row:
        raise LineFault(f"expected a key '{key}', found {', '.join(row) or 'none'}")
    values = row[key]
    if not isinstance(values, list):
        raise LineFault(f"expected a list in '{key}', found {kind_of_value(values)}")
    for position, value in enumerate(values, start=1):
        if not isinstance(value, str):
            raise LineFault(f"expected text at place {position:,} of '{key}', found {kind_of_value(value)} ({value!r})")
    return values


def _listed(values: object) -> object:
    """Return a sequence in memory, be it a tuple or an array, as a list; a string is none."""
    return list(values) if isinstance(values, Sequence) and not isinstance(values, str) else _of_array(values)


def _of_array(values: object) -> object:
    return values.tolist() if hasattr(values, "tolist") else values
