"""The lab's table, command, files and pages."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
import torch
from typer.testing import Result

from recurra import lab
from recurra.errors import OutputError, SettingsError
from recurra.lab import EXPERIMENTS, find_experiment
from recurra.lab.experiment import Experiment, Figure, Outcome
from recurra.lab.page import Finished, render
from recurra.lab.run import run_experiments
from recurra.pages.drawing import SETTINGS, new_axes, to_svg

Cli = Callable[..., Result]
EVIL = '<script>alert("x")</script> & [bold]'


def tiny_outcome(text: str, value: float) -> Outcome:
    with matplotlib.rc_context(SETTINGS):
        figure, axes = new_axes(3, 2)
        axes.plot([0, 1], [0, 1], label="line")
        drawing = to_svg(figure, text)
    said = Figure("one", drawing, text)
    return Outcome(text, [(text, text)], [said], [text, "b"], [[text, "1"]], [text], {"value": [value, np.nan]})


def tiny(text: str = "A lead.") -> Experiment:
    """One that draws a number at once."""
    return Experiment("eigenvalues", text, text, 0.1, lambda *_: tiny_outcome(text, torch.rand(()).item()))


@pytest.fixture
def quick_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table with that experiment alone."""
    monkeypatch.setattr(lab, "EXPERIMENTS", {"eigenvalues": tiny()})
    for module in ("cli.lab", "lab.run", "lab.terminal"):
        monkeypatch.setattr(f"recurra.{module}.EXPERIMENTS", lab.EXPERIMENTS)


def test_each_has_a_name_a_question_and_minutes() -> None:
    for name, each in EXPERIMENTS.items():
        assert (each.name, each.generator) == (name, f"recurra lab {name}")
        assert re.fullmatch("[a-z-]+", name)
        assert each.question.endswith("?")
        assert 0 < each.minutes < 10


def test_an_unknown_name() -> None:
    with pytest.raises(SettingsError, match=r"lab: expected all or one of .*, found 'eigenvalue', did you mean 'eigen"):
        find_experiment("eigenvalue")


def test_the_command_lists_them(cli: Cli) -> None:
    result = cli("lab")
    assert result.exit_code == 0
    for each in EXPERIMENTS.values():
        assert each.name in result.stdout
        assert each.question.split()[-1] in result.stdout
    assert "Run one: recurra lab eigenvalues" in result.stdout


def test_a_run_by_the_command(quick_table: None, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):  # the second replaces what the first has made
        result = cli("lab", "eigenvalues", "--seed", "5")
        assert result.exit_code == 0, result.output
    assert "A lead." in result.stdout
    assert "The page: recurra-lab/eigenvalues.html" in result.stdout
    names = ["eigenvalues.html", "eigenvalues.json", "eigenvalues.svg", "index.html"]
    assert sorted(path.name for path in (tmp_path / "recurra-lab").iterdir()) == names
    all_of_them = cli("-q", "lab", "all", "--seed", "5", "--json")
    assert (all_of_them.exit_code, all_of_them.stderr) == (0, "")
    (line,) = all_of_them.stdout.splitlines()
    found = json.loads(line)
    assert found["numbers"] == json.loads((tmp_path / "recurra-lab" / "eigenvalues.json").read_text())["numbers"]
    assert found["numbers"]["value"][1] is None
    assert (found["seed"], found["quick"], found["made_by"]) == (5, False, "recurra lab eigenvalues")


@pytest.mark.parametrize(
    ("options", "said", "code"),
    [
        (["copi"], "did you mean 'copy'?", 2),
        (["copy", "--seed", "-1"], "should be greater than or equal to 0", 2),
        (["copy", "--sed", "1"], "No such option: --sed", 2),
        (["eigenvalues", "--out", "file"], "file: in use: it is a file, not made by this command", 5),
        (["eigenvalues", "--out", "file/below"], "cannot be written: Not a directory", 5),
        (["eigenvalues", "--out", "others"], "others: in use: it holds notes.txt, not made by this command", 5),
    ],
)
def test_bad_options(
    options: list[str], said: str, code: int, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    Path("others").mkdir()
    Path("others/notes.txt").touch()
    result = cli("lab", *options)
    assert said in re.sub(r"[\s│]+", " ", result.output)
    assert result.exit_code == code
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "others"]


