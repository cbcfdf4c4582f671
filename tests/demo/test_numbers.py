"""Numbers and days in words: against examples, and read back by rules of the test's own."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest

from recurra.demo.numbers import (
    LONGEST_TESTED,
    LONGEST_TRAINED,
    PairCounts,
    make_lists,
    old_style,
    ordinal,
    spoken_day,
    spoken_number,
    spoken_year,
)
from recurra.errors import SettingsError

VALUES = {
    **{"zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9},
    **{"ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16},
    **{"seventeen": 17, "eighteen": 18, "nineteen": 19, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50},
    **{"sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90, "oh": 0},
}
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
IRREGULAR = {"first": "one", "second": "two", "third": "three", "fifth": "five", "eighth": "eight", "ninth": "nine"}
DAYS = [date(2000, 1, 1) + timedelta(number) for number in range(366)]


def read_number(words: str) -> int:
    """Sum what the words are worth; a year is two numbers without "hundred" and "thousand" between them."""
    total, last = 0, 0
    for word in re.split("[ -]", words):
        if word in ("hundred", "thousand"):
            last *= {"hundred": 100, "thousand": 1000}[word]
            total, last = total + last, 0
        elif word != "and":
            if last >= 10 and (VALUES[word] >= 10 or word == "oh"):  # the end of a year begins
                total, last = 100 * (total + last), 0
            last += VALUES[word]
    return total + last


def read_ordinal(word: str) -> int:
    start, hyphen, end = word.rpartition("-")
    if end in IRREGULAR:
        end = IRREGULAR[end]
    elif end == "twelfth":
        end = "twelve"
    elif end.endswith("ieth"):
        end = end[:-4] + "y"
    else:
        end = end.removesuffix("th")
    return read_number(f"{start}{hyphen}{end}")


def read_item(words: str) -> str:
    """An item in figures."""
    if not any(month in words for month in MONTHS):
        return str(read_number(words))
    parts = [word for word in words.split() if word not in ("the", "of")]
    (month,) = [1 + MONTHS.index(part[:3]) for part in parts if part[:3] in MONTHS]
    (day,) = [part for part in parts if part[:3] not in MONTHS]
    digits = re.match(r"\d+", day)
    return f"{month:02d}-{int(digits[0]) if digits else read_ordinal(day):02d}"


@pytest.mark.parametrize(
    ("number", "joined", "not_joined"),
    [
        (0, "zero", "zero"),
        (13, "thirteen", "thirteen"),
        (40, "forty", "forty"),
        (106, "one hundred and six", "one hundred six"),
        (700, "seven hundred", "seven hundred"),
        (1_001, "one thousand and one", "one thousand one"),
        (9_999, "nine thousand nine hundred and ninety-nine", "nine thousand nine hundred ninety-nine"),
    ],
)
def test_numbers_as_they_are_said(number, joined, not_joined):
    assert spoken_number(number) == joined
    assert spoken_number(number, joined=False) == not_joined


@pytest.mark.parametrize("joined", [True, False])
def test_every_number_is_distinct_and_read_back(joined):
    spoken = [spoken_number(number, joined) for number in range(10_000)]
    assert len(set(spoken)) == 10_000
    assert [read_number(words) for words in spoken] == list(range(10_000))


def test_years_and_old_numbers_are_read_back():
    years = [*range(1100, 2000), *range(2010, 2100)]
    assert [read_number(spoken_year(year)) for year in years] == years
    numbers = [number for number in range(21, 100) if number % 10]
    assert [read_number(old_style(number)) for number in numbers] == numbers
    assert (spoken_year(1900), spoken_year(2011), old_style(99)) == (
        "nineteen hundred",
        "twenty eleven",
        "nine-and-ninety",
    )


def test_ordinals():
    found = [ordinal(number) for number in range(1, 100)]
    assert [read_ordinal(word) for word in found] == list(range(1, 100))
    assert [found[number - 1] for number in (1, 5, 8, 9, 12, 13, 20, 22, 40)] == [
        *("first", "fifth", "eighth", "ninth", "twelfth", "thirteenth", "twentieth", "twenty-second", "fortieth")
    ]


@pytest.mark.parametrize("style", range(4))
def test_every_day_of_a_leap_year_is_distinct_and_read_back(style):
    spoken = [spoken_day(day, style) for day in DAYS]
    assert len(set(spoken)) == 366
    assert [read_item(words) for words in spoken] == [day.isoformat()[5:] for day in DAYS]


@pytest.mark.parametrize(("day", "ending"), [(1, "st"), (2, "nd"), (3, "rd"), (4, "th"), (11, "th"), (22, "nd")])
def test_endings_of_days(day, ending):
    assert spoken_day(date(2000, 2, day), 3) == f"February {day}{ending}"


@pytest.mark.parametrize(
    ("make", "number", "said"),
    [
        (spoken_number, -1, "number: expected 0 to 9999, got -1"),
        (spoken_number, 10_000, "number: expected 0 to 9999, got 10000"),
        (spoken_year, 2005, "year: expected 1100 to 1999 or 2010 to 2099, got 2005"),
        (old_style, 30, "number: expected 21 to 99 and no multiple of ten, got 30"),
        (ordinal, 0, "number: expected 1 to 99, got 0"),
    ],
)
def test_what_has_no_words(make, number, said):
    with pytest.raises(SettingsError, match=said):
        make(number)


def test_lists_are_right_and_of_the_lengths_of_their_part():
    lists = make_lists(3, PairCounts(2_000, 100, 200))
    assert {part: len(pairs) for part, pairs in lists.items()} == {"train": 2_000, "valid": 100, "test": 200}
    for part, pairs in lists.items():
        longest = LONGEST_TESTED if part == "test" else LONGEST_TRAINED
        assert [len(pair.figures.split()) for pair in pairs[:longest]] == list(range(1, longest + 1))
        for pair in pairs:
            assert pair.figures == " ".join(map(read_item, pair.words.split(", ")))
            for day in re.findall(r"\d\d-\d\d", pair.figures):
                date.fromisoformat(f"2000-{day}")
    assert LONGEST_TESTED == 2 * LONGEST_TRAINED


def test_no_list_stands_twice_and_leap_days_occur():
    lists = make_lists(0)
    figures = [pair.figures for pairs in lists.values() for pair in pairs]
    assert len(set(figures)) == len(figures) == sum(PairCounts())
    assert any("02-29" in each.split() for each in figures)


def test_all_styles_occur_and_the_seed_decides():
    lists = make_lists(1, PairCounts(500, 10, 10))
    words = " | ".join(pair.words for pair in lists["train"])
    for style in (
        r"hundred and \w",
        r"hundred (?!and)\w",
        "-and-",
        "nineteen",
        r"the \S+ of [A-Z]",
        r"[A-Z]\w+ the",
        r"\dth",
    ):
        assert re.search(style, words), style
    assert lists == make_lists(1, PairCounts(500, 10, 10))
    assert lists != make_lists(2, PairCounts(500, 10, 10))
