"""The data set that comes with the package: short reviews in which word order decides."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

__all__ = ["reviews_path"]


def reviews_path() -> Path:
    """Return the path of the bundled reviews: a CSV file with columns text, label, domain, kind and split.

    README.md beside it says how the reviews were made, how they are split and what they are good for.

    Example:
        >>> reviews_path().name
        'reviews.csv'
    """
    return Path(str(files(__name__) / "reviews.csv"))