@pytest.mark.parametrize("name", ["eigenvalues.html", "eigenvalues.svg", "eigenvalues.json", "index.html"])
def test_files_of_others_stay(name: str, tmp_path: Path) -> None:
    run_experiments([tiny()], tmp_path)
    (tmp_path / name).write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError, match=f"{name}: in use: not made by this command; choose another --out"):
        run_experiments([tiny()], tmp_path)
    assert (tmp_path / name).read_text(encoding="utf-8") == "mine"


def test_ctrl_c_leaves_what_was_finished(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> Outcome:
        raise KeyboardInterrupt

    table = {"eigenvalues": tiny(), "copy": Experiment("copy", "Copy", "What?", 1, interrupted)}
    for module in ("cli.lab", "lab.run", "lab.terminal"):
        monkeypatch.setattr(f"recurra.{module}.EXPERIMENTS", table)
    result = cli("lab", "all", "--out", tmp_path)
    assert result.exit_code == 130
    assert f"stopped by Ctrl-C: what was finished is in {tmp_path}" in result.stderr
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".html", ".html", ".json", ".svg"]
    assert 'href="eigenvalues.html"' in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_what_is_drawn_follows_from_the_seed_and_leaves_no_trace(tmp_path: Path) -> None:
    def value(seed: int) -> float:
        (made,) = run_experiments([tiny()], tmp_path, seed)
        return made.outcome.numbers["value"][0]

    torch.manual_seed(0)
    before = torch.get_rng_state()
    assert value(1) == value(1) != value(2)
    assert torch.equal(torch.get_rng_state(), before)


def test_texts_are_escaped(read_page: Any, tmp_path: Path) -> None:
    made = Finished(tiny(EVIL), tiny_outcome(EVIL, 0.5), 0, True, 1.0, {"processor": EVIL}, tmp_path)
    page = render(made)
    assert "<script" not in page
    assert read_page(page).text.count("alert(") >= 8
    assert "This was a quick run" in page


def test_the_pages_load_nothing(quick: dict[str, Finished], lab_folder: Path, read_page: Any) -> None:
    for name, made in quick.items():
        page = (lab_folder / f"{name}.html").read_text(encoding="utf-8")
        reader = read_page(page)
        assert [attributes["id"] for tag, attributes in reader.seen if tag == "section"] == [
            *("question", "numbers", "why", "made")
        ]
        ids = [attributes["id"] for _, attributes in reader.seen if "id" in attributes]
        assert len(ids) == len(set(ids))
        assert sum(tag == "svg" for tag, _ in reader.seen) == len(made.outcome.figures) >= 1
        assert not {tag for tag, _ in reader.seen} & {"script", "link", "img", "iframe", "object", "embed"}
        for _, attributes in reader.seen:
            for attribute in ("src", "href", "xlink:href"):
                assert attributes.get(attribute, "#").startswith("#")
        assert made.command in reader.text
        assert not re.findall(r"\$[a-z_]+", page)


def test_the_index_leads_to_all(quick: dict[str, Finished], lab_folder: Path, read_page: Any) -> None:
    reader = read_page((lab_folder / "index.html").read_text(encoding="utf-8"))
    links = [attributes["href"] for tag, attributes in reader.seen if tag == "a"]
    assert links == [f"{name}.html" for name in quick]
    for link, made in zip(links, quick.values()):
        assert (lab_folder / link).exists()
        assert made.outcome.lead in reader.text


def test_the_figures_are_files_of_their_own(quick: dict[str, Finished], lab_folder: Path) -> None:
    for name in quick:
        text = (lab_folder / f"{name}.svg").read_text(encoding="utf-8")
        assert ElementTree.fromstring(text).tag.endswith("svg")
        assert "var(" not in text
        assert f"made by recurra lab {name}" in text


def test_the_tables_are_whole(quick: dict[str, Finished]) -> None:
    for made in quick.values():
        found = made.outcome
        assert {len(row) for row in found.rows} == {len(found.headings)}
        assert 1 <= len(found.tiles) <= 4
        assert not re.search(r"\bnan\b|\binf\b", str(found.rows) + found.lead)
        json.dumps(found.numbers)
