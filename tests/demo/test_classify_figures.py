"""Figures: valid on their own and side by side in a page, the same each time, coloured by the page."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from recurra.demo.classify_figures import Score, calibration_figure, curves_figure, scores_figure
from recurra.pages.drawing import STYLES

HISTORY = [
    {"epoch": 1, "loss": 0.7, "valid_loss": 0.69, "valid_score": 0.5},
    {"epoch": 2, "loss": 0.5, "valid_loss": 0.6, "valid_score": 0.75},
]
NAMES = {"lstm": "LSTM", "gru": "G<R>U"}
LABELS = np.array([0, 1, 1, 0, 1])
PROBABILITIES = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.55, 0.45], [0.0, 1.0]], dtype=np.float32)
SVG = "{http://www.w3.org/2000/svg}"


def curves(loss: bool = False) -> str:
    return curves_figure({"lstm": HISTORY, "gru": HISTORY[:1]}, NAMES, loss, "Accuracy & <more>")


MAKERS = {
    "accuracy": curves,
    "loss": lambda: curves(loss=True),
    "scores": lambda: scores_figure([Score("a & <b>", "lstm", 0.9, 0.85, 0.93), Score("c", "baseline", 0, 0, 0)], "S"),
    "calibration": lambda: calibration_figure(LABELS, PROBABILITIES, "lstm", "Calibration"),
    "one answer": lambda: calibration_figure(LABELS[:1], PROBABILITIES[:1], "lstm", "Calibration"),
    "one epoch": lambda: curves_figure({"rnn": HISTORY[:1]}, {"rnn": "RNN"}, True, "One"),
}


@pytest.mark.parametrize("name", MAKERS)
def test_a_figure_is_valid_xml_with_a_title_and_no_fixed_size(name):
    root = ElementTree.fromstring(MAKERS[name]())
    assert root.tag == f"{SVG}svg"
    assert root.get("role") == "img"
    assert root.find(f"{SVG}title") is not None
    assert root.get("width") is None
    assert len(root.get("viewBox", "").split()) == 4


@pytest.mark.parametrize("name", MAKERS)
def test_a_figure_is_the_same_each_time_and_tells_no_date(name):
    drawing = MAKERS[name]()
    assert drawing == MAKERS[name]()
    assert "<metadata" not in drawing
    assert "dc:date" not in drawing


@pytest.mark.parametrize("name", MAKERS)
def test_colours_are_the_pages(name):
    drawing = MAKERS[name]()
    named = set(re.findall(r"(?:fill|stroke): *(#\w+|[\w-]+(?:\(--[\w]+\))?)", drawing))
    assert named <= {"none", "currentColor", "var(--grid)", *(f"var(--{style})" for style in STYLES)}
    assert "currentColor" in named


def test_each_model_has_its_own_colour_in_all_figures():
    assert "var(--lstm)" in curves()
    assert "var(--gru)" in curves(loss=True)
    assert "var(--rnn)" not in curves()
    for shade in ("light", "dark"):
        assert len({getattr(style, shade) for style in STYLES.values()}) == len(STYLES)
    assert len({style.marker for style in STYLES.values()}) == len(STYLES)


def test_figures_of_one_page_share_no_id():
    ids = [set(re.findall(r'\bid="([^"]+)"', drawing)) for drawing in (curves(), MAKERS["scores"]())]
    assert ids[0]
    assert ids[1]
    assert not ids[0] & ids[1]
    for drawing in (curves(), MAKERS["scores"]()):
        used = set(re.findall(r'(?:url\(|href=")#([^")]+)', drawing))
        assert used <= set(re.findall(r'\bid="([^"]+)"', drawing))


def test_text_is_text_and_escaped():
    root = ElementTree.fromstring(curves())
    texts = {"".join(element.itertext()).strip() for element in root.iter(f"{SVG}text")}
    assert {"LSTM", "G<R>U", "epoch", "validation accuracy"} <= texts
    assert root.findtext(f"{SVG}title") == "Accuracy & <more>"


def test_a_line_has_a_point_for_each_epoch():
    root = ElementTree.fromstring(curves())
    lines = [
        path.get("d", "")
        for path in root.iter(f"{SVG}path")
        if "var(--lstm)" in path.get("style", "") and "stroke-linecap" in path.get("style", "")
    ]
    assert any(len(re.findall("[ML]", line)) == 2 for line in lines)


def test_calibration_counts_the_answers_of_each_step():
    root = ElementTree.fromstring(MAKERS["calibration"]())
    texts = ["".join(element.itertext()).strip() for element in root.iter(f"{SVG}text")]
    # how sure: .9, .8, .6, .55, 1.0 in steps open to the left: (.5, .6] two, (.7, .8] one, (.8, .9] one, (.9, 1] one
    assert sorted(text for text in texts if text.isdigit()) == ["1", "1", "1", "2"]
