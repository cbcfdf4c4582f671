"""The data sets that come with the package: reviews in which word order decides, and sentences with tags."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from recurra.errors import SettingsError

__all__ = ["reviews_path", "sentences_path"]

_PARTS = ("train", "valid", "test")


def reviews_path() -> Path:
    """Return the path of the bundled reviews: a CSV file with columns text, label, domain, kind and split.

    README.md beside it says how the reviews were made, how they are split and what they are good for.

    Example:
        >>> reviews_path().name
        'reviews.csv'
    """
    return Path(str(files(__name__) / "reviews.csv"))


def sentences_path(part: str) -> Path:
    """Return the path of a part of the bundled sentences: CoNLL-U with UPOS, and BIO entity tags as XPOS.

    README.md beside it says how the sentences were made and what they are good for.

    Args:
        part: ``"train"``, ``"valid"`` or ``"test"``.

    Raises:
        SettingsError: another part.

    Example:
        >>> sentences_path("test").name
        'sentences-test.conllu'
    """
    if part not in _PARTS:
        raise SettingsError(f"part: expected 'train', 'valid' or 'test', got {part!r}")
    return Path(str(files(__name__) / f"sentences-{part}.conllu"))
