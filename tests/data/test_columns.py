"""Which column is which."""

from __future__ import annotations

from pathlib import Path

import pytest

from recurra.data.columns import Columns, LabelNeed, find_columns
from recurra.data.plain import MemoryTable
from recurra.data.table import read_table
from recurra.errors import DataError


def table(**columns: list[str | None]) -> MemoryTable:
    return MemoryTable("t", columns)


LONG: list[str | None] = ["a rather long text", "one more of these", "and the last of all", "no it was not"]
LABELS: list[str | None] = ["a", "b", "a", "b"]
IDS: list[str | None] = ["1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"Text": LONG, "LABEL": LABELS, "x": LABELS}, Columns("Text", "LABEL")),
        ({"title": LONG, "text": LABELS, "rating": IDS, "sentiment": LABELS}, Columns("text", "sentiment")),
        ({"id": IDS, "what": LONG, "kind": LABELS}, Columns("what", "kind")),
        ({"id": IDS, "what": LONG, "kind": LABELS, "gone": [None] * 4}, Columns("what", "kind")),
        ({"what": LONG, "kind": LABELS, "same": ["x"] * 4}, Columns("what", "kind")),
    ],
)
def test_found(columns: dict[str, list[str | None]], expected: Columns, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "recurra")
    assert find_columns(table(**columns)) == expected
    assert f"the text is column '{expected.text}'" in caplog.text
    assert f"the label is column '{expected.label}'" in caplog.text


def test_told_columns_are_not_announced(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "recurra")
    assert find_columns(table(a=LABELS, b=LONG), "a", "b") == Columns("a", "b")
    assert not caplog.text


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({"text": LONG, "label": LABELS}, {"text_column": "txt"}, "no column 'txt', did you mean 'text'.*'text', 'lab"),
        ({"text": LONG, "label": LABELS}, {"label_column": "lable"}, "--label-column: .*did you mean 'label'"),
        ({"text": LONG}, {"text_column": "text", "label_column": "text"}, "given as the text and as the label"),
        ({"p": LONG, "q": LONG, "r": LABELS}, {}, "the text may be 'q' .*or 'p'.*--text-column"),
        ({"p": IDS, "q": IDS}, {}, "found no column of text; its columns are 'p', 'q'"),
        ({"id": IDS, "what": LONG}, {}, "no column that can be the label.*--label-column"),
        ({"what": LONG, "k": LABELS, "m": LABELS}, {}, r"may be any of \['k', 'm'\].*--label-column"),
        ({"what": LONG}, {}, "no column that can be the label"),
        ({"what": [None, None]}, {"labels": "required"}, "found no column of text"),
    ],
)
def test_not_found(columns: dict[str, list[str | None]], options: dict[str, str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        find_columns(table(**columns), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("need", "columns", "expected"),
    [
        ("no", {"anything": IDS}, Columns("anything", None)),
        ("no", {"text": LONG, "label": LABELS}, Columns("text", None)),
        ("optional", {"id": IDS, "what": LONG}, Columns("what", None)),
        ("optional", {"what": LONG, "kind": LABELS}, Columns("what", "kind")),
    ],
)
def test_label_is_not_required(need: LabelNeed, columns: dict[str, list[str | None]], expected: Columns) -> None:
    assert find_columns(table(**columns), labels=need) == expected


def test_nested_columns_are_left_out_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "recurra")
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a", "label": ["x"]}\n' * 4)
    with pytest.raises(DataError, match="no column that can be the label"):
        find_columns(read_table(path))
    assert "columns ['label'] hold nested or binary values and are left out" in caplog.text


def test_label_column_is_not_looked_at_when_no_label_is_wanted(tmp_path: Path) -> None:
    assert find_columns(table(text=LONG), None, "label", "no") == Columns("text", None)
