"""Tables as Markdown: what a cell says is what a reader sees."""

from __future__ import annotations

from markdown_it import MarkdownIt

from recurra.tables import ScoreTable, markdown, markdown_table


def cells_of(text: str) -> list[str]:
    """What a Markdown reader shows in the cells, line after line."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    shown = [token for token in tokens if token.type == "inline"]
    return ["".join(child.content for child in token.children if child.type == "text") for token in shown]


def test_a_table_reads_as_it_was_written():
    table = ScoreTable("test.tsv: 20 tokens", ("", "F1 %", "tokens"), [("NOUN", "91.2", "1,024"), ("VERB", "-", "3")])
    expected = "### test.tsv: 20 tokens\n\n|  | F1 % | tokens |\n|---|---:|---:|\n"
    assert markdown(table) == expected + "| NOUN | 91.2 | 1,024 |\n| VERB | - | 3 |"
    assert markdown(table._replace(title="")).startswith("|  | F1 % |")


def test_what_markdown_would_read_as_its_own_is_shown():
    odd = ["*", "a|b", "\\", "\\|", "<b>", "`x`", "_a_", "[x](y)", "&amp;", "PRP$", "~~x~~", "#", "-", "1.", "!", "__"]
    table = ScoreTable("", ("cell", "n"), [(text, "1") for text in odd])
    assert cells_of(markdown(table)) == ["cell", "n", *(part for text in odd for part in (text, "1"))]


def test_a_line_break_does_not_end_the_row():
    table = ScoreTable("a\nb", ("x\ny", "z"), [("1\r\n2", "3")])
    assert markdown(table) == "### a b\n\n| x y | z |\n|---|---:|\n| 1 2 | 3 |"


def test_a_table_without_a_title_is_the_same_table():
    table = ScoreTable("", ("a*", "b"), [("x|y", "1")])
    assert markdown_table(table.columns, table.rows) == markdown(table)
    assert markdown_table(["a"], []) == "| a |\n|---|"
