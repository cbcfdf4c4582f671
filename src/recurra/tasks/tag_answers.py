"""What a tagger answers to command-line arguments: files written again with tags, or texts as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from recurra.data import Sentence, TaggedSentences, TagsOfSentence
from recurra.data.layout import confidence_text
from recurra.data.table import batched
from recurra.data.tagged_load import is_tagged_file
from recurra.errors import DataError, SettingsError
from recurra.inputs import is_file, lines_of_inputs
from recurra.vocabulary import split_words

__all__ = ["answers"]

_AT_ONCE = 256  # sentences whose text is handed on together
_Tag = Callable[[Iterable[Sentence]], list[TagsOfSentence]]


def answers(
    tag: _Tag,
    load: Callable[[str, Mapping[str, Any]], TaggedSentences],
    inputs: Sequence[str],
    reading: Mapping[str, Any],
) -> Iterator[str]:
    """Yield whole lines: the files, or the texts, with tags and confidences.

    Several files are written one after the other, so they must be of one form that is read as one file again.

    Args:
        tag: what tags sentences.
        load: what opens a file, told how it is read.
        inputs: files, or texts, or standard input where there are none, or "-".
        reading: how files are read.

    Raises:
        DataError: a file is missing or malformed.
        SettingsError: files and texts, or files of several forms; or an option about files was given, and there is
            none.
    """
    files = [argument for argument in inputs if argument != "-" and (is_file(argument) or is_tagged_file(argument))]
    if files:
        others = [argument for argument in inputs if argument not in files]
        if others:
            raise SettingsError(f"expected files or texts, found the file {files[0]} and the text '{others[0]}'")
        yield from _answered_files(tag, [load(file, reading) for file in files])
        return
    for name, value in reading.items():
        raise SettingsError(f"option '{name}' ({value}) would have no effect: no file is read")
    for lines in lines_of_inputs(inputs):
        yield _answered_texts(tag, lines)


def _answered_files(tag: _Tag, files: Sequence[TaggedSentences]) -> Iterator[str]:
    _require_one_form(files)
    for number, sentences in enumerate(files, start=1):
        answered = (one for chunk in sentences.chunks() for one in tag(chunk))
        tail = ""
        for records in batched(sentences.written(answered), _AT_ONCE):
            text = "".join(records)
            tail = (tail + text)[-4:]
            yield text
        if number < len(files):
            yield _separation(tail, sentences.end or "")


def _require_one_form(files: Sequence[TaggedSentences]) -> None:
    first = files[0]
    for other in files[1:]:
        if other.form != first.form:
            raise SettingsError(
                f"expected files of one form, to be written as one, found {first.name} ({first.form}) and "
                f"{other.name} ({other.form}); tag them one by one"
            )
        if first.end is None:
            raise SettingsError(
                f"expected one file, as it has a header, found {first.name} and {other.name}; tag them one by one"
            )


def _separation(tail: str, end: str) -> str:
    """What is missing between a file that ends in `tail` and the next."""
    have = tail.replace("\r\n", "\n")
    return end[len(have) - len(have.rstrip("\n")) :]


def _answered_texts(tag: _Tag, texts: Sequence[str]) -> str:
    """A JSON object a line for each text."""
    for text in texts:
        if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
            raise DataError(
                f"the text {text!r} holds half of a surrogate pair, which is no character; give it as UTF-8"
            )
    sentences = [Sentence(split_words(text), None, number) for number, text in enumerate(texts, start=1)]
    lines = []
    for sentence, answer in zip(sentences, tag(sentences)):
        confidences = [float(confidence_text(confidence)) for confidence in answer.confidences or ()]
        row = {"tokens": sentence.tokens, "tags": list(answer.tags), "confidences": confidences}
        lines.append(json.dumps(row, ensure_ascii=False) + "\n")
    return "".join(lines)
