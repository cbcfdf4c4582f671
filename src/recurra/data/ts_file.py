"""Series of the UEA and UCR archives, `.ts`: a heading of `@` lines, then one series a line.

    @dimensions 2
    @classLabel true up down
    @data
    1.0,2.0,3.0:5.1,5.2,5.3:up

The values of a channel are separated by commas, channels and the label behind them by colons. A line that begins with
`#` or `%` is a comment.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recurra.data.faults import Faults
from recurra.data.labelled_series import LabelledSeries, channels_counted
from recurra.data.lines import read_lines
from recurra.data.table import require_file
from recurra.errors import DataError

__all__ = ["SeriesFault", "is_ts", "parse_series", "read_ts"]

_REMEDY = "correct these lines or take them out"
_TRUTH = {"true": True, "false": False}


class SeriesFault(Exception):
    """What is wrong with one line."""


def is_ts(source: str) -> bool:
    """Return whether a source is a `.ts` file, packed or not, by its name alone."""
    return source.lower().removesuffix(".gz").endswith(".ts")


def parse_series(text: str, channels: int | None = None) -> NDArray[np.float64]:
    """Return the series that a text holds, [T, I]: values with commas, channels with colons.

    Args:
        text: without a label.
        channels: I, if it is known.

    Raises:
        SeriesFault: another number of channels, channels of unequal length, no value, or one that is no finite number.

    >>> parse_series("1,2,3:4,5,6").tolist()
    [[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]]
    """
    parts = text.split(":")
    if channels is not None and len(parts) != channels:
        raise SeriesFault(f"expected {channels_counted(channels)}, separated by colons, found {len(parts)}")
    found = [_parse_channel(part, number) for number, part in enumerate(parts, 1)]
    lengths = [len(values) for values in found]
    if len(set(lengths)) > 1:
        raise SeriesFault(f"expected channels of equal length, found lengths {', '.join(map(str, lengths))}")
    return np.stack(found, axis=1)


def _parse_channel(text: str, number: int) -> NDArray[np.float64]:
    cells = text.split(",")
    if cells == [""] or text.isspace():
        raise SeriesFault(f"channel {number} has no value")
    try:
        values = np.array(cells, dtype=np.float64)
    except ValueError:
        values = np.array([_number_or_nan(cell) for cell in cells])
    unfit = np.flatnonzero(~np.isfinite(values))
    if len(unfit):
        cell, where = cells[unfit[0]].strip(), f"value {unfit[0] + 1:,} of channel {number}"
        if cell in ("", "?") or cell.lower().lstrip("+-") == "nan":
            raise SeriesFault(f"{where} is missing ({cell!r}); fill it, or end the series before it")
        raise SeriesFault(f"{where}: expected a finite number, found {cell!r}")
    return values


def _number_or_nan(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return np.nan


@dataclass
class _Heading:
    """What the `@` lines say; None where they do not."""

    classes: list[str] | None = None  # empty where the lines have no label
    dimensions: int | None = None
    equal: bool = True  # whether all series have the length that it says
    length: int | None = None

    def read(self, line: str) -> None:
        """Take in an `@` line.

        Raises:
            SeriesFault: it announces what cannot be read, or makes no sense.
        """
        name, *rest = line[1:].split()
        name = name.lower()
        if name == "timestamps" and self._truth(name, rest):
            raise SeriesFault(
                "expected @timeStamps false, found true: series with times cannot be read; drop the times"
            )
        if name == "targetlabel" and self._truth(name, rest):
            raise SeriesFault("expected @classLabel, found @targetLabel: its labels are numbers and no classes")
        if name == "classlabel":
            told = self._truth(name, rest)
            self.classes = rest[1:] if told else []
            if told and (len(rest) == 1 or len(set(rest[1:])) < len(rest) - 1):
                raise SeriesFault("expected the classes behind @classLabel true, each once")
        if name == "univariate" and self._truth(name, rest):
            self._set_dimensions(1)
        if name in ("dimension", "dimensions"):
            self._set_dimensions(self._count(name, rest))
        if name == "equallength":
            self.equal = self._truth(name, rest)
        if name == "serieslength" and self.equal:
            self.length = self._count(name, rest)

    def _set_dimensions(self, count: int) -> None:
        if self.dimensions not in (None, count):
            raise SeriesFault(f"the heading says {self.dimensions} dimensions, and here {count}")
        self.dimensions = count

    @staticmethod
    def _truth(name: str, rest: list[str]) -> bool:
        if not rest or rest[0].lower() not in _TRUTH:
            raise SeriesFault(f"expected true or false behind @{name}, found {' '.join(rest) or 'nothing'}")
        return _TRUTH[rest[0].lower()]

    @staticmethod
    def _count(name: str, rest: list[str]) -> int:
        if len(rest) != 1 or not rest[0].isdecimal() or int(rest[0]) == 0:
            raise SeriesFault(f"expected a number above 0 behind @{name}, found {' '.join(rest) or 'nothing'}")
        return int(rest[0])


def read_ts(path: Path, labelled: bool | None) -> LabelledSeries:
    """Read a `.ts` file, packed as `.gz` or not.

    Args:
        path: the file.
        labelled: whether its labels are needed, not wanted (False), or taken where there are some (None).

    Raises:
        DataError: it is missing or malformed, has no series, or not the labels that are needed; all faulty lines are
            listed together.
    """
    require_file(path)
    name = str(path)
    faults, heading, in_data = Faults(name), _Heading(), False
    values: list[NDArray[np.float64]] = []
    labels: list[str] = []
    for number, raw in enumerate(read_lines(path, name), 1):
        line = raw.strip()
        if not line or line.startswith(("#", "%")):
            continue
        try:
            if in_data:
                series, label = _parse_line(line, heading)
                heading.dimensions = series.shape[1]
                values.append(series)
                labels.append(label)
            elif line.lower() == "@data":
                in_data = True
            elif line.startswith("@"):
                heading.read(line)
            else:
                raise SeriesFault("expected a line that begins with @, up to @data")
        except SeriesFault as fault:
            faults.add(f"line {number:,}", str(fault))
            if not in_data:
                break  # what follows would be faulty for the same reason
    faults.raise_if_any(_REMEDY)
    if not values:
        raise DataError(f"{name}: expected series behind @data, found none")
    if labelled and not heading.classes:
        raise DataError(f"{name}: expected class labels, found none: its heading has no @classLabel true")
    known = labels if heading.classes and labelled is not False else None
    return LabelledSeries.numbered(name, values, known)


def _parse_line(line: str, heading: _Heading) -> tuple[NDArray[np.float64], str]:
    text, label = line, ""
    if heading.classes:
        text, colon, label = line.rpartition(":")
        label = label.strip()
        if not colon:
            raise SeriesFault("expected values, a colon and a class, found no colon")
        if label not in heading.classes:
            raise SeriesFault(f"expected one of the classes {', '.join(heading.classes)}, found {label!r}")
    series = parse_series(text, heading.dimensions)
    if heading.equal and heading.length not in (None, len(series)):
        raise SeriesFault(f"expected {heading.length:,} steps, as @seriesLength says, found {len(series):,}")
    return series, label
