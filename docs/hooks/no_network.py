"""The build fails if a page would fetch anything from another host; links that a reader clicks may go there."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

LOADS = {"src", "srcset", "data", "poster", "action", "formaction"}
LINKED_ONLY = {"canonical", "next", "prev", "author", "license", "alternate"}  # rel of <link> that loads nothing
ELSEWHERE = re.compile(r"\s*(?:https?:)?//", re.IGNORECASE)
IN_STYLE = re.compile(r"(?:url\(|@import)\s*['\"]?\s*((?:https?:)?//[^'\")\s]+)", re.IGNORECASE)


class Loads(HTMLParser):
    """What a page loads from another host."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = IN_STYLE.findall(page)
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the tag's loads."""
        given = {name: value or "" for name, value in attrs}
        loads = [value for name, value in given.items() if name in LOADS]
        if tag == "link" and not set(given.get("rel", "").split()) & LINKED_ONLY:
            loads.append(given.get("href", ""))
        self.found += [value for value in loads if ELSEWHERE.match(value)]


def loads(path: Path) -> list[str]:
    """What a file of the site, a page or a style sheet, loads from another host."""
    text = path.read_text(encoding="utf-8")
    return Loads(text).found if path.suffix == ".html" else IN_STYLE.findall(text)


def on_post_build(config: Any) -> None:
    """Look through the whole site."""
    from mkdocs.exceptions import PluginError

    files = [path for ending in ("*.html", "*.css") for path in sorted(Path(config.site_dir).rglob(ending))]
    found = [f"{path}: {load}" for path in files for load in loads(path)]
    if found:
        raise PluginError("loaded from another host: " + "; ".join(found))
