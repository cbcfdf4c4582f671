"""Faults found while a file is read, reported together."""

from __future__ import annotations

from recurra.errors import DataError

__all__ = ["Faults", "listed"]

SHOWN = 10


def listed(items: list[str], total: int | None = None) -> str:
    """Return items one a line, indented: the first ten, then how many more there are.

    >>> print(listed(["line 3: a", "line 9: b"]))
      line 3: a
      line 9: b
    """
    total = len(items) if total is None else total
    lines = [f"  {item}" for item in items[:SHOWN]]
    if total > len(lines):
        lines.append(f"  and {total - len(lines):,} more")
    return "\n".join(lines)


class Faults:
    """Collects faults of one file, keeping the first ten in full and counting the rest."""

    def __init__(self, name: str, kind: str = "line") -> None:
        self.name = name
        self.kind = kind
        self.total = 0
        self.first: list[str] = []

    def __bool__(self) -> bool:
        return self.total > 0

    def add(self, where: str, what: str) -> None:
        """Note one fault."""
        self.total += 1
        if len(self.first) < SHOWN:
            self.first.append(f"{where}: {what}")

    def raise_if_any(self, remedy: str) -> None:
        """Raise what was noted, if anything was.

        Raises:
            DataError: listing the faults and the remedy.
        """
        if not self.total:
            return
        plural = "" if self.total == 1 else "s"
        head = f"{self.name}: {self.total:,} faulty {self.kind}{plural}:"
        raise DataError(f"{head}\n{listed(self.first, self.total)}\n{remedy}")
