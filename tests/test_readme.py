"""The documents' links and the README's tree lead to what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [*(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "examples/README.md"))]
PAGES += sorted(ROOT.glob("docs/**/*.md"))


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, heading = target.partition("#")
        if path.startswith("https:"):
            continue
        there = page.parent / path if path else page
        assert there.exists(), f"{named(page)} links to {target}"
        if heading:
            titles = re.findall(r"^#+ (.+)$", there.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles], (
                f"{named(page)}: {target}"
            )


def tree() -> list[str]:
    """The paths of the README's tree."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (listing,) = re.findall(r"^```tree\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    folders: list[str] = []
    paths = []
    for line in listing.splitlines():
        depth, name = (len(line) - len(line.lstrip())) // 2, line.split()[0]
        folders[depth:] = [name]
        paths.append("".join(folders))
    return paths


def test_the_tree_is_what_is_there():
    paths = tree()
    assert len(paths) > 20
    for path in paths:
        there = ROOT / path
        assert there.is_dir() if path.endswith("/") else there.is_file(), f"README's tree has {path}"


def test_the_tree_has_every_folder_of_the_package():
    package = ROOT / "src" / "recurra"
    folders = [f"src/recurra/{f.name}/" for f in package.iterdir() if (f / "__init__.py").exists()]
    assert set(folders) <= set(tree())


def test_a_device_that_is_not_there_is_an_error(cli, reviews_csv, tmp_path):
    import torch

    device = "cuda" if not torch.cuda.is_available() else "mps"
    result = cli("train", "classify", reviews_csv, "--device", device, "--out", tmp_path / "model")
    assert result.exit_code == 2
    assert f"option 'device': expected a device of this machine, found '{device}'" in result.output
    assert not (tmp_path / "model.partial").exists()
