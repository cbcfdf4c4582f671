"""Files -> tagged sentences: which format a file has, and what is read from it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Literal, get_args

from recurra.data.conll import ColumnsLayout
from recurra.data.conllu import ConlluLayout
from recurra.data.layout import Layout, TagNeed
from recurra.data.table import require_file
from recurra.data.tagged import TaggedSentences
from recurra.data.tagged_objects import ObjectsLayout
from recurra.data.tagged_rows import RowsLayout, is_columns
from recurra.errors import DataError, SettingsError, nearest
from recurra.spans import Scheme

__all__ = ["TagFormat", "format_of", "is_tagged_file", "load_tagged"]

_log = logging.getLogger("recurra")
TagFormat = Literal["conllu", "conll", "jsonl", "csv", "tsv"]
_FORMATS: dict[str, TagFormat] = {
    ".conllu": "conllu",
    ".conll": "conll",
    ".bio": "conll",
    ".iob": "conll",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
}


def load_tagged(
    source: str | Path,
    *,
    format: TagFormat | None = None,
    token_column: str | int | None = None,
    tag_column: str | int | None = None,
    sentence_column: str | None = None,
    labels: TagNeed = "required",
    scheme: Scheme | None = None,
) -> TaggedSentences:
    """Open a file of tagged sentences, or of sentences to be tagged; it is read once, so that a fault is known first.

    Args:
        source: the file, packed where its name ends in .gz.
        format: conllu (.conllu), conll (columns: .conll .bio .iob), jsonl (.jsonl .ndjson), csv (.csv) or tsv (.tsv
            .tab) [default: by the name; a .tsv file in which blank lines part sentences is one of columns].
        token_column: of CoNLL columns a number, from 1 or, from the last, -1 [default: 1]; of CoNLL-U a name or number
            [default: form]; else a name [default: found, and logged].
        tag_column: likewise [default: the last; upos; found, and logged]. Where labels are not required it says where
            tags will be written, and may be a new one.
        sentence_column: the name of the column that groups the rows of a csv or tsv file [default: found, and logged].
        labels: whether each token must have a tag; with "no", tags are not looked at.
        scheme: what the tags are to be read as; they must mark spans.

    Raises:
        DataError: the source is missing, malformed, without sentences, or has not the columns needed; or its tags mix
            schemes or break the rules of theirs.
        SettingsError: an option has no effect on a source of this form.
    """
    path = Path(source)
    kind = format_of(source, format)
    if sentence_column is not None and kind not in ("csv", "tsv"):
        raise SettingsError(f"option 'sentence_column' ('{sentence_column}') would have no effect: {source} is {kind}")
    if scheme is not None and labels == "no":
        raise SettingsError(f"option 'scheme' ({scheme}) would have no effect: tags are not read")
    if kind == "conll":
        layout: Layout = ColumnsLayout(path, token_column, tag_column, labels)
    elif kind == "conllu":
        layout = ConlluLayout(path, token_column, tag_column, labels)
    else:
        token, tag = (None if column is None else str(column) for column in (token_column, tag_column))
        if kind == "jsonl":
            layout = ObjectsLayout(path, token, tag, labels)
        else:
            layout = RowsLayout(path, kind == "csv", token, tag, sentence_column, labels)
    sentences = TaggedSentences(layout)
    sentences.check()
    if labels == "required":
        sentences.scheme()
    return sentences if scheme is None else sentences.in_scheme(scheme)


def format_of(source: str | Path, format: TagFormat | None = None) -> TagFormat:
    """Return the format that a file is read in: the one told, or the one its name and, of .tsv, its content say.

    Raises:
        DataError: there is no such file, it is empty, or its name says nothing.
        SettingsError: there is no such format.
    """
    path = Path(source)
    if not str(source) or path.is_dir():
        raise DataError(f"{source}: expected a file, found {'a folder' if str(source) else 'an empty name'}")
    require_file(path)
    if format is not None:
        if format not in get_args(TagFormat):
            known = ", ".join(get_args(TagFormat))
            raise SettingsError(
                f"option 'format': expected {known}, found '{format}'{nearest(format, get_args(TagFormat))}"
            )
        return format
    suffix = _suffix(source)
    if suffix not in _FORMATS:
        found = f"'{suffix}'" if suffix else "a name without suffix"
        known = " ".join(_FORMATS)
        raise DataError(
            f"{path}: expected one of {known} (each also .gz), found {found}; say what it is with --format "
            f"({', '.join(get_args(TagFormat))}), such as --format conll for columns"
        )
    kind = _FORMATS[suffix]
    if kind == "tsv" and is_columns(path, str(path)):
        _log.info("%s: read as CoNLL columns, as blank lines part its sentences", path)
        return "conll"
    return kind


def is_tagged_file(source: str) -> bool:
    """Return whether a name ends as that of a file of tagged sentences does."""
    return _suffix(source) in _FORMATS


def _suffix(source: str | Path) -> str:
    return Path(Path(source).name.lower().removesuffix(".gz")).suffix
