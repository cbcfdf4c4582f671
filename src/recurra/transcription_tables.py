"""Scores of a transcriber as text: beside its baseline, its most frequent errors, and its worst recordings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recurra.metrics import gain_line, interval
from recurra.tables import ScoreTable

__all__ = ["transcription_remarks", "transcription_tables"]

_MOST_RECORDINGS = 5
_LINE = 46  # characters of an alignment side by side, so that a name and it fit a terminal of 80
_LONGEST_NAME = 24
_LONGEST_WORD = 18

Scores = Mapping[str, Any]


def transcription_tables(scores: Scores, title: str, full: bool) -> list[ScoreTable]:
    """Show the scores of a transcriber and its baseline; with `full` its errors and worst recordings too.

    Args:
        scores: as of :func:`recurra.transcription_scores.full_scores`.
        title: of what.
        full: whether with the details.
    """
    named = {"this model": scores["model"], **scores["baselines"]}
    counts = f"{scores['recordings']:,} recordings, {scores['words']:,} words"
    tables = [_summary(f"{title}: {counts}", named)]
    return [*tables, _kinds(named), _errors(scores["errors"]), *_worst(scores["worst"])] if full else tables


def transcription_remarks(scores: Scores) -> list[str]:
    """Say what the model gains over the baseline, what it does not know, and where it heard nothing.

    Args:
        scores: as of :func:`recurra.transcription_scores.full_scores`.
    """
    gain = scores["gain"]
    lines = [
        gain_line(gain["word_error"], gain["over"], "points less word error"),
        f"unknown symbols: {_percent(scores['unknown_share'])} % of the transcripts'",
    ]
    if scores["unheard"]:
        lines.append(
            f"heard nothing in {scores['unheard']:,} of {scores['recordings']:,} recordings that say something"
        )
    return lines


def _summary(title: str, named: Mapping[str, Scores]) -> ScoreTable:
    rows: list[tuple[str, ...]] = [
        (
            name,
            interval(found["word_error"]),
            interval(found["character_error"]),
            _percent(found["sentence_error"]["value"]),
        )
        for name, found in named.items()
    ]
    return ScoreTable(title, ("", "word\nerror %", "character\nerror %", "sentence\nerror %"), rows)


def _kinds(named: Mapping[str, Scores]) -> ScoreTable:
    kinds = ("substitutions", "deletions", "insertions")
    rows = [
        (name, *(f"{found[kind]:,}" for kind in kinds), interval(found["sentence_error"]))
        for name, found in named.items()
    ]
    return ScoreTable("errors of words, and sentences with any", ("", *kinds, "sentence error %"), rows)


def _errors(errors: list[dict[str, Any]]) -> ScoreTable:
    rows: list[tuple[str, ...]] = [
        (
            _shortened(error["reference"]) or "(nothing)",
            _shortened(error["hypothesis"]) or "(nothing)",
            f"{error['count']:,}",
            _percent(error["share"]),
            _end_of(error["recording"]),
        )
        for error in errors
    ]
    title = "most frequent errors" if errors else "no errors"
    return ScoreTable(title, ("said", "heard", "times", "% of\nerrors", "first in"), rows)


def _worst(recordings: list[dict[str, Any]]) -> list[ScoreTable]:
    """Each recording's alignment as lines of what was said and what was heard, one above the other."""
    rows: list[tuple[str, ...]] = []
    for recording in recordings[:_MOST_RECORDINGS]:
        errors, words = recording["errors"], recording["words"]
        labels = [_end_of(recording["name"]), f"{errors:,} error{'s' * (errors != 1)}, {words:,} said"]
        for said, heard in _lines(recording["alignment"]):
            rows += [(labels[0], said), (labels[1], heard)]
            labels = ["", ""]
    title = "most errors in a recording: said above heard, [errors]"
    return [ScoreTable(title, ("recording", "alignment"), rows)] if rows else []


def _lines(alignment: list[dict[str, str]]) -> list[tuple[str, str]]:
    """Words said above words heard, each as wide as the other; what is only on one side is stars on the other."""
    lines, widths = [("", "")], [0]
    for edit in alignment:
        said, heard = _shortened(edit["reference"]), _shortened(edit["hypothesis"])
        width = max(len(said), len(heard))
        if edit["kind"] != "equal":
            # filled at the left: what stands at the end of a line of a table may be cut
            said, heard = (f"[{(word or '*' * width).rjust(width)}]" for word in (said, heard))
        if widths[-1] and widths[-1] + 1 + len(said) > _LINE:
            lines.append(("", ""))
            widths.append(0)
        lines[-1] = (f"{lines[-1][0]} {said}".lstrip(), f"{lines[-1][1]} {heard}".lstrip())
        widths[-1] = len(lines[-1][0])
    return lines


def _shortened(word: str) -> str:
    return word if len(word) <= _LONGEST_WORD else f"{word[: _LONGEST_WORD - 1]}…"


def _end_of(name: str) -> str:
    """The end of a path, which tells recordings apart."""
    return name if len(name) <= _LONGEST_NAME else f"…{name[1 - _LONGEST_NAME :]}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"
