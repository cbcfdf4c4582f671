"""What `recurra bench` measures: the sizes, and how often."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from recurra.errors import SettingsError, nearest

__all__ = ["CELLS", "DEFAULT", "FULL", "QUICK", "SIZES", "Plan", "Size", "chosen_cells", "chosen_plan"]

# what each cell is called on the command line, and its class in torch.nn and recurra.nn
CELLS = {"lstm": "LSTM", "gru": "GRU", "rnn": "RNN"}


class Size(NamedTuple):
    """One problem: I, H, L, D, B, T, and whether all sequences have T steps.

    >>> str(Size(64, 64, 1, 2, 32, 30))
    '64, 64, 1, both, 32, 30'
    """

    input: int
    hidden: int
    layers: int
    directions: int
    batch: int
    time: int
    full: bool = False

    def __str__(self) -> str:
        direction = "both" if self.directions == 2 else "one"
        ending = " (all full)" if self.full else ""
        return f"{self.input}, {self.hidden}, {self.layers}, {direction}, {self.batch}, {self.time}{ending}"


SIZES = (
    Size(64, 64, 1, 2, 32, 30),
    Size(128, 256, 1, 1, 32, 64),
    Size(128, 256, 2, 2, 32, 64),
    Size(300, 512, 2, 2, 32, 100),
    Size(128, 256, 2, 2, 64, 200),
    Size(650, 650, 2, 1, 20, 35, full=True),
    Size(80, 256, 3, 2, 16, 800),
)
_STREAMS = (Size(256, 256, 1, 1, 1, 1), Size(512, 512, 2, 1, 1, 1))


@dataclass(frozen=True)
class Plan:
    """What is measured, and how often.

    Attributes:
        name: what the run calls itself.
        sizes: of the tables of training and inference.
        streams: of the table of streaming.
        series: sizes that differ in one number, by the name of that field of :class:`Size`.
        split: the size whose training step is taken apart.
        square: rows of the large square matrices whose product is the limit.
        rounds: times that each way is run, at the most.
        seconds: begin no further round of a row after so long.
        patience: leave a way out of a series where one run of it is expected to take longer, in seconds.
    """

    name: str
    sizes: tuple[Size, ...]
    streams: tuple[Size, ...]
    series: Mapping[str, tuple[Size, ...]]
    split: Size
    square: int
    rounds: int
    seconds: float
    patience: float


def _series(time: tuple[int, ...], batch: tuple[int, ...], hidden: tuple[int, ...]) -> dict[str, tuple[Size, ...]]:
    return {
        "time": tuple(Size(128, 128, 1, 1, 16, n) for n in time),
        "batch": tuple(Size(256, 256, 1, 1, n, 64) for n in batch),
        "hidden": tuple(Size(n, n, 1, 1, 32, 64) for n in hidden),
    }


QUICK = Plan(
    name="quick",
    sizes=SIZES[:2],
    streams=_STREAMS[:1],
    series=_series(time=(50, 200, 800), batch=(1, 16), hidden=(16, 128)),
    split=SIZES[1],
    square=1024,
    rounds=3,
    seconds=0.5,
    patience=1.0,
)
DEFAULT = Plan(
    name="default",
    sizes=(*SIZES[:3], SIZES[5]),
    streams=_STREAMS,
    series=_series(time=(50, 100, 200, 500, 1000, 2000, 5000), batch=(1, 4, 16, 64, 256), hidden=(16, 64, 256, 1024)),
    split=SIZES[2],
    square=2048,
    rounds=9,
    seconds=1.0,
    patience=2.0,
)
FULL = Plan(
    name="full",
    sizes=SIZES,
    streams=_STREAMS,
    series=_series(
        time=(50, 100, 200, 500, 1000, 2000, 5000),
        batch=(1, 2, 4, 8, 16, 32, 64, 128, 256),
        hidden=(16, 32, 64, 128, 256, 512, 1024),
    ),
    split=SIZES[2],
    square=4096,
    rounds=21,
    seconds=12.0,
    patience=30.0,
)


def chosen_plan(quick: bool, full: bool) -> Plan:
    """The plan of the options --quick and --full.

    Raises:
        SettingsError: both were given.
    """
    if quick and full:
        raise SettingsError("--quick measures the least and --full the most: give one of them")
    return QUICK if quick else FULL if full else DEFAULT


def chosen_cells(text: str) -> list[str]:
    """The cells that an option names, with commas between them.

    Raises:
        SettingsError: one is unknown or named twice, or there is none.

    >>> chosen_cells("lstm, gru")
    ['lstm', 'gru']
    """
    cells = [part.strip() for part in text.split(",")]
    for number, cell in enumerate(cells):
        if cell not in CELLS:
            raise SettingsError(
                f"option 'cells': expected some of {', '.join(CELLS)} with commas between them, "
                f"found '{cell}'{nearest(cell, CELLS)}"
            )
        if cell in cells[:number]:
            raise SettingsError(f"option 'cells': '{cell}' is named twice")
    return cells
