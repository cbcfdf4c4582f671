"""The data sets that come with the package: reviews, sentences with tags, and series of sea temperatures."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from recurra.errors import SettingsError

__all__ = ["reviews_path", "sea_temperature_path", "sentences_path"]

_PARTS = ("train", "valid", "test")


def reviews_path() -> Path:
    """Return the path of the bundled reviews: a CSV file with columns text, label, domain, kind and split.

    README.md beside it says how the reviews were made, how they are split and what they are good for.

    Example:
        >>> reviews_path().name
        'reviews.csv'
    """
    return Path(str(files(__name__) / "reviews.csv"))


def sea_temperature_path() -> Path:
    """Return the path of the bundled series: a CSV file with columns unique_id, ds and y, monthly from 1950 to 2010.

    README.md beside it says what was measured, where and by whom.

    Example:
        >>> sea_temperature_path().name
        'sea-temperature.csv'
    """
    return Path(str(files(__name__) / "sea-temperature.csv"))


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
