"""The demo's report: one HTML page with all in it, made only of what a run has measured."""

from __future__ import annotations

from importlib.resources import files
from string import Template

from recurra.diagnose.figures import STYLES
from recurra.diagnose.findings import Report
from recurra.diagnose.sections import SECTIONS

__all__ = ["render"]


def render(report: Report) -> str:
    """Make the page: the template beside this file, with a section's parts in their places."""
    page = Template((files("recurra.diagnose") / "report.html").read_text(encoding="utf-8"))
    parts = {name: text for section in SECTIONS for name, text in section(report).items()}
    light = " ".join(f"--{name}: {style.light};" for name, style in STYLES.items())
    dark = " ".join(f"--{name}: {style.dark};" for name, style in STYLES.items())
    return page.substitute(parts, light=light, dark=dark)
