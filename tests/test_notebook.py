"""The notebook runs from top to bottom as a reader runs it, and each of its parts shows what it is about."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parent.parent / "notebooks" / "demo.ipynb"


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """The cells of code after a run in an empty folder; a cell that fails is an error."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    folder = tmp_path_factory.mktemp("notebook")
    NotebookClient(notebook, timeout=170, resources={"metadata": {"path": str(folder)}}).execute()
    assert not any(folder.iterdir())
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def said(cells: list[Any], word: str) -> str:
    """What the cell printed or drew whose source has a word."""
    (outputs,) = [cell.outputs for cell in cells if word in cell.source]
    texts = [output.get("text") or json.dumps(output.data) for output in outputs]
    return "".join(texts)


def test_it_is_stored_without_outputs_and_of_a_form_that_opens_anywhere():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    assert [cell.outputs for cell in notebook.cells if cell.cell_type == "code" and cell.outputs] == []


def test_nothing_warns_or_goes_wrong(cells):
    for cell in cells:
        assert not [output for output in cell.outputs if output.get("name") == "stderr"], cell.source


def test_tokens_lengths_and_padding(cells):
    assert re.search(r"^xylophone +1   unknown$", said(cells, "xylophone"), re.MULTILINE)
    with_lengths, without = (float(gap) for gap in re.findall(r"by +([\d.]+)$", said(cells, "wrong ="), re.MULTILINE))
    assert with_lengths < 1e-6 < 0.01 < without


def test_it_learns_order(cells):
    scores = dict(re.findall(r"^(\w[\w ]+?) +([\d.]+) %$", said(cells, "most_frequent ="), re.MULTILINE))
    assert float(scores["LSTM"]) > float(scores["bag of words"]) + 10
    twins = re.findall(r"LSTM: (\w+) +bag of words: (\w+)$", said(cells, "counted in zip"), re.MULTILINE)
    assert [lstm for lstm, _ in twins] == ["negative", "positive"]
    assert len({counted for _, counted in twins}) == 1


def test_it_explains_completely(cells):
    shown = said(cells, "shown(found)))\n")
    sums = re.findall(r"they add up to ([+-][\d.]+); the answer moved by ([+-][\d.]+)", shown)
    assert len(sums) == 2
    for found, moved in sums:
        assert float(found) == pytest.approx(float(moved), abs=0.02)
    assert "image/png" in said(cells, "layer.order")


def test_a_file_of_the_reader(cells):
    right, usual = re.findall(r": ([\d.]+) %", said(cells, "OWN_FILE, TEXT"))[:2]
    assert float(right) > float(usual) + 20
    assert "the same answers: True" in said(cells, "recurra.load")
