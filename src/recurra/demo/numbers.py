"""Lists of numbers and days in English words, and the same in figures, made by exact rules from a seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from recurra.errors import SettingsError

__all__ = [
    "ALL_LISTS",
    "LONGEST_TESTED",
    "LONGEST_TRAINED",
    "Pair",
    "PairCounts",
    "make_lists",
    "old_style",
    "ordinal",
    "spoken_day",
    "spoken_number",
    "spoken_year",
]

LONGEST_TRAINED, LONGEST_TESTED = 5, 10  # items of a list

_SMALL = [
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_MONTHS = [  # in English, whatever the locale is
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
]
_ORDINALS = {1: "first", 2: "second", 3: "third", 5: "fifth", 8: "eighth", 9: "ninth", 12: "twelfth"}
_LEAP_YEAR = 2000  # any that has all 366 days


class Pair(NamedTuple):
    """A list in words, and in figures."""

    words: str
    figures: str


class PairCounts(NamedTuple):
    """How many lists each part has; each length has as many."""

    train: int = 20_000
    valid: int = 500
    test: int = 1_000


ALL_LISTS = PairCounts()


def spoken_number(number: int, joined: bool = True) -> str:
    """A number from 0 to 9999 in words, with "and" before the last two digits or without.

    Raises:
        SettingsError: another number.

    >>> spoken_number(1206), spoken_number(340, joined=False), spoken_number(42)
    ('one thousand two hundred and six', 'three hundred forty', 'forty-two')
    """
    if not 0 <= number <= 9999:
        raise SettingsError(f"number: expected 0 to 9999, got {number}")
    thousands, hundreds, rest = number // 1000, number // 100 % 10, number % 100
    parts = [f"{_SMALL[thousands]} thousand"] if thousands else []
    parts += [f"{_SMALL[hundreds]} hundred"] if hundreds else []
    if rest or not parts:
        parts += ["and"] if parts and joined else []
        parts.append(_below_100(rest))
    return " ".join(parts)


def spoken_year(year: int) -> str:
    """A year from 1100 to 1999, or from 2010 to 2099, as two numbers.

    Raises:
        SettingsError: another year.

    >>> spoken_year(1999), spoken_year(1905), spoken_year(1900), spoken_year(2024)
    ('nineteen ninety-nine', 'nineteen oh five', 'nineteen hundred', 'twenty twenty-four')
    """
    if not (1100 <= year <= 1999 or 2010 <= year <= 2099):
        raise SettingsError(f"year: expected 1100 to 1999 or 2010 to 2099, got {year}")
    century, rest = divmod(year, 100)
    if not rest:
        return f"{_below_100(century)} hundred"
    return f"{_below_100(century)} {f'oh {_SMALL[rest]}' if rest < 10 else _below_100(rest)}"


def old_style(number: int) -> str:
    """A number from 21 to 99 that is no multiple of ten, as it was once said: the ones first.

    Raises:
        SettingsError: another number.

    >>> old_style(24)
    'four-and-twenty'
    """
    if not (20 < number < 100 and number % 10):
        raise SettingsError(f"number: expected 21 to 99 and no multiple of ten, got {number}")
    return f"{_SMALL[number % 10]}-and-{_TENS[number // 10 - 2]}"


def ordinal(number: int) -> str:
    """An ordinal number from 1 to 99.

    Raises:
        SettingsError: another number.

    >>> ordinal(3), ordinal(20), ordinal(31)
    ('third', 'twentieth', 'thirty-first')
    """
    if not 0 < number < 100:
        raise SettingsError(f"number: expected 1 to 99, got {number}")
    if number in _ORDINALS:
        return _ORDINALS[number]
    if number < 20:
        return f"{_SMALL[number]}th"
    tens, ones = _TENS[number // 10 - 2], number % 10
    return f"{tens}-{ordinal(ones)}" if ones else f"{tens[:-1]}ieth"


def spoken_day(day: date, style: int) -> str:
    """A day of a year, which is left out, in one of four styles, 0 to 3.

    >>> [spoken_day(date(2000, 3, 22), style) for style in range(4)]
    ['the twenty-second of March', 'March the twenty-second', '22 March', 'March 22nd']
    """
    month, number = _MONTHS[day.month - 1], day.day
    ending = "th" if 10 < number < 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    styles = (f"the {ordinal(number)} of {month}", f"{month} the {ordinal(number)}", f"{number} {month}")
    return (*styles, f"{month} {number}{ending}")[style]


def make_lists(seed: int, counts: PairCounts = ALL_LISTS) -> dict[str, list[Pair]]:
    """Make the lists of each part.

    Training and validation have lists of 1 to 5 items, the test of 1 to 10, by turns. All figures differ: no answer of
    the test stands in training, in whatever words.

    Args:
        seed: of all that is drawn.
        counts: lists of each part.

    Returns:
        "train", "valid" and "test".
    """
    chance = random.Random(seed)
    made: set[str] = set()
    longest = {"test": LONGEST_TESTED, "valid": LONGEST_TRAINED, "train": LONGEST_TRAINED}  # what is rare goes first
    return {part: _lists(chance, made, getattr(counts, part), most) for part, most in longest.items()}


def _lists(chance: random.Random, made: set[str], count: int, longest: int) -> list[Pair]:
    found: list[Pair] = []
    while len(found) < count:
        items = [_item(chance) for _ in range(1 + len(found) % longest)]
        pair = Pair(*(", ".join(item.words for item in items), " ".join(item.figures for item in items)))
        if pair.figures not in made:
            made.add(pair.figures)
            found.append(pair)
    return found


def _item(chance: random.Random) -> Pair:
    make: Callable[[random.Random], Pair] = chance.choices(_KINDS, _SHARES)[0]
    return make(chance)


def _number(chance: random.Random) -> Pair:
    number = chance.randrange(10 ** chance.randint(1, 4))  # as many of few digits as of many
    return Pair(spoken_number(number, chance.random() < 0.5), str(number))


def _old_number(chance: random.Random) -> Pair:
    number = 10 * chance.randint(2, 9) + chance.randint(1, 9)
    return Pair(old_style(number), str(number))


def _year(chance: random.Random) -> Pair:
    year = chance.choice(_YEARS)
    return Pair(spoken_year(year), str(year))


def _day(chance: random.Random) -> Pair:
    day = date(_LEAP_YEAR, 1, 1) + timedelta(chance.randrange(366))
    return Pair(spoken_day(day, chance.randrange(4)), f"{day:%m-%d}")


_YEARS: Sequence[int] = [*range(1100, 2000), *range(2010, 2100)]
_KINDS, _SHARES = (_number, _old_number, _year, _day), (0.5, 0.1, 0.1, 0.3)


def _below_100(number: int) -> str:
    if number < 20:
        return _SMALL[number]
    return _TENS[number // 10 - 2] + (f"-{_SMALL[number % 10]}" if number % 10 else "")
