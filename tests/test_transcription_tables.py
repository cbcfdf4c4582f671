"""Tables of a transcriber's scores say what the scores hold."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from recurra.show import print_table
from recurra.tables import markdown
from recurra.transcription_scores import align_words
from recurra.transcription_tables import transcription_remarks, transcription_tables


def score(value: float) -> dict[str, float]:
    return {"value": value, "low": value - value / 10, "high": value + value / 10}


def scored(word_error: float) -> dict[str, Any]:
    rates = {"word_error": word_error, "character_error": word_error / 2, "sentence_error": 0.8}
    counts = {"substitutions": 1234, "deletions": 5, "insertions": 0}
    return {**{name: score(rate) for name, rate in rates.items()}, **counts}


def worst(name: str, reference: str, hypothesis: str) -> dict[str, Any]:
    edits = align_words(reference, hypothesis)
    return {
        "name": name,
        "reference": reference,
        "hypothesis": hypothesis,
        "errors": sum(edit.kind != "equal" for edit in edits),
        "words": len(reference.split()),
        "alignment": [edit._asdict() for edit in edits],
    }


LONG = "it is a truth universally acknowledged that a single man must be in want of a wife"
SCORES: dict[str, Any] = {
    "model": scored(0.1),
    "baselines": {"most frequent transcript": scored(1.2)},
    "gain": {
        "over": "most frequent transcript",
        "word_error": {"value": 1.1, "low": 1.05, "high": 1.153},
        "character_error": score(0.5),
    },
    "errors": [
        {"kind": "substitution", "reference": "the", "hypothesis": "a", "count": 1500, "share": 0.5, "recording": "1"},
        {
            "kind": "insertion",
            "reference": "",
            "hypothesis": "acknowledgementsandmore",
            "count": 1,
            "share": 0.001,
            "recording": "/data/an4/wav/an4_clstk/fash/an251-fash-b.wav",
        },
    ],
    "worst": [
        worst("a.wav", "the cat sat on the mat", "cat sit on the the mat"),
        worst("b.wav", LONG, LONG.replace("single", "singular").replace("acknowledged ", "") + " or two"),
    ],
    "recordings": 1530,
    "words": 20000,
    "characters": 99999,
    "unheard": 0,
    "unknown_share": 0.0123,
}


def test_the_summary() -> None:
    (summary,) = transcription_tables(SCORES, "test.csv", full=False)
    assert summary.title == "test.csv: 1,530 recordings, 20,000 words"
    assert summary.columns == ("", "word\nerror %", "character\nerror %", "sentence\nerror %")
    assert summary.rows == [
        ("this model", "10.0 (9.0 to 11.0)", "5.0 (4.5 to 5.5)", "80.0"),
        ("most frequent transcript", "120.0 (108.0 to 132.0)", "60.0 (54.0 to 66.0)", "80.0"),
    ]


def test_in_full() -> None:
    _, kinds, errors, recordings = transcription_tables(SCORES, "test.csv", full=True)
    assert kinds.columns == ("", "substitutions", "deletions", "insertions", "sentence error %")
    assert kinds.rows[0] == ("this model", "1,234", "5", "0", "80.0 (72.0 to 88.0)")
    assert errors.columns == ("said", "heard", "times", "% of\nerrors", "first in")
    assert errors.rows == [
        ("the", "a", "1,500", "50.0", "1"),
        ("(nothing)", "acknowledgementsa…", "1", "0.1", "…k/fash/an251-fash-b.wav"),
    ]
    assert recordings.rows[:2] == [
        ("a.wav", "[the] cat [sat] on [***] the mat"),
        ("3 errors, 6 said", "[***] cat [sit] on [the] the mat"),
    ]


def test_lines_of_an_alignment_stand_above_one_another_and_lose_nothing() -> None:
    *_, recordings = transcription_tables(SCORES, "test.csv", full=True)
    rows = recordings.rows[2:]
    assert [name for name, _ in rows] == ["b.wav", "4 errors, 17 said", "", "", "", ""]
    for (_, said), (_, heard) in zip(rows[::2], rows[1::2]):
        assert len(said) == len(heard) <= 46
        assert said == said.strip()
        assert heard == heard.strip()
    assert "[  single]" in "".join(line for _, line in rows[::2])
    assert "[singular]" in "".join(line for _, line in rows[1::2])
    said = " ".join(line for _, line in rows[::2]).replace("[", "").replace("]", "").split()
    assert [word for word in said if set(word) != {"*"}] == LONG.split()


def test_without_errors() -> None:
    _, _, errors = transcription_tables({**SCORES, "errors": [], "worst": []}, "test.csv", full=True)
    assert (errors.title, errors.rows) == ("no errors", [])


def test_remarks() -> None:
    always = [
        "over the most frequent transcript: +110.0 (+105.0 to +115.3) points less word error",
        "unknown symbols: 1.2 % of the transcripts'",
    ]
    assert transcription_remarks(SCORES) == always
    deaf = transcription_remarks({**SCORES, "unheard": 1200})
    assert deaf == [*always, "heard nothing in 1,200 of 1,530 recordings that say something"]


def test_both_on_a_terminal_and_as_markdown() -> None:
    file = io.StringIO()
    console = Console(file=file, width=80, color_system=None)
    for table in transcription_tables(SCORES, "test.csv", full=True):
        print_table(console, table)
        assert markdown(table).startswith("### ")
    shown = file.getvalue()
    assert "10.0 (9.0 to 11.0)" in shown
    for row in transcription_tables(SCORES, "test.csv", full=True)[-1].rows:
        assert row[1] in shown  # nothing cut
