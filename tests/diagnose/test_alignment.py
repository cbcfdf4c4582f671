"""The pictures of attention: what stands in them, and what they are named."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from recurra.diagnose.alignment import alignment_figure, with_pictures
from recurra.errors import OutputError

SVG = "{http://www.w3.org/2000/svg}"


def texts_of(svg: str) -> list[str]:
    return [found.strip() for found in ElementTree.fromstring(svg).itertext() if found.strip()]


def cells_of(svg: str) -> list[tuple[float, float, float]]:
    """Of each filled cell the left edge, the upper edge and how dark it is."""
    found = []
    for path in re.findall(r"<path [^>]*?/>", svg, re.DOTALL):
        place, shade = re.search(r'd="M ([\d.]+) ([\d.]+)', path), re.search(r"fill-opacity: ([\d.]+)", path)
        if place is not None and "clip-path" in path:
            found.append((float(place[1]), float(place[2]), float(shade[1]) if shade else 1.0))
    return found


def line(source: list[str], target: list[str], weights: object) -> str:
    told = {"source": source, "target": target, "weights": weights}
    return json.dumps({"translation": " ".join(target), "alignment": told}, ensure_ascii=False) + "\n"


def test_a_cell_for_each_weight_that_can_be_seen_the_larger_the_darker():
    weights = np.array([[0.9, 0.1, 0.0], [0.003, 0.25, 0.747]])
    svg = alignment_figure(["a", "b", "c"], ["x", "y"], weights, "A title")
    cells = cells_of(svg)
    assert sorted(shade for _, _, shade in cells) == [0.1, 0.25, 0.75, 0.9]
    columns, rows = (sorted({round(cell[axis], 1) for cell in cells}) for axis in (0, 1))
    assert (len(columns), len(rows)) == (3, 2)
    placed = {(columns.index(round(x, 1)), rows.index(round(y, 1))): shade for x, y, shade in cells}
    assert placed == {(0, 0): 0.9, (1, 0): 0.1, (1, 1): 0.25, (2, 1): 0.75}
    assert "A title" in svg
    found = texts_of(svg)
    assert [text for text in found if text in "abcxy"] == ["a", "b", "c", "x", "y"]


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (["$a$", "x^2_", "<b>", "&"], ["$", "\\frac"]),
        (["\n", " the"], ["日本", "ü"]),
        (["a\x00b", "\x1b"], ["\x07", "\uffff"]),
    ],
)
def test_symbols_are_shown_as_they_are(source, target):
    svg = alignment_figure(source, target, np.full((len(target), len(source)), 0.5), "t")
    found = texts_of(svg)
    signs = str.maketrans("\n \x00\x1b\x07\uffff", "↵·␀␛␇\ufffd")
    assert {symbol.translate(signs) for symbol in (*source, *target)} <= set(found)


@pytest.mark.parametrize(("source", "target"), [(0, 3), (3, 0), (0, 0), (1, 1), (200, 2), (2, 300)])
def test_any_number_of_symbols(source, target, tmp_path):
    weights = np.zeros((target, source))
    alignment = ["a"] * source, ["x"] * target, weights.tolist()
    text = line(*alignment)
    assert list(with_pictures(iter([text]), tmp_path / "pictures")) == [text]
    svg = (tmp_path / "pictures" / "1.svg").read_text()
    labels = [found for found in texts_of(svg) if found in ("a", "x")]
    assert labels.count("a") == (source if source <= 140 else 0)
    assert labels.count("x") == (target if target <= 140 else 0)


def test_pictures_are_numbered_by_line_and_the_lines_handed_on(tmp_path):
    folder = tmp_path / "new" / "pictures"
    lines = [line(["a"], ["x"], [[1.0]]) + line(["b"], ["y"], [[1.0]]), line(["c"], ["z"], [[1.0]])]
    answers = with_pictures(iter(lines), folder)
    assert next(answers) == lines[0]
    assert sorted(path.name for path in folder.iterdir()) == ["1.svg", "2.svg"]  # before the next is asked for
    assert [*answers] == lines[1:]
    assert [("b" in texts_of(path.read_text())) for path in sorted(folder.iterdir())] == [False, True, False]
    assert [*with_pictures(iter(lines[1:]), folder)] == lines[1:]
    assert "c" in texts_of((folder / "1.svg").read_text())  # replaced


def test_a_line_separator_in_a_text_is_no_end_of_a_line(tmp_path):
    text = line(["a\u2028b\x85"], ["x\u2029", "\x0c"], [[1.0], [1.0]])
    assert [*with_pictures(iter([text]), tmp_path)] == [text]


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="file: cannot be written"):
        next(with_pictures(iter([line(["a"], ["x"], [[1.0]])]), tmp_path / "file"))
    assert (tmp_path / "file").read_text() == "mine"
