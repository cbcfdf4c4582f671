"""Scores of a translator as text: beside its baselines, and by the length of the source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recurra.metrics import gain_line, interval
from recurra.tables import ScoreTable

__all__ = ["translation_remarks", "translation_tables"]

_ROUGE = {"rouge1": "ROUGE-1 %", "rouge2": "ROUGE-2 %", "rougeL": "ROUGE-L %"}

Scores = Mapping[str, Any]


def translation_tables(scores: Scores, title: str, full: bool) -> list[ScoreTable]:
    """Show the scores of a translator and its baselines; with `full` ROUGE and those by length of the source too.

    Args:
        scores: as of :func:`recurra.translation_scores.full_scores`.
        title: of what.
        full: whether with the details.
    """
    named = {"this model": scores["model"], **scores["baselines"]}
    tables = [_summary(f"{title}: {scores['pairs']:,} pairs, {scores['sources']:,} sources", named)]
    details = [_characters_and_tokens(named), _rouge(named), _by_length(scores["by_length"])]
    return [*tables, *details] if full else tables


def translation_remarks(scores: Scores) -> list[str]:
    """Say what the model gains over the better baseline, what it does not know, and how its scores were counted.

    Args:
        scores: as of :func:`recurra.translation_scores.full_scores`.
    """
    gain, signatures = scores["gain"], scores["signatures"]
    lines = [
        gain_line(_as_share(gain), gain["over"], "points of chrF"),
        f"unknown symbols: {_percent(scores['unknown_share'])} % of the sources'",
    ]
    if scores["capped"]:
        lines.append(
            f"cut at the most symbols an answer may have: {scores['capped']:,} of {scores['sources']:,} answers"
        )
    if not scores["model"]["four_grams"]:
        lines.append("no answer has four tokens, so that BLEU is 0 whatever they say: see chrF and exact %")
    return [*lines, f"BLEU {signatures['bleu']}", f"chrF {signatures['chrf']}"]


def _summary(title: str, named: Mapping[str, Scores]) -> ScoreTable:
    columns = ("", "BLEU", "chrF", "exact %", "token\nerror %", "perplexity")
    rows: list[tuple[str, ...]] = [
        (
            name,
            interval(_as_share(found["bleu"])),
            f"{found['chrf']['value']:.1f}",
            _percent(found["exact"]["value"]),
            _percent(found["token_error"]["value"]),
            f"{found['perplexity']['value']:,.2f}" if "perplexity" in found else "-",
        )
        for name, found in named.items()
    ]
    return ScoreTable(title, columns, rows)


def _characters_and_tokens(named: Mapping[str, Scores]) -> ScoreTable:
    rows: list[tuple[str, ...]] = [
        (name, interval(_as_share(found["chrf"])), interval(found["exact"]), interval(found["token_error"]))
        for name, found in named.items()
    ]
    return ScoreTable("with their intervals", ("", "chrF", "exact %", "token error %"), rows)


def _rouge(named: Mapping[str, Scores]) -> ScoreTable:
    rows: list[tuple[str, ...]] = [
        (name, *(interval(found[measure]) for measure in _ROUGE)) for name, found in named.items()
    ]
    return ScoreTable("words in common with the references", ("", *_ROUGE.values()), rows)


def _by_length(buckets: list[dict[str, Any]]) -> ScoreTable:
    rows: list[tuple[str, ...]] = [
        (
            f"{bucket['from']:,} to {bucket['to']:,}",
            f"{bucket['bleu']:.1f}",
            f"{bucket['chrf']:.1f}",
            _percent(bucket["exact"]),
            f"{bucket['count']:,}",
        )
        for bucket in buckets
    ]
    return ScoreTable("this model by tokens of the source", ("tokens", "BLEU", "chrF", "exact %", "sources"), rows)


def _as_share(score: Mapping[str, Any]) -> dict[str, float]:
    """A score from 0 to 100 as one from 0 to 1."""
    return {key: score[key] / 100 for key in ("value", "low", "high")}


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"
