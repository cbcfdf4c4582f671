"""Tagged sentences in a `.csv` or `.tsv` file with a header: a row of sentence, token and tag for each token."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from recurra.data.delimited import quoted_records
from recurra.data.faults import Faults
from recurra.data.layout import Block, Gathering, Layout, TagColumns, TagNeed, confidence_text, line_end
from recurra.data.lines import read_lines
from recurra.data.names import SENTENCE_NAMES, TAG_NAMES, TOKEN_NAMES
from recurra.data.tagged_names import found_name, known_or_error
from recurra.errors import DataError

__all__ = ["RowsLayout", "is_columns"]

_PEEK = 1000
_CONFIDENCE = "confidence"
_RAW_FIELD = re.compile(r'"(?:[^"]|"")*"|[^,]*')


class RowsLayout(Layout):
    """A `.csv` (comma, fields may be quoted) or `.tsv` (tab, fields as they stand) file of rows with a header.

    Consecutive rows with the same value in the sentence column are a sentence; an empty value continues it.

    Args:
        path: the file.
        quoted: whether its form is that of `.csv`.
        token_column: the name of the token column [default: a well-known name, logged].
        tag_column: likewise of the tag column. Where tags are not wanted it may be new.
        sentence_column: likewise of the sentence column.
        labels: whether tags are required.

    Raises:
        DataError: no rows, or no such column.
    """

    remedy = "each row must have as many fields as the header, and the rows of a sentence must stand together"
    form = "rows of sentence, token and tag"
    end = None

    def __init__(
        self,
        path: Path,
        quoted: bool,
        token_column: str | None,
        tag_column: str | None,
        sentence_column: str | None,
        labels: TagNeed,
    ) -> None:
        self._path = path
        self._quoted = quoted
        self._delimiter = "," if quoted else "\t"
        name = str(path)
        self.name = name
        first = next(self._records(), None)
        if first is None or not first[2]:
            raise DataError(f"{name}: expected a header and rows, found only empty lines")
        self._heading = first[1]
        self._names = [cell.strip() for cell in first[2]]
        columns = self._find(token_column, tag_column, sentence_column, labels)
        super().__init__(name, columns, labels == "required")
        self._token = self._names.index(columns.token)
        self._sentence = self._names.index(columns.sentence or "")

    def blocks(self, faults: Faults) -> Iterator[Block]:
        gathering = Gathering()
        current, began = "", dict[str, int]()
        tag_at = self._names.index(self.columns.tag) if self.tagged and self.columns.tag else None
        for line, text, row in islice(self._records(), 1, None):
            if len(row) != len(self._names):
                if row:
                    faults.add(f"line {line:,}", f"expected {len(self._names)} fields, found {len(row)}")
                gathering.add(text, line)
                continue
            sentence = row[self._sentence].strip()
            if not sentence and not current:
                faults.add(f"line {line:,}", f"expected a sentence in column '{self.columns.sentence}', found none")
            if sentence and sentence != current:
                if gathering.rows:
                    yield gathering.block(self.tagged)
                    gathering = Gathering()
                if sentence in began:
                    earlier = f"which began at line {began[sentence]:,} and has ended"
                    faults.add(f"line {line:,}", f"expected a new sentence, found a row of '{sentence}', {earlier}")
                began.setdefault(sentence, line)
                current = sentence
            gathering.add_token(text, line, row[self._token], "" if tag_at is None else row[tag_at].strip())
        if gathering.records:
            yield gathering.block(self.tagged)

    def heading(self, confidences: bool) -> str:
        return self._with(self._heading, self.columns.tag or "tag", _CONFIDENCE if confidences else None)

    def written(self, block: Block, tags: Sequence[str], confidences: Sequence[float] | None) -> str:
        records = list(block.records)
        for position, row in enumerate(block.rows):
            confidence = None if confidences is None else confidence_text(confidences[position])
            records[row] = self._with(records[row], tags[position], confidence)
        return "".join(records)

    def _with(self, record: str, tag: str, confidence: str | None) -> str:
        """Return a record with a tag and, if it is told, a confidence in their columns; one not there is added."""
        start = len(record) - len(record.lstrip("\r\n"))  # empty lines before it
        body, end = line_end(record[start:])
        fields = _raw_fields(body) if self._quoted else body.split(self._delimiter)
        values = {self.columns.tag or "tag": tag} | ({} if confidence is None else {_CONFIDENCE: confidence})
        for name, value in values.items():
            if name not in self._names:
                fields.append(self._as_field(value))
            elif self._value(fields[self._names.index(name)]).strip() != value:
                fields[self._names.index(name)] = self._as_field(value)
        return record[:start] + self._delimiter.join(fields) + end

    def _value(self, field: str) -> str:
        return field[1:-1].replace('""', '"') if self._quoted and field.startswith('"') else field

    def _as_field(self, value: str) -> str:
        if self._quoted and any(character in value for character in ',"\r\n'):
            return '"' + value.replace('"', '""') + '"'
        if "\t" in value and not self._quoted:
            raise DataError(f"{self.name}: the tag {value!r} cannot be written between tabs")
        return value

    def _records(self) -> Iterator[tuple[int, str, list[str]]]:
        """Yield the rows: the line where each begins, its text with the empty lines before it, and its fields.

        Empty lines that end the file are a row without fields.
        """
        taken: list[str] = []

        def noted() -> Iterator[str]:
            for line in read_lines(self._path, self.name):
                taken.append(line)
                yield line

        rows = quoted_records(noted(), self._delimiter, self.name) if self._quoted else self._plain_records(noted())
        number = 0
        for number, row in rows:
            yield number, "".join(taken), row
            taken.clear()
        if taken:
            yield number + 1, "".join(taken), []

    def _plain_records(self, lines: Iterator[str]) -> Iterator[tuple[int, list[str]]]:
        for number, line in enumerate(lines, start=1):
            body = line_end(line)[0]
            if body:
                yield number, body.split(self._delimiter)

    def _find(self, token: str | None, tag: str | None, sentence: str | None, labels: TagNeed) -> TagColumns:
        name, names = self.name, self._names
        if len(names) == 1:
            separator, other, option = ("commas", "tabs", "tsv") if self._quoted else ("tabs", "commas", "csv")
            raise DataError(
                f"{name}: expected a header of several columns separated by {separator}, found one: {names[0]!r}; "
                f"if {other} separate them, say --format {option}; if it is a file of CoNLL columns, --format conll"
            )
        doubled = sorted({column for column in names if names.count(column) > 1})
        if doubled:
            raise DataError(f"{name}: expected different column names, found {doubled} more than once in {names}")
        new = labels == "no" and tag is not None and tag not in names
        for option, told in (("--token-column", token), ("--tag-column", tag), ("--sentence-column", sentence)):
            if not (new and told == tag):
                known_or_error(name, told, names, option)
        token = token or found_name(name, "token", names, TOKEN_NAMES, "--token-column", (tag, sentence))
        need = "--tag-column" if labels == "required" else None
        tag = tag or found_name(name, "tag", names, TAG_NAMES, need, (token, sentence))
        sentence = sentence or found_name(name, "sentence", names, SENTENCE_NAMES, "--sentence-column", (token, tag))
        assert token is not None
        if len({token, tag, sentence}) < 3:
            raise DataError(
                f"{name}: columns '{token}', '{tag}' and '{sentence}' are token, tag and sentence; name three"
            )
        return TagColumns(token, tag, sentence)


def is_columns(path: Path, name: str) -> bool:
    """Return whether a `.tsv` file has CoNLL columns in truth: blank lines part it, and no header names sentences."""
    lines = list(islice(read_lines(path, name), _PEEK))
    filled = [number for number, line in enumerate(lines) if line.strip()]
    if not filled or filled[-1] - filled[0] == len(filled) - 1:
        return False
    return not any(cell.strip().lower() in SENTENCE_NAMES for cell in lines[filled[0]].split("\t"))


def _raw_fields(body: str) -> list[str]:
    """Return the fields of a row of well-formed CSV as they stand, in their quotes."""
    fields, at = [], -1
    while at < len(body):
        found = _RAW_FIELD.match(body, at + 1)
        assert found is not None
        fields.append(found.group())
        at = found.end()
    return fields
