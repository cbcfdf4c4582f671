"""A diagnosis on a terminal and as a page: its numbers, its verdicts, and no empty plot."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
from rich.console import Console

from recurra.diagnose.diagnosis import Context, Diagnosis, LayerDiagnosis, Verdict
from recurra.diagnose.diagnosis_figures import context_figure, diagnosis_figures, gradient_figure
from recurra.diagnose.diagnosis_sections import diagnosis_page
from recurra.diagnose.diagnosis_terminal import print_diagnosis
from recurra.diagnose.diagnosis_words import context_sentence, excess, layer_row, reach_of
from recurra.diagnose.flow import Flow
from recurra.pages.drawing import STYLES

SVG = "{http://www.w3.org/2000/svg}"
Make = Callable[..., Diagnosis]
FILES = ["gradient", "context", "exponents", "half-life", "norms", "clipped"]


def printed(found: Diagnosis, width: int = 100) -> str:
    file = io.StringIO()
    print_diagnosis(found, Console(file=file, width=width))
    return file.getvalue()


def page_of(found: Diagnosis) -> str:
    return diagnosis_page(found, diagnosis_figures(found), {"made on": "a day"})


@pytest.fixture(scope="module")
def figures(make_diagnosis: Make) -> dict[str, str]:
    return diagnosis_figures(make_diagnosis())


@pytest.fixture(scope="module")
def page(make_diagnosis: Make, figures: dict[str, str]) -> str:
    return diagnosis_page(make_diagnosis(), figures, {"made on": "a day"})


def test_the_verdicts_come_first_with_a_sign_and_a_word(make_diagnosis: Make):
    text = printed(make_diagnosis())
    places = [text.index(part) for part in ("✖ problem", "! note", "✔ good", "Layers", "Mean loss by how many")]
    assert places == sorted(places)
    assert "vanishing: The gradient falls to a hundredth after 10 steps; your texts have 40." in text
    assert "why:     A hundredth of an update drowns" in text
    assert "remedy:  A gated cell" in text
    assert "command: recurra train classify reviews.csv --cell lstm --out runs/lstm\n" in text


def test_the_numbers_of_a_layer(make_layer: Callable[..., LayerDiagnosis]):
    row = layer_row(make_layer("encoder, layer 1", share=0.6))
    # 0.6 ** 10 is 0.006; exponents -0.125 and -0.5; the lower median of inf, 1, ..., 5 is 3; 0 to 0.5, of three gates
    # a third, two thirds and all of it; 2 of 6 units dead
    assert row == ("encoder, layer 1", "10", "-0.125", "1.50", "3.0", "17", "17", "33", "25")
    assert layer_row(make_layer("a", "rnn_tanh", 0.95))[1:6] == ("> 29", "-0.125", "1.50", "-", "-")


def test_no_gradient_and_no_exponent(make_layer: Callable[..., LayerDiagnosis]):
    silent = replace(
        make_layer(), flow=Flow(torch.zeros(5).double(), torch.ones(5)), exponents=torch.full((3,), -torch.inf)
    )
    assert reach_of(silent) == "no gradient"
    assert layer_row(silent)[2] == "-"
    assert gradient_figure([silent], [5]) is None


def test_context_is_drawn_beside_the_whole():
    context = Context([1, 2, 4], [0.9, 0.6, 0.3], 0.3, 4)
    assert excess(context) == pytest.approx([1, 0.5, 0])
    assert excess(Context([1, 2], [0.3003, 0.2999], 0.3, 1)) == pytest.approx([0.0003 / 0.015, 0])  # chance stays small
    assert context_figure(Context([], [], 0.3, None)) is None


def test_how_far_it_looks_is_said_with_the_loss_that_tells_it():
    some = Context([1, 2, 4], [0.9, 0.5, 0.501], 0.5, 2)
    assert context_sentence(some, "tokens").startswith(
        "With a context of 2 (tokens, the present one included) the loss"
    )
    none = context_sentence(replace(some, losses=[0.9, 0.8, 0.7], needed=None), "frames")
    assert none.startswith(
        "With none of the context lengths tried is the loss as from the beginning, 0.5000, within 1 %"
    )
    assert "the model uses more than 4 frames. It is the loss of training on the sequences measured" in none


def test_context_on_the_terminal(make_diagnosis: Make):
    text = printed(make_diagnosis())
    assert re.search(r"1 +0\.9000 +\+0\.6000 +█{24}\n?", text)
    assert re.search(r"8 +0\.3020 +\+0\.0020 +·{24}", text)
    assert "With a context of 8 (tokens, the present one included)" in text
    assert "clipped, by epoch: 75, 50, 12 %" in text
    never = printed(make_diagnosis(context=Context([1, 2], [0.9, 0.8], 0.1, None)))
    assert "the model uses more than 2 tokens" in never


def test_a_narrow_terminal_and_a_pipe_lose_nothing(make_diagnosis: Make):
    text = printed(make_diagnosis(), width=80)
    assert "\x1b" not in text
    for name in ("reach", "half-life", "closed", "dead", "> 29"):
        assert name in text


def test_every_figure_is_valid_titled_and_coloured_by_the_page(figures: dict[str, str], make_diagnosis: Make):
    layers = [f"{name}-{number}" for number in (1, 2, 3) for name in ("weights", "gates")]
    assert sorted(figures) == sorted(f"{name}.svg" for name in (*FILES, *layers))
    titles = []
    for drawing in figures.values():
        root = ElementTree.fromstring(drawing)
        assert root.get("role") == "img"
        titles.append(root.findtext(f"{SVG}title"))
        named = set(re.findall(r"(?:fill|stroke): *(#\w+|[\w-]+(?:\(--[\w]+\))?)", drawing))
        assert named <= {"none", "currentColor", "var(--grid)", *(f"var(--{style})" for style in STYLES)}
    assert len(set(titles)) == len(titles)
    assert figures["gradient.svg"] == gradient_figure(make_diagnosis().layers, make_diagnosis().lengths)


def test_a_layer_looks_the_same_in_each_figure(make_layer: Callable[..., LayerDiagnosis]):
    silent = replace(make_layer("first"), flow=Flow(torch.zeros(5).double(), torch.ones(5)))
    drawing = gradient_figure([silent, make_layer("second")], [5])
    assert drawing is not None
    assert f"var(--{'gru'})" in drawing
    assert "var(--lstm)" not in drawing


def test_the_page_is_whole(page: str, read_page):
    reader = read_page(page)
    sections = [attributes["id"] for tag, attributes in reader.seen if tag == "section"]
    assert sections == ["verdicts", "layers", "reach", "weights", "gates", "states", "training", "made"]
    assert sum(tag == "svg" for tag, _ in reader.seen) == len(FILES) + 6
    assert '<meta name="generator" content="recurra diagnose">' in page
    for text in ("✖ problem: vanishing", "! note: dead", "✔ good: context", "Why this threshold: A hundredth of an"):
        assert text in reader.text
    assert "recurra train classify reviews.csv --cell lstm --out runs/lstm" in reader.text
    tiles = re.findall(r'<div class="tile"><b>(.*?)</b>', page)
    assert tiles == ["1", "10", "8", "6"]
    assert "tokens, median 11" in reader.text


def test_the_page_loads_nothing(page: str, read_page):
    for tag, attributes in read_page(page).seen:
        assert tag not in {"script", "link", "img", "iframe", "object", "embed"}
        for name in ("src", "href", "xlink:href"):
            assert (attributes.get(name) or "#").startswith("#")
    assert {link for link in re.findall(r"\w+://[^\s\"')]+", page) if "www.w3.org" not in link} == set()
    assert "@import" not in page


def test_names_are_escaped(make_diagnosis: Make, make_layer: Callable[..., LayerDiagnosis], evil: str, read_page):
    verdict = Verdict("vanishing", "problem", evil, evil, evil, evil)
    layers = [make_layer(evil, units=2)]
    found = make_diagnosis(model=Path(evil), task=evil, unit=evil, data=evil, layers=layers, verdicts=[verdict])
    page = page_of(found)
    assert "<script" not in page
    assert read_page(page).text.count(evil) > 10
    assert evil in printed(found)


def test_a_network_without_recurrent_layer_is_told_honestly(make_diagnosis: Make, read_page):
    found = make_diagnosis(layers=[], context=None, clipped=[], verdicts=[])
    text = read_page(page_of(found)).text
    assert "has no recurrent layer" in text
    assert "The history of this model does not tell how often" in text
    assert diagnosis_figures(found) == {}
    assert "has no recurrent layer" in printed(found)


def test_one_step_is_no_empty_plot(make_diagnosis: Make, make_layer: Callable[..., LayerDiagnosis], read_page):
    one = make_layer()
    still = {gate: torch.zeros(6).double() for gate in one.units.closed}
    units = one.units._replace(norms=torch.ones(1).double(), closed=still, open=still)
    one = replace(one, flow=Flow(torch.ones(1).double(), torch.ones(1)), exponents=torch.zeros(0), units=units)
    found = make_diagnosis(layers=[one], lengths=[1], context=Context([1], [0.5], 0.5, 1))
    assert sorted(diagnosis_figures(found)) == ["clipped.svg", "context.svg", "half-life.svg", "weights-1.svg"]
    text = read_page(page_of(found)).text
    for sentence in (
        "no sequence has two",
        "No Lyapunov exponent was found",
        "all gates stay between 0.1 and 0.9",
        "there is no course of states over time",
        "Measured on 1 sequence of reviews.csv: 1 step.",
    ):
        assert sentence in text


def test_cells_without_gates(make_diagnosis: Make, make_layer: Callable[..., LayerDiagnosis], read_page):
    found = make_diagnosis(layers=[make_layer("layer 1", "rnn_tanh")])
    assert "The cells of this model have no gates." in read_page(page_of(found)).text
    assert "moduli of the eigenvalues" in diagnosis_figures(found)["weights-1.svg"]
