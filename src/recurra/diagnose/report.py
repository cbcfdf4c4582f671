"""The demos' reports: one HTML page each with all in it, made only of what a run has measured."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from string import Template

from recurra.diagnose.drawing import STYLES
from recurra.diagnose.findings import Report
from recurra.diagnose.language_findings import LanguageReport
from recurra.diagnose.language_sections import LANGUAGE_SECTIONS
from recurra.diagnose.sections import SECTIONS

__all__ = ["LANGUAGE_MARK", "MARK", "render", "render_language"]

_DEMO, _LANGUAGE_DEMO = "recurra demo", "recurra demo language-model"
MARK = f'<meta name="generator" content="{_DEMO}">'  # what tells that a page was made by the demo
LANGUAGE_MARK = f'<meta name="generator" content="{_LANGUAGE_DEMO}">'


def render(report: Report) -> str:
    """Make the page of the demo of classification."""
    parts = {name: text for section in SECTIONS for name, text in section(report).items()}
    return _page("classify.html", parts, _DEMO, "Reading reviews in order")


def render_language(report: LanguageReport) -> str:
    """Make the page of the demo of language modelling."""
    parts = {name: text for section in LANGUAGE_SECTIONS for name, text in section(report).items()}
    return _page("language.html", parts, _LANGUAGE_DEMO, "Learning to write documentation")


def _page(name: str, parts: Mapping[str, str], generator: str, heading: str) -> str:
    """Put the parts in their places in a template beside this file, and that into the frame that all pages share."""
    folder = files("recurra.diagnose")
    frame, sections = (Template((folder / each).read_text(encoding="utf-8")) for each in ("page.html", name))
    light = " ".join(f"--{name}: {style.light};" for name, style in STYLES.items())
    dark = " ".join(f"--{name}: {style.dark};" for name, style in STYLES.items())
    title = f"{generator}: {heading[0].lower()}{heading[1:]}"
    written = sections.substitute(parts)
    own = {"generator": generator, "title": title, "heading": heading, "light": light, "dark": dark}
    return frame.substitute(**own, lead=parts["lead"], tiles=parts["tiles"], sections=written)
