"""The frame of all pages: one file with all in it, on a phone and on paper, in light and dark, without a network."""

from __future__ import annotations

from importlib.resources import files
from string import Template

from recurra.pages.drawing import STYLES
from recurra.pages.pieces import Parts, made_section
from recurra.signs import harmless

__all__ = ["make_page", "mark"]


def mark(generator: str) -> str:
    """What tells that a page was made by a command, such as "recurra demo"."""
    return f'<meta name="generator" content="{generator}">'


def make_page(generator: str, heading: str, parts: Parts, sections: str) -> str:
    """Put the sections of a page into the frame.

    Args:
        generator: the command that makes it.
        heading: what it is about, as HTML.
        parts: HTML by name: `lead`, a sentence below the heading; `tiles`, the large numbers; and how it was made, as
            :func:`recurra.pages.pieces.made_section` takes it.
        sections: HTML, a `section` each.
    """
    frame = Template((files("recurra.pages") / "page.html").read_text(encoding="utf-8"))
    light = " ".join(f"--{name}: {style.light};" for name, style in STYLES.items())
    dark = " ".join(f"--{name}: {style.dark};" for name, style in STYLES.items())
    page = frame.substitute(
        title=f"{generator}: {heading[0].lower()}{heading[1:]}",
        generator_mark=mark(generator),
        heading=heading,
        lead=parts["lead"],
        tiles=parts["tiles"],
        sections=sections,
        made=made_section(parts["made_note"], parts["settings_rows"], parts["run_rows"], parts["commands"]),
        light=light,
        dark=dark,
    )
    return harmless(page)
