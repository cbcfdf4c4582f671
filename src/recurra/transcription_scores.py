"""Scores of a transcriber, each with its interval, and what it misheard.

An error rate is a ratio of sums over recordings: of edits, and of what was said. So a bootstrap over recordings sums
again (Bisani, Ney, "Bootstrap estimates for confidence intervals in ASR performance evaluation", ICASSP 2004), and what
the model and a baseline did with a recording is drawn together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein
from torch import Tensor

from recurra.errors import DataError, ShapeError
from recurra.metrics import interval_bounds, resampled_sums
from recurra.string_tensors import from_strings, to_strings

__all__ = ["Edit", "MostFrequent", "align_words", "full_scores", "most_frequent", "transcription_scores"]

_MOST_ERRORS = 10
_MOST_RECORDINGS = 10

Kind = Literal["equal", "substitution", "deletion", "insertion"]
Sums = NDArray[np.int64]

_KINDS: dict[str, Kind] = {
    "equal": "equal",
    "replace": "substitution",
    "delete": "deletion",
    "insert": "insertion",
}
# What is summed over recordings, column by column.
_WORD_EDITS, _WORDS, _CHARACTER_EDITS, _CHARACTERS, _WRONG, _RECORDINGS = range(6)
_RATES = {
    "word_error": (_WORD_EDITS, _WORDS),
    "character_error": (_CHARACTER_EDITS, _CHARACTERS),
    "sentence_error": (_WRONG, _RECORDINGS),
}


class Edit(NamedTuple):
    """A word that was said and what was heard of it: nothing where it was deleted, nothing said where inserted."""

    kind: Kind
    reference: str
    hypothesis: str


def align_words(reference: str, hypothesis: str) -> list[Edit]:
    """Lay what was heard beside what was said with the fewest edits (Levenshtein 1966), word by word.

    >>> [(kind[:3], said, heard) for kind, said, heard in align_words("a cat sat", "the cat sat up")]
    [('sub', 'a', 'the'), ('equ', 'cat', 'cat'), ('equ', 'sat', 'sat'), ('ins', '', 'up')]
    """
    said, heard = reference.split(), hypothesis.split()
    edits: list[Edit] = []
    for part in Levenshtein.opcodes(said, heard):
        words, others = said[part.src_start : part.src_end], heard[part.dest_start : part.dest_end]
        edits += [Edit(_KINDS[part.tag], *pair) for pair in zip_longest(words, others, fillvalue="")]
    return edits


class MostFrequent(NamedTuple):
    """The most frequent transcript, as a model directory keeps it."""

    text: str

    def tensors(self) -> dict[str, Tensor]:
        """Its bytes, for `baseline.safetensors`."""
        return from_strings("transcript", [self.text])

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> MostFrequent:
        """Make it again from what :meth:`tensors` gave."""
        return cls(*to_strings("transcript", tensors))


def most_frequent(texts: Sequence[str]) -> str:
    """The transcript that most texts are, but for white space; of equals the first: what can be said without hearing.

    Raises:
        DataError: there is none.
    """
    if not len(texts):
        raise DataError("expected transcripts of which one is the most frequent, found none")
    return Counter(map(_spaced_once, texts)).most_common(1)[0][0]


def transcription_scores(hypotheses: Sequence[str], references: Sequence[str]) -> dict[str, Any]:
    """Score what was heard in n recordings.

    Texts are compared as they are, but for white space, of which every stretch counts as one space and what is outside
    as nothing. Intervals are 95 % bootstrap intervals over the recordings, from 2,000 resamples with a fixed seed.

    Args:
        hypotheses: what was heard, [n].
        references: what was said, [n].

    Returns:
        Each a dict of value, low, high: word_error, the fewest substitutions, deletions and insertions of words between
        white space that make what was heard of what was said, over the words said; character_error, the same of
        characters, spaces included; sentence_error, the share of recordings with any error. The first two can exceed 1;
        over nothing said at all they are the edits. And substitutions, deletions, insertions: how many words were what.

    Raises:
        ShapeError: not as many hypotheses as references.
        DataError: there is no recording.
    """
    alignments = _alignments(hypotheses, references)
    table = _table(alignments, hypotheses, references)
    return {**_scores(table, resampled_sums(table, _once(table))), **_kinds(alignments)}


def full_scores(
    hypotheses: Sequence[str],
    references: Sequence[str],
    names: Sequence[str],
    baseline_text: str,
    unknown_share: float,
) -> dict[str, Any]:
    """Score a transcriber beside the most frequent transcript, and show its errors.

    Args:
        hypotheses: what it heard in n recordings.
        references: what was said.
        names: of the recordings, [n].
        baseline_text: the most frequent transcript of the training data, see :func:`most_frequent`.
        unknown_share: the share of the references' symbols that the vocabulary does not know.

    Returns:
        "model" and "baselines" (a mapping of name to scores), each as of :func:`transcription_scores`. "gain": how much
        lower the model's word_error and character_error are than those of the baseline, whose name is "over", each with
        its interval. "errors": the ten most frequent ones: kind, reference and hypothesis as of :class:`Edit`, count,
        share of all errors of words, and the first recording. "worst": of the ten recordings with most errors of words
        name, reference, hypothesis, errors, words, and the alignment, a list of edits as mappings. "recordings",
        "words", "characters" (counts of what was said), "unheard" (recordings of speech in which nothing was heard),
        "unknown_share".

    Raises:
        ShapeError: hypotheses, references and names do not fit together.
        DataError: there is no recording.
    """
    _require_as_many("names", names, references)
    constant = [baseline_text] * len(references)
    alignments, others = _alignments(hypotheses, references), _alignments(constant, references)
    table, baseline = _table(alignments, hypotheses, references), _table(others, constant, references)
    drawn, drawn_baseline = np.split(resampled_sums(np.concatenate([table, baseline], axis=1), _once(table)), 2, axis=1)
    over = "most frequent transcript"
    sums = table.sum(0)
    return {
        "model": {**_scores(table, drawn), **_kinds(alignments)},
        "baselines": {over: {**_scores(baseline, drawn_baseline), **_kinds(others)}},
        "gain": {"over": over, **_gain([table, drawn], [baseline, drawn_baseline])},
        "errors": _errors(alignments, names),
        "worst": _worst(alignments, hypotheses, references, names),
        "recordings": len(table),
        "words": int(sums[_WORDS]),
        "characters": int(sums[_CHARACTERS]),
        "unheard": sum(bool(said.split()) and not heard.split() for heard, said in zip(hypotheses, references)),
        "unknown_share": unknown_share,
    }


def _alignments(hypotheses: Sequence[str], references: Sequence[str]) -> list[list[Edit]]:
    _require_as_many("hypotheses", hypotheses, references)
    if not len(references):
        raise DataError("expected recordings to score, found none")
    return [align_words(said, heard) for heard, said in zip(hypotheses, references)]


def _table(alignments: list[list[Edit]], hypotheses: Sequence[str], references: Sequence[str]) -> Sums:
    """What is summed, of each recording, [n, 6]."""
    rows = []
    for edits, heard, said in zip(alignments, hypotheses, references):
        errors = sum(edit.kind != "equal" for edit in edits)
        text = _spaced_once(said)
        distance = Levenshtein.distance(text, _spaced_once(heard))
        rows.append((errors, len(said.split()), distance, len(text), errors > 0, 1))
    return np.array(rows, np.int64)


def _spaced_once(text: str) -> str:
    return " ".join(text.split())


def _once(table: Sums) -> NDArray[np.int64]:
    return np.ones(len(table), np.int64)


def _rate(sums: Sums, name: str) -> NDArray[np.float64]:
    """An error rate of each of R rows of sums, [R, 6] to [R]; what is nothing, as no words said, counts as one."""
    above, below = _RATES[name]
    rates: NDArray[np.float64] = sums[:, above] / np.maximum(1, sums[:, below])
    return rates


def _scores(table: Sums, resamples: Sums) -> dict[str, dict[str, float]]:
    sums = table.sum(0, keepdims=True)
    return {name: {"value": float(_rate(sums, name)[0]), **interval_bounds(_rate(resamples, name))} for name in _RATES}


def _gain(ours: Sequence[Sums], theirs: Sequence[Sums]) -> dict[str, dict[str, float]]:
    """By how much our rates are lower; of each the table and its resamples."""
    found = {}
    for name in ("word_error", "character_error"):
        value = _rate(theirs[0].sum(0, keepdims=True), name) - _rate(ours[0].sum(0, keepdims=True), name)
        found[name] = {"value": float(value[0]), **interval_bounds(_rate(theirs[1], name) - _rate(ours[1], name))}
    return found


def _kinds(alignments: list[list[Edit]]) -> dict[str, int]:
    counts = Counter(edit.kind for edits in alignments for edit in edits)
    return {f"{kind}s": counts[kind] for kind in ("substitution", "deletion", "insertion")}


def _errors(alignments: list[list[Edit]], names: Sequence[str]) -> list[dict[str, Any]]:
    counts: Counter[Edit] = Counter()
    first: dict[Edit, str] = {}
    for edits, name in zip(alignments, names):
        for edit in edits:
            if edit.kind != "equal":
                counts[edit] += 1
                first.setdefault(edit, name)
    most = counts.most_common(_MOST_ERRORS)  # of equals those met first
    return [
        {**edit._asdict(), "count": count, "share": count / counts.total(), "recording": first[edit]}
        for edit, count in most
    ]


def _worst(
    alignments: list[list[Edit]], hypotheses: Sequence[str], references: Sequence[str], names: Sequence[str]
) -> list[dict[str, Any]]:
    errors = [sum(edit.kind != "equal" for edit in edits) for edits in alignments]
    order = sorted(range(len(errors)), key=lambda number: -errors[number])[:_MOST_RECORDINGS]
    return [
        {
            "name": names[number],
            "reference": references[number],
            "hypothesis": hypotheses[number],
            "errors": errors[number],
            "words": len(references[number].split()),
            "alignment": [edit._asdict() for edit in alignments[number]],
        }
        for number in order
        if errors[number]
    ]


def _require_as_many(what: str, found: Sequence[str], references: Sequence[str]) -> None:
    if len(found) != len(references):
        raise ShapeError(f"{what}: expected {len(references)}, as many as references, found {len(found)}")
