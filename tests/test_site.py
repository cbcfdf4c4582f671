"""The documentation site: what its hooks make of links, formulas and docstrings; its figures come from the lab."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from recurra.lab import EXPERIMENTS

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


def hook(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"site_{name}", DOCS / "hooks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_files_outside_the_pages_have_a_place():
    repository = hook("repository")
    places = {
        "docs/tutorial.md": "tutorial.md",
        "README.md": "repository/README.md",
        "examples/01_a.py": "repository/examples/01_a.py.md",
        "benchmarks/results/bench.png": "repository/benchmarks/results/bench.png",
        "docs/learn/exercises/gru.py": "repository/docs/learn/exercises/gru.py.md",
        "LICENSE": "repository/LICENSE.md",
    }
    for path, place in places.items():
        assert repository.place_of(path) == place
        assert not place.endswith(".md") or repository.path_of(place).removesuffix(".md") == path.removesuffix(".md")


def test_links_are_followed_from_page_to_page(tmp_path, monkeypatch):
    repository = hook("repository")
    monkeypatch.setattr(repository, "ROOT", tmp_path)
    pages = {
        "docs/a.md": "[b](b.md) [there](../x/page.md#part) [web](https://a.b/c.md)\n```\n[no](../no.md)\n```\n",
        "x/page.md": "[code](code.py), [home](../docs/a.md), [here](#part)",
        "x/code.py": "a = 1\n",
    }
    for name, text in pages.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert repository.linked(["docs/a.md"]) == ["x/code.py", "x/page.md"]
    assert repository.page_of("x/code.py").endswith("# x/code.py\n\n~~~~ py\na = 1\n~~~~\n")


def test_each_link_points_at_the_place():
    from types import SimpleNamespace

    page = SimpleNamespace(file=SimpleNamespace(src_uri="tutorials/tag.md"))
    text = "[a](../tagging.md#scores) [b](../../README.md#install) [c](../../examples/01.py) [d](https://e.f)"
    moved = hook("repository").on_page_markdown(text, page=page, config=None, files=None)
    assert moved == (
        "[a](../tagging.md#scores) [b](../repository/README.md#install) [c](../repository/examples/01.py.md) "
        "[d](https://e.f)"
    )


@pytest.mark.parametrize(
    "loading",
    [
        '<script src="https://a.b/c.js"></script>',
        '<img src="//a.b/c.png">',
        '<link rel="stylesheet" href="https://a.b/c.css">',
        '<link rel="preconnect" href="https://a.b">',
        "<style>@import 'https://a.b/c.css'</style>",
        '<p style="background: url(https://a.b/c.png)">',
    ],
)
def test_what_is_loaded_from_elsewhere_is_found(loading, tmp_path):
    page = tmp_path / "page.html"
    page.write_text(f"<html>{loading}</html>", encoding="utf-8")
    assert len(hook("no_network").loads(page)) == 1


def test_links_and_own_files_are_no_loads(tmp_path):
    page = tmp_path / "page.html"
    page.write_text('<a href="https://a.b">c</a><img src="a.png"><link rel="canonical" href="https://a.b">', "utf-8")
    assert hook("no_network").loads(page) == []


def test_formulas_become_mathml():
    pytest.importorskip("latex2mathml")
    as_mathml = hook("formulas").as_mathml
    drawn = as_mathml(r'<p><span class="arithmatex">\(a_t &lt; b\)</span></p>')
    assert drawn.startswith('<p><span class="formula"><math')
    assert "<msub><mi>a</mi><mi>t</mi></msub><mo>&#x0003C;</mo>" in drawn
    lines = as_mathml(r'<div class="arithmatex">\[\begin{aligned} a &amp;= b \\ c &amp;= d \end{aligned}\]</div>')
    assert lines.count("<mtr>") == 2
    with pytest.raises(ValueError, match="converter does not know"):
        as_mathml(r'<span class="arithmatex">\(\nosuchthing\)</span>')


def test_docstrings_become_markdown():
    pytest.importorskip("griffe")
    as_markdown = hook("docstrings").as_markdown
    assert as_markdown("See :class:`~a.B` and :math:`c_t`.") == "See `a.B` and $c_t$."
    assert as_markdown("A.\n\n>>> f(1)\n2\n>>> f(2)\n3\n") == "A.\n\n```pycon\n>>> f(1)\n2\n>>> f(2)\n3\n```\n"


def test_each_figure_is_small_and_made_by_an_experiment():
    shown = {
        name
        for page in DOCS.glob("**/*.md")
        for name in re.findall(r"\]\([./]*figures/([\w-]+)\.svg\)", page.read_text(encoding="utf-8"))
    }
    there = {path.stem: path for path in (DOCS / "figures").iterdir()}
    assert shown == set(there) == set(EXPERIMENTS)
    for name, path in there.items():
        assert path.stat().st_size < 200_000
        assert f"`recurra lab {name}`" in (DOCS / "lab.md").read_text(encoding="utf-8")
