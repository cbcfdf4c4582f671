"""Pieces of HTML that the sections of all reports are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from recurra.config import RunConfig, make_run_config

__all__ = ["Parts", "changes_sentence", "dot", "fact_rows", "made_section", "section", "settings_rows", "tiles"]

Parts = Mapping[str, str]


def tiles(numbers: Sequence[tuple[str, str]]) -> str:
    """The large numbers at the top, each with what it is; both are HTML."""
    return "".join(f'<div class="tile"><b>{number}</b><small>{what}</small></div>' for number, what in numbers)


def section(name: str, heading: str, body: str) -> str:
    """A part of a page, which can be linked to by its name; the body is HTML."""
    return f'<section id="{name}">\n<h2>{heading}</h2>\n{body}\n</section>\n'


def made_section(note: str, settings: str, run: str, commands: str) -> str:
    """The last part of a page: how it was made, and what to try next.

    Args:
        note: HTML.
        settings: rows of a table, of :func:`settings_rows`; the table is left out where there are none.
        run: likewise, of :func:`fact_rows`.
        commands: HTML, a line each.
    """
    tables = [
        f'<div class="wide"><table><thead><tr><th>{name}</th><th>{value}</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
        for name, value, rows in (("setting", "value", settings), ("run", "", run))
        if rows
    ]
    beside = f'<div class="two">{"".join(tables)}</div>'
    body = f"<p>{note}</p>\n{beside}\n<h3>Go on from here</h3>\n<pre>{commands}</pre>"
    return section("made", "How this was made", body)


def dot(style: str) -> str:
    """The mark of a model's colour."""
    return f'<span class="dot" style="background:var(--{style})"></span>'


def settings_rows(config: RunConfig, epochs: int, left_out: Sequence[str] = ()) -> str:
    """A row for each setting of a run, with the number of epochs that it had."""
    rows = []
    for section in _sections(config):
        for name, value in getattr(config, section).model_dump().items():
            used = epochs if name == "epochs" else value  # without being told, as the data need
            if name not in (*left_out, "seed", "tensorboard") and used is not None:
                rows.append((name, str(used)))
    return fact_rows(dict(rows))


def changes_sentence(config: RunConfig, left_out: Sequence[str] = ()) -> str:
    """Say which settings are not the defaults."""
    defaults = make_run_config(config.task, data=config.data.data)
    changed = []
    for section in _sections(config):
        usual = getattr(defaults, section).model_dump()
        for name, value in getattr(config, section).model_dump().items():
            if name not in (*left_out, "seed") and value != usual[name]:
                changed.append(f"{name} is {value}, by default {_usual(usual[name])}")
    return f"All but these settings are recurra's defaults: {'; '.join(changed)}." if changed else _ALL_USUAL


_ALL_USUAL = "They are recurra's defaults."


def fact_rows(facts: Mapping[str, str]) -> str:
    """A row for each fact, its name and what it is, as text."""
    return "".join(f"<tr><td>{escape(name)}</td><td>{escape(what)}</td></tr>" for name, what in facts.items())


def _sections(config: RunConfig) -> list[str]:
    return [section for section in config.sections if section != "data"]


def _usual(value: Any) -> str:
    return "as the data need" if value is None else str(value)
