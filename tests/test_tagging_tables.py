"""Tables of a tagger's scores say what the scores hold."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from rich.console import Console

from recurra.show import print_table
from recurra.tables import markdown
from recurra.tagging_scores import tagging_gain, tagging_scores
from recurra.tagging_tables import tagging_remarks, tagging_tables

WORDS = [["Ann", "sees", "New", "York"], ["in", "Rome"]]
TRUTH = [["B-PER", "O", "B-LOC", "I-LOC"], ["O", "B-LOC"]]
OURS = [["B-PER", "O", "B-LOC", "B-LOC"], ["O", "B-LOC"]]
THEIRS = [["O"] * 4, ["O"] * 2]
UNKNOWN = np.array([False, False, False, True, False, False])


def scores(ours: list[list[str]] = OURS, spans: bool = True, unknown: Any = UNKNOWN) -> dict[str, Any]:
    confidence = np.full(6, 0.75)
    return {
        "model": tagging_scores(WORDS, TRUTH, ours, unknown, spans, confidence),
        "baselines": {"longest match": tagging_scores(WORDS, TRUTH, THEIRS, unknown, spans)},
        "gain": {"longest match": tagging_gain(TRUTH, ours, THEIRS, spans)},
    }


def test_spans_in_full():
    summary, by_type, by_tag, errors = tagging_tables(scores(), "test.tsv", full=True)
    assert summary.title == "test.tsv: 6 tokens in 2 sentences"
    assert summary.columns == ("", "accuracy %", "unknown\nwords %", "span F1 %")
    # five of six tokens; of two found and three true spans, and one that is none, two: 2 * 2 / (4 + 3)
    assert summary.rows == [
        ("this model", "83.3 (75.0 to 100.0)", "0.0", "57.1 (40.0 to 100.0)"),
        ("longest match", "33.3 (25.0 to 50.0)", "0.0", "0.0 (0.0 to 0.0)"),
    ]
    assert by_type.columns == ("type", "precision %", "recall %", "F1 %", "spans")
    assert by_type.rows == [("LOC", "33.3", "50.0", "40.0", "2"), ("PER", "100.0", "100.0", "100.0", "1")]
    assert by_tag.columns == ("tag", "precision %", "recall %", "F1 %", "tokens")
    assert by_tag.rows[0] == ("B-LOC", "66.7", "100.0", "80.0", "2")
    assert errors.rows == [("I-LOC", "B-LOC", "1", "100.0", "York", "1")]


def test_tags_that_mark_no_spans():
    (summary,) = tagging_tables(scores(spans=False, unknown=np.zeros(6, bool)), "test.tsv", full=False)
    assert summary.columns == ("", "accuracy %", "sentences\nright %", "calibration\nerror %")
    assert [row[2:] for row in summary.rows] == [("50.0", "8.3"), ("0.0", "-")]  # |5/6 - 0.75|
    assert [table.title for table in tagging_tables(scores(spans=False), "t", full=True)][1:] == [
        "by tag",
        "most frequent errors",
    ]


def test_remarks():
    assert tagging_remarks(scores()) == [
        "over the longest match: +57.1 (+40.0 to +100.0) points of span F1",
        "unknown words: 16.7 % of the tokens",
    ]
    assert tagging_remarks(scores(spans=False))[0].endswith("+50.0 (+50.0 to +50.0) points of accuracy")


def test_no_errors():
    assert tagging_tables(scores(TRUTH), "t", full=True)[-1] == ("no errors", ("true",), [])


def test_of_many_tags_the_most_frequent_are_shown_by_name():
    tags = [[f"T{number:02}" for number in range(60) for _ in range(1 + (number % 6 > 0))]]
    found = tagging_scores(tags, tags, tags, np.zeros(len(tags[0]), bool))
    by_tag = tagging_tables({"model": found, "baselines": {}}, "t", full=True)[1]
    assert by_tag.title == "by tag: the 50 most frequent of 60"
    assert [row[0] for row in by_tag.rows] == [f"T{number:02}" for number in range(60) if number % 6]


def test_both_on_a_terminal_and_as_markdown():
    file = io.StringIO()
    console = Console(file=file, width=80, color_system=None)
    long = [["A" * 30, *WORDS[0][1:]], WORDS[1]]
    model = tagging_scores(long, TRUTH, THEIRS, UNKNOWN, True)
    for table in tagging_tables({"model": model, "baselines": {"most frequent tag": model}}, "t", full=True):
        print_table(console, table)
        assert len(markdown(table).splitlines()) == len(table.rows) + 4
    assert "most frequent tag" in file.getvalue()
    assert f" {'A' * 11}… " in file.getvalue()
