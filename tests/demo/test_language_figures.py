"""Figures of the report on language modelling: valid, coloured by the page, with all their points."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from recurra.demo.language_figures import activity_figure, learning_figure
from recurra.diagnose.states import Activity
from recurra.pages.drawing import STYLES

SVG = "{http://www.w3.org/2000/svg}"
TOKENS = [" a", "<b>", "$x$", "\n"]
VALUES = np.array([[0.5, -0.25, 0.02, 1.0], [-1.0, 0.1, 0.2, 0.3], [0.3, 0.3, 0.3, -0.3]], np.float32)
HISTORY = [{"epoch": 1, "valid_loss": 3.0}, {"epoch": 2, "valid_loss": 2.5}]
MAKERS = {
    "activity": lambda: activity_figure(Activity(TOKENS, [7, 0, 12], VALUES), "Units & <more>"),
    "learning": lambda: learning_figure(
        np.linspace(5, 2, 200).tolist(), HISTORY, {"unigram": 5.5, "5-gram & more": 2.8}, "gru", "Units & <more>"
    ),
    "one step": lambda: learning_figure([5.0], HISTORY[:1], {"unigram": 5.5}, "lstm", "Units & <more>"),
}


def texts(drawing: str) -> list[str]:
    root = ElementTree.fromstring(drawing)
    return ["".join(element.itertext()).strip() for element in root.iter(f"{SVG}text")]


@pytest.mark.parametrize("name", MAKERS)
def test_a_figure_is_valid_the_same_each_time_and_has_a_title(name):
    drawing = MAKERS[name]()
    assert drawing == MAKERS[name]()
    root = ElementTree.fromstring(drawing)
    assert root.get("role") == "img"
    assert root.get("width") is None
    assert root.findtext(f"{SVG}title") == "Units & <more>"


@pytest.mark.parametrize("name", MAKERS)
def test_colours_are_the_pages(name):
    named = set(re.findall(r"(?:fill|stroke): *(#\w+|[\w-]+(?:\(--[\w]+\))?)", MAKERS[name]()))
    assert named <= {"none", "currentColor", "var(--grid)", *(f"var(--{style})" for style in STYLES)}


def test_each_value_is_a_cell_of_its_sign_and_strength():
    drawing = MAKERS["activity"]()
    cells = re.findall(r"fill: var\(--(lstm|gru)\)(?:; fill-opacity: ([\d.]+))?", drawing)
    found = [float(opacity or 1) * (1 if style == "lstm" else -1) for style, opacity in cells]
    np.testing.assert_allclose(found, VALUES.flatten(), atol=0.005)


def test_tokens_and_units_are_named():
    found = texts(MAKERS["activity"]())
    assert found[:4] == ["·a", "<b>", "$x$", "↵"]
    assert {"7", "0", "12", "unit"} <= set(found)


def test_the_learning_figure_names_its_lines():
    assert {"training", "validation", "unigram", "5-gram & more", "steps of training"} <= set(
        texts(MAKERS["learning"]())
    )
