"""Telephone keys as sound, whose truth is exact: two tones a key, under noise, from a seed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recurra.errors import SettingsError

__all__ = ["KEYS", "RATE", "Dialled", "Key", "dial", "draw_number", "key_tones"]

RATE = 8_000  # Hz, as on the telephone
KEYS = "123A456B789C*0#D"  # row by row
_ROWS, _COLUMNS = (697, 770, 852, 941), (1209, 1336, 1477, 1633)  # Hz: ITU-T recommendation Q.23
_SECONDS = (0.06, 0.16)  # of a key
_PAUSE = (0.05, 0.2)  # between two keys, and at the ends
_EDGE = 0.004  # seconds in which a tone rises and falls, so that it does not click


class Key(NamedTuple):
    """A key and when it sounds, in seconds."""

    key: str
    start: float
    end: float


class Dialled(NamedTuple):
    """A number as sound.

    Attributes:
        samples: float32 [n] at `RATE`, in -1..1.
        keys: what was dialled, and when.
        noise: signal-to-noise ratio in decibels: power of the tones while they sound over that of the noise.
    """

    samples: NDArray[np.float32]
    keys: list[Key]
    noise: float

    @property
    def text(self) -> str:
        """The keys in order."""
        return "".join(each.key for each in self.keys)


def key_tones(key: str) -> tuple[int, int]:
    """The two frequencies of a key, in Hz.

    Raises:
        SettingsError: there is no such key.

    >>> key_tones("5"), key_tones("#")
    ((770, 1336), (941, 1477))
    """
    if len(key) != 1 or key not in KEYS:
        raise SettingsError(f"key: expected one of {KEYS}, got {key!r}")
    row, column = divmod(KEYS.index(key), 4)
    return _ROWS[row], _COLUMNS[column]


def draw_number(chance: np.random.Generator, fewest: int, most: int) -> str:
    """Draw a number of `fewest` to `most` keys."""
    return "".join(chance.choice(list(KEYS), chance.integers(fewest, most + 1)))


def dial(number: str, noise: float, chance: np.random.Generator) -> Dialled:
    """Sound a number: keys and pauses of different lengths, tones of different strength, white noise over all.

    Args:
        number: the keys.
        noise: the signal-to-noise ratio, in decibels.
        chance: what draws lengths, levels, phases and the noise.

    Raises:
        SettingsError: a key that there is not.
    """
    pieces, keys, at = [np.zeros(_count(chance, _PAUSE))], [], 0
    at = len(pieces[0])
    for key in number:
        tone = _tone(key, _count(chance, _SECONDS), chance)
        keys.append(Key(key, at / RATE, (at + len(tone)) / RATE))
        pieces += [tone, np.zeros(_count(chance, _PAUSE))]
        at += len(tone) + len(pieces[-1])
    clean = np.concatenate(pieces)
    power = np.square(clean[clean != 0]).mean() if number else 0.01
    noisy = clean + chance.standard_normal(len(clean)) * np.sqrt(power / 10 ** (noise / 10))
    loud = chance.uniform(0.2, 0.9) / np.abs(noisy).max()
    return Dialled((loud * noisy).astype(np.float32), keys, noise)


def _count(chance: np.random.Generator, seconds: tuple[float, float]) -> int:
    return round(RATE * chance.uniform(*seconds))


def _tone(key: str, samples: int, chance: np.random.Generator) -> NDArray[np.float64]:
    time = np.arange(samples) / RATE
    twist = 10 ** (chance.uniform(-4, 4) / 20)  # one tone up to 4 decibels above the other
    tones = [np.sin(2 * np.pi * (hertz * time + chance.uniform())) for hertz in key_tones(key)]
    edge = np.minimum(1, np.minimum(time, time[::-1]) / _EDGE)
    sound: NDArray[np.float64] = edge * (tones[0] + twist * tones[1])
    return sound
