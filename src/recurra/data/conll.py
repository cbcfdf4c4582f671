"""CoNLL columns: a token a line, its columns separated by tabs or runs of spaces, a blank line after each sentence."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from recurra.data.faults import Faults
from recurra.data.layout import Block, Gathering, Layout, TagColumns, TagNeed, column_number, confidence_text, line_end
from recurra.data.lines import read_lines
from recurra.data.names import TAG_NAMES, TOKEN_NAMES
from recurra.errors import DataError

__all__ = ["ColumnsLayout"]

_log = logging.getLogger("recurra")
_PEEK = 1000
_DOCUMENT = "-DOCSTART-"
_FIELD = re.compile(r"[^ \t]+")


class ColumnsLayout(Layout):
    """A file of CoNLL columns; what separates them, and how many there are, is found from its first lines and logged.

    Lines that begin with -DOCSTART-, comments (lines that begin with "# " and have another number of columns), and a
    first line of well-known column names hold no token, and are kept.

    Args:
        path: the file.
        token_column: which column is the token, from 1, or, from the last, -1 [default: the first].
        tag_column: which is the tag [default: the last]. Where tags are not wanted, one more than there are is a new
            column, and so is it by default where there is only one.
        labels: whether tags are required.

    Raises:
        DataError: no lines with tokens, or no such column.
    """

    remedy = "each line must hold a token and as many columns as the others, with a blank line between sentences"
    form = "CoNLL columns"
    end = "\n\n"

    def __init__(
        self, path: Path, token_column: str | int | None, tag_column: str | int | None, labels: TagNeed
    ) -> None:
        self._path = path
        name = str(path)
        sample = list(islice(_token_lines(path, name), _PEEK))
        if not sample:
            raise DataError(f"{name}: expected sentences, found only blank lines")
        self._tabs, self._width = _separation([line for line in sample if not line.startswith("# ")] or sample)
        separator = "a tab" if self._tabs else "spaces"
        _log.info("%s: its lines have %d columns, separated by %s", name, self._width, separator)
        self._token = 0 if token_column is None else self._number(name, token_column, "--token-column")
        self._tag = self._tag_position(name, tag_column, labels)
        if self._tag == self._token:
            raise DataError(
                f"{name}: column {self._token + 1} is the token and the tag; name two, --token-column, --tag-column"
            )
        added = self._tag == self._width
        super().__init__(
            name, TagColumns(str(self._token + 1), None if added else str(self._tag + 1)), labels == "required"
        )
        self._headed = self._has_header(sample[0])

    def blocks(self, faults: Faults) -> Iterator[Block]:
        gathering = Gathering()
        headed = self._headed
        for number, line in enumerate(read_lines(self._path, self.name), start=1):
            blank = not line.strip()
            if blank or line.startswith(_DOCUMENT):
                if blank:
                    gathering.add(line, number)
                if gathering.rows:
                    yield gathering.block(self.tagged)
                    gathering = Gathering()
                if not blank:
                    gathering.add(line, number)
                continue
            fields = self._fields(line)
            if len(fields) == self._width and not headed:
                tag = fields[self._tag].strip() if self.tagged else ""
                gathering.add_token(line, number, fields[self._token], tag)
                continue
            if not headed and not line.startswith("# "):
                expected = f"expected {self._width} columns separated by {'tabs' if self._tabs else 'spaces'}"
                faults.add(f"line {number:,}", f"{expected}, found {len(fields)}")
            headed = False
            gathering.add(line, number)
        if gathering.records:
            yield gathering.block(self.tagged)

    def written(self, block: Block, tags: Sequence[str], confidences: Sequence[float] | None) -> str:
        records = list(block.records)
        for position, row in enumerate(block.rows):
            tag = tags[position]
            if "\t" in tag or (not self._tabs and " " in tag) or not tag:
                raise DataError(f"{self.name}: the tag {tag!r} cannot be written in columns that it would break")
            body, end = line_end(records[row])
            body = self._with_tag(body, tag)
            if confidences is not None:
                body = self._longer(body, confidence_text(confidences[position]))
            records[row] = body + end
        return "".join(records)

    def _fields(self, line: str) -> list[str]:
        return line_end(line)[0].split("\t") if self._tabs else _FIELD.findall(line.rstrip("\r\n"))

    def _with_tag(self, body: str, tag: str) -> str:
        if self._tag == self._width:
            return self._longer(body, tag)
        if self._tabs:
            fields = body.split("\t")
            if fields[self._tag].strip() != tag:
                fields[self._tag] = tag
            return "\t".join(fields)
        field = next(islice(_FIELD.finditer(body), self._tag, None))
        return body[: field.start()] + tag + body[field.end() :]

    def _longer(self, body: str, field: str) -> str:
        return f"{body}\t{field}" if self._tabs else f"{body.rstrip(' ')} {field}"

    def _number(self, name: str, column: str | int, option: str) -> int:
        return column_number(name, column, self._width, option)

    def _tag_position(self, name: str, column: str | int | None, labels: TagNeed) -> int:
        if labels == "required":
            if self._width == 1:
                raise DataError(f"{name}: expected a column of tokens and one of tags, found one column")
            return self._width - 1 if column is None else self._number(name, column, "--tag-column")
        if column is None:
            return self._width if self._token == self._width - 1 else self._width - 1
        return self._width if str(column) == str(self._width + 1) else self._number(name, column, "--tag-column")

    def _has_header(self, line: str) -> bool:
        cells = [cell.strip().lower() for cell in self._fields(line)]
        if len(cells) != self._width or cells[self._token] not in TOKEN_NAMES or self._tag >= len(cells):
            return False
        found = cells[self._tag] in TAG_NAMES
        if found:
            _log.info(
                "%s: its first line names the columns, and is no token: its cells are well-known names", self.name
            )
        return found


def _token_lines(path: Path, name: str) -> Iterator[str]:
    return (line for line in read_lines(path, name) if line.strip() and not line.startswith(_DOCUMENT))


def _separation(lines: Sequence[str]) -> tuple[bool, int]:
    """Return whether tabs separate the columns, rather than spaces, and the number of columns that most lines have."""
    tabs = 2 * sum("\t" in line for line in lines) > len(lines)
    widths = Counter(line.count("\t") + 1 if tabs else len(_FIELD.findall(line.rstrip("\r\n"))) for line in lines)
    return tabs, widths.most_common(1)[0][0]
