"""Scores of a tagger as text: beside its baselines, by tag, by type of span, and its most frequent errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from recurra.metrics import gain_line, interval
from recurra.tables import ScoreTable

__all__ = ["tagging_remarks", "tagging_tables"]

_MOST_TAGS = 50
_LONGEST_WORD = 12
_MOST_WORDS = 2

Scores = Mapping[str, Any]


def tagging_tables(scores: Scores, title: str, full: bool) -> list[ScoreTable]:
    """Show the scores of a tagger and its baselines; with `full` also by type of span, by tag, and the errors.

    Args:
        scores: "model" and "baselines" (by their names) as of :func:`recurra.tagging_scores.tagging_scores`.
        title: of what.
        full: whether with the details.
    """
    model = scores["model"]
    tables = [_summary(title, {"this model": model, **scores["baselines"]})]
    if full:
        if "spans" in model:
            tables.append(_rows_table("by type of span", "type", model["spans"]["by_type"], "spans"))
        tables += [_rows_table("by tag", "tag", model["per_tag"], "tokens"), _confusions(model["confusions"])]
    return tables


def tagging_remarks(scores: Scores) -> list[str]:
    """Say what the model gains over each baseline, in F1 where tags mark spans, and how much it does not know.

    Args:
        scores: "model" as for :func:`tagging_tables`, and "gain", by the name of the baseline, as of
            :func:`recurra.tagging_scores.tagging_gain`.
    """
    model = scores["model"]
    measure, unit = ("span_f1", "points of span F1") if "spans" in model else ("accuracy", "points of accuracy")
    gains = [gain_line(gain[measure], name, unit) for name, gain in scores["gain"].items()]
    return [*gains, f"unknown words: {_percent(model['unknown_words'] / model['tokens'])} % of the tokens"]


def _summary(title: str, named: Mapping[str, Scores]) -> ScoreTable:
    model = named["this model"]
    columns: dict[str, Callable[[Scores], str]] = {"accuracy %": lambda s: interval(s["accuracy"])}
    if "unknown_word_accuracy" in model:
        columns["unknown\nwords %"] = lambda s: _percent(s["unknown_word_accuracy"]["value"])
    if "spans" in model:
        columns["span F1 %"] = lambda s: interval(s["spans"]["f1"])
    else:
        columns["sentences\nright %"] = lambda s: _percent(s["sentence_accuracy"]["value"])
        columns["calibration\nerror %"] = lambda s: _percent(s.get("expected_calibration_error"))
    rows = [(name, *(cell(s) for cell in columns.values())) for name, s in named.items()]
    return ScoreTable(f"{title}: {model['tokens']:,} tokens in {model['sentences']:,} sentences", ("", *columns), rows)


def _rows_table(title: str, key: str, rows: list[dict[str, Any]], counted: str) -> ScoreTable:
    """A row for each tag or type, in the order of their names; of more than fifty the most frequent."""
    kept = sorted(range(len(rows)), key=lambda number: -rows[number]["support"])[:_MOST_TAGS]
    if len(kept) < len(rows):
        title = f"{title}: the {len(kept)} most frequent of {len(rows):,}"
    cells: list[tuple[str, ...]] = [
        (row[key], *(_percent(row[name]) for name in ("precision", "recall", "f1")), f"{row['support']:,}")
        for row in (rows[number] for number in sorted(kept))
    ]
    return ScoreTable(title, (key, "precision %", "recall %", "F1 %", counted), cells)


def _confusions(errors: list[dict[str, Any]]) -> ScoreTable:
    if not errors:
        return ScoreTable("no errors", ("true",), [])
    rows: list[tuple[str, ...]] = [
        (
            error["true"],
            error["predicted"],
            f"{error['count']:,}",
            _percent(error["share"]),
            ", ".join(_shortened(word["word"]) for word in error["words"][:_MOST_WORDS]),
            f"{error['words'][0]['sentence']:,}",
        )
        for error in errors
    ]
    columns = ("true", "predicted", "tokens", "% of\nerrors", "most often", "first in\nsentence")
    return ScoreTable("most frequent errors", columns, rows)


def _shortened(word: str) -> str:
    return word if len(word) <= _LONGEST_WORD else f"{word[: _LONGEST_WORD - 1]}…"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"
