"""Tables of a translator's scores say what the scores hold."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from recurra.show import print_table
from recurra.tables import markdown
from recurra.translation_tables import translation_remarks, translation_tables


def score(value: float) -> dict[str, float]:
    return {"value": value, "low": value - value / 10, "high": value + value / 10}


def scored(bleu: float) -> dict[str, Any]:
    shares = {"exact": 0.25, "token_error": 0.5, "rouge1": 0.6, "rouge2": 0.4, "rougeL": 0.5}
    return {
        "bleu": score(bleu),
        "chrf": score(2 * bleu),
        **{name: score(share) for name, share in shares.items()},
        "four_grams": 7,
    }


SCORES: dict[str, Any] = {
    "model": {**scored(40.0), "nats": 1.5, "perplexity": score(1234.5)},
    "baselines": {"copied source": scored(1.0), "nearest source": scored(20.0)},
    "gain": {"over": "nearest source", "value": 40.0, "low": 36.5, "high": 43.25},
    "by_length": [
        {"from": 0, "to": 9, "count": 1500, "bleu": 45.0, "chrf": 85.0, "exact": 0.3},
        {"from": 10, "to": 1234, "count": 30, "bleu": 5.0, "chrf": 15.0, "exact": 0.0},
    ],
    "pairs": 2000,
    "sources": 1530,
    "capped": 0,
    "unknown_share": 0.0123,
    "signatures": {"bleu": "nrefs:var|case:mixed", "chrf": "nrefs:var|nc:6"},
}


def test_the_summary() -> None:
    (summary,) = translation_tables(SCORES, "test.tsv", full=False)
    assert summary.title == "test.tsv: 2,000 pairs, 1,530 sources"
    assert summary.columns == ("", "BLEU", "chrF", "exact %", "token\nerror %", "perplexity")
    assert summary.rows == [
        ("this model", "40.0 (36.0 to 44.0)", "80.0", "25.0", "50.0", "1,234.50"),
        ("copied source", "1.0 (0.9 to 1.1)", "2.0", "25.0", "50.0", "-"),
        ("nearest source", "20.0 (18.0 to 22.0)", "40.0", "25.0", "50.0", "-"),
    ]


def test_in_full() -> None:
    _, others, rouge, by_length = translation_tables(SCORES, "test.tsv", full=True)
    assert others.columns == ("", "chrF", "exact %", "token error %")
    assert others.rows[0] == ("this model", "80.0 (72.0 to 88.0)", "25.0 (22.5 to 27.5)", "50.0 (45.0 to 55.0)")
    assert rouge.columns == ("", "ROUGE-1 %", "ROUGE-2 %", "ROUGE-L %")
    assert rouge.rows[0] == ("this model", "60.0 (54.0 to 66.0)", "40.0 (36.0 to 44.0)", "50.0 (45.0 to 55.0)")
    assert len(rouge.rows) == 3
    assert by_length.columns == ("tokens", "BLEU", "chrF", "exact %", "sources")
    assert by_length.rows == [
        ("0 to 9", "45.0", "85.0", "30.0", "1,500"),
        ("10 to 1,234", "5.0", "15.0", "0.0", "30"),
    ]


def test_remarks() -> None:
    always = [
        "over the nearest source: +40.0 (+36.5 to +43.2) points of chrF",
        "unknown symbols: 1.2 % of the sources'",
        "BLEU nrefs:var|case:mixed",
        "chrF nrefs:var|nc:6",
    ]
    assert translation_remarks(SCORES) == always
    short = {**SCORES, "capped": 12, "model": {**SCORES["model"], "four_grams": 0}}
    assert translation_remarks(short)[2:4] == [
        "cut at the most symbols an answer may have: 12 of 1,530 answers",
        "no answer has four tokens, so that BLEU is 0 whatever they say: see chrF and exact %",
    ]


def test_both_on_a_terminal_and_as_markdown() -> None:
    file = io.StringIO()
    console = Console(file=file, width=80, color_system=None)
    for table in translation_tables(SCORES, "test.tsv", full=True):
        print_table(console, table)
        assert "…" not in file.getvalue()
        assert markdown(table).startswith("### ")
    shown = file.getvalue()
    assert "80.0 (72.0 to 88.0)" in shown
    assert shown.count("this model ") == 4
