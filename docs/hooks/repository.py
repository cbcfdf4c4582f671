"""Files that pages link to and that are no pages of docs/ stand on the site too: links work as on the git host."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

ROOT = Path(__file__).parent.parent.parent
PLACE = "repository"  # the folder of the site that holds them
AS_THEY_ARE = (".png", ".svg", ".json")
LINK = re.compile(r"(?<=\]\()(?!https?:|#)([^)\s#]+)")
FENCED = re.compile(r"(^ *```.*?^ *```$)", re.MULTILINE | re.DOTALL)


def with_links(text: str, change: Callable[[str], str]) -> str:
    """Change the targets of a page's links to files; code is left alone."""
    parts = FENCED.split(text)
    for number in range(0, len(parts), 2):
        parts[number] = LINK.sub(lambda link: change(link[1]), parts[number])
    return "".join(parts)


def targets(text: str, path: str) -> list[str]:
    """The files that a page links to, as paths in the repository, where the page is at `path`."""
    found: list[str] = []

    def note(target: str) -> str:
        found.append(posixpath.normpath(posixpath.join(posixpath.dirname(path), target)))
        return target

    with_links(text, note)
    return found


def place_of(path: str) -> str:
    """Where the site has a file of the repository: what is no page and no picture gets a page that shows it."""
    if path.startswith("docs/") and not path.endswith(".py"):
        return path.removeprefix("docs/")
    return f"{PLACE}/{path}" if path.endswith((".md", *AS_THEY_ARE)) else f"{PLACE}/{path}.md"


def path_of(place: str) -> str:
    """The file of the repository that a page of the site is."""
    return place.removeprefix(f"{PLACE}/") if place.startswith(f"{PLACE}/") else f"docs/{place}"


def linked(pages: list[str]) -> list[str]:
    """The files that pages link to and that are not in the site by themselves; and those that these link to."""
    seen: set[str] = set()
    todo = list(pages)
    while todo:
        page = todo.pop()
        for path in targets((ROOT / page).read_text(encoding="utf-8"), page):
            if path not in seen and place_of(path).startswith(PLACE):
                seen.add(path)
                todo += [path] if path.endswith(".md") else []
    return sorted(seen)


def page_of(path: str) -> str:
    """The page that shows a file."""
    head = "---\nsearch:\n  exclude: true\n---\n\n"
    text = (ROOT / path).read_text(encoding="utf-8")
    if path.endswith(".md"):
        return text if path == "CHANGELOG.md" else head + text
    return f"{head}# {path}\n\n~~~~ {Path(path).suffix.removeprefix('.') or 'text'}\n{text}~~~~\n"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files to those of the site."""
    from mkdocs.structure.files import File

    pages = [f"docs/{file.src_uri}" for file in files.documentation_pages()]
    for path in [*linked([*pages, "CHANGELOG.md"]), "CHANGELOG.md"]:
        if path.endswith(AS_THEY_ARE):
            files.append(File.generated(config, place_of(path), abs_src_path=str(ROOT / path)))
        elif place_of(path) not in files.src_uris:
            files.append(File.generated(config, place_of(path), content=page_of(path)))
    return files


def on_page_markdown(markdown: str, *, page: Any, config: MkDocsConfig, files: Files) -> str:
    """Point each link at where the site has its file."""
    here = page.file.src_uri

    def moved(target: str) -> str:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(path_of(here)), target))
        return posixpath.relpath(place_of(path), posixpath.dirname(here) or ".")

    return with_links(markdown, moved)
